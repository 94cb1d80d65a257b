/** The exit status, and how it follows from a report. Loads nothing: the program's edge needs it before all else. */

import type { CatcherView } from "./Event.ts"
import type { Report } from "./Report.ts"

/** rsync's numbers. */
export const exitStatus = {
  ok: 0,
  usage: 1,
  key: 5,
  socket: 10,
  file: 11,
  protocol: 12,
  interrupted: 20,
  partial: 23,
  changed: 24,
  timeout: 30
} as const

/** Is all there that was to be there? What a catcher's owner refuses was not. */
export const isWell = (state: CatcherView["state"] | Report["catchers"][number]["state"]): boolean =>
  state === "Complete" || state === "Limited"

/** One rule for both sides: 24 where nothing is wrong but that a source changed, 23 where anything else is. */
export const exitStatusOf = (report: Report): number => {
  const incomplete = report.catchers.filter(({ state }) => !isWell(state))
  const isChanged = ({ kind }: { readonly kind?: Report["failures"][number]["kind"] }) => kind === "Changed"
  const isPartial =
    incomplete.some(({ failures }) => failures.length === 0 || !failures.every(isChanged)) ||
    !report.failures.every(isChanged)
  if (isPartial) return exitStatus.partial
  return incomplete.length + report.failures.length > 0 ? exitStatus.changed : exitStatus.ok
}
