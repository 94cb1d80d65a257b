/** Runs a command line: the command that it names, and what ends it before one begins. */
import * as CliConfig from "effect/cli/CliConfig"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as Library from "effect/cli/Completions"
import * as Flag from "effect/cli/Flag"
import type { HelpDoc } from "effect/cli/HelpDoc"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Arguments from "./Arguments.ts"
import { root } from "./Commands.ts"
import * as Completions from "./Completions.ts"
import * as Man from "./Man.ts"
import * as LastLine from "./LastLine.ts"
import { Remark } from "./Remark.ts"
import * as Rsync from "./Rsync.ts"
import { RuleOrder } from "./RuleOrder.ts"
import { type Failure, UsageError } from "./Status.ts"
import * as Usage from "./Usage.ts"
import * as Version from "./Version.ts"

const asked = (name: string, description: string) =>
  Flag.Boolean(name).pipe(Flag.withoutNegation, Flag.withDescription(description))

const askedAs = (name: string, alias: string, description: string) =>
  asked(name, description).pipe(Flag.withAlias(alias), Flag.withDefault(false))

// The library's own has the alias -v, which is --verbose here.
const version = GlobalFlag.Action({ flag: askedAs("version", "V", "Show the version"), run: GlobalFlag.Version.run })

const help = GlobalFlag.Action({ flag: askedAs("help", "h", "Show this help"), run: GlobalFlag.Help.run })

const completions = GlobalFlag.Action({
  flag: GlobalFlag.Completions.flag,
  run: (shell, { command }) =>
    Option.isNone(shell) ? Effect.void : Console.log(Completions.generate(shell.value, Library.fromCommand(command)))
})

/** The help of the program, or of a command of it. */
const helpOf = (context: GlobalFlag.HandlerContext, path: ReadonlyArray<string>) =>
  Effect.suspend(() => {
    const docs: Array<HelpDoc> = []
    const keeping = CliOutput.layerPresenter({
      present: (event) => Effect.sync(() => void (event._tag === "Help" && docs.push(event.helpDoc)))
    })
    const commandPath = [context.command.name, ...path]
    return GlobalFlag.Help.run(true, { ...context, commandPath }).pipe(Effect.provide(keeping), Effect.as(docs))
  })

const manual = GlobalFlag.Action({
  flag: asked("man", "Print the manual page (mrsync --man | man -l -)").pipe(Flag.withDefault(false)),
  run: (_, context) =>
    Effect.gen(function* () {
      const [root] = yield* helpOf(context, [])
      const names = (root.subcommands ?? []).flatMap(({ commands }) => commands.map(({ name }) => name))
      const commands = yield* Effect.forEach(names, (name) => helpOf(context, [name]))
      yield* Console.log(Man.page(Version.version, root, commands.flat()))
    })
})

/** What is wrong with the command line ends the program before a command begins: --json may be among what is not understood. */
const misunderstood =
  (args: ReadonlyArray<string>, tag: "ShowHelp" | "UsageError") =>
  <A, E extends Failure, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.tapError(effect, (error) =>
      error._tag === tag && asksForJson(args) ? Effect.ignore(LastLine.ending(true)(Effect.fail(error))) : Effect.void
    )

const asksForJson = (args: ReadonlyArray<string>): boolean => {
  const end = args.indexOf("--")
  return args.slice(0, end < 0 ? args.length : end).some((arg) => /^--json(=|$)/.test(arg))
}

/** Runs the command that the arguments name. */
export const run = (
  args: ReadonlyArray<string>,
  options: { readonly colors: boolean; readonly columns?: number | undefined }
) => (isPushed(args) ? Effect.flatMap(pushed, (module) => module.pushed) : parsed(args, options))

/** What push starts on a host is no command for people. */
const isPushed = ([command, option, ...others]: ReadonlyArray<string>): boolean =>
  command === "catch" && option === "--pushed" && others.length === 0

const pushed = Effect.promise(() => import("./Pushed.ts"))

const parsed = (
  args: ReadonlyArray<string>,
  options: { readonly colors: boolean; readonly columns?: number | undefined }
) =>
  Effect.fromResult(Arguments.normal(args, Library.fromCommand(root))).pipe(
    Effect.mapError(({ command, reason }) => new UsageError({ command, reason })),
    misunderstood(args, "UsageError"),
    Effect.flatMap((normal) =>
      Command.runWith(root, { version: Version.version })(normal).pipe(
        misunderstood(args, "ShowHelp"),
        Effect.provideService(RuleOrder, Arguments.rulesIn(normal)),
        Effect.provideService(Remark, Rsync.beyond(args))
      )
    ),
    Effect.provide(
      Layer.mergeAll(
        CliOutput.layerPresenter(Usage.presenter(options)),
        CliConfig.layer({ builtIns: [help, version, manual, completions] })
      )
    )
  )
