/** What a catcher takes out of the memory that arrives. */
import { assert, describe, it } from "@effect/vitest"
import * as Limits from "../../src/protocol/Limits.ts"
import { Marks } from "../../src/seal/Marks.ts"
import * as PageSeal from "../../src/seal/PageSeal.ts"
import { Gatherer } from "../../src/session/Incoming.ts"
import { Openings } from "../../src/session/Openings.ts"
import * as Header from "../../src/wire/Header.ts"

const seal = PageSeal.open(Header.sessionOf(77n))
const known = {
  ...{ session: 77n, slot: 1, incarnation: 1, master: "m", pageBytes: 600, timeoutMillis: 1000 },
  ...{ blockPages: Limits.blockPages, pages: seal }
}

/** Writes pages of so many bytes one after the other; each byte of a payload is the page's number. */
const putPages = (bytes: Uint8Array, at: number, indices: ReadonlyArray<number>, length: number): number => {
  const marks = new Marks(seal, 1, "Page")
  for (const index of indices) {
    Header.put(bytes, at, Header.types.Page, length, marks.of(index), 3, index)
    bytes.fill(index, at + Limits.headerBytes, at + length)
    at += length
  }
  return at
}

const gathered = (bytes: Uint8Array) => {
  const door = { open: () => undefined, onBad: () => {} }
  const openings = new Openings(known)
  const gatherer = new Gatherer(door, known, { pages: 0, parity: 0, ignored: 0 }, openings)
  gatherer.take({ bytes, from: "m" })
  return gatherer.finish().flatMap((one) => (one._tag === "Pages" ? [one.batch] : []))
}

/** The pages found, each by its payload. */
const contents = (bytes: Uint8Array) =>
  gathered(bytes).flatMap(({ indices, payloads }) =>
    payloads.map((payload, i) => {
      assert.isTrue(payload.every((byte) => byte === indices[i]))
      return [indices[i], payload.length]
    })
  )

describe("pages that arrive glued together", () => {
  it("are found again where other ones, of other lengths, take their memory", () => {
    const memory = new Uint8Array(4 * 65_536)
    const rounds = [700, 1460, 512, 600, 40, 1460]
    for (const [round, length] of rounds.entries()) {
      for (const slab of [0, 2]) {
        const first = slab * 65_536
        const indices = Array.from({ length: 20 }, (_, i) => (10 * round + slab + i) & 255)
        const end = putPages(memory, first, indices, length)
        // the last is shorter
        const all = putPages(memory, end, [200], 33)
        const expected = [
          ...indices.map((index) => [index, length - Limits.headerBytes]),
          [200, 33 - Limits.headerBytes]
        ]
        assert.deepStrictEqual(contents(memory.subarray(first, all)), expected)
        // of what is left when some are lost, the same
        assert.deepStrictEqual(contents(memory.subarray(first + 3 * length, end)), expected.slice(3, 20))
      }
    }
  })

  it("are one view for all that are given the same memory", () => {
    const memory = new Uint8Array(65_536)
    const end = putPages(memory, 0, [1, 2, 3, 4, 5], 700)
    const [all] = gathered(memory.subarray(0, end))
    const [some] = gathered(memory.subarray(2 * 700, end))
    assert.strictEqual(all.payloads.length, 5)
    for (const [i, payload] of some.payloads.entries()) assert.strictEqual(payload, all.payloads[i + 2])
  })
})
