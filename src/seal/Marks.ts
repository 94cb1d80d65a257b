/** The marks of the pages of one opening and kind, one at a time: a group of them is made at once. */
import * as Limits from "../protocol/Limits.ts"
import type { Session } from "../wire/Header.ts"
import type { Kind, PageSeal } from "./PageSeal.ts"

export class Marks {
  private readonly seal: PageSeal
  private readonly opening: number
  private readonly kind: Kind
  private group = -1
  private words: Uint32Array = new Uint32Array(0)
  private readonly mark = { low: 0, high: 0 }
  /** In the open all marks are one, and cost nothing. */
  private readonly isFixed: boolean

  constructor(seal: PageSeal, opening: number, kind: Kind) {
    this.seal = seal
    this.opening = opening
    this.kind = kind
    if (!seal.isSealed) this.of(0)
    this.isFixed = !seal.isSealed
  }

  /**
   * That of a page, or of a parity page by its index: it stands in the place of the session. It
   * lasts until the next call.
   */
  of(index: number): Session {
    if (this.isFixed) return this.mark
    const group = Math.floor(index / Limits.markedPages)
    if (group !== this.group) {
      this.words = this.seal.marks(this.opening, group, this.kind)
      this.group = group
    }
    const word = 2 * (index - group * Limits.markedPages)
    this.mark.low = this.words[word]
    this.mark.high = this.words[word + 1]
    return this.mark
  }
}
