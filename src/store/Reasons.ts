/**
 * Refusals that every store has, in the same words. A refusal is thrown, or failed with, where the path is not at hand: the
 * caller puts it in.
 */

import * as Veto from "../filter/Veto.ts"
import * as Errno from "../system/Errno.ts"
import { display } from "../tree/Names.ts"
import type { Failure } from "../wire/Message.ts"
import { type DestinationEscape, isVeto, reasonOf, StoreError } from "./Store.ts"

/** A refusal without a path. `code` is the system's, such as "ENOENT". */
export const refusal = (code: string, words: string) => new StoreError({ path: "", ...Errno.refusal(code, words) })

/** A directory with entries in it has the place of something that is no directory. */
export const notEmpty = () => refusal("ENOTEMPTY", "a directory that is not empty is in its place")

/** A read or a write goes past the end of the content. */
export const outside = () => refusal("EINVAL", "the range lies outside the file")

/** A file system is mounted at a path that was to be deleted. */
export const mounted = (path: Uint8Array) => refusal("EBUSY", `${display(path)} stays: something is mounted there`)

/** A hard link's leader did not arrive. */
export const leaderless = (leader: Uint8Array) =>
  refusal("ENOENT", `what it is a hard link to, ${display(leader)}, did not arrive`)

/** A file that had not to be sent was changed while the session ran. */
export const changedMeanwhile = () =>
  refusal("ESTALE", "it was changed at the destination while the session ran; send once more")

/** The catcher's owner lets no master do it. `words`: what, and by which option. [Y-9] */
export const vetoed = (words = Veto.reason) => new StoreError({ path: "", code: Veto.code, reason: words })

/** The system refuses to set something that an entry has. `what`: such as "its mode". */
export const notSet = (what: string, { code, reason }: Errno.Refusal) =>
  new StoreError({ path: "", code, reason: `${what} cannot be set: ${reason}` })

/** The error of one entry as its failure. */
export const failureOf = (entry: number, error: StoreError | DestinationEscape): Failure => ({
  entry,
  reason: reasonOf(error),
  ...(isVeto(error) ? { isVetoed: true } : {})
})

/** Content of a carried file that no store keeps. */
export const notKept = () => refusal("EINVAL", "the manifest is not kept in the store")

/** A bundle that is above the limits. */
export const tooLarge = (files: number, bytes: number) =>
  refusal("EFBIG", `a bundle of ${files} files and ${bytes} bytes is too large`)
