/** A master that waited for twelve could only begin with twelve, or after all of its wait; and took its catchers with it when it gave up. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Catcher from "../../src/catcher/Catcher.ts"
import * as Master from "../../src/master/Master.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import { type Event, Progress } from "../../src/report/Progress.ts"
import * as Memory from "../../src/store/Memory.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import { mrsync } from "../cli/Rig.ts"
import { timed } from "../phase/Rig.ts"
import * as Simulation from "../sessions/Simulation.ts"
import { CatcherProtection, MasterProtection } from "../../src/session/Exchange.ts"

const tree = [Simulation.file("a", 100_000)]

const telling = () => {
  const said: Array<Event> = []
  return { said, layer: Progress.layerTo((event) => void said.push(event)) }
}

/** A master and catchers that come after so many milliseconds each: c1, c2, ... */
const session = Effect.fnUntraced(function* (
  options: Partial<Master.Options>,
  comeMillis: ReadonlyArray<number>,
  masterComesMillis = 0
) {
  const network = yield* Simulated.make({ seed: 1 })
  const { layer, said } = telling()
  const master = Master.run({
    ...{ catchers: comeMillis.length, waitMillis: 20_000, timeoutMillis: 2000, pageBytes: 1432 },
    ...options
  }).pipe(
    Effect.provide(MasterProtection.insecure),
    Effect.provide([network.layerMaster, Memory.sourceLayer(tree), layer])
  )
  const catcher = (afterMillis: number, i: number) =>
    Catcher.run({ id: `c${i + 1}`, waitMillis: undefined, timeoutMillis: 2000 }).pipe(
      Effect.provide(CatcherProtection.insecure),
      Effect.provide([network.layerCatcher(`c${i + 1}`), Memory.layer(Memory.make()), Progress.layerNone]),
      Effect.delay(afterMillis),
      Effect.forkChild
    )
  const run = Effect.andThen(Effect.forEach(comeMillis, catcher), Effect.delay(Effect.exit(master), masterComesMillis))
  const { exit, millis } = yield* timed(run)
  const began = said.find((event) => event._tag === "Started")
  return { said, millis, began, outcome: yield* exit }
})

const tag = (exit: Exit.Exit<unknown, unknown>) => (Exit.isSuccess(exit) ? "Success" : JSON.stringify(exit))

describe("when a master begins", () => {
  const never = 1_000_000

  it.effect("all are there: at once", () =>
    Effect.gen(function* () {
      const { began, millis } = yield* session({ atLeast: 1, atMostMillis: 5000 }, [0, 100])
      assert.deepInclude(began, { catchers: 2 })
      assert.isBelow(millis, 3000)
    })
  )

  it.effect("all wait already: when it has listened for another master [J-4]", () =>
    Effect.gen(function* () {
      const { millis } = yield* session({}, [0], 10)
      assert.isAtLeast(millis, 10 + Limits.leastListenMillis)
      assert.isBelow(millis, 20 + Limits.leastListenMillis)
    })
  )

  it.effect("after --at-most, with those that are there", () =>
    Effect.gen(function* () {
      const { began, millis, outcome } = yield* session({ atMostMillis: 4000 }, [0, 100, never])
      assert.strictEqual(tag(outcome), "Success")
      assert.deepInclude(began, { catchers: 2 })
      assert.isAtLeast(millis, 4000)
      assert.isBelow(millis, 6000)
    })
  )

  it.effect("after --at-most, as soon as --at-least so many are there", () =>
    Effect.gen(function* () {
      const { began, millis } = yield* session({ atLeast: 2, atMostMillis: 2000 }, [0, 7000, never])
      assert.deepInclude(began, { catchers: 2 })
      assert.isAtLeast(millis, 7000)
      assert.isBelow(millis, 9000)
    })
  )

  it.effect("after --wait, with --at-least so many, also of a list of hosts; with fewer never", () =>
    Effect.gen(function* () {
      const options = { hosts: ["c1", "c2", "c3"], waitMillis: 3000 }
      const enough = yield* session({ ...options, atLeast: 2 }, [0, 0, never])
      assert.deepInclude(enough.began, { catchers: 2 })
      assert.isAtLeast(enough.millis, 3000)
      const few = yield* session({ ...options, atLeast: 2 }, [0, never, never])
      assert.include(tag(few.outcome), "AnnounceTimeout")
      const fewer = yield* session({ ...options, atLeast: 2, atMostMillis: 1000 }, [0, never, never])
      assert.include(tag(fewer.outcome), "AnnounceTimeout")
    })
  )

  it.effect("told to go: with those that are there, and not with nobody", () =>
    Effect.gen(function* () {
      const go = Stream.fromEffect(Effect.sleep(1000)).pipe(Stream.concat(Stream.fromEffect(Effect.sleep(3000))))
      const { began, millis, outcome, said } = yield* session({ go, atLeast: 3 }, [2000, never, never])
      assert.strictEqual(tag(outcome), "Success")
      assert.deepInclude(began, { catchers: 1 })
      assert.isAtLeast(millis, 4000)
      assert.isBelow(millis, 6000)
      assert.deepInclude(said, { _tag: "Note", message: "there is no catcher yet to begin with" })
    })
  )

  it.effect("while it waits it tells who is there, who is not, and for how long yet", () =>
    Effect.gen(function* () {
      const { said } = yield* session(
        { hosts: ["c1", "c2", "c3"], atMostMillis: 4000, waitMillis: 9000 },
        [0, 1000, 7000]
      )
      const waiting = said.flatMap((event) => (event._tag === "Waiting" ? [event] : []))
      assert.deepStrictEqual(
        waiting.map(({ absent, joined }) => [joined, absent]),
        [
          [0, ["c1", "c2", "c3"]],
          [1, ["c2", "c3"]],
          [2, ["c3"]]
        ]
      )
      assert.strictEqual(waiting[0].leftSeconds, 4)
      assert.approximately(waiting[2].leftSeconds ?? 0, 2.9, 0.3)
    })
  )
})

