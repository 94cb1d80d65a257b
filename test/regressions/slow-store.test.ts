/**
 * A catcher with a slow store and a large receive buffer has pages waiting for longer than the time-out. What it was asked waited
 * behind them, and it was lost as silent while it worked.
 */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Simulation from "../sessions/Simulation.ts"

const tree = [Simulation.file("large", 600_000), Simulation.file("f1", 900), Simulation.file("f2", 70_000)]

// alone, and beside others that are done long before
for (const catchers of [1, 3]) {
  for (const stepMillis of [5, 15]) {
    it.effect(`${catchers} catchers, one whose store takes ${stepMillis} ms for each page: not lost [Q-10]`, () =>
      Effect.gen(function* () {
        const outcome = yield* Simulation.run({
          ...{
            seed: 1,
            catchers,
            tree,
            receiveBufferBytes: 4_194_304,
            assemblingBlocks: 0,
            lossAtSender: 0.1,
            delayMillis: 0.2
          },
          timeoutMillis: 2000,
          master: { pageBytes: 512 },
          faults: (catcher) => (catcher === 0 ? { turn: () => Effect.sleep(stepMillis) } : {})
        })
        if (outcome.master._tag !== "Success") return assert.fail(JSON.stringify(outcome.master))
        for (const { failures, id, state } of outcome.master.value.catchers)
          assert.deepStrictEqual([id, state, failures], [id, "Complete", []])
        // the store was busy for longer than the time-out
        assert.isAbove(outcome.millis, 5000)
        for (const memory of outcome.memories) assert.deepStrictEqual(Simulation.differences(tree, memory), [])
      })
    )
  }
}
