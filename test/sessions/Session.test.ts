/** Whole sessions on the simulated network, under virtual time. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Catcher from "../../src/catcher/Catcher.ts"
import type { Repair } from "../../src/protocol/file/Planner.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import { Progress } from "../../src/report/Progress.ts"
import type { Report } from "../../src/report/Report.ts"
import * as Memory from "../../src/store/Memory.ts"
import * as Codec from "../../src/wire/Codec.ts"
import * as Header from "../../src/wire/Header.ts"
import * as Simulation from "./Simulation.ts"
import { CatcherProtection } from "../../src/session/Exchange.ts"

const tree: ReadonlyArray<Memory.Given> = [
  Simulation.directory(""),
  Simulation.directory("d"),
  Simulation.file("d/large", 900_000),
  ...Array.from({ length: 20 }, (_, i) => Simulation.file(`d/small ${i}`, i * 997, i)),
  Simulation.file("d/empty", 0),
  Simulation.symlink("link", "d/large"),
  Simulation.hardLink("twin", 2)
]

/** Every catcher has the tree, and both sides say so. */
const isWhole = (outcome: Simulation.Outcome, given = tree) => {
  assert.strictEqual(outcome.master._tag, "Success", JSON.stringify(outcome.master))
  if (outcome.master._tag !== "Success") return
  outcome.memories.forEach((memory, i) =>
    assert.deepStrictEqual(Simulation.differences(given, memory), [], `c${i + 1}`)
  )
  for (const { failures, state } of outcome.master.value.catchers)
    assert.deepStrictEqual([state, failures], ["Complete", []])
  for (const catcher of outcome.catchers) assert.strictEqual(catcher._tag, "Success", JSON.stringify(catcher))
}

const states = (outcome: Simulation.Outcome) =>
  outcome.master._tag === "Success" ? outcome.master.value.catchers.map((catcher) => catcher.state) : []

describe("a matrix of seeds, losses, delays, doubles and reordering", () => {
  const matrix = [0, 0.001, 0.01, 0.05, 0.1, 0.2, 0.3].flatMap((loss, i) =>
    [1, 2, 3, 4].map((j) => {
      const seed = i * 10 + j
      const bad = j % 2 === 0
      return {
        seed,
        loss,
        catchers: j,
        delayMillis: bad ? 3 : 0,
        jitterMillis: bad ? 4 : 0,
        duplicate: bad ? 0.05 : 0,
        reorder: bad ? 0.05 : 0
      }
    })
  )
  for (const scenario of matrix) {
    const name = `seed ${scenario.seed}: ${scenario.loss * 100} % loss, ${scenario.catchers} catchers`
    it.effect(name, () =>
      Simulation.run({ ...scenario, tree }).pipe(
        Effect.tap((outcome) => Effect.sync(() => isWhole(outcome))),
        Effect.tapCause(() =>
          Effect.sync(() =>
            console.error(`replay: npx vitest run test/sessions/Session.test.ts -t "seed ${scenario.seed}:"`)
          )
        )
      )
    )
  }
  // more than one span, so that spans are repaired while later ones stream
  for (const loss of [0, 0.05, 0.3]) {
    it.effect(`seed 9${loss * 100}: spans behind the stream, ${loss * 100} % loss`, () =>
      Effect.gen(function* () {
        const files = [Simulation.file("large", 6_000_000), Simulation.file("small", 5000)]
        const network = { delayMillis: 3, jitterMillis: 3, duplicate: 0.03, reorder: 0.03 }
        isWhole(yield* Simulation.run({ seed: 90 + loss * 100, catchers: 2, tree: files, loss, ...network }), files)
      })
    )
  }
  it.effect("the same seed is the same session", () =>
    Effect.gen(function* () {
      const run = Simulation.run({ seed: 5, catchers: 3, tree, loss: 0.1, delayMillis: 2, jitterMillis: 3 })
      const [one, two] = [yield* run, yield* run]
      assert.deepStrictEqual(one.counters, two.counters)
      assert.deepStrictEqual(one.master, two.master)
      const other = yield* Simulation.run({ seed: 6, catchers: 3, tree, loss: 0.1, delayMillis: 2, jitterMillis: 3 })
      assert.notDeepEqual(one.counters, other.counters)
    })
  )
})

