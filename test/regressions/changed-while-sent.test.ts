/**
 * Files that changed between the scan and their end reached nobody, and repairs of one that changed in place went out under
 * the old hash, again and again. Now they are taken as they are, and sent in a further pass.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Catcher from "../../src/catcher/Catcher.ts"
import * as Master from "../../src/master/Master.ts"
import { type Event, Progress } from "../../src/report/Progress.ts"
import { exitStatusOf } from "../../src/report/Report.ts"
import * as Tree from "../../src/simulate/Tree.ts"
import { rewrite } from "../../src/source/Memory.ts"
import { Source } from "../../src/source/Source.ts"
import * as Memory from "../../src/store/Memory.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import { answering, crowd, inJumps } from "../phase/Rig.ts"
import * as Simulation from "../sessions/Simulation.ts"
import { CatcherProtection, MasterProtection } from "../../src/session/Exchange.ts"

/** What the master is about to do with a file: open it, read it for the n-th time, or take it anew. */
type Act = (what: "open" | "read" | "retake", path: string, nth: number) => void

interface Story {
  readonly tree: Array<Memory.Given>
  readonly act: Act
  readonly loss?: number
  readonly catchers?: number
  /** The second and further catchers come so late. */
  readonly lateMillis?: number
  readonly timeoutMillis?: number
  readonly meanwhile?: (network: Simulated.Network) => Effect.Effect<void, never, Scope.Scope>
}

const session = Effect.fnUntraced(function* (story: Story) {
  const { act, catchers = 2, lateMillis = 0, loss = 0, meanwhile, timeoutMillis = 5000, tree } = story
  const network = yield* Simulated.make({ seed: 1, loss })
  const memories = Array.from({ length: catchers }, () => Memory.make())
  const notes: Array<string> = []
  const pathOf = (index: number) => new TextDecoder().decode(tree[index].entry.path)
  const acting = Layer.effect(
    Source,
    Effect.map(Source, (below) =>
      Source.of({
        ...below,
        open: Effect.fnUntraced(function* (entry) {
          act("open", pathOf(entry), 0)
          const file = yield* below.open(entry)
          let nth = 0
          return {
            ...file,
            read: (offset, into) =>
              Effect.suspend(() => {
                act("read", pathOf(entry), ++nth)
                return file.read(offset, into)
              })
          }
        }),
        readMembers: (members, into) => {
          for (const { entry } of members) act("open", pathOf(entry), 0)
          return below.readMembers(members, into)
        },
        retake: (entries) => {
          for (const entry of entries) act("retake", pathOf(entry), 0)
          return below.retake(entries)
        }
      })
    )
  )
  const publish = (event: Event) => void (event._tag === "Note" && notes.push(event.message))
  const times = { waitMillis: 60_000, timeoutMillis }
  const master = Master.run({
    ...times,
    catchers: lateMillis > 0 ? 1 : catchers,
    pageBytes: 1432,
    bytesPerSecond: lateMillis > 0 ? 5e6 : 20e6
  }).pipe(
    Effect.provide(MasterProtection.insecure),
    Effect.provide([network.layerMaster, Layer.provide(acting, Memory.sourceLayer(tree)), Progress.layerTo(publish)])
  )
  const programs = memories.map((memory, i) =>
    Effect.delay(
      Catcher.run({ ...times, id: `c${i + 1}` }).pipe(
        Effect.provide(CatcherProtection.insecure),
        Effect.provide([network.layerCatcher(`c${i + 1}`), Memory.layer(memory), Progress.layerNone])
      ),
      i === 0 ? 0 : lateMillis
    )
  )
  if (meanwhile !== undefined) yield* Effect.forkScoped(Effect.delay(meanwhile(network), lateMillis))
  const [report, reports] = yield* Effect.all([master, Effect.all(programs, { concurrency: "unbounded" })], {
    concurrency: 2
  })
  return { report, reports, memories, notes }
}, inJumps())

type Ended = Effect.Success<ReturnType<typeof session>>

