/**
 * Signatures of large files: of each block of the content that is to come the beginning of its strong hash, which decides, and the weak
 * sums of its sub-blocks. Together they are the weak sum of the block, by which it is found wherever it has moved to. Of a list of them
 * all catchers take what their older versions have. Pure.
 */
import * as Result from "effect/Result"
import { hash } from "../content/Hash.ts"
import * as Limits from "../protocol/Limits.ts"
import type { Entry } from "../tree/Entry.ts"
import { carriedBytes } from "../tree/Holes.ts"
import * as Blocks from "./Blocks.ts"
import * as Weak from "./Weak.ts"

/** Of one file. */
export interface Signature extends Blocks.Blocks {
  readonly entry: number
  /** Bytes of a sub-block, the block's own where it has only one; the last one of a block may be shorter. [Y-19] */
  readonly subBytes: number
  /** The weak sum of each sub-block, block by block. */
  readonly sums: Uint32Array
}

type Shape = Pick<Signature, "blockBytes" | "size" | "subBytes">

const headBytes = 20
/** A block has fewer bytes in a file of any size; with more a hostile master would take the memory of catchers. */
const mostBlockBytes = 64 * 1024 * 1024
/** A block has about so many sub-blocks, or one for each page where it has fewer pages. */
const mostSubs = 12

/** [Y-19] Bytes of a sub-block, in blocks of whole pages of that size. */
export const subBytesOf = (blockBytes: number, pageBytes: number): number =>
  Math.ceil(blockBytes / pageBytes / mostSubs) * pageBytes

/** Sub-blocks of a whole block. */
export const subsOf = ({ blockBytes, subBytes }: Shape): number => Math.ceil(blockBytes / subBytes)

const sumsOf = (shape: Shape): number =>
  Math.floor(shape.size / shape.blockBytes) * subsOf(shape) +
  Math.ceil((shape.size % shape.blockBytes) / shape.subBytes)

/** Bytes of it in a list. */
export const bytesOf = (shape: Shape): number =>
  headBytes + 4 * sumsOf(shape) + Blocks.countOf(shape) * Blocks.strongBytes

/** And without its sub-blocks. */
export const coarseBytesOf = (shape: Shape): number => bytesOf({ ...shape, subBytes: shape.blockBytes })

/** One without its sums and hashes. */
export const make = (entry: number, shape: Shape): Signature => ({
  ...Blocks.make(shape.size, shape.blockBytes),
  ...{ entry, subBytes: shape.subBytes, sums: new Uint32Array(sumsOf(shape)) }
})

/** Sums the sub-blocks of a block by `sumOf`, which gets where each begins in the block, and its length. */
export const sum = (signature: Signature, block: number, sumOf: (at: number, length: number) => number): void => {
  const { subBytes, sums } = signature
  const bytes = Blocks.lengthOf(signature, block)
  // of all blocks of a file: a generator would take as long as the sums
  for (let at = 0, sub = block * subsOf(signature); at < bytes; at += subBytes, sub++)
    sums[sub] = sumOf(at, Math.min(subBytes, bytes - at))
}

/** The weak sum of each block. */
export const weakOf = (signature: Signature): Uint32Array => {
  const { blockBytes, subBytes, sums } = signature
  if (subBytes >= blockBytes) return sums
  const subs = subsOf(signature)
  const whole = Weak.outFactorOf(subBytes)
  return Uint32Array.from({ length: Blocks.countOf(signature) }, (_, block) => {
    const bytes = Blocks.lengthOf(signature, block)
    let joined = 0
    for (let at = 0, sub = block * subs; at < bytes; at += subBytes, sub++)
      joined = Weak.join(joined, sums[sub], at + subBytes <= bytes ? whole : Weak.outFactorOf(bytes - at))
    return joined
  })
}

/** The same without sub-blocks, which takes less room in a list. */
export const coarse = (signature: Signature): Signature => ({
  ...signature,
  ...{ subBytes: signature.blockBytes, sums: weakOf(signature) }
})

/** Is that the content of the block? */
export const isBlock = (signature: Signature, block: number, content: Uint8Array): boolean =>
  Blocks.agrees(signature, block, hash(content))

/** The order of two blocks' hashes. */
export const compare = ({ strong }: Signature, a: number, b: number): number => {
  for (let i = 0; i < Blocks.strongBytes; i++) {
    const other = strong[a * Blocks.strongBytes + i] - strong[b * Blocks.strongBytes + i]
    if (other !== 0) return other
  }
  return 0
}

export const encode = (signatures: ReadonlyArray<Signature>): Uint8Array => {
  const bytes = new Uint8Array(signatures.reduce((sum, signature) => sum + bytesOf(signature), 0))
  const view = new DataView(bytes.buffer)
  let at = 0
  for (const { blockBytes, entry, size, strong, subBytes, sums } of signatures) {
    view.setUint32(at, entry, true)
    view.setUint32(at + 4, blockBytes, true)
    view.setUint32(at + 8, subBytes, true)
    view.setBigUint64(at + 12, BigInt(size), true)
    at += headBytes
    for (const sum of sums) {
      view.setUint32(at, sum, true)
      at += 4
    }
    bytes.set(strong, at)
    at += strong.length
  }
  return bytes
}

const headAt = (view: DataView, at: number) => ({
  entry: view.getUint32(at, true),
  blockBytes: view.getUint32(at + 4, true),
  subBytes: view.getUint32(at + 8, true),
  size: Number(view.getBigUint64(at + 12, true))
})

/** The blocks of those that were encoded, by their entry: views of these bytes. */
export const blocksIn = function* (bytes: Uint8Array): Generator<readonly [entry: number, blocks: Blocks.Blocks]> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  for (let at = 0; at < bytes.length;) {
    const { entry, ...shape } = headAt(view, at)
    const { blockBytes, size } = shape
    const end = at + bytesOf(shape)
    const strong = bytes.subarray(end - Blocks.countOf(shape) * Blocks.strongBytes, end)
    yield [entry, { size, blockBytes, strong }]
    at = end
  }
}

/** Those of files of a manifest, or what is wrong with the bytes. `most`: so many bytes are taken. */
export const decode = (
  bytes: Uint8Array,
  entries: ReadonlyArray<Entry>,
  most = Limits.signatureBytes
): Result.Result<ReadonlyArray<Signature>, string> => {
  if (bytes.length > most) return Result.fail(`signatures of ${bytes.length} bytes, where ${most} have room`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const signatures: Array<Signature> = []
  for (let at = 0; at < bytes.length;) {
    if (at + headBytes > bytes.length) return Result.fail(`signatures that end after ${bytes.length} bytes`)
    const { entry, ...shape } = headAt(view, at)
    const { blockBytes, size, subBytes } = shape
    const file = entries[entry]
    const isShape = subBytes > 0 && subBytes <= blockBytes && blockBytes <= mostBlockBytes
    if (file?._tag !== "File" || carriedBytes(file) !== size || !isShape)
      return Result.fail(`a signature of entry ${entry} with ${size} bytes in blocks of ${blockBytes} (${subBytes})`)
    if (at + bytesOf(shape) > bytes.length) return Result.fail(`signatures that end after ${bytes.length} bytes`)
    const signature = make(entry, shape)
    at += headBytes
    for (let sub = 0; sub < signature.sums.length; sub++, at += 4) signature.sums[sub] = view.getUint32(at, true)
    signature.strong.set(bytes.subarray(at, at + signature.strong.length))
    at += signature.strong.length
    signatures.push(signature)
  }
  return Result.succeed(signatures)
}
