/**
 * An open file for positional reads and writes of whole blocks.
 *
 * They are synchronous on purpose: a block (183 KB) that is in the page cache, or goes there, takes tens of microseconds,
 * and handing it to the thread pool costs more than that in waking and in cold caches (measured: a third of the whole
 * rate with offload, see docs/performance.md). What waits for a slow disk waits in the kernel, as in rsync.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import { constants } from "node:os"
import type { Piece } from "../tree/Holes.ts"
import * as Errno from "./Errno.ts"

export interface Descriptor {
  readonly fd: number
  /** Writes all of the bytes. */
  readonly write: (offset: number, bytes: Uint8Array) => Effect.Effect<void, NodeJS.ErrnoException>
  /** As `readAll`. */
  readonly read: (offset: number, into: Uint8Array) => Effect.Effect<number, NodeJS.ErrnoException>
  /** Whatever the system says to it, it is closed then. */
  readonly close: Effect.Effect<void>
  /** The same at once. Throws as Node's fs does: a server may say only now that it has refused what was written. */
  readonly closeNow: () => void
}

/** Told when a call has ended that runs in the thread pool. */
export type Done = (error: NodeJS.ErrnoException | null) => void

/** Waits for such a call. It cannot be taken back: nobody may close its file before it has ended. */
export const waited = (call: (done: Done) => void): Effect.Effect<void, NodeJS.ErrnoException> =>
  Effect.uninterruptible(
    Effect.callback<void, NodeJS.ErrnoException>((resume) =>
      call((error) => resume(error === null ? Effect.void : Effect.fail(error)))
    )
  )

type Transfer = (fd: number, bytes: Uint8Array, at: number, length: number, position: number) => number

/** Moves bytes until there are no more of them, or none is moved; answers how many were. */
const transferAll = (call: Transfer, fd: number, bytes: Uint8Array, offset: number): number => {
  let done = 0
  while (done < bytes.length) {
    const count = call(fd, bytes, done, bytes.length - done, offset + done)
    if (count === 0) break
    done += count
  }
  return done
}

/** Reads until `into` is full or the file ends; answers how many bytes were read. Throws as Node's fs does. */
export const readAll = (fd: number, into: Uint8Array, offset = 0): number => transferAll(fs.readSync, fd, into, offset)

/** Reads pieces one after the other; answers how many bytes were read. What follows one that is cut short is not read. */
export const readPieces = Effect.fnUntraced(function* <E>(
  read: (offset: number, into: Uint8Array) => Effect.Effect<number, E>,
  pieces: Iterable<Piece>
) {
  let done = 0
  for (const { at, bytes } of pieces) {
    const count = yield* read(at, bytes)
    done += count
    if (count < bytes.length) break
  }
  return done
})

export const make = (fd: number): Descriptor => {
  // after the close the number may be another file's
  let closed = false

  const transfer = (call: Transfer, offset: number, bytes: Uint8Array) =>
    Effect.try({
      try: () => {
        if (closed) throw Errno.toCause(EBADF)
        return transferAll(call, fd, bytes, offset)
      },
      catch: (error) => error as NodeJS.ErrnoException
    })

  const closeNow = () => {
    if (closed) return
    closed = true
    fs.closeSync(fd)
  }

  return {
    fd,
    write: (offset, bytes) =>
      Effect.flatMap(transfer(fs.writeSync, offset, bytes), (count) =>
        count === bytes.length ? Effect.void : Effect.fail(Errno.toCause(EIO))
      ),
    read: (offset, into) => transfer(fs.readSync, offset, into),
    close: Effect.sync(() => void Result.try(closeNow)),
    closeNow
  }
}

const { EBADF, EIO } = constants.errno
