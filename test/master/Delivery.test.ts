/** The states of a file at the master, as the log tells them. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as Catcher from "../../src/catcher/Catcher.ts"
import * as Master from "../../src/master/Master.ts"
import { Progress } from "../../src/report/Progress.ts"
import * as Memory from "../../src/store/Memory.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import { inTime } from "../phase/Rig.ts"
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
