/**
 * BLAKE3 as WebAssembly SIMD: assembly/blake3.ts, built into dist/blake3.wasm. A seventh of the native hash's speed, so it
 * only stands in for it.
 */
import * as Wasm from "../parity/Wasm.ts"
import * as Limits from "../protocol/Limits.ts"

interface Exports extends Wasm.Memory {
  /** See assembly/blake3.ts; places in memory, and a length in bytes. */
  readonly hash: (input: number, length: number, out: number, stack: number) => void
}

// Memory: the result, subtrees that wait for others (32 bytes for each power of two of a length), the input.
const outAt = 0
const stackAt = 64
const inputAt = 2048

/** A hash of its own memory, or undefined where there is no file or no SIMD. */
export const load = (): ((bytes: Uint8Array) => Uint8Array) | undefined => {
  const exports = Wasm.instantiate<Exports>("blake3.wasm")
  if (exports === undefined) return undefined
  let memory = Wasm.reserve(exports, inputAt)
  return (bytes) => {
    const needed = inputAt + bytes.length
    if (needed > memory.length) memory = Wasm.reserve(exports, needed)
    memory.set(bytes, inputAt)
    exports.hash(inputAt, bytes.length, outAt, stackAt)
    return memory.slice(outAt, outAt + Limits.hashBytes)
  }
}
