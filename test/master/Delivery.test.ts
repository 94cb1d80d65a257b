/** The states of a file at the master, as the log tells them. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as Catcher from "../../src/catcher/Catcher.ts"
import { Ledger } from "../../src/master/Ledger.ts"
import * as Master from "../../src/master/Master.ts"
import { sendManifest } from "../../src/master/Tree.ts"
import * as Roster from "../../src/protocol/group/Roster.ts"
import { Progress } from "../../src/report/Progress.ts"
import * as Memory from "../../src/store/Memory.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import { plan } from "../../src/tree/Plan.ts"
import { crowd, inTime, master as masterOf } from "../phase/Rig.ts"
import * as Simulation from "../sessions/Simulation.ts"
import { CatcherProtection, MasterProtection } from "../../src/session/Exchange.ts"

it.effect("a file at the master goes through the states of its diagram, each one word", () =>
  Effect.gen(function* () {
    const network = yield* Simulated.make({ seed: 1 })
    const times = { waitMillis: 5000, timeoutMillis: 2000 }
    const lines: Array<string> = []
    const logger = Logger.make<unknown, void>(({ message }) => void lines.push(String(message)))
    const master = Master.run({ ...times, catchers: 1, pageBytes: 1432 }).pipe(
      Effect.provide(MasterProtection.insecure),
      Effect.provide([network.layerMaster, Memory.sourceLayer([Simulation.file("a", 600_000)]), Progress.layerNone]),
      Effect.provideService(Logger.CurrentLoggers, new Set([logger])),
      Effect.provideService(References.MinimumLogLevel, "Trace")
    )
    const catcher = Catcher.run({ ...times, id: "c1" }).pipe(
      Effect.provide(CatcherProtection.insecure),
      Effect.provide([network.layerCatcher("c1"), Memory.layer(Memory.make()), Progress.layerNone])
    )
    yield* inTime(Effect.all([master, catcher], { concurrency: 2 }))
    const states = (file: number) =>
      lines.filter((line) => line.startsWith(`file ${file}: `)).map((line) => line.slice(8))
    for (const file of [0, 1]) {
      assert.deepStrictEqual(states(file), ["Opening", "Streaming", "Finishing", "Closing", "Done"])
    }
  })
)

it.effect("a list of files that reached nobody is on its way no more", () =>
  Effect.gen(function* () {
    const network = yield* Simulated.make({ seed: 1 })
    const { session } = yield* masterOf(network, { wanted: 1 })
    yield* crowd(network, 1, () => [])
    const tree = [Simulation.file("a", 1000).entry]
    const ledger = new Ledger(tree, plan(tree))
    const sent = Effect.gen(function* () {
      while (Roster.present(session.roster()).length < 1) yield* Effect.sleep(1)
      const sending = yield* Effect.forkChild(sendManifest(ledger, undefined, [0]))
      yield* Effect.sleep(100)
      const during = ledger.underWay.tell(tree)
      return { during, holding: yield* Fiber.join(sending) }
    })
    const { during, holding } = yield* inTime(
      Effect.provide(sent, session.services).pipe(Effect.provide(Progress.layerNone))
    )
    assert.deepStrictEqual(
      during.map(({ path, state }) => [path, state]),
      [["", "Opening"]]
    )
    assert.deepStrictEqual(holding, [])
    assert.deepStrictEqual(ledger.underWay.tell(tree), [])
  })
)
