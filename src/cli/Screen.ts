/**
 * The terminal, or what stands in its place: lines that stay, on standard output and standard error, and below them a
 * picture that is drawn again and again. A line printed while there is a picture goes above it.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Format from "./Format.ts"
import * as Journal from "./Journal.ts"
import type { Level } from "./Journal.ts"

/** The part of a Node stream that is used here. */
interface Sink {
  readonly write: (text: string) => unknown
  readonly isTTY?: boolean
  readonly columns?: number
  readonly rows?: number
  /** Bytes that its reader has not taken yet. */
  readonly writableLength?: number
}

interface Options {
  readonly out: Sink
  readonly err: Sink
  /** Which of them lead to the journal. */
  readonly isJournal?: { readonly out: boolean; readonly err: boolean }
  /** The environment's TERM. */
  readonly term: string | undefined
  /** Called when a program is to read standard output, and counts on all of it. */
  readonly forProgram?: () => void
  /** Called once with what must be done however the process ends: the terminal wants its cursor back. */
  readonly atExit: (restore: () => void) => void
}

type To = "out" | "err" | "json"

interface Size {
  readonly columns: number
  readonly rows: number
}

/** What a reader of standard output has not read waits in memory: beyond this, lines are left out. */
const behindBytes = 16 * 1024 * 1024

const showCursor = "\x1b[?25h"
const hideCursor = "\x1b[?25l"
const eraseBelow = "\r\x1b[J"

export class Screen extends Context.Service<
  Screen,
  {
    /** `json`: on standard output, for a program. What goes to standard error is a warning, where nothing is said. */
    readonly print: (to: To, line: string, level?: Level) => void
    /** Is standard output's reader so far behind that lines should be left out? */
    readonly isBehind: () => boolean
    /** A terminal that can draw. */
    readonly drawable: boolean
    readonly size: () => Size
    /** Replaces the picture. Lines must fit the size. */
    readonly draw: (lines: ReadonlyArray<string>) => void
    /** The terminal has shown an Enter that was typed: its cursor is a row below the picture. */
    readonly entered: () => void
    /** Takes the picture away and shows the cursor. */
    readonly erase: () => void
  }
>()("mrsync/cli/Screen") {
  static readonly layer = (options: Options): Layer.Layer<Screen> =>
    Layer.effect(
      Screen,
      Effect.acquireRelease(make(options), (screen) => Effect.sync(screen.erase))
    )
}

const make = ({ atExit, err, forProgram, isJournal, out, term }: Options) =>
  Effect.sync(() => {
    const drawable = out.isTTY === true && term !== "dumb"
    let picture: ReadonlyArray<string> = []
    /** Rows below the picture, as far as Enter was typed there. */
    let typedRows = 0
    // A terminal that does not know its size says 0.
    const size = (): Size => ({ columns: out.columns || 80, rows: out.rows || 24 })

    // A terminal that became narrower since has wrapped the picture's lines: count the rows they take now.
    const back = () => {
      const { columns } = size()
      const drawn = picture.reduce((sum, line) => sum + Math.max(1, Math.ceil(Format.width(line) / columns)), 0)
      const rows = drawn === 0 ? 0 : drawn + typedRows
      typedRows = 0
      return rows === 0 ? "" : `\x1b[${rows}A${eraseBelow}`
    }
    const text = (lines: ReadonlyArray<string>) => lines.map((line) => `${line}\n`).join("")

    const erase = () => {
      if (picture.length === 0) return
      out.write(`${back()}${showCursor}`)
      picture = []
    }
    if (drawable) atExit(erase)

    return {
      drawable,
      size,
      print: (to: To, said: string, level: Level = to === "err" ? "Warning" : "Info") => {
        if (to === "json") forProgram?.()
        const sink = to === "err" ? err : out
        const line = isJournal?.[to === "err" ? "err" : "out"] === true ? Journal.lead(level, said) : said
        if (picture.length === 0) return void sink.write(`${line}\n`)
        if (sink.isTTY === true) return void out.write(`${back()}${line}\n${text(picture)}`)
        sink.write(`${line}\n`)
      },
      draw: (lines: ReadonlyArray<string>) => {
        if (!drawable) return
        out.write(`${picture.length === 0 ? hideCursor : ""}${back()}${text(lines)}`)
        picture = lines
      },
      isBehind: () => (out.writableLength ?? 0) > behindBytes,
      entered: () => void typedRows++,
      erase
    }
  })
