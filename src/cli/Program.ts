/** The program behind its edge: bin.ts loads it as one script, of which V8's code was made when it was built. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Local from "./Local.ts"
import * as Main from "./Main.ts"
import * as Output from "./Output.ts"
import * as Run from "./Run.ts"

/** Runs a command line as the process's only program. `directory`: the package's, if it is in one. */
export const main = (args: ReadonlyArray<string>, directory: string | undefined): void => {
  Output.watch()
  const colors = process.stdout.isTTY && process.env["NO_COLOR"] === undefined
  Main.main(
    Effect.provide(
      Run.run(args, { colors, columns: process.stdout.columns }),
      Local.layer(Option.fromNullishOr(directory))
    )
  )
}
