/**
 * The kernel of parity as WebAssembly SIMD: assembly/parity.ts, built into dist/parity.wasm. Nothing is read or compiled
 * before the first `kernel()`; where there is no file or no SIMD, that is the twin.
 */
import * as Result from "effect/Result"
import { readFileSync } from "node:fs"
import type { Kernel } from "./Code.ts"
import { pagesOf, twin } from "./Code.ts"
import * as Field from "./Field.ts"

let loaded: Kernel | undefined

/** The fastest kernel there is, loaded once. */
export const kernel = (): Kernel => (loaded ??= load() ?? twin)

/** A kernel of its own memory, or undefined. */
export const load = (): Kernel | undefined => {
  const exports = instantiate<Exports>("parity.wasm")
  return exports === undefined ? undefined : bind(exports)
}

/** Loads what the build has made of a module of assembly/; undefined where it cannot be had. */
export const instantiate = <A extends Memory>(file: string): A | undefined => {
  for (const place of places) {
    const exports = Result.try(() => {
      const bytes = readFileSync(new URL(`${place}/${file}`, import.meta.url))
      return new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports as A
    })
    if (Result.isSuccess(exports)) return exports.success
  }
  return undefined
}

// From src/parity, dist/parity and the program's parts in dist/bin; and from dist/bin.js itself.
const places = ["../../dist", "."]

export interface Memory {
  readonly memory: { readonly buffer: ArrayBuffer; readonly grow: (pages: number) => number }
}

/** The memory as bytes, grown to have so many. A view of before is of no use after it. */
export const reserve = ({ memory }: Memory, length: number): Uint8Array => {
  const lacking = length - memory.buffer.byteLength
  if (lacking > 0) memory.grow(Math.ceil(lacking / growBytes))
  return new Uint8Array(memory.buffer)
}

interface Exports extends Memory {
  /** See assembly/parity.ts; places in memory and sizes, in bytes, rows and columns. */
  readonly multiply: (
    tables: number,
    matrix: number,
    rows: number,
    columns: number,
    pages: number,
    pageBytes: number,
    out: number,
    outBytes: number
  ) => void
}

// Neither the language's library nor Node's types have WebAssembly.
const { WebAssembly } = globalThis as unknown as {
  readonly WebAssembly: {
    readonly Module: new (bytes: Uint8Array) => object
    readonly Instance: new (module: object) => { readonly exports: unknown }
  }
}

// Memory: tables of 32 bytes for each coefficient, the matrix, rows, pages.
const matrixAt = 256 * 32
const rowsAt = matrixAt + 256 * 256
const growBytes = 65_536
/** The loop takes 32 bytes at a time. */
const slackBytes = 32

const bind = (exports: Exports): Kernel => {
  let bytes = reserve(exports, rowsAt)
  for (let coefficient = 0; coefficient < 256; coefficient++) {
    for (let nibble = 0; nibble < 16; nibble++) {
      bytes[coefficient * 32 + nibble] = Field.multiply(coefficient, nibble)
      bytes[coefficient * 32 + 16 + nibble] = Field.multiply(coefficient, nibble << 4)
    }
  }
  return ({ block, matrix, out, pageBytes, parity, places, rows }) => {
    const blockBytes = pagesOf(block, pageBytes) * pageBytes
    const columns = (blockBytes + parity.length) / pageBytes
    const rowBytes = Math.ceil(pageBytes / slackBytes) * slackBytes
    const pagesAt = rowsAt + rows * rowBytes
    const needed = pagesAt + blockBytes + parity.length + slackBytes
    if (needed > bytes.length) bytes = reserve(exports, needed)
    bytes.set(matrix.subarray(0, rows * columns), matrixAt)
    bytes.set(block, pagesAt)
    bytes.fill(0, pagesAt + block.length, pagesAt + blockBytes)
    bytes.set(parity, pagesAt + blockBytes)
    exports.multiply(0, matrixAt, rows, columns, pagesAt, pageBytes, rowsAt, rowBytes)
    for (let row = 0; row < rows; row++) {
      const from = rowsAt + row * rowBytes
      const to = places[row] * pageBytes
      out.set(bytes.subarray(from, from + Math.min(pageBytes, out.length - to)), to)
    }
  }
}
