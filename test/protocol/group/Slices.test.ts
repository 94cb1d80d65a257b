import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as Slices from "../../../src/protocol/group/Slices.ts"
import * as Limits from "../../../src/protocol/Limits.ts"
import { int } from "../generators.ts"

describe("Slices [Q-3]", () => {
  it("begin with what the buffer has room for, within bounds", () => {
    assert.strictEqual(Slices.make(100 * Limits.answerBytes).slots, 100)
    assert.strictEqual(Slices.make(0).slots, Limits.minSliceSlots)
    assert.strictEqual(Slices.make(2 ** 40).slots, Limits.maxSliceSlots)
  })

  it("halve when most are silent, stay when few are, double when all answer", () => {
    const start = Slices.make(64 * Limits.answerBytes)
    const halved = Slices.asked(start, 64, 40)
    assert.strictEqual(halved.slots, 32)
    assert.strictEqual(Slices.asked(halved, 32, 16).slots, 32)
    assert.strictEqual(Slices.asked(halved, 32, 0).slots, 64)
    assert.strictEqual(Slices.asked(start, 64, 0).slots, 64)
    // few were left to ask: that says nothing of a slice
    assert.strictEqual(Slices.asked(start, 3, 3), start)
    assert.strictEqual(Slices.asked(halved, 3, 0), halved)
  })

  it.prop(
    "stay within their bounds, whatever is answered",
    [int(0, 8_000_000), Schema.Array(Schema.Tuple([int(1, 600), int(0, 600)]))],
    ([bytes, turns]) => {
      let slices = Slices.make(bytes)
      const { most } = slices
      for (const [asked, owing] of turns) {
        slices = Slices.asked(slices, asked, Math.min(asked, owing))
        assert.isTrue(Number.isInteger(slices.slots) && slices.slots >= Limits.minSliceSlots && slices.slots <= most)
      }
    }
  )
})
