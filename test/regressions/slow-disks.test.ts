/**
 * A catcher whose disk took a second for each block was lost, though no single step took longer than the time-out. It was silent,
 * because it took all that its receive buffer held for one piece of work; it was mute, because a question waited behind that for longer
 * than 12 time-outs; and one beside it was mute, because a poll had been lost after which nothing was sent. And one was mute that made
 * many entries before it answered, each of them soon.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Catcher from "../../src/catcher/Catcher.ts"
import * as Master from "../../src/master/Master.ts"
import type { Limit } from "../../src/report/Event.ts"
import { Progress } from "../../src/report/Progress.ts"
import { CatcherProtection, MasterProtection } from "../../src/session/Exchange.ts"
import * as Memory from "../../src/store/Memory.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import { inJumps } from "../phase/Rig.ts"
import { mostly } from "../seldom.ts"
import * as Simulation from "../sessions/Simulation.ts"

const link = { delayMillis: 0.2, bytesPerSecond: 100_000_000, receiveBufferBytes: 4_000_000 }

interface Case {
  /** What a step of the store takes at each catcher, in milliseconds. */
  readonly millis: ReadonlyArray<number>
  /** The steps that take so long; a block written where it is not given. */
  readonly step?: Memory.Operation
  /** Instead of `files` of `size`. */
  readonly tree?: ReadonlyArray<Memory.Given>
  readonly files?: number
  readonly size?: number
  readonly timeoutMillis?: number
  readonly more?: Omit<Simulated.Options, "seed">
  /** Of the links to all but the first catcher. */
  readonly bytesPerSecond?: number
}

const filesOf = (count: number, size: number) =>
  Array.from({ length: count }, (_, i) => Simulation.file(`f${i}`, size, i))
const hundred = <A>(each: (i: number) => A) => Array.from({ length: 100 }, (_, i) => each(i))

/** Catchers that were lost, and what is not as at the source; how each catcher ended. */
const session = Effect.fnUntraced(function* (options: Case) {
  const { bytesPerSecond, files = 32, millis, more, size = 530_000, step = "write", timeoutMillis = 2000 } = options
  const own = { waitMillis: 10_000, timeoutMillis, pageBytes: 1432 }
  const { tree = filesOf(files, size) } = options
  const network = yield* Simulated.make({ ...link, ...more, seed: 1 })
  const lost: Array<string> = []
  const limits: Array<Limit> = []
  const toMaster = Progress.layerTo((event) => {
    if (event._tag === "Lost") lost.push(`${event.id}: ${event.reason}`)
    if (event._tag === "Tick" && event.limit !== undefined) limits.push(event.limit)
  })
  const master = Master.run({ ...own, catchers: millis.length }).pipe(
    Effect.provide(MasterProtection.insecure),
    Effect.provide([network.layerMaster, Memory.sourceLayer(tree), toMaster])
  )
  const catching = millis.map((stepMillis, index) => {
    const memory = Memory.make({ turn: (done) => (done === step ? Effect.sleep(stepMillis) : Effect.void) })
    return Catcher.run({ ...own, id: `c${index}` }).pipe(
      Effect.provide(CatcherProtection.insecure),
      Effect.provide([network.layerCatcher(`c${index}`), Memory.layer(memory), Progress.layerNone]),
      Effect.exit,
      Effect.map((exit) => ({ isWell: Exit.isSuccess(exit), differences: Simulation.differences(tree, memory) }))
    )
  })
  if (bytesPerSecond !== undefined)
    for (const index of millis.keys())
      if (index > 0)
        yield* network.impairLink(`c${index}`, "Group", { narrow: { bytesPerSecond, queueBytes: 1_000_000 } })
  const [, ...ends] = yield* Effect.all([master, ...catching], { concurrency: "unbounded" })
  return { lost, ends, limits }
}, inJumps(600_000))

const areWell = (cases: ReadonlyArray<readonly [string, Case]>) => {
  for (const [name, options] of cases)
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
}

describe("catchers whose disks take less than the time-out for each block [Q-2] [Q-10]", () =>
  areWell(
    mostly<readonly [string, Case]>(
      [
        ["two, of which one takes half of it", { millis: [0, 0, 100, 1000] }],
        ["two, and pages that are lost", { millis: [0, 100, 1000], files: 16, more: { lossAtSender: 0.02 } }],
        ["four, with a short time-out", { millis: [0, 50, 100, 500, 900], files: 24, timeoutMillis: 1000 }]
      ],
      [
        ["one that takes half of it", { millis: [0, 1000] }],
        ["one that takes three quarters of it", { millis: [0, 0, 1500], files: 16 }],
        ["two, and files of many blocks", { millis: [0, 0, 100, 1000], size: 2_000_000, files: 16 }]
      ]
    )
  ))

describe("catchers whose disks take so long for each of many entries [Q-2]", () => {
  const directories = hundred((i) => Simulation.directory(`d${i}`))
  const links = hundred((i) => Simulation.hardLink(`h${i}`, 0))
  areWell([
    ["directories", { millis: [0, 400], step: "prepare", tree: [...directories, ...filesOf(2, 3000)] }],
    ["small files", { millis: [0, 150], step: "commit", tree: filesOf(100, 3000) }],
    ["empty files, and all catchers slow", { millis: [150, 200], step: "commit", tree: filesOf(100, 0) }],
    ["hard links", { millis: [0, 200], step: "commit", tree: [...filesOf(1, 3000), ...links] }]
  ])
})

describe("a catcher behind a slow link", () => {
  it.effect("that makes many entries is a slow machine while nothing but its answer is waited for", () =>
    Effect.gen(function* () {
      const directories = hundred((i) => Simulation.directory(`d${i}`)).slice(0, 10)
      const tree = [...directories, ...filesOf(1000, 300)]
      const { limits } = yield* session({ millis: [0, 500], step: "prepare", tree, bytesPerSecond: 500_000 })
      const waits = limits.filter(({ by, catchers }) => by === "Work" && catchers.includes("c1"))
      assert.isAbove(waits.length, 5)
      assert.deepStrictEqual([...new Set(waits.map(({ why }) => why))], ["slow machine"])
    })
  )

  it.effect("is behind a slow link while that carries what was sent before the question", () =>
    Effect.gen(function* () {
      const { limits } = yield* session({ millis: [0, 0], tree: filesOf(4, 2_000_000), bytesPerSecond: 500_000 })
      const waits = limits.filter(({ by, catchers }) => by === "Work" && catchers.includes("c1"))
      assert.isAbove(waits.length, 1)
      assert.deepStrictEqual([...new Set(waits.map(({ why }) => why))], ["slow link"])
    })
  )
})
