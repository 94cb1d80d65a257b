/** Files of which only the content can tell whether a catcher has them: both sides hash them, and what is the same is not sent. [Y-12] */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Host } from "../../src/simulate/Simulation.ts"
import * as SimulatedTree from "../../src/simulate/Tree.ts"
import type { Given } from "../../src/store/Memory.ts"
import type { Change } from "../../src/store/Volume.ts"
import { rewrite } from "../../src/source/Memory.ts"
import * as Policy from "../../src/tree/Policy.ts"
import * as Simulation from "./Simulation.ts"

const treeOf = (): ReadonlyArray<Given> => [
  Simulation.directory(""),
  Simulation.directory("d"),
  Simulation.file("d/large", 1_300_000),
  ...Array.from({ length: 12 }, (_, i) => Simulation.file(`d/small ${i}`, 1000 + i, i)),
  Simulation.file("d/empty", 0),
  Simulation.hardLink("twin", 2)
]

/** The tree with some files of another time, or of another content, or both. */
const other = (
  given: ReadonlyArray<Given>,
  what: { readonly seconds?: number; readonly seed?: number },
  ...names: ReadonlyArray<string>
): ReadonlyArray<Given> =>
  given.map((one) => {
    const { entry } = one
    if (entry._tag !== "File" || !names.includes(Buffer.from(entry.path).toString())) return one
    const metadata = { ...entry.metadata, mtimeSeconds: entry.metadata.mtimeSeconds - (what.seconds ?? 0) }
    const content = what.seed === undefined ? one.content : SimulatedTree.bytes(entry.size, what.seed)
    return { entry: { ...entry, metadata }, ...(content === undefined ? {} : { content }) }
  })

const contents: Partial<Policy.Policy> = { compare: "Content" }

const sync = Effect.fnUntraced(function* (
  versionsOf: (tree: ReadonlyArray<Given>) => ReadonlyArray<ReadonlyArray<Given>>,
  policy: Partial<Policy.Policy> = {},
  more: Partial<Simulation.Scenario> = {}
) {
  const tree = more.tree ?? treeOf()
  const versions = versionsOf(tree)
  const renamed: Array<string> = []
  const changed = (host: string, { operation, path }: Change) => {
    if (operation === "rename") renamed.push(`${host} ${path.slice("destination/".length)}`)
  }
  const { master, ...scenario } = more
  const outcome = yield* Simulation.run({
    seed: 1,
    catchers: versions.length,
    tree,
    master: { policy: { ...Policy.defaults, ...policy }, ...master },
    before: (catcher, volume) => SimulatedTree.stand(volume, versions[catcher]),
    observer: { changed: (host, change) => changed(host.name, change) },
    ...scenario
  })
  if (outcome.master._tag !== "Success") return yield* Effect.die(outcome.master)
  return { outcome, renamed: renamed.toSorted(), report: outcome.master.value, tree }
})

type Synced = Effect.Success<ReturnType<typeof sync>>

const isWhole = ({ outcome, report, tree }: Synced) => {
  for (const { failures, state } of report.catchers) assert.deepStrictEqual([state, failures], ["Complete", []])
  outcome.memories.forEach((memory, i) => {
    assert.deepStrictEqual(Simulation.differences(tree, memory), [], `c${i + 1}`)
    const there = memory.tree
    for (const { entry } of tree) {
      if (entry._tag !== "File") continue
      const made = there.get(Buffer.from(entry.path).toString())?.entry
      assert.deepStrictEqual(made?._tag === "File" ? made.metadata.mtimeSeconds : 0, entry.metadata.mtimeSeconds)
    }
  })
  for (const catcher of outcome.catchers) {
    assert.strictEqual(catcher._tag, "Success", JSON.stringify(catcher))
    if (catcher._tag === "Success") assert.strictEqual(catcher.value.catchers[0].files, report.catchers[0].files)
  }
}

