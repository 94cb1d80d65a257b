/**
 * An open file for positional reads and writes. The trap it is there for: a descriptor that is closed while the thread
 * pool still works on it may by then be another file's. So transfers cannot be interrupted, and closing waits for them.
 */
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { constants } from "node:os"
import * as Errno from "./Errno.ts"

export interface Descriptor {
  readonly fd: number
  /** Writes all of the bytes. */
  readonly write: (offset: number, bytes: Uint8Array) => Effect.Effect<void, NodeJS.ErrnoException>
  /** Reads until `into` is full or the file ends; answers how many bytes were read. */
  readonly read: (offset: number, into: Uint8Array) => Effect.Effect<number, NodeJS.ErrnoException>
  /** Completes when no transfer is under way. */
  readonly settled: Effect.Effect<void>
  readonly close: Effect.Effect<void>
}

type Transfer = (
  fd: number,
  bytes: Uint8Array,
  at: number,
  length: number,
  position: number,
  done: (error: NodeJS.ErrnoException | null, count: number) => void
) => void

export const make = (fd: number): Descriptor => {
  let underWay = 0
  let closed = false
  let waiting: Array<() => void> = []

  const transfer = (call: Transfer, offset: number, bytes: Uint8Array) =>
    Effect.uninterruptible(
      Effect.callback<number, NodeJS.ErrnoException>((resume) => {
        if (closed) return resume(Effect.fail(Errno.toCause(EBADF)))
        underWay++
        const end = (result: Effect.Effect<number, NodeJS.ErrnoException>) => {
          if (--underWay === 0) {
            for (const wake of waiting) wake()
            waiting = []
          }
          resume(result)
        }
        const step = (at: number) => {
          if (at === bytes.length) return end(Effect.succeed(at))
          call(fd, bytes, at, bytes.length - at, offset + at, (error, count) => {
            if (error !== null) end(Effect.fail(error))
            else if (count === 0) end(Effect.succeed(at))
            else step(at + count)
          })
        }
        step(0)
      })
    )

  const settled = Effect.uninterruptible(
    Effect.callback<void>((resume) => {
      if (underWay === 0) resume(Effect.void)
      else waiting.push(() => resume(Effect.void))
    })
  )

  return {
    fd,
    write: (offset, bytes) =>
      Effect.flatMap(transfer(fs.write, offset, bytes), (count) =>
        count === bytes.length ? Effect.void : Effect.fail(Errno.toCause(EIO))
      ),
    read: (offset, into) => transfer(fs.read, offset, into),
    settled,
    close: Effect.suspend(() => {
      closed = true
      return Effect.andThen(
        settled,
        Effect.sync(() => fs.closeSync(fd))
      )
    })
  }
}

const { EBADF, EIO } = constants.errno
