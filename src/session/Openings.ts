/**
 * The openings of files that a catcher has heard of: by their marks it tells the master's pages
 * from any others. In the open all pages have one mark, and say no opening. [E-5]
 */
import * as Layout from "../protocol/file/Layout.ts"
import * as Limits from "../protocol/Limits.ts"
import { Marks } from "../seal/Marks.ts"
import { type PageSeal, trialOpening } from "../seal/PageSeal.ts"
import * as Header from "../wire/Header.ts"
import type { FromMaster, Open } from "../wire/Message.ts"
import type { Membership } from "./Answers.ts"

/** An opening, whose pages are told by their marks. */
export class Opening {
  readonly file: number
  /** Undefined in the open, where pages of all openings are alike. */
  readonly number: number | undefined
  /** One past the last index that a page, and a parity page, may have. */
  private readonly pagesEnd: number
  private readonly parityEnd: number
  private readonly seal: PageSeal
  private pages: Marks | undefined
  private parity: Marks | undefined

  constructor(seal: PageSeal, file: number, number?: number, layout?: Pick<Layout.Layout, "pages" | "blocks">) {
    this.seal = seal
    this.file = file
    this.number = number
    this.pagesEnd = layout?.pages ?? 0
    this.parityEnd = Header.parityIndex(layout?.blocks ?? 0, 0)
  }

  /** Is the page at `at` of this opening? Marks are kept once one is. */
  has(bytes: Uint8Array, at: number, isParity: boolean): boolean {
    const { number = 0, parityEnd, pagesEnd, seal } = this
    if (Header.indexOf(bytes, at) >= (isParity ? parityEnd : pagesEnd)) return false
    const marks = isParity ? this.parity : this.pages
    if (marks !== undefined) return marks.has(bytes, at)
    if (!Marks.isOne(seal, number, isParity ? "Parity" : "Page", bytes, at)) return false
    if (isParity) this.parity = new Marks(seal, number, "Parity")
    else this.pages = new Marks(seal, number, "Page")
    return true
  }

  /** Keeps no marks, until the next page. */
  forget(): void {
    this.pages = undefined
    this.parity = undefined
  }
}

/** Those of one session. */
export class Openings {
  private readonly seal: PageSeal
  private readonly blockPages: number
  /** The mark of all pages in the open, so that a page costs one comparison there. */
  private readonly mark: Header.Session | undefined
  /** Of pages that are no file's. [N-5] */
  private readonly trial: Opening
  /** The opening of the page that came last. */
  private latest: Opening
  /** By file, the latest first; files mentioned last come last. */
  private readonly known = new Map<number, ReadonlyArray<Opening>>()
  /** Those with marks, used last come last. */
  private readonly marked = new Set<Opening>()

  constructor({ blockPages, pages: seal }: Pick<Membership, "blockPages" | "pages">) {
    this.seal = seal
    this.blockPages = blockPages
    this.trial = new Opening(seal, Header.noFile, trialOpening, { pages: Infinity, blocks: 0 })
    this.latest = new Opening(seal, 0)
    this.mark = seal.isSealed ? undefined : new Marks(seal, 0, "Page").of(0)
  }

  /** The master has said something, to whichever catchers. */
  heard(message: FromMaster): void {
    if (!this.seal.isSealed || !("file" in message) || message.file === undefined) return
    const { file } = message
    const before = this.known.get(file) ?? []
    const openings = message._tag === "Open" ? this.latestOf(message, before) : before
    if (openings.length === 0) return
    this.known.delete(file)
    this.known.set(file, openings)
    if (this.known.size > Limits.openedFiles) this.known.delete(firstOf(this.known.keys()) ?? 0)
  }

  private latestOf(open: Open, before: ReadonlyArray<Opening>): ReadonlyArray<Opening> {
    const { file, opening: number } = open
    const said = before.find((opening) => opening.number === number)
    const layout = Layout.make({ ...open, blockPages: this.blockPages })
    const latest = said ?? new Opening(this.seal, file, number, layout)
    return [latest, ...before.filter((opening) => opening !== latest)].slice(0, Limits.openingsOfFile)
  }

  /** The opening of the page at `at`; undefined: it is none of ours. */
  of(bytes: Uint8Array, at: number, isParity: boolean): Opening | undefined {
    const { latest, mark } = this
    if (mark !== undefined) return Header.isOf(bytes, at, mark) ? latest : undefined
    const file = Header.fileOf(bytes, at)
    if (file === Header.noFile) return this.trial.has(bytes, at, isParity) ? this.trial : undefined
    if (file === latest.file && latest.number !== undefined && latest.has(bytes, at, isParity)) return latest
    for (const opening of this.known.get(file) ?? []) {
      if (opening === latest || !opening.has(bytes, at, isParity)) continue
      this.keep(opening)
      return (this.latest = opening)
    }
    return undefined
  }

  // Marks are kept of openings that have pages: what a stranger sends takes no one's place.
  private keep(opening: Opening): void {
    this.marked.delete(opening)
    this.marked.add(opening)
    if (this.marked.size <= Limits.markedOpenings) return
    const oldest = firstOf(this.marked)
    if (oldest === undefined) return
    this.marked.delete(oldest)
    oldest.forget()
  }
}

const firstOf = <A>(all: Iterable<A>): A | undefined => {
  for (const first of all) return first
  return undefined
}
