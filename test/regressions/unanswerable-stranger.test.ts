/** One announcement that could not be answered (UDP source port 0) once ended every catcher, with "not an IPv4 address". */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Catcher from "../../src/catcher/Catcher.ts"
import * as Master from "../../src/master/Master.ts"
import { Progress } from "../../src/report/Progress.ts"
import * as Memory from "../../src/store/Memory.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import { type Address, Transport, TransportError } from "../../src/transport/Transport.ts"
import * as Codec from "../../src/wire/Codec.ts"
import { inTime } from "../phase/Rig.ts"
import * as Simulation from "../sessions/Simulation.ts"
import { CatcherProtection, MasterProtection } from "../../src/session/Exchange.ts"

/** A transport that fails to send to a stranger. */
const failing = (stranger: Address, tried: { count: number }) =>
  Layer.effect(
    Transport,
    Effect.map(Transport, (below) =>
      Transport.of({
        ...below,
        sendTo: (to, datagram) => {
          if (to !== stranger) return below.sendTo(to, datagram)
          tried.count++
          return Effect.fail(new TransportError({ operation: `send to ${to}`, reason: "not to that one" }))
        }
      })
    )
  )

const announce = Codec.encode({
  _tag: "Announce",
  session: 999n,
  pageBytes: 1432,
  blockPages: 128,
  timeoutMillis: 5000,
  uptimeMillis: 1,
  spreadMillis: 0,
  joined: 0,
  wanted: 1
})

const catches = (name: string, stranger: Address, isTried: boolean) =>
  it.effect(name, () =>
    Effect.gen(function* () {
      const tree = [Simulation.file("a", 700_000), Simulation.file("b", 100)]
      const network = yield* Simulated.make({ seed: 1, bytesPerSecond: 1_000_000 })
      const memory = Memory.make()
      const tried = { count: 0 }
      const times = { waitMillis: 5000, timeoutMillis: 5000 }
      // It waits already when the stranger calls; the master comes later, and is called over all the time.
      const master = Master.run({ ...times, catchers: 1, pageBytes: 1432 }).pipe(
        Effect.provide(MasterProtection.insecure),
        Effect.delay(1500),
        Effect.provide([network.layerMaster, Memory.sourceLayer(tree), Progress.layerNone])
      )
      const catcher = Catcher.run({ ...times, id: "a" }).pipe(
        Effect.provide(CatcherProtection.insecure),
        Effect.provide([
          Layer.provide(failing(stranger, tried), network.layerCatcher("a")),
          Memory.layer(memory),
          Progress.layerNone
        ])
      )
      const calling = Effect.forever(
        Effect.andThen(
          Effect.sync(() => network.forge(stranger, "a", announce)),
          Effect.sleep(100)
        )
      )
      // It forgets the stranger after a second of silence.
      yield* Effect.forkChild(
        Effect.delay(
          Effect.sync(() => network.forge(stranger, "a", announce)),
          100
        )
      )
      yield* Effect.forkChild(Effect.delay(calling, 1800))
      const [, report] = yield* inTime(Effect.all([master, catcher], { concurrency: 2 }))
      assert.strictEqual(report.catchers[0].state, "Complete")
      assert.deepStrictEqual(Simulation.differences(tree, memory), [])
      assert.strictEqual(tried.count > 2, isTried, `${tried.count} answers`)
    })
  )

describe("a stranger that cannot be answered [P-4]", () => {
  catches("is left out where its address says so", "10.9.9.9:0", false)
  catches("is answered in vain where the system says so", "10.9.9.9:1", true)
})
