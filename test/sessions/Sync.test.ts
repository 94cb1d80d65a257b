/** Catchers that have an older version: each is sent what it lacks, and all of them what any of them lacks. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type { Event } from "../../src/report/Event.ts"
import type { Report } from "../../src/report/Report.ts"
import { exitStatusOf } from "../../src/report/Report.ts"
import { Changing } from "../../src/simulate/Changing.ts"
import * as SimulatedTree from "../../src/simulate/Tree.ts"
import type { Given } from "../../src/store/Memory.ts"
import type { Change } from "../../src/store/Volume.ts"
import * as Header from "../../src/wire/Header.ts"
import * as Policy from "../../src/tree/Policy.ts"
import { veto } from "../store/Sandbox.ts"
import * as Simulation from "./Simulation.ts"

const tree: ReadonlyArray<Given> = [
  Simulation.directory(""),
  Simulation.directory("d"),
  Simulation.file("d/large", 300_000),
  ...Array.from({ length: 20 }, (_, i) => Simulation.file(`d/small ${i}`, 1000 + i, i)),
  Simulation.file("d/empty", 0),
  Simulation.symlink("link", "d/large"),
  Simulation.hardLink("twin", 2)
]

/** The tree with one file of another time. */
const older = (given: ReadonlyArray<Given>, ...names: ReadonlyArray<string>): ReadonlyArray<Given> =>
  given.map((one) => {
    const { entry } = one
    if (entry._tag !== "File" || !names.includes(Buffer.from(entry.path).toString())) return one
    const metadata = { ...entry.metadata, mtimeSeconds: entry.metadata.mtimeSeconds - 100 }
    return { entry: { ...entry, metadata }, content: SimulatedTree.bytes(entry.size, 77) }
  })

const newer = (one: Given): Given => {
  const { entry } = one
  if (entry._tag !== "File" || Buffer.from(entry.path).toString() !== "d/large") return one
  return {
    ...one,
    entry: { ...entry, metadata: { ...entry.metadata, mtimeSeconds: entry.metadata.mtimeSeconds + 1000 } }
  }
}

const sync = (
  versions: ReadonlyArray<ReadonlyArray<Given>>,
  more: Partial<Simulation.Scenario> = {},
  policy: Partial<Policy.Policy> = {}
) => {
  const changed: Array<[catcher: string, path: string, operation: Change["operation"]]> = []
  return Effect.map(
    Simulation.run({
      seed: 1,
      catchers: versions.length,
      tree,
      master: { policy: { ...Policy.defaults, ...policy } },
      before: (catcher, volume) => SimulatedTree.stand(volume, versions[catcher]),
      observer: { changed: (host, { operation, path }) => void changed.push([host.name, path, operation]) },
      ...more
    }),
    (outcome) => ({ outcome, changed })
  )
}

const isWhole = (outcome: Simulation.Outcome, given = tree) => {
  assert.strictEqual(outcome.master._tag, "Success", JSON.stringify(outcome.master))
  if (outcome.master._tag !== "Success") return
  outcome.memories.forEach((memory, i) =>
    assert.deepStrictEqual(Simulation.differences(given, memory), [], `c${i + 1}`)
  )
  for (const { failures, files, state } of outcome.master.value.catchers)
    assert.deepStrictEqual([state, failures, files], ["Complete", [], 23])
  for (const catcher of outcome.catchers) {
    assert.strictEqual(catcher._tag, "Success", JSON.stringify(catcher))
    if (catcher._tag === "Success") assert.strictEqual(catcher.value.catchers[0].files, 23)
  }
}

const reportOf = <E>(exit: Exit.Exit<Report, E>): Report => {
  if (exit._tag === "Success") return exit.value
  throw new Error(JSON.stringify(exit))
}

const needed = (outcome: Simulation.Outcome) =>
  outcome.master._tag === "Success" ? outcome.master.value.pages.needed : -1

