/** A catcher tells the master's pages by their marks. */
import { assert, describe, it } from "@effect/vitest"
import * as Layout from "../../src/protocol/file/Layout.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import { Marks } from "../../src/seal/Marks.ts"
import * as PageSeal from "../../src/seal/PageSeal.ts"
import { Dice } from "../../src/simulate/Dice.ts"
import * as Aes from "../../src/system/Aes.ts"
import { Gatherer } from "../../src/session/Incoming.ts"
import { Openings } from "../../src/session/Openings.ts"
import * as Header from "../../src/wire/Header.ts"
import type { FromMaster } from "../../src/wire/Message.ts"

const session = 77n
const sealed = PageSeal.sealed(new Uint8Array(32).fill(1))
const types = { Page: Header.types.Page, Parity: Header.types.Parity }

/** A page as the master sends it. */
const page = (file: number, opening: number, index: number, kind: PageSeal.Kind = "Page", seal = sealed) => {
  const bytes = new Uint8Array(24 + 4)
  Header.put(bytes, 0, types[kind], bytes.length, new Marks(seal, opening, kind).of(index), file, index)
  return bytes
}
const opens = (file: number, opening: number): FromMaster => ({
  ...{ _tag: "Open", session, file, kind: "Single", size: 512 * 6000, pageBytes: 512, members: 0, opening },
  ...{ root: undefined, audience: [1] }
})
const polls = (file: number): FromMaster => ({
  ...{ _tag: "Eof", session, file, round: 1, first: 0, count: 1, root: undefined, counts: false, audience: [] }
})
const knowing = (pages = sealed) => new Openings({ pages, blockPages: Limits.blockPages })
const of = (openings: Openings, bytes: Uint8Array) =>
  openings.of(bytes, 0, Header.typeOf(bytes, 0) === types.Parity)?.number

describe("openings under a seal", () => {
  it("pages are of the opening that has their mark, and no others are taken [E-5]", () => {
    const openings = knowing()
    assert.isUndefined(of(openings, page(4, 9, 0)), "before its Open was heard")
    openings.heard(opens(4, 9))
    for (const index of [0, 1, 127, 128, 5000, 3]) {
      for (const kind of ["Page", "Parity"] as const) {
        assert.strictEqual(of(openings, page(4, 9, index, kind)), 9)
        const other = page(4, 9, index, kind === "Page" ? "Parity" : "Page")
        other[3] = types[kind]
        assert.isUndefined(of(openings, other), "a mark of the other kind")
        assert.isUndefined(of(openings, page(4, 8, index, kind)), "of another opening")
        assert.isUndefined(of(openings, page(5, 9, index, kind)), "of another file")
        const next = page(4, 9, index + 1, kind)
        Header.putU32(next, 20, index)
        assert.isUndefined(of(openings, next), "of another page")
        const others = PageSeal.sealed(new Uint8Array(32).fill(2))
        assert.isUndefined(of(openings, page(4, 9, index, kind, others)), "of another secret")
        const inTheOpen = PageSeal.open(Header.sessionOf(session))
        assert.isUndefined(of(openings, page(4, 9, index, kind, inTheOpen)), "in the open")
      }
    }
  })

  it("a file may have several at one time: the latest four are known", () => {
    const openings = knowing()
    for (let opening = 1; opening <= 6; opening++) openings.heard(opens(4, opening))
    // one that is said again is the latest
    openings.heard(opens(4, 3))
    openings.heard(opens(4, 7))
    const known = [1, 2, 3, 4, 5, 6, 7].filter((opening) => of(openings, page(4, opening, 3)) === opening)
    assert.deepStrictEqual(known, [3, 5, 6, 7])
    assert.strictEqual(Limits.openingsOfFile, known.length)
  })

  it("files that were mentioned last are known, however the pages of others come between", () => {
    const openings = knowing()
    openings.heard(opens(0, 1))
    openings.heard(opens(1, 2))
    for (let file = 2; file < Limits.openedFiles; file++) openings.heard(opens(file, file + 1))
    openings.heard(polls(0))
    // a question about a file that was never opened takes no place
    openings.heard(polls(1_000_000))
    openings.heard(opens(Limits.openedFiles, 99_999))
    assert.isUndefined(of(openings, page(1, 2, 0)))
    assert.strictEqual(of(openings, page(0, 1, 0)), 1)
    // more than have their marks kept
    for (let round = 0; round < 2; round++) {
      for (let file = 2; file < 2 + 2 * Limits.markedOpenings; file++) {
        assert.strictEqual(of(openings, page(file, file + 1, round)), file + 1)
      }
    }
  })
})

