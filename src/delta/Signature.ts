/**
 * Signatures of large files: of each block of the content that is to come a weak sum, by which it is found wherever it has moved to,
 * and the beginning of its strong hash, which decides. Of a list of them all catchers take what their older versions have. Pure.
 */
import * as Result from "effect/Result"
import { hash } from "../content/Hash.ts"
import * as Limits from "../protocol/Limits.ts"
import type { Entry } from "../tree/Entry.ts"
import * as Weak from "./Weak.ts"

/** Of one file. The last block may be shorter than the others. */
export interface Signature {
  readonly entry: number
  readonly size: number
  readonly blockBytes: number
  readonly weak: Uint32Array
  /** `strongBytes` of each block, one after the other. */
  readonly strong: Uint8Array
}

/** So many bytes of a hash: two contents that agree in them are made by nobody. */
const strongBytes = 16
const headBytes = 16
const blockSums = 4 + strongBytes

/** Is it large enough? One with holes is sent as it is: its content is not the file's bytes one after the other. */
export const isSigned = (entry: Entry | undefined): boolean =>
  entry?._tag === "File" && entry.data === undefined && entry.size >= Limits.deltaBytes

/**
 * Bytes of a block: about the square root of the size, as rsync has it (Tridgell, "Efficient algorithms for sorting and
 * synchronization", 1999), and whole pages, so that a block that is missing is no part of a page more.
 */
export const blockBytesOf = (size: number, pageBytes: number): number =>
  Math.max(1, Math.ceil(Math.sqrt(size) / pageBytes)) * pageBytes

const blocksOf = (size: number, blockBytes: number): number => Math.ceil(size / blockBytes)

/** Bytes of it in a list. */
export const bytesOf = (size: number, blockBytes: number): number => headBytes + blocksOf(size, blockBytes) * blockSums

/** One without its sums, which `put` puts in. */
export const make = (entry: number, size: number, blockBytes: number): Signature => {
  const blocks = blocksOf(size, blockBytes)
  return { entry, size, blockBytes, weak: new Uint32Array(blocks), strong: new Uint8Array(blocks * strongBytes) }
}

export const put = ({ strong, weak }: Signature, block: number, content: Uint8Array): void => {
  weak[block] = Weak.sumOf(content, 0, content.length)
  strong.set(hash(content).subarray(0, strongBytes), block * strongBytes)
}

/** Is that the content of the block? */
export const isBlock = (signature: Signature, block: number, content: Uint8Array): boolean =>
  agrees(signature, block, hash(content))

/** Is it the hash of the block? */
export const agrees = ({ strong }: Signature, block: number, hashed: Uint8Array): boolean => {
  for (let i = 0; i < strongBytes; i++) if (strong[block * strongBytes + i] !== hashed[i]) return false
  return true
}

/** The order of two blocks' hashes. */
export const compare = ({ strong }: Signature, a: number, b: number): number => {
  for (let i = 0; i < strongBytes; i++) {
    const other = strong[a * strongBytes + i] - strong[b * strongBytes + i]
    if (other !== 0) return other
  }
  return 0
}

/** The length of a block. */
export const lengthOf = ({ blockBytes, size }: Signature, block: number): number =>
  Math.min(blockBytes, size - block * blockBytes)

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

/** Those of files of a manifest, or what is wrong with the bytes. */
export const decode = (
  bytes: Uint8Array,
  entries: ReadonlyArray<Entry>
): Result.Result<ReadonlyArray<Signature>, string> => {
  if (bytes.length > Limits.signatureBytes) return Result.fail(`signatures of ${bytes.length} bytes`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const signatures: Array<Signature> = []
  for (let at = 0; at < bytes.length;) {
    if (at + headBytes > bytes.length) return Result.fail(`signatures that end after ${bytes.length} bytes`)
    const entry = view.getUint32(at, true)
    const blockBytes = view.getUint32(at + 4, true)
    const size = Number(view.getBigUint64(at + 8, true))
    const file = entries[entry]
    if (file?._tag !== "File" || file.size !== size || blockBytes === 0)
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
