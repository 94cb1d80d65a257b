/** A tree was scanned before its catchers came, and never again: what changed while the master waited was not sent. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Catcher from "../../src/catcher/Catcher.ts"
import * as Master from "../../src/master/Master.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import { type Event, Progress } from "../../src/report/Progress.ts"
import { Source } from "../../src/source/Source.ts"
import * as Memory from "../../src/store/Memory.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import { inTime } from "../phase/Rig.ts"
import * as Simulation from "../sessions/Simulation.ts"
import { CatcherProtection, MasterProtection } from "../../src/session/Exchange.ts"

/** A session whose catcher comes after `waitMillis`, when `change` has been done to the tree; scans take `scanMillis`. */
const session = Effect.fnUntraced(function* (options: {
  readonly waitMillis: number
  readonly scanMillis?: number
  readonly change: (tree: Array<Memory.Given>) => void
}) {
  const tree = [Simulation.file("a", 600_000), Simulation.file("b", 100), Simulation.file("gone", 100)]
  const skipped = [{ path: "closed", kind: "Unreadable" as const, reason: "permission denied (EACCES)" }]
  const network = yield* Simulated.make({ seed: 1 })
  const memory = Memory.make()
  const events: Array<Event> = []
  let scans = 0
  const slow = Layer.effect(
    Source,
    Effect.map(Source, (below) => {
      const scan = Effect.tap(below.scan, Effect.sleep(options.scanMillis ?? 1))
      return Source.of({ ...below, scan: Effect.tap(scan, () => Effect.sync(() => scans++)) })
    })
  )
  const master = Master.run({
    catchers: 1,
    pageBytes: 1432,
    waitMillis: 600_000,
    timeoutMillis: 5000
  }).pipe(
    Effect.provide(MasterProtection.insecure),
    Effect.provide([
      network.layerMaster,
      Layer.provide(slow, Memory.sourceLayer(tree, skipped)),
      Progress.layerTo((event) => void events.push(event))
    ])
  )
  const catcher = Effect.sleep(options.waitMillis).pipe(
    Effect.andThen(Effect.sync(() => options.change(tree))),
    Effect.andThen(
      Catcher.run({ id: "a", waitMillis: 60_000, timeoutMillis: 5000 }).pipe(Effect.provide(CatcherProtection.insecure))
    ),
    Effect.provide([network.layerCatcher("a"), Memory.layer(memory), Progress.layerNone])
  )
  const [report] = yield* inTime(Effect.all([master, catcher], { concurrency: 2 }))
  return { report, differences: Simulation.differences(tree, memory), events, scans }
})

const change = (tree: Array<Memory.Given>) => {
  tree[0] = Simulation.file("a", 700_000, 2)
  tree[1] = Simulation.file("b", 100, 2)
  tree[2] = Simulation.file("new", 5)
}

it.effect("[M-6] what was rewritten, appended to, removed and made while the master waited is sent as it is", () =>
  Effect.gen(function* () {
    const { differences, events, report, scans } = yield* session({ waitMillis: 2000, change })
    assert.deepStrictEqual(differences, [])
    assert.strictEqual(report.catchers[0].state, "Complete")
    assert.deepStrictEqual(
      report.failures.map(({ path }) => path),
      ["closed"]
    )
    assert.strictEqual(scans, 2)
    // what the second scan finds again is not told again, and what it finds anew is
    assert.strictEqual(events.filter((event) => event._tag === "Failed").length, 1)
    assert.deepStrictEqual(
      events.flatMap((event) => (event._tag === "Scanned" ? [event.bytes] : [])),
      [600_200, 700_105]
    )
  })
)

it.effect("[M-6] a scan that is under way for long when the last catcher comes begins anew", () =>
  Effect.gen(function* () {
    const { differences, scans } = yield* session({ waitMillis: 1000, scanMillis: 1500, change })
    assert.deepStrictEqual(differences, [])
    assert.strictEqual(scans, 1)
  })
)

it.effect("[M-6] with its catchers there a session waits for one scan, however long that takes", () =>
  Effect.gen(function* () {
    const { differences, scans } = yield* session({ waitMillis: 0, scanMillis: 1500, change: () => {} })
    assert.deepStrictEqual(differences, [])
    assert.strictEqual(scans, 1)
    assert.isAtLeast(Limits.freshScanMillis, Limits.listenMillis + Limits.spreadMillis)
  })
)
