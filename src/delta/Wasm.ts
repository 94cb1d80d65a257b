/**
 * The search as WebAssembly: assembly/search.ts, built into dist/search.wasm. Nothing is read or compiled before the first
 * `searcher()`; where there is no file, that is the reference.
 */
import * as Native from "../native/Native.ts"
import type { Index } from "./Index.ts"
import { type MakeSearcher, type MakeSummer, reference, referenceSummer, type Searcher, type Summer } from "./Search.ts"
import * as Weak from "./Weak.ts"

/** Makes searchers and summers of a memory of their own. */
interface Makers {
  readonly searcher: MakeSearcher
  readonly summer: MakeSummer
}

let loaded: Makers | undefined

/** The fastest that there are. */
const makers = (): Makers => (loaded ??= load() ?? { searcher: reference, summer: referenceSummer })

export const searcher: MakeSearcher = (index, windowBytes) => makers().searcher(index, windowBytes)
export const summer: MakeSummer = (windowBytes) => makers().summer(windowBytes)

/** Those of the file, if there is one. */
export const load = (): Makers | undefined => {
  const instance = Native.wasm<Exports>("search.wasm")
  if (instance === undefined) return undefined
  return {
    searcher: (index, windowBytes) => searcherOf(instance(), index, windowBytes),
    summer: (windowBytes) => summerOf(instance(), windowBytes)
  }
}

interface Exports {
  readonly memory: Native.Memory
  /** See assembly/search.ts: places in memory and sizes, in bytes. */
  readonly find: (from: number, end: number, blockBytes: number) => number
  readonly use: (
    outFactor: number,
    filter: number,
    filterBits: number,
    places: number,
    placeBits: number,
    sums: number
  ) => void
  readonly sum: { readonly value: number }
  /** The sum of bytes. */
  readonly sumOf: (at: number, length: number) => number
}

/** Memory: products of each byte with the factor by which it leaves, the filter, the places, the sums, the window. */
const productsBytes = 256 * 4

const summerOf = ({ memory, sumOf }: Exports, windowBytes: number): Summer => {
  Native.reserve(memory, productsBytes + windowBytes)
  return {
    window: new Uint8Array(memory.buffer, productsBytes, windowBytes),
    sumOf: (at, length) => sumOf(productsBytes + at, length) >>> 0
  }
}

const searcherOf = ({ find, memory, sum, use }: Exports, index: Index, windowBytes: number): Searcher => {
  const { blockBytes, filter, filterBits, placeBits, places, sums } = index
  let end = productsBytes
  const parts = [filter, places, sums].map((part) => {
    const at = end
    end = at + Math.ceil(part.byteLength / 8) * 8
    return { at, part }
  })
  const windowAt = end
  Native.reserve(memory, windowAt + windowBytes)
  for (const { at, part } of parts)
    new Uint8Array(memory.buffer, at).set(new Uint8Array(part.buffer, part.byteOffset, part.byteLength))
  use(Weak.outFactorOf(blockBytes), parts[0].at, filterBits, parts[1].at, placeBits, parts[2].at)
  return {
    window: new Uint8Array(memory.buffer, windowAt, windowBytes),
    find: (from, length) => {
      if (from > length - blockBytes) return undefined
      const at = find(windowAt + from, windowAt + length, blockBytes) - windowAt
      return at > length - blockBytes ? undefined : { at, sum: sum.value >>> 0 }
    }
  }
}
