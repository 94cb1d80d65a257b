/**
 * Why the master could not read a member of a bundle, in one byte: it takes the place of the member's first byte, which
 * nobody needs any more. [L-3]
 */

import * as Errno from "../system/Errno.ts"
import { changedReason, SourceChanged, type SourceError } from "./Source.ts"

/** Why an entry is not sent to anybody. */
export interface Unsent {
  readonly kind: "Unreadable" | "Changed"
  readonly reason: string
}

export const unsentOf = (error: SourceError | SourceChanged): Unsent => ({
  kind: error instanceof SourceChanged ? "Changed" : "Unreadable",
  reason: error.reason
})

/** The system's numbers are below this. */
const changedMark = 255

export const markOf = (error: SourceError | SourceChanged): number => {
  if (error instanceof SourceChanged) return changedMark
  const errno = Errno.numberOf(error.code) ?? 0
  return errno < changedMark ? errno : 0
}

/** 0: nothing more is known, as of a member that has no byte. */
export const ofMark = (mark: number): Unsent =>
  mark === changedMark
    ? { kind: "Changed", reason: changedReason }
    : { kind: "Unreadable", reason: Errno.ofNumber(mark)?.reason ?? "the master could not read it" }

/** Why a whole file is not sent, from its words. */
export const ofReason = (reason: string): Unsent => ({
  kind: reason === changedReason ? "Changed" : "Unreadable",
  reason
})
