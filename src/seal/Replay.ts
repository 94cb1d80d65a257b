/**
 * Which datagrams of a sender were taken already. Each has a number that only grows; a network may
 * change their order a little and say them twice, and so may an attacker that has recorded them. [K-5]
 */

/** Numbers that lie further back than this are refused unseen. A power of two. */
const windowNumbers = 1024

/** The numbers taken from one sender. */
export class Replay {
  private highest = -1
  /** A bit for each number of the window. */
  private readonly taken = new Uint32Array(windowNumbers / 32)

  /** Was it not taken before, and is it young enough to know? */
  isNew(number: number): boolean {
    if (this.isLatest(number)) return true
    return number > this.highest - windowNumbers && (this.taken[wordOf(number)] & bitOf(number)) === 0
  }

  /** Is it higher than all that were taken? */
  isLatest(number: number): boolean {
    return number > this.highest
  }

  /** How far is it from the highest that was taken? */
  distanceOf(number: number): number {
    return Math.abs(number - this.highest)
  }

  /** It is taken now: call only once the datagram is known to be the sender's. */
  take(number: number): void {
    if (number > this.highest) {
      const from = Math.max(this.highest + 1, number - windowNumbers + 1)
      for (let n = from; n < number; n++) this.taken[wordOf(n)] &= ~bitOf(n)
      this.highest = number
    }
    this.taken[wordOf(number)] |= bitOf(number)
  }
}

const wordOf = (number: number): number => (number % windowNumbers) >>> 5
const bitOf = (number: number): number => 1 << (number % 32)
