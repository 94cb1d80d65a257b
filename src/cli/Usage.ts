/** How help, the version and mistakes on the command line are shown. Only what was asked for goes to standard output. */
import type * as CliError from "effect/cli/CliError"
import type * as CliOutput from "effect/cli/CliOutput"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Format from "./Format.ts"
import * as Help from "./Help.ts"
import * as Version from "./Version.ts"

/** `columns`: of the terminal. */
export const presenter = (options: { readonly colors: boolean; readonly columns?: number | undefined }) => {
  const bold = (heading: string) => (options.colors ? `\x1b[1m${heading}\x1b[0m` : heading)
  const presenter: CliOutput.Presenter = {
    present: (event) => {
      switch (event._tag) {
        case "Version":
          return Console.log(Version.text)
        case "Help":
          return event.reason === "Requested"
            ? Console.log(Help.text(event.helpDoc, options.columns, bold))
            : Console.error(
                `mrsync: expected a command: send, catch, push, doctor, keygen, demo or simulate\n${hint(event.commandPath)}`
              )
        case "InvalidInvocation":
          return Effect.forEach(
            event.errors,
            (error) => Console.error(`mrsync: ${explain(error).split("\n").map(Format.safe).join("\n")}`),
            { discard: true }
          ).pipe(Effect.andThen(Console.error(hint(event.commandPath))))
      }
    }
  }
  return presenter
}

const hint = (commandPath: ReadonlyArray<string>): string => `Try "${commandPath.join(" ")} --help".`

const missing: Record<string, string> = {
  "SOURCE... HOSTS:DEST": `SOURCE and HOSTS:DEST are missing: say what to send, and where to, for example "mrsync push DIRECTORY web[01-40]:/srv"`,
  SOURCE: `SOURCE is missing: say what to send, for example "mrsync send DIRECTORY"`,
  DEST: `DEST is missing: say where to put it, for example "mrsync catch DIRECTORY"`
}

/** What the library says of an option that is one of a few words: "a" | "b" | "c". */
const choice = /^"[^"]*"(?: \| "[^"]*")+$/

/** What the library says of an option that is given or not. */
const eitherWay = 'Expected "true"'

const choices = (expected: string): string =>
  `expected ${expected
    .replaceAll('"', "")
    .replaceAll(" | ", ", ")
    .replace(/, ([^,]*)$/, " or $1")}`

/** What was wrong, and what would be right. */
export const explain = (error: CliError.NonShowHelpErrors): string => {
  switch (error._tag) {
    case "InvalidValue": {
      const what = error.kind === "flag" ? `--${error.option}` : error.option
      if (error.expected.startsWith(eitherWay)) return `${what} takes no value, and has "${error.value}"`
      if (error.value === "") return `${what}: a value is missing`
      return error.value.endsWith(" occurrences")
        ? `${what} is given more than once: give it once`
        : `${what} "${error.value}": ${choice.test(error.expected) ? choices(error.expected) : error.expected}`
    }
    case "MissingArgument":
      return missing[error.argument] ?? `${error.argument} is missing`
    case "MissingOption":
      return `--${error.option} is missing`
    case "UnrecognizedOption": {
      // every one-letter option is near every other, and near a short name
      const suggestions = error.suggestions.filter((one) => one.startsWith("--"))
      const near =
        error.option.startsWith("--") && suggestions.length > 0 ? `; did you mean ${suggestions.join(" or ")}?` : ""
      return `there is no option ${error.option}${near}`
    }
    case "UnexpectedArgument":
      return `too many arguments: ${error.arguments.map((one) => JSON.stringify(one)).join(", ")}`
    case "UnknownSubcommand": {
      const near = error.suggestions.length > 0 ? `; did you mean ${error.suggestions.join(" or ")}?` : ""
      return `there is no command "${error.subcommand}": expected send, catch, push, doctor, keygen, demo or simulate${near}`
    }
    case "DuplicateOption":
    case "ValidationError":
    case "UserError":
      return error.message
  }
}