describe("faults", () => {
  it.effect("damaged bytes are found by their hash and sent again", () =>
    Effect.gen(function* () {
      // [C-6]: a flipped bit anywhere, in pages and in questions
      const outcome = yield* Simulation.run({ seed: 7, catchers: 2, tree, corrupt: 0.001, loss: 0.01 })
      isWhole(outcome)
      assert.isAbove(outcome.counters.corrupted, 2)
    })
  )

  it.effect("a master whose buffer is small loses answers, and nothing else", () =>
    Effect.gen(function* () {
      const outcome = yield* Simulation.run({ seed: 8, catchers: 12, tree, receiveBufferBytes: 4096, delayMillis: 1 })
      isWhole(outcome)
    })
  )

  it.effect("a catcher that dies is Lost, the others complete", () =>
    Effect.gen(function* () {
      const outcome = yield* Simulation.run({
        seed: 9,
        catchers: 3,
        tree,
        delayMillis: 5,
        loss: 0.05,
        meanwhile: (_, hosts) =>
          Effect.andThen(
            Effect.sleep(100),
            Effect.sync(() => hosts[1].stop())
          )
      })
      assert.deepStrictEqual(states(outcome), ["Complete", "Lost", "Complete"])
      for (const i of [0, 2]) assert.deepStrictEqual(Simulation.differences(tree, outcome.memories[i]), [])
      assert.strictEqual(outcome.memories[1].writers(), 0, "what it had begun is removed")
    })
  )

  it.effect("a master that is cut off: catchers say so after their time-out", () =>
    Effect.gen(function* () {
      const outcome = yield* Simulation.run({
        seed: 10,
        catchers: 2,
        tree,
        delayMillis: 5,
        timeoutMillis: 3000,
        meanwhile: (network) => Effect.andThen(Effect.sleep(100), network.partition("master"))
      })
      assert.deepStrictEqual(states(outcome), ["Lost", "Lost"])
      for (const catcher of outcome.catchers) {
        assert.include(JSON.stringify(catcher), "MasterTimeout")
      }
      for (const memory of outcome.memories) assert.strictEqual(memory.writers(), 0)
    })
  )

  it.effect("other masters that call are not the one that is gone", () =>
    Effect.gen(function* () {
      const memories: Array<Memory.Memory> = []
      const call = Codec.encode({
        ...{ _tag: "Announce", session: 99n, pageBytes: 1432, blockPages: 128, timeoutMillis: 3000, uptimeMillis: 0 },
        ...{ spreadMillis: 0, joined: 0, wanted: 1 }
      })
      let under: ReadonlyArray<number> = []
      let after: ReadonlyArray<number> = []
      yield* Simulation.run({
        ...{
          seed: 10,
          catchers: 2,
          tree: [Simulation.file("f", 2_000_000)],
          timeoutMillis: 3000,
          memories,
          delayMillis: 5
        },
        master: { bytesPerSecond: 1_000_000 },
        meanwhile: (network) =>
          Effect.gen(function* () {
            yield* Effect.sleep(500)
            under = memories.map((memory) => memory.tree.size)
            yield* network.partition("master")
            for (let i = 0; i < 40; i++) {
              yield* Effect.sleep(100)
              for (const name of ["c1", "c2"]) network.forge("10.9.9.9:1", name, call)
            }
            after = memories.map((memory) => memory.tree.size)
          })
      })
      assert.deepStrictEqual(under, [1, 1], "what is under way")
      assert.deepStrictEqual(after, [0, 0], "both have ended, and tidied up")
    })
  )

  it.effect("a round trip that grows far beyond what it was stops nothing [A-3]", () =>
    Effect.gen(function* () {
      const given = [Simulation.file("f", 4_000_000)]
      const outcome = yield* Simulation.run({
        ...{ seed: 1, catchers: 1, tree: given, delayMillis: 0.3, bytesPerSecond: 12_500_000, glued: true },
        master: { pageBytes: 1432 },
        meanwhile: (network) => Effect.andThen(Effect.sleep(57), network.impair({ delayMillis: 700 }))
      })
      isWhole(outcome, given)
    })
  )

  it.effect(
    "all who are away are asked whether they are there, however few answers the master has room for [O-6]",
    () =>
      Effect.gen(function* () {
        const given = [Simulation.file("f", 600_000)]
        const [count, parted, dead] = [60, 56, 40]
        let opens = () => {}
        const outcome = yield* Simulation.run({
          ...{ seed: 1, catchers: count, tree: given, delayMillis: 1, receiveBufferBytes: 8 * Limits.answerBytes },
          observer: {
            network: (event) => {
              if (event._tag !== "Sent" || event.isCatcher) return
              if (Header.typeOf(event.bytes, 0) === Header.types.Open && Header.fileOf(event.bytes, 0) > 0) opens()
            }
          },
          meanwhile: (network, hosts) =>
            Effect.gen(function* () {
              const some = (from: number, end: number) => hosts.slice(from, end).map(({ name }) => name)
              yield* Effect.callback<void>((resume) => {
                opens = () => resume(Effect.void)
              })
              opens = () => {}
              yield* Effect.forEach(some(0, parted), (name) => network.partition(name))
              yield* Effect.sleep(3500)
              yield* Effect.forEach(some(dead, parted), network.unpartition)
            })
        })
        const expected = Array.from({ length: count }, (_, i) => (i < dead ? "Lost" : "Complete"))
        assert.strictEqual(outcome.master._tag, "Success")
        if (outcome.master._tag !== "Success") return
        const { catchers } = outcome.master.value
        assert.deepStrictEqual(
          expected.map((_, i) => catchers.find(({ id }) => id === `c${i + 1}`)?.state),
          expected
        )
      })
  )

  it.effect("a catcher that has every file is complete although it goes while a straggler is served [Q-13]", () =>
    Effect.gen(function* () {
      const files = [600_000, 600_000, 3_000_000].map((size, i) => Simulation.file(`f${i}`, size, i))
      const given = [Simulation.directory(""), files[0], files[1], { ...files[2], fault: "changed" as const }]
      const outcome = yield* Simulation.run({
        ...{ seed: 3, catchers: 3, tree: given, delayMillis: 1, timeoutMillis: 2000, bytesPerSecond: 12_500_000 },
        master: { pageBytes: 1432 },
        meanwhile: (network) =>
          Effect.gen(function* () {
            const narrow = { bytesPerSecond: 100_000, queueBytes: 65_536 }
            yield* network.impairLink("c3", "Group", { narrow })
            yield* Effect.sleep(4000)
            yield* network.partition("c1")
          })
      })
      assert.strictEqual(outcome.master._tag, "Success")
      if (outcome.master._tag !== "Success") return
      assert.deepStrictEqual(
        outcome.master.value.catchers.map(({ failures, id, state }) => [id, state, failures]).sort(),
        ["c1", "c2", "c3"].map((id) => [id, "Complete", []])
      )
      assert.isAbove(outcome.millis, 7000, "c1 was silent for more than the time-out")
      // the file that changed is not theirs; they say so themselves
      assert.deepStrictEqual(
        outcome.catchers.map(({ _tag }) => _tag),
        ["Success", "Success", "Success"]
      )
    })
  )

  it.effect("nobody waits for a catcher that is away; it is sent what it missed when it is back [O-6]", () =>
    Effect.gen(function* () {
      const given = [
        Simulation.directory(""),
        ...Array.from({ length: 30 }, (_, i) => Simulation.file(`f${i}`, 600_000, i))
      ]
      let heldByOthers: ReadonlyArray<number> = []
      const memories: Array<Memory.Memory> = []
      const outcome = yield* Simulation.run({
        ...{ seed: 12, catchers: 3, tree: given, delayMillis: 2, memories },
        meanwhile: (network) =>
          Effect.gen(function* () {
            yield* Effect.sleep(60)
            yield* network.partition("c2")
            yield* Effect.sleep(8000)
            heldByOthers = [0, 2].map((i) => memories[i].tree.size)
            yield* network.unpartition("c2")
          })
      })
      assert.deepStrictEqual(heldByOthers, [31, 31])
      isWhole(outcome, given)
    })
  )

  it.effect("a catcher that is parted for a while is made whole in later rounds", () =>
    Effect.gen(function* () {
      const outcome = yield* Simulation.run({
        seed: 11,
        catchers: 3,
        tree,
        delayMillis: 5,
        meanwhile: (network) =>
          Effect.gen(function* () {
            yield* Effect.sleep(100)
            yield* network.partition("c2")
            yield* Effect.sleep(4000)
            yield* network.unpartition("c2")
          })
      })
      isWhole(outcome)
    })
  )

  it.effect("a full disk: that catcher sits out what does not fit, and goes on; nobody else loses anything", () =>
    Effect.gen(function* () {
      const outcome = yield* Simulation.run({
        seed: 12,
        catchers: 3,
        tree,
        loss: 0.02,
        faults: (catcher) => (catcher === 1 ? { capacityBytes: 300_000 } : {})
      })
      assert.deepStrictEqual(states(outcome), ["Complete", "Partial", "Complete"])
      for (const i of [0, 2]) assert.deepStrictEqual(Simulation.differences(tree, outcome.memories[i]), [])
      if (outcome.master._tag !== "Success") return
      const failures = outcome.master.value.catchers[1].failures
      assert.deepStrictEqual(
        failures.map((failure) => failure.path),
        ["d/large", "twin"]
      )
      assert.include(failures[0].reason, "ENOSPC")
      assert.isTrue(outcome.memories[1].tree.has("d/small 3"))
    })
  )

  it.effect("a slow store is no lost catcher: it works for three time-outs, and answers polls", () =>
    Effect.gen(function* () {
      // the commit of the bundle takes so long
      const turn = (operation: Memory.Operation) => Effect.sleep(operation === "commit" ? 100 : 0)
      const outcome = yield* Simulation.run({
        seed: 21,
        catchers: 3,
        tree,
        loss: 0.02,
        delayMillis: 1,
        timeoutMillis: 2000,
        faults: (i) => (i === 0 ? { turn } : {})
      })
      isWhole(outcome)
      assert.isAbove(outcome.millis, 6000)
    })
  )

  it.effect("a slow rate is no silence: between two polls nobody owes an answer", () =>
    Effect.gen(function* () {
      const small = [Simulation.file("file", 30_000)]
      const master = { bytesPerSecond: 3000 }
      isWhole(yield* Simulation.run({ seed: 22, catchers: 2, tree: small, timeoutMillis: 2000, master }), small)
    })
  )

  it.effect("a catcher that was given up and comes back is told so", () =>
    Effect.gen(function* () {
      const outcome = yield* Simulation.run({
        seed: 23,
        catchers: 2,
        tree,
        delayMillis: 2,
        timeoutMillis: 1000,
        master: { bytesPerSecond: 100_000 },
        meanwhile: (network) =>
          Effect.gen(function* () {
            yield* Effect.sleep(1000)
            // what it says is lost; it hears the master all the time, so it does not give up by itself
            yield* network.partition("c2")
            yield* Effect.sleep(900)
            yield* network.unpartition("c2")
          })
      })
      // parted for less than its own time-out it may be in or out, but if it is out it knows why
      if (outcome.catchers[1]._tag === "Failure") assert.include(JSON.stringify(outcome.catchers[1]), "JoinRefused")
      else assert.deepStrictEqual(states(outcome), ["Complete", "Complete"])
    })
  )

  it.effect("a catcher that joins late is sent what it lacks in a further pass", () =>
    Effect.gen(function* () {
      // [J-6]
      for (const lateMillis of [80, 300, 700]) {
        const memory = Memory.make()
        let late: Exit.Exit<Report, unknown> | undefined
        const outcome = yield* Simulation.run({
          seed: 24,
          master: { bytesPerSecond: 1_000_000 },
          catchers: 2,
          tree,
          loss: 0.05,
          delayMillis: 3,
          meanwhile: (network) =>
            Effect.gen(function* () {
              yield* Effect.sleep(lateMillis)
              late = yield* Catcher.run({ id: "late", waitMillis: 60_000, timeoutMillis: 10_000 }).pipe(
                Effect.provide(CatcherProtection.insecure),
                Effect.provide(Layer.mergeAll(network.layerCatcher("late"), Memory.layer(memory), Progress.layerNone)),
                Effect.exit
              )
            })
        })
        isWhole(outcome)
        assert.deepStrictEqual(states(outcome), ["Complete", "Complete", "Complete"])
        assert.deepStrictEqual(Simulation.differences(tree, memory), [])
        assert.strictEqual(late?._tag, "Success")
      }
    })
  )

  it.effect("a store that refuses single entries", () =>
    Effect.gen(function* () {
      const refuse = (operation: string, path: string) =>
        operation === "commit" && path === "d/small 7" ? "EACCES" : undefined
      const outcome = yield* Simulation.run({ seed: 13, catchers: 2, tree, faults: (i) => (i === 0 ? { refuse } : {}) })
      assert.deepStrictEqual(states(outcome), ["Partial", "Complete"])
      if (outcome.master._tag !== "Success") return
      assert.deepStrictEqual(
        outcome.master.value.catchers[0].failures.map((failure) => failure.path),
        ["d/small 7"]
      )
    })
  )

  it.effect("source files that change or cannot be read fail alone", () =>
    Effect.gen(function* () {
      const given = tree.map((one): Memory.Given => {
        const path = Buffer.from(one.entry.path).toString()
        return path === "d/large"
          ? { ...one, fault: "changed" }
          : path === "d/small 4"
            ? { ...one, fault: "EACCES" }
            : one
      })
      const outcome = yield* Simulation.run({ seed: 14, catchers: 2, tree: given, loss: 0.02 })
      assert.deepStrictEqual(states(outcome), ["Complete", "Complete"])
      // a catcher that lacks what could not be sent says so itself; the hard link to it is not there either
      for (const catcher of outcome.catchers) {
        if (catcher._tag === "Failure") assert.fail(JSON.stringify(catcher))
        const [{ failures, files, state }] = catcher.value.catchers
        assert.strictEqual(state, "Partial")
        assert.deepStrictEqual(failures.map((failure) => failure.path).sort(), ["d/large", "d/small 4", "twin"])
        assert.strictEqual(files, 20)
      }
      if (outcome.master._tag !== "Success") return
      assert.strictEqual(outcome.master.value.catchers[0].files, 20)
      assert.strictEqual(outcome.master.value.files, 20, "what it could send")
      assert.deepStrictEqual(outcome.master.value.failures.map(({ kind, path }) => [path, kind]).sort(), [
        ["d/large", "Changed"],
        ["d/small 4", "Unreadable"],
        ["twin", "Changed"]
      ])
      assert.isFalse(outcome.memories[0].tree.has("d/small 4"))
      assert.isTrue(outcome.memories[0].tree.has("d/small 5"))
    })
  )

  it.effect("a catcher that comes after a file was given up says as well that it lacks it", () =>
    Effect.gen(function* () {
      const given = tree.map((one): Memory.Given =>
        Buffer.from(one.entry.path).toString() === "d/large" ? { ...one, fault: "changed" } : one
      )
      const memory = Memory.make()
      let late: Exit.Exit<Report, unknown> | undefined
      yield* Simulation.run({
        ...{ seed: 14, catchers: 2, tree: given, master: { bytesPerSecond: 200_000 } },
        meanwhile: (network) =>
          Effect.gen(function* () {
            yield* Effect.sleep(300)
            late = yield* Catcher.run({ id: "late", waitMillis: 60_000, timeoutMillis: 10_000 }).pipe(
              Effect.provide(CatcherProtection.insecure),
              Effect.provide(Layer.mergeAll(network.layerCatcher("late"), Memory.layer(memory), Progress.layerNone)),
              Effect.exit
            )
          })
      })
      if (late?._tag !== "Success") return assert.fail(JSON.stringify(late))
      const [{ failures, state }] = late.value.catchers
      assert.strictEqual(state, "Partial")
      assert.deepStrictEqual(failures.map((failure) => failure.path).sort(), ["d/large", "twin"])
    })
  )

  it.effect("a manifest that would escape: those entries are refused, the rest arrives", () =>
    Effect.gen(function* () {
      const escaping = [
        Simulation.symlink("out", "/tmp"),
        Simulation.file("out/passwd", 10),
        Simulation.file("../up", 10),
        Simulation.file("/absolute", 10),
        Simulation.file("good", 10),
        Simulation.file("good", 11)
      ]
      const outcome = yield* Simulation.run({ seed: 15, catchers: 1, tree: escaping })
      assert.deepStrictEqual(states(outcome), ["Partial"])
      if (outcome.master._tag !== "Success") return
      const { failures } = outcome.master.value.catchers[0]
      assert.deepStrictEqual(
        failures.map((failure) => failure.path),
        ["out/passwd", "../up", "/absolute", "good"]
      )
      for (const failure of failures) assert.include(failure.reason, "DestinationEscape")
      assert.deepStrictEqual([...outcome.memories[0].tree.keys()].sort(), ["good", "out"])
    })
  )

  it.effect("an empty tree, and a tree of nothing but directories", () =>
    Effect.gen(function* () {
      isWhole(yield* Simulation.run({ seed: 16, catchers: 2, tree: [] }), [])
      const directories = [Simulation.directory("a"), Simulation.directory("a/b")]
      isWhole(yield* Simulation.run({ seed: 17, catchers: 2, tree: directories, loss: 0.2 }), directories)
    })
  )

  it.effect("nobody joins: AnnounceTimeout; too few, and enough: those present", () =>
    Effect.gen(function* () {
      const alone = yield* Simulation.run({ seed: 18, catchers: 1, tree, master: { catchers: 2, waitMillis: 2000 } })
      assert.include(JSON.stringify(alone.master), "AnnounceTimeout")
      assert.include(JSON.stringify(alone.catchers[0]), "too few catchers joined in time")
      const options = { catchers: 2, waitMillis: 2000, atLeast: 1 }
      isWhole(yield* Simulation.run({ seed: 19, catchers: 1, tree, master: options }))
    })
  )
})

