/**
 * A last round that also closed its file lasted as long as the slowest commit. Seven catchers waited 45 s for one that took 15 s to
 * commit a file, where they need a second; and a file whose source failed in a repair was committed at a catcher that told of a failure.
 * One that took longer than the time-out to open a file was asked to open it anew, again and again, and in the end gave it up.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Catcher from "../../src/catcher/Catcher.ts"
import * as Master from "../../src/master/Master.ts"
import { Progress } from "../../src/report/Progress.ts"
import { CatcherProtection, MasterProtection } from "../../src/session/Exchange.ts"
import { Source, SourceError } from "../../src/source/Source.ts"
import * as Memory from "../../src/store/Memory.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import { mostly } from "../seldom.ts"
import { inJumps, inTime } from "../phase/Rig.ts"
import * as Simulation from "../sessions/Simulation.ts"

const times = { waitMillis: 10_000, timeoutMillis: 2000, pageBytes: 1432 }

/** What steps of the store take, in milliseconds. */
type Steps = Partial<Record<Memory.Operation, number>>

const slow = (steps: Steps) =>
  Memory.make({
    turn: (operation) => {
      const millis = steps[operation]
      return millis === undefined ? Effect.void : Effect.sleep(millis)
    }
  })

/** Files to catchers that take so long: when each had them all, in seconds, and what was said at the master. */
const session = Effect.fnUntraced(function* (
  all: ReadonlyArray<Steps>,
  files = 32,
  link: Omit<Simulated.Options, "seed"> = {},
  timeoutMillis = 2000
) {
  const own = { ...times, timeoutMillis }
  const tree = Array.from({ length: files }, (_, i) => Simulation.file(`f${i}`, 530_000, i))
  const network = yield* Simulated.make({ ...link, seed: 1 })
  const notes: Array<string> = []
  const toMaster = Progress.layerTo((event) => {
    if (event._tag === "Note") notes.push(event.message)
  })
  const master = Master.run({ ...own, catchers: all.length }).pipe(
    Effect.provide(MasterProtection.insecure),
    Effect.provide([network.layerMaster, Memory.sourceLayer(tree), toMaster])
  )
  const seconds = all.map(() => 0)
  const catching = all.map((steps, index) => {
    const memory = slow(steps)
    const progress = Progress.layerTo((event) => {
      if (event._tag === "Tick" && event.files < tree.length) seconds[index] = event.seconds
    })
    return Catcher.run({ ...own, id: `c${index}` }).pipe(
      Effect.provide(CatcherProtection.insecure),
      Effect.provide([network.layerCatcher(`c${index}`), Memory.layer(memory), progress]),
      Effect.map(() => Simulation.differences(tree, memory))
    )
  })
  const [report, ...differences] = yield* Effect.all([master, ...catching], { concurrency: "unbounded" })
  for (const found of differences) assert.deepStrictEqual(found, [])
  return { seconds, notes, report }
}, inJumps(300_000))

describe("a catcher that takes long to commit each file", () => {
  for (const [others, commits, most] of [
    ["seven others", [0, 0, 0, 0, 0, 0, 0, 15_000], 5],
    ["one that takes a barrier's time", [700, 15_000], 6],
    ["itself, where it is alone and commits files side by side,", [3000], 8]
  ] as const)
    it.effect(`costs ${others} no time [Q-12] [Q-16]`, () =>
      Effect.gen(function* () {
        const { seconds } = yield* session(commits.map((commit) => ({ commit })))
        for (const each of commits.length > 1 ? seconds.slice(0, -1) : seconds) assert.isBelow(each, most)
      })
    )

  it.effect("is not said to lack anything", () =>
    Effect.gen(function* () {
      const { notes, report } = yield* session([{}, { commit: 3000 }])
      assert.deepStrictEqual(notes, ["c1 holds up the others, and is sent further files after them"])
      assert.isUndefined(report.catchers[1].straggled)
    })
  )
})

describe("a catcher whose disk takes 100 ms for a block", () => {
  for (const [receiveBufferBytes, most] of mostly([[4_000_000, 7]], [[200_000, 2]]))
    it.effect(`is sent files after the others, with a buffer of ${receiveBufferBytes} bytes [Q-12]`, () =>
      Effect.gen(function* () {
        const link = { delayMillis: 0.2, bytesPerSecond: 100_000_000, receiveBufferBytes }
        const { report, seconds } = yield* session([{}, {}, { write: 100 }], 96, link)
        for (const { state } of report.catchers) assert.strictEqual(state, "Complete")
        for (const each of seconds.slice(0, -1)) assert.isBelow(each, most)
        assert.isAbove(seconds[2], 25)
        assert.isBelow(report.pages.sent, 2.3 * report.pages.needed)
      })
    )
})

