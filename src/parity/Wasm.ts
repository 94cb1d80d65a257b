/**
 * The kernel of parity as WebAssembly SIMD: assembly/parity.ts, built into dist/parity.wasm. Nothing is read or compiled
 * before the first `kernel()`; where there is no file or no SIMD, that is the reference.
 */
import * as Native from "../native/Native.ts"
import type { Kernel } from "./Code.ts"
import { pagesOf, reference } from "./Code.ts"
import * as Field from "./Field.ts"

let loaded: Kernel | undefined

/** The fastest kernel there is, loaded once. */
export const kernel = (): Kernel => (loaded ??= load() ?? reference)

/** A kernel of its own memory, or undefined. */
export const load = (): Kernel | undefined => {
  const instance = Native.wasm<Exports>("parity.wasm")
  return instance === undefined ? undefined : bind(instance())
}

interface Exports {
  readonly memory: Native.Memory
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

// Memory: tables of 32 bytes for each coefficient, the matrix, rows, pages.
const matrixAt = 256 * 32
const rowsAt = matrixAt + 256 * 256
/** The loop takes 32 bytes at a time. */
const slackBytes = 32

const bind = ({ memory, multiply }: Exports): Kernel => {
  let bytes = new Uint8Array(memory.buffer)
  const reserve = (length: number) => {
    if (length <= bytes.length) return
    Native.reserve(memory, length)
    bytes = new Uint8Array(memory.buffer)
  }
  reserve(rowsAt)
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
    reserve(pagesAt + blockBytes + parity.length + slackBytes)
    bytes.set(matrix.subarray(0, rows * columns), matrixAt)
    bytes.set(block, pagesAt)
    bytes.fill(0, pagesAt + block.length, pagesAt + blockBytes)
    bytes.set(parity, pagesAt + blockBytes)
    multiply(0, matrixAt, rows, columns, pagesAt, pageBytes, rowsAt, rowBytes)
    for (let row = 0; row < rows; row++) {
      const from = rowsAt + row * rowBytes
      const to = places[row] * pageBytes
      out.set(bytes.subarray(from, from + Math.min(pageBytes, out.length - to)), to)
    }
  }
}
