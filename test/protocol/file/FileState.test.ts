import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as FileState from "../../../src/protocol/file/FileState.ts"
import * as Layout from "../../../src/protocol/file/Layout.ts"
import * as PageSet from "../../../src/protocol/file/PageSet.ts"
import * as Limits from "../../../src/protocol/Limits.ts"
import {
  AnyEvent,
  AnyEvents,
  digestOf,
  digestsOf,
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

const open: FileState.Event = { _tag: "Open", layout, opening: 1 }
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
    assert.deepStrictEqual(commands, [{ _tag: "OpenStore", layout, opening: 1, root: undefined }])
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
    const [opening, commands] = FileState.step(FileState.initial, { ...open, root } as FileState.Event)
    assert.deepStrictEqual(commands, [{ _tag: "OpenStore", layout, opening: 1, root }])
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

  it("GetData, Open with a later opening: all begins anew; an earlier one has come late [E-1]", () => {
    const [some] = run([pagesOf([0, 1])], getData)
    assert.deepStrictEqual(tags(FileState.step(some, open)[1]), ["OpenOk"])
    const another: FileState.Event = { _tag: "Open", layout, opening: 2 }
    const [opening, commands] = FileState.step(some, another)
    assert.deepStrictEqual(commands, [{ _tag: "Discard" }, { _tag: "OpenStore", layout, opening: 2, root: undefined }])
    const [anew] = FileState.step(opening, opened)
    assert.strictEqual(held(anew), 0)
    assert.deepStrictEqual(FileState.step(anew, open), [anew, []])
    // what is whole, or committed, stays so
    for (const state of [ready, committed]) {
      assert.deepStrictEqual(FileState.step(state, another), FileState.step(state, open))
    }
  })

  it("GetData, pages and parity of another opening are none of the file's [E-5]", () => {
    for (const of of [pagesOf.bind(undefined, [0], undefined), parityOf.bind(undefined, [[0, 1]])]) {
      assert.deepStrictEqual(FileState.step(getData, of(2)), [getData, []])
      for (const opening of [1, undefined]) assert.strictEqual(FileState.step(getData, of(opening))[1].length, 1)
    }
  })

  it("GetData, Eof with nothing missing: verify; agreed: Complete, DataReady [C-6]", () => {
    const [verifying, commands] = FileState.step(whole, askLast(1))
    assert.deepStrictEqual(commands, [{ _tag: "Verify", root }])
    assert.strictEqual(verifying._tag, "GetData")
    const [state, after] = FileState.step(verifying, agreed)
    assert.strictEqual(state._tag, "DataReady")
    assert.deepStrictEqual(tags(after), ["Complete"])
  })

  const wrong = (...blocks: ReadonlyArray<number>): FileState.Event => ({ _tag: "Verified", blocks, trailer: false })
  const wrongTrailer: FileState.Event = { _tag: "Verified", blocks: [], trailer: true }
  /** The master's pages, with their digests. */
  const digested = (...indices: ReadonlyArray<number>) => pagesOf(indices, indices.map(digestOf))

  /** What the store finds when it compares. */
  const compared = (...wrong: ReadonlyArray<number>): FileState.Event => ({ _tag: "Compared", wrong })

  it("GetData, Eof, a block's hash is wrong: its first page is missing again, so that its digests come [C-8]", () => {
    const [state, commands] = run([askLast(1), wrong(1)], whole)
    assert.strictEqual(held(state), layout.pages - 1)
    const missing = { first: 2, count: 2, lacks: undefined, runs: [2, 1], spoiled: true }
    assert.deepStrictEqual(answers(commands), [{ _tag: "Missing", round: 1, ...missing }])
    const mended = run([digestsOf(2, 2), compared(), digested(2), askLast(2), agreed], state)[0]
    assert.strictEqual(mended._tag, "DataReady")
  })

  it("GetData, Eof, pages that were held are lost: they are missing again, and nothing is spoiled [Y-18]", () => {
    const lost: FileState.Event = { _tag: "Lost", pages: [2, 2] }
    assert.deepStrictEqual(FileState.step(whole, lost), [whole, []])
    const [state, commands] = run([askLast(1), lost], whole)
    assert.deepStrictEqual(FileState.invariants(state), [])
    assert.strictEqual(held(state), layout.pages - 2)
    const missing = { first: 2, count: 2, lacks: undefined, runs: [2, 2], spoiled: false }
    assert.deepStrictEqual(answers(commands), [{ _tag: "Missing", round: 1, ...missing }])
    // it is no round in which nothing came
    const asked = Array.from({ length: Limits.stalledRounds - 1 }, (_, i) => askLast(i + 2))
    const mended = run([...asked, pagesOf([2, 3]), askLast(500), agreed], state)[0]
    assert.strictEqual(mended._tag, "DataReady")
  })

  it("GetData, Digests: the pages held are compared with them once, and those that are others are missing [C-8]", () => {
    const [spoiled] = run([askLast(1), wrong(1)], whole)
    const { digests } = digestsOf(2, 2)
    const [told, commands] = FileState.step(spoiled, digestsOf(2, 2))
    assert.deepStrictEqual(commands, [{ _tag: "Compare", first: 2, digests, held: [3, 1] }])
    assert.deepStrictEqual(FileState.step(told, digestsOf(2, 2)), [told, []])
    const [some] = FileState.step(told, compared(3))
    assert.strictEqual(held(some), layout.pages - 2)
    const missing = { first: 2, count: 2, lacks: undefined, runs: [2, 2], spoiled: true }
    assert.deepStrictEqual(answers(FileState.step(some, askLast(2))[1]), [{ _tag: "Missing", round: 2, ...missing }])
    assert.deepStrictEqual(tags(FileState.step(some, digested(3))[1]), ["StorePages"])
    // others of them, as from somebody: the last ones count
    const others = { ...digestsOf(2, 2), digests: Buffer.concat([digestOf(2), digestOf(9)]) }
    assert.deepStrictEqual(tags(FileState.step(told, others)[1]), ["Compare"])
    // a block that holds nothing has nothing to compare
    const [nothing] = run([digestsOf(2, 2), compared(3)], spoiled)
    assert.deepStrictEqual(FileState.step(nothing, others)[1], [])
  })

  it("GetData, pages that turn out to be others are no stall [C-7]", () => {
    const rounds = Array.from({ length: Limits.stalledRounds - 1 }, (_, i) => askLast(i + 2))
    const [stalled] = run([askLast(1), wrong(0, 1), ...rounds], whole)
    const [fewer] = run([digestsOf(2, 2), compared(3), digested(2), askLast(500), askLast(501)], stalled)
    assert.strictEqual(fewer._tag, "GetData")
  })

  it("GetData, Pages of a spoiled block: those alone that have the digest that was told [C-8]", () => {
    const [spoiled] = run([askLast(1), wrong(1)], whole)
    const isStored = (state: FileState.State, event: FileState.Event) =>
      tags(FileState.step(state, event)[1]).includes("StorePages")
    // nothing is told yet
    for (const event of [pagesOf([2]), digested(2), pagesOf([2], [undefined])])
      assert.isFalse(isStored(spoiled, event), JSON.stringify(event))
    const [told] = FileState.step(spoiled, digestsOf(2, 2))
    for (const event of [pagesOf([2]), pagesOf([2], [undefined]), pagesOf([2], [digestOf(3)])])
      assert.isFalse(isStored(told, event), JSON.stringify(event))
    const [lacking] = FileState.step(told, compared(3))
    const [some, commands] = FileState.step(lacking, pagesOf([2, 3, 2], [digestOf(9), digestOf(3), digestOf(2)]))
    assert.deepInclude(commands[0], { _tag: "StorePages", batch: digested(3, 2).batch })
    assert.strictEqual(held(some), layout.pages)
    // one that comes again, or one of another block, changes nothing
    assert.deepStrictEqual(FileState.step(some, digested(2, 0))[1], [])
  })

  it("GetData, pages of other blocks are taken as ever, with those of a spoiled one in one batch", () => {
    const wide = Layout.make({ size: 640 * 5, pageBytes: 640, blockPages: 2 })
    const all = Array.from({ length: wide.pages }, (_, page) => page)
    const last = { _tag: "Eof", round: 1, first: 0, count: wide.pages, root, counts: false } as const
    const [spoiled] = run([{ _tag: "Open", layout: wide }, opened, pagesOf(all), last, wrong(0, 1)])
    const [told] = run([digestsOf(2, 2), compared(3)], spoiled)
    const [some] = FileState.step(told, pagesOf([0, 1, 2, 3], [undefined, undefined, digestOf(2), undefined]))
    const missing = { first: 0, count: wide.pages, lacks: undefined, runs: [0, 1, 3, 1], spoiled: true }
    assert.deepStrictEqual(answers(FileState.step(some, { ...last, round: 2 })[1]), [
      { _tag: "Missing", round: 2, ...missing }
    ])
  })

  it("GetData, Parity of a spoiled block is not kept [C-8]", () => {
    const [spoiled] = run([askLast(1), wrong(1)], whole)
    assert.deepStrictEqual(FileState.step(spoiled, parityOf([[1, 3]])), [spoiled, []])
  })

  it("GetData, Eof that counts, when pages of a spoiled block are missing: a list that says so [Q-15]", () => {
    const [spoiled] = run([askLast(1), wrong(1)], whole)
    const count = (first: number) => ({ ...ask(2, first), counts: true }) as FileState.Event
    const about = { _tag: "Missing", round: 2, count: 2 } as const
    assert.deepStrictEqual(answers(FileState.step(spoiled, count(2))[1]), [
      { ...about, first: 2, lacks: undefined, runs: [2, 1], spoiled: true }
    ])
    assert.deepStrictEqual(answers(FileState.step(spoiled, count(0))[1]), [
      { ...about, first: 0, lacks: [0], runs: [], spoiled: false }
    ])
  })

  it("GetData, the trailer's hash is wrong: its pages are spoiled, in parts as long as blocks", () => {
    const [spoiled] = run([askLast(1), wrongTrailer], whole)
    // pages 5 to 7: two are told of together, then the third
    assert.strictEqual(held(spoiled), layout.pages - 2)
    const [none] = run([digestsOf(6, 2), digestsOf(5, 3), digested(5, 6, 7)], spoiled)
    assert.strictEqual(held(none), layout.pages - 2)
    assert.deepInclude(FileState.step(spoiled, digestsOf(5, 2))[1][0], { _tag: "Compare", held: [6, 1] })
    const [some] = run([digestsOf(5, 2), digestsOf(7, 1), digested(5, 6, 7)], spoiled)
    assert.strictEqual(held(some), layout.pages)
    // then the blocks are judged
    const [blocks] = run([askLast(2), wrong(0)], some)
    assert.strictEqual(held(blocks), layout.pages - 1)
    assert.deepStrictEqual(FileState.step(blocks, pagesOf([0, 1]))[1], [])
  })

  it("GetData, Digests that are of no block, of a part of one, of one that is whole or well, of another opening: not kept [C-8]", () => {
    const [spoiled] = run([askLast(1), wrong(1)], whole)
    for (const event of [digestsOf(0, 2), digestsOf(2, 1), digestsOf(3, 1), digestsOf(99, 2), digestsOf(5, 2)])
      assert.deepStrictEqual(FileState.step(spoiled, event), [spoiled, []])
    assert.deepStrictEqual(FileState.step(getData, digestsOf(2, 2)), [getData, []])
    // of another content, which came late
    assert.deepStrictEqual(FileState.step(spoiled, digestsOf(2, 2, 2)), [spoiled, []])
    assert.notStrictEqual(FileState.step(spoiled, digestsOf(2, 2, 1))[0], spoiled)
    const [filled] = run([digestsOf(2, 2), digested(2, 3)], spoiled)
    assert.deepStrictEqual(FileState.step(filled, digestsOf(2, 2)), [filled, []])
  })

  it("GetData, Digests of more pages than are kept: those of the lowest are, and the others have their turn [C-8]", () => {
    const pageBytes = Limits.defaultPageBytes
    const { blockPages } = Limits
    const most = Limits.digestedPages / blockPages
    const big = Layout.make({ size: (most + 3) * blockPages * pageBytes, pageBytes })
    const all = pagesOf(Array.from({ length: big.pages }, (_, page) => page))
    const last = { _tag: "Eof", round: 1, first: 0, count: big.spanPages, root, counts: false } as const
    const blocks = Array.from({ length: most + 3 }, (_, block) => block)
    let [state] = run([{ _tag: "Open", layout: big }, opened, all, last, wrong(...blocks)])
    const tell = (block: number) => {
      state = FileState.step(state, digestsOf(block * blockPages, blockPages))[0]
      assert.deepStrictEqual(FileState.invariants(state), [])
    }
    const isTold = (block: number) => state._tag === "GetData" && FileState.awaitsDigest(state, block * blockPages)
    for (const block of blocks.toReversed()) tell(block)
    assert.deepStrictEqual(blocks.filter(isTold), blocks.slice(0, most))
    tell(most + 1)
    assert.isFalse(isTold(most + 1))
    state = run([digested(...Array.from({ length: blockPages }, (_, page) => page))], state)[0]
    tell(most + 1)
    assert.isTrue(isTold(most + 1))
  })

  it("GetData, hashes of pages with the right digests wrong too often: SitOut, Sick [C-7]", () => {
    for (const [told, pages, bad] of [
      [[digestsOf(0, 2)], digested(0, 1), wrong(0)],
      [[digestsOf(5, 2), digestsOf(7, 1)], digested(5, 6, 7), wrongTrailer]
    ] as const) {
      let state = whole
      // the first time it may have been anybody
      for (let i = 0; i <= Limits.rejectedHashes; i++) {
        state = run([askLast(i + 1), bad, ...told, pages], state)[0]
        assert.strictEqual(state._tag, "GetData")
      }
      const [sick, commands] = run([askLast(100), bad], state)
      assert.strictEqual(sick._tag, "Sick")
      assert.deepStrictEqual(tags(commands), ["Verify", "Discard", "SitOut"])
    }
  })

  it("GetData, Eof with something missing: Missing of the span asked about; stay", () => {
    const some = run([pagesOf([0, 3])], getData)[0]
    const [state, commands] = FileState.step(some, ask(1, 0, 2))
    assert.deepStrictEqual(answers(commands), [
      { _tag: "Missing", round: 1, first: 0, count: 2, lacks: undefined, runs: [1, 1], spoiled: false }
    ])
    assert.strictEqual(state._tag, "GetData")
  })

  it("GetData, the last Eof when its own span is whole: Missing of the span with the first gap [Q-8]", () => {
    const some = run([pagesOf([0, 1, 2, 4, 5, 6, 7])], getData)[0]
    const [, commands] = FileState.step(some, askLast(1))
    assert.deepStrictEqual(answers(commands), [
      { _tag: "Missing", round: 1, first: 2, count: 2, lacks: undefined, runs: [3, 1], spoiled: false }
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
    const about = { _tag: "Missing", round: 1, first: 0, count: wide.pages, spoiled: false } as const
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

  it("GetData, injected parity displaces any other in each round: pages come by their digests instead [C-8]", () => {
    const pageBytes = Limits.maxPageBytes
    const big = Layout.make({ size: 3 * Limits.blockPages * pageBytes, pageBytes })
    const parities = (block: number) => parity(...Array.from({ length: 127 }, (_, i) => [block, i] as const))
    const last = { _tag: "Eof", first: 0, count: big.pages, root, counts: true } as const
    let [state] = run([{ _tag: "Open", layout: big }, opened])
    let sent = 0
    for (let round = 0; round < 20 && state._tag === "GetData"; round++) {
      state = run([parities(round % 2), parity([2, round % 100])], state)[0]
      const [asked, commands] = FileState.step(state, { ...last, round })
      state = asked
      for (const answer of answers(commands)) {
        if (answer._tag !== "Missing" || !answer.spoiled) continue
        for (const [first, count] of Layout.digestSpans(big, answer.runs)) {
          const pages = Array.from({ length: count }, (_, i) => first + i)
          state = run([parities(round % 2), digestsOf(first, count), digested(...pages)], state)[0]
          sent += count
        }
      }
      assert.deepStrictEqual(FileState.invariants(state), [])
      if (state._tag === "GetData" && state.verifying !== undefined) state = FileState.step(state, agreed)[0]
    }
    assert.strictEqual(state._tag, "DataReady")
    assert.strictEqual(sent, big.pages)
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

describe("somebody injects pages", () => {
  /** A batch of others' pages and parity, and how often it comes again. */
  const Injected = Schema.Struct({
    pages: Schema.Array(int(0, layout.pages + 1)).check(Schema.isMaxLength(8)),
    parity: Schema.Array(Schema.Tuple([int(0, layout.blocks - 1), int(0, 3)])).check(Schema.isMaxLength(3))
  })
  const somebodys = new Uint8Array(Limits.digestBytes).fill(0xff)
  const spans = (runs: ReadonlyArray<number>) => [...Layout.digestSpans(layout, runs)]
  const listOf = (runs: ReadonlyArray<number>) => {
    const out: Array<number> = []
    for (let i = 0; i < runs.length; i += 2) for (let k = 0; k < runs[i + 1]; k++) out.push(runs[i] + k)
    return out
  }

  /** A catcher whose store remembers which of its pages are somebody's. */
  class Catcher {
    state = getData
    readonly wrong = new Set<number>()
    answer: FileState.Answer | undefined

    hear(event: FileState.Event): void {
      const events = [event]
      for (let next = events.shift(); next !== undefined; next = events.shift()) {
        const [state, commands] = FileState.step(this.state, next)
        this.state = state
        assert.deepStrictEqual(FileState.invariants(state), [])
        for (const command of commands) {
          if (command._tag === "StorePages") this.store(command.batch, command.fresh)
          // somebody's parity makes somebody's pages
          if (command._tag === "Recover") for (const page of listOf(command.missing)) this.wrong.add(page)
          if (command._tag === "Verify") events.push(this.verdict())
          if (command._tag === "Compare") events.push(this.compare(command.held))
          if (command._tag === "Answer") this.answer = command.answer
        }
      }
    }
    private store({ indices, payloads }: FileState.PageBatch, fresh: ReadonlyArray<number> | undefined) {
      for (const at of fresh ?? payloads.map((_, i) => i)) {
        if (payloads[at][0] === 0) this.wrong.delete(indices[at])
        else this.wrong.add(indices[at])
      }
    }
    private compare(held: ReadonlyArray<number>): FileState.Event {
      const wrong = listOf(held).filter((page) => this.wrong.has(page))
      for (const page of wrong) this.wrong.delete(page)
      return { _tag: "Compared", wrong }
    }
    private verdict(): FileState.Event {
      const pages = [...this.wrong]
      const trailer = pages.some((page) => page >= layout.dataPages)
      const blocks = trailer ? [] : [...new Set(pages.map((page) => Layout.blockOf(layout, page)))]
      return { _tag: "Verified", blocks, trailer }
    }
  }

  it.prop(
    "before, between and after the master's, again and again: the file is complete, and is sent twice at most [C-8]",
    [Schema.Array(Injected).check(Schema.isMaxLength(12)), int(1, 4), Schema.Boolean],
    ([injected, batchPages, counts]) => {
      const catcher = new Catcher()
      let turn = 0
      const inject = () => {
        const { pages, parity } = injected[turn++ % Math.max(1, injected.length)] ?? { pages: [], parity: [] }
        const others = pages.map(() => somebodys)
        const payloads = pages.map(() => new Uint8Array(32).fill(1))
        catcher.hear({ _tag: "Pages", batch: { indices: pages, payloads }, digests: others })
        catcher.hear(parityOf(parity))
      }
      const sent = new Map<number, number>()
      const send = (pages: ReadonlyArray<number>) => {
        for (let i = 0; i < pages.length; i += batchPages) {
          const batch = pages.slice(i, i + batchPages)
          for (const page of batch) sent.set(page, (sent.get(page) ?? 0) + 1)
          catcher.hear(pagesOf(batch, batch.map(digestOf)))
          inject()
        }
      }
      inject()
      send(Array.from({ length: layout.pages }, (_, page) => page))
      let rounds = 0
      for (; catcher.state._tag === "GetData"; rounds++) {
        // each span and its own questions: then the trailer, and then the blocks
        assert.isBelow(rounds, 10)
        catcher.hear({ ...askLast(rounds + 1), counts } as FileState.Event)
        const { answer } = catcher
        if (answer?._tag !== "Missing") continue
        inject()
        for (const [first, count] of spans(answer.runs)) {
          if (answer.spoiled) catcher.hear(digestsOf(first, count))
          inject()
        }
        send(listOf(answer.runs))
      }
      assert.strictEqual(catcher.state._tag, "DataReady")
      assert.deepStrictEqual([...catcher.wrong], [])
      for (const [page, times] of sent) assert.isAtMost(times, 2, `page ${page}`)
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
