/**
 * The marks of the pages of one opening and kind, one at a time. A sender has a group of them made at
 * once. A receiver does so only where pages of a group come: what a stranger sends costs it one
 * mark, and takes the place of none. [E-4]
 */
import * as Limits from "../protocol/Limits.ts"
import * as Header from "../wire/Header.ts"
import type { Kind, PageSeal } from "./PageSeal.ts"

/** A mark, as two words. It stands in the place of the session. */
interface Mark {
  low: number
  high: number
}

const groupOf = (index: number): number => Math.floor(index / Limits.markedPages)

// A receiver compares one after the other.
const alone = new Uint32Array(2)
const compared: Mark = { low: 0, high: 0 }

export class Marks {
  private readonly seal: PageSeal
  private readonly opening: number
  private readonly kind: Kind
  private group = -1
  private words: Uint32Array | undefined
  /** The group of the page that was compared alone and was right. */
  private begun = -1
  private readonly mark: Mark = { low: 0, high: 0 }
  /** In the open all marks are one, and cost nothing. */
  private readonly isFixed: boolean

  constructor(seal: PageSeal, opening: number, kind: Kind) {
    this.seal = seal
    this.opening = opening
    this.kind = kind
    if (!seal.isSealed) this.of(0)
    this.isFixed = !seal.isSealed
  }

  /** That of a page, or of a parity page by its index. It lasts until the next call. */
  of(index: number): Header.Session {
    if (this.isFixed) return this.mark
    const group = groupOf(index)
    return this.read(group === this.group && this.words !== undefined ? this.words : this.load(group), index)
  }

  /** Has the page at `at` its mark? */
  has(bytes: Uint8Array, at: number): boolean {
    const index = Header.indexOf(bytes, at)
    const group = groupOf(index)
    if (group === this.group && this.words !== undefined) return Header.isOf(bytes, at, this.read(this.words, index))
    if (!Marks.isOne(this.seal, this.opening, this.kind, bytes, at)) return false
    // the second of a group: more of it come
    if (group === this.begun) this.load(group)
    this.begun = group
    return true
  }

  /** Has the page at `at` its mark, of that opening and kind? It is made for this page alone. */
  static isOne(seal: PageSeal, opening: number, kind: Kind, bytes: Uint8Array, at: number): boolean {
    seal.marks(opening, kind, Header.indexOf(bytes, at), alone)
    compared.low = alone[0]
    compared.high = alone[1]
    return Header.isOf(bytes, at, compared)
  }

  private load(group: number): Uint32Array {
    const words = (this.words ??= new Uint32Array(2 * Limits.markedPages))
    this.seal.marks(this.opening, this.kind, group * Limits.markedPages, words)
    this.group = group
    return words
  }

  private read(words: Uint32Array, index: number): Header.Session {
    const word = 2 * (index % Limits.markedPages)
    this.mark.low = words[word]
    this.mark.high = words[word + 1]
    return this.mark
  }
}
