/** Room for a whole file, taken before its content comes: a disk that is full is found then. [F-10] */

import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Descriptor from "../../system/Descriptor.ts"
import type { Site } from "./Site.ts"

/** Takes the room of a range of an open file. What is taken reads as zeros. Where the system or the file system cannot, none is taken. */
export const reserve = (
  { describe, libc }: Site,
  fd: number,
  from: number,
  end: number
): Effect.Effect<void, NodeJS.ErrnoException> => {
  const fallocate = Option.getOrUndefined(libc)?.fallocate
  if (!describe.policy.preallocates || fallocate === undefined || from >= end) return Effect.void
  return Effect.catchIf(
    Descriptor.waited((done) => fallocate(fd, from, end - from, done)),
    ({ code = "" }) => !noRoom.has(code),
    () => Effect.void
  )
}

const noRoom: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT", "EFBIG"])
