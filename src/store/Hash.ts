/**
 * BLAKE3, 32 bytes: of blocks, and of a trailer. One call for a whole block, because single pages hash slowly.
 *
 * The native hash has a binary for each platform. Where there is none (an unknown platform, `npm ci --omit=optional`) the
 * same in WebAssembly takes its place.
 */
import * as Result from "effect/Result"
import { createRequire } from "node:module"
import * as HashWasm from "./HashWasm.ts"

export const packageName = "@napi-rs/blake-hash"

type Blake3 = (bytes: Uint8Array) => Uint8Array

const loadNative = (): Blake3 => {
  const { blake3 } = createRequire(import.meta.url)(packageName) as typeof import("@napi-rs/blake-hash")
  return (bytes) => blake3(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))
}

const native = Result.getOrUndefined(Result.try(loadNative))
const standIn = native === undefined ? HashWasm.load() : undefined

const nothing: Blake3 = () => {
  throw new Error(`${packageName}: ${missing}`)
}

/** Why the package is not used, in words for a person; undefined: it is. */
export const missing: string | undefined =
  native === undefined
    ? `it has no binary for ${process.platform}-${process.arch} here (one of its optional dependencies, which npm installs)`
    : undefined

/** Can anything be hashed at all? */
export const isThere: boolean = (native ?? standIn) !== undefined

export const hash: Blake3 = native ?? standIn ?? nothing

export const agrees = (bytes: Uint8Array, expected: Uint8Array): boolean => Buffer.compare(hash(bytes), expected) === 0
