/** The counters of a session are what its reports say. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Catcher from "../../src/catcher/Catcher.ts"
import * as Master from "../../src/master/Master.ts"
import * as Metrics from "../../src/report/Metrics.ts"
import { Progress } from "../../src/report/Progress.ts"
import * as Memory from "../../src/store/Memory.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import { inTime } from "../phase/Rig.ts"
import * as Simulation from "../sessions/Simulation.ts"
import { CatcherProtection, MasterProtection } from "../../src/session/Exchange.ts"

const tree = [Simulation.file("a", 700_000), Simulation.file("b", 10), Simulation.file("c", 0)]

const session = Effect.gen(function* () {
  const network = yield* Simulated.make({ seed: 1, loss: 0.02 })
  const times = { waitMillis: 5000, timeoutMillis: 2000 }
  const master = Master.run({ ...Master.defaults, ...times, catchers: 1, bytesPerSecond: 500_000 }).pipe(
    Effect.provide(MasterProtection.insecure),
    Effect.provide([network.layerMaster, Memory.sourceLayer(tree), Progress.layerNone], { local: true })
  )
  const catcher = Catcher.run({ ...times, id: "a" }).pipe(
    Effect.provide(CatcherProtection.insecure),
    Effect.provide([network.layerCatcher("a"), Memory.layer(Memory.make()), Progress.layerNone], { local: true })
  )
  return yield* inTime(Effect.all([master, catcher], { concurrency: 2 }))
})

const counted = Effect.fnUntraced(function* (role: "master" | "catcher") {
  const of = (metric: Metric.Counter<number>) =>
    Effect.map(Metric.value(Metric.withAttributes(metric, { role })), ({ count }) => count)
  return {
    pages: yield* of(Metrics.pages),
    pageBytes: yield* of(Metrics.pageBytes),
    repairedPages: yield* of(Metrics.repairedPages),
    datagramsSent: yield* of(Metrics.datagramsSent),
    datagramsReceived: yield* of(Metrics.datagramsReceived),
    files: yield* of(Metrics.files)
  }
})

it.effect("the metrics of two sessions, on both sides", () =>
  Effect.gen(function* () {
    const reports = [yield* session, yield* session]
    for (const [at, role] of (["master", "catcher"] as const).entries()) {
      const { files, pageBytes, pages, repairedPages, ...datagrams } = yield* counted(role)
      const sum = (of: (report: (typeof reports)[number][number]) => number) =>
        reports.reduce((sum, both) => sum + of(both[at]), 0)
      assert.strictEqual(files, 6)
      assert.strictEqual(
        pages,
        sum((report) => report.pages.sent)
      )
      assert.strictEqual(
        repairedPages,
        sum((report) => report.pages.repaired)
      )
      assert.isAbove(repairedPages, 0)
      assert.isAbove(pageBytes, 2 * 700_000)
      const [most, least] = at === 0 ? ["datagramsSent", "datagramsReceived"] : ["datagramsReceived", "datagramsSent"]
      assert.isAtLeast(datagrams[most as keyof typeof datagrams], pages)
      assert.isBelow(datagrams[least as keyof typeof datagrams], pages)
      assert.isAbove(datagrams[least as keyof typeof datagrams], 0)
    }
  }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
)
