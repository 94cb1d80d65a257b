/** Large files of which catchers have older versions: the union of what is missing goes on the air. [Y-13] */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Tick } from "../../src/report/Event.ts"
import type { Report } from "../../src/report/Report.ts"
import * as SimulatedTree from "../../src/simulate/Tree.ts"
import * as MemorySource from "../../src/source/Memory.ts"
import { destination } from "../../src/store/MemorySite.ts"
import type { Volume } from "../../src/store/Volume.ts"
import type * as Memory from "../../src/store/Memory.ts"
import type { Given } from "../../src/store/Memory.ts"
import type { Entry } from "../../src/tree/Entry.ts"
import * as Policy from "../../src/tree/Policy.ts"
import * as Signature from "../../src/delta/Signature.ts"
import * as Blocks from "../../src/delta/Blocks.ts"
import { countOf } from "../../src/protocol/Runs.ts"
import * as Layout from "../../src/protocol/file/Layout.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import { exchange } from "../delta/contents.ts"
import * as Simulation from "./Simulation.ts"

type FileEntry = Extract<Entry, { readonly _tag: "File" }>

const pageBytes = 512
const size = 9_000_000
const tree: ReadonlyArray<Given> = [
  Simulation.directory(""),
  Simulation.file("large", size),
  Simulation.file("small", 500)
]

/** The tree, where the large file is older and is as `change` makes it. */
const older = (change: (content: Uint8Array) => Uint8Array): ReadonlyArray<Given> =>
  tree.map((one) => {
    const { content, entry } = one
    if (entry._tag !== "File" || entry.size < size || content === undefined) return one
    const changed = change(content.slice())
    const metadata = { ...entry.metadata, mtimeSeconds: entry.metadata.mtimeSeconds - 100 }
    return { entry: { ...entry, metadata, size: changed.length }, content: changed }
  })

/** With other bytes at these places. */
const otherAt =
  (...places: ReadonlyArray<number>) =>
  (content: Uint8Array) => {
    for (const place of places) content[place] ^= 1
    return content
  }

const sync = (versions: ReadonlyArray<ReadonlyArray<Given>>, more: Partial<Simulation.Scenario> = {}) =>
  Simulation.run({
    seed: 1,
    catchers: versions.length,
    tree,
    master: { policy: Policy.defaults },
    before: (catcher, volume) => SimulatedTree.stand(volume, versions[catcher]),
    ...more
  })

const isWhole = (outcome: Simulation.Outcome): Report => {
  if (outcome.master._tag !== "Success") throw new Error(JSON.stringify(outcome.master))
  outcome.memories.forEach((memory, i) => assert.deepStrictEqual(Simulation.differences(tree, memory), [], `c${i + 1}`))
  const report = outcome.master.value
  for (const { failures, state } of report.catchers) assert.deepStrictEqual([state, failures], ["Complete", []])
  return report
}

const blockBytes = Blocks.bytesOf(size, pageBytes)
/** Pages that have one of these places: each is a sub-block. [Y-19] */
const pagesOf = (...places: ReadonlyArray<number>): number =>
  new Set(places.map((place) => Math.floor(place / pageBytes))).size
const selectionPages = 1

