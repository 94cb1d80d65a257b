/** An Open (or Abort) of a file that is not in the plan once killed the catcher with a TypeError. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Catcher from "../../src/catcher/Catcher.ts"
import * as Master from "../../src/master/Master.ts"
import { Progress } from "../../src/report/Progress.ts"
import * as Memory from "../../src/store/Memory.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import { Transport } from "../../src/transport/Transport.ts"
import * as Codec from "../../src/wire/Codec.ts"
import type { Message } from "../../src/wire/Message.ts"
import { inTime } from "../phase/Rig.ts"
import * as Simulation from "../sessions/Simulation.ts"
import { CatcherProtection, MasterProtection } from "../../src/session/Exchange.ts"

/** A master that, beside its own, says something hostile after the first questions to open a file. */
const saying = (make: (session: bigint) => Message) =>
  Layer.effect(
    Transport,
    Effect.map(Transport, (below) => {
      let said = 0
      return Transport.of({
        ...below,
        send: Effect.fnUntraced(function* (batch) {
          yield* below.send(batch)
          const heard = Codec.decode(batch.bytes)
          if (heard._tag === "Failure" || heard.success._tag !== "Open" || heard.success.file === 0 || said++ > 4)
            return
          const bytes = Codec.encode(make(heard.success.session))
          yield* below.send({ bytes, datagramBytes: bytes.length })
        })
      })
    })
  )

const survives = (name: string, make: (session: bigint) => Message) =>
  it.effect(name, () =>
    Effect.gen(function* () {
      const tree = [Simulation.file("a", 700_000), Simulation.file("b", 100)]
      const network = yield* Simulated.make({ seed: 1 })
      const memory = Memory.make()
      const times = { waitMillis: 5000, timeoutMillis: 5000 }
      const master = Master.run({ ...times, catchers: 1, pageBytes: 1432 }).pipe(
        Effect.provide(MasterProtection.insecure),
        Effect.provide([Layer.provide(saying(make), network.layerMaster), Memory.sourceLayer(tree), Progress.layerNone])
      )
      const catcher = Catcher.run({ ...times, id: "a" }).pipe(
        Effect.provide(CatcherProtection.insecure),
        Effect.provide([network.layerCatcher("a"), Memory.layer(memory), Progress.layerNone])
      )
      const [, report] = yield* inTime(Effect.all([master, catcher], { concurrency: 2 }))
      assert.strictEqual(report.catchers[0].state, "Complete")
      assert.deepStrictEqual(Simulation.differences(tree, memory), [])
    })
  )

describe("hostile questions", () => {
  const audience = [0]
  const single = {
    _tag: "Open",
    kind: "Single",
    pageBytes: 1432,
    members: 0,
    opening: 1,
    root: undefined,
    audience
  } as const
  survives("a file beyond the plan", (session) => ({ ...single, session, file: 999, size: 5 }))
  survives("a file of too many pages", (session) => ({ ...single, session, file: 1, size: 2 ** 52 }))
  survives("an abort beyond the plan", (session) => ({ _tag: "Abort", session, file: 999, reason: "", audience }))
  survives("the manifest again, with members", (session) => ({
    ...single,
    session,
    file: 0,
    kind: "Manifest",
    size: 2 ** 40,
    members: 0xffff_ffff
  }))
})
