/**
 * The process's standard output, and how the process ends when something could not be written there. Imports nothing that
 * takes time to load, because `--version` uses it, too.
 *
 * A reader that has gone (`| head`) has read what it wanted: that is no failure, unless a program was to read it (`--json`).
 * A full disk always is one. The session itself goes on: it is more than what is said about it.
 */

import * as Fs from "node:fs"
import * as Tty from "node:tty"
import { exitStatus } from "../report/ExitStatus.ts"

let failure: NodeJS.ErrnoException | undefined
let isForProgram = false

/** Call once, before anything is written: without a listener a stream that fails ends the process with a stack. */
export const watch = (): void => {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => (failure ??= error))
  // There is nowhere to say that this one failed.
  process.stderr.on("error", () => {})
  const terminals = [0, 1, 2].filter((fd) => Tty.isatty(fd))
  process.on("exit", () => terminals.filter((fd) => !Tty.isatty(fd)).forEach(leave))
}

/** Closes a terminal that is gone: Node sets each that it had at its start to rights when it ends, and aborts where it cannot. */
const leave = (fd: number): void => {
  try {
    Fs.closeSync(fd)
  } catch {
    // it was closed before
  }
}

/** What is written is for a program, which counts on all of it. */
export const forProgram = (): void => void (isForProgram = true)

/** Ends the process with this status, or with that of a failed file when nothing else went wrong. */
export const exit = (status: number): void => {
  // One turn after the last write its failure is known.
  process.stdout.write("", () => setImmediate(() => settle(status)))
}

const settle = (status: number): void => {
  const cause = failure
  if (cause === undefined || (hasGone(cause) && !isForProgram)) return process.exit(status)
  void import("../system/Errno.ts").then((Errno) => {
    process.stderr.write(`mrsync: standard output could not be written: ${Errno.fromCause(cause).reason}\n`)
    process.exit(status === exitStatus.ok ? exitStatus.file : status)
  })
}

/** Has the reader gone: of a pipe, or the terminal itself? */
const hasGone = ({ code }: NodeJS.ErrnoException): boolean =>
  code === "EPIPE" || (code === "EIO" && process.stdout.isTTY)
