/** --help: every option in one group, as wide as the terminal. */
import { assert, describe, it } from "@effect/vitest"
import * as CliOutput from "effect/cli/CliOutput"
import type { HelpDoc } from "effect/cli/HelpDoc"
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Commands from "../../src/cli/Commands.ts"
import * as Help from "../../src/cli/Help.ts"

const docOf = Effect.fnUntraced(function* (...words: ReadonlyArray<string>) {
  let doc: HelpDoc | undefined
  const presenter: CliOutput.Presenter = {
    present: (event) =>
      Effect.sync(() => {
        if (event._tag === "Help") doc = event.helpDoc
      })
  }
  const silent = { ...globalThis.console, log: () => {}, error: () => {} } as unknown as Console.Console
  // nothing of the machine is needed for it
  const helping = Command.runWith(Commands.root, { version: "1" })([...words, "--help"]) as Effect.Effect<void, unknown>
  yield* helping.pipe(
    Effect.provide([CliOutput.layerPresenter(presenter), NodeServices.layer]),
    Effect.provideService(Console.Console, silent),
    Effect.ignore
  )
  if (doc === undefined) throw new Error(`no help of ${words.join(" ")}`)
  return doc
})

describe.each(["send", "catch"])("mrsync %s --help", (command) => {
  it.effect("has every option in one group, and each has a line or two", () =>
    Effect.gen(function* () {
      const doc = yield* docOf(command)
      const lines = Help.text(doc, 100).split("\n")
      const starts = lines.flatMap((line, at) => (/^ {2}(-.,| {3}) --/.test(line) ? [at] : []))
      for (const at of starts)
        assert.isFalse(/^ {31}/.test(lines[at + 2] ?? "") && /^ {31}/.test(lines[at + 1]), lines[at])
      const names = starts.map((at) => /--([^ ]+)/.exec(lines[at])?.[1])
      const all = [...doc.flags, ...(doc.globalFlags ?? [])].map(({ name }) => name)
      assert.deepStrictEqual(names.toSorted(), all.toSorted())
      // what is in no group of src/cli/Help.ts would stand there
      assert.notInclude(lines, "Options")
    })
  )

  it.effect("is no wider than the terminal, and says the same", () =>
    Effect.gen(function* () {
      const doc = yield* docOf(command)
      const words = (columns: number) =>
        Help.text(doc, columns)
          .split("\n")
          .filter((line) => !line.startsWith("  # "))
          .join(" ")
          .split(/\s+/)
      for (const columns of [60, 80, 100]) {
        const lines = Help.text(doc, columns).split("\n")
        // commands of examples are not broken
        const isCommand = (line: string) => line.startsWith("  mrsync ")
        assert.isAtMost(Math.max(...lines.filter((line) => !isCommand(line)).map(({ length }) => length)), columns)
        assert.deepStrictEqual(words(columns), words(110))
      }
    })
  )
})

it.effect("letters are where rsync has them: before the long name", () =>
  Effect.gen(function* () {
    const text = Help.text(yield* docOf("send"), 80)
    assert.match(text, /^ {2}-n, --dry-run {2,}Change nothing/m)
    assert.match(text, /^ {6}--size-only {2,}A file/m)
  })
)
