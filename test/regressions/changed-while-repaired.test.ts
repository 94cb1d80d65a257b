/** A file that changed between its stream and its repairs once counted as a failure of the catchers that needed them. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Catcher from "../../src/catcher/Catcher.ts"
import * as Master from "../../src/master/Master.ts"
import { Progress } from "../../src/report/Progress.ts"
import { Source } from "../../src/source/Source.ts"
import * as Memory from "../../src/store/Memory.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import { inTime } from "../phase/Rig.ts"
import * as Simulation from "../sessions/Simulation.ts"
import { CatcherProtection, MasterProtection } from "../../src/session/Exchange.ts"

/** Content that is another one when it is read for the second time. */
const changing = Layer.effect(
  Source,
  Effect.map(Source, (below) =>
    Source.of({
      ...below,
      open: Effect.fnUntraced(function* (entry) {
        const file = yield* below.open(entry)
        let readTo = 0
        let changed = false
        return {
          ...file,
          read: (offset, into) =>
            Effect.map(file.read(offset, into), () => {
              changed ||= offset < readTo
              readTo = Math.max(readTo, offset + into.length)
              if (changed) into.forEach((byte, i) => (into[i] = byte ^ 0xff))
            }),
          isUntouched: Effect.succeed(true)
        }
      })
    })
  )
)

it.effect("a file that changes while it is repaired is no catcher's failure", () =>
  Effect.gen(function* () {
    const tree = [Simulation.file("a", 600_000), Simulation.file("b", 100)]
    const network = yield* Simulated.make({ seed: 1, loss: 0.05 })
    const memory = Memory.make()
    const times = { waitMillis: 5000, timeoutMillis: 5000 }
    const master = Master.run({ ...times, catchers: 1, pageBytes: 1432 }).pipe(
      Effect.provide(MasterProtection.insecure),
      Effect.provide([network.layerMaster, Layer.provide(changing, Memory.sourceLayer(tree)), Progress.layerNone])
    )
    const catcher = Catcher.run({ ...times, id: "a" }).pipe(
      Effect.provide(CatcherProtection.insecure),
      Effect.provide([network.layerCatcher("a"), Memory.layer(memory), Progress.layerNone])
    )
    const [report] = yield* inTime(Effect.all([master, catcher], { concurrency: 2 }))
    assert.deepStrictEqual(
      report.failures.map(({ kind, path }) => [path, kind]),
      [["a", "Changed"]]
    )
    assert.deepStrictEqual(report.catchers[0].failures, [])
    assert.strictEqual(report.catchers[0].state, "Complete")
    assert.deepStrictEqual([...memory.tree.keys()], ["b"])
  })
)
