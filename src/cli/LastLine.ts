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
import { base64Of } from "../tree/Names.ts"
import { Screen } from "./Screen.ts"
import * as Status from "./Status.ts"

/** A report, or what stands in its place. */
export interface Last {
  readonly _tag: string
}

/** Takes the last object of what runs now, and keeps it until it is known how that ended. */
export const Keeper = Context.Reference<((last: Last) => void) | undefined>("mrsync/cli/LastLine", {
  defaultValue: () => undefined
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
            return last === undefined ? Effect.void : Effect.sync(() => keep?.(last))
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
  const time = DateTime.formatIso(yield* DateTime.now)
  screen.print("json", JSON.stringify(lineOf(last, exit, time)))
})

/** The object itself. */
const lineOf = (last: Last | undefined, exit: Exit.Exit<unknown, Status.Failure>, time: string): object => {
  const status = Status.of(exit)
  const reason = Exit.isSuccess(exit) ? {} : { reason: Status.reason(exit) }
  if (last !== undefined) {
    const { _tag, ...rest } = last
    return { _tag, time, status, ...reason, ...rest }
  }
  if (Exit.isSuccess(exit)) return { _tag: "Ended", time, status }
  const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
  const kind = error === undefined ? {} : { error: Status.kindOf(error) }
  return { _tag: "Error", time, status, ...kind, ...reason, ...(error === undefined ? {} : knownOf(error)) }
}

/** What the error knows, so that a program need not read the sentence. */
const knownOf = (error: Status.Failure): object => {
  if (error._tag === "ShowHelp") return {}
  const known = Object.entries(error).filter(([key]) => key !== "_tag" && key !== "reason" && !key.startsWith("~"))
  const pathBytes = "path" in error ? base64Of(error.path) : undefined
  return { ...Object.fromEntries(known), ...(pathBytes === undefined ? {} : { pathBytes }) }
}
