/**
 * BLAKE3, 32 bytes: of blocks, and of a trailer. One call for a whole block, because single pages hash slowly.
 *
 * The native hash has a binary for each platform. Where there is none (an unknown platform, `npm ci --omit=optional`) the
 * same in plain JavaScript takes its place, a hundred times slower. Nothing of that one is loaded elsewhere.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Native from "../native/Native.ts"
import * as Limits from "../protocol/Limits.ts"

export const packageName = "@napi-rs/blake-hash"
export const standInName = "@noble/hashes"

type Blake3 = (bytes: Uint8Array) => Uint8Array

/** The hash of bytes that come piece by piece. */
export interface Stream {
  readonly update: (bytes: Uint8Array) => void
  readonly digest: () => Uint8Array
}

interface Both {
  readonly hash: Blake3
  readonly stream: () => Stream
}

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)

/** Linux's addon itself, where it is: its package asks Node for a report to find it, which takes longer than all else of loading it. */
const loadAddon = () => {
  const addon = Result.try(() => Native.load(`${packageName}-linux-${process.arch}-gnu`))
  const loaded = Result.isSuccess(addon) ? addon.success : Native.load(packageName)
  return loaded as typeof import("@napi-rs/blake-hash")
}

const loadNative = (): Both => {
  const { blake3, Blake3Hasher } = loadAddon()
  return {
    hash: (bytes) => blake3(asBuffer(bytes)),
    stream: () => {
      const hasher = new Blake3Hasher()
      return { update: (bytes) => void hasher.update(asBuffer(bytes)), digest: () => hasher.digestBuffer() }
    }
  }
}

export const loadStandIn = (): Both => {
  const { blake3 } = Native.load(`${standInName}/blake3.js`) as typeof import("@noble/hashes/blake3.js")
  return {
    hash: (bytes) => blake3(bytes),
    stream: () => {
      const hasher = blake3.create()
      return { update: (bytes) => void hasher.update(bytes), digest: () => hasher.digest() }
    }
  }
}

const native = Result.getOrUndefined(Result.try(loadNative))
const standIn = native === undefined ? Result.getOrUndefined(Result.try(loadStandIn)) : undefined

/** Why the native hash is not used, in words for a person; undefined: it is. */
export const missing: string | undefined =
  native === undefined
    ? `it has no binary for ${process.platform}-${process.arch} here (one of its optional dependencies, which npm installs)`
    : undefined

/** Why nothing can be hashed at all, in words for a person; undefined: it can. */
export const nothing: string | undefined =
  missing === undefined || standIn !== undefined
    ? undefined
    : `${missing}, and ${standInName}, which would stand in for it, cannot be loaded (npm installs it, and it needs Node 20.19 or later)`

const fail = () => {
  throw new Error(`${packageName}: ${nothing}`)
}

export const { hash, stream }: Both = native ?? standIn ?? { hash: fail, stream: fail }

/**
 * The hash of content that is read piece by piece, with turns for others in between. `piece` is memory for one; `count` is told
 * how many bytes each had.
 */
export const hashPieces = Effect.fnUntraced(function* <E, R>(
  size: number,
  piece: Uint8Array,
  read: (at: number, into: Uint8Array) => Effect.Effect<void, E, R>,
  count: (bytes: number) => void
) {
  const hashing = stream()
  for (let at = 0; at < size; at += piece.length) {
    const part = piece.subarray(0, Math.min(piece.length, size - at))
    yield* read(at, part)
    hashing.update(part)
    count(part.length)
    yield* Effect.yieldNow
  }
  return hashing.digest()
})

/** A page's digest: how its hash begins. */
export const digest = (payload: Uint8Array): Uint8Array => hash(payload).subarray(0, Limits.digestBytes)

export const agrees = (bytes: Uint8Array, expected: Uint8Array): boolean => Buffer.compare(hash(bytes), expected) === 0
