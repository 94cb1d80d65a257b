import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as FileState from "../../../src/protocol/file/FileState.ts"
import * as Layout from "../../../src/protocol/file/Layout.ts"
import * as PageSet from "../../../src/protocol/file/PageSet.ts"
import * as Limits from "../../../src/protocol/Limits.ts"
import {
  AnyEvent,
  AnyEvents,
  emptyLayout,
  eventOf,
  int,
  layout,
  pagesOf,
  parityOf,
  root,
  run,
  shuffled
} from "../generators.ts"

const open: FileState.Event = { _tag: "Open", layout }
const opened: FileState.Event = { _tag: "Opened" }
const everyPage = pagesOf(Array.from({ length: layout.pages }, (_, page) => page))
const ask = (round: number, first = 0, count = 2): FileState.Event => ({
  _tag: "Eof",
  ...{ round, first, count, root: undefined, counts: false }
})
const askLast = (round: number): FileState.Event => ({ _tag: "Eof", round, first: 6, count: 2, root, counts: false })
const agreed: FileState.Event = { _tag: "Verified", blocks: [], trailer: false }
const close: FileState.Event = { _tag: "Close", from: 0 }
const abort: FileState.Event = { _tag: "Abort" }

const getData = run([open, opened])[0]
const whole = run([everyPage], getData)[0]
const ready = run([askLast(1), agreed], whole)[0]
const committed = run([close, { _tag: "Committed", failures: [] }], ready)[0]

const answers = (commands: ReadonlyArray<FileState.Command>) =>
  commands.flatMap((command) => (command._tag === "Answer" ? [command.answer] : []))
const tags = (commands: ReadonlyArray<FileState.Command>) =>
  commands.map((command) => (command._tag === "Answer" ? command.answer._tag : command._tag))
const held = (state: FileState.State) => (state._tag === "GetData" ? state.pages.held : -1)

