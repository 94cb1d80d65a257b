/** The simulator's engine: what can be done to a machine, and that a seed says it all. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Limits from "../../src/protocol/Limits.ts"
import * as Simulation from "../../src/simulate/Simulation.ts"
import * as Tree from "../../src/simulate/Tree.ts"
import { destination } from "../../src/store/Memory.ts"

const tree = [Tree.directory("d"), Tree.file("d/large", 900_000), Tree.file("d/small", 1000, 2)]
const slow = { bytesPerSecond: 500_000 }

const namesOn = (host: Simulation.Host): ReadonlyArray<string> => {
  const top = host.volume.find(destination)
  return top?._tag === "Directory" ? [...host.volume.walk(top)].map(([name]) => name).sort() : []
}

const stateOf = (outcome: Simulation.Outcome, id: string) =>
  outcome.master?._tag === "Success" ? outcome.master.value.catchers.find((one) => one.id === id)?.state : undefined

describe("the engine", () => {
  it.effect("the same seed is the same session, to the datagram", () =>
    Effect.gen(function* () {
      const run = (seed: number) =>
        Simulation.run({
          seed,
          catchers: 4,
          tree,
          network: { loss: 0.1, delayMillis: 1.5, jitterMillis: 3, glued: true }
        })
      const [one, two, other] = [yield* run(1), yield* run(1), yield* run(2)]
      assert.deepStrictEqual([one.counters, one.millis, one.master], [two.counters, two.millis, two.master])
      assert.notDeepEqual(one.counters, other.counters)
    })
  )

  it.effect("it is not over when all are dead and one is still to be started", () =>
    Effect.gen(function* () {
      const outcome = yield* Simulation.run({
        ...{ seed: 3, catchers: 2, tree, master: { catchers: 1 } },
        startMillis: (catcher) => (catcher === 1 ? 500 : 0),
        meanwhile: ({ hosts: [host], master }) =>
          Effect.gen(function* () {
            yield* Effect.sleep(10)
            yield* host.crash
            yield* master.crash
            yield* Effect.sleep(600)
            master.start()
          })
      })
      assert.strictEqual(stateOf(outcome, "c2"), "Complete")
    })
  )

  it.effect("a crash says nothing and cleans nothing up; its disk is there for the next life", () =>
    Effect.gen(function* () {
      let afterCrash: ReadonlyArray<string> = []
      const outcome = yield* Simulation.run({
        ...{ seed: 3, catchers: 2, tree, timeoutMillis: 2000, master: slow },
        // so that parts of the large file are on the disk early
        assemblingBlocks: 1,
        meanwhile: ({ hosts: [host] }) =>
          Effect.gen(function* () {
            yield* Effect.sleep(800)
            yield* host.crash
            afterCrash = namesOn(host)
            assert.isFalse(host.runs)
            yield* Effect.sleep(500)
            host.start()
          })
      })
      assert.isTrue(
        afterCrash.some((name) => name.startsWith("d/.large.mrsync-")),
        afterCrash.join()
      )
      assert.notInclude(afterCrash, "d/large")
      assert.strictEqual(outcome.hosts[0].life, 2)
      assert.deepStrictEqual([stateOf(outcome, "c1"), stateOf(outcome, "c2")], ["Complete", "Complete"])
      assert.include(namesOn(outcome.hosts[0]), "d/large")
    })
  )

  it.effect("a catcher that is frozen for a while is late, and complete; one that is frozen for long is lost", () =>
    Effect.gen(function* () {
      const frozen = (millis: number) =>
        Simulation.run({
          ...{ seed: 4, catchers: 2, tree, timeoutMillis: 2000, master: slow },
          meanwhile: ({ hosts: [host] }) =>
            Effect.gen(function* () {
              yield* Effect.sleep(500)
              host.freeze()
              yield* Effect.sleep(millis)
              host.thaw()
            })
        })
      assert.strictEqual(stateOf(yield* frozen(1000), "c1"), "Complete")
      const long = yield* frozen(60_000)
      assert.deepStrictEqual([stateOf(long, "c1"), stateOf(long, "c2")], ["Lost", "Complete"])
      // it reads of it when it runs again
      const late = long.catchers[0]
      assert.isTrue(
        late?._tag === "Failure" || (late?._tag === "Success" && late.value.catchers[0].state === "Partial")
      )
    })
  )

  it.effect("a master that stood still for longer than its time-out counts nobody's silence meanwhile", () =>
    Effect.gen(function* () {
      const outcome = yield* Simulation.run({
        ...{ seed: 4, catchers: 3, tree, timeoutMillis: 20_000, master: { ...slow, timeoutMillis: 1000 } },
        meanwhile: ({ master, network }) =>
          Effect.gen(function* () {
            yield* Effect.sleep(300)
            yield* network.partition("c2")
            // it is away by now
            yield* Effect.sleep(700)
            master.freeze()
            yield* Effect.sleep(3000)
            master.thaw()
            yield* Effect.sleep(300)
            yield* network.unpartition("c2")
          })
      })
      assert.deepStrictEqual(
        ["c1", "c2", "c3"].map((id) => stateOf(outcome, id)),
        ["Complete", "Complete", "Complete"]
      )
      if (outcome.master?._tag === "Success") assert.strictEqual(outcome.master.value.catchers.length, 3)
      assert.strictEqual(outcome.hosts[1].attempts, 1)
    })
  )

  it.effect("a catcher that comes late has the manifest soon, and takes part in the next file [J-6]", () =>
    Effect.gen(function* () {
      const many = Array.from({ length: 20 }, (_, i) => Tree.file(`f${i}`, 600_000, i))
      let startedMillis = Infinity
      const outcome = yield* Simulation.run({
        ...{ seed: 4, catchers: 2, tree: many, network: { delayMillis: 0.2 }, startMillis: (i) => i * 1000 },
        master: { catchers: 1, pageBytes: 1432, bytesPerSecond: 2_000_000 },
        meanwhile: ({ hosts, now }) =>
          Effect.gen(function* () {
            while (hosts[1].attempts === 0) yield* Effect.sleep(10)
            startedMillis = now()
          })
      })
      assert.isBelow(startedMillis, 1000 + 600)
      assert.deepStrictEqual([stateOf(outcome, "c1"), stateOf(outcome, "c2")], ["Complete", "Complete"])
    })
  )

  it.effect("one catcher behind a slow link does not keep a tree of many files from the others [Q-12]", () =>
    Effect.gen(function* () {
      const many = Array.from({ length: 20 }, (_, i) => Tree.file(`f${i}`, 600_000, i))
      const latest = new Map<string, number>()
      let now = () => 0
      const outcome = yield* Simulation.run({
        ...{ seed: 4, catchers: 3, tree: many, master: { pageBytes: 1432 } },
        network: { glued: true, delayMillis: 0.2, bytesPerSecond: 125_000_000 },
        observer: {
          changed: ({ name }, { operation }) => (operation === "rename" ? void latest.set(name, now()) : undefined)
        },
        meanwhile: (world) => {
          now = world.now
          return world.network.impairLink("c2", "Group", {
            narrow: { bytesPerSecond: 1_250_000, queueBytes: 65_536 }
          })
        }
      })
      const [one, slowest, other] = ["c1", "c2", "c3"].map((name) => latest.get(name) ?? Infinity)
      assert.isBelow(Math.max(one, other), 0.25 * slowest)
      assert.isBelow(slowest, (1.3 * (20 * 600_000)) / 1250)
      assert.deepStrictEqual(
        ["c1", "c2", "c3"].map((id) => stateOf(outcome, id)),
        ["Complete", "Complete", "Complete"]
      )
    })
  )

  /** When each catcher put its last file in place, and what was sent for each page needed. */
  const placing = Effect.fnUntraced(function* (scenario: Simulation.Scenario) {
    const latest = new Map<string, number>()
    let now = () => 0
    const outcome = yield* Simulation.run({
      ...scenario,
      network: { glued: true, delayMillis: 0.2, bytesPerSecond: 125_000_000, ...scenario.network },
      observer: {
        changed: ({ name }, { operation }) => (operation === "rename" ? void latest.set(name, now()) : undefined)
      },
      meanwhile: (world) => {
        now = world.now
        return scenario.meanwhile?.(world) ?? Effect.void
      }
    })
    const report = outcome.master?._tag === "Success" ? outcome.master.value : undefined
    const { needed = 1, sent = Infinity } = report?.pages ?? {}
    return { outcome, latest: (name: string) => latest.get(name) ?? Infinity, ratio: sent / needed }
  })
  const narrow = (queueBytes: number, bytesPerSecond: number) => ({ narrow: { queueBytes, bytesPerSecond } })

  it.effect("a link far away that drops at once what is too much keeps nothing from the others [A-8]", () =>
    Effect.gen(function* () {
      const one = [Tree.file("one", 6_000_000)]
      const options = { seed: 4, catchers: 4, tree: one, network: { delayMillis: 10 }, master: { pageBytes: 1432 } }
      const meanwhile = ({ network }: Simulation.World) => network.impairLink("c2", "Group", narrow(3072, 250_000))
      const healthy = yield* placing(options)
      const policed = yield* placing({ ...options, meanwhile })
      for (const name of ["c1", "c3", "c4"]) {
        assert.isBelow(policed.latest(name), healthy.latest(name) + 1200)
      }
      assert.strictEqual(stateOf(policed.outcome, "c2"), "Complete")
    })
  )

  // alone on the air it was taken for one that holds others up, and what it was sent thirty times over was not its pace any more
  it.effect("killed and started again behind its slow link, it is sent at the link's pace [A-8] [Q-12]", () =>
    Effect.gen(function* () {
      const many = Array.from({ length: 5 }, (_, i) => Tree.file(`f${i}`, 800_000, i))
      const { outcome, ratio } = yield* placing({
        ...{ seed: 4, catchers: 4, tree: many, timeoutMillis: 2000, master: { pageBytes: 1432 } },
        meanwhile: ({ hosts, network }) =>
          Effect.gen(function* () {
            yield* network.impairLink("c3", "Group", narrow(32_768, 600_000))
            yield* Effect.sleep(4000)
            yield* hosts[2].crash
            yield* Effect.sleep(500)
            hosts[2].start()
          })
      })
      assert.strictEqual(stateOf(outcome, "c3"), "Complete")
      assert.isBelow(ratio, 6)
    })
  )

  it.effect("a catcher that comes while only a straggler is served is served first", () =>
    Effect.gen(function* () {
      const many = Array.from({ length: 20 }, (_, i) => Tree.file(`f${i}`, 600_000, i))
      const { latest, outcome } = yield* placing({
        ...{ seed: 4, catchers: 3, tree: many, startMillis: (i) => (i === 2 ? 6000 : 0) },
        master: { catchers: 2, pageBytes: 1432 },
        meanwhile: ({ network }) => network.impairLink("c2", "Group", narrow(65_536, 500_000))
      })
      assert.isBelow(latest("c3"), 6000 + 0.4 * (latest("c2") - 6000))
      assert.deepStrictEqual([stateOf(outcome, "c2"), stateOf(outcome, "c3")], ["Complete", "Complete"])
    })
  )

  // it refused files for good once 32 were open that nobody finished
  it.effect(
    "away again and again a catcher has no more files open than are in flight and wait, and is complete in the end [Q-12]",
    () =>
      Effect.gen(function* () {
        const many = Array.from({ length: 100 }, (_, i) => Tree.file(`f${i}`, 530_000, i))
        let most = 0
        const outcome = yield* Simulation.run({
          ...{ seed: 4, catchers: 3, tree: many, timeoutMillis: 8000, network: { delayMillis: 0.2, glued: true } },
          master: { pageBytes: 1432, bytesPerSecond: 3_000_000 },
          meanwhile: ({ hosts, network }) =>
            Effect.gen(function* () {
              for (let i = 0; i < 5; i++) {
                yield* Effect.sleep(1000)
                yield* network.partition("c2")
                yield* Effect.sleep(3000)
                most = Math.max(most, hosts[1].memory.writers())
                yield* network.unpartition("c2")
              }
            })
        })
        assert.isAtMost(most, Limits.filesInFlight + Limits.lateFiles)
        assert.deepStrictEqual(
          ["c1", "c2", "c3"].map((id) => stateOf(outcome, id)),
          ["Complete", "Complete", "Complete"]
        )
      })
  )

  it.effect("a master that is killed: the catchers end by themselves and leave nothing", () =>
    Effect.gen(function* () {
      const outcome = yield* Simulation.run({
        ...{ seed: 5, catchers: 2, tree, timeoutMillis: 2000, master: slow },
        meanwhile: ({ master }) => Effect.andThen(Effect.sleep(800), master.crash)
      })
      assert.isUndefined(outcome.master)
      for (const exit of outcome.catchers) assert.include(JSON.stringify(exit), "MasterTimeout")
      for (const host of outcome.hosts)
        assert.deepStrictEqual(
          namesOn(host).filter((name) => name.includes("mrsync")),
          []
        )
    })
  )

  it.effect("a session that does not end in its time is told as stuck", () =>
    Effect.gen(function* () {
      const outcome = yield* Simulation.run({ seed: 6, catchers: 1, tree, master: slow, limitMillis: 300 })
      assert.isTrue(outcome.isStuck)
      assert.strictEqual(outcome.millis, 300)
    })
  )
})