/** Every catcher has the tree as it is now, and everybody says so. */
const arrived = (tree: ReadonlyArray<Memory.Given>, { memories, report, reports }: Ended, status = 0) => {
  for (const memory of memories) {
    assert.deepStrictEqual(Simulation.differences(tree, memory), [])
    const there = memory.tree
    for (const { entry } of tree) {
      const made = there.get(new TextDecoder().decode(entry.path))?.entry
      if (entry._tag === "File") assert.deepStrictEqual(made, entry)
    }
  }
  const files = tree.filter(({ entry }) => entry._tag === "File").length
  const bytes = tree.reduce((sum, { entry }) => sum + (entry._tag === "File" ? entry.size : 0), 0)
  for (const one of [...report.catchers, ...reports.map(({ catchers }) => catchers[0])]) {
    assert.deepStrictEqual([one.id, one.state, one.failures], [one.id, "Complete", []])
    assert.deepStrictEqual([one.files, one.bytes], [files, bytes])
  }
  // whatever was dropped or taken anew: both sides mean the same pages
  for (const own of reports) assert.strictEqual(own.pages.needed, report.pages.needed)
  assert.strictEqual(exitStatusOf(report), status)
}

/** A file whose time says that it was written later. */
const later = (given: Memory.Given, seconds: number): Memory.Given => {
  const { entry } = given
  if (entry._tag !== "File") return given
  const mtimeSeconds = entry.metadata.mtimeSeconds + seconds
  return { ...given, entry: { ...entry, metadata: { ...entry.metadata, mtimeSeconds } } }
}

const large = 600_000

