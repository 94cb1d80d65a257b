/** A file of filter rules on a disk, at the source and at a destination: bounded, and no other type of entry is read. */
import * as Result from "effect/Result"
import * as fs from "node:fs"
import type { Read } from "../filter/Rule.ts"
import * as Limits from "../protocol/Limits.ts"
import * as Errno from "../system/Errno.ts"
import { ofKey } from "../tree/Names.ts"

const absent = new Set(["ENOENT", "ENOTDIR", "EISDIR", "ELOOP"])

// Not blocking: a FIFO has nothing to say.
const reading = fs.constants.O_RDONLY | fs.constants.O_NONBLOCK

/**
 * The content of a file of rules; undefined: there is none. `path` is one character a byte, `file` its name in a fault;
 * `flags`: how it is opened, links followed where nothing is said.
 */
export const read = (path: string, file: string, flags = reading): ReturnType<Read> => {
  const unread = ({ code, reason }: Errno.Refusal) => Result.fail({ _tag: "Unread", file, code, reason } as const)
  const found = Result.try(() => {
    const at = ofKey(path)
    // Most directories have none, and an exception costs more than a look.
    if (fs.statSync(at, { throwIfNoEntry: false }) === undefined) return undefined
    const fd = fs.openSync(at, flags)
    const content = Result.try(() => (fs.fstatSync(fd).isFile() ? contentOf(fd) : undefined))
    fs.closeSync(fd)
    if (Result.isFailure(content)) throw content.failure
    return content.success
  })
  if (Result.isFailure(found)) {
    const refusal = Errno.fromCause(found.failure)
    return absent.has(refusal.code) ? Result.succeed(undefined) : unread(refusal)
  }
  return (found.success?.length ?? 0) > Limits.filterFileBytes
    ? unread(Errno.refusal("EFBIG", `expected at most ${Limits.filterFileBytes} bytes of filter rules`))
    : Result.succeed(found.success)
}

/** One byte more than a file may have, so that it is seen when it has too many. */
const contentOf = (fd: number): string => {
  const bytes = Buffer.alloc(Math.min(fs.fstatSync(fd).size, Limits.filterFileBytes) + 1)
  let length = 0
  for (let count = -1; count !== 0 && length < bytes.length; length += count) {
    count = fs.readSync(fd, bytes, length, bytes.length - length, length)
  }
  return bytes.toString("latin1", 0, length)
}
