/**
 * The openings of files that a catcher has heard of: by their marks it tells the master's pages
 * from any others. In the open all pages have one mark, and say no opening. [E-5]
 */
import * as Limits from "../protocol/Limits.ts"
import { Marks } from "../seal/Marks.ts"
import type { PageSeal } from "../seal/PageSeal.ts"
import * as Header from "../wire/Header.ts"
import type { FromMaster } from "../wire/Message.ts"

/** An opening, whose pages are told by their marks. */
export class Opening {
  readonly file: number
  /** Undefined in the open, where pages of all openings are alike. */
  readonly number: number | undefined
  private readonly pages: Marks
  private readonly parity: Marks

  constructor(seal: PageSeal, file: number, number: number | undefined) {
    this.file = file
    this.number = number
    this.pages = new Marks(seal, number ?? 0, "Page")
    this.parity = new Marks(seal, number ?? 0, "Parity")
  }

  /** Is the page at `at` of this opening? */
  has(bytes: Uint8Array, at: number, isParity: boolean): boolean {
    const marks = isParity ? this.parity : this.pages
    return Header.isOf(bytes, at, marks.of(Header.indexOf(bytes, at)))
  }
}

/** Those of one session. */
export class Openings {
  private readonly seal: PageSeal
  /** The mark of all pages in the open, so that a page costs one comparison there. */
  private readonly mark: Header.Session | undefined
  /** The opening of the page that came last. */
  private latest: Opening
  /** Numbers of openings by file, the latest first; files mentioned last come last. */
  private readonly known = new Map<number, ReadonlyArray<number>>()
  /** Those with marks, by number, used last come last. */
  private readonly marked = new Map<number, Opening>()

  constructor(seal: PageSeal) {
    this.seal = seal
    this.latest = new Opening(seal, 0, undefined)
    this.mark = seal.isSealed ? undefined : new Marks(seal, 0, "Page").of(0)
  }

  /** The master has said something, to whichever catchers. */
  heard(message: FromMaster): void {
    if (!this.seal.isSealed || !("file" in message) || message.file === undefined) return
    const { file } = message
    const before = this.known.get(file) ?? []
    const numbers = message._tag === "Open" ? latestOf(message.opening, before) : before
    if (numbers.length === 0) return
    this.known.delete(file)
    this.known.set(file, numbers)
    if (this.known.size > Limits.openedFiles) this.known.delete(firstOf(this.known))
  }

  /** The opening of the page at `at`; undefined: it is none of ours. */
  of(bytes: Uint8Array, at: number, isParity: boolean): Opening | undefined {
    const { latest, mark } = this
    if (mark !== undefined) return Header.isOf(bytes, at, mark) ? latest : undefined
    const file = Header.fileOf(bytes, at)
    if (file === latest.file && latest.number !== undefined && latest.has(bytes, at, isParity)) return latest
    for (const number of this.known.get(file) ?? []) {
      const opening = this.marked.get(number) ?? new Opening(this.seal, file, number)
      if (opening === latest || !opening.has(bytes, at, isParity)) continue
      this.keep(number, opening)
      return (this.latest = opening)
    }
    return undefined
  }

  // Marks are kept of openings that have pages: what a stranger sends takes no one's place.
  private keep(number: number, opening: Opening): void {
    this.marked.delete(number)
    this.marked.set(number, opening)
    if (this.marked.size > Limits.markedOpenings) this.marked.delete(firstOf(this.marked))
  }
}

const latestOf = (number: number, before: ReadonlyArray<number>): ReadonlyArray<number> =>
  [number, ...before.filter((other) => other !== number)].slice(0, Limits.openingsOfFile)

const firstOf = (map: ReadonlyMap<number, unknown>): number => map.keys().next().value ?? 0
