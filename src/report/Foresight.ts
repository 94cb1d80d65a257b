/** What a dry run tells besides: how much would be sent, one by one and once for all, and how long at a given rate. Pure. */
import type { Event } from "./Event.ts"
import type { Report } from "./Report.ts"

/** The time of so many bytes; none where no rate is given. */
const secondsOf = (bytes: number, rate: number | undefined): { readonly seconds?: number } =>
  rate === undefined ? {} : { seconds: bytes / rate }

/** The report of a dry run, with that. `rate`: bytes per second. */
export const foretold = (report: Report, rate: number | undefined): Report => {
  const oneByOneBytes = report.catchers.reduce((sum, { changes }) => sum + (changes?.bytes ?? 0), 0)
  const { seconds } = secondsOf(oneByOneBytes, rate)
  const times = rate === undefined ? {} : { rate, ...secondsOf(report.selected?.bytes ?? 0, rate) }
  const foreseen = { oneByOneBytes, ...times, ...(seconds === undefined ? {} : { oneByOneSeconds: seconds }) }
  return { ...report, foreseen }
}

/** What each catcher alone would be sent, and what would be changed there. */
export const each = (report: Report, rate: number | undefined): ReadonlyArray<Event> =>
  report.catchers.flatMap(({ changes, id }) => {
    if (changes === undefined) return []
    const { isForeseen: _isForeseen, ...foreseen } = changes
    return [{ _tag: "Foreseen", catcher: id, ...foreseen, ...secondsOf(changes.bytes, rate) }]
  })