describe("the table of the four states", () => {
  it("Idle, Open: the store is opened; opened: OpenOk, GetData", () => {
    const [opening, commands] = FileState.step(FileState.initial, open)
    assert.deepStrictEqual(commands, [{ _tag: "OpenStore", layout, root: undefined }])
    const [state, after] = FileState.step(opening, opened)
    assert.deepStrictEqual(tags(after), ["OpenOk"])
    assert.strictEqual(state._tag, "GetData")
    assert.strictEqual(held(state), 0)
  })

  it("Idle, Open; opened with pages held: they are not missing [C-5]", () => {
    const [state] = run([open, { _tag: "Opened", held: [1, 2, 4, 1] }])
    assert.strictEqual(held(state), 3)
    assert.deepStrictEqual(FileState.invariants(state), [])
    const missing = [0, 2, 4].map((first) => answers(FileState.step(state, ask(1, first))[1])[0])
    assert.deepStrictEqual(
      missing.map((answer) => (answer?._tag === "Missing" ? answer.runs : [])),
      [
        [0, 1],
        [3, 1],
        [5, 1]
      ]
    )
    const again = FileState.step(state, pagesOf([1, 4]))
    assert.deepStrictEqual(again[1], [], "they are not stored twice")
  })

  it("Idle, Open, recognised: Complete at once, DataReady, and Close commits [C-6] [O-4]", () => {
    const [opening, commands] = FileState.step(FileState.initial, { _tag: "Open", layout, root })
    assert.deepStrictEqual(commands, [{ _tag: "OpenStore", layout, root }])
    const [state, after] = FileState.step(opening, { _tag: "Recognised" })
    assert.strictEqual(state._tag, "DataReady")
    assert.deepStrictEqual(tags(after), ["Complete"])
    assert.deepStrictEqual(tags(run([open, close, { _tag: "Committed", failures: [] }], state)[1]), [
      "Complete",
      "Commit",
      "CloseOk"
    ])
    // whoever asked for no such thing is not told it
    for (const other of [FileState.initial, getData, state]) {
      assert.deepStrictEqual(FileState.step(other, { _tag: "Recognised" }), [other, []])
    }
  })

  it("Idle, Open: failed: the reason is the answer, Sick", () => {
    const [state, commands] = run([open, { _tag: "OpenFailed", reason: "EROFS", about: "File" }])
    assert.deepStrictEqual(state, { _tag: "Sick", reason: "EROFS", about: "File" })
    assert.deepStrictEqual(tags(commands), ["OpenStore", "Discard", "SitOut"])
    assert.deepStrictEqual(answers(commands), [{ _tag: "SitOut", reason: "EROFS", about: "File" }])
  })

  it("Idle, Open of a file with nothing to carry: complete at once", () => {
    const [state, commands] = run([{ _tag: "Open", layout: emptyLayout }, opened])
    assert.strictEqual(state._tag, "DataReady")
    assert.deepStrictEqual(tags(commands), ["OpenStore", "Complete"])
    assert.deepStrictEqual(tags(run([askLast(1)], state)[1]), ["Complete"])
  })

  it("Idle, Open of a file beyond the limit of pages: Sick, before anything is opened", () => {
    const huge = Layout.make({ size: Number.MAX_SAFE_INTEGER, pageBytes: 512 })
    const [state, commands] = run([{ _tag: "Open", layout: huge }])
    assert.strictEqual(state._tag, "Sick")
    assert.notInclude(tags(commands), "OpenStore")
  })

  it("GetData, Pages: those still missing are stored; duplicates change nothing [C-2]", () => {
    const [first, stored] = FileState.step(getData, pagesOf([3, 1, 3, 99]))
    assert.deepInclude(stored[0], { _tag: "StorePages", fresh: [0, 1] })
    assert.strictEqual(held(first), 2)
    const [again, nothing] = FileState.step(first, pagesOf([1, 3]))
    assert.strictEqual(again, first)
    assert.deepStrictEqual(nothing, [])
  })

  it("GetData, Eof with nothing missing: verify; agreed: Complete, DataReady [C-6]", () => {
    const [verifying, commands] = FileState.step(whole, askLast(1))
    assert.deepStrictEqual(commands, [{ _tag: "Verify", root }])
    assert.strictEqual(verifying._tag, "GetData")
    const [state, after] = FileState.step(verifying, agreed)
    assert.strictEqual(state._tag, "DataReady")
    assert.deepStrictEqual(tags(after), ["Complete"])
  })

  it("GetData, Eof, a block's hash is wrong: its pages are missing again", () => {
    const [state, commands] = run([askLast(1), { _tag: "Verified", blocks: [1], trailer: false }], whole)
    assert.strictEqual(held(state), layout.pages - 2)
    const answer = { _tag: "Missing", round: 1, first: 2, count: 2, lacks: undefined, runs: [2, 2] } as const
    assert.deepStrictEqual(answers(commands), [answer])
    const mended = run([pagesOf([2, 3]), askLast(2), agreed], state)[0]
    assert.strictEqual(mended._tag, "DataReady")
  })

  it("GetData, Eof, the trailer's hash is wrong: the trailer is missing again, the content is not", () => {
    const [state, commands] = run([askLast(1), { _tag: "Verified", blocks: [], trailer: true }], whole)
    assert.strictEqual(held(state), layout.dataPages)
    const [answer] = answers(commands)
    assert.strictEqual(answer._tag === "Missing" && answer.runs.length > 0, true)
  })

  it("GetData, hashes wrong too often: SitOut, Sick [C-7]", () => {
    let state = whole
    const wrong: FileState.Event = { _tag: "Verified", blocks: [0], trailer: false }
    for (let i = 0; i < Limits.rejectedHashes; i++) {
      state = run([askLast(i + 1), wrong, pagesOf([0, 1])], state)[0]
      assert.strictEqual(state._tag, "GetData")
    }
    const [sick, commands] = run([askLast(100), wrong], state)
    assert.strictEqual(sick._tag, "Sick")
    assert.deepStrictEqual(tags(commands), ["Verify", "Discard", "SitOut"])
  })

  it("GetData, Eof with something missing: Missing of the span asked about; stay", () => {
    const some = run([pagesOf([0, 3])], getData)[0]
    const [state, commands] = FileState.step(some, ask(1, 0, 2))
    assert.deepStrictEqual(answers(commands), [
      { _tag: "Missing", round: 1, first: 0, count: 2, lacks: undefined, runs: [1, 1] }
    ])
    assert.strictEqual(state._tag, "GetData")
  })

  it("GetData, the last Eof when its own span is whole: Missing of the span with the first gap [Q-8]", () => {
    const some = run([pagesOf([0, 1, 2, 4, 5, 6, 7])], getData)[0]
    const [, commands] = FileState.step(some, askLast(1))
    assert.deepStrictEqual(answers(commands), [
      { _tag: "Missing", round: 1, first: 2, count: 2, lacks: undefined, runs: [3, 1] }
    ])
  })

  const parity = (...pairs: ReadonlyArray<readonly [block: number, index: number]>) => parityOf(pairs)
  const heldParity = (state: FileState.State, block: number) =>
    state._tag === "GetData" ? (state.parity.get(block) ?? []) : []

  it("GetData, Parity: kept while the block lacks more; with the last one the block is made [C-4]", () => {
    const [one, kept] = FileState.step(getData, parity([1, 3]))
    assert.deepStrictEqual(tags(kept), ["KeepParity"])
    assert.deepStrictEqual(heldParity(one, 1), [3])
    assert.strictEqual(held(one), 0)
    const [both, commands] = FileState.step(one, parity([1, 250]))
    assert.deepStrictEqual(tags(commands), ["KeepParity", "Recover"])
    assert.deepInclude(commands[1], { block: 1, missing: [2, 2] })
    assert.strictEqual(held(both), 2)
    assert.deepStrictEqual(heldParity(both, 1), [])
    // its pages are duplicates now, and its parity is of no use
    assert.deepStrictEqual(FileState.step(both, pagesOf([2, 3])), [both, []])
    assert.deepStrictEqual(FileState.step(both, parity([1, 0])), [both, []])
  })

  it("GetData, Parity of no block, of no index, or known: ignored [C-4]", () => {
    const [state] = FileState.step(getData, parity([0, 7]))
    assert.deepStrictEqual(FileState.step(state, parity([3, 0], [0, 254], [0, 7])), [state, []])
    // the last block has one page, so it has 255 parity pages
    assert.deepStrictEqual(tags(FileState.step(state, parity([2, 254]))[1]), ["KeepParity", "Recover"])
  })

  it("GetData, Pages that leave a block lacking no more than its parity: it is made; nothing: the parity is dropped", () => {
    const [state] = FileState.step(getData, parity([0, 0], [1, 0]))
    const [made, commands] = FileState.step(state, pagesOf([1]))
    assert.deepStrictEqual(tags(commands), ["StorePages", "Recover"])
    assert.deepInclude(commands[1], { block: 0, missing: [0, 1] })
    assert.strictEqual(held(made), 2)
    const [whole, after] = FileState.step(made, pagesOf([2, 3]))
    assert.deepStrictEqual(tags(after), ["StorePages", "DropParity"])
    assert.deepStrictEqual(heldParity(whole, 1), [])
  })

  it("GetData, Eof that counts: what each block lacks, parity held taken off; the trailer in runs", () => {
    const wide = Layout.make({ size: 640 * 5, pageBytes: 640, blockPages: 2 })
    assert.isAbove(wide.spanPages, wide.pages)
    const [some] = run([{ _tag: "Open", layout: wide }, opened, pagesOf([0]), parity([1, 9])])
    const eof = { _tag: "Eof", round: 1, first: 0, count: wide.pages, root: undefined } as const
    const about = { _tag: "Missing", round: 1, first: 0, count: wide.pages } as const
    assert.deepStrictEqual(answers(FileState.step(some, { ...eof, counts: true })[1]), [
      { ...about, lacks: [1, 1, 1], runs: [5, 1] }
    ])
    // a list asks for as many pages as are lacking, whichever
    assert.deepStrictEqual(answers(FileState.step(some, { ...eof, counts: false })[1]), [
      { ...about, lacks: undefined, runs: [1, 1, 3, 3] }
    ])
  })

  it.for([1432, 9000, Limits.maxPageBytes])(
    "GetData, more parity of %s bytes than a file may keep: the oldest block's is dropped",
    (pageBytes) => {
      const most = Limits.heldParityPages(pageBytes)
      assert.isAtMost(most * pageBytes, 10_000_000)
      const blocks = Math.floor(most / 127) + 1
      const big = Layout.make({ size: blocks * Limits.blockPages * pageBytes, pageBytes })
      let [state] = run([{ _tag: "Open", layout: big }, opened])
      const dropped: Array<number> = []
      for (let block = 0; block < blocks; block++) {
        const pairs = Array.from({ length: 127 }, (_, index) => [block, index] as const)
        const [next, commands] = FileState.step(state, parity(...pairs))
        for (const command of commands) if (command._tag === "DropParity") dropped.push(command.block)
        state = next
      }
      assert.deepStrictEqual(dropped, [0])
      assert.deepStrictEqual(heldParity(state, 0), [])
      assert.strictEqual(heldParity(state, 1).length, 127)
      assert.deepStrictEqual(FileState.invariants(state), [])
    }
  )

  it("GetData, a store that fails: SitOut with the reason, Sick", () => {
    const [state, commands] = FileState.step(getData, { _tag: "StoreFailed", reason: "disk full", about: "File" })
    assert.deepStrictEqual(state, { _tag: "Sick", reason: "disk full", about: "File" })
    assert.deepStrictEqual(tags(commands), ["Discard", "SitOut"])
  })

  it("GetData, parity that is dropped and comes again is no progress [C-7]", () => {
    const pageBytes = Limits.maxPageBytes
    const big = Layout.make({ size: 3 * Limits.blockPages * pageBytes, pageBytes })
    const parities = (block: number) => parity(...Array.from({ length: 127 }, (_, i) => [block, i] as const))
    let [state] = run([{ _tag: "Open", layout: big }, opened])
    for (let round = 0; round < 2 * Limits.stalledRounds && state._tag === "GetData"; round++) {
      // 127 and one, and one and 127 again
      state = run([parities(round % 2), parity([2, round % 100]), ask(round)], state)[0]
    }
    assert.strictEqual(state._tag, "Sick")
  })

  it("GetData, no progress for too many rounds: SitOut, Sick; a page in between is progress [C-7]", () => {
    const rounds = (from: number, count: number) => Array.from({ length: count }, (_, i) => ask(from + i))
    const most = run(rounds(1, Limits.stalledRounds), getData)[0]
    assert.strictEqual(most._tag, "GetData")
    assert.strictEqual(run(rounds(1000, 1), most)[0]._tag, "Sick")
    assert.strictEqual(run([pagesOf([0]), ...rounds(1000, Limits.stalledRounds)], most)[0]._tag, "GetData")
  })

  it("DataReady, Close: Commit; committed: CloseOk with the failures from the entry asked for, Idle", () => {
    const failures = [
      { entry: 1, reason: "a" },
      { entry: 5, reason: "b" }
    ]
    const [state, commands] = run(
      [
        { _tag: "Close", from: 2 },
        { _tag: "Committed", failures }
      ],
      ready
    )
    assert.deepStrictEqual(commands[0], { _tag: "Commit" })
    assert.deepStrictEqual(answers(commands), [{ _tag: "CloseOk", from: 2, failures: [failures[1]] }])
    assert.deepStrictEqual(state, { _tag: "Idle", past: "Committed", failures })
  })

  it("DataReady, a commit that fails: SitOut, Sick", () => {
    const [state, commands] = run([close, { _tag: "StoreFailed", reason: "EXDEV", about: "File" }], ready)
    assert.deepStrictEqual(state, { _tag: "Sick", reason: "EXDEV", about: "File" })
    assert.deepStrictEqual(tags(commands), ["Commit", "Discard", "SitOut"])
  })

  it("any, Abort: the temporary file is removed, Aborted, Idle", () => {
    const sick = run([{ _tag: "StoreFailed", reason: "no", about: "File" }], getData)[0]
    const opening = run([open])[0]
    for (const state of [opening, getData, whole, ready, sick]) {
      const [after, commands] = FileState.step(state, abort)
      assert.deepStrictEqual(after, { _tag: "Idle", past: "Aborted" })
      assert.deepStrictEqual(tags(commands), ["Discard", "Aborted"])
    }
    // what was committed stays
    assert.deepStrictEqual(tags(FileState.step(committed, abort)[1]), ["Aborted"])
    assert.strictEqual(FileState.step(committed, abort)[0], committed)
  })

  it("any, a question asked again: the same answer [C-1]", () => {
    const rows: ReadonlyArray<readonly [FileState.State, FileState.Event, string]> = [
      [getData, open, "OpenOk"],
      [ready, open, "Complete"],
      [committed, open, "Complete"],
      [ready, askLast(1), "Complete"],
      [committed, askLast(9), "Complete"],
      [committed, close, "CloseOk"],
      ...[abort, askLast(1), close].map(
        (event) => [{ _tag: "Idle", past: "Aborted" } as const, event, "Aborted"] as const
      ),
      ...[open, askLast(1), close].map(
        (event) => [{ _tag: "Sick", reason: "x", about: "File" } as FileState.State, event, "SitOut"] as const
      )
    ]
    for (const [state, event, tag] of rows) {
      const [after, commands] = FileState.step(state, event)
      assert.strictEqual(after, state)
      assert.deepStrictEqual(tags(commands), [tag])
    }
  })

  it("while an outcome is awaited a question is not answered twice, and has no second effect [C-1]", () => {
    const opening = run([open])[0]
    const verifying = run([askLast(1)], whole)[0]
    const committing = run([close], ready)[0]
    const rows = [
      [opening, open],
      [verifying, askLast(1)],
      [verifying, askLast(2)],
      [committing, close]
    ] as const
    for (const [state, event] of rows) assert.deepStrictEqual(FileState.step(state, event), [state, []])
  })
})

