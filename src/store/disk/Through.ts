/** The content of an open file: through its holes [M-12], and whole or not at all. */

import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Old } from "../../delta/Old.ts"
import * as Descriptor from "../../system/Descriptor.ts"
import { Carried } from "../../tree/Holes.ts"
import type { Member } from "../../tree/Members.ts"
import { outside } from "../Reasons.ts"

/** Reads and writes what is carried of a file where it lies in it. */
export const throughHoles = (
  descriptor: Descriptor.Descriptor,
  { extent }: Pick<Member, "extent">
): Pick<Descriptor.Descriptor, "read" | "write"> => {
  if (extent === undefined) return descriptor
  const carried = new Carried(extent)
  const { read, write } = descriptor
  return {
    read: (offset, into) => Descriptor.readPieces(read, carried.pieces(offset, into)),
    write: Effect.fnUntraced(function* (offset, bytes) {
      for (const piece of carried.pieces(offset, bytes)) yield* write(piece.at, piece.bytes)
    })
  }
}

/** An older version of a file, of which there is so much: it is looked through where the new one has data. [Y-13] */
export const oldOf = (descriptor: Descriptor.Descriptor, bytes: number, member: Pick<Member, "extent">): Old => {
  const size = member.extent === undefined ? bytes : new Carried(member.extent).before(bytes)
  return { size, read: whole(throughHoles(descriptor, member).read) }
}

/** Opens another version of a file for as long as it is used; undefined: there is none that can be read. */
export const withOld = <O extends { readonly close: Effect.Effect<void> }, A, E, R>(
  open: () => O | undefined,
  use: (old: O | undefined) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.acquireUseRelease(
    Effect.sync(() => Result.getOrUndefined(Result.try(open))),
    use,
    (old) => old?.close ?? Effect.void
  )

/** Fills memory from an offset; fails where the file ends before. */
export const whole =
  (read: Descriptor.Descriptor["read"]) =>
  (offset: number, into: Uint8Array): Effect.Effect<void, NodeJS.ErrnoException> =>
    Effect.flatMap(read(offset, into), (count) => (count < into.length ? Effect.fail(outside()) : Effect.void))
