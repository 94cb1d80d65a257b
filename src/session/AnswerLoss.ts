/**
 * Whose answers are lost on the way, told from polls and probes alone: a catcher answers these at once, whatever else it has to do.
 */
import * as Limits from "../protocol/Limits.ts"

/** What is asked: each has numbers of its own, which grow. */
export type Series = "polls" | "probes"

interface Count {
  /** Asked and not judged yet: what has no answer may be on its way. By series, oldest first. */
  pending: Record<Series, Array<number>>
  asked: number
  heard: number
}

export class AnswerLoss {
  private readonly counts: Array<Count> = []

  private of(slot: number): Count {
    return (this.counts[slot] ??= { pending: { polls: [], probes: [] }, asked: 0, heard: 0 })
  }

  asked(slots: ReadonlyArray<number>, series: Series, number: number): void {
    for (const slot of slots) {
      const count = this.of(slot)
      const pending = count.pending[series]
      pending.push(number)
      // a catcher that is away loses no answers
      if (pending.length > Limits.pendingAnswers) pending.shift()
    }
  }

  /** What was asked in vain while the catcher could not answer at all shows nothing. */
  pardon(slot: number): void {
    this.of(slot).pending = { polls: [], probes: [] }
  }

  /** The slot is another catcher's from now on. */
  forget(slot: number): void {
    delete this.counts[slot]
  }

  /** An answer shows what became of the questions up to its own. */
  heard(slot: number, series: Series, number: number): void {
    const count = this.of(slot)
    const pending = count.pending[series]
    const later = pending.filter((other) => other > number)
    count.asked += pending.length - later.length
    count.heard++
    count.pending[series] = later
    if (count.asked < 2 * Limits.tellingQuestions) return
    count.asked /= 2
    count.heard /= 2
  }

  /** Are most of its answers lost? Judged from so many questions on. */
  isMost(slot: number): boolean {
    const count = this.counts[slot] as Count | undefined
    return count !== undefined && count.asked >= Limits.tellingQuestions && count.heard * 2 < count.asked
  }
}
