/**
 * The search for places where a block may begin: a searcher rolls the weak sum over the bytes in its window; and the sums of blocks
 * themselves. Here are the plain ones; Wasm has faster ones of the same behaviour.
 */
import * as Index from "./Index.ts"
import * as Weak from "./Weak.ts"

/** Where a block may begin, and the sum there. */
interface Hit {
  readonly at: number
  readonly sum: number
}

/** Looks for the blocks of one index. */
export interface Searcher {
  /** The bytes to look through are put here. */
  readonly window: Uint8Array
  /** The first hit at `from` or later that lies whole in the first `length` bytes; undefined: there is none. */
  readonly find: (from: number, length: number) => Hit | undefined
}

/** Sums blocks. */
export interface Summer {
  /** The bytes of blocks are put here. */
  readonly window: Uint8Array
  /** The weak sum of bytes in the window. */
  readonly sumOf: (at: number, length: number) => number
}

/** Makes a summer with a window of so many bytes. */
export type MakeSummer = (windowBytes: number) => Summer

/** Makes a searcher with a window of so many bytes, of a block at least. */
export type MakeSearcher = (index: Index.Index, windowBytes: number) => Searcher

export const reference: MakeSearcher = (index, windowBytes) => {
  const { blockBytes } = index
  const outFactor = Weak.outFactorOf(blockBytes)
  const window = new Uint8Array(windowBytes)
  return {
    window,
    find: (from, length) => {
      const last = length - blockBytes
      if (from > last) return undefined
      let sum = Weak.sumOf(window, from, blockBytes)
      let at = from
      while (!Index.has(index, sum)) {
        if (at === last) return undefined
        sum = Weak.roll(sum, window[at], window[at + blockBytes], outFactor)
        at++
      }
      return { at, sum }
    }
  }
}

export const referenceSummer: MakeSummer = (windowBytes) => {
  const window = new Uint8Array(windowBytes)
  return { window, sumOf: (at, length) => Weak.sumOf(window, at, length) }
}
