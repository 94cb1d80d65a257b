/** Catchers that come late, are started again or come back, under virtual time: they are sent what they lack. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Catcher from "../../src/catcher/Catcher.ts"
import * as Layout from "../../src/protocol/file/Layout.ts"
import { Progress } from "../../src/report/Progress.ts"
import type { Report } from "../../src/report/Report.ts"
import * as Memory from "../../src/store/Memory.ts"
import type * as Simulated from "../../src/transport/simulated/Network.ts"
import { encode } from "../../src/tree/Manifest.ts"
import { plan } from "../../src/tree/Plan.ts"
import * as Simulation from "./Simulation.ts"
import { CatcherProtection } from "../../src/session/Exchange.ts"

const pageBytes = 512
const small = (i: number, seed = i) => Simulation.file(`d/small ${i}`, i * 997, seed)
/** A large file, a bundle of small ones, another large file. */
const tree: ReadonlyArray<Memory.Given> = [
  Simulation.directory("d"),
  Simulation.file("d/large", 900_000),
  ...Array.from({ length: 20 }, (_, i) => small(i)),
  Simulation.file("d/second", 600_000, 5),
  Simulation.symlink("link", "d/large"),
  Simulation.hardLink("twin", 1)
]

const entries = tree.map(({ entry }) => entry)
const carried = plan(entries)
const pagesOf = (size: number, members = 0) => Layout.make({ size, pageBytes, members }).pages
const manifestPages = pagesOf(encode(entries).length)
/** Pages of the carried files with these paths; a bundle has the path of its first member. */
const pagesOfFiles = (...paths: ReadonlyArray<string>) =>
  carried
    .filter(({ members }) => paths.includes(Buffer.from(entries[members[0].entry].path).toString()))
    .reduce((sum, { kind, members, size }) => sum + pagesOf(size, kind === "Bundle" ? members.length : 0), 0)
const allFiles = ["d/large", "d/small 0", "d/second"]

/** A catcher's memory as an earlier life left it. */
const holding = Effect.fnUntraced(function* (given: ReadonlyArray<Memory.Given>) {
  const memory = Memory.make()
  const old = given.map(({ entry }) => entry)
  yield* memory.store.prepare(old)
  for (const one of plan(old)) {
    yield* Effect.scoped(
      Effect.gen(function* () {
        const slot = yield* memory.store.open(one)
        for (const { entry, offset } of one.members) yield* slot.write(offset, given[entry].content!)
        yield* slot.commit(() => false)
      })
    )
  }
  return memory
})

interface Life {
  readonly network: Simulated.Network
  readonly name: string
  readonly memory: Memory.Memory
  readonly timeoutMillis?: number
}
/** One life of a catcher. */
const live = ({ memory, name, network, timeoutMillis = 10_000 }: Life) =>
  Catcher.run({ id: name, waitMillis: 60_000, timeoutMillis }).pipe(
    Effect.provide(CatcherProtection.insecure),
    Effect.provide(Layer.mergeAll(network.layerCatcher(name), Memory.layer(memory), Progress.layerNone))
  )

const slow = { bytesPerSecond: 1_000_000 }

const stateOf = (outcome: Simulation.Outcome) =>
  outcome.master._tag === "Success"
    ? Object.fromEntries(outcome.master.value.catchers.map(({ id, state }) => [id, state]))
    : outcome.master
/** Pages that were sent, but what was lost with a catcher that had just gone. */
const sent = ({ master }: Simulation.Outcome) =>
  master._tag === "Success" ? master.value.pages.sent - master.value.pages.repaired : -1

