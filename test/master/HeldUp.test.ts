/** Catchers for which the others wait. */
import { assert, describe, it } from "@effect/vitest"
import { HeldUp } from "../../src/master/HeldUp.ts"

const all = [0, 1, 2, 3, 4]
const of = (heldUp: HeldUp, audience = all) => [...heldUp.by(audience, 500)]

describe("a catcher for which the others wait", () => {
  it("is behind once they have waited for half of the time, and not for little", () => {
    const heldUp = new HeldUp()
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
    const heldUp = new HeldUp()
    heldUp.add(1000, 900, [3])
    heldUp.add(1000, 300, [0, 1, 2, 4])
    assert.deepStrictEqual(of(heldUp), [])
    assert.deepStrictEqual(of(heldUp, [3]), [])
    heldUp.add(500, 500, [3])
    assert.deepStrictEqual(of(heldUp), [3])
    assert.deepStrictEqual(of(heldUp, [3, 4]), [3])
    assert.deepStrictEqual(of(heldUp, [3]), [])
  })
})
