/**
 * Signatures of large files: of each block of the content that is to come a weak sum, by which it is found wherever it has moved to,
 * and the beginning of its strong hash, which decides. Of a list of them all catchers take what their older versions have. Pure.
 */
import * as Result from "effect/Result"
import { hash } from "../content/Hash.ts"
import * as Limits from "../protocol/Limits.ts"
import type { Entry } from "../tree/Entry.ts"
import { carriedBytes } from "../tree/Holes.ts"
import * as Blocks from "./Blocks.ts"

/** Of one file. */
export interface Signature extends Blocks.Blocks {
  readonly entry: number
  readonly weak: Uint32Array
}

const headBytes = 16
const blockSums = 4 + Blocks.strongBytes

/** Bytes of it in a list. */
export const bytesOf = (size: number, blockBytes: number): number =>
  headBytes + Blocks.countOf({ size, blockBytes }) * blockSums

/** One without its sums. */
export const make = (entry: number, size: number, blockBytes: number): Signature => {
  const blocks = Blocks.make(size, blockBytes)
  return { ...blocks, entry, weak: new Uint32Array(Blocks.countOf(blocks)) }
}

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
  const bytes = new Uint8Array(signatures.reduce((sum, { blockBytes, size }) => sum + bytesOf(size, blockBytes), 0))
  const view = new DataView(bytes.buffer)
  let at = 0
  for (const { blockBytes, entry, size, strong, weak } of signatures) {
    view.setUint32(at, entry, true)
    view.setUint32(at + 4, blockBytes, true)
    view.setBigUint64(at + 8, BigInt(size), true)
    at += headBytes
    for (const sum of weak) {
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
  size: Number(view.getBigUint64(at + 8, true))
})

/** The blocks of those that were encoded, by their entry: views of these bytes. */
export const blocksIn = function* (bytes: Uint8Array): Generator<readonly [entry: number, blocks: Blocks.Blocks]> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  for (let at = 0; at < bytes.length;) {
    const { blockBytes, entry, size } = headAt(view, at)
    const end = at + bytesOf(size, blockBytes)
    const strong = bytes.subarray(end - Blocks.countOf({ blockBytes, size }) * Blocks.strongBytes, end)
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
    const { blockBytes, entry, size } = headAt(view, at)
    const file = entries[entry]
    if (file?._tag !== "File" || carriedBytes(file) !== size || blockBytes === 0)
      return Result.fail(`a signature of entry ${entry} with ${size} bytes in blocks of ${blockBytes}`)
    if (at + bytesOf(size, blockBytes) > bytes.length)
      return Result.fail(`signatures that end after ${bytes.length} bytes`)
    const signature = make(entry, size, blockBytes)
    at += headBytes
    for (let block = 0; block < signature.weak.length; block++, at += 4)
      signature.weak[block] = view.getUint32(at, true)
    signature.strong.set(bytes.subarray(at, at + signature.strong.length))
    at += signature.strong.length
    signatures.push(signature)
  }
  return Result.succeed(signatures)
}
