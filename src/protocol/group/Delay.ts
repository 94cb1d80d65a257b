/**
 * How late a master's announcements come. Each says how long its session runs (`uptimeMillis`); the one that came soonest is the
 * measure of the others. [J-4]
 */

import * as Limits from "../Limits.ts"

/** As of the announcement that was heard last. Times are of the catcher's clock. */
export interface Delay {
  /** When the session began, as the soonest announcement says. */
  readonly beganMillis: number
  readonly heardMillis: number
  /** By how much the last announcement came later than the soonest one. */
  readonly lateMillis: number
}

/** An announcement is heard. The measure moves with what comes late for long. */
export const heard = (before: Delay | undefined, uptimeMillis: number, nowMillis: number): Delay => {
  const beganMillis = nowMillis - uptimeMillis
  const leaked = before === undefined ? 0 : (nowMillis - before.heardMillis) * Limits.delayLeak
  const soonest = before === undefined ? beganMillis : Math.min(beganMillis, before.beganMillis + leaked)
  return { beganMillis: soonest, heardMillis: nowMillis, lateMillis: beganMillis - soonest }
}

/** What the last announcement said. */
export const uptimeMillis = ({ beganMillis, heardMillis, lateMillis }: Delay): number =>
  heardMillis - beganMillis - lateMillis

/** By how much an announcement lowered the measure: so much later, at least, came all that was heard before it. */
export const shownMillis = (before: Delay, after: Delay): number => Math.max(0, before.beganMillis - after.beganMillis)
