/**
 * The source's calls to the system: a file is opened, read whole, or waited for while a lease holds it. A refusal becomes
 * the source's error: SourceChanged where the file is gone or leased, SourceError otherwise.
 */

import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import { constants } from "node:os"
import * as Limits from "../protocol/Limits.ts"
import * as Descriptor from "../system/Descriptor.ts"
import * as Errno from "../system/Errno.ts"
import * as FileCalls from "../system/FileCalls.ts"
import type { Calls } from "../system/Libc.ts"
import * as Status from "../system/Status.ts"
import { display, ofKey } from "../tree/Names.ts"
import { SourceChanged, SourceError } from "./Source.ts"

// Not blocking: a FIFO in its place by now must not make the master wait for a writer.
export const readFlags = fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK

/** The status of a path itself, one character a byte; throws where it names nothing. */
export type Look = (path: string) => Status.Status

/** By the C library's call, where it can be had: Node's costs several times as much. */
export const looking = (libc: Option.Option<Calls>): Look => {
  const lstatat = Option.getOrUndefined(libc)?.lstatat
  if (lstatat === undefined) return (path) => Status.ofStats(fs.lstatSync(ofKey(path), { bigint: true }))
  return (path) => {
    const seen = lstatat(undefined, path)
    if (seen === undefined) throw Errno.toCause(ENOENT)
    return seen
  }
}

/** Opens a file to be read; it is closed with the scope. */
export const openAt = (path: Buffer) =>
  Effect.acquireRelease(
    Effect.try({
      try: () => Descriptor.make(fs.openSync(path, readFlags)),
      catch: (cause) => cause as NodeJS.ErrnoException
    }),
    (descriptor) => descriptor.close
  )

/** Reads a file from its first byte to its last; false when `isSame` no longer knows its status. */
export const readWhole = (
  calls: FileCalls.FileCalls,
  path: Buffer,
  into: Uint8Array,
  isSame: (now: Status.Status) => boolean
): boolean => {
  const fd = calls.open(path, readFlags)
  const read = Result.try(() => FileCalls.readAll(calls, fd, into))
  // Looked at after the last byte, so that this one call also covers changes while it was read.
  const same = Result.try(() => isSame(calls.status(fd)))
  calls.close(fd)
  if (Result.isFailure(same)) throw same.failure
  // A file that cannot be read may be a directory by now.
  if (!same.success) return false
  if (Result.isFailure(read)) throw read.failure
  if (read.success < into.length) throw endless()
  return true
}

/** Tries again as long as a lease holds the file. The first attempt has asked for it back, and the system breaks it in time. */
export const whenFree = <A, R>(attempt: Effect.Effect<A, NodeJS.ErrnoException, R>) =>
  Effect.gen(function* () {
    const until = (yield* Clock.currentTimeMillis) + Limits.leaseMillis
    while (true) {
      const tried = yield* Effect.result(attempt)
      if (Result.isSuccess(tried)) return tried.success
      const isOver = (yield* Clock.currentTimeMillis) >= until
      if (!isLeased(tried.failure) || isOver) return yield* Effect.fail(tried.failure)
      yield* Effect.sleep(Limits.leasePollMillis)
    }
  })

const { EAGAIN, ELOOP, ENODATA, ENOENT, ENOTDIR } = constants.errno

/** A file that has always ended before its size, such as those of /sys; rsync says the same of it. */
export const endless = () => Errno.toCause(ENODATA)

const gone = new Set([-ELOOP, -ENOENT, -ENOTDIR])

/** Nothing has the path any more, or something of another type. */
export const isGone = (cause: unknown): boolean =>
  cause instanceof Error && "errno" in cause && typeof cause.errno === "number" && gone.has(cause.errno)

/** The open of a regular file would have to wait: for a lease that another program holds on it. */
const isLeased = (cause: unknown): boolean => cause instanceof Error && "errno" in cause && cause.errno === -EAGAIN

/** A thrown refusal in words. */
export const reasonOf = (cause: unknown): string => Errno.fromCause(cause).reason

export const changedAt = (path: Buffer) => new SourceChanged({ path: display(path) })

export const sourceError = (path: Buffer) => (cause: unknown) =>
  new SourceError({ path: display(path), ...Errno.fromCause(cause) })

/** The error of a file. A leased file is retaken later, as a changed one is: the others need not wait for it. */
export const failure = (path: Buffer) => (cause: unknown) => {
  if (isLeased(cause)) return new SourceChanged({ path: display(path), isLeased: true })
  return isGone(cause) ? changedAt(path) : sourceError(path)(cause)
}
