/** A catcher that clocks the window, and what its answers have shown. Pure. */

import * as DeliveryRate from "./DeliveryRate.ts"

/** Never changed: each answer gives a new one. */
export interface Acker {
  readonly slot: number
  /** Of what was sent: taken by it, or lost. */
  readonly ackedBytes: number
  /** When it answered last. */
  readonly heardMillis: number
  /** How fast it takes. */
  readonly delivery: DeliveryRate.DeliveryRate
  /** On the master's own machine: what it has taken says nothing of the network. */
  readonly isLocal: boolean
  /** The poll that asked it last, when that went out, and since when it owes an answer to a poll; undefined: it owes none. */
  readonly askedPoll: number
  readonly askedMillis: number
  readonly owesMillis: number | undefined
  /** How long the others have waited for it, since `countedFromMillis`. */
  readonly waitedMillis: number
  readonly countedFromMillis: number
  /** The acker does not bound until then, and so often that was decided. */
  readonly excludedUntilMillis: number
  readonly exclusions: number
}

/** Bytes a millisecond that it takes; 0 before the first measure. */
export const rateOf = ({ delivery }: Acker): number => DeliveryRate.rate(delivery) ?? 0

/** Those that say something of the network: ackers on the master's machine only where there are no others. */
export const remote = (ackers: ReadonlyArray<Acker>): ReadonlyArray<Acker> => {
  if (!ackers.some((acker) => acker.isLocal)) return ackers
  const others = ackers.filter((acker) => !acker.isLocal)
  return others.length === 0 ? ackers : others
}
