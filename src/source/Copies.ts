/**
 * Copies of source files that change while they are sent: a copy is the file as it was at one moment.
 *
 * A small file is copied into memory. A larger one shares its blocks with the copy where the file system can do that
 * (reflink), and else is copied up to a bounded size. No copy has a name, so none is left behind by a killed process.
 */

import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as fs from "node:fs"
import { hash } from "../content/Hash.ts"
import * as Limits from "../protocol/Limits.ts"
import type { Runs } from "../protocol/Words.ts"
import * as Descriptor from "../system/Descriptor.ts"
import * as Nameless from "../system/Nameless.ts"
import { endless } from "./Calls.ts"

type Refused = NodeJS.ErrnoException

/** Reads until `into` is full or the content ends; answers how many bytes were read. */
type Read = (offset: number, into: Uint8Array) => Effect.Effect<number, Refused>

/** A file as it was when it was copied. `read` is undefined where there is no copy: the file is larger than one may be. */
export interface Taken {
  readonly stats: fs.BigIntStats
  readonly read: Read | undefined
  /** The open file whose holes are those of what is read: the copy's, or the file's own; undefined: it is read without holes. */
  readonly holesAt: number | undefined
  /** Its runs of data, where it has holes. */
  readonly data?: Runs | undefined
  /** Where there is no copy: the hash of both its ends. */
  readonly ends?: Uint8Array
}

/** The bytes for copies of one batch that share no blocks with their files: their directory may be memory. */
export interface Allowance {
  /** A file that is larger is not copied. */
  readonly bytes: number
  leftBytes: number
}

/** Bytes of each end of a file by which it is known again. */
const endBytes = 64 * 1024

/**
 * The hash of both ends of a file's first `size` bytes. A longer file that has the same ones was appended to; one that was written
 * anew has others. Undefined: it has not so many bytes.
 */
export const endsOf = Effect.fnUntraced(function* (read: Read, size: number) {
  const length = Math.min(size, endBytes)
  const ends = new Uint8Array(2 * length)
  const begin = yield* read(0, ends.subarray(0, length))
  const end = yield* read(size - length, ends.subarray(length))
  return begin + end < ends.length ? undefined : hash(ends)
})

/** A file without a copy is sent from what it is: as long as it is only appended to, that is what it was. */
const uncopied = (fd: number, stats: fs.BigIntStats) =>
  Effect.map(endsOf(Descriptor.make(fd).read, Number(stats.size)), (ends) => {
    const taken: Taken = { stats, read: undefined, holesAt: fd }
    return ends === undefined ? taken : { ...taken, ends }
  })

/** Bytes copied or compared between two turns of the event loop: half a millisecond. */
const pieceBytes = 1024 * 1024

/**
 * Copies an open file; the copy lasts as long as the scope. A copy counts when the file still has its content after it: then
 * all of it was there at one moment. The last attempt counts in any case. Answers undefined for what is no regular file, and
 * "Later" when the other copies leave no room for this one.
 */
export const take = Effect.fn("Copies.take")(function* (
  fd: number,
  directory: Buffer,
  allowance: Allowance
): Effect.fn.Return<Taken | "Later" | undefined, Refused, Scope.Scope> {
  const source = Descriptor.make(fd)
  for (let attempt = 1; ; attempt++) {
    const stats = yield* look(fd)
    if (!stats.isFile()) return undefined
    const size = Number(stats.size)
    const isLast = attempt === Limits.copyAttempts
    if (size <= Limits.smallFileBytes) {
      const bytes = new Uint8Array(size)
      const count = yield* source.read(0, bytes)
      const now = yield* look(fd)
      const isStill = now.size === stats.size && now.mtimeNs === stats.mtimeNs
      if (count < size && (isStill || isLast)) return yield* Effect.fail(endless())
      if (count === size && (isStill || isLast)) return { stats, read: fromMemory(bytes), holesAt: undefined }
      continue
    }
    const shared = yield* reflink(fd, directory)
    if (shared !== undefined) {
      return { stats: withSize(stats, yield* look(shared.fd)), read: shared.read, holesAt: shared.fd }
    }
    if (size > allowance.bytes) return yield* uncopied(fd, stats)
    if (size > allowance.leftBytes) return "Later"
    const copy = yield* Effect.option(Nameless.temporary)
    if (copy._tag === "None") return yield* uncopied(fd, stats)
    const copied = yield* Effect.result(transfer(source, copy.value, size))
    const isWhole = Result.isSuccess(copied) && copied.success === size
    if (isWhole && (isLast || (yield* agrees(copy.value.read, source.read, size)))) {
      allowance.leftBytes -= size
      return { stats, read: copy.value.read, holesAt: undefined }
    }
    yield* copy.value.close
    // there is no room for a copy, or the file is cut again and again
    if (Result.isFailure(copied) || isLast) return yield* uncopied(fd, stats)
  }
})

/** Has `now` the first `size` bytes of `then`? */
export const agrees = Effect.fnUntraced(function* (then: Read, now: Read, size: number) {
  const a = new Uint8Array(Math.min(size, pieceBytes))
  const b = new Uint8Array(a.length)
  for (let at = 0; at < size; at += pieceBytes) {
    const length = Math.min(pieceBytes, size - at)
    const before = yield* then(at, a.subarray(0, length))
    const after = yield* now(at, b.subarray(0, length))
    if (before !== after || Buffer.compare(a.subarray(0, before), b.subarray(0, after)) !== 0) return false
    yield* Effect.yieldNow
  }
  return true
})

const look = (fd: number) =>
  Effect.try({ try: () => fs.fstatSync(fd, { bigint: true }), catch: (cause) => cause as Refused })

// The time may be one write older than the content; it is never newer.
const withSize = (stats: fs.BigIntStats, { size }: fs.BigIntStats): fs.BigIntStats => Object.assign(stats, { size })

const fromMemory =
  (bytes: Uint8Array): Read =>
  (offset, into) =>
    Effect.sync(() => {
      const part = bytes.subarray(offset, offset + into.length)
      into.set(part)
      return part.length
    })

const transfer = Effect.fnUntraced(function* (from: Descriptor.Descriptor, to: Descriptor.Descriptor, size: number) {
  const piece = new Uint8Array(Math.min(size, pieceBytes))
  let done = 0
  while (done < size) {
    const count = yield* from.read(done, piece.subarray(0, Math.min(pieceBytes, size - done)))
    if (count === 0) break
    yield* to.write(done, piece.subarray(0, count))
    done += count
    yield* Effect.yieldNow
  }
  return done
})

/**
 * Undefined where blocks cannot be shared: another system, another file system, a directory we may not write to. Node's own call needs
 * no koffi. It empties the file that it copies to, and gives it the other's mode, so that a store needs `Libc.clone`.
 */
const reflink = (fd: number, directory: Buffer) =>
  Effect.gen(function* () {
    const copy = yield* Nameless.beside(directory)
    const clone = Effect.try({
      try: () =>
        fs.copyFileSync(`/proc/self/fd/${fd}`, `/proc/self/fd/${copy.fd}`, fs.constants.COPYFILE_FICLONE_FORCE),
      catch: (cause) => cause as Refused
    })
    yield* Effect.onError(clone, () => copy.close)
    return copy
  }).pipe(Effect.orElseSucceed(() => undefined))
