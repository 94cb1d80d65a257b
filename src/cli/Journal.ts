/**
 * Lines for a journal: where a stream of ours leads to systemd's, each line begins with how much it matters (sd-daemon: `<4>`). The
 * journal takes that off, so that a line of --json stays one.
 */
import * as Result from "effect/Result"
import { fstatSync } from "node:fs"
import type { Tag } from "../report/Event.ts"

/** How much a line matters. */
export type Level = "Error" | "Warning" | "Notice" | "Info" | "Debug"

const numbers: Readonly<Record<Level, number>> = { Error: 3, Warning: 4, Notice: 5, Info: 6, Debug: 7 }

const levels: Partial<Readonly<Record<Tag, Level>>> = {
  Failed: "Warning",
  Lost: "Warning",
  Refused: "Warning",
  Note: "Notice",
  Tick: "Debug",
  FileCompleted: "Debug"
}

/** How much matters what is said of an event. */
export const levelOf = (event: Tag): Level => levels[event] ?? "Info"

/** A text as the journal takes it, line by line. */
export const lead = (level: Level, text: string): string => text.replace(/^/gm, `<${numbers[level]}>`)

/** Does an open file lead to the journal? `stream`: the environment's JOURNAL_STREAM. */
export const isJournal = (fd: number, stream: string | undefined): boolean => {
  if (stream === undefined) return false
  const there = Result.try(() => fstatSync(fd, { bigint: true }))
  return Result.isSuccess(there) && `${there.success.dev}:${there.success.ino}` === stream
}
