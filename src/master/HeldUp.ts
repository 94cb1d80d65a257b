/**
 * For how long the others have waited for a catcher's answers, while nothing was to be sent. A
 * catcher that answers each question within its time, and still takes much longer than the others,
 * is sent further files after them.
 */
import * as Limits from "../protocol/Limits.ts"
import type { Audience } from "../wire/Message.ts"

export class HeldUp {
  /** Time in which files were sent, and of that what others waited for each slot. */
  private passedMillis = 0
  private readonly millis = new Map<number, number>()
  private readonly told = new Set<number>()

  /** So much time has passed, in a part of which nothing was sent, and others waited for these. */
  add(passedMillis: number, idleMillis: number, slots: Audience): void {
    this.passedMillis += passedMillis
    for (const slot of slots) this.millis.set(slot, this.of(slot) + idleMillis)
  }

  /**
   * Those of an audience that hold up the others: for so great a share of the time, for
   * more than `leastMillis`, and so much longer than half of the audience.
   */
  by(audience: Audience, leastMillis: number): ReadonlySet<number> {
    const all = audience.map((slot) => this.of(slot)).sort((a, b) => a - b)
    const half = all[Math.floor((all.length - 1) / 2)] ?? 0
    const most = Math.max(leastMillis, this.passedMillis * Limits.waitedShare, half * Limits.waitedTimes)
    return new Set(audience.filter((slot) => this.of(slot) > most))
  }

  /** Those of them that were not told of before. */
  firstTold(slots: Audience): Audience {
    const first = slots.filter((slot) => !this.told.has(slot))
    for (const slot of first) this.told.add(slot)
    return first
  }

  private of(slot: number): number {
    return this.millis.get(slot) ?? 0
  }
}