describe("a catcher that comes late", () => {
  /** One that joins once a while has passed, with what it holds. */
  const late = Effect.fnUntraced(function* (given: ReadonlyArray<Memory.Given>) {
    const memory = yield* holding(given)
    let ended: Exit.Exit<Report, unknown> | undefined
    const outcome = yield* Simulation.run({
      ...{ seed: 31, catchers: 2, tree, master: slow },
      meanwhile: (network) =>
        Effect.gen(function* () {
          yield* Effect.sleep(1200)
          ended = yield* Effect.exit(live({ network, name: "late", memory }))
        })
    })
    assert.deepStrictEqual(stateOf(outcome), { c1: "Complete", c2: "Complete", late: "Complete" })
    assert.strictEqual(ended?._tag, "Success", JSON.stringify(ended))
    for (const one of [...outcome.memories, memory]) assert.deepStrictEqual(Simulation.differences(tree, one), [])
    // what the first two needed, the manifest twice, and the rest
    return { memory, more: sent(outcome) - pagesOfFiles(...allFiles) - 2 * manifestPages }
  })
  const files = tree.filter(({ entry }) => entry._tag === "File" || entry._tag === "Directory")
  const without = (path: string, ...instead: ReadonlyArray<Memory.Given>) => [
    ...files.filter(({ entry }) => Buffer.from(entry.path).toString() !== path),
    ...instead
  ]

  it.effect("and holds nothing is sent all", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* late([])).more, pagesOfFiles(...allFiles))
    })
  )

  it.effect("and holds all is sent nothing, and has the metadata of the tree at the end [O-4]", () =>
    Effect.gen(function* () {
      const old = files.map((given): Memory.Given =>
        given.entry._tag !== "File"
          ? given
          : { ...given, entry: { ...given.entry, metadata: { ...given.entry.metadata, mode: 0o600 } } }
      )
      const { memory, more } = yield* late(old)
      assert.strictEqual(more, 0)
      assert.deepStrictEqual(memory.tree.get("d/large")?.entry, entries[1])
      assert.deepStrictEqual(memory.tree.get("d/small 3")?.entry, entries[5])
    })
  )

  it.effect("and holds a part is sent the other files", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* late(without("d/second"))).more, pagesOfFiles("d/second"))
      assert.strictEqual((yield* late(without("d/small 7"))).more, pagesOfFiles("d/small 0"))
    })
  )

  it.effect("and holds other bytes of the same size is sent the file [C-6]", () =>
    Effect.gen(function* () {
      const other = yield* late(without("d/large", Simulation.file("d/large", 900_000, 2)))
      assert.strictEqual(other.more, pagesOfFiles("d/large"))
      assert.strictEqual((yield* late(without("d/small 7", small(7, 70)))).more, pagesOfFiles("d/small 0"))
    })
  )

  it.effect("is sent the files that are still to be opened with all others, and the earlier ones alone [J-6]", () =>
    Effect.gen(function* () {
      const many = Array.from({ length: 30 }, (_, i) => Simulation.file(`file ${i}`, 530_000, i))
      const memory = Memory.make()
      const outcome = yield* Simulation.run({
        ...{ seed: 32, catchers: 1, tree: many, delayMillis: 2 },
        master: { bytesPerSecond: 4_000_000, pageBytes: 1432 },
        meanwhile: (network) =>
          Effect.andThen(Effect.sleep(150), Effect.asVoid(Effect.exit(live({ network, name: "late", memory }))))
      })
      assert.deepStrictEqual(stateOf(outcome), { c1: "Complete", late: "Complete" })
      assert.deepStrictEqual(Simulation.differences(many, memory), [])
      const again = sent(outcome) / Layout.make({ size: 530_000, pageBytes: 1432 }).pages - many.length
      // those in flight when it came, and those that were opened before it had the manifest
      assert.isAbove(again, 1)
      assert.isBelow(again, many.length * 0.7)
    })
  )

  it.effect("and has a symbolic link in a file's place is sent the file [O-5]", () =>
    Effect.gen(function* () {
      const { memory, more } = yield* late(without("d/large", Simulation.symlink("d/large", "second")))
      assert.strictEqual(more, pagesOfFiles("d/large"))
      assert.strictEqual(memory.tree.get("d/large")?.entry._tag, "File")
    })
  )
})

