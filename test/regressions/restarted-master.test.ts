/**
 * After `kill -9` of a master every `send` on its group failed at once for 10 s: the catchers of the dead session spoke for
 * it. And a group that was busy was not waited for.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Catcher from "../../src/catcher/Catcher.ts"
import * as Master from "../../src/master/Master.ts"
import { type Event, Progress } from "../../src/report/Progress.ts"
import * as Engine from "../../src/simulate/Simulation.ts"
import * as Tree from "../../src/simulate/Tree.ts"
import * as Memory from "../../src/store/Memory.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import { inTime, puppet } from "../phase/Rig.ts"
import { CatcherProtection, MasterProtection } from "../../src/session/Exchange.ts"
import * as Codec from "../../src/wire/Codec.ts"

const tree = [Tree.file("a", 600_000), Tree.file("b", 5000)]
/** How long the tree takes at the rate of these tests, and a little. */
const bytesPerSecond = 1_200_000
const sendMillis = 700

describe("a master that was killed is started again [J-4] [J-12]", () => {
  for (const [pauseMillis, loss] of [
    [0, 0],
    [100, 0.05],
    [700, 0],
    [1500, 0.1],
    [6000, 0]
  ] as const) {
    it.effect(`after ${pauseMillis} ms, with ${100 * loss} % loss: its catchers are there within two seconds`, () =>
      Effect.gen(function* () {
        let restartedMillis = 0
        let reportedMillis = 0
        let clock = () => 0
        const outcome = yield* Engine.run({
          seed: 3,
          catchers: 3,
          tree,
          network: { delayMillis: 1, loss },
          master: { bytesPerSecond, pageBytes: 1432 },
          observer: { masterReports: () => void (reportedMillis = clock()) },
          meanwhile: ({ master, now }) =>
            Effect.gen(function* () {
              clock = now
              yield* Effect.sleep(300)
              yield* master.crash
              yield* Effect.sleep(pauseMillis)
              restartedMillis = now()
              master.start()
            })
        })
        if (outcome.master?._tag !== "Success") return yield* Effect.die(outcome.master)
        const { catchers, seconds } = outcome.master.value
        assert.deepStrictEqual(catchers.map(({ id, state }) => `${id} ${state}`).sort(), [
          "c1 Complete",
          "c2 Complete",
          "c3 Complete"
        ])
        assert.isBelow(seconds * 1000, sendMillis * 2)
        assert.isBelow(reportedMillis - restartedMillis - seconds * 1000, 2000)
        for (const exit of outcome.catchers) assert.strictEqual(exit?._tag, "Success")
        for (const { memory } of outcome.hosts) assert.deepStrictEqual([...memory.tree.keys()].sort(), ["a", "b"])
      })
    )
  }
})

describe("a catcher that stood still while its master died", () => {
  it.effect("does not speak for it when it reads what waited: the next master goes on [J-4]", () =>
    Effect.gen(function* () {
      const outcome = yield* Engine.run({
        ...{ seed: 3, catchers: 2, tree, network: { delayMillis: 1 } },
        // a third one never comes
        master: { pageBytes: 1432, catchers: 3, atLeast: 1, waitMillis: 6000 },
        meanwhile: ({ hosts: [host], master }) =>
          Effect.gen(function* () {
            yield* Effect.sleep(300)
            host.freeze()
            yield* Effect.sleep(600)
            yield* master.crash
            yield* Effect.sleep(100)
            master.start()
            // just before the wait of the second ends
            yield* Effect.sleep(5800)
            host.thaw()
          })
      })
      if (outcome.master?._tag !== "Success") return yield* Effect.die(outcome.master)
      assert.include(statesOf(outcome.master.value), "c2 Complete")
      assert.strictEqual(outcome.hosts[1].attempts, 1)
    })
  )
})

/** Masters and catchers by name on one network. */
const stage = Effect.gen(function* () {
  const network = yield* Simulated.make({ seed: 5, delayMillis: 1 })
  const events: Array<{ readonly of: string; readonly event: Event; readonly millis: number }> = []
  const listening = (of: string) =>
    Layer.unwrap(
      Effect.map(Clock.clockWith(Effect.succeed), (clock) =>
        Progress.layerTo((event) => void events.push({ of, event, millis: clock.currentTimeMillisUnsafe() }))
      )
    )
  const master = (name: string, options: Partial<Master.Options> = {}) =>
    Master.run({
      ...{ catchers: 2, waitMillis: 30_000, timeoutMillis: 10_000, pageBytes: 1432, bytesPerSecond },
      ...options
    }).pipe(
      Effect.provide(MasterProtection.insecure),
      Effect.provide([network.layerMasterNamed(name), Memory.sourceLayer(tree), listening(name)])
    )
  const catcher = (id: string, waitMillis = 30_000) =>
    Catcher.run({ id, waitMillis, timeoutMillis: 10_000 }).pipe(
      Effect.provide(CatcherProtection.insecure),
      Effect.provide([network.layerCatcher(id), Memory.layer(Memory.make()), listening(id)])
    )
  const notes = (of: string) =>
    events.flatMap(({ event, of: name }) => (name === of && event._tag === "Note" ? [event.message] : []))
  const at = (of: string, tag: Event["_tag"]) => events.find((it) => it.of === of && it.event._tag === tag)?.millis
  return { network, master, catcher, events, notes, at }
})

