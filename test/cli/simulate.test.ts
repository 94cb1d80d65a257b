/** What `mrsync simulate` says while it is at work, and at its limits. What it counts is tested with the simulator. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { simulated, simulating } from "./simulating.ts"

it.effect("a simulation that takes minutes tells so at once, and goes on telling; also beside JSON", () =>
  Effect.gen(function* () {
    const { err, run } = simulating({ catchers: 1500, sizeBytes: 32 * 1024 * 1024, json: true })
    const fiber = yield* Effect.forkChild(run)
    yield* TestClock.adjust("65 seconds")
    yield* Fiber.interrupt(fiber)
    assert.deepStrictEqual(err, [
      "simulating takes 1:20 or more: 0:00 so far",
      "simulating takes 1:20 or more: 0:30 so far",
      "simulating takes 1:20 or more: 1:00 so far"
    ])
  })
)

it.effect("one of seconds does not", () =>
  Effect.gen(function* () {
    const { err } = yield* simulated({})
    assert.deepStrictEqual(err, [])
  })
)

it.effect("an empty file is a file", () =>
  Effect.gen(function* () {
    const { out } = yield* simulated({ sizeBytes: 0 })
    assert.include(out[0], "simulating 4 catchers: 0 B at")
    assert.include(out.join("\n"), "4 catchers: 4 complete")
  })
)
