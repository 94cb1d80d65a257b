/**
 * A catcher whose disk took a second for each block was lost, though no single step took longer than the time-out. It was silent,
 * because it took all that its receive buffer held for one piece of work; it was mute, because a question waited behind that for longer
 * than 12 time-outs; and one beside it was mute, because a poll had been lost after which nothing was sent.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Catcher from "../../src/catcher/Catcher.ts"
import * as Master from "../../src/master/Master.ts"
import { Progress } from "../../src/report/Progress.ts"
import { CatcherProtection, MasterProtection } from "../../src/session/Exchange.ts"
import * as Memory from "../../src/store/Memory.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import { inTime } from "../phase/Rig.ts"
import * as Simulation from "../sessions/Simulation.ts"

const link = { delayMillis: 0.2, bytesPerSecond: 100_000_000, receiveBufferBytes: 4_000_000 }

interface Case {
  /** What a block takes at each catcher, in milliseconds. */
  readonly writes: ReadonlyArray<number>
  readonly files?: number
  readonly size?: number
  readonly timeoutMillis?: number
  readonly more?: Omit<Simulated.Options, "seed">
}

/** Catchers that were lost, and what is not as at the source; how each catcher ended. */
const session = Effect.fnUntraced(function* ({ files = 32, more, size = 530_000, timeoutMillis = 2000, writes }: Case) {
  const own = { waitMillis: 10_000, timeoutMillis, pageBytes: 1432 }
  const tree = Array.from({ length: files }, (_, i) => Simulation.file(`f${i}`, size, i))
  const network = yield* Simulated.make({ ...link, ...more, seed: 1 })
  const lost: Array<string> = []
  const toMaster = Progress.layerTo((event) => {
    if (event._tag === "Lost") lost.push(`${event.id}: ${event.reason}`)
  })
  const master = Master.run({ ...own, catchers: writes.length }).pipe(
    Effect.provide(MasterProtection.insecure),
    Effect.provide([network.layerMaster, Memory.sourceLayer(tree), toMaster])
  )
  const catching = writes.map((write, index) => {
    const memory = Memory.make({ turn: (step) => (step === "write" ? Effect.sleep(write) : Effect.void) })
    return Catcher.run({ ...own, id: `c${index}` }).pipe(
      Effect.provide(CatcherProtection.insecure),
      Effect.provide([network.layerCatcher(`c${index}`), Memory.layer(memory), Progress.layerNone]),
      Effect.exit,
      Effect.map((exit) => ({ isWell: Exit.isSuccess(exit), differences: Simulation.differences(tree, memory) }))
    )
  })
  const [, ...ends] = yield* inTime(Effect.all([master, ...catching], { concurrency: "unbounded" }), 600_000)
  return { lost, ends }
})

describe("catchers whose disks take less than the time-out for each block [Q-2] [Q-10]", () => {
  for (const [name, options] of [
    ["one that takes half of it", { writes: [0, 1000] }],
    ["one that takes three quarters of it", { writes: [0, 0, 1500], files: 16 }],
    ["two, of which one takes half of it", { writes: [0, 0, 100, 1000] }],
    ["two, and files of many blocks", { writes: [0, 0, 100, 1000], size: 2_000_000, files: 16 }],
    ["two, and pages that are lost", { writes: [0, 100, 1000], files: 16, more: { lossAtSender: 0.02 } }],
    ["four, with a short time-out", { writes: [0, 50, 100, 500, 900], files: 24, timeoutMillis: 1000 }]
  ] as ReadonlyArray<readonly [string, Case]>)
    it.effect(
      `${name}: none is lost, and all are complete`,
      () =>
        Effect.gen(function* () {
          const { ends, lost } = yield* session(options)
          assert.deepStrictEqual(lost, [])
          for (const end of ends) assert.deepStrictEqual(end, { isWell: true, differences: [] })
        }),
      60_000
    )
})
