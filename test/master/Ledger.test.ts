/** The master's books when files change while they are sent [M-8]. */
import { assert, describe, it } from "@effect/vitest"
import * as Blocks from "../../src/delta/Blocks.ts"
import * as Signature from "../../src/delta/Signature.ts"
import { Ledger } from "../../src/master/Ledger.ts"
import type { Member } from "../../src/protocol/group/Roster.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import * as Tree from "../../src/simulate/Tree.ts"
import { SourceChanged, SourceError } from "../../src/source/Source.ts"
import type { Entry } from "../../src/tree/Entry.ts"
import { plan } from "../../src/tree/Plan.ts"
import * as Policy from "../../src/tree/Policy.ts"

const large = Limits.smallFileBytes + 1
const tree = [Tree.file("a", 1000), Tree.file("b", large), Tree.file("c", 1000)].map(({ entry }) => entry)
const changed = new SourceChanged({ path: "a" })
const metadata = { mode: 0o600, mtimeSeconds: 7, mtimeNanos: 0, uid: 0, gid: 0 }
const retaken = (entry: number, size: number) => ({ entry, metadata, size })
const committed = (...slots: ReadonlyArray<number>) => new Map(slots.map((slot) => [slot, []]))

/** A bundle (1) with a and c, and b alone (2): slot 0 has both, then a changes for who comes later. */
const books = () => {
  const ledger = new Ledger(tree, plan(tree))
  const [single, bundle] = ledger.plan
  ledger.commit(single.file, committed(0))
  ledger.commit(bundle.file, committed(0))
  ledger.unread(bundle, [0], changed)
  return { ledger, single, bundle }
}

describe("a revision", () => {
  it("is a file of the plan, and what it lists follows", () => {
    const { bundle, ledger } = books()
    assert.deepStrictEqual(ledger.changed(), [0])
    ledger.revise([retaken(0, 50)])
    assert.deepStrictEqual(ledger.changed(), [])
    assert.deepStrictEqual(
      ledger.plan.map(({ file, kind, members }) => [file, kind, members.map(({ entry }) => entry)]),
      [
        [1, "Single", [1]],
        [2, "Bundle", [0, 2]],
        [3, "Revision", []],
        [4, "Bundle", [0]]
      ]
    )
    assert.deepStrictEqual(ledger.entriesOf(bundle.file), [2])
    assert.strictEqual(ledger.manifest[0], tree[0])
    assert.deepStrictEqual(ledger.entries[0], { _tag: "File", path: tree[0].path, metadata, size: 50 })
  })

  it("is needed before what it lists, and by nobody who has the tree", () => {
    const { ledger } = books()
    ledger.revise([retaken(0, 50)])
    assert.deepStrictEqual(
      [1, 2, 3, 4].map((file) => ledger.knows(0, file)),
      [true, true, true, false]
    )
    ledger.commit(3, committed(0))
    assert.isTrue(ledger.knows(0, 4))
    assert.isTrue(ledger.lacks(0, 4))
    ledger.commit(0, committed(0))
    assert.isFalse(ledger.lacks(0, 4))
  })

  it("counts a file once where an earlier version of it stands", () => {
    const { bundle, ledger, single } = books()
    ledger.commit(single.file, committed(1))
    ledger.commit(bundle.file, committed(1))
    const of = (slot: number) => [ledger.progress(slot).files, ledger.progress(slot).bytes]
    assert.deepStrictEqual(
      [of(0), of(1)],
      [
        [3, 2000 + large],
        [2, 1000 + large]
      ]
    )
    ledger.revise([retaken(0, 50)])
    for (const file of [3, 4]) ledger.commit(file, committed(0, 1))
    assert.deepStrictEqual(
      [of(0), of(1)],
      [
        [3, 1050 + large],
        [3, 1050 + large]
      ]
    )
  })

  it("comes so often and no more, and not for what cannot be read", () => {
    const { bundle, ledger } = books()
    for (let times = 0; times < Limits.retakes; times++) {
      assert.deepStrictEqual(ledger.changed(), [0])
      ledger.revise([retaken(0, 50 + times)])
      ledger.drop(ledger.plan[ledger.plan.length - 1], changed)
    }
    assert.deepStrictEqual(ledger.changed(), [])
    ledger.unread(bundle, [2], new SourceError({ path: "c", code: "EACCES", reason: "no" }))
    assert.deepStrictEqual(ledger.changed(), [])
  })
})