describe("[M-8] a file that changes", () => {
  for (const [what, size] of [
    ["large, and larger", large + 5000],
    ["large, then small", 3000],
    ["large, in the same size", large],
    ["large, then empty", 0]
  ] as const) {
    it.effect(`replaced before it is opened, ${what}, is sent as the new one`, () =>
      Effect.gen(function* () {
        const tree = [Tree.file("a", large), Tree.file("b", 2000), Tree.file("c", 2000)]
        let isDone = false
        const act: Act = (what, path) => {
          if (isDone || what !== "open" || path !== "a") return
          isDone = true
          tree[0] = later(Tree.file("a", size, 2), 60)
          tree[1] = later(Tree.file("b", size === large ? 700_000 : 100, 2), 60)
        }
        const ended = yield* session({ tree, act, loss: 0.02 })
        arrived(tree, ended)
        // one message, of what is so: nobody need do anything
        const note = "a: changed or vanished while it was sent; it is sent once more after the others"
        assert.deepStrictEqual(ended.notes, [note])
      })
    )
  }

  // a revision forgot why an entry had failed: catchers and master said Complete of what was refused
  for (const size of [large, 2000]) {
    it.effect(`an entry of ${size} bytes that would escape is refused still when it has changed [M-4]`, () =>
      Effect.gen(function* () {
        const tree = [Tree.file("../up", size), Tree.file("good", large)]
        let isDone = false
        const act: Act = (what, path) => {
          if (isDone || what !== "open" || path !== "../up") return
          isDone = true
          tree[0] = later(Tree.file("../up", size, 2), 60)
        }
        const { memories, report, reports } = yield* session({ tree, act })
        assert.isTrue(isDone)
        for (const one of [...report.catchers, ...reports.map(({ catchers }) => catchers[0])]) {
          assert.deepStrictEqual([one.state, one.files, one.bytes], ["Partial", 1, large])
          assert.deepStrictEqual(
            one.failures.map(({ path }) => path),
            ["../up"]
          )
        }
        for (const { tree } of memories) assert.deepStrictEqual([...tree.keys()], ["good"])
      })
    )
  }

  it.effect("rewritten in place while it is sent gets another try", () =>
    Effect.gen(function* () {
      const tree = [Tree.file("a", large), Tree.file("b", 2000)]
      const act: Act = (what, path, nth) => {
        if (what === "read" && path === "a" && nth === 2) rewrite(tree[0], later(Tree.file("a", large - 10, 2), 60))
      }
      let writes = 0
      const firstTime: Act = (what, path, nth) =>
        void (what === "read" && nth === 2 && writes++ > 0 ? 0 : act(what, path, nth))
      arrived(tree, yield* session({ tree, act: firstTime }))
    })
  )

  for (const more of [1, 5000, large]) {
    it.effect(`written anew in place and longer by ${more}, between its open and its turn, is sent as it is then`, () =>
      Effect.gen(function* () {
        const tree = [Tree.file("a", large), Tree.file("b", 2000)]
        const act: Act = (what, path, nth) => {
          if (what === "read" && path === "a" && nth === 1) rewrite(tree[0], later(Tree.file("a", large + more, 2), 60))
        }
        arrived(tree, yield* session({ tree, act }))
      })
    )
  }

  it.effect("appended to while it is sent arrives as it was when it was opened", () =>
    Effect.gen(function* () {
      const tree = [Tree.file("a", large), Tree.file("b", 2000)]
      const then = { ...tree[0] }
      const act: Act = (what, path, nth) => {
        if (what !== "read" || path !== "a" || nth === 1) return
        const content = new Uint8Array(large + nth)
        content.set(then.content!)
        const grown = later(Tree.file("a", content.length), nth)
        rewrite(tree[0], { entry: grown.entry, content })
      }
      const ended = yield* session({ tree, act, loss: 0.05 })
      arrived([then, tree[1]], ended)
      assert.deepStrictEqual(ended.notes, ["a grew while it was sent; it arrived as it was when it was opened"])
      assert.strictEqual(exitStatusOf(ended.report), 0)
    })
  )

  it.effect("touched while it is sent has its new time", () =>
    Effect.gen(function* () {
      const tree = [Tree.file("a", large)]
      let isDone = false
      const act: Act = (what, _, nth) => {
        if (what === "read" && nth === 2 && !isDone) rewrite(tree[0], later(tree[0], 5))
        isDone ||= nth === 2
      }
      arrived(tree, yield* session({ tree, act, loss: 0.05 }))
    })
  )

  for (const [how, moves] of [
    ["through mmap, which moves no time", 0],
    ["by writes", 1]
  ] as const) {
    it.effect(`that never holds still, ${how}, arrives as it was at one moment, with a note and 24`, () =>
      Effect.gen(function* () {
        const tree = [Tree.file("a", large), Tree.file("b", 2000)]
        const moments: Array<Uint8Array> = [tree[0].content!]
        let writes = 0
        const act: Act = (_, path) => {
          if (path !== "a") return
          const content = tree[0].content!.slice()
          content[(writes * 77_777) % large] ^= 0xff
          moments.push(content)
          rewrite(tree[0], { entry: later(tree[0], moves).entry, content })
          writes++
        }
        const ended = yield* session({ tree, act, loss: 0.03, catchers: 3 })
        const { memories, notes, report, reports } = ended
        for (const memory of memories) {
          const content = memory.tree.get("a")?.content
          assert.isTrue(
            moments.some((moment) => Buffer.compare(moment, content!) === 0),
            "it is as it never was"
          )
        }
        for (const { catchers } of [report, ...reports])
          for (const { failures, state } of catchers) assert.deepStrictEqual([state, failures], ["Complete", []])
        assert.deepStrictEqual(
          report.failures.map(({ kind, path }) => [path, kind]),
          [["a", "Changed"]]
        )
        assert.strictEqual(exitStatusOf(report), 24)
        assert.isTrue(notes.some((note) => note.startsWith("a ") && note.includes("at one moment")))
        assert.isBelow(report.pages.sent, 2.5 * report.pages.needed)
      })
    )
  }

  it.effect("a small file that is gone and is there again is sent; one that stays away is 24", () =>
    Effect.gen(function* () {
      const tree = [Tree.file("a", 2000), Tree.file("b", 2000), Tree.file("c", 2000)]
      const [a, b, c] = tree
      const act: Act = (what, path) => {
        if (what === "open" && path === "a") {
          tree[0] = { ...a, fault: "changed" }
          tree[1] = { ...b, fault: "changed" }
        }
        if (what === "retake") tree[0] = later(a, 1)
      }
      const ended = yield* session({ tree, act })
      const { memories, report, reports } = ended
      for (const memory of memories) assert.deepStrictEqual([...memory.tree.keys()].sort(), ["a", "c"])
      assert.deepStrictEqual(memories[0].tree.get("a")?.entry, later(a, 1).entry)
      assert.deepStrictEqual(
        report.failures.map(({ kind, path }) => [path, kind]),
        [["b", "Changed"]]
      )
      assert.strictEqual(exitStatusOf(report), 24)
      assert.deepStrictEqual(
        reports[0].catchers[0].failures.map(({ path }) => path),
        ["b"]
      )
      assert.strictEqual(c.entry._tag, "File")
    })
  )

  it.effect("a file that a lease holds is waited for", () =>
    Effect.gen(function* () {
      const tree = [Tree.file("a", 2000), Tree.file("b", large), Tree.file("c", 2000)]
      rewrite(tree[0], { fault: "leased" })
      rewrite(tree[1], { fault: "leased" })
      let retakes = 0
      const act: Act = (what, path) => {
        if (what === "retake" && path === "b" && ++retakes === 1) {
          rewrite(tree[0], { fault: undefined as never })
          rewrite(tree[1], { fault: undefined as never })
        }
      }
      arrived(tree, yield* session({ tree, act, loss: 0.02 }))
    })
  )

  it.effect("a catcher that comes after the revision is sent it, and what it lists", () =>
    Effect.gen(function* () {
      const tree = [Tree.file("a", large), Tree.file("b", 2000)]
      let isDone = false
      const act: Act = (what, path) => {
        if (isDone || what !== "open" || path !== "a") return
        isDone = true
        tree[0] = later(Tree.file("a", 2_500_000, 2), 60)
        tree[1] = later(Tree.file("b", 2100, 2), 60)
      }
      const ended = yield* session({ tree, act, lateMillis: 400 })
      arrived(tree, ended)
      assert.isAbove(ended.report.pages.sent, 1.3 * ended.report.pages.needed, "it came before the revision was sent")
    })
  )

  it.effect("a file that changes between two passes: each catcher has what it was then", () =>
    Effect.gen(function* () {
      const tree = [Tree.file("a", large), ...Array.from({ length: 5 }, (_, i) => Tree.file(`x${i}`, large))]
      const then = [...tree]
      let opens = 0
      const act: Act = (what, path) => {
        if (what === "open" && path === "a" && ++opens === 2) tree[0] = later(Tree.file("a", 5000, 2), 60)
      }
      const ended = yield* session({ tree, act, lateMillis: 300 })
      assert.deepStrictEqual(
        ended.memories.map((memory, i) => Simulation.differences(i === 0 ? then : tree, memory)),
        [[], []]
      )
      assert.isAtLeast(opens, 2)
      assert.strictEqual(exitStatusOf(ended.report), 0)
      const bytes = 5 * large
      assert.deepStrictEqual(
        ended.report.catchers.map(({ bytes, files, id, state }) => [id, state, files, bytes]),
        [
          ["c1", "Complete", 6, bytes + large],
          ["c2", "Complete", 6, bytes + 5000]
        ]
      )
    })
  )

  it.effect("waits for a catcher that has fallen silent, when all others have their trees", () =>
    Effect.gen(function* () {
      const tree = [Tree.file("a", large), ...Array.from({ length: 5 }, (_, i) => Tree.file(`x${i}`, large))]
      let opens = 0
      const act: Act = (what, path) => {
        if (what === "open" && path === "a" && ++opens === 2) tree[0] = later(Tree.file("a", 5000, 2), 60)
      }
      // it has the manifest and says nothing about the second file
      const answer = answering((message) => {
        if (message._tag === "Poll") return { _tag: "PollOk", poll: message.poll, received: 0, dropped: 0 }
        if (message._tag === "Open" && message.file === 2) return undefined
        if (message._tag === "Open") return { _tag: message.file > 1 ? "Complete" : "OpenOk", file: message.file }
        if (message._tag === "Eof") return { _tag: "Complete", file: message.file }
        if (message._tag === "Close") return { _tag: "CloseOk", file: message.file, from: message.from, failures: [] }
        return message._tag === "Abort" ? { _tag: "Aborted", file: message.file } : undefined
      })
      const { report } = yield* session({
        ...{ tree, act, catchers: 1, lateMillis: 300, timeoutMillis: 1000 },
        meanwhile: (network) => Effect.andThen(crowd(network, 1, answer, "mute"), Effect.never)
      })
      assert.strictEqual(opens, 2)
      assert.deepStrictEqual(
        report.catchers.map(({ id, state }) => [id, state]),
        [
          ["c1", "Complete"],
          ["mute1", "Lost"]
        ]
      )
    })
  )

  it.effect("hard links follow the file as it is now", () =>
    Effect.gen(function* () {
      const tree = [Tree.file("a", large), Tree.hardLink("b", 0)]
      let isDone = false
      const act: Act = (what) => {
        if (isDone || what !== "open") return
        isDone = true
        tree[0] = later(Tree.file("a", 5000, 2), 60)
      }
      const { memories, report } = yield* session({ tree, act })
      for (const { tree: made } of memories) {
        assert.strictEqual(Buffer.compare(made.get("b")!.content!, tree[0].content!), 0)
      }
      assert.strictEqual(exitStatusOf(report), 0)
    })
  )
})
