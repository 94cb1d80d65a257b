/** Whether there is a log (`--log-file`), for commands that may have one. It is loaded where there is. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { Screen } from "./Screen.ts"
import * as Status from "./Status.ts"

/** Opens the log anew, if there is one. */
export const Reopening = Context.Reference<Effect.Effect<void>>("mrsync/cli/Reopening", {
  defaultValue: () => Effect.void
})

/** What an effect says is in the log, down to its last words. */
export const logged =
  (path: string | undefined) =>
  <A, E extends Status.Failure, R>(effect: Effect.Effect<A, E, R>) =>
    path === undefined
      ? effect
      : Effect.gen(function* () {
          const { open } = yield* Effect.promise(() => import("./LogFile.ts"))
          const { reopen, screen, write } = yield* open(path)
          return yield* effect.pipe(
            Effect.onExit((exit) =>
              Effect.sync(() => {
                const words = Status.message(exit)
                if (words !== undefined) write(words)
              })
            ),
            Effect.provideService(Screen, screen),
            Effect.provideService(Reopening, reopen)
          )
        }).pipe(Effect.scoped)
