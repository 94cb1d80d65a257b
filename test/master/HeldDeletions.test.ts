import { assert, describe, it } from "@effect/vitest"
import { HeldDeletions } from "../../src/master/HeldDeletions.ts"
import * as Limits from "../../src/protocol/Limits.ts"

const deletion = (path: string) => ({ _tag: "Itemized", catcher: "a", changes: "*deleting", path }) as const

describe("HeldDeletions [Y-7]", () => {
  it("are those of a catcher, in their order, and taken once", () => {
    const held = new HeldDeletions()
    for (const [slot, path] of [
      [3, "x"],
      [1, "y"],
      [3, "z"]
    ] as const)
      assert.isTrue(held.add(slot, deletion(path)))
    assert.deepStrictEqual(held.take(3), [deletion("x"), deletion("z")])
    assert.deepStrictEqual(held.take(3), [])
    assert.deepStrictEqual(held.take(1), [deletion("y")])
  })

  it("are so many of all catchers, and those that are taken make room", () => {
    const held = new HeldDeletions()
    const one = deletion("x")
    for (let i = 0; i < Limits.heldDeletions; i++) assert.isTrue(held.add(i % 2, one))
    assert.isFalse(held.add(0, one))
    assert.isFalse(held.add(2, one))
    assert.strictEqual(held.take(1).length, Limits.heldDeletions / 2)
    assert.isTrue(held.add(2, one))
  })
})
