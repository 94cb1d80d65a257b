/**
 * Blocks of a large content, and their hashes: by them two contents are compared that may differ in places. The hash of the whole
 * is that of all these hashes, so that a content is read once for both.
 */
import * as Effect from "effect/Effect"
import { hash } from "../content/Hash.ts"
import * as Limits from "../protocol/Limits.ts"
import type { Entry } from "../tree/Entry.ts"
import { carriedBytes } from "../tree/Holes.ts"

/** The last block may be shorter than the others. */
export interface Blocks {
  readonly size: number
  readonly blockBytes: number
  /** `strongBytes` of each block's hash, one after the other. */
  readonly strong: Uint8Array
}

/** How contents are hashed. */
export interface Hashing {
  /** Bytes of a page as the session was announced: those of a block follow from it. [Y-12] */
  readonly pageBytes: number
  /** Is told how many bytes are done. */
  readonly told?: (bytes: number) => void
}

/** So many bytes of a hash: two contents that agree in them are made by nobody. */
export const strongBytes = 16

/** Is it large enough? Of a file with holes the blocks are those of what is carried of it. [M-12] */
export const hasBlocks = (entry: Entry | undefined): boolean =>
  entry?._tag === "File" && carriedBytes(entry) >= Limits.deltaBytes

/**
 * BLAKE3 takes so many bytes at once: 16 chunks of 1 KiB, or half of them, or a quarter. A block a little shorter is hashed at half
 * the speed of one a little longer: 15,752 bytes at 2.1 GB/s, 17,184 at 4.0.
 */
const hashedAtOnce = 16 * 1024

/** A block of fewer bytes takes as long: 1,432 bytes are hashed in 3.1 us, and 4,296 as well. */
const leastBytes = hashedAtOnce / 4

/**
 * Bytes of a block: about the square root of the size, as rsync has it (Tridgell, "Efficient algorithms for sorting and
 * synchronization", 1999), but no fewer than are worth a call; half of that in large files, because what all catchers lack is sent,
 * and each change costs a block. That is rounded down to what is hashed at once, and then up to whole pages, so that a missing
 * block costs no part of a page beside it.
 */
export const bytesOf = (size: number, pageBytes: number): number => {
  const root = Math.max(leastBytes, Math.sqrt(size))
  const most = Math.min(root, Math.max(hashedAtOnce, root / 2))
  const step = most < hashedAtOnce ? 2 ** (31 - Math.clz32(most)) : hashedAtOnce
  return Math.max(1, Math.ceil((Math.floor(most / step) * step) / pageBytes)) * pageBytes
}

/**
 * [Y-17] Pages of a block of pages that holds whole blocks of these, as many as have room; undefined: not even one has, or
 * none begins with a page.
 */
export const blockPagesOf = ({ blockBytes }: Blocks, pageBytes: number): number | undefined => {
  const pages = blockBytes / pageBytes
  return Number.isInteger(pages) && pages <= Limits.blockPages
    ? Math.floor(Limits.blockPages / pages) * pages
    : undefined
}

export const countOf = ({ blockBytes, size }: Pick<Blocks, "blockBytes" | "size">): number =>
  Math.ceil(size / blockBytes)

/** Blocks without their hashes, which `put` puts in. */
export const make = (size: number, blockBytes: number): Blocks => ({
  ...{ size, blockBytes },
  strong: new Uint8Array(countOf({ blockBytes, size }) * strongBytes)
})

export const put = ({ strong }: Blocks, block: number, content: Uint8Array): void =>
  strong.set(hash(content).subarray(0, strongBytes), block * strongBytes)

/** The length of a block. */
export const lengthOf = ({ blockBytes, size }: Blocks, block: number): number =>
  Math.min(blockBytes, size - block * blockBytes)

/** Does the hash of a block begin as those bytes from `at` on do? */
export const agrees = ({ strong }: Blocks, block: number, hashed: Uint8Array, at = 0): boolean => {
  for (let i = 0; i < strongBytes; i++) if (strong[block * strongBytes + i] !== hashed[at + i]) return false
  return true
}

/** A block's hash as a key. */
export const keyOf = (strong: Uint8Array, block: number): string =>
  Buffer.from(strong.buffer, strong.byteOffset + block * strongBytes, strongBytes).toString("latin1")

/** Is that the content of the blocks from that one on? It ends with one of them. */
export const areContent = (blocks: Blocks, first: number, content: Uint8Array): boolean => {
  const { blockBytes } = blocks
  for (let block = first, at = 0; at < content.length; block++, at += blockBytes)
    if (!agrees(blocks, block, hash(content.subarray(at, at + blockBytes)))) return false
  return true
}

/** Those of a content. */
export const ofContent = (content: Uint8Array, blockBytes: number): Blocks => {
  const blocks = make(content.length, blockBytes)
  for (let block = 0, at = 0; at < content.length; block++, at += blockBytes)
    put(blocks, block, content.subarray(at, at + blockBytes))
  return blocks
}

/** The hash of the whole. */
export const hashOf = ({ strong }: Blocks): Uint8Array => hash(strong)

/** Bytes that are read and hashed between two turns of the event loop, in whole blocks: a fraction of a millisecond. */
export const turnBytesOf = (blockBytes: number): number =>
  Math.max(1, Math.floor(Limits.hashedBytes / blockBytes)) * blockBytes

/**
 * Reads all blocks into `window`, some at a time. `take` gets each one's place in the window, and its length; `count` is told how
 * many bytes were read.
 */
export const each = Effect.fnUntraced(function* <E, R>(
  { blockBytes, size }: Blocks,
  window: Uint8Array,
  read: (offset: number, into: Uint8Array) => Effect.Effect<void, E, R>,
  take: (block: number, at: number, length: number) => void,
  count: (bytes: number) => void
) {
  const turnBytes = turnBytesOf(blockBytes)
  for (let offset = 0; offset < size; offset += turnBytes) {
    const part = window.subarray(0, Math.min(turnBytes, size - offset))
    yield* read(offset, part)
    for (let at = 0; at < part.length; at += blockBytes)
      take((offset + at) / blockBytes, at, Math.min(blockBytes, part.length - at))
    count(part.length)
    yield* Effect.yieldNow
  }
})

/** Reads a content, and hashes its blocks. */
export const hashed = Effect.fnUntraced(function* <E, R>(
  blocks: Blocks,
  read: (offset: number, into: Uint8Array) => Effect.Effect<void, E, R>,
  count: (bytes: number) => void
) {
  const window = new Uint8Array(turnBytesOf(blocks.blockBytes))
  const take = (block: number, at: number, length: number) => put(blocks, block, window.subarray(at, at + length))
  yield* each(blocks, window, read, take, count)
  return blocks
})
