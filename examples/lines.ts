/**
 * Reads what `mrsync send --json` prints: how far the session is, the catchers that have everything, and how it ended.
 *
 * mrsync send --json photos/ | node lines.js
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { Line } from "mrsync"

/** The exit status that the last line says, and the catchers that have everything. */
export interface Summary {
  readonly status: number | undefined
  readonly complete: ReadonlyArray<string>
}

const nothing: Summary = { status: undefined, complete: [] }

const add = (summary: Summary, line: Line.Line): Summary => {
  switch (line._tag) {
    case "Completed":
      return { ...summary, complete: [...summary.complete, line.id] }
    case "Report":
    case "Error":
      return { ...summary, status: line.status }
    default:
      return summary
  }
}

const show = (line: Line.Line) =>
  line._tag === "Tick" ? Effect.logDebug(`${line.bytes} of ${line.total} bytes`) : Effect.void

export const program = <E, R>(output: Stream.Stream<Uint8Array, E, R>) =>
  output.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.map(Line.decode),
    // A later version may print lines of kinds that this one does not know.
    Stream.flatMap((line) => (Result.isSuccess(line) ? Stream.succeed(line.success) : Stream.empty)),
    Stream.tap(show),
    Stream.runFold(() => nothing, add)
  )