describe("a session with a policy", () => {
  it.effect("sends all of it to catchers that have nothing", () =>
    Effect.gen(function* () {
      const { outcome } = yield* sync([[], []])
      isWhole(outcome)
    })
  )
  it.effect("sends no page of content where nothing is lacked, and changes nothing", () =>
    Effect.gen(function* () {
      const { changed, outcome } = yield* sync([tree, tree])
      isWhole(outcome)
      assert.strictEqual(needed(outcome), 0)
      assert.deepStrictEqual(changed, [])
    })
  )
  it.effect("keeps what it replaces, where the policy has backups [Y-11]", () =>
    Effect.gen(function* () {
      const backup = { suffix: new Uint8Array(0), directory: Buffer.from("old") }
      const { outcome } = yield* sync([older(tree, "d/small 3", "d/large"), tree], {}, { backup })
      const report = reportOf(outcome.master)
      assert.deepStrictEqual(
        report.catchers.map(({ failures, state }) => [state, failures.length]),
        [
          ["Complete", 0],
          ["Complete", 0]
        ]
      )
      const [first, second] = outcome.memories
      assert.deepStrictEqual(first.tree.get("old/d/small 3")?.content, SimulatedTree.bytes(1003, 77))
      assert.deepStrictEqual(first.tree.get("old/d/large")?.content, SimulatedTree.bytes(300_000, 77))
      assert.isFalse([...second.tree.keys()].some((path) => path.startsWith("old")))
    })
  )
  it.effect("a hard link of a file that is made anew is updated as well, as rsync has it", () =>
    Effect.gen(function* () {
      const smaller = tree.map((one, i) => (i === 2 ? Simulation.file("d/large", 299_999) : one))
      const report = reportOf((yield* sync([smaller, tree])).outcome.master)
      assert.deepStrictEqual(
        report.catchers.map(({ changes, files, state }) => [changes?.updated, files, state]),
        [
          [2, 23, "Complete"],
          [0, 23, "Complete"]
        ]
      )
    })
  )
  it.effect("files that are one at a catcher: a hard link of that which is parted is told with it [Y-2]", () =>
    Effect.gen(function* () {
      const metadata = { mode: 0o600, mtimeSeconds: 1, mtimeNanos: 0, uid: 0, gid: 0 }
      const mode = (path: string) => ({
        ...Simulation.file(path, 10),
        entry: { ...Simulation.file(path, 10).entry, metadata }
      })
      const apart = [
        Simulation.directory(""),
        mode("a"),
        mode("b"),
        Simulation.hardLink("c", 2)
      ] as ReadonlyArray<Given>
      // all three are one file of another mode
      const before = (_: number, volume: Parameters<typeof SimulatedTree.stand>[0]) => {
        SimulatedTree.stand(volume, [
          Simulation.directory(""),
          {
            ...Simulation.file("a", 10),
            entry: { ...Simulation.file("a", 10).entry, metadata: { ...metadata, mode: 0o644 } }
          },
          Simulation.hardLink("b", 1),
          Simulation.hardLink("c", 1)
        ] as ReadonlyArray<Given>)
      }
      const { outcome } = yield* sync([[]], { tree: apart, before })
      const [{ changes, state }] = reportOf(outcome.master).catchers
      assert.deepStrictEqual([state, changes?.described, changes?.updated], ["Complete", 1, 2])
      assert.deepStrictEqual(Simulation.differences(apart, outcome.memories[0]), [])
    })
  )
  it.effect("sends the union, and leaves alone what is right", () =>
    Effect.gen(function* () {
      const { changed, outcome } = yield* sync([older(tree, "d/small 3"), older(tree, "d/small 4", "d/small 5"), tree])
      isWhole(outcome)
      // a page for the selection, and the three small files, which are about a thousand bytes each
      assert.strictEqual(needed(outcome), 1 + Math.ceil((1003 + 1004 + 1005) / 512))
      const renamed = changed
        .filter(([, , operation]) => operation === "rename")
        .map(([host, path]) => `${host} ${path}`)
      assert.deepStrictEqual(renamed.toSorted(), [
        "c1 destination/d/small 3",
        "c2 destination/d/small 4",
        "c2 destination/d/small 5"
      ])
      assert.deepStrictEqual(
        changed.filter(([host]) => host === "c3"),
        []
      )
    })
  )
  it.effect("deletes nothing where a file that was lacked has not arrived [Y-6]", () =>
    Effect.gen(function* () {
      const extra = [...tree, Simulation.file("d/old", 10)]
      const versions = [older(extra, "d/small 3"), older(extra, "d/small 3"), older(extra, "d/small 3")]
      const faults = (catcher: number) =>
        catcher === 0 ? { refuse: (_: string, path: string) => (path.endsWith("small 3") ? "EACCES" : undefined) } : {}
      const stands = ({ outcome }: { readonly outcome: Simulation.Outcome }) =>
        outcome.memories.map(({ tree }) => tree.has("d/old"))
      const cautious = yield* sync(versions, { faults }, { deletes: true })
      assert.deepStrictEqual(stands(cautious), [true, false, false])
      // the report tells what was done, not what the survey found
      for (const count of ["deleted", "updated"] as const)
        assert.deepStrictEqual(
          reportOf(cautious.outcome.master).catchers.map(({ changes }) => changes?.[count]),
          [0, 1, 1]
        )
      // which of them kept what was to go is told on both sides
      const kept = [
        {
          path: ".",
          reason: "1 name was not deleted: not every file has arrived (--ignore-errors deletes all the same)"
        }
      ]
      const told = (report: Report) =>
        report.catchers.map(({ failures }) => failures.filter(({ path }) => path === "."))
      assert.deepStrictEqual(told(reportOf(cautious.outcome.master)), [kept, [], []])
      assert.deepStrictEqual(told(reportOf(cautious.outcome.catchers[0])), [kept])
      const careless = { deletes: true, ignoresErrors: true }
      assert.deepStrictEqual(stands(yield* sync(versions, { faults }, careless)), [false, false, false])
    })
  )
  it.effect("foresees that a directory which is not empty keeps the place of a file [Y-7]", () =>
    Effect.gen(function* () {
      const path = "d/small 3"
      const others = tree.filter(({ entry }) => Buffer.from(entry.path).toString() !== path)
      const blocked = [...others, Simulation.directory(path), Simulation.file(`${path}/own`, 10)]
      const failuresOf = Effect.fnUntraced(function* (isDryRun: boolean) {
        const { outcome } = yield* sync([blocked], {}, { isDryRun })
        return reportOf(outcome.master).catchers[0].failures
      })
      const foreseen = yield* failuresOf(true)
      assert.deepStrictEqual(
        foreseen.map((failure) => failure.path),
        [path]
      )
      assert.include(foreseen[0].reason, "a directory that is not empty is in its place")
      assert.deepStrictEqual(
        (yield* failuresOf(false)).map((failure) => failure.path),
        [path]
      )
    })
  )
  it.effect("tells names as deleted once they are, and none that stay [Y-6] [Y-7]", () =>
    Effect.gen(function* () {
      const extra = [...tree, Simulation.file("d/old", 10)]
      const versions = [older(extra, "d/small 3"), older(extra, "d/small 3")]
      const faults = (catcher: number) =>
        catcher === 0 ? { refuse: (_: string, path: string) => (path.endsWith("small 3") ? "EACCES" : undefined) } : {}
      const told: Array<string> = []
      const masterTells = (event: Event) => {
        if (event._tag === "Itemized") told.push(`${event.catcher} ${event.changes} ${event.path}`)
      }
      const deletionsOf = Effect.fnUntraced(function* (isDryRun: boolean) {
        told.length = 0
        yield* sync(versions, { faults, observer: { masterTells } }, { deletes: true, itemizes: true, isDryRun })
        return told.filter((line) => line.includes("*deleting")).toSorted()
      })
      assert.deepStrictEqual(yield* deletionsOf(false), ["c2 *deleting d/old"])
      assert.isTrue(told.at(-1)?.includes("*deleting"))
      assert.deepStrictEqual(yield* deletionsOf(true), ["c1 *deleting d/old", "c2 *deleting d/old"])
    })
  )
  it.effect("foresees what cannot be: paths that no store takes, and what is too much to delete [Y-7]", () =>
    Effect.gen(function* () {
      const strange = [...tree, Simulation.file("../out", 10)]
      const extra = [...tree, Simulation.file("d/old", 10), Simulation.file("d/older", 10)]
      const failuresOf = Effect.fnUntraced(function* (isDryRun: boolean) {
        const policy = { deletes: true, mostDeleted: 1, isDryRun }
        const { outcome } = yield* sync([extra], { tree: strange }, policy)
        return reportOf(outcome.master).catchers.map(({ changes, failures }) => [changes?.deleted, failures])
      })
      const failures = [
        { path: ".", reason: "1 more were not deleted: --max-delete 1" },
        { path: "../out", reason: 'DestinationEscape: its path has a component ".."' }
      ]
      assert.deepStrictEqual(yield* failuresOf(true), [[1, failures]])
      assert.deepStrictEqual(yield* failuresOf(false), [[1, failures]])
    })
  )
  it.effect("room is looked for after the comparison: for what is lacked, and one that has none sits out [M-10]", () =>
    Effect.gen(function* () {
      const bytes = (given: ReadonlyArray<Given>) => given.reduce((sum, { content }) => sum + (content?.length ?? 0), 0)
      const versions = [older(tree, "d/small 3"), [], tree]
      // the first has room for one file more, the second for a part of the tree
      const faults = (catcher: number) =>
        [{ tellsRoom: true, capacityBytes: bytes(tree) + 2000 }, { tellsRoom: true, capacityBytes: 200_000 }, {}][
          catcher
        ]
      const { changed, outcome } = yield* sync(versions, { faults })
      if (outcome.master._tag !== "Success") return assert.fail(JSON.stringify(outcome.master))
      const { catchers } = outcome.master.value
      assert.deepStrictEqual(
        catchers.map(({ state }) => state),
        ["Complete", "Partial", "Complete"]
      )
      assert.include(catchers[1].failures[0].reason, "needs")
      // its own report says so as well, once, and it ends as one that lacks something
      const own = outcome.catchers[1]
      if (own?._tag !== "Success") return assert.fail(JSON.stringify(own))
      assert.deepStrictEqual(own.value.catchers[0].failures, catchers[1].failures)
      assert.deepStrictEqual([own.value.catchers[0].failures.length, exitStatusOf(own.value)], [1, 23])
      assert.deepStrictEqual(
        changed.filter(([host]) => host !== "c1").map(([host, path]) => [host, path]),
        []
      )
    })
  )

  const slowly =
    (millis: number, steps = Infinity) =>
    (catcher: number) => {
      let step = 0
      const turn = () => (++step > steps ? Effect.never : Effect.sleep(millis))
      return catcher === 0 ? { turn: (operation: string) => (operation === "survey" ? turn() : Effect.void) } : {}
    }

  it.effect.each([1, 3])(
    "a survey that takes minutes, at the first of %s: the others do not wait for it [Y-8]",
    (count) =>
      Effect.gen(function* () {
        let done = 0
        const versions = Array.from({ length: count }, (_, i) => older(tree, "d/small 1", `d/small ${i + 2}`))
        const { outcome } = yield* sync(versions, {
          timeoutMillis: 2000,
          faults: slowly(8000),
          meanwhile: (_, hosts) =>
            Effect.delay(
              Effect.sync(() => (done = hosts.filter(({ memory }) => memory.stage() === "Finished").length)),
              6000
            )
        })
        isWhole(outcome)
        assert.isAbove(outcome.millis, 26 * 8000)
        assert.strictEqual(done, count - 1)
      })
  )

  it.effect("a survey that lasts: nor does a catcher that comes meanwhile wait for it [Y-3]", () =>
    Effect.gen(function* () {
      let done: ReadonlyArray<string> = []
      const { outcome } = yield* sync([older(tree, "d/small 1"), tree, older(tree, "d/small 2")], {
        timeoutMillis: 8000,
        master: { catchers: 2, policy: Policy.defaults },
        faults: slowly(900),
        startMillis: (catcher) => (catcher === 2 ? 10_000 : 0),
        meanwhile: (_, hosts) =>
          Effect.delay(
            Effect.sync(
              () => (done = hosts.filter(({ memory }) => memory.stage() === "Finished").map(({ name }) => name))
            ),
            13_000
          )
      })
      isWhole(outcome)
      assert.deepStrictEqual(done, ["c2", "c3"])
    })
  )

  it.effect.each([1, 3])("a survey that hangs, at the first of %s: that one is lost [Y-8]", (count) =>
    Effect.gen(function* () {
      const versions = Array.from({ length: count }, (_, i) => older(tree, `d/small ${i + 2}`))
      const { outcome } = yield* sync(versions, { timeoutMillis: 2000, faults: slowly(1, 10) })
      if (outcome.master._tag !== "Success") return assert.fail(JSON.stringify(outcome.master))
      const { catchers } = outcome.master.value
      assert.deepStrictEqual(catchers.map(({ state }) => state).toSorted(), [
        ...Array.from({ length: count - 1 }, () => "Complete"),
        "Lost"
      ])
      assert.isBelow(outcome.millis, 120_000)
    })
  )

  const without = (...names: ReadonlyArray<string>) =>
    tree.filter(({ entry }) => !names.includes(Buffer.from(entry.path).toString()))
  for (const [policy, lacking, keeping] of [
    // the second lacks another file: one that lacks nothing is done before anything changes
    ["keepsExisting", without("d/large", "twin"), without("d/small 3").map(newer)],
    ["onlyExisting", older(tree, "d/large"), older(without("d/large", "twin"), "d/small 3")],
    ["keepsNewer", older(tree, "d/large"), older(tree, "d/small 3").map(newer)]
  ] as const) {
    it.effect(`${policy} holds for a file that changes before it is sent, too [Y-5]`, () =>
      Effect.gen(function* () {
        const source = new Changing(tree)
        const change = { index: 2, kind: "replaced", atMillis: 0, lastsMillis: undefined, seed: 3 } as const
        source.foretell(change)
        const changed: Array<string> = []
        let isSurveyed = false
        const { outcome } = yield* sync(
          [lacking, keeping],
          {
            tree: source.tree,
            observer: {
              changed: (host, { operation, path }) => void changed.push(`${host.name} ${operation} ${path}`),
              network: ({ bytes }) => {
                if (isSurveyed || bytes[3] !== Header.types.Survey) return
                isSurveyed = true
                source.begin(change)
              }
            }
          },
          { [policy]: true }
        )
        assert.strictEqual(outcome.master._tag, "Success", JSON.stringify(outcome.master))
        if (outcome.master._tag !== "Success") return
        const states = outcome.master.value.catchers.map(({ failures, files, state }) => [
          state,
          failures.length,
          files
        ])
        // both sides count alike
        const own = outcome.catchers.map((exit) => {
          const [{ failures, files, state }] = exit._tag === "Success" ? exit.value.catchers : []
          return [state, failures.length, files]
        })
        assert.deepStrictEqual(states, own)
        assert.deepStrictEqual(
          states.map(([state, failures]) => [state, failures]),
          [
            ["Complete", 0],
            ["Complete", 0]
          ]
        )
        assert.deepStrictEqual(
          changed.filter((one) => /^c2 .*large/.test(one)),
          []
        )
        assert.deepStrictEqual(
          changed.filter((one) => /^c1 rename .*large/.test(one)),
          ["c1 rename destination/d/large"]
        )
      })
    )
  }
  it.effect("with loss, and a catcher that comes late and lacks other files", () =>
    Effect.gen(function* () {
      const { outcome } = yield* sync([older(tree, "d/large"), older(tree, "d/small 1"), older(tree, "d/small 2")], {
        loss: 0.1,
        startMillis: (catcher) => (catcher === 2 ? 60 : 0),
        master: { catchers: 2, bytesPerSecond: 500_000, policy: Policy.defaults }
      })
      isWhole(outcome)
    })
  )

  describe("and the owner of a catcher", () => {
    const extra = [...tree, Simulation.file("d/old", 10), Simulation.file("d/mine", 10)]

    it.effect(
      "protects paths: they stay, nothing is sent for it alone, both sides tell, and nothing has failed [Y-9]",
      () =>
        Effect.gen(function* () {
          const faults = (catcher: number) => (catcher === 1 ? { veto: veto(["small 3", "/d/large", "mine"]) } : {})
          const versions = [older(extra, "d/small 4"), older(extra, "d/small 3", "d/small 4", "d/large")]
          const { changed, outcome } = yield* sync(versions, { faults }, { deletes: true })
          const report = reportOf(outcome.master)
          assert.deepStrictEqual(report.selected, { files: 1, bytes: 1004 })
          assert.deepStrictEqual(
            report.catchers.map(({ state }) => state),
            ["Complete", "Limited"]
          )
          const [, { changes, failures, files, vetoed = [] }] = report.catchers
          assert.deepStrictEqual(
            [changes?.vetoed, changes?.updated, changes?.deleted, failures, files],
            [4, 1, 1, [], 20]
          )
          // the twin is a hard link to the large file
          assert.deepStrictEqual(
            vetoed.map(({ path }) => path),
            [".", "d/large", "d/small 3", "twin"]
          )
          assert.match(vetoed[0].reason, /d\/mine/)
          const own = reportOf(outcome.catchers[1])
          const told = ({ catchers }: Report) => [catchers.at(-1)?.changes, catchers.at(-1)?.vetoed]
          assert.deepStrictEqual(told(own), told(report))
          assert.deepStrictEqual([exitStatusOf(report), exitStatusOf(own)], [0, 0])
          const touched = changed.filter(([host]) => host === "c2").map(([, path]) => path.split("/").at(-1))
          assert.deepStrictEqual([...new Set(touched.filter((name) => !name?.startsWith(".")))], ["small 4", "old"])
        })
    )

    it.effect("limits deletion, and the smaller limit holds [Y-9]", () =>
      Effect.gen(function* () {
        const faults = (catcher: number) => ({ veto: veto([], [0, 1, 5][catcher]) })
        const { outcome } = yield* sync([extra, extra, extra], { faults }, { deletes: true })
        const report = reportOf(outcome.master)
        assert.deepStrictEqual(
          report.catchers.map(({ changes, state }) => [changes?.deleted, changes?.vetoed, state]),
          [
            [0, 2, "Limited"],
            [1, 1, "Limited"],
            [2, 0, "Complete"]
          ]
        )
        assert.strictEqual(exitStatusOf(report), 0)
      })
    )

    it.effect("protects paths also where every file is sent, without a survey [Y-9]", () =>
      Effect.gen(function* () {
        const { outcome } = yield* sync([[], []], {
          faults: (catcher) => (catcher === 1 ? { veto: veto(["small 3", "/d/large"]) } : {}),
          master: {}
        })
        const report = reportOf(outcome.master)
        assert.deepStrictEqual(
          report.catchers.map(({ failures, files, state, vetoed }) => [state, files, failures, vetoed?.length]),
          [
            ["Complete", 23, [], undefined],
            ["Limited", 20, [], 3]
          ]
        )
        assert.isFalse(outcome.memories[1].tree.has("d/large"))
      })
    )

    it.effect("is told in a dry run as well [Y-9]", () =>
      Effect.gen(function* () {
        const faults = () => ({ veto: veto(["small 3", "mine"]) })
        const policy = { deletes: true, isDryRun: true }
        const { changed, outcome } = yield* sync([older(extra, "d/small 3", "d/small 4")], { faults }, policy)
        const [{ changes, state, vetoed = [] }] = reportOf(outcome.master).catchers
        assert.deepStrictEqual([state, changes?.vetoed, changes?.deleted, vetoed.length], ["Limited", 2, 1, 2])
        assert.deepStrictEqual(changed, [])
      })
    )
  })
})
