/**
 * The members of a carried file: where each entry's content lies in the content that travels. A bundle has many, a single
 * file has one. Pure.
 */

import { Carried, carriedBytes, type Extent, type Piece } from "./Holes.ts"

/** One entry's content: `size` bytes from `offset` on. */
export interface Member {
  readonly entry: number
  readonly offset: number
  readonly size: number
  /** Of a file with holes, of which `size` bytes are carried: where they lie in it. */
  readonly extent?: Extent
}

/** A file as a member whose content begins at an offset. */
export const memberOf = (entry: number, offset: number, file: Extent): Member => {
  const member = { entry, offset, size: carriedBytes(file) }
  return file.data === undefined ? member : { ...member, extent: file }
}

/** Where a range of a member's content lies in its file. */
export const inFile = ({ extent }: Member, offset: number, bytes: Uint8Array): Iterable<Piece> =>
  extent === undefined ? [{ at: offset, bytes }] : new Carried(extent).pieces(offset, bytes)

/** The size of the file that has a member's content. */
export const fileBytes = ({ extent, size }: Member): number => extent?.size ?? size

/** A member's bytes, as a view of the whole content. */
export const partOf = (content: Uint8Array, { offset, size }: Member): Uint8Array =>
  content.subarray(offset, offset + size)

/** Does a range lie inside a content of `size` bytes? */
export const isInside = (size: number, offset: number, length: number): boolean =>
  offset >= 0 && offset + length <= size

/** The piece of a member that lies in a range of the content. */
interface Overlap {
  readonly member: Member
  /** The member's position in its list. */
  readonly position: number
  /** Where the piece begins in the member. */
  readonly from: number
  /** The piece's bytes, as a view of `into`. */
  readonly into: Uint8Array
}

/** Cuts a range of the content, which begins at `offset` and fills `into`, into the members' pieces. */
export const overlaps = function* (
  members: ReadonlyArray<Member>,
  offset: number,
  into: Uint8Array
): Generator<Overlap> {
  for (const [position, member] of members.entries()) {
    const first = Math.max(offset, member.offset)
    const end = Math.min(offset + into.length, member.offset + member.size)
    if (first >= end) continue
    yield { member, position, from: first - member.offset, into: into.subarray(first - offset, end - offset) }
  }
}
