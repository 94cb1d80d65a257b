/**
 * How messages lie in sealed datagrams. All begin with 16 bytes of the header, which say that there
 * is a seal, and a number of 8 bytes; what the header otherwise says at 16 (file and index) comes
 * after that, and then the body [K-3]:
 *
 * ```
 *  0 16  header: magic, version, type, length, flags (1), session
 * 16  8  number: 48 bits that count the sender's datagrams, then its slot (0: a master's)
 * 24  8  file, index
 * 32     body, then what its type adds, then a tag of 16 bytes
 * ```
 */

import * as Result from "effect/Result"
import * as Codec from "../wire/Codec.ts"
import * as Header from "../wire/Header.ts"
import type { Message } from "../wire/Message.ts"
import { bodyAt, numberAt } from "./Box.ts"
import { tagBytes } from "./Primitives.ts"

/** File and index, after the number instead of before the body. */
const movedBytes = bodyAt - numberAt

/** Where the body begins. */
export const leastBytes = bodyAt + movedBytes

/** A message laid out, all in the clear; `end` is where its body ends. */
interface LaidOut {
  readonly datagram: Uint8Array
  readonly end: number
}

/** Lays a message out, with room for `addedBytes` between its body and the tag. */
export const layOut = (message: Message, addedBytes: number): LaidOut => {
  const tailBytes = movedBytes + addedBytes + tagBytes
  const datagram = Codec.write(message, tailBytes)
  const end = datagram.length - tailBytes
  datagram.copyWithin(bodyAt, numberAt, end)
  Header.markSealed(datagram)
  return { datagram, end: end + movedBytes }
}

/** The message of such a datagram, all of which is in the clear now; undefined: it is none. */
export const readBack = (datagram: Uint8Array, addedBytes: number): Message | undefined => {
  const tailBytes = movedBytes + addedBytes + tagBytes
  if (datagram.length < bodyAt + tailBytes) return undefined
  const plain = datagram.slice()
  plain.copyWithin(numberAt, bodyAt, datagram.length - addedBytes - tagBytes)
  return Result.getOrUndefined(Codec.read(plain, 0, tailBytes))
}

// One for all that anybody sends, so that a flood of it takes no memory: a datagram is opened before
// the next one is looked at.
const place = new Uint8Array(65_536)
let latest = place.subarray(0, 0)

/**
 * A copy of the datagram at `at`, to be deciphered in place. It lasts until the next call: what is
 * kept of it has to be a copy.
 */
export const copyAt = (bytes: Uint8Array, at: number): Uint8Array => {
  const length = Header.lengthOf(bytes, at)
  if (latest.length !== length) latest = place.subarray(0, length)
  latest.set(bytes.length === length ? bytes : bytes.subarray(at, at + length))
  return latest
}

/** A datagram of a type that only seals know, with its fields after the number, and room for a tag. */
export const fields = (type: number, session: bigint, ...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const bytes = parts.reduce((sum, part) => sum + part.length, bodyAt)
  const datagram = new Uint8Array(bytes + tagBytes)
  Header.put(datagram, 0, type, datagram.length, Header.sessionOf(session), 0, 0)
  Header.markSealed(datagram)
  let at = bodyAt
  for (const part of parts) {
    datagram.set(part, at)
    at += part.length
  }
  return datagram
}
