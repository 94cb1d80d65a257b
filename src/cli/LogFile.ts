/**
 * `--log-file`: what is said, with its time, appended to a file as well. Each line is written at once, so that none is lost with the process. A
 * file that cannot be written is told once, and ends nothing: what was left out is told in the file when it can be written again.
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Fs from "node:fs"
import * as Errno from "../system/Errno.ts"
import * as Format from "./Format.ts"
import { Screen } from "./Screen.ts"
import { UsageError } from "./Status.ts"

/** A log is for its owner and the group. */
const mode = 0o640

/** A pipe is no reason to wait: one that nobody reads, or that is full, cannot be written. */
const flags = Fs.constants.O_WRONLY | Fs.constants.O_APPEND | Fs.constants.O_CREAT | Fs.constants.O_NONBLOCK

/** A log that is open. */
export interface LogFile {
  /** A screen whose lines are in the log, too. */
  readonly screen: Screen["Service"]
  /** The last words, which the process says itself. */
  readonly write: (text: string) => void
  /** Opens the file that has its name now: the old one may have been renamed. */
  readonly reopen: Effect.Effect<void>
}

/** Opens a log; its end is the scope's. */
export const open = Effect.fnUntraced(function* (path: string) {
  const screen = yield* Screen
  const clock = yield* Clock.Clock
  const told = (reason: string) => screen.print("err", `mrsync: the log ${Format.safe(path)} ${reason}`, "Warning")
  const file = yield* Effect.acquireRelease(
    Effect.mapError(
      Effect.fromResult(Result.try(() => new Appended(path, told))),
      (cause) =>
        new UsageError({
          command: "catch",
          reason: `--log-file ${path} cannot be opened: ${Errno.fromCause(cause).reason}`
        })
    ),
    (file) => Effect.sync(() => file.close())
  )
  const write = (text: string) => {
    const time = DateTime.formatIso(DateTime.makeUnsafe(clock.currentTimeMillisUnsafe()))
    for (const line of text.split("\n")) file.append(`${time} ${line}`)
  }
  return {
    write,
    reopen: Effect.sync(() => file.reopen()),
    screen: {
      ...screen,
      print: (to, line, level) => {
        // a line of --json has its time
        if (to === "json") file.append(line)
        else write(line)
        screen.print(to, line, level)
      }
    }
  } satisfies LogFile
})

class Appended {
  private readonly path: string
  private readonly told: (reason: string) => void
  private fd: number
  /** Lines that could not be written, since it went wrong. */
  private missed = 0
  /** The last line was not written to its end. */
  private isCut = false

  constructor(path: string, told: (reason: string) => void) {
    this.path = path
    this.told = told
    this.fd = Fs.openSync(path, flags, mode)
  }

  append(line: string): void {
    const gap =
      this.missed === 0 ? "" : `${Format.plural(this.missed, "line")} left out here: the log could not be written\n`
    const bytes = Buffer.from(`${this.isCut ? "\n" : ""}${gap}${line}\n`)
    const written = Result.try(() => Fs.writeSync(this.fd, bytes))
    const count = Result.getOrElse(written, () => 0)
    if (count === bytes.length) {
      this.isCut = false
      this.missed = 0
      return
    }
    this.isCut ||= count > 0
    const reason = Result.isFailure(written) ? Errno.fromCause(written.failure).reason : "it is full"
    if (this.missed++ === 0) this.told(`cannot be written, and what is said is not in it: ${reason}`)
  }

  reopen(): void {
    const opened = Result.try(() => Fs.openSync(this.path, flags, mode))
    if (Result.isFailure(opened)) {
      return this.told(`cannot be opened again, and goes on where it was: ${Errno.fromCause(opened.failure).reason}`)
    }
    this.close()
    this.fd = opened.success
    this.isCut = false
  }

  close(): void {
    Result.try(() => Fs.closeSync(this.fd))
  }
}
