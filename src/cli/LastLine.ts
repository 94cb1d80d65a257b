/**
 * The last line of --json: one object that says how it ended, whatever it was that ended it. It is the report, where
 * there is one, with the exit status and what was wrong; else an `Error`.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Line from "../report/Line.ts"
import type { Diagnosis } from "../report/Diagnosis.ts"
import type { Report } from "../report/Report.ts"
import { pathAt } from "../tree/Names.ts"
import { Screen } from "./Screen.ts"
import * as Status from "./Status.ts"

type Of<Tag extends Line.Line["_tag"]> = Extract<Line.Line, { readonly _tag: Tag }>

/** A report, or what stands in its place; how it ended is added. */
export type Last = Report | Diagnosis | Omit<Of<"Simulation">, "time" | "status" | "reason">

/** The Schemas of all lines, made where there are lines: it takes a millisecond or two. */
export const lines = Effect.promise(() => import("../report/Line.ts"))

/** Takes the last object of what runs now, and keeps it until it is known how that ended. */
export const Keeper = Context.Reference<(last: Last) => void>("mrsync/cli/LastLine", {
  defaultValue: () => () => {}
})

/** Ends what --json says of an effect with its last line. */
export const ending =
  (json: boolean) =>
  <A, E extends Status.Failure, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | Screen> =>
    json ? keeping(effect, print) : effect

/**
 * The same for one session of many, as long as `endsAll` does not say that its end is that of all of them: then what it
 * kept is theirs.
 */
export const endingOne =
  <E extends Status.Failure>(json: boolean, endsAll: (exit: Exit.Exit<unknown, E>) => boolean) =>
  <A, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | Screen> =>
    json
      ? Effect.flatMap(Keeper, (keep) =>
          keeping(effect, (last, exit) => {
            if (!endsAll(exit)) return print(last, exit)
            return last === undefined ? Effect.void : Effect.sync(() => keep(last))
          })
        )
      : effect

const keeping = <A, E extends Status.Failure, R, R2>(
  effect: Effect.Effect<A, E, R>,
  end: (last: Last | undefined, exit: Exit.Exit<A, E>) => Effect.Effect<void, never, R2>
) =>
  Effect.suspend(() => {
    let last: Last | undefined
    return effect.pipe(
      Effect.provideService(Keeper, (object) => void (last = object)),
      Effect.onExit((exit) => end(last, exit))
    )
  })

const print = Effect.fnUntraced(function* (last: Last | undefined, exit: Exit.Exit<unknown, Status.Failure>) {
  const screen = yield* Screen
  const time = yield* DateTime.now
  const { encode } = yield* lines
  const made = Result.try(() => encode(lineOf(last, exit, time)))
  const unmade = () => {
    const reason = "what there is to say of the end could not be made a line"
    return encode({ _tag: "Error", time, status: Status.of(exit), reason })
  }
  screen.print("json", Result.getOrElse(made, unmade))
})

/** The object itself. */
const lineOf = (last: Last | undefined, exit: Exit.Exit<unknown, Status.Failure>, time: DateTime.Utc): Line.Line => {
  const status = Status.of(exit)
  if (Exit.isSuccess(exit)) return last === undefined ? { _tag: "Ended", time, status } : { ...last, time, status }
  const outcome = { time, status, reason: Status.reason(exit) }
  if (last !== undefined) return { ...last, ...outcome }
  return Option.match(Cause.findErrorOption(exit.cause), {
    onNone: (): Line.Line => ({ _tag: "Error", ...outcome }),
    // Each kind of error has its own fields, and the Schema takes those.
    onSome: (error) => ({ ...knownOf(error), _tag: "Error", error: Status.kindOf(error), ...outcome }) as Of<"Error">
  })
}

/** What the error knows, so that a program need not read the sentence. */
const knownOf = (error: Status.Failure): object => {
  if (Status.kindOf(error) === "UsageError") return error._tag === "UsageError" ? { command: error.command } : {}
  return "path" in error ? { ...error, ...pathAt(error.path) } : { ...error }
}