describe("contents", () => {
  it.effect.each([false, true])("another time alone is put right, and nothing is sent (sealed: %s)", (isSealed) =>
    Effect.gen(function* () {
      const synced = yield* sync(
        (tree) => [
          other(tree, { seconds: 9 }, "d/large", "d/small 1", "d/empty"),
          other(tree, { seconds: -9 }, "d/small 2"),
          tree
        ],
        {},
        { isSealed }
      )
      isWhole(synced)
      assert.deepStrictEqual([synced.renamed, synced.report.pages.needed], [[], 0])
    })
  )

  it.effect("another time and another content: sent where the content is another", () =>
    Effect.gen(function* () {
      const synced = yield* sync((tree) => [
        other(tree, { seconds: 9 }, "d/small 1", "d/large"),
        other(tree, { seconds: 9, seed: 77 }, "d/small 1")
      ])
      isWhole(synced)
      assert.deepStrictEqual(synced.renamed, ["c2 d/small 1"])
      assert.strictEqual(synced.report.pages.needed, 1 + 2)
    })
  )

  it.effect("of the same size and time another content is found where contents are compared", () =>
    Effect.gen(function* () {
      const versions = (tree: ReadonlyArray<Given>) => [
        other(tree, { seed: 77 }, "d/small 3", "d/small 4"),
        other(tree, { seed: 77 }, "d/small 4"),
        other(tree, { seconds: 5 }, "d/small 5"),
        []
      ]
      const blind = yield* sync((tree) => versions(tree).slice(0, 2))
      assert.deepStrictEqual([blind.renamed, blind.report.pages.needed], [[], 0])
      const synced = yield* sync((tree) => versions(tree).slice(0, 3), contents)
      isWhole(synced)
      assert.deepStrictEqual(synced.renamed, ["c1 d/small 3", "c1 d/small 4", "c2 d/small 4"])
      assert.strictEqual(synced.report.pages.needed, 1 + Math.ceil((1003 + 1004) / 512))
      // and one that has nothing is sent all of it
      isWhole(yield* sync(versions, contents))
    })
  )

  it.effect("with loss, and a catcher that comes late and is in doubt of others", () =>
    Effect.gen(function* () {
      const synced = yield* sync(
        (tree) => [
          other(tree, { seconds: 9, seed: 77 }, "d/large"),
          other(tree, { seconds: 9, seed: 77 }, "d/small 1"),
          other(other(tree, { seconds: 9, seed: 77 }, "d/small 2"), { seconds: 9 }, "d/small 3", "d/large")
        ],
        {},
        {
          loss: 0.1,
          startMillis: (catcher) => (catcher === 2 ? 120 : 0),
          master: { catchers: 2, bytesPerSecond: 1_000_000 }
        }
      )
      isWhole(synced)
      assert.include(synced.renamed, "c3 d/small 2")
      for (const path of ["d/small 3", "d/large"]) assert.notInclude(synced.renamed, `c3 ${path}`)
    })
  )

  it.effect.each([1, 3])(
    "hashing that takes minutes, at the first of %s: the others do not wait for it [Y-8]",
    (count) =>
      Effect.gen(function* () {
        let done = 0
        const turn = (operation: string) => (operation === "hash" ? Effect.sleep(9000) : Effect.void)
        const synced = yield* sync(
          (tree) => Array.from({ length: count }, (_, i) => other(tree, { seed: 77 }, `d/small ${i + 2}`)),
          contents,
          {
            timeoutMillis: 2000,
            faults: (catcher) => (catcher === 0 ? { turn } : {}),
            meanwhile: (_, hosts) =>
              Effect.delay(
                Effect.sync(() => (done = hosts.filter(({ memory }) => memory.stage() === "Finished").length)),
                8000
              )
          }
        )
        isWhole(synced)
        assert.isAbove(synced.outcome.millis, 13 * 9000)
        assert.strictEqual(done, count - 1)
      })
  )

  it.effect(
    "the master hashes for long: who comes meanwhile has the manifest at once, and compares as well [Y-3]",
    () =>
      Effect.gen(function* () {
        const tree = treeOf().map((one) => (one.content?.length === 1_300_000 ? { ...one, readMillis: 4000 } : one))
        let stages: ReadonlyArray<string> = []
        const look = (_: unknown, hosts: ReadonlyArray<Host>) =>
          Effect.delay(
            Effect.sync(() => (stages = hosts.map(({ memory }) => memory.stage()))),
            5000
          )
        const synced = yield* sync(
          (tree) => [1, 2, 3].map((seconds) => other(tree, { seconds }, "d/large")),
          {},
          {
            tree,
            ...{ startMillis: (catcher) => 1800 * catcher, meanwhile: look, master: { catchers: 1 } }
          }
        )
        isWhole(synced)
        assert.deepStrictEqual(stages, ["Open", "Open", "Open"])
        assert.isAbove(synced.outcome.millis, 8000)
        assert.strictEqual(synced.report.pages.needed, 0)
      })
  )

  it.effect.each([0, 1])(
    "a file that changes when it was sent, and a catcher that comes then in doubt of it: both have it as it was (seed %s)",
    (seed) =>
      Effect.gen(function* () {
        const tree = [...treeOf()]
        const given = tree[tree.findIndex(({ entry }) => Buffer.from(entry.path).toString() === "d/small 1")]
        if (given.entry._tag !== "File") return assert.fail()
        const { metadata, size } = given.entry
        const entry = { ...given.entry, metadata: { ...metadata, mtimeSeconds: metadata.mtimeSeconds + 1 } }
        const stood = [
          other(tree, { seconds: 9, seed: 77 }, "d/large", "d/small 1"),
          other(tree, { seconds: 9 }, "d/small 1", "d/small 2")
        ]
        const change = Effect.sync(() => rewrite(given, { entry, content: SimulatedTree.bytes(size, 99) }))
        const scenario = {
          ...{ tree, seed, loss: 0.05, meanwhile: () => Effect.delay(change, 700 + 500 * seed) },
          startMillis: (catcher: number) => (catcher === 1 ? 1200 : 0),
          master: { catchers: 1, bytesPerSecond: 400_000 }
        }
        const { content: before = new Uint8Array(0) } = given
        const { outcome, renamed, report } = yield* sync(() => stood, {}, scenario)
        for (const { failures, state } of report.catchers) assert.deepStrictEqual([state, failures], ["Complete", []])
        for (const memory of outcome.memories) {
          assert.deepStrictEqual(Simulation.differences(tree, memory), ["d/small 1 differs"])
          assert.deepStrictEqual(Buffer.from(memory.tree.get("d/small 1")?.content ?? []), Buffer.from(before))
        }
        for (const i of [1, 2]) assert.notInclude(renamed, `c2 d/small ${i}`)
      })
  )

  it.effect("hashing that hangs: that catcher is lost, and the others go on", () =>
    Effect.gen(function* () {
      let hashed = 0
      const turn = (operation: string) => (operation === "hash" && ++hashed > 5 ? Effect.never : Effect.void)
      const { report } = yield* sync((tree) => [tree, other(tree, { seed: 77 }, "d/small 2"), tree], contents, {
        timeoutMillis: 2000,
        faults: (catcher) => (catcher === 0 ? { turn } : {})
      })
      assert.deepStrictEqual(report.catchers.map(({ state }) => state).toSorted(), ["Complete", "Complete", "Lost"])
    })
  )

  it.effect("a file that has changed since the scan is taken anew, and one that cannot be read is told", () =>
    Effect.gen(function* () {
      const tree = [...treeOf()]
      const at = (name: string) => tree.findIndex(({ entry }) => Buffer.from(entry.path).toString() === name)
      const [changing, broken] = [at("d/small 1"), at("d/small 2")]
      const versions = other(other(tree, { seed: 77 }, "d/small 2"), { seconds: 9 }, "d/small 1")
      const given = tree[changing]
      if (given.entry._tag !== "File") return assert.fail()
      const { metadata, size } = given.entry
      const entry = { ...given.entry, metadata: { ...metadata, mtimeSeconds: metadata.mtimeSeconds + 1 } }
      const { outcome, report } = yield* sync(() => [versions, versions], contents, {
        tree,
        // it changes while the catchers look at what they have
        faults: () => ({ turn: (operation) => (operation === "survey" ? Effect.sleep(50) : Effect.void) }),
        meanwhile: () =>
          Effect.delay(
            Effect.sync(() => {
              rewrite(given, { entry, content: SimulatedTree.bytes(size, 99) })
              tree[broken] = { ...tree[broken], fault: "EACCES" }
            }),
            800
          )
      })
      assert.deepStrictEqual(
        report.failures.map(({ kind, path }) => [kind, path]),
        [["Unreadable", "d/small 2"]]
      )
      for (const memory of outcome.memories)
        assert.deepStrictEqual(Simulation.differences(tree, memory), ["d/small 2 differs"])
    })
  )

  it.effect(
    "a file that changes at a catcher after it was hashed is a failure there, also where its time tells nothing",
    () =>
      Effect.gen(function* () {
        const { report } = yield* sync((tree) => [1, 2].map(() => other(tree, { seed: 77 }, "d/large")), contents, {
          master: { bytesPerSecond: 1_000_000 },
          meanwhile: (_, hosts) =>
            Effect.delay(
              Effect.sync(() => {
                const node = hosts[0].volume.find("destination/d/small 3")
                if (node?._tag === "File") node.content.write(0, SimulatedTree.bytes(node.content.size, 99))
              }),
              600
            )
        })
        assert.deepStrictEqual(
          report.catchers.map(({ failures, state }) => [state, failures.map(({ path }) => path)]),
          [
            ["Partial", ["d/small 3"]],
            ["Complete", []]
          ]
        )
      })
  )

  it.effect("a dry run hashes, tells, and changes nothing", () =>
    Effect.gen(function* () {
      const synced = yield* sync(
        (tree) => [other(other(tree, { seed: 77 }, "d/small 2"), { seconds: 9 }, "d/small 3")],
        { ...contents, isDryRun: true, itemizes: true }
      )
      const { report, renamed } = synced
      assert.deepStrictEqual(renamed, [])
      assert.deepInclude(report.catchers[0].changes, { created: 0, updated: 1, described: 1, files: 1, bytes: 1002 })
      assert.strictEqual(report.catchers[0].state, "Complete")
    })
  )
})