const statesOf = ({ catchers }: Effect.Success<ReturnType<typeof Master.run>>) =>
  catchers.map(({ id, state }) => `${id} ${state}`).sort()
const whole = ["c1 Complete", "c2 Complete"]

describe("a group that is busy", () => {
  it.effect("is waited for: the next session begins when the first has ended, and has its catchers [J-4]", () =>
    Effect.gen(function* () {
      const { at, catcher, master, notes } = yield* stage
      const [first, second] = yield* inTime(
        Effect.all(
          [
            master("m1"),
            Effect.delay(master("m2"), 300),
            Effect.andThen(catcher("c1"), catcher("c1")),
            Effect.andThen(catcher("c2"), catcher("c2"))
          ],
          { concurrency: "unbounded" }
        )
      )
      assert.deepStrictEqual([statesOf(first), statesOf(second)], [whole, whole])
      assert.lengthOf(notes("m2"), 1)
      assert.match(notes("m2")[0], /another master \(10\..*\) uses this group; waiting for it to end/)
      // at its last word, not when it would have been silent for long
      assert.isBelow(at("m2", "Started")! - at("m1", "Report")!, 600)
    })
  )

  it.effect("and stays so for the whole wait: GroupBusy then, and the first session has lost nothing [J-4]", () =>
    Effect.gen(function* () {
      const { catcher, master } = yield* stage
      const [first, error] = yield* inTime(
        Effect.all(
          [
            master("m1", { bytesPerSecond: 150_000 }),
            Effect.delay(Effect.flip(master("m2", { waitMillis: 1500 })), 300),
            catcher("c1"),
            catcher("c2")
          ],
          { concurrency: "unbounded" }
        )
      )
      assert.deepStrictEqual(statesOf(first), whole)
      assert.deepInclude(error, { _tag: "GroupBusy", waitedMillis: 1500 })
      assert.include(error.message, "--wait")
    })
  )

  for (const leftMillis of [64, 850]) {
    it.effect(`not by a last word ${leftMillis} ms before the wait ends: those that were let go come back [J-4]`, () =>
      Effect.gen(function* () {
        const { catcher, master, network } = yield* stage
        const sessions = new Set<bigint>()
        const { transport } = yield* puppet(network.layerCatcher("late"), (message) => {
          sessions.add(message.session)
          return []
        })
        const hearsay = Effect.suspend(() => {
          const [session] = sessions
          const decline = { _tag: "Decline", session, incarnation: 9, silentMillis: 0, master: "10.0.0.99:1" } as const
          return transport.sendTo(network.addressOf("m1")!, Codec.encode(decline))
        })
        yield* Effect.forkScoped(Effect.delay(hearsay, 5000 - leftMillis))
        // a third one never comes
        const begun = master("m1", { catchers: 3, atLeast: 2, waitMillis: 5000 })
        const [report] = yield* inTime(Effect.all([begun, catcher("c1"), catcher("c2")], { concurrency: "unbounded" }))
        assert.includeMembers(statesOf(report), whole)
      })
    )
  }

  it.effect("two masters at the same time: the younger lets go what has joined it, and waits [J-4]", () =>
    Effect.gen(function* () {
      const { catcher, master } = yield* stage
      const [first, second] = yield* inTime(
        Effect.all(
          [
            master("m1"),
            Effect.delay(master("m2"), 1),
            Effect.andThen(catcher("c1"), catcher("c1")),
            Effect.andThen(catcher("c2"), catcher("c2"))
          ],
          { concurrency: "unbounded" }
        )
      )
      assert.deepStrictEqual([statesOf(first), statesOf(second)], [whole, whole])
    })
  )

  it.effect("by a master that is cut off for 2 s while another one waits: nobody leaves it [J-4] [J-12]", () =>
    Effect.gen(function* () {
      const { catcher, events, master, network } = yield* stage
      const cut = Effect.gen(function* () {
        yield* Effect.sleep(700)
        yield* network.partition("m1")
        yield* Effect.sleep(2000)
        yield* network.unpartition("m1")
      })
      const [first] = yield* inTime(
        Effect.gen(function* () {
          const waiting = yield* Effect.forkChild(Effect.delay(master("m2"), 300))
          const ended = yield* Effect.all(
            [master("m1", { bytesPerSecond: 300_000 }), cut, catcher("c1"), catcher("c2")],
            { concurrency: "unbounded" }
          )
          yield* Fiber.interrupt(waiting)
          return ended
        })
      )
      assert.deepStrictEqual(statesOf(first), whole)
      assert.deepStrictEqual(
        events.filter(({ event }) => event._tag === "Lost"),
        []
      )
    })
  )
})
