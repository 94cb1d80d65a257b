/** Where a trailer's hashes and bits stand, and that its pages put it together again. */
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import * as Layout from "../../../src/protocol/file/Layout.ts"
import * as Trailer from "../../../src/protocol/file/Trailer.ts"

const whole = (minimum: number, maximum: number) =>
  Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum, maximum })))

const anyLayout = Arbitrary.map(
  Arbitrary.all({
    size: whole(0, 200_000),
    pageBytes: whole(30, 300),
    blockPages: whole(1, 8),
    members: whole(0, 100)
  }),
  Layout.make
)
const filled = (length: number) => Uint8Array.from({ length }, (_, at) => (at * 31 + (at >>> 8)) & 255)

describe("trailer", () => {
  it.prop("its pages, each at its offset, are the trailer again [L-1]", { layout: anyLayout }, ({ layout }) => {
    const trailer = filled(layout.trailerBytes)
    const again = new Uint8Array(layout.trailerBytes)
    for (let page = layout.dataPages; page < layout.pages; page++) {
      const payload = Trailer.payload(layout, trailer, page)
      assert.strictEqual(payload.length, Layout.payloadBytes(layout, page))
      again.set(payload, Trailer.offsetOf(layout, page))
    }
    assert.deepStrictEqual(again, trailer)
  })

  it.prop(
    "a member's bit is its own, and touches no hash [L-3]",
    { layout: anyLayout, marks: Arbitrary.array(whole(0, 99), { maxLength: 20 }) },
    ({ layout, marks }) => {
      const trailer = filled(layout.trailerBytes).fill(0, Trailer.hashAt(layout.blocks))
      const marked = new Set(marks.filter((member) => member < layout.members))
      for (const member of marked) Trailer.markUnread(layout, trailer, member)
      for (let member = 0; member < layout.members; member++)
        assert.strictEqual(Trailer.isUnread(layout, trailer, member), marked.has(member))
      assert.isFalse(Trailer.isUnread(layout, trailer, layout.members + 8))
      const hashes = Trailer.hashAt(layout.blocks)
      assert.deepStrictEqual(trailer.subarray(0, hashes), filled(hashes))
    }
  )

  it("hashes of 32 bytes stand one after the other, then the bits from the lowest on [L-3]", () => {
    const layout = Layout.make({ size: 2500, pageBytes: 1000, blockPages: 1, members: 10 })
    assert.strictEqual(layout.trailerBytes, 3 * 32 + 2)
    const trailer = new Uint8Array(layout.trailerBytes)
    trailer.set(new Uint8Array(32).fill(7), Trailer.hashAt(2))
    Trailer.markUnread(layout, trailer, 0)
    Trailer.markUnread(layout, trailer, 9)
    assert.deepStrictEqual([...Trailer.hashOf(trailer, 2)], Array(32).fill(7))
    assert.deepStrictEqual([...trailer.subarray(64)], [...Array(32).fill(7), 1, 2])
  })
})
