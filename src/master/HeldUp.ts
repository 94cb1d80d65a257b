/**
 * For how long the others have waited lately for a catcher's answers, while nothing was to be sent.
 * A catcher that answers each question within its time, and still takes much longer than the
 * others, is sent further files after them.
 */
import * as Limits from "../protocol/Limits.ts"
import type { Audience } from "../wire/Message.ts"

export class HeldUp {
  private readonly leastMillis: number
  /** Time in which files were sent, and of that what others waited for each slot. */
  private passedMillis = 0
  private millis = new Map<number, number>()
  private out: ReadonlySet<number> = new Set()
  private readonly told = new Set<number>()

  /** Nobody is left out for less than `leastMillis`. */
  constructor(leastMillis: number) {
    this.leastMillis = leastMillis
  }

  /** So much time has passed, in a part of which nothing was sent, and others waited for these. */
  add(passedMillis: number, idleMillis: number, slots: Audience): void {
    this.passedMillis += passedMillis
    for (const slot of slots) this.millis.set(slot, this.of(slot) + idleMillis)
    // what was long ago counts less
    if (this.passedMillis <= this.leastMillis * Limits.waitedMemory) return
    this.passedMillis /= 2
    this.millis = new Map([...this.millis].map(([slot, millis]) => [slot, millis / 2]))
  }

  /** A pass begins: it may be for those alone that held up others in the one before. */
  begin(): void {
    this.passedMillis = 0
    this.millis.clear()
  }

  /**
   * Leaves those of an audience out that hold up the others, and answers them: of several the ones
   * that have got least, by `bytesAt`. Without them the time of the others is counted anew.
   */
  leaveOut(audience: Audience, bytesAt: (slot: number) => number): ReadonlySet<number> {
    const all = audience.map((slot) => this.of(slot)).sort((a, b) => a - b)
    const half = all[Math.floor((all.length - 1) / 2)] ?? 0
    const { leastMillis, passedMillis } = this
    const most = Math.max(leastMillis, passedMillis * Limits.waitedShare, half * Limits.waitedTimes)
    const slow = audience.filter((slot) => this.of(slot) > most)
    const least = slow.reduce((least, slot) => Math.min(least, bytesAt(slot)), Infinity)
    const out = new Set(slow.filter((slot) => bytesAt(slot) <= least * Limits.waitedBytes))
    if ([...out].some((slot) => !this.out.has(slot)))
      this.millis = new Map([...this.millis].filter(([slot]) => out.has(slot)))
    this.out = out
    return out
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
