/** A catcher's signs of life, as a watchdog has them. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Engine from "../../src/simulate/Simulation.ts"
import * as Simulation from "./Simulation.ts"

const tree = [Simulation.file("large", 2_000_000)]

/** Virtual milliseconds. */
type Now = () => number

/** When it said that it lives, and whether it was in a session then. */
const session = (make: (now: Now) => Partial<Engine.Scenario>) => {
  const beats: Array<{ readonly millis: number; readonly isAttending: boolean }> = []
  let now: Now = () => 0
  const scenario: Engine.Scenario = {
    ...{ seed: 1, catchers: 1, tree, assemblingBlocks: 0, timeoutMillis: 2000, limitMillis: 60_000 },
    beside: () => ({
      beat: { everyMillis: 100, tell: (isAttending) => void beats.push({ millis: now(), isAttending }) }
    }),
    meanwhile: (world) => {
      now = world.now
      return Effect.never
    },
    ...make(() => now())
  }
  return Effect.map(Engine.run(scenario), ({ millis }) => ({ beats, millis }))
}

it.effect("a catcher lives from its start to its end, in a session and before", () =>
  Effect.gen(function* () {
    const { beats, millis } = yield* session(() => ({ network: { bytesPerSecond: 200_000 } }))
    assert.isAbove(millis, 5000)
    assert.isFalse(beats[0].isAttending)
    assert.isTrue(beats.at(-1)?.isAttending)
    const gaps = beats.slice(1).map((beat, i) => beat.millis - beats[i].millis)
    assert.isAtMost(Math.max(...gaps), 101)
    assert.isAtLeast(beats.at(-1)!.millis, millis - 2500)
  })
)

it.effect("one whose store hangs lives no more, once that has lasted for the time-out", () =>
  Effect.gen(function* () {
    let steps = 0
    let hungMillis = Infinity
    const { beats, millis } = yield* session((now) => ({
      disk: () => ({
        turn: () =>
          Effect.suspend(() => {
            if (steps++ <= 20) return Effect.void
            hungMillis = Math.min(hungMillis, now())
            return Effect.never
          })
      })
    }))
    const lastMillis = beats.at(-1)!.millis
    assert.isBelow(lastMillis, millis - 1000)
    assert.isAtLeast(lastMillis, hungMillis + 1500)
    assert.isAtMost(lastMillis, hungMillis + 2101)
  })
)
