/**
 * Messages to datagrams and back. Decoding is total: any bytes give a message or a WireError, nothing is thrown, and no
 * length that a datagram claims is believed before it is checked against the bytes that are there.
 *
 * [W-7] Every message ends with a checksum of all that is before it. Pages are not for this module: their hashes tell.
 */

import * as zlib from "node:zlib"
import * as Result from "effect/Result"
import * as Limits from "../protocol/Limits.ts"
import { Reader, Writer } from "./Fields.ts"
import * as FromCatcher from "./FromCatcher.ts"
import * as FromMaster from "./FromMaster.ts"
import * as Header from "./Header.ts"
import type { Failure, Item, Message } from "./Message.ts"

/**
 * Why a datagram cannot be read: it is no datagram of ours, it is under a seal, its checksum is
 * wrong, its type is unknown, or its body is not that of its type.
 */
export interface WireError {
  readonly _tag: "WireError"
  readonly reason: "Foreign" | "Sealed" | "Damaged" | "UnknownType" | "Body"
}

const foreign: WireError = { _tag: "WireError", reason: "Foreign" }
const sealed: WireError = { _tag: "WireError", reason: "Sealed" }
const damaged: WireError = { _tag: "WireError", reason: "Damaged" }
const unknownType: WireError = { _tag: "WireError", reason: "UnknownType" }
const badBody: WireError = { _tag: "WireError", reason: "Body" }

/** Room for any message, without a tag. */
const messageBytes = Limits.longestMessageBytes - Limits.tagBytes

/** Writes the checksum at the end of a datagram that is otherwise whole. */
export const putChecksum = (datagram: Uint8Array): Uint8Array => {
  const end = datagram.length - Limits.checksumBytes
  Header.putU32(datagram, end, zlib.crc32(datagram.subarray(0, end)))
  return datagram
}

/** A message as a datagram, its checksum included. [W-6] */
export const encode = (message: Message): Uint8Array => putChecksum(write(message, Limits.checksumBytes))

/** A message as a datagram that is whole but for the last `tailBytes`. */
export const write = (message: Message, tailBytes: number): Uint8Array => {
  const isCatchers = "slot" in message || message._tag === "Join" || message._tag === "Decline"
  const leastBytes = isCatchers ? FromCatcher.bytesOf(message) : FromMaster.bytesOf(message)
  const w = new Writer(Math.max(messageBytes + tailBytes, leastBytes), tailBytes)
  const about = isCatchers ? FromCatcher.put(message, w) : FromMaster.put(message, w)
  return w.finish(message._tag, message.session, about)
}

/** As many failures as one answer holds, and where to ask on. */
export const fitFailures = (
  failures: ReadonlyArray<Failure>
): { readonly failures: ReadonlyArray<Failure>; readonly next: number | undefined } => {
  let bytes = Limits.headerBytes + 49
  for (let i = 0; i < failures.length; i++) {
    bytes += 6 + Math.min(Limits.reasonBytes, Buffer.byteLength(failures[i].reason))
    if (bytes > messageBytes) return { failures: failures.slice(0, i), next: failures[i].entry }
  }
  return { failures, next: undefined }
}

/** As many items as one answer holds; a path that is too long for any is cut. */
export const fitItems = (items: ReadonlyArray<Item>): ReadonlyArray<Item> => {
  const [first] = items
  if (first?._tag === "Deletion" && FromCatcher.itemBytes(first) > itemsBytes)
    return [{ ...first, path: first.path.subarray(0, itemsBytes - FromCatcher.itemBytes(first) + first.path.length) }]
  let bytes = 0
  let count = 0
  while (count < Math.min(items.length, Limits.itemsAnswered)) {
    bytes += FromCatcher.itemBytes(items[count])
    if (bytes > itemsBytes) break
    count++
  }
  return items.slice(0, count)
}

/** Room for items: before them are slot, incarnation, total and count. */
const itemsBytes = messageBytes - Limits.headerBytes - 12

/** Reads the datagram at `at`; the header there must be `Header.valid`. Pages are not for this: see Header. */
export const decode = (bytes: Uint8Array, at = 0): Result.Result<Message, WireError> => {
  if (!Header.valid(bytes, at)) return Result.fail(foreign)
  if (Header.isSealed(bytes, at)) return Result.fail(sealed)
  const end = at + Header.lengthOf(bytes, at) - Limits.checksumBytes
  if (end < at + Limits.headerBytes) return Result.fail(damaged)
  if (Header.u32(bytes, end) !== zlib.crc32(bytes.subarray(at, end))) return Result.fail(damaged)
  return read(bytes, at, Limits.checksumBytes)
}

/** The message at `at`, where a datagram stands that is whole, and of which the last `tailBytes` are none of its body. */
export const read = (bytes: Uint8Array, at: number, tailBytes: number): Result.Result<Message, WireError> => {
  const session = Header.sessionAt(bytes, at)
  const end = at + Header.lengthOf(bytes, at) - tailBytes
  const r = new Reader(bytes.subarray(at + Limits.headerBytes, end), tailBytes)
  const type = Header.typeOf(bytes, at)
  const message =
    FromMaster.take(type, session, Header.fileOf(bytes, at), Header.indexOf(bytes, at), r) ??
    FromCatcher.take(type, session, Header.fileOf(bytes, at), Header.indexOf(bytes, at), r)
  if (message === undefined) return Result.fail(unknownType)
  return r.end() ? Result.succeed(message) : Result.fail(badBody)
}
