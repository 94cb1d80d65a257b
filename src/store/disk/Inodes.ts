/**
 * Inodes that a survey has seen, to find out whether two names lead to one file. A number each, because a set of them would cost
 * more than the survey.
 */
import type { Status } from "../../system/Status.ts"

export class Inodes {
  /** At a place that the number gives, or behind it; 0: nothing is there. */
  private readonly places: Float64Array
  private readonly shift: number

  /** `most`: how many may be added. */
  constructor(most: number) {
    const bits = Math.ceil(Math.log2(2 * most + 2))
    this.places = new Float64Array(2 ** bits)
    this.shift = 32 - bits
  }

  /** Answers whether it was there before, as far as a number tells: that of another file system may be the same. */
  add({ inodeHigh, inodeLow }: Status): boolean {
    const { places } = this
    const inode = inodeHigh * 2 ** 32 + inodeLow + 1
    let at = Math.imul(inodeLow ^ inodeHigh, spread) >>> this.shift
    while (places[at] !== 0 && places[at] !== inode) at = (at + 1) & (places.length - 1)
    const isThere = places[at] === inode
    places[at] = inode
    return isThere
  }
}

/** An odd number near 2 ** 32 over the golden ratio: numbers that follow each other come to lie far apart. */
const spread = 0x9e3779b1
