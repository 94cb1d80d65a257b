/**
 * Catchers whose answers are lost on the way, told from polls and probes alone. A catcher answers
 * these as soon as it hears them, but for what its store is writing just then, so that an answer
 * that is missing for long is lost, or its question is.
 */
import * as Limits from "../protocol/Limits.ts"

/**
 * Polls and probes are numbered apart. A poll that no window counts has number 0, and an answer to
 * it settles all of them.
 */
export type Series = "polls" | "probes"

interface Question {
  readonly number: number
  readonly atMillis: number
}

interface Count {
  /** Asked and not judged yet: the answer may be on its way. By series, oldest first. */
  readonly pending: Record<Series, Array<Question>>
  /** Judged, and answered; both halved from time to time, so that what was long ago counts less. */
  asked: number
  heard: number
}

/** Counts in place, because every poll asks many. */
export class AnswerLoss {
  private readonly counts = new Map<number, Count>()

  private of(slot: number): Count {
    let count = this.counts.get(slot)
    if (count === undefined) {
      count = { pending: { polls: [], probes: [] }, asked: 0, heard: 0 }
      this.counts.set(slot, count)
    }
    return count
  }

  onAsked(slots: ReadonlyArray<number>, series: Series, number: number, nowMillis: number): void {
    for (const slot of slots) {
      const pending = this.of(slot).pending[series]
      pending.push({ number, atMillis: nowMillis })
      // of a catcher that is away nothing is judged
      if (pending.length > Limits.pendingAnswers) pending.shift()
    }
  }

  /** An answer shows what became of the questions up to its own. */
  onHeard(slot: number, series: Series, number: number): void {
    const count = this.of(slot)
    const later = count.pending[series].filter((question) => question.number > number)
    count.asked += count.pending[series].length - later.length
    count.heard++
    count.pending[series] = later
    if (count.asked < 2 * Limits.tellingQuestions) return
    count.asked /= 2
    count.heard /= 2
  }

  /** Questions that were asked while the catcher was away show nothing. */
  pardon(slot: number): void {
    const pending = this.counts.get(slot)?.pending
    if (pending === undefined) return
    pending.polls = []
    pending.probes = []
  }

  /** The slot is another catcher's from now on. */
  forget(slot: number): void {
    this.counts.delete(slot)
  }

  /**
   * Are most of its answers lost? False before enough questions have shown it. With the time of
   * now, questions that have waited long for an answer count; without it those alone that a later
   * answer has judged: then it is not silent, but badly heard.
   */
  isMost(slot: number, nowMillis = -Infinity): boolean {
    const count = this.counts.get(slot)
    if (count === undefined) return false
    const isLate = ({ atMillis }: Question) => nowMillis - atMillis >= Limits.lostAnswerMillis
    const late = count.pending.polls.filter(isLate).length + count.pending.probes.filter(isLate).length
    const asked = count.asked + late
    return asked >= Limits.tellingQuestions && count.heard * 2 < asked
  }
}