describe("a large file of which catchers have an older version [Y-13]", () => {
  it.effect("tells how far a catcher is with it, and calls it neither slow nor silent", () =>
    Effect.gen(function* () {
      const ticks: Array<Tick> = []
      const slowly = (operation: string) => (operation === "reuse" ? Effect.sleep(250) : Effect.void)
      // the other lacks so little that the first one is behind it
      const outcome = yield* sync([older(otherAt(10)), tree.slice(0, 2)], {
        timeoutMillis: 2000,
        faults: () => ({ turn: slowly }),
        observer: { masterTells: (event) => (event._tag === "Tick" ? void ticks.push(event) : undefined) }
      })
      isWhole(outcome)
      const looking = ticks.filter((tick) => tick.looking !== undefined)
      assert.isAbove(looking.length, 3)
      for (const { catchers, looking: all } of looking) {
        assert.deepStrictEqual(catchers.map(({ looking, state, straggled }) => ({ looking, state, straggled }))[0], {
          looking: all,
          state: "Receiving",
          straggled: undefined
        })
      }
      const parts = looking.map(({ looking }) => looking!.bytes)
      assert.deepStrictEqual(
        parts,
        parts.toSorted((a, b) => a - b)
      )
      assert.isAbove(parts.at(-1)!, parts[0])
      // what it has at its place, and is copied
      assert.isTrue(looking.every(({ looking }) => looking!.total > size - 2 * blockBytes))
    })
  )

  /** The first part of it is other. */
  const otherUntil = (end: number) => (content: Uint8Array) => content.map((byte, at) => (at < end ? byte ^ 1 : byte))
  const slowReuse = (millis: number) => (operation: string) =>
    operation === "reuse" ? Effect.sleep(millis) : Effect.void
  it.effect("what stands at its own place is copied while the pages come that it has not [Y-18]", () =>
    Effect.gen(function* () {
      // six million bytes are copied for three seconds, and three million sent for as long
      const bytesPerSecond = 1_000_000
      const outcome = yield* sync([older(otherUntil(3_000_000)), older(otherUntil(3_000_000))], {
        master: { policy: Policy.defaults, bytesPerSecond },
        faults: () => ({ turn: slowReuse(500) })
      })
      const { pages, seconds } = isWhole(outcome)
      assert.isAtLeast(pages.needed * pageBytes, 3_000_000)
      assert.isAtLeast(seconds, 3)
      // those three million are looked through before, for what has moved in them
      assert.isBelow(seconds, 6.5)
    })
  )
  it.effect("is copied for longer than the time-out, and the file is waited for as long as it gets on [Y-18]", () =>
    Effect.gen(function* () {
      for (const millis of [450, 1500])
        for (const versions of [[older(otherAt(10))], [older(otherAt(10)), older(otherAt(20)), []]]) {
          const notes: Array<string> = []
          const outcome = yield* sync(versions, {
            timeoutMillis: 2000,
            faults: (catcher) => (catcher === 0 ? { turn: slowReuse(millis) } : {}),
            observer: { masterTells: (event) => (event._tag === "Note" ? void notes.push(event.message) : undefined) }
          })
          const { pages, seconds } = isWhole(outcome)
          assert.isAtLeast(seconds, (8 * millis) / 1000)
          assert.strictEqual(pages.repaired, 0)
          // the others do not wait for one that takes a quarter of the time-out for a step
          const isBehind = millis > 500 && versions.length > 1
          assert.deepStrictEqual(
            notes.filter((note) => !isBehind || !note.startsWith("c1 is behind")),
            []
          )
        }
    })
  )
  it.effect("is copied slowly while blocks are made from parity: its catcher is complete [Y-18]", () =>
    Effect.gen(function* () {
      const places = Array.from({ length: 60 }, (_, i) => i * 140_000)
      for (const millis of [200, 450]) {
        const outcome = yield* sync([older(otherAt(...places))], {
          ...{ timeoutMillis: 2000, loss: 0.1 },
          master: { policy: Policy.defaults, repair: "parity" },
          faults: () => ({ turn: slowReuse(millis) })
        })
        const { pages } = isWhole(outcome)
        assert.isAbove(pages.parity ?? 0, 5)
      }
    })
  )
  it.effect("changes while it is copied: what was wrong of it is sent, and the file is whole [Y-18]", () =>
    Effect.gen(function* () {
      for (const changed of [0, 3, 7]) {
        let volume: Volume | undefined
        let reads = 0
        const turn = (operation: string) =>
          Effect.sync(() => {
            const node = volume?.find(`${destination}/large`)
            if (operation !== "reuse" || node?._tag !== "File" || reads++ !== changed) return
            for (let at = 1_500_000; at < size; at += 3_000_000) volume!.write(node, at, Uint8Array.of(1, 2, 3))
          })
        const outcome = yield* sync([older(otherAt(10)), older(otherAt(20))], {
          before: (catcher, made) => {
            if (catcher === 0) volume = made
            SimulatedTree.stand(made, [older(otherAt(10)), older(otherAt(20))][catcher])
          },
          faults: (catcher) => (catcher === 0 ? { turn } : {})
        })
        const { pages } = isWhole(outcome)
        assert.isAbove(reads, changed)
        // three blocks of another content at most, and as pages that are missing
        assert.isAtMost(pages.needed, selectionPages + pagesOf(10, 20))
        assert.isAtMost(pages.repaired, 3 * (blockBytes / pageBytes))
      }
    })
  )
  it.effect("has no room for what is copied: its catcher says so, and the others are complete [Y-18]", () =>
    Effect.gen(function* () {
      const outcome = yield* sync([older(otherAt(10)), older(otherAt(20))], {
        faults: (catcher) => (catcher === 0 ? { capacityBytes: size + 4_000_000 } : {})
      })
      if (outcome.master._tag !== "Success") throw new Error(JSON.stringify(outcome.master))
      const [first, second] = outcome.master.value.catchers
      assert.match(first.failures[0]?.reason ?? "", /no space|ENOSPC/i)
      assert.deepStrictEqual([second.state, second.failures], ["Complete", []])
    })
  )

  it.effect("is sent as the union of the blocks that have changed, whoever has another", () =>
    Effect.gen(function* () {
      const outcome = yield* sync([older(otherAt(10)), older(otherAt(10, 3_000_000)), older(otherAt(size - 1))])
      const { bytes, pages, sentBytes = 0 } = isWhole(outcome)
      assert.strictEqual(pages.needed, selectionPages + pagesOf(10, 3_000_000, size - 1))
      assert.strictEqual(pages.repaired, 0)
      // lists and their signatures are sent as well
      assert.isAtLeast(sentBytes, (pages.needed - 4) * pageBytes)
      assert.isBelow(sentBytes, bytes / 10)
      const own = outcome.catchers.map((exit) => (exit._tag === "Success" ? exit.value.pages : undefined))
      assert.deepStrictEqual(
        own.map((pages) => [pages?.needed, pages?.repaired]),
        [[10], [10, 3_000_000], [size - 1]].map((places) => [selectionPages + pagesOf(...places), 0])
      )
    })
  )
  it.effect.each([false, true])(
    "is whole where a sub-block has the sum of another one: the hash of its block tells [Y-19] (late: %s)",
    (isLate) =>
      Effect.gen(function* () {
        const at = 1_000 * blockBytes
        const alike = older((content) => {
          exchange(content.subarray(at, at + pageBytes))
          return otherAt(at + 3 * pageBytes)(content)
        })
        const outcome = yield* sync([alike, older(otherAt(10)), alike], {
          startMillis: (catcher) => (isLate && catcher === 2 ? 300 : 0),
          master: { policy: Policy.defaults, catchers: isLate ? 2 : 3, bytesPerSecond: 300_000 }
        })
        const { pages } = isWhole(outcome)
        assert.strictEqual(pages.needed, selectionPages + pagesOf(10, at + 3 * pageBytes))
        // at both: the wrong page, and those by which digests are asked for
        assert.isAtLeast(pages.repaired, 2)
        assert.isAtMost(pages.repaired, 8)
      })
  )
  it.effect("is read no further than it is sent, and has no trailer, where all hold its signature [Y-17]", () =>
    Effect.gen(function* () {
      const outcome = yield* sync([older(otherAt(10)), older(otherAt(10, 3_000_000))])
      const { sentBytes = 0 } = isWhole(outcome)
      const signature = Signature.bytesOf({ size, blockBytes, subBytes: pageBytes })
      const list = Layout.make({ size: signature, pageBytes })
      const lists = signature + list.trailerBytes + list.pages * Limits.headerBytes
      const trailerBytes = Layout.make({ size, pageBytes }).trailerBytes
      const data = (pagesOf(10, 3_000_000) + selectionPages) * (pageBytes + Limits.headerBytes)
      assert.isBelow(sentBytes - data - lists, trailerBytes)
    })
  )
  it.effect("is needed as the union of what all lack, also where one comes late", () =>
    Effect.gen(function* () {
      const places = Array.from({ length: 60 }, (_, i) => i * 140_000)
      const versions = [older(otherAt(...places)), older(otherAt(10)), older(otherAt(...places, size - 1))]
      const outcome = yield* sync(versions, {
        // the file is on the air
        startMillis: (catcher) => (catcher === 2 ? 300 : 0),
        master: { policy: Policy.defaults, catchers: 2, bytesPerSecond: 300_000 }
      })
      const { catchers, pages } = isWhole(outcome)
      assert.lengthOf(catchers, 3)
      assert.isAbove(pages.sent, pages.needed + pagesOf(...places))
      assert.strictEqual(pages.needed, selectionPages + pagesOf(...places, size - 1))
    })
  )
  it.effect("also where its content has moved, and where the old one is shorter or longer", () =>
    Effect.gen(function* () {
      const outcome = yield* sync([
        older((content) => content.slice(0, size - 2_000_000)),
        older((content) =>
          Buffer.concat([content.subarray(0, 2_000_001), Uint8Array.of(1), content.subarray(2_000_001)])
        ),
        older((content) => Buffer.concat([content, content.subarray(0, 500)]))
      ])
      const { pages } = isWhole(outcome)
      const cut = Array.from(
        { length: Math.ceil(2_000_000 / pageBytes) + 1 },
        (_, i) => size - 2_000_000 + i * pageBytes
      )
      assert.strictEqual(
        pages.needed,
        selectionPages + pagesOf(2_000_001, ...cut.filter((place) => place < size), size - 1)
      )
    })
  )
  it.effect.each([false, true])("with loss, and one that is lost on the way (sealed: %s)", (isSealed) =>
    Effect.gen(function* () {
      const places = [5, 1_000_000, 1_200_000, 4_444_444]
      const outcome = yield* sync([older(otherAt(...places)), older(otherAt(places[2]))], {
        loss: 0.05,
        isSealed
      })
      const { pages } = isWhole(outcome)
      assert.strictEqual(pages.needed, selectionPages + pagesOf(...places))
    })
  )
  /** Every read of the older version at the first takes so long, up to that one, which does not end. */
  const slowly =
    (millis: number, hangsAt = Infinity) =>
    (catcher: number) => {
      let reads = 0
      const turn: Memory.Options["turn"] = (operation) => {
        if (catcher > 0 || operation !== "reuse") return Effect.void
        return ++reads > hangsAt ? Effect.never : Effect.sleep(millis)
      }
      return { turn }
    }
  it.effect.each([1, 3])("takes long to look through, at the first of %s: it says so, and is waited for", (count) =>
    Effect.gen(function* () {
      const moved = older((content) => Buffer.concat([Uint8Array.of(1), content]))
      const others = [older(otherAt(5)), older(otherAt(1_000_000))]
      const outcome = yield* sync([moved, ...others.slice(0, count - 1)], {
        timeoutMillis: 2000,
        faults: slowly(1900)
      })
      const { pages } = isWhole(outcome)
      assert.strictEqual(pages.needed, selectionPages + pagesOf(size - 1, ...[5, 1_000_000].slice(0, count - 1)))
      // longer than any other answer is waited for
      assert.isAbove(outcome.millis, 2000 * Limits.questionTimeouts)
    })
  )
  // at the first read it is looked through, and after some more it is copied
  it.effect.each([
    [1, 0],
    [1, 4],
    [3, 0],
    [3, 5]
  ])("hangs at the first of %s, after %s reads: that one is lost", ([count, at]) =>
    Effect.gen(function* () {
      const outcome = yield* sync(
        Array.from({ length: count }, () => older(otherAt(5))),
        { timeoutMillis: 2000, faults: slowly(100, at) }
      )
      if (outcome.master._tag !== "Success") return assert.fail(JSON.stringify(outcome.master))
      const states = outcome.master.value.catchers.map(({ state }) => state).toSorted()
      assert.deepStrictEqual(states, [...Array.from({ length: count - 1 }, () => "Complete"), "Lost"])
    })
  )
  it.effect.each([Policy.defaults, { ...Policy.defaults, compare: "Content" as const }])(
    "has holes: of its data what has changed is sent, and holes are zeros again [M-12] (%#)",
    (policy) =>
      Effect.gen(function* () {
        const image = SimulatedTree.withHoles(Simulation.file("image", size), 3)
        const { content = new Uint8Array(0), entry } = image
        const { data = [], metadata } = entry as FileEntry
        const bytes = countOf(data)
        assert.isAbove(bytes, 1_500_000)
        /** The first byte of a run, and one in a hole, are others; and the end is missing, or there is more. */
        const standing = (run: number, cut: number): Given => {
          const old = cut < 0 ? Buffer.concat([content, new Uint8Array(-cut).fill(1)]) : content.slice(0, size - cut)
          old[data[2 * run]] ^= 1
          old[data[2 * run] + data[2 * run + 1]] ^= 1
          return {
            entry: { ...entry, size: old.length, metadata: { ...metadata, mtimeSeconds: 5 } } as FileEntry,
            content: old
          }
        }
        const holed = [Simulation.directory(""), image]
        const outcome = yield* sync([[standing(0, 0)], [standing(20, 100)], [standing(90, -5000)]], {
          tree: holed,
          master: { policy }
        })
        if (outcome.master._tag !== "Success") throw new Error(JSON.stringify(outcome.master))
        for (const memory of outcome.memories) assert.deepStrictEqual(Simulation.differences(holed, memory), [])
        // one block each, and what is cut off may be of two
        const most = 5 * Math.ceil(Blocks.bytesOf(bytes, pageBytes) / pageBytes)
        assert.isAtMost(outcome.master.value.pages.needed, selectionPages + most)
      })
  )
  it.effect("is sent whole to a catcher that has none, and once", () =>
    Effect.gen(function* () {
      const outcome = yield* sync([older(otherAt(10)), []])
      const { pages } = isWhole(outcome)
      assert.isAtLeast(pages.needed, Math.ceil(size / pageBytes))
      assert.isBelow(pages.sent, 1.05 * pages.needed)
    })
  )
  it.effect("is sent whole where the policy says so, and then nothing is signed", () =>
    Effect.gen(function* () {
      const outcome = yield* sync([older(otherAt(10))], {
        master: { policy: { ...Policy.defaults, sendsWhole: true } }
      })
      const { pages } = isWhole(outcome)
      assert.isAtLeast(pages.needed, Math.ceil(size / pageBytes))
    })
  )
  it.effect("is under another name at each: its blocks are used where that is asked for [Y-16]", () =>
    Effect.gen(function* () {
      const renamed = (name: string, place: number) =>
        older(otherAt(place)).map((given): Given => {
          const { entry } = given
          return entry._tag === "File" && entry.size === size
            ? { ...given, entry: { ...entry, path: Buffer.from(name) } }
            : given
        })
      const outcome = yield* sync([renamed("large.1", 10), renamed("larger", 3_000_000)], {
        master: { policy: { ...Policy.defaults, deletes: true, isFuzzy: true } }
      })
      const { pages } = isWhole(outcome)
      assert.strictEqual(pages.needed, selectionPages + pagesOf(10, 3_000_000))
      for (const { tree } of outcome.memories) assert.sameMembers([...tree.keys()], [".", "large", "small"])
    })
  )
  /** A log of which the first bytes are there, and that grows from now on. */
  const all = Simulation.file("log", size + 1_000_000).content ?? new Uint8Array(0)
  const log = (bytes: number): Given => ({ ...Simulation.file("log", bytes), content: all.slice(0, bytes) })
  const growing = (millis: number, bytes: number) => {
    const given = log(size)
    const grow = Effect.gen(function* () {
      for (let times = 0; times < 20; times++) {
        yield* Effect.sleep(millis)
        MemorySource.rewrite(given, log((given.content?.length ?? 0) + bytes))
      }
    })
    return { given, grow }
  }
  const endsAsLog = (outcome: Simulation.Outcome, { content = new Uint8Array(0) }: Given) => {
    if (outcome.master._tag !== "Success") throw new Error(JSON.stringify(outcome.master))
    for (const { failures, state } of outcome.master.value.catchers)
      assert.deepStrictEqual([state, failures], ["Complete", []])
    for (const { tree } of outcome.memories) {
      const arrived = tree.get("log")?.content ?? new Uint8Array(0)
      assert.isAbove(arrived.length, size)
      assert.deepStrictEqual(Buffer.compare(arrived, content.subarray(0, arrived.length)), 0)
    }
    return outcome.master.value
  }
  it.effect("grows all the time: it costs what it grew, of whatever length the old ones are [M-8]", () =>
    Effect.gen(function* () {
      const { given, grow } = growing(20, 1000)
      const outcome = yield* Simulation.run({
        ...{ seed: 1, catchers: 2, tree: [Simulation.directory(""), given] },
        master: { policy: Policy.defaults },
        before: (catcher, volume) =>
          SimulatedTree.stand(volume, [Simulation.directory(""), log(size - (catcher === 0 ? 50_000 : 1))]),
        meanwhile: () => grow
      })
      const { pages } = endsAsLog(outcome, given)
      const grown = given.content!.length - size + 50_000
      // blocks at both ends of that are of both; a selection and a revision are a page each
      assert.isAtMost(pages.needed, Math.ceil((grown + 2 * blockBytes) / pageBytes) + 2)
    })
  )
  it.effect("is written anew in a place while it is sent for the first time: what has arrived is kept [Y-15]", () =>
    Effect.gen(function* () {
      const bytes = 20_000_000
      const given: Given = { ...Simulation.file("image", bytes), readMillis: 1 }
      const now = Uint8Array.from(given.content ?? []).fill(7, 1_000_000, 1_001_000)
      const { entry } = Simulation.file("image", bytes)
      const touched = { ...entry, metadata: { ...(entry as FileEntry).metadata, mtimeSeconds: 5 } } as FileEntry
      const outcome = yield* Simulation.run({
        ...{ seed: 1, catchers: 2, tree: [Simulation.directory(""), given], master: { policy: Policy.defaults } },
        meanwhile: () =>
          Effect.andThen(
            Effect.sleep(100),
            Effect.sync(() => MemorySource.rewrite(given, { entry: touched, content: now }))
          )
      })
      if (outcome.master._tag !== "Success") throw new Error(JSON.stringify(outcome.master))
      const { catchers, pages } = outcome.master.value
      assert.deepStrictEqual(
        catchers.map(({ state }) => state),
        ["Complete", "Complete"]
      )
      for (const { tree } of outcome.memories)
        assert.strictEqual(Buffer.compare(tree.get("image")?.content ?? new Uint8Array(0), now), 0)
      assert.isBelow(pages.sent, 1.02 * Math.ceil(bytes / pageBytes))
    })
  )
  it.effect("nobody has a version: no signature is sent", () =>
    Effect.gen(function* () {
      const outcome = yield* sync([[], []])
      const { pages } = isWhole(outcome)
      const { trailerBytes } = Layout.make({ size, pageBytes })
      const others = selectionPages + Math.ceil(trailerBytes / pageBytes) + 10
      assert.isAtMost(pages.sent, Math.ceil(size / pageBytes) + others)
    })
  )
})
