/** The command line's sink, where standard output is not read. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Reporter from "../../src/cli/Reporter.ts"
import { Screen } from "../../src/cli/Screen.ts"
import { type Event, Progress } from "../../src/report/Progress.ts"
import { recording } from "./recording.ts"

const note = (message: number): Event => ({ _tag: "Note", message: String(message) })
const file = (path: string): Event => ({ _tag: "FileCompleted", path })

const report: Event = {
  ...{
    _tag: "Report",
    session: "00",
    sealed: false,
    seconds: 1,
    files: 0,
    directories: 0,
    links: 0,
    specials: 0,
    bytes: 0
  },
  ...{ pages: { needed: 0, sent: 0, repaired: 0, parity: 0 }, catchers: [], skipped: 0, failures: [] }
}

/** What is printed when standard output is not read from the second to the last but one of the events. */
const printed = Effect.fnUntraced(function* (json: boolean, events: ReadonlyArray<Event>) {
  const { said, screen } = recording()
  let told = 0
  const behind = { ...screen, isBehind: () => told > 1 && told < events.length }
  const options = { role: "Send", where: "", verbosity: "Verbose", json, live: false } as const
  yield* Effect.gen(function* () {
    const progress = yield* Progress
    for (const event of events) {
      told++
      progress.publish(event)
    }
  }).pipe(Effect.provide(Reporter.layer(options)), Effect.provideService(Screen, behind))
  return said
})

describe("where standard output is not read, lines are left out and counted", () => {
  it.effect("as JSON", () =>
    Effect.gen(function* () {
      const { out } = yield* printed(true, [note(1), note(2), note(3), note(4)])
      assert.deepStrictEqual(
        out.map((line) => JSON.parse(line).message),
        ["1", "2 lines left out here: standard output was not read", "4"]
      )
    })
  )

  it.effect("as JSON, also just before the end", () =>
    Effect.gen(function* () {
      const { out } = yield* printed(true, [note(1), note(2), note(3), report])
      assert.deepStrictEqual(
        out.map((line) => JSON.parse(line).message),
        ["1", "2 lines left out here: standard output was not read"]
      )
    })
  )

  it.effect("a line that cannot be made is told of, and those after it are printed", () =>
    Effect.gen(function* () {
      const started: Event = { _tag: "Started", session: "00", catchers: 1, files: 1, bytes: 2 ** 54 }
      const { out } = yield* printed(true, [started])
      assert.deepStrictEqual(
        out.map((line) => JSON.parse(line).message),
        ["a line of Started could not be made"]
      )
    })
  )

  it.effect("for a person", () =>
    Effect.gen(function* () {
      const { err, out } = yield* printed(false, [file("a"), file("b"), note(3), file("d"), file("e")])
      assert.deepStrictEqual(out, ["a", "2 lines left out here: standard output was not read", "e"])
      assert.deepStrictEqual(err, ["note: 3"])
    })
  )
})
