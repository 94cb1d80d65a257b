/** An open file, read and written through its holes. [M-12] */

import * as Effect from "effect/Effect"
import * as Descriptor from "../../system/Descriptor.ts"
import type { Carried } from "../../tree/Holes.ts"

/** Reads and writes what is carried of a file where it lies in it. */
export const throughHoles = (
  { read, write }: Descriptor.Descriptor,
  carried: Carried
): Pick<Descriptor.Descriptor, "read" | "write"> => ({
  read: (offset, into) => Descriptor.readPieces(read, carried.pieces(offset, into)),
  write: Effect.fnUntraced(function* (offset, bytes) {
    for (const piece of carried.pieces(offset, bytes)) yield* write(piece.at, piece.bytes)
  })
})
