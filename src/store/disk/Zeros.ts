/**
 * Does a file that stands there read as zeros where the source's has holes, and how does it come to that? Only what is data there is
 * read, or made a hole. [M-12]
 */

import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as fs from "node:fs"
import * as DataRuns from "../../system/DataRuns.ts"
import { type Descriptor, waited } from "../../system/Descriptor.ts"
import type { Calls } from "../../system/Libc.ts"
import * as Holes from "../../tree/Holes.ts"

/** Looks between the runs of data of an extent, piece by piece, with turns for others. Fails as a read does. */
export const between = Effect.fnUntraced(function* (
  libc: Option.Option<Calls>,
  { fd, read }: Descriptor,
  extent: Holes.Extent,
  piece: Uint8Array
) {
  const gaps = Holes.gaps(extent)
  for (let gap = 0; gap < gaps.length; gap += 2) {
    const [from, length] = [gaps[gap], gaps[gap + 1]]
    const seen = yield* dataIn(libc, fd, from, from + length)
    for (let run = 0; run < seen.length; run += 2) {
      const end = seen[run] + seen[run + 1]
      for (let at = seen[run]; at < end; at += piece.length) {
        const part = piece.subarray(0, Math.min(piece.length, end - at))
        if ((yield* read(at, part)) < part.length || !Holes.isZero(part)) return false
        yield* Effect.yieldNow
      }
    }
  }
  return true
})

/**
 * Makes holes between the runs of data of an extent. Where the file system makes none, nothing of the file stays: to write zeros
 * to all that may be a hole could fill the disk. Answers whether the rest stays.
 */
export const clear = Effect.fnUntraced(function* (
  libc: Option.Option<Calls>,
  { fd }: Descriptor,
  extent: Holes.Extent | undefined
) {
  if (extent === undefined) return true
  const punch = Option.getOrUndefined(libc)?.punch
  const gaps = Holes.gaps(extent)
  for (let gap = 0; gap < gaps.length; gap += 2) {
    const seen = yield* dataIn(libc, fd, gaps[gap], gaps[gap] + gaps[gap + 1])
    for (let run = 0; run < seen.length; run += 2) {
      const isPunched =
        punch !== undefined && (yield* Effect.isSuccess(waited((done) => punch(fd, seen[run], seen[run + 1], done))))
      if (!isPunched) return yield* Effect.as(empty(fd, extent.size), false)
    }
  }
  return true
})

const empty = (fd: number, size: number) =>
  Effect.try({
    try: () => {
      fs.ftruncateSync(fd, 0)
      fs.ftruncateSync(fd, size)
    },
    catch: (cause) => cause as NodeJS.ErrnoException
  })

/** All of it, where the system does not say. */
const dataIn = (libc: Option.Option<Calls>, fd: number, from: number, to: number) =>
  Option.match(libc, {
    onNone: () => Effect.succeed([from, to - from]),
    onSome: ({ seek }) =>
      Effect.try({
        try: () => DataRuns.between(seek, fd, from, to),
        catch: (cause) => cause as NodeJS.ErrnoException
      })
  })
