/**
 * A catcher that takes longer to commit files than to receive them was asked to open more and more of them, and in the end refused:
 * a third of 200,000 small files never came to it, on a machine that had much else to do.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Semaphore from "effect/Semaphore"
import * as Catcher from "../../src/catcher/Catcher.ts"
import * as Master from "../../src/master/Master.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import { Progress } from "../../src/report/Progress.ts"
import { CatcherProtection, MasterProtection } from "../../src/session/Exchange.ts"
import * as Memory from "../../src/store/Memory.ts"
import { Store, StoreError } from "../../src/store/Store.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import * as Policy from "../../src/tree/Policy.ts"
import { inTime } from "../phase/Rig.ts"
import * as Simulation from "../sessions/Simulation.ts"

const timeoutMillis = 2000
const commitMillis = timeoutMillis / 8

/** Commits files one after the other: those that are in flight take four times as long as a close is waited for. */
const slowly = Layer.effect(
  Store,
  Effect.gen(function* () {
    const below = yield* Store
    const committing = yield* Semaphore.make(1)
    return Store.of({
      ...below,
      open: (carried, reusing) =>
        Effect.map(below.open(carried, reusing), (writer) => ({
          ...writer,
          commit: (skip: (member: number) => boolean) =>
            committing.withPermit(Effect.andThen(Effect.sleep(commitMillis), writer.commit(skip)))
        }))
    })
  })
)

/** A session with catchers that are slow or not. Answers until when each lacked files, in seconds, and how often a page was sent. */
const session = Effect.fnUntraced(function* (slow: ReadonlyArray<boolean>) {
  const tree = Array.from({ length: 2 * Limits.openFiles }, (_, i) => Simulation.file(`f${i}`, 530_000, i))
  const network = yield* Simulated.make({ seed: 1 })
  const master = Master.run({ catchers: slow.length, pageBytes: 1432, waitMillis: 10_000, timeoutMillis }).pipe(
    Effect.provide(MasterProtection.insecure),
    Effect.provide([network.layerMaster, Memory.sourceLayer(tree), Progress.layerNone])
  )
  const seconds = slow.map(() => 0)
  const catching = slow.map((isSlow, index) => {
    const memory = Memory.make()
    const store = Memory.layer(memory)
    const progress = Progress.layerTo((event) => {
      if (event._tag === "Tick" && event.files < tree.length) seconds[index] = event.seconds
    })
    return Catcher.run({ id: `c${index}`, waitMillis: 10_000, timeoutMillis }).pipe(
      Effect.provide(CatcherProtection.insecure),
      Effect.provide([network.layerCatcher(`c${index}`), isSlow ? Layer.provide(slowly, store) : store, progress]),
      Effect.map(() => Simulation.differences(tree, memory))
    )
  })
  const [report, ...differences] = yield* inTime(Effect.all([master, ...catching], { concurrency: "unbounded" }))
  for (const { failures, state } of report.catchers)
    assert.deepStrictEqual({ state, failures }, { state: "Complete", failures: [] })
  for (const found of differences) assert.deepStrictEqual(found, [])
  const atOnce = (tree.length * commitMillis) / 1000
  return { seconds, atOnce, sent: report.pages.sent / report.pages.needed }
})

describe("files that take longer to be committed than to come", () => {
  it.effect("wait for their place at the catcher [F-7]", () =>
    Effect.gen(function* () {
      const { atOnce, seconds, sent } = yield* session([true, true])
      for (const each of seconds) assert.isBelow(each, 1.1 * atOnce)
      assert.isBelow(sent, 1.1)
    })
  )

  it.effect("hold up no other catcher, and take that one no longer [Q-12]", () =>
    Effect.gen(function* () {
      const { atOnce, seconds, sent } = yield* session([true, false])
      assert.isBelow(seconds[0], 1.1 * atOnce)
      assert.isBelow(seconds[1], 0.2 * atOnce)
      assert.isBelow(sent, 2)
    })
  )
})

const shortTimeoutMillis = 1000

/** A disk that takes a whole time-out for each piece of a file that is read once more. */
const readSlowly = Layer.effect(
  Store,
  Effect.map(Store, (below) =>
    Store.of({
      ...below,
      open: (carried, reusing) =>
        Effect.map(below.open(carried, reusing), (writer) => {
          if (carried.kind !== "Single") return writer
          const read = (offset: number, into: Uint8Array) =>
            Effect.andThen(Effect.sleep(shortTimeoutMillis), writer.read(offset, into))
          const changed = new StoreError({ code: "ESTALE", path: "f", reason: "another program wrote to it" })
          const commit: typeof writer.commit = (skip, isRight = Effect.succeed(true)) =>
            Effect.flatMap(isRight, (right) => (right ? writer.commit(skip) : Effect.fail(changed)))
          return { ...writer, commit, read }
        })
    })
  )
)

describe("a file that takes long to be read before it is committed [F-11]", () => {
  it.effect("is waited for as long as that gets on, which is shown", () =>
    Effect.gen(function* () {
      const size = 3 * Limits.questionTimeouts * Limits.blockPages * 1432
      const tree = [Simulation.file("f", size, 1)]
      const network = yield* Simulated.make({ seed: 1 })
      const memory = Memory.make()
      const read: Array<number> = []
      const progress = Progress.layerTo((event) => {
        if (event._tag !== "Tick" || event.phase !== "Finishing" || event.looking === undefined) return
        assert.deepStrictEqual(event.catchers[0].looking, event.looking)
        assert.strictEqual(event.looking.total, size)
        read.push(event.looking.bytes / size)
      })
      const master = Master.run({
        catchers: 1,
        policy: { ...Policy.defaults, isInPlace: true },
        pageBytes: 1432,
        waitMillis: 10_000,
        timeoutMillis: shortTimeoutMillis
      }).pipe(
        Effect.provide(MasterProtection.insecure),
        Effect.provide([network.layerMaster, Memory.sourceLayer(tree), progress])
      )
      const catching = Catcher.run({ id: "c0", waitMillis: 10_000, timeoutMillis: shortTimeoutMillis }).pipe(
        Effect.provide(CatcherProtection.insecure),
        Effect.provide([
          network.layerCatcher("c0"),
          Layer.provide(readSlowly, Memory.layer(memory)),
          Progress.layerNone
        ])
      )
      const [report] = yield* inTime(Effect.all([master, catching], { concurrency: "unbounded" }))
      assert.strictEqual(report.catchers[0].state, "Complete")
      assert.deepStrictEqual(Simulation.differences(tree, memory), [])
      assert.isBelow(read[0], 0.2)
      assert.isAbove(read.at(-1)!, 0.8)
    })
  )
})
