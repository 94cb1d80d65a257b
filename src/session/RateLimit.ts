/**
 * When a sender with a cap on its rate may go on. It sleeps once it is some milliseconds ahead, and
 * what its timers come late is made up afterwards: else each sleep would take a part of the rate.
 */

/**
 * A sender may run ahead of its rate by this much; sleeping for less would only measure the timer.
 */
const burstMillis = 5
/** What a sleep has come late beyond this is lost: all of it at once would be a burst. */
const mostLateMillis = 20

export class RateLimit {
  private readonly bytesPerMilli: number
  /** When all that was sent would have been sent at the rate. */
  private dueMillis = 0
  /** So much of the time that the last sleep came late is still to be made up. */
  private lateMillis = 0

  constructor(bytesPerSecond: number) {
    this.bytesPerMilli = bytesPerSecond / 1000
  }

  /** So many bytes were sent now: how long to sleep, in milliseconds; 0: not at all. */
  sent(bytes: number, nowMillis: number): number {
    this.dueMillis = Math.max(nowMillis - this.lateMillis, this.dueMillis) + bytes / this.bytesPerMilli
    const aheadMillis = this.dueMillis - nowMillis
    this.lateMillis = Math.max(0, Math.min(this.lateMillis, -aheadMillis))
    return aheadMillis <= burstMillis ? 0 : aheadMillis
  }

  /** The sleep has ended now. */
  slept(nowMillis: number): void {
    this.lateMillis = Math.min(mostLateMillis, Math.max(0, nowMillis - this.dueMillis))
  }
}