describe("pages of no file [N-5]", () => {
  it("have marks of their own, and need no Open", () => {
    const { noFile } = Header
    assert.strictEqual(of(knowing(), page(noFile, PageSeal.trialOpening, 123_456)), PageSeal.trialOpening)
    assert.isUndefined(of(knowing(), page(noFile, 1, 5)), "of another opening")
    assert.isUndefined(of(knowing(), page(0, PageSeal.trialOpening, 5)), "of a file")
    assert.isUndefined(of(knowing(), page(noFile, PageSeal.trialOpening, 5, "Parity")), "parity")
    const others = PageSeal.sealed(new Uint8Array(32).fill(2))
    assert.isUndefined(of(knowing(), page(noFile, PageSeal.trialOpening, 5, "Page", others)), "of another secret")
  })

  it.each([
    ["in the open", PageSeal.open(Header.sessionOf(session))],
    ["under a seal", sealed]
  ])("are counted, and are no event: %s", (_, seal) => {
    const membership = { ...{ session, slot: 1, incarnation: 1, master: "m", pageBytes: 512, timeoutMillis: 1000 } }
    const known = { ...membership, blockPages: Limits.blockPages, pages: seal }
    const counts = { pages: 0, parity: 0, ignored: 0 }
    const door = { open: () => undefined, onBad: () => {} }
    const gatherer = new Gatherer(door, known, counts, new Openings(known))
    for (let i = 0; i < 3; i++)
      gatherer.take({ bytes: page(Header.noFile, PageSeal.trialOpening, i, "Page", seal), from: "m" })
    assert.deepStrictEqual(gatherer.finish(), [])
    assert.deepStrictEqual(counts, { pages: 3, parity: 0, ignored: 0 })
  })
})

describe("what a page costs", () => {
  const group = 8 * Limits.markedPages
  /** Openings of a catcher that has heard of two files, and the bytes of marks that it has made since it was asked last. */
  const counting = () => {
    let made = 0
    const secret = new Uint8Array(32).fill(1)
    const pages = PageSeal.sealed(secret, (key) => {
      const cipher = Aes.cipher(key)
      return {
        apply: (iv, offset, bytes) => {
          made += bytes.length
          cipher.apply(iv, offset, bytes)
        }
      }
    })
    const openings = knowing(pages)
    openings.heard(opens(4, 9))
    openings.heard(opens(5, 10))
    const costs = () => {
      const before = made
      made = 0
      return before
    }
    return { openings, costs }
  }
  // with the mark of another opening
  const hostile = (file: number, index: number, kind: PageSeal.Kind) => page(file, 77, index, kind)

  it("of the master's in order: a group of marks for each 128, and two alone; of hostile ones a mark for each [E-5]", () => {
    const { costs, openings } = counting()
    const take = (index: number) => assert.strictEqual(of(openings, page(4, 9, index)), 9)
    for (let index = 0; index < 10 * Limits.markedPages; index++) take(index)
    assert.isAtMost(costs(), 10 * (group + 2 * 16) + 16)
    const chance = new Dice(1)
    for (let times = 0; times < 500; times++) {
      const kind = chance.pick("Page", "Parity")
      for (const file of [4, 5]) assert.isUndefined(of(openings, hostile(file, chance.whole(0, 5999), kind)))
    }
    assert.isAtMost(costs(), 1000 * 16)
    // nothing of what is kept was lost
    for (let index = 9 * Limits.markedPages; index < 10 * Limits.markedPages; index++) take(index)
    assert.strictEqual(costs(), 0)
  })

  it("that is repaired alone: its mark, and no group, because no other page of it comes", () => {
    const { costs, openings } = counting()
    for (let index = 5; index < 6000; index += Limits.markedPages + 1)
      assert.strictEqual(of(openings, page(4, 9, index)), 9)
    assert.isAtMost(costs(), 47 * 16)
  })

  it("with an index that its file has not: nothing [P-3]", () => {
    const { costs, openings } = counting()
    const { blocks, pages } = Layout.make({ size: 512 * 6000, pageBytes: 512 })
    const beyond = [
      ["Page", pages],
      ["Page", 2 ** 32 - 1],
      ["Parity", 256 * blocks],
      ["Parity", 2 ** 32 - 1]
    ] as const
    for (const [kind, index] of beyond) assert.isUndefined(of(openings, page(4, 9, index, kind)))
    assert.strictEqual(costs(), 0)
    assert.strictEqual(of(openings, page(4, 9, pages - 1)), 9)
    assert.strictEqual(of(openings, page(4, 9, 256 * blocks - 1, "Parity")), 9)
  })
})

describe("openings in the open", () => {
  it("pages of the session are taken, of whatever file, and say no opening", () => {
    const inTheOpen = PageSeal.open(Header.sessionOf(session))
    const openings = knowing(inTheOpen)
    openings.heard(opens(4, 9))
    for (const file of [0, 4, 5]) {
      for (const kind of ["Page", "Parity"] as const) {
        const opening = openings.of(page(file, 9, 300, kind, inTheOpen), 0, kind === "Parity")
        assert.isDefined(opening)
        assert.isUndefined(opening?.number)
        const others = PageSeal.open(Header.sessionOf(78n))
        assert.isUndefined(openings.of(page(file, 9, 300, kind, others), 0, kind === "Parity"))
      }
    }
  })
})
