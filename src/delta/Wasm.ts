/**
 * The search as WebAssembly: assembly/search.ts, built into dist/search.wasm. Nothing is read or compiled before the first
 * `searcher()`; where there is no file, that is the reference.
 */
import * as Result from "effect/Result"
import { readFileSync } from "node:fs"
import type { Index } from "./Index.ts"
import { type MakeSearcher, reference, type Searcher } from "./Search.ts"
import * as Weak from "./Weak.ts"

let loaded: MakeSearcher | undefined

/** Makes the fastest searchers that there are. */
export const searcher: MakeSearcher = (index, windowBytes) => (loaded ??= load() ?? reference)(index, windowBytes)

/** Makes searchers of a memory of their own, or undefined. */
export const load = (): MakeSearcher | undefined => {
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

const compile = (file: Uint8Array): MakeSearcher => {
  const module = new WebAssembly.Module(file)
  return (index, windowBytes) => searcherOf(new WebAssembly.Instance(module).exports, index, windowBytes)
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
  memory.grow(Math.max(0, Math.ceil((windowAt + windowBytes - memory.buffer.byteLength) / growBytes)))
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
