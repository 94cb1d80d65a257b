/**
 * A catcher that lost a third was shown at 96 % when it had 16 %, the session at 100 % for the half of its time that the repairs
 * took, and nothing said which one it was and why.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Catcher from "../../src/catcher/Catcher.ts"
import * as Picture from "../../src/cli/Picture.ts"
import * as View from "../../src/cli/View.ts"
import * as Master from "../../src/master/Master.ts"
import { type Event, Progress } from "../../src/report/Progress.ts"
import * as Memory from "../../src/store/Memory.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import { inJumps } from "../phase/Rig.ts"
import * as Simulation from "../sessions/Simulation.ts"
import { CatcherProtection, MasterProtection } from "../../src/session/Exchange.ts"

type Tick = Extract<Event, { readonly _tag: "Tick" }>

const total = 1_500_000
const tree = [
  Simulation.file("large", total - 10 * 20_000),
  ...Array.from({ length: 10 }, (_, i) => Simulation.file(`small ${i}`, 20_000, i))
]

const telling = () => {
  const said: Array<Event> = []
  return { said, layer: Progress.layerTo((event) => void said.push(event)) }
}

const ticks = (said: ReadonlyArray<Event>) => said.filter((event): event is Tick => event._tag === "Tick")

/** A session with so many catchers, one of which loses a part of what it is sent; what the master tells, and what that one does. */
const session = Effect.fnUntraced(function* (count: number, loss: number) {
  const network = yield* Simulated.make({ seed: 7, delayMillis: 1 })
  const [master, lossy] = [telling(), telling()]
  const times = { waitMillis: 10_000, timeoutMillis: 4000 }
  const catcher = (i: number) =>
    Catcher.run({ id: `c${i}`, ...times }).pipe(
      Effect.provide(CatcherProtection.insecure),
      Effect.provide([
        network.layerCatcher(`c${i}`),
        Memory.layer(Memory.make()),
        i === 0 ? lossy.layer : Progress.layerNone
      ])
    )
  const sending = Master.run({ ...times, catchers: count, pageBytes: 1432, bytesPerSecond: 250_000 }).pipe(
    Effect.provide(MasterProtection.insecure),
    Effect.provide([network.layerMaster, Memory.sourceLayer(tree), master.layer])
  )
  yield* network.impairLink("c0", "Group", { loss })
  const indices = Array.from({ length: count }, (_, i) => i)
  const both = Effect.all([sending, Effect.forEach(indices, catcher, { concurrency: count })], { concurrency: 2 })
  const [report] = yield* both
  return { report, master: master.said, lossy: lossy.said }
}, inJumps(120_000))

describe("what a master shows while it sends", () => {
  // the pace is that of 32: what the others hold is asked of them now and then
  for (const count of [4, 34]) {
    it.effect(`each of ${count} catchers has what it says, and the session is at its end when all have all`, () =>
      Effect.gen(function* () {
        const { lossy, master, report } = yield* session(count, 0.3)
        assert.isTrue(report.catchers.every(({ state }) => state === "Complete"))
        const shown = ticks(master)
        const [last] = shown.slice(-1)
        const half = shown[Math.floor(shown.length / 2)]
        const own = ticks(lossy)
        const ownEnd = own[own.length - 1].seconds
        for (const tick of shown) {
          const view = tick.catchers.find(({ id }) => id === "c0")!
          // its own clock begins with its first page
          const before = own.filter(({ seconds }) => seconds <= tick.seconds + 0.5).map(({ bytes }) => bytes)
          const has = tick.seconds + 0.5 > ownEnd ? total : Math.max(0, ...before)
          assert.isAtMost(view.bytes, has, `after ${tick.seconds} s`)
          assert.isAtMost(tick.bytes, view.state === "Complete" ? total : view.bytes)
        }
        assert.isAbove(half.bytes, 0.2 * total)
        assert.isBelow(half.bytes, 0.8 * total)
        assert.isAbove(last.bytes, 0.9 * total)
        // the whole of it is not said before the last tenth of the time
        const whole = shown.find(({ bytes }) => bytes === total)
        assert.isAbove(whole?.seconds ?? report.seconds, 0.9 * report.seconds - 0.5)
        const phases = [...new Set(shown.map(({ phase }) => phase))]
        assert.deepStrictEqual(phases.slice(0, 2), ["Sending", "Repairing"])
      })
    )
  }

  it.effect("which one is behind and why, as soon as it shows", () =>
    Effect.gen(function* () {
      const { master, report } = yield* session(4, 0.3)
      const told = ticks(master).find(({ catchers }) => catchers.some(({ straggled }) => straggled !== undefined))
      const slow = told?.catchers.filter(({ state }) => state === "Slow")
      assert.deepStrictEqual(
        slow?.map(({ id, straggled }) => [id, straggled]),
        [["c0", "loss"]]
      )
      assert.isBelow(told?.seconds ?? Infinity, report.seconds / 2)
    })
  )

  it.effect("how long it takes yet is right within a factor of two from the first third on", () =>
    Effect.gen(function* () {
      const { master, report } = yield* session(4, 0.3)
      let view = View.initial({ role: "Send", verbosity: "Normal", where: "" })
      for (const event of master) {
        view = View.step(view, event)[0]
        if (event._tag !== "Tick" || event.phase === "Finishing" || event.seconds < report.seconds / 3) continue
        const [line] = Picture.picture(view, { columns: 40, rows: 24 })
        const [, minutes, seconds] = /(\d+):(\d\d) left/.exec(line) ?? []
        const left = Number(minutes) * 60 + Number(seconds)
        const truth = report.seconds - event.seconds
        assert.isTrue(left <= 2 * truth + 1 && left >= truth / 2 - 1, `${line}, and ${truth.toFixed(1)} s were left`)
      }
    })
  )

  it.effect("every file as it is complete, once, and then every catcher, there and here", () =>
    Effect.gen(function* () {
      const { lossy, master } = yield* session(4, 0.1)
      const names = tree.map(({ entry }) => Buffer.from(entry.path).toString()).sort()
      for (const said of [master, lossy]) {
        const paths = said.flatMap((event) => (event._tag === "FileCompleted" ? [event.path] : []))
        assert.deepStrictEqual(paths.sort(), names)
      }
      const completed = (said: ReadonlyArray<Event>) =>
        said.flatMap((event) => (event._tag === "Completed" ? [event.id] : []))
      assert.deepStrictEqual(completed(lossy), ["c0"])
      // none waits with its tree for one that is behind
      assert.deepStrictEqual(completed(master).toSorted(), ["c0", "c1", "c2", "c3"])
      for (const said of [master, lossy]) {
        assert.isAbove(
          said.findIndex((event) => event._tag === "Completed" && event.id === "c0"),
          said.findLastIndex(({ _tag }) => _tag === "FileCompleted")
        )
      }
    })
  )
})