/** Commands that change something outside. */
const effects = new Set(["OpenStore", "StorePages", "KeepParity", "Recover", "Verify", "Commit", "Discard"])

const snapshot = (value: unknown) => structuredClone(value)

describe("properties of the reducer", () => {
  it.prop(
    "any events keep the invariants, and no event changes what was before [C-5] [C-3]",
    [AnyEvents],
    ([events]) => {
      let state = FileState.initial
      for (const event of events.map(eventOf)) {
        const before = snapshot(state)
        const [next, commands] = FileState.step(state, event)
        assert.deepStrictEqual(state, before)
        assert.deepStrictEqual(FileState.step(state, event), [next, commands])
        assert.deepStrictEqual(FileState.invariants(next), [])
        state = next
      }
    }
  )

  // Most sequences of chance fall out of the sensible ones early, so these begin where it matters.
  const starts = [FileState.initial, getData, whole, run([askLast(1)], whole)[0], ready, committed]
  const From = int(0, starts.length - 1)

  it.prop("from any state, any events keep the invariants [C-5]", [From, AnyEvents], ([from, events]) => {
    let state = starts[from]
    for (const event of events.map(eventOf)) {
      state = FileState.step(state, event)[0]
      assert.deepStrictEqual(FileState.invariants(state), [])
      if (state._tag !== "GetData") continue
      const gaps = PageSet.missing(state.pages, 0, layout.pages)
      let missing = 0
      for (let i = 1; i < gaps.length; i += 2) missing += gaps[i]
      assert.strictEqual(state.pages.held + missing, layout.pages)
    }
  })

  it.prop("DataReady only with every page held and the hash agreed [C-6]", [From, AnyEvents], ([from, events]) => {
    let state = starts[from]
    for (const event of events.map(eventOf)) {
      const [next] = FileState.step(state, event)
      if (next._tag === "DataReady" && state._tag !== "DataReady") {
        const agreed = event._tag === "Verified" && event.blocks.length === 0 && !event.trailer
        const full = state._tag === "GetData" && PageSet.isFull(state.pages) && state.verifying !== undefined
        const empty = state._tag === "Idle" && state.past === "Opening" && state.layout.pages === 0
        const recognised = state._tag === "Idle" && state.past === "Opening" && event._tag === "Recognised"
        assert.isTrue((agreed && full) || (empty && event._tag === "Opened") || recognised)
      }
      state = next
    }
  })

  it.prop(
    "a question asked again has the same answer and no second effect [C-1]",
    [From, AnyEvents, AnyEvent],
    ([from, events, any]) => {
      const question = eventOf(any)
      if (!["Open", "Eof", "Close", "Abort"].includes(question._tag)) return
      const state = run(events.map(eventOf), starts[from])[0]
      const [once, first] = FileState.step(state, question)
      const [twice, second] = FileState.step(once, question)
      assert.deepStrictEqual(twice, once)
      assert.deepStrictEqual(
        second.filter((command) => effects.has(command._tag)),
        []
      )
      // where the first one waits for an outcome, so does the second
      if (answers(first).length > 0) assert.deepStrictEqual(answers(second), answers(first))
      else assert.deepStrictEqual(second, [])
    }
  )

  it.prop(
    "duplicates and reordering of pages change nothing about the state; each page is stored once [C-2]",
    [Schema.Array(int(0, layout.pages - 1)), Schema.Array(int(0, 1000)), int(1, 5)],
    ([sent, order, batch]) => {
      const batches = (indices: ReadonlyArray<number>) =>
        Array.from({ length: Math.ceil(indices.length / batch) }, (_, i) =>
          pagesOf(indices.slice(i * batch, (i + 1) * batch))
        )
      const plain = run(batches(sent), getData)
      const mixed = run(batches(shuffled([...sent, ...sent.slice(0, 4)], order)), getData)
      assert.deepStrictEqual(mixed[0], plain[0])
      for (const [, commands] of [plain, mixed]) {
        const stored = commands.flatMap((command) => {
          if (command._tag !== "StorePages") return []
          const { batch, fresh } = command
          const positions = fresh ?? Array.from(batch.indices, (_, i) => i)
          return positions.map((i) => batch.indices[i])
        })
        assert.deepStrictEqual(
          stored.toSorted((a, b) => a - b),
          [...new Set(sent)].sort((a, b) => a - b)
        )
      }
    }
  )
})