describe("a catcher that takes long for each file, and answers each question in time [Q-17]", () => {
  const link = { delayMillis: 0.2, bytesPerSecond: 100_000_000, receiveBufferBytes: 4_000_000 }
  for (const [name, steps, others, most] of mostly<readonly [string, Steps, number, number]>(
    [["100 ms for a block", { write: 100 }, 1, 7]],
    [
      ["half a second to commit it", { commit: 500 }, 8, 5],
      ["100 ms for a block", { write: 100 }, 8, 7],
      ["half a second to open it", { open: 500 }, 8, 5]
    ]
  ))
    it.effect(`${name}: ${others} that are quick are done in half a second and a quarter of the time-out, twice`, () =>
      Effect.gen(function* () {
        const all = [...Array.from({ length: others }, () => ({})), steps]
        const { notes, report, seconds } = yield* session(all, 96, link, 10_000)
        for (const { state } of report.catchers) assert.strictEqual(state, "Complete")
        for (const each of seconds.slice(0, -1)) assert.isBelow(each, most)
        assert.isBelow(report.pages.sent, 2 * report.pages.needed)
        assert.deepStrictEqual(notes, [`c${others} holds up the others, and is sent further files after them`])
      })
    )
  it.effect("of two the slower one is left for later, and not the other with it", () =>
    Effect.gen(function* () {
      const all = [{}, {}, { write: 100 }, { write: 1000 }]
      const { report, seconds } = yield* session(all, 24, link, 10_000)
      for (const { state } of report.catchers) assert.strictEqual(state, "Complete")
      assert.isBelow(Math.max(seconds[0], seconds[1]), 8)
      // by itself it takes seven
      assert.isBelow(seconds[2], 16)
      assert.isBelow(seconds[3], 85)
    })
  )
  it.effect("where all of them take as long, none is left for later", () =>
    Effect.gen(function* () {
      const { notes, report } = yield* session(
        Array.from({ length: 4 }, () => ({ write: 50 })),
        48,
        link,
        10_000
      )
      assert.deepStrictEqual(notes, [])
      assert.isBelow(report.pages.sent, 1.1 * report.pages.needed)
    })
  )
})

describe("a catcher that takes longer than the time-out to open each file [Q-2]", () => {
  for (const [name, open, most] of mostly<readonly [string, number, number]>(
    [["a half more", 3000, 20]],
    [["four times as long", 9000, 80]]
  ))
    it.effect(`${name}: is complete, and the others do not wait for all of it`, () =>
      Effect.gen(function* () {
        const { report, seconds } = yield* session([{}, {}, { open }])
        for (const { failures, state } of report.catchers)
          assert.deepStrictEqual({ state, failures }, { state: "Complete", failures: [] })
        for (const each of seconds.slice(0, -1)) assert.isBelow(each, 6)
        assert.isBelow(seconds[2], most)
      })
    )
})

it.effect("one open that takes longer than the time-out costs its catcher no second sending of all else [Q-2]", () =>
  Effect.gen(function* () {
    const tree = Array.from({ length: 120 }, (_, i) => Simulation.file(`f${i}`, 530_000, i))
    let done = false
    const { master } = yield* Simulation.run({
      ...{ seed: 1, catchers: 2, tree, receiveBufferBytes: 400_000, bytesPerSecond: 10_000_000, delayMillis: 0.2 },
      timeoutMillis: 2000,
      master: { pageBytes: 1432 },
      faults: (catcher) => ({
        turn: (op) =>
          Effect.suspend(() => {
            if (catcher !== 0 || op !== "open" || done) return Effect.void
            done = true
            return Effect.sleep(2500)
          })
      })
    })
    if (master._tag !== "Success") return assert.fail(JSON.stringify(master))
    const { pages } = master.value
    assert.isTrue(done)
    assert.isBelow(pages.sent / pages.needed, 1.1)
  })
)

/** It can be read once, and in a repair no more. */
const readOnce = Layer.effect(
  Source,
  Effect.map(Source, (below) =>
    Source.of({
      ...below,
      open: (entry) =>
        Effect.map(below.open(entry), (file) => {
          let looks = 0
          const failed = new SourceError({ code: "EIO", path: "f", reason: "input/output error (EIO)" })
          return {
            ...file,
            isUntouched: Effect.suspend(() => {
              looks++
              return file.isUntouched
            }),
            read: (offset: number, into: Uint8Array) => (looks >= 2 ? Effect.fail(failed) : file.read(offset, into))
          }
        })
    })
  )
)

it.effect(
  "a source that fails in a repair: no catcher tells of a failure and has the file, nor of none without it [F-4]",
  () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      yield* network.impairLink("c1", "Group", { loss: 0.1 })
      const tree = [Simulation.file("f", 600_000)]
      const master = Master.run({ ...times, catchers: 2, repair: "resend" }).pipe(
        Effect.provide(MasterProtection.insecure),
        Effect.provide([network.layerMaster, Layer.provide(readOnce, Memory.sourceLayer(tree)), Progress.layerNone])
      )
      const memories = [Memory.make(), Memory.make()]
      const catchers = memories.map((memory, i) =>
        Catcher.run({ ...times, id: `c${i}` }).pipe(
          Effect.provide(CatcherProtection.insecure),
          Effect.provide([network.layerCatcher(`c${i}`), Memory.layer(memory), Progress.layerNone])
        )
      )
      const [report, ...own] = yield* inTime(Effect.all([master, ...catchers], { concurrency: 3 }))
      const stands = memories.map(({ tree }) => tree.has("f"))
      assert.deepStrictEqual(
        own.map(({ catchers: [{ failures }] }) => failures.length === 0),
        stands
      )
      assert.deepStrictEqual(
        report.catchers.map(({ files }) => files === 1),
        stands
      )
      assert.isAbove(report.failures.length, 0, "the source has to fail")
    })
)
