import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Simulation from "./Simulation.ts"

const tree = [
  Simulation.directory("d"),
  Simulation.file("d/large", 3_000_000),
  Simulation.file("d/small", 100),
  Simulation.file("d/empty", 0),
  Simulation.symlink("link", "d/large"),
  Simulation.hardLink("twin", 1)
]

describe("a session", () => {
  it.effect("ends with equal trees on a perfect network", () =>
    Effect.gen(function* () {
      const outcome = yield* Simulation.run({ seed: 1, catchers: 3, tree })
      assert.strictEqual(outcome.master._tag, "Success")
      for (const memory of outcome.memories) assert.deepStrictEqual(Simulation.differences(tree, memory), [])
      console.log(JSON.stringify(outcome.master), outcome.millis, outcome.counters)
    })
  )
  it.effect("ends with equal trees at 10 % loss", () =>
    Effect.gen(function* () {
      const outcome = yield* Simulation.run({ seed: 1, catchers: 3, tree, loss: 0.1, delayMillis: 1, duplicate: 0.05, reorder: 0.05 })
      assert.strictEqual(outcome.master._tag, "Success")
      console.log(JSON.stringify(outcome.master), JSON.stringify(outcome.catchers), outcome.millis, outcome.counters)
      for (const memory of outcome.memories) assert.deepStrictEqual(Simulation.differences(tree, memory), [])
    })
  )
})
