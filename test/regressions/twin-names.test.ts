/**
 * Two catchers of one name that start at the same moment are welcomed both, and the second to answer is refused. It heard nothing
 * of that, and waited for the session like one that takes part.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Catcher from "../../src/catcher/Catcher.ts"
import * as Master from "../../src/master/Master.ts"
import { type Event, Progress } from "../../src/report/Progress.ts"
import * as Keys from "../../src/seal/Keys.ts"
import { CatcherProtection, MasterProtection } from "../../src/session/Exchange.ts"
import * as Engine from "../../src/simulate/Simulation.ts"
import * as Tree from "../../src/simulate/Tree.ts"
import * as Memory from "../../src/store/Memory.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import { inTime } from "../phase/Rig.ts"

const twins = ["one", "other"]

describe("of two catchers with one name that start at the same moment", () => {
  it.effect("the second to answer says soon that it is refused, and asks for all of its wait [R-3]", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      const clock = yield* Clock.clockWith(Effect.succeed)
      const soon: Array<string> = []
      const ends: Array<number> = []
      const refusedAt = (host: string) =>
        Progress.layerTo((event: Event) => {
          if (event._tag === "Refused" && clock.currentTimeMillisUnsafe() <= 1000) soon.push(host)
        })
      const master = Master.run({ ...Engine.defaults, catchers: 2, waitMillis: 7000 }).pipe(
        Effect.provide(
          Layer.mergeAll(network.layerMaster, Memory.sourceLayer([Tree.file("a", 1000)]), refusedAt("master"))
        ),
        Effect.provideService(MasterProtection, { _tag: "Sealed", keys: Engine.keys })
      )
      const catching = twins.map((host) =>
        Catcher.run({ id: "twin", waitMillis: 6000, timeoutMillis: 2000 }).pipe(
          Effect.provide(Layer.mergeAll(network.layerCatcher(host), Memory.layer(Memory.make()), refusedAt("catcher"))),
          Effect.provideService(CatcherProtection, { _tag: "Sealed", keys: Keys.forCatchers(Engine.keys) })
        )
      )
      const ended = Effect.sync(() => ends.push(clock.currentTimeMillisUnsafe()))
      const [, ...errors] = yield* inTime(
        Effect.all([Effect.flip(master), ...catching.map((one) => Effect.tap(Effect.flip(one), ended))], {
          concurrency: "unbounded"
        })
      )
      assert.deepStrictEqual(soon.sort(), ["catcher", "master"])
      assert.deepStrictEqual(errors.map(({ _tag }) => _tag).sort(), ["JoinRefused", "MasterTimeout"])
      assert.isAtLeast(Math.min(...ends), 6000)
    })
  )
})