describe("a catcher that comes back", () => {
  /** Catcher c2 lives twice in one memory; the second life begins when the first one has ended as `end` says. */
  const twice = Effect.fnUntraced(function* (options: {
    readonly seed: number
    readonly timeoutMillis: number
    readonly firstMillis: number
    readonly bytesPerSecond?: number
    readonly end: (network: Simulated.Network, first: Fiber.Fiber<unknown, unknown>) => Effect.Effect<void>
  }) {
    const { bytesPerSecond = slow.bytesPerSecond, firstMillis, seed, timeoutMillis } = options
    const memory = Memory.make()
    let held: ReadonlyArray<string> = []
    let first: Exit.Exit<Report, unknown> | undefined
    let second: Exit.Exit<Report, unknown> | undefined
    const outcome = yield* Simulation.run({
      ...{ seed, catchers: 1, tree, timeoutMillis, master: { bytesPerSecond, catchers: 2 } },
      meanwhile: (network) =>
        Effect.gen(function* () {
          const life = live({ network, name: "again", memory, timeoutMillis })
          const fiber = yield* Effect.forkChild(life)
          yield* Effect.sleep(firstMillis)
          yield* options.end(network, fiber)
          first = yield* Fiber.await(fiber)
          held = allFiles.filter((path) => memory.tree.has(path))
          second = yield* Effect.exit(life)
        })
    })
    for (const one of [...outcome.memories, memory]) assert.deepStrictEqual(Simulation.differences(tree, one), [])
    assert.strictEqual(second?._tag, "Success", JSON.stringify(second))
    assert.deepStrictEqual(new Set(Object.values(stateOf(outcome))), new Set(["Complete"]))
    return { outcome, first, held, more: sent(outcome) - pagesOfFiles(...allFiles) - 2 * manifestPages }
  })
  const lacked = (held: ReadonlyArray<string>) => pagesOfFiles(...allFiles.filter((path) => !held.includes(path)))

  it.effect("stopped and started again at once is sent what it had not finished", () =>
    Effect.gen(function* () {
      const { held, more } = yield* twice({
        ...{ seed: 41, timeoutMillis: 10_000, firstMillis: 1200 },
        end: (_, first) => Fiber.interrupt(first)
      })
      assert.isAbove(held.length, 0)
      assert.isBelow(held.length, allFiles.length)
      assert.strictEqual(more, lacked(held))
    })
  )

  // its last words are not heard
  const kill = Effect.fnUntraced(function* (network: Simulated.Network, fiber: Fiber.Fiber<unknown, unknown>) {
    yield* network.partition("again")
    yield* Fiber.interrupt(fiber)
    yield* network.unpartition("again")
  })

  it.effect("killed and started again at once gets in when it is known to be lost, and is sent what it lacks", () =>
    Effect.gen(function* () {
      const { held, more } = yield* twice({ seed: 42, firstMillis: 1200, timeoutMillis: 2000, end: kill })
      assert.isAbove(held.length, 0)
      assert.strictEqual(more, lacked(held))
    })
  )

  it.effect("killed in its last step gets in although nobody else keeps the session alive meanwhile [J-9]", () =>
    Effect.gen(function* () {
      const one = [Simulation.file("one", 600_000)]
      const memory = Memory.make()
      const stuck = { ...memory, store: { ...memory.store, finish: Effect.never } }
      const outcome = yield* Simulation.run({
        ...{ seed: 43, catchers: 0, tree: one, timeoutMillis: 2000, master: { ...slow, catchers: 1 } },
        meanwhile: (network) =>
          Effect.gen(function* () {
            const life = { network, name: "again", timeoutMillis: 2000 }
            const fiber = yield* Effect.forkChild(live({ ...life, memory: stuck }))
            yield* Effect.sleep(2000)
            yield* kill(network, fiber)
            yield* Effect.exit(live({ ...life, memory }))
          })
      })
      assert.deepStrictEqual(stateOf(outcome), { again: "Complete" })
      assert.deepStrictEqual(Simulation.differences(one, memory), [])
      assert.strictEqual(sent(outcome), pagesOf(600_000) + 2 * pagesOf(encode(one.map(({ entry }) => entry)).length))
    })
  )

  it.effect("parted for longer than the time-out recognises in its second life what it has from the first", () =>
    Effect.gen(function* () {
      const { first, held, more } = yield* twice({
        // nobody waits for it, so the others must still be at work when it is back
        ...{ seed: 45, firstMillis: 2400, timeoutMillis: 1000, bytesPerSecond: slow.bytesPerSecond / 2 },
        end: (network) =>
          Effect.andThen(
            network.partition("again"),
            Effect.forkDetach(Effect.andThen(Effect.sleep(1200), network.unpartition("again")))
          )
      })
      assert.include(JSON.stringify(first), "MasterTimeout")
      assert.isAbove(held.length, 0)
      assert.strictEqual(more, lacked(held))
    })
  )

  it.effect(
    "given up while it was parted, but not so long that it left by itself, it is told so and joins anew [J-7]",
    () =>
      Effect.gen(function* () {
        for (const partedMillis of [1500, 2000]) {
          const memory = Memory.make()
          let held: ReadonlyArray<string> = []
          let ended: Exit.Exit<Report, unknown> | undefined
          const outcome = yield* Simulation.run({
            ...{ seed: 46, catchers: 1, tree, timeoutMillis: 1000, delayMillis: 1 },
            master: { bytesPerSecond: 250_000, catchers: 2 },
            meanwhile: (network) =>
              Effect.gen(function* () {
                const life = live({ network, name: "again", memory, timeoutMillis: 10_000 })
                const fiber = yield* Effect.forkChild(life)
                yield* Effect.sleep(4500)
                yield* network.partition("again")
                yield* Effect.sleep(partedMillis)
                held = allFiles.filter((path) => memory.tree.has(path))
                yield* network.unpartition("again")
                ended = yield* Fiber.await(fiber)
              })
          })
          assert.strictEqual(ended?._tag, "Success", JSON.stringify(ended))
          assert.deepStrictEqual(stateOf(outcome), { c1: "Complete", again: "Complete" })
          for (const one of [...outcome.memories, memory]) assert.deepStrictEqual(Simulation.differences(tree, one), [])
          assert.isAbove(held.length, 0)
          assert.isBelow(held.length, allFiles.length)
          assert.strictEqual(sent(outcome) - pagesOfFiles(...allFiles) - 2 * manifestPages, lacked(held))
        }
      })
  )
})
