/** Work on many entries lets others run in between: a slow disk's turn once took so long that its catcher was silent. */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { Destination, entriesPerTurn, type Steps } from "../../../src/store/disk/Destination.ts"
import { directory } from "../Sandbox.ts"

const count = 100

/** The most steps that were done in one turn, where each takes so long. */
const mostAtOnce = (millis: number, work: (destination: Destination, step: () => void) => Effect.Effect<unknown>) =>
  Effect.gen(function* () {
    const destination = new Destination(Buffer.from(yield* directory), true, Option.none())
    yield* destination.open
    let [now, done] = [0, 0]
    const seen: Array<number> = []
    const look = Effect.sync(() => void seen.push(done))
    const looking = Effect.gen(function* () {
      while (true) {
        yield* look
        yield* Effect.yieldNow
      }
    })
    const clock = Object.assign(Object.create(yield* Clock.Clock), { currentTimeMillisUnsafe: () => now })
    const others = yield* Effect.forkChild(looking)
    const step = () => {
      now += millis
      done++
    }
    yield* Effect.provideService(work(destination, step), Clock.Clock, clock)
    yield* Fiber.interrupt(others)
    yield* look
    destination.close()
    assert.strictEqual(done, count)
    assert.isAtLeast(destination.worked, count)
    return Math.max(...seen.slice(1).map((steps, i) => steps - seen[i]))
  })

const stepsOf = function* (step: () => void): Steps<void> {
  for (let i = 0; i < count; i++) {
    step()
    yield
  }
}

for (const [name, work] of [
  ["each of many", (destination, step) => destination.inTurns(Array.from({ length: count }), step)],
  ["steps", (destination, step) => destination.inSteps(stepsOf(step))]
] as ReadonlyArray<readonly [string, Parameters<typeof mostAtOnce>[1]]>)
  describe(`turns of ${name}`, () => {
    it.effect("have a number of steps on a quick disk", () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* mostAtOnce(1, work), entriesPerTurn)
      })
    )

    it.effect("are short on a slow one [Q-2]", () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* mostAtOnce(30, work), 2)
        assert.strictEqual(yield* mostAtOnce(400, work), 1)
      })
    )
  })
