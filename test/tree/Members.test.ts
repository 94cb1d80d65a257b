import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as Members from "../../src/tree/Members.ts"
import { int } from "../protocol/generators.ts"

const Sizes = Schema.Array(int(0, 9)).check(Schema.isMaxLength(8))

const membersOf = (sizes: ReadonlyArray<number>): ReadonlyArray<Members.Member> => {
  let offset = 0
  return sizes.map((size, index) => {
    offset += size
    return { entry: 3 * index, offset: offset - size, size }
  })
}

describe("Members", () => {
  it.prop("a range is cut into pieces of members, each byte into one", [Sizes, int(0, 80), int(0, 80)], (given) => {
    const [sizes, a, b] = given
    const members = membersOf(sizes)
    const total = sizes.reduce((sum, size) => sum + size, 0)
    const offset = Math.min(a, total)
    const into = new Uint8Array(Math.min(b, total - offset))
    for (const { from, into: piece, member, position } of Members.overlaps(members, offset, into)) {
      assert.strictEqual(members[position], member)
      assert.isAbove(piece.length, 0)
      assert.isTrue(Members.isInside(member.size, from, piece.length))
      // each byte is the number of its member and its place there, once
      for (let i = 0; i < piece.length; i++) piece[i] += 1 + position * 16 + from + i
    }
    const whole = new Uint8Array(total)
    members.forEach((member, position) => {
      const part = Members.partOf(whole, member)
      for (let i = 0; i < part.length; i++) part[i] = 1 + position * 16 + i
    })
    assert.deepStrictEqual(into, whole.subarray(offset, offset + into.length).slice())
  })
})
