/**
 * The search as WebAssembly: assembly/search.ts, built into dist/search.wasm. Nothing is read or compiled before the first
 * `searcher()`; where there is no file, that is the reference.
 */
import * as Result from "effect/Result"
import { readFileSync } from "node:fs"
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
  for (const place of places) {
    const make = Result.try(() => compile(readFileSync(new URL(place, import.meta.url))))
    if (Result.isSuccess(make)) return make.success
  }
  return undefined
}

// From src/delta, dist/delta and the program's parts in dist/bin; and from dist/bin.js itself.
const places = ["../../dist/search.wasm", "./search.wasm"]

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer; readonly grow: (pages: number) => number }
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

// Neither the language's library nor Node's types have WebAssembly.
const { WebAssembly } = globalThis as unknown as {
  readonly WebAssembly: {
    readonly Module: new (bytes: Uint8Array) => object
    readonly Instance: new (module: object) => { readonly exports: Exports }
  }
}

const growBytes = 65_536
/** Memory: products of each byte with the factor by which it leaves, the filter, the places, the sums, the window. */
const productsBytes = 256 * 4

const compile = (file: Uint8Array): Makers => {
  const module = new WebAssembly.Module(file)
  const exports = () => new WebAssembly.Instance(module).exports
  return {
    searcher: (index, windowBytes) => searcherOf(exports(), index, windowBytes),
    summer: (windowBytes) => summerOf(exports(), windowBytes)
  }
}

const grow = (memory: Exports["memory"], bytes: number): void =>
  void memory.grow(Math.max(0, Math.ceil((bytes - memory.buffer.byteLength) / growBytes)))

const summerOf = ({ memory, sumOf }: Exports, windowBytes: number): Summer => {
  grow(memory, productsBytes + windowBytes)
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
  grow(memory, windowAt + windowBytes)
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
