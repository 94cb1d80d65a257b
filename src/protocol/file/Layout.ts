/**
 * How a file's bytes lie in pages: its content first, then a trailer with one BLAKE3 hash a block (and, for a bundle, one
 * bit a member that could not be read). The trailer travels as pages like any other, so it is repaired like any other;
 * its own hash, the root, comes with the last question.
 *
 * [L-1] pages 0..dataPages-1 hold the content, page dataPages..pages-1 the trailer; each part's last page may be short.
 * [L-2] block b is the data pages [b * blockPages, (b + 1) * blockPages).
 * [Y-17] a file that is checked by its signature has no trailer, and blocks of its own size.
 */

import * as Limits from "../Limits.ts"
import type { Runs } from "../Words.ts"
import * as Trailer from "./Trailer.ts"

/** The signature by which a file's content is checked, in place of a trailer. [Y-17] */
export interface Signed {
  /** The hash of its blocks' hashes, 32 bytes. */
  readonly hash: Uint8Array
  /** Pages of a block: whole ones of the signature, as many as a block has room for. */
  readonly blockPages: number
}

/** How one file lies in pages; made by `make`, and the same at both ends. */
export interface Layout {
  /** Bytes of content. */
  readonly size: number
  /** Bytes of a full page. */
  readonly pageBytes: number
  /** Pages of a full block. */
  readonly blockPages: number
  /** Members of a bundle; 0 for anything else. */
  readonly members: number
  /** Pages of content. */
  readonly dataPages: number
  /** Blocks of content. */
  readonly blocks: number
  /** Bytes of the trailer. */
  readonly trailerBytes: number
  /** Data and trailer pages together. */
  readonly pages: number
  /** Pages asked about in one question: whole blocks whose bitmap fits into one datagram. */
  readonly spanPages: number
  /** Where it has no trailer. */
  readonly signed: Signed | undefined
}

/**
 * The layout of `size` bytes in pages of `pageBytes`. `members`: of a bundle, 0 for anything else;
 * `blockPages`: 128 where it is not given; `signed` has its own, and no trailer.
 */
export const make = (options: {
  readonly size: number
  readonly pageBytes: number
  readonly members?: number
  readonly blockPages?: number
  readonly signed?: Signed | undefined
}): Layout => {
  const { pageBytes, signed, size } = options
  const members = options.members ?? 0
  const blockPages = signed?.blockPages ?? options.blockPages ?? Limits.blockPages
  const dataPages = Math.ceil(size / pageBytes)
  const blocks = Math.ceil(dataPages / blockPages)
  const trailerBytes = signed === undefined ? Trailer.bytesOf(blocks, members) : 0
  return {
    size,
    pageBytes,
    blockPages,
    members,
    dataPages,
    blocks,
    trailerBytes,
    pages: dataPages + Math.ceil(trailerBytes / pageBytes),
    spanPages: spanPagesOf(pageBytes, blockPages),
    signed
  }
}

// An answer's fixed part is 64 bytes at most; the bitmap gets what a page leaves beside it.
const spanPagesOf = (pageBytes: number, blockPages: number): number => {
  const fits = Math.min(Limits.spanPages, (pageBytes - 64) * 8)
  return Math.max(1, Math.min(Limits.spanBlocks, Math.floor(fits / blockPages))) * blockPages
}

/** Bytes of payload in a page; `index` below `pages`. */
export const payloadBytes = (layout: Layout, index: number): number =>
  index < layout.dataPages
    ? Math.min(layout.pageBytes, layout.size - index * layout.pageBytes)
    : Math.min(layout.pageBytes, layout.trailerBytes - Trailer.offsetOf(layout, index))

/** The data pages that lie whole in runs of bytes (offset and length), as runs of pages. */
export const wholePages = ({ dataPages, pageBytes, size }: Layout, bytes: Runs): Runs => {
  const pages: Array<number> = []
  for (let i = 0; i < bytes.length; i += 2) {
    const first = Math.ceil(bytes[i] / pageBytes)
    const end = bytes[i] + bytes[i + 1]
    // The last page is shorter than the others.
    const count = (end >= size ? dataPages : Math.floor(end / pageBytes)) - first
    if (count > 0) pages.push(first, count)
  }
  return pages
}

/** Bytes of content in a block. */
export const blockBytes = (layout: Layout, block: number): number => {
  const bytes = layout.blockPages * layout.pageBytes
  return Math.min(bytes, layout.size - block * bytes)
}

/** Data pages of a block: its first and how many. */
export const blockSpan = (layout: Layout, block: number): readonly [first: number, count: number] => {
  const first = block * layout.blockPages
  return [first, Math.min(layout.blockPages, layout.dataPages - first)]
}

/** The block of a data page. */
export const blockOf = (layout: Layout, page: number): number => Math.floor(page / layout.blockPages)

/**
 * The pages whose digests are told together, in a datagram that passes where a page does: those of a block, or of a part of it
 * where pages are small; or as many of the trailer. The first, and how many.
 */
export const digestSpan = (layout: Layout, page: number): readonly [first: number, count: number] => {
  const { dataPages, pageBytes, pages } = layout
  const [start, count] = page < dataPages ? blockSpan(layout, blockOf(layout, page)) : [dataPages, pages - dataPages]
  const most = Math.min(layout.blockPages, Limits.digestsBeside(pageBytes))
  const first = page - ((page - start) % most)
  return [first, Math.min(most, start + count - first)]
}

/** The spans of digests that runs of pages touch, each once. */
export const digestSpans = function* (layout: Layout, pages: Runs): Generator<readonly [first: number, count: number]> {
  let next = 0
  for (let i = 0; i < pages.length; i += 2) {
    const end = Math.min(pages[i] + pages[i + 1], layout.pages)
    for (let page = Math.max(next, pages[i]); page < end; page = next) {
      const [first, count] = digestSpan(layout, page)
      yield [first, count]
      next = first + count
    }
  }
}

/** The blocks that [first, first + count) touches, trailer pages left out: the first, and one past the last. */
export const blocksOf = (layout: Layout, first: number, count: number): readonly [first: number, end: number] => {
  const end = Math.min(first + count, layout.dataPages)
  return first < end ? [blockOf(layout, first), blockOf(layout, end - 1) + 1] : [0, 0]
}

/** How many parity pages a block has. */
export const parityPages = (layout: Layout, block: number): number => Limits.codePoints - blockSpan(layout, block)[1]
