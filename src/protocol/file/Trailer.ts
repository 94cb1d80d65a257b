/**
 * The trailer of a file: one hash a block, then of a bundle one bit a member. This is where each of them stands, and where
 * the trailer lies in pages.
 *
 * [L-3] the bit of a member, from the lowest bit of the first byte on, says that the master could not read it.
 */

import * as Limits from "../Limits.ts"

/** The part of a file's layout that says where its trailer lies. */
interface Place {
  readonly pageBytes: number
  readonly dataPages: number
  readonly blocks: number
  readonly trailerBytes: number
}

/** Bytes of the trailer of a file with so many blocks and members. */
export const bytesOf = (blocks: number, members: number): number => hashAt(blocks) + Math.ceil(members / 8)

/** Where a block's hash begins. */
export const hashAt = (block: number): number => block * Limits.hashBytes

/** A block's hash, as a view of the trailer, or of its hashes alone. */
export const hashOf = (trailer: Uint8Array, block: number): Uint8Array =>
  trailer.subarray(hashAt(block), hashAt(block + 1))

/** Is the block's hash there? No hash is all zeros. */
export const hasHash = (trailer: Uint8Array, block: number): boolean =>
  hashOf(trailer, block).some((byte) => byte !== 0)

/** Are all hashes there of which one of the trailer's pages has a part? */
export const isReady = (place: Place, trailer: Uint8Array, page: number): boolean => {
  const offset = offsetOf(place, page)
  const end = Math.min(Math.ceil((offset + place.pageBytes) / Limits.hashBytes), place.blocks)
  for (let block = Math.floor(offset / Limits.hashBytes); block < end; block++) {
    if (!hasHash(trailer, block)) return false
  }
  return true
}

/** Where the payload of one of the trailer's pages begins in it. */
export const offsetOf = ({ dataPages, pageBytes }: Place, page: number): number => (page - dataPages) * pageBytes

/** The payload of one of the trailer's pages, as a view of it. */
export const payload = (place: Place, trailer: Uint8Array, page: number): Uint8Array => {
  const offset = offsetOf(place, page)
  return trailer.subarray(offset, Math.min(offset + place.pageBytes, place.trailerBytes))
}

/** Says that the master could not read a member of the bundle. */
export const markUnread = ({ blocks }: Place, trailer: Uint8Array, member: number): void => {
  trailer[hashAt(blocks) + (member >>> 3)] |= 1 << (member & 7)
}

/** Could the master not read this member? False of one that has no bit. */
export const isUnread = ({ blocks }: Place, trailer: Uint8Array, member: number): boolean =>
  ((trailer[hashAt(blocks) + (member >>> 3)] ?? 0) & (1 << (member & 7))) !== 0
