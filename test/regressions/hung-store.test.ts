/**
 * A store that hangs (a file server that is gone) keeps its catcher alive and silent. It said all the while that it was there, and the
 * session never ended.
 */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Engine from "../../src/simulate/Simulation.ts"
import * as Simulation from "../sessions/Simulation.ts"

const tree = [Simulation.file("large", 6_000_000), Simulation.file("f1", 900), Simulation.file("f2", 70_000)]

for (const catchers of [1, 3]) {
  it.effect(`the first of ${catchers} has a store that hangs: it is lost, and the others go on [Q-2]`, () =>
    Effect.gen(function* () {
      let steps = 0
      const { master, millis } = yield* Engine.run({
        ...{ seed: 1, catchers, tree, assemblingBlocks: 0, timeoutMillis: 2000 },
        network: { receiveBufferBytes: 4_194_304, delayMillis: 0.2 },
        master: { pageBytes: 512 },
        disk: (catcher) => (catcher === 0 ? { turn: () => (steps++ > 40 ? Effect.never : Effect.void) } : {}),
        limitMillis: 60_000
      })
      if (master?._tag !== "Success") return assert.fail(`${JSON.stringify(master)} after ${millis}`)
      const { catchers: all } = master.value
      assert.deepStrictEqual(all.map(({ state }) => state).sort(), [
        ...Array.from({ length: catchers - 1 }, () => "Complete"),
        "Lost"
      ])
      assert.isBelow(master.value.seconds, 10)
    })
  )
}
