/**
 * Which ackers bound the window, and which the others do not wait for. Pure.
 *
 * an acker that is silent for `ackerPatienceMillis` while another answers does not bound.
 * an acker that holds the group up is excluded from the window, for longer each time, and as long as half of the ackers
 * take `exclusionTimes` as much.
 */

import * as Limits from "../Limits.ts"
import { type Acker, rateOf } from "./Acker.ts"

/** The knowledge of the ackers of a window. */
export interface Ackers {
  readonly ackers: ReadonlyArray<Acker>
  /** Catchers that are no ackers now, and were excluded: they are excluded still when they are ackers again. */
  readonly former: ReadonlyArray<Acker>
  /** What half of the ackers reach, or more: the share that arrives of what was sent to them, and bytes a millisecond. */
  readonly median: { readonly share: number; readonly rate: number }
  /** Catchers most of whose answers are lost. */
  readonly unheard: ReadonlySet<number>
}

/** The knowledge of that catcher as an acker, now or before. */
export const lately = ({ ackers, former }: Ackers, slot: number): Acker | undefined =>
  [...ackers, ...former].find((acker) => acker.slot === slot)

/** Has that catcher held the group up for so long that it was excluded? */
export const wasExcluded = (self: Ackers, slot: number): boolean => (lately(self, slot)?.exclusions ?? 0) > 0

/** The ackers that the others wait for: all that are not out, or all there are. With `stragglers` those that are out as well. */
export const awaited = (self: Ackers, nowMillis: number, stragglers: boolean): ReadonlyArray<Acker> => {
  const quick = stragglers ? [] : self.ackers.filter((acker) => !isOut(self, acker, nowMillis))
  return quick.length === 0 ? self.ackers : quick
}

/** The ackers that bound the window now., [A-8] With `stragglers` the excluded ones bound it as well. */
export const bounding = (self: Ackers, nowMillis: number, stragglers = false): ReadonlyArray<Acker> => {
  const ackers = awaited(self, nowMillis, stragglers)
  let latest = 0
  for (const acker of ackers) latest = Math.max(latest, acker.heardMillis)
  return ackers.filter(
    ({ heardMillis, owesMillis }) =>
      owesMillis === undefined ||
      nowMillis - Math.max(heardMillis, owesMillis) < Limits.ackerPatienceMillis ||
      latest - heardMillis < Limits.ackerPatienceMillis
  )
}

/** Is it an acker that the others do not wait for? */
export const isExcluded = (self: Ackers, slot: number, nowMillis: number): boolean =>
  self.ackers.some((acker) => acker.slot === slot && isOut(self, acker, nowMillis))

/** The same, of an acker at hand. */
export const isOut = (self: Ackers, acker: Acker, nowMillis: number): boolean => {
  if (nowMillis < acker.excludedUntilMillis || self.unheard.has(acker.slot)) return true
  // next to nothing arrives there, whatever the pace
  if (self.median.share > acker.delivery.share * Limits.exclusionTimes) return true
  return acker.exclusions > 0 && self.median.rate > rateOf(acker) * Limits.exclusionTimes
}

/** The others have waited for these ackers since `fromMillis`. */
export const waited = <Group extends Ackers>(
  self: Group,
  slots: ReadonlyArray<number>,
  fromMillis: number,
  nowMillis: number
): Group =>
  slots.length === 0
    ? self
    : {
        ...self,
        ackers: self.ackers.map((acker) =>
          slots.includes(acker.slot) ? judged(acker, nowMillis - fromMillis, nowMillis) : acker
        )
      }

const judged = (acker: Acker, millis: number, nowMillis: number): Acker => {
  const waitedMillis = acker.waitedMillis + millis
  const stretchMillis = nowMillis - acker.countedFromMillis
  if (stretchMillis < Limits.heldUpMillis) return { ...acker, waitedMillis }
  const judged = { ...acker, waitedMillis: 0, countedFromMillis: nowMillis }
  if (waitedMillis < stretchMillis * Limits.heldUpShare) return judged
  const outMillis = Math.min(Limits.maxExclusionMillis, Limits.exclusionMillis * 2 ** acker.exclusions)
  return { ...judged, excludedUntilMillis: nowMillis + outMillis, exclusions: acker.exclusions + 1 }
}
