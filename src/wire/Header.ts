/**
 * The fixed header of every datagram, and the page datagram, whose codec works on bytes in place because it is the hot
 * path. Integers are little-endian.
 *
 * ```
 *  0  2  magic "mr"
 *  2  1  version
 *  3  1  type
 *  4  2  length of this datagram, header included      [W-1]
 *  6  2  flags (bit 0: sealed)
 *  8  8  session
 * 16  4  file
 * 20  4  index: page, parity page, round, poll, entry or train, as the type says
 * 24     body, then a checksum of 4 bytes unless it is a page: see Codec
 * ```
 *
 * [W-1] The length makes a datagram self-delimiting: receive offload hands over several of them glued together.
 * [W-2] An unknown magic, version or type, and a flag we do not know, is counted and ignored.
 */

import { codePoints, headerBytes } from "../protocol/Limits.ts"

/** The version of the wire that is spoken here; a datagram of another one is ignored. [W-2] */
export const version = 3

/** Types of datagrams, as the header numbers them. */
export const types = {
  Announce: 1,
  Join: 2,
  Decline: 3,
  Welcome: 4,
  Open: 5,
  OpenOk: 6,
  SitOut: 7,
  Page: 8,
  Poll: 9,
  PollOk: 10,
  Eof: 11,
  Missing: 12,
  Complete: 13,
  Close: 14,
  CloseOk: 15,
  Abort: 16,
  Aborted: 17,
  Bye: 18,
  Parity: 19,
  Probe: 20,
  ProbeOk: 21,
  Digests: 22,
  Survey: 23,
  SurveyOk: 24,
  Itemize: 25,
  ItemizeOk: 26,
  Comparing: 27,
  ByeOk: 28
} as const

/** Those of the handshake under a seal, which are no messages: see seal/Hails. */
export const handshakeTypes = { Hail: 30, HailOk: 31 } as const

/** The file of pages that are no file's: they show what a path takes. [N-5] */
export const noFile = 0xffff_ffff

/** The one flag: the datagram is under a seal. */
const sealedFlag = 1

const magic = 0x726d // "mr"

/** Reads 16 bits at an offset. */
export const u16 = (bytes: Uint8Array, at: number): number => bytes[at] | (bytes[at + 1] << 8)

/** Reads 32 bits at an offset, without a sign. */
export const u32 = (bytes: Uint8Array, at: number): number =>
  (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0

/** Writes the low 16 bits of a number at an offset. */
export const putU16 = (bytes: Uint8Array, at: number, value: number): void => {
  bytes[at] = value
  bytes[at + 1] = value >>> 8
}

/** Writes the low 32 bits of a number at an offset. */
export const putU32 = (bytes: Uint8Array, at: number, value: number): void => {
  bytes[at] = value
  bytes[at + 1] = value >>> 8
  bytes[at + 2] = value >>> 16
  bytes[at + 3] = value >>> 24
}

/** A session's id as the two words that a datagram carries, so that the hot path compares numbers. */
export interface Session {
  readonly low: number
  readonly high: number
}

/** A session's id as two words. */
export const sessionOf = (id: bigint): Session => ({
  low: Number(id & 0xffff_ffffn),
  high: Number((id >> 32n) & 0xffff_ffffn)
})

/** Writes the header; the caller has made sure that `length` bytes are there. */
export const put = (
  bytes: Uint8Array,
  at: number,
  type: number,
  length: number,
  session: Session,
  file: number,
  index: number
): void => {
  putU16(bytes, at, magic)
  bytes[at + 2] = version
  bytes[at + 3] = type
  putU16(bytes, at + 4, length)
  putU16(bytes, at + 6, 0)
  putU32(bytes, at + 8, session.low)
  putU32(bytes, at + 12, session.high)
  putU32(bytes, at + 16, file)
  putU32(bytes, at + 20, index)
}

/** Is there a whole datagram of ours at `at`? Then its fields may be read. */
export const valid = (bytes: Uint8Array, at: number): boolean => {
  if (at + headerBytes > bytes.length) return false
  const length = u16(bytes, at + 4)
  return (
    u16(bytes, at) === magic &&
    bytes[at + 2] === version &&
    length >= headerBytes &&
    at + length <= bytes.length &&
    u16(bytes, at + 6) <= sealedFlag
  )
}

/** Does a datagram of that type carry content? */
export const isPageType = (type: number): boolean => type === types.Page || type === types.Parity

/** Is the datagram at `at` under a seal? */
export const isSealed = (bytes: Uint8Array, at: number): boolean => bytes[at + 6] === sealedFlag

/** Says in the header of a datagram that it is under a seal. */
export const markSealed = (datagram: Uint8Array): void => putU16(datagram, 6, sealedFlag)

/** Is a whole datagram of ours, but of another version, at `at`? */
export const isOtherVersion = (bytes: Uint8Array, at: number): boolean =>
  at + headerBytes <= bytes.length &&
  u16(bytes, at) === magic &&
  bytes[at + 2] !== version &&
  u16(bytes, at + 4) >= headerBytes &&
  at + u16(bytes, at + 4) <= bytes.length

/** The type of the datagram at `at`, one of `types` or a later one. */
export const typeOf = (bytes: Uint8Array, at: number): number => bytes[at + 3]
/** The length of the datagram at `at`, in bytes, its header included. */
export const lengthOf = (bytes: Uint8Array, at: number): number => u16(bytes, at + 4)
/** Is the datagram at `at` of that session? */
export const isOf = (bytes: Uint8Array, at: number, session: Session): boolean =>
  u32(bytes, at + 8) === session.low && u32(bytes, at + 12) === session.high
/** The id of the session of the datagram at `at`. */
export const sessionAt = (bytes: Uint8Array, at: number): bigint =>
  BigInt(u32(bytes, at + 8)) | (BigInt(u32(bytes, at + 12)) << 32n)
/** The file of the datagram at `at`. */
export const fileOf = (bytes: Uint8Array, at: number): number => u32(bytes, at + 16)
/** The index of the datagram at `at`: what it counts depends on the type. */
export const indexOf = (bytes: Uint8Array, at: number): number => u32(bytes, at + 20)

/** A parity page's index: all blocks' parity pages in one row. */
export const parityIndex = (block: number, index: number): number => block * codePoints + index
/** The block of a parity page's index, and which of the block's parity pages it is. */
export const parityOf = (index: number): { readonly block: number; readonly index: number } => ({
  block: Math.floor(index / codePoints),
  index: index % codePoints
})

/** The body of the datagram at `at`, without a copy. */
export const bodyOf = (bytes: Uint8Array, at: number): Uint8Array =>
  bytes.subarray(at + headerBytes, at + lengthOf(bytes, at))

/** Calls `each` with the offset of every datagram glued into `bytes`; answers the bytes discarded at a bad one. */
export const split = (bytes: Uint8Array, each: (at: number) => void): number => {
  let at = 0
  while (at < bytes.length) {
    if (!valid(bytes, at)) return bytes.length - at
    const length = lengthOf(bytes, at)
    each(at)
    at += length
  }
  return 0
}