describe("hundreds", () => {
  it.effect("100 catchers at 1 % loss each", () =>
    Effect.gen(function* () {
      const outcome = yield* Simulation.run({ seed: 20, catchers: 100, tree, loss: 0.01, delayMillis: 1 })
      isWhole(outcome)
      // ordinary loss is no straggling, however small what it was lost of
      if (outcome.master._tag !== "Success") return
      assert.deepStrictEqual(
        outcome.master.value.catchers.filter(({ straggled }) => straggled !== undefined),
        []
      )
    })
  )

  // What is lost is the same in all three, as far as chance goes; parity for the largest deficit costs a fraction of the union.
  it.effect("12 catchers at 5 % loss: parity, lists and what is cheaper make all of them whole", () =>
    Effect.gen(function* () {
      const given = [Simulation.directory(""), Simulation.file("large", 700_000)]
      const ratio = Effect.fnUntraced(function* (repair: Repair) {
        const outcome = yield* Simulation.run({
          ...{ seed: 30, catchers: 12, tree: given, loss: 0.05, delayMillis: 1 },
          master: { repair }
        })
        isWhole(outcome, given)
        if (outcome.master._tag === "Failure") return { ratio: 0, parity: 0 }
        const { needed, parity, sent } = outcome.master.value.pages
        return { ratio: sent / needed, parity }
      })
      const resend = yield* ratio("resend")
      assert.strictEqual(resend.parity, 0)
      assert.isAbove(resend.ratio, 1.4)
      for (const repair of ["auto", "parity"] as const) {
        const { parity, ratio: sent } = yield* ratio(repair)
        assert.isAbove(parity, 0)
        assert.isBelow(sent, 1.18)
      }
    })
  )
})