describe("the work of one event", () => {
  /** Array slots that differ in identity between two sets: what a step had to copy. */
  const copied = (before: PageSet.PageSet, after: PageSet.PageSet) => {
    let slots = before.nodes === after.nodes ? 0 : after.nodes.length
    let leaves = 0
    before.nodes.forEach((node, n) => {
      if (node === after.nodes[n]) return
      slots += node.length
      node.forEach((leaf, l) => {
        if (leaf === after.nodes[n][l]) return
        leaves++
        slots += leaf.length
      })
    })
    return { slots, leaves }
  }

  const costOf = (pages: number, first: number) => {
    const big = Layout.make({ size: pages * 1432, pageBytes: 1432 })
    const [before] = run([{ _tag: "Open", layout: big }, opened])
    // a page far away, so that not every leaf is the blank one
    const [state] = FileState.step(before, pagesOf([0, pages - 1]))
    const [after] = FileState.step(state, pagesOf(Array.from({ length: 44 }, (_, i) => first + i)))
    assert.strictEqual(held(after), 46)
    return copied((state as FileState.GetData).pages, (after as FileState.GetData).pages)
  }

  it("does not grow with the file: a batch copies its own leaf and the arrays above it", () => {
    const small = costOf(10_000, 500)
    const large = costOf(10_000_000, 5_000_500)
    assert.strictEqual(small.leaves, 1)
    assert.strictEqual(large.leaves, 1)
    assert.isAtMost(large.slots, 4 * small.slots)
    // at the seam of two leaves, both of them
    assert.strictEqual(costOf(10_000_000, 8192 * 300 - 20).leaves, 2)
  })

  it("a duplicate costs no copy at all", () => {
    assert.strictEqual(FileState.step(whole, everyPage)[0], whole)
  })
})
