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
  has(nowMillis: number): boolean {
    const since = Math.max(0, nowMillis - this.filledMillis)
    this.filledMillis = nowMillis
    this.left = Math.min(this.most, this.left + (since / 1000) * this.perSecond)
    return this.left >= 1
  }

  /** The same; then it counts as done. */
  takes(nowMillis: number): boolean {
    const may = this.has(nowMillis)
    if (may) this.left--
    return may
  }
}
