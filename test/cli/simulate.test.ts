/** What `mrsync simulate` says while it is at work, and at its limits. What it counts is tested with the simulator. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { Screen } from "../../src/cli/Screen.ts"
import { type Input, simulate } from "../../src/cli/Simulate.ts"

const input: Input = {
  catchers: 3,
  sizeBytes: 1_000_000,
  pageBytes: 1432,
  lossPercent: 1,
  bytesPerSecond: 125_000_000,
  delayMillis: 1,
  seed: 1,
  slow: 0,
  slowLossPercent: undefined,
  slowBytesPerSecond: undefined,
  crash: 0,
  repair: "auto",
  verbose: false,
  json: false
}

const saying = (changes: Partial<Input>) => {
  const said: Array<string> = []
  const screen = Screen.of({
    print: (to, line) => void said.push(`${to} ${line}`),
    drawable: false,
    size: () => ({ columns: 80, rows: 24 }),
    draw: () => {},
    erase: () => {}
  })
  return { said, run: Effect.provideService(simulate({ ...input, ...changes }), Screen, screen) }
}

it.effect("a simulation that takes minutes tells so at once, and goes on telling; also beside JSON", () =>
  Effect.gen(function* () {
    const { run, said } = saying({ catchers: 800, sizeBytes: 32 * 1024 * 1024, json: true })
    const fiber = yield* Effect.forkChild(run)
    yield* TestClock.adjust("65 seconds")
    yield* Fiber.interrupt(fiber)
    assert.deepStrictEqual(said, [
      "err simulating takes 1:20 or more: 0:00 so far",
      "err simulating takes 1:20 or more: 0:30 so far",
      "err simulating takes 1:20 or more: 1:00 so far"
    ])
  })
)

it.effect("one of seconds does not", () =>
  Effect.gen(function* () {
    const { run, said } = saying({})
    yield* run
    assert.deepStrictEqual(
      said.filter((line) => !line.startsWith("out ")),
      []
    )
  })
)

it.effect("an empty file is a file", () =>
  Effect.gen(function* () {
    const { run, said } = saying({ sizeBytes: 0 })
    yield* run
    assert.include(said[0], "simulating 3 catchers: 0 B at")
    assert.include(said.join("\n"), "3 catchers: 3 complete")
  })
)
