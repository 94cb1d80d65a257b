/** Catchers for which the others wait. */
import { assert, describe, it } from "@effect/vitest"
import { HeldUp } from "../../src/master/HeldUp.ts"

const all = [0, 1, 2, 3, 4]
const bytes = [9, 9, 1, 3, 9]
const of = (heldUp: HeldUp, audience = all) => [...heldUp.leaveOut(audience, (slot) => bytes[slot])]

describe("a catcher for which the others wait", () => {
  it("is behind once they have waited for half of the time, and not for little", () => {
    const heldUp = new HeldUp(500)
    assert.deepStrictEqual(of(heldUp), [])
    heldUp.add(490, 490, [3])
    assert.deepStrictEqual(of(heldUp), [])
    heldUp.add(100, 20, [3])
    assert.deepStrictEqual(of(heldUp), [3])
    heldUp.add(600, 100, [3])
    assert.deepStrictEqual(of(heldUp), [3])
    // and comes back when it has cost less than that
    heldUp.add(100, 0, [])
    assert.deepStrictEqual(of(heldUp), [])
  })
  it("is none where half of them take a quarter as long, or it is alone", () => {
    const heldUp = new HeldUp(500)
    heldUp.add(1000, 900, [3])
    heldUp.add(1000, 300, [0, 1, 2, 4])
    assert.deepStrictEqual(of(heldUp), [])
    assert.deepStrictEqual(of(heldUp, [3]), [])
    heldUp.add(500, 500, [3])
    assert.deepStrictEqual(of(heldUp), [3])
    assert.deepStrictEqual(of(heldUp, [3, 4]), [3])
    assert.deepStrictEqual(of(heldUp, [3]), [])
  })
  it("is of two that which has got least; then the time of the other is counted anew", () => {
    const heldUp = new HeldUp(500)
    heldUp.add(1000, 900, [2, 3])
    assert.deepStrictEqual(of(heldUp), [2])
    assert.deepStrictEqual(of(heldUp), [2])
    assert.deepStrictEqual(of(heldUp, [0, 1, 3, 4]), [])
    heldUp.add(1000, 900, [3])
    assert.deepStrictEqual(of(heldUp, [0, 1, 3, 4]), [])
    heldUp.add(1000, 900, [3])
    assert.deepStrictEqual(of(heldUp, [0, 1, 3, 4]), [3])
    heldUp.begin()
    assert.deepStrictEqual(of(heldUp), [])
  })
  it("comes back soon, however long it was slow", () => {
    const heldUp = new HeldUp(500)
    for (let i = 0; i < 1000; i++) heldUp.add(100, 90, [3])
    assert.deepStrictEqual(of(heldUp), [3])
    for (let i = 0; i < 50; i++) heldUp.add(100, 0, [])
    assert.deepStrictEqual(of(heldUp), [])
  })
})
