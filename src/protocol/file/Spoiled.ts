/**
 * Blocks of one file that were whole and had the wrong hash: somebody injects pages. The master tells how their pages are
 * to be, and those that are others come once more.
 *
 * [C-8] a page of a spoiled block is taken only with the digest that the master has told of it, and those that it held before
 * are compared with their digests as soon as these are known. The first page is always asked for: so the digests come.
 */

import * as Limits from "../Limits.ts"
import type { Runs } from "../Words.ts"
import * as Layout from "./Layout.ts"
import * as PageSet from "./PageSet.ts"

/** What is spoiled of a file, and not known to be right yet. Never changed: each function gives a new one. */
export interface Spoiled {
  readonly layout: Layout.Layout
  /** The blocks by number. The trailer is spoiled as a whole, under the number after the last block's. */
  readonly blocks: PageSet.PageSet
  /** Digests of those that lack pages, by the first of the pages that are told of together. */
  readonly digests: ReadonlyMap<number, Uint8Array>
}

/** What the pages of a spoiled block are like. */
export interface Told {
  /** The page of the first digest; the others follow it. */
  readonly first: number
  readonly digests: Uint8Array
}

/** What a hash said: blocks that are wrong; `trailer`: the trailer itself is, and nothing can be said of the blocks. */
export interface Verdict {
  readonly blocks: ReadonlyArray<number>
  readonly trailer: boolean
}

/** A trailer that is wrong says nothing of the blocks; one that is right says it of each. */
export const judged = (
  before: Spoiled | undefined,
  layout: Layout.Layout,
  { blocks, trailer }: Verdict
): Spoiled | undefined => {
  const nothing = PageSet.empty(layout.blocks + 1)
  const wrong = trailer ? PageSet.fill(before?.blocks ?? nothing, layout.blocks, 1) : PageSet.add(nothing, blocks).set
  return wrong.held === 0 ? undefined : { layout, blocks: wrong, digests: new Map() }
}

/** The page of each part that was judged to be wrong by which its digests are asked for. */
export const firstPages = function* (layout: Layout.Layout, { blocks, trailer }: Verdict): Generator<number> {
  const { dataPages, pages } = layout
  const parts = blocks.map((block) => Layout.blockSpan(layout, block))
  if (trailer) parts.push([dataPages, pages - dataPages])
  for (const part of parts) for (const [first] of Layout.digestSpans(layout, part)) yield first
}

/** Blocks that lack pages are taken for spoiled, too: somebody keeps them from being made. */
export const doubted = (before: Spoiled | undefined, layout: Layout.Layout, pages: PageSet.PageSet): Spoiled => {
  const lacking: Array<number> = []
  for (let block = 0; block < layout.blocks; block++)
    if (PageSet.lacking(pages, ...Layout.blockSpan(layout, block)) > 0) lacking.push(block)
  const blocks = PageSet.add(before?.blocks ?? PageSet.empty(layout.blocks + 1), lacking).set
  return { layout, blocks, digests: before?.digests ?? new Map() }
}

/** Was that block spoiled, or, with the number after the last block's, the trailer? */
export const has = ({ blocks }: Spoiled, number: number): boolean =>
  number < blocks.pages && PageSet.has(blocks, number)

/** Was any of it spoiled before? Then its pages had their digests. */
export const isAgain = (self: Spoiled, { blocks, trailer }: Verdict): boolean =>
  (trailer ? [self.layout.blocks] : blocks).some((number) => has(self, number))

/** Is it a page of what was spoiled? */
const hasPage = (self: Spoiled, page: number): boolean => {
  const { layout } = self
  return has(self, page < layout.dataPages ? Layout.blockOf(layout, page) : layout.blocks)
}

/** Is one of the pages of what was spoiled? */
export const hasAny = (self: Spoiled, pages: Runs): boolean => {
  for (const [first] of Layout.digestSpans(self.layout, pages)) if (hasPage(self, first)) return true
  return false
}

/** The digest that was told of a page; undefined: none. */
export const digestOf = ({ digests, layout }: Spoiled, page: number): Uint8Array | undefined => {
  if (digests.size === 0 || page >= layout.pages) return undefined
  const [first] = Layout.digestSpan(layout, page)
  const at = (page - first) * Limits.digestBytes
  return digests.get(first)?.subarray(at, at + Limits.digestBytes)
}

/** May a page be taken whose payload has this digest? */
export const takes = (self: Spoiled, page: number, digest: Uint8Array | undefined): boolean => {
  if (!hasPage(self, page)) return true
  const told = digestOf(self, page)
  return told !== undefined && digest !== undefined && told.every((byte, i) => byte === digest[i])
}

/**
 * Keeps digests, of the lowest pages, which are asked for first: those beyond the limit have their turn when these are whole.
 * `pages`: those held of the file.
 */
export const keep = (self: Spoiled, pages: PageSet.PageSet, { digests, first }: Told): Spoiled => {
  if (first >= self.layout.pages || !hasPage(self, first)) return self
  const [start, count] = Layout.digestSpan(self.layout, first)
  const isOfAll = first === start && digests.length === count * Limits.digestBytes
  if (!isOfAll || PageSet.lacking(pages, first, count) === 0) return self
  // told in each round, and most of them are known
  if (isSame(self.digests.get(first), digests)) return self
  const kept = new Map(self.digests).set(first, digests)
  let told = 0
  for (const digests of kept.values()) told += pagesOf(digests)
  while (told > Limits.digestedPages) {
    const last = Math.max(...kept.keys())
    told -= pagesOf(kept.get(last)!)
    kept.delete(last)
  }
  return { ...self, digests: kept }
}

/** Of what is whole the digests are of no use any more. */
export const forget = (self: Spoiled, pages: PageSet.PageSet): Spoiled => {
  const kept = [...self.digests].filter(([first, digests]) => PageSet.lacking(pages, first, pagesOf(digests)) > 0)
  return kept.length === self.digests.size ? self : { ...self, digests: new Map(kept) }
}

const isSame = (known: Uint8Array | undefined, told: Uint8Array): boolean =>
  known !== undefined && known.length === told.length && known.every((byte, at) => byte === told[at])

const pagesOf = (digests: Uint8Array): number => digests.length / Limits.digestBytes

/** The broken invariants, for tests: [C-8]. */
export const invariants = (self: Spoiled, pages: PageSet.PageSet): ReadonlyArray<string> => {
  const out = [...PageSet.invariants(self.blocks)]
  let told = 0
  for (const [first, digests] of self.digests) {
    told += pagesOf(digests)
    if (!hasPage(self, first)) out.push(`C-8: digests of page ${first}, which is not spoiled`)
    if (PageSet.lacking(pages, first, pagesOf(digests)) === 0) out.push(`C-8: digests of page ${first}, which is whole`)
  }
  if (told > Limits.digestedPages) out.push(`C-8: digests of ${told} pages`)
  if (self.blocks.held === 0) out.push("C-8: nothing is spoiled")
  return out
}
