/**
 * Joins and welcomes, which carry the handshake. [K-4]
 *
 * ```
 * Join     24 80  the catcher's introduction: its ephemeral key, and its address
 *         104     file, index and body, under the pair's key, and its tag
 *                 the tag of the join secret
 * Welcome  24  2  count, then for each guest 55 bytes:
 *              4  incarnation
 *             35  slot (2; 0xffff: refused), refusal (1), secret of the session (32; refused: zeros), under the pair's key
 *             16  its tag
 *                 the tag of the join secret
 * ```
 */

import type { Address } from "../protocol/Address.ts"
import * as Header from "../wire/Header.ts"
import type { Join, Message, Welcome } from "../wire/Message.ts"
import { refusals } from "../wire/FromMaster.ts"
import { bodyAt, type Box, numberOf, putNumber } from "./Box.ts"
import * as Introduction from "./Introduction.ts"
import * as Layout from "./Layout.ts"
import type { Pair } from "./Pair.ts"
import * as Primitives from "./Primitives.ts"

type Guest = Welcome["guests"][number]

// ---- join ----

const joinAt = bodyAt + Introduction.bytes

/** The catcher's ephemeral key in a join. */
export const ephemeralOf = (datagram: Uint8Array): Uint8Array => Introduction.ephemeralAt(datagram, bodyAt)

/** From where a join says that it comes. [K-7] */
export const statedBy = (datagram: Uint8Array): Address | undefined => Introduction.addressAt(datagram, bodyAt)

/** A join under the seal. */
export const sealJoin = (
  join: Join,
  number: number,
  introduction: Uint8Array,
  pair: Pair,
  guestKey: Primitives.MacKey
): Uint8Array => {
  const { datagram, end } = Layout.layOut(join, introduction.length + Primitives.tagBytes)
  putNumber(datagram, 0, number)
  datagram.copyWithin(joinAt, bodyAt, end)
  datagram.set(introduction, bodyAt)
  const sealedEnd = end + introduction.length
  pair.answers.seal(datagram, joinAt, sealedEnd)
  Primitives.putTag(guestKey, datagram, sealedEnd + Primitives.tagBytes)
  return datagram
}

/** The join, whose outer tag and address are right; undefined: it was taken already, or is none. */
export const openJoin = (datagram: Uint8Array, { answers, heard }: Pair): Message | undefined => {
  const end = datagram.length - 2 * Primitives.tagBytes
  const number = numberOf(datagram)
  if (end < joinAt || !heard.isNew(number) || !answers.isSealed(datagram, end)) return undefined
  heard.take(number)
  answers.open(datagram, joinAt, end)
  datagram.copyWithin(bodyAt, joinAt, end)
  return Layout.readBack(datagram, Introduction.bytes + Primitives.tagBytes)
}

// ---- welcome ----

const countBytes = 2
const entryAt = bodyAt + countBytes
const incarnationBytes = 4
const placeBytes = 3
const plainBytes = placeBytes + Primitives.secretBytes
const entryBytes = incarnationBytes + plainBytes + Primitives.tagBytes
const refused = 0xffff

/** Guests of one datagram: 1200 bytes at most [W-5]. */
export const mostGuests = 20

/** A welcome for so many guests, which `put` puts into it. */
export const layOut = (session: bigint, guests: number): Uint8Array => {
  const count = new Uint8Array(countBytes)
  Header.putU16(count, 0, guests)
  return Layout.fields(Header.types.Welcome, session, count, new Uint8Array(guests * entryBytes))
}

// An entry is sealed alone, after the header and the number of its datagram.
const entryOf = (datagram: Uint8Array, nth: number): Uint8Array => {
  const at = entryAt + nth * entryBytes
  const entry = new Uint8Array(bodyAt + entryBytes)
  entry.set(datagram.subarray(0, bodyAt))
  entry.set(datagram.subarray(at, at + entryBytes), bodyAt)
  // its place is under its tag, so that nobody can put it into another's
  Header.putU16(entry, bodyAt - 2, nth)
  return entry
}

const plainAt = bodyAt + incarnationBytes
const plainEnd = plainAt + plainBytes

/** Puts a guest in as the `nth`. One that is refused is given no secret. */
export const put = (datagram: Uint8Array, nth: number, guest: Guest, secret: Uint8Array, box: Box): void => {
  const entry = entryOf(datagram, nth)
  Header.putU32(entry, bodyAt, guest.incarnation)
  Header.putU16(entry, plainAt, "slot" in guest ? guest.slot : refused)
  if ("slot" in guest) entry.set(secret, plainAt + placeBytes)
  else entry[plainAt + 2] = refusals.indexOf(guest.refusal)
  box.seal(entry, plainAt, plainEnd, nth)
  datagram.set(entry.subarray(bodyAt), entryAt + nth * entryBytes)
}

/** The incarnations that a welcome names, to whomever: they stand in the clear. */
export const incarnationsOf = (datagram: Uint8Array): ReadonlyArray<number> => {
  const count = Header.u16(datagram, bodyAt)
  return Array.from({ length: count }, (_, nth) => Header.u32(datagram, entryAt + nth * entryBytes))
}

/** A guest, and the secret of the session where it was taken in. */
interface Taken {
  readonly guest: Guest
  readonly secret: Uint8Array | undefined
}

/** What a welcome, whose outer tag is right, says to these incarnations. */
export const open = (datagram: Uint8Array, isOurs: (incarnation: number) => boolean, box: Box): Array<Taken> => {
  const count = Header.u16(datagram, bodyAt)
  // each entry that names us costs a tag
  if (count > mostGuests || datagram.length !== entryAt + count * entryBytes + Primitives.tagBytes) return []
  const taken: Array<Taken> = []
  for (let nth = 0; nth < count; nth++) {
    const incarnation = Header.u32(datagram, entryAt + nth * entryBytes)
    if (!isOurs(incarnation)) continue
    const entry = entryOf(datagram, nth)
    if (!box.isSealed(entry, plainEnd)) continue
    box.open(entry, plainAt, plainEnd, nth)
    const slot = Header.u16(entry, plainAt)
    const refusal = refusals[entry[plainAt + 2]]
    if (slot !== refused) {
      taken.push({ guest: { incarnation, slot }, secret: entry.slice(plainAt + placeBytes, plainEnd) })
    } else if (refusal !== undefined) taken.push({ guest: { incarnation, refusal }, secret: undefined })
  }
  return taken
}
