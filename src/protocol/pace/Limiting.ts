/**
 * What sets the pace of a session, as its sender's waits show it. Pure. It changes nothing: a person is told.
 */

import { rateOf, remote } from "./Acker.ts"
import { bounding } from "./Exclusion.ts"
import type { Window } from "./Window.ts"

/**
 * For what the sender waits. Rate: its cap on the rate. Catchers: ackers that are slower than the network. Network: room in the
 * network's window. Work: pages, because the source is read or catchers answer questions.
 */
export type Kind = "Rate" | "Catchers" | "Network" | "Work"

/** Milliseconds waited since the session began; the catchers that were waited for, by their slots. */
export interface Waits {
  readonly millis: { readonly [K in Kind]: number }
  readonly bySlot: ReadonlyMap<number, number>
}

/** What sets the pace; Master: the sender hardly waits. */
interface Limiting {
  readonly by: Kind | "Master"
  /** The share of the time that is waited for it, 0 to 1; of Master, the rest. */
  readonly share: number
  /** The catchers that it is about, the slowest first; none where it is about all. */
  readonly slots: ReadonlyArray<number>
}

/** With less of the time waited, all waits together, the sender itself is what is slow. */
const busyShare = 0.25
/** A catcher that takes less than this share of what half of the others take is named. */
const namedShare = 0.8

/** What set the pace between two readings, `passedMillis` apart. */
export const limiting = (before: Waits, after: Waits, passedMillis: number, now: Moment): Limiting => {
  const kinds = ["Rate", "Catchers", "Network", "Work"] as const
  const waited = kinds.map((kind) => [kind, after.millis[kind] - before.millis[kind]] as const)
  const share = (millis: number) => (passedMillis > 0 ? Math.min(1, Math.max(0, millis / passedMillis)) : 0)
  const all = share(waited.reduce((sum, [, millis]) => sum + millis, 0))
  if (all < busyShare) return { by: "Master", share: 1 - all, slots: [] }
  const [by, millis] = waited.reduce((most, one) => (one[1] > most[1] ? one : most))
  return { by, share: share(millis), slots: slotsOf(by, before, after, now) }
}

/** The window as it is now. */
interface Moment {
  readonly window: Window
  readonly nowMillis: number
}

const slotsOf = (by: Kind, before: Waits, after: Waits, { nowMillis, window }: Moment): ReadonlyArray<number> => {
  if (by === "Catchers") {
    const grown = [...after.bySlot].map(([slot, millis]) => [slot, millis - (before.bySlot.get(slot) ?? 0)] as const)
    return grown
      .filter(([, millis]) => millis > 0)
      .sort((a, b) => b[1] - a[1] || a[0] - b[0])
      .map(([slot]) => slot)
  }
  if (by !== "Network") return []
  const ackers = [...remote(bounding(window, nowMillis))].sort((a, b) => rateOf(a) - rateOf(b))
  const median = ackers.length === 0 ? 0 : rateOf(ackers[Math.floor(ackers.length / 2)])
  return ackers.filter((acker) => rateOf(acker) > 0 && rateOf(acker) < median * namedShare).map(({ slot }) => slot)
}
