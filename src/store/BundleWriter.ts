/**
 * A bundle's content while it arrives. It stays in memory, because its members are small: each is written, described and
 * named in one go once all of the bundle is here.
 */

import * as Effect from "effect/Effect"
import * as Limits from "../protocol/Limits.ts"
import type { CarriedFile } from "../tree/Plan.ts"
import { isInside } from "../tree/Members.ts"
import { outside, tooLarge } from "./Reasons.ts"
import type { FileWriter, StoreError } from "./Store.ts"

/** Fails for a bundle that is above the limits: its memory is taken only after this. */
export const admit = ({ members, size }: CarriedFile): Effect.Effect<void, StoreError> =>
  size > Limits.bundleBytes || members.length > Limits.bundleFiles
    ? Effect.fail(tooLarge(members.length, size))
    : Effect.void

/** A writer into `content`. `commit` is the store's own. */
export const make = (content: Uint8Array, commit: FileWriter["commit"]): FileWriter => ({
  memory: content,
  write: (offset, bytes) =>
    Effect.suspend(() => {
      if (!isInside(content.length, offset, bytes.length)) return Effect.fail(outside())
      content.set(bytes, offset)
      return Effect.void
    }),
  read: (offset, into) =>
    Effect.suspend(() => {
      if (!isInside(content.length, offset, into.length)) return Effect.fail(outside())
      into.set(content.subarray(offset, offset + into.length))
      return Effect.void
    }),
  commit
})
