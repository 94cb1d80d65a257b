/**
 * Does a file that stands there read as zeros where the source's has holes, and how does it come to that? Only what is data there is
 * read, or made a hole. [M-12]
 */

import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
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

/** Can a file that is written where it is get holes? Where the system does not say what is data, all of it would be written. */
export const canClear = (libc: Option.Option<Calls>, extent: Holes.Extent | undefined): boolean =>
  extent === undefined || Option.isSome(libc)

/** Makes holes between the runs of data of an extent, or writes zeros where the file system makes none. */
export const clear = Effect.fnUntraced(function* (
  libc: Option.Option<Calls>,
  { fd, write }: Descriptor,
  extent: Holes.Extent | undefined
) {
  const gaps = extent === undefined ? [] : Holes.gaps(extent)
  for (let gap = 0; gap < gaps.length; gap += 2) {
    const seen = yield* dataIn(libc, fd, gaps[gap], gaps[gap] + gaps[gap + 1])
    for (let run = 0; run < seen.length; run += 2) {
      if (yield* punch(libc, fd, seen[run], seen[run + 1])) continue
      const end = seen[run] + seen[run + 1]
      for (let at = seen[run]; at < end; at += zeros.length) {
        yield* write(at, zeros.subarray(0, Math.min(zeros.length, end - at)))
        yield* Effect.yieldNow
      }
    }
  }
})

const zeros = new Uint8Array(1024 * 1024)

/** Answers whether it is a hole now. */
const punch = (libc: Option.Option<Calls>, fd: number, at: number, bytes: number) => {
  const call = Option.getOrUndefined(libc)?.punch
  if (call === undefined) return Effect.succeed(false)
  return Effect.isSuccess(waited((done) => call(fd, at, bytes, done)))
}

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