it.effect("catch --serve that is told to end while it waits says so, and has done its work", () =>
  Effect.gen(function* () {
    const network = yield* Simulated.make({ seed: 1 })
    const run = mrsync({ network, terminatedMillis: 3000 }, "catch", "--serve", "--json", "dest")
    const { exit } = yield* timed(run)
    const { err, last, status } = yield* exit
    assert.deepInclude(last, { _tag: "Ended", status: 0 })
    assert.deepStrictEqual([status, err], [0, []])
  })
)

describe("a catcher whose master gives up while it gathers", () => {
  /** A catcher that is there from the beginning, and a master that waits in vain until it is interrupted (or killed). */
  const left = Effect.fnUntraced(function* (options: {
    readonly waitMillis: number
    readonly isKilled?: boolean
    readonly isFollowed?: boolean
  }) {
    const network = yield* Simulated.make({ seed: 1 })
    const { layer, said } = telling()
    const masterOf = (name: string, catchers: number) =>
      Master.run({ catchers, waitMillis: 60_000, timeoutMillis: 2000, pageBytes: 1432 }).pipe(
        Effect.provide(MasterProtection.insecure),
        Effect.provide([network.layerMasterNamed(name), Memory.sourceLayer(tree), Progress.layerNone])
      )
    const masters = Effect.gen(function* () {
      const first = yield* Effect.forkChild(masterOf("first", 2))
      yield* Effect.sleep(3000)
      if (options.isKilled) yield* network.detach("first")
      yield* Fiber.interrupt(first)
      yield* Effect.sleep(4000)
      if (options.isFollowed) yield* masterOf("second", 1)
    })
    const catcher = Catcher.run({ id: "c1", waitMillis: options.waitMillis, timeoutMillis: 2000 }).pipe(
      Effect.provide(CatcherProtection.insecure),
      Effect.provide([network.layerCatcher("c1"), Memory.layer(Memory.make()), layer])
    )
    const { exit, millis } = yield* timed(
      Effect.all([Effect.exit(catcher), masters], { concurrency: 2 }).pipe(Effect.map(([exit]) => exit))
    )
    return { said, millis, outcome: yield* exit }
  })

  for (const isKilled of [false, true]) {
    it.effect(`takes part in the next session: ${isKilled ? "killed" : "interrupted"} [J-11]`, () =>
      Effect.gen(function* () {
        const { outcome, said } = yield* left({ waitMillis: 20_000, isKilled, isFollowed: true })
        assert.strictEqual(tag(outcome), "Success")
        assert.strictEqual(said.filter((event) => event._tag === "Report").length, 1)
      })
    )
  }

  it.effect(
    "ends when its own wait does, and says that a master was there; without a session it has nothing to report",
    () =>
      Effect.gen(function* () {
        const { millis, outcome, said } = yield* left({ waitMillis: 9000 })
        assert.include(tag(outcome), "MasterTimeout")
        assert.include(tag(outcome), "gave up while it waited for catchers (the master was interrupted)")
        assert.approximately(millis, 9000, 300)
        assert.deepStrictEqual(
          said.filter((event) => event._tag === "Report"),
          []
        )
      })
  )

  it.effect("ends at once when its own wait is over by then", () =>
    Effect.gen(function* () {
      const { outcome, said } = yield* left({ waitMillis: 1000 })
      assert.include(tag(outcome), "MasterTimeout")
      assert.strictEqual(said.filter((event) => event._tag === "Waiting").length, 1)
    })
  )
})