describe("a catcher that sits out the manifest", () => {
  const failuresOf = (about: "File" | "Tree") => {
    const ledger = new Ledger(tree, plan(tree))
    const reason = "no space left"
    ledger.sitOut(1, new Map([[0, { reason, about }]]))
    ledger.sitOut(0, new Map([[0, { reason, about: "Tree" }]]))
    const guest = { incarnation: 1, key: 1, moves: 0, name: "c1", address: "10.0.0.1:1", receiveBufferBytes: 0 }
    const members: ReadonlyArray<Member> = [{ ...guest, slot: 0, lost: undefined, isNew: false, isMute: false }]
    const whyBehind = () => undefined
    const pages = { needed: 0, sent: 0, repaired: 0, parity: 0 }
    const options = {
      session: "",
      protection: { sealed: false },
      seconds: 1,
      members,
      awaited: { hosts: undefined, unreachable: new Map() },
      whyBehind,
      pages
    }
    return ledger.report(options).catchers[0].failures.map(({ path }) => path)
  }

  it("fails once where the reason is about the tree [F-8]", () => assert.deepStrictEqual(failuresOf("Tree"), [""]))

  it("has failed at each entry where a file had that reason alone", () =>
    assert.deepStrictEqual(failuresOf("File"), ["", "b"]))
})

describe("what catchers lack", () => {
  const nothing = { created: 0, updated: 0, described: 0, kept: 0, deleted: 0, vetoed: 0 }

  // with 100 catchers and 500,000 files the master heard nobody for a minute
  it("is booked by what a catcher lacks, and not by all that there is [Y-1]", () => {
    let reads = 0
    const counting = tree.map(
      (entry): Entry =>
        ({
          ...entry,
          get size() {
            reads++
            return entry._tag === "File" ? entry.size : 0
          }
        }) as Entry
    )
    const ledger = new Ledger(counting, [], undefined, Policy.defaults)
    for (let slot = 0; slot < 100; slot++) {
      ledger.surveyed(slot, { changes: nothing, lacks: [2, 1] })
      assert.deepInclude(ledger.progress(slot), { files: 2, bytes: 1000 + large })
      ledger.commit(0, committed(slot))
      ledger.conclude(slot, { ...nothing, files: 3, bytes: 5000 + large })
    }
    assert.isAtMost(reads, 2 * tree.length + 100)
  })

  it("is counted without what a revision has changed, but where the policy keeps that", () => {
    for (const keepsNewer of [false, true]) {
      const ledger = new Ledger(tree, [], undefined, { ...Policy.defaults, keepsNewer })
      ledger.surveyed(0, { changes: nothing, lacks: [0, 1] })
      ledger.select()
      ledger.unread(ledger.plan[1], [0], changed)
      ledger.revise([retaken(0, 50)])
      ledger.surveyed(1, { changes: nothing, lacks: [] })
      const before = ledger.progress(1)
      assert.deepInclude(before, keepsNewer ? { files: 3, bytes: 1050 + large } : { files: 2, bytes: 1000 + large })
    }
  })
})

describe("a file of which catchers have older versions", () => {
  it("is checked by its signature where all hold that, and its blocks begin with pages [Y-17]", () => {
    const ledger = new Ledger(tree, plan(tree))
    const [single] = ledger.plan
    const signature = Signature.make(single.members[0].entry, { size: single.size, blockBytes: 3000, subBytes: 1000 })
    const { file } = ledger.addSignatures([signature])
    const of = (slots: ReadonlyArray<number>, pageBytes = 1000) =>
      ledger.deltas.checkedBy(single, pageBytes, (list) => slots.every((slot) => ledger.holds(slot, list)))
    assert.isUndefined(of([1]))
    ledger.commit(file, new Map([[1, []]]))
    const { blockPages, hash } = of([1])!.signed
    // as many whole ones as a block has room for
    assert.strictEqual(blockPages, 126)
    assert.deepStrictEqual(hash, Blocks.hashOf(signature))
    assert.deepStrictEqual(of([1])!.blocks.strong, signature.strong)
    assert.isUndefined(of([1, 2]))
    assert.isUndefined(of([1], 900))
    assert.strictEqual(of([1], 600)!.signed.blockPages, 125)
    // not even one has room
    assert.isUndefined(of([1], 20))
    ledger.deltas.revise([signature.entry])
    assert.isUndefined(of([1]))
  })

  it("is needed whole, less what all hold as far as they have said it", () => {
    const ledger = new Ledger(tree, plan(tree))
    const [single] = ledger.plan
    const whole = ledger.needed(1000)
    const { entry } = single.members[0]
    ledger.deltas.sign(9, [[entry, Signature.make(entry, { size: single.size, blockBytes: 1000, subBytes: 1000 })]])
    ledger.deltas.select(ledger.plan)
    // an interrupted session has sent little of it, and not all
    assert.strictEqual(ledger.needed(1000), whole)
    ledger.deltas.ask(single.file, 1000, [0, 100], [7, 20, 50, 1])
    assert.strictEqual(ledger.needed(1000), whole - 79)
    ledger.deltas.ask(single.file, 1000, [100, 10], [])
    assert.strictEqual(ledger.needed(1000), whole - 89)
    // in a further pass another catcher lacks more, and one has other pages
    ledger.deltas.ask(single.file, 1000, [0, 100], [20, 10])
    ledger.deltas.ask(single.file, 500, [0, 100], [0, 100])
    assert.strictEqual(ledger.needed(1000), whole - 86)
  })
})
