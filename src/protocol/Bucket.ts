/** A token bucket: a bound on how often something is done. */

/** So many at once, and so many more in a second. */
export class Bucket {
  private left: number
  private filledMillis = 0
  private readonly most: number
  private readonly perSecond: number

  constructor(most: number, perSecond: number) {
    this.left = most
    this.most = most
    this.perSecond = perSecond
  }

  /** May it be done once more now? */
  takes(nowMillis: number): boolean {
    const since = Math.max(0, nowMillis - this.filledMillis)
    this.filledMillis = nowMillis
    this.left = Math.min(this.most, this.left + (since / 1000) * this.perSecond)
    if (this.left < 1) return false
    this.left--
    return true
  }
}
