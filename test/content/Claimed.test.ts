import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { Claimed } from "../../src/content/Claimed.ts"
import { int } from "../protocol/generators.ts"

const length = 300_000
const Step = Schema.Struct({ offset: int(0, length - 1), length: int(1, 150_000), whole: int(0, 9) })

describe("Claimed", () => {
  it.prop("is bytes like any others", [Schema.Array(Step)], ([steps]) => {
    const claimed = new Claimed(length)
    const twin = new Uint8Array(length)
    for (const [i, step] of steps.entries()) {
      const bytes = new Uint8Array(Math.min(step.length, length - step.offset)).fill(i + 1)
      claimed.put(bytes, step.offset)
      twin.set(bytes, step.offset)
      const read = new Uint8Array(bytes.length + Math.min(1000, step.offset)).fill(255)
      const from = step.offset + bytes.length - read.length
      claimed.read(from, read)
      assert.strictEqual(Buffer.compare(read, twin.subarray(from, from + read.length)), 0)
      if (step.whole === 0) assert.strictEqual(Buffer.compare(claimed.whole(), twin), 0)
    }
    assert.strictEqual(Buffer.compare(claimed.whole(), twin), 0)
  })

  it("takes memory for what is put, and none for what is claimed", () => {
    const before = process.memoryUsage().arrayBuffers
    const claimed = new Claimed(2 ** 30)
    claimed.put(new Uint8Array(10), 2 ** 29)
    const read = new Uint8Array(10).fill(1)
    claimed.read(0, read)
    assert.deepStrictEqual(read, new Uint8Array(10))
    assert.isBelow(process.memoryUsage().arrayBuffers - before, 1_000_000)
  })
})
