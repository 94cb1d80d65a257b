import { assert, describe, it } from "@effect/vitest"
import * as Field from "../../src/parity/Field.ts"
import { int } from "../protocol/generators.ts"

const byte = int(0, 255)

/** As schoolbooks multiply polynomials: nothing of it is shared with the tables. */
const product = (a: number, b: number): number => {
  let out = 0
  for (let bit = 0; bit < 8; bit++) if ((b >> bit) & 1) out ^= a << bit
  for (let bit = 15; bit > 7; bit--) if ((out >> bit) & 1) out ^= 0x11d << (bit - 8)
  return out
}

describe("Field", () => {
  it("multiplies all bytes as polynomials modulo 0x11d", () => {
    for (let a = 0; a < 256; a++) {
      for (let b = 0; b < 256; b++) assert.strictEqual(Field.multiply(a, b), product(a, b))
    }
  })

  it.prop("is commutative, associative and distributive", [byte, byte, byte], ([a, b, c]) => {
    const { multiply } = Field
    assert.strictEqual(multiply(a, b), multiply(b, a))
    assert.strictEqual(multiply(multiply(a, b), c), multiply(a, multiply(b, c)))
    assert.strictEqual(multiply(a, b ^ c), multiply(a, b) ^ multiply(a, c))
  })

  it("has 1, and an inverse of everything but 0", () => {
    for (let a = 1; a < 256; a++) {
      assert.strictEqual(Field.multiply(a, 1), a)
      assert.strictEqual(Field.multiply(a, Field.invert(a)), 1)
      assert.strictEqual(Field.exp[Field.log[a]], a)
    }
  })

  it.prop(
    "adds a multiple in place, and nothing around it",
    [byte, int(0, 20), int(0, 20)],
    ([coefficient, to, from]) => {
      const src = Uint8Array.from({ length: 60 }, (_, i) => (i * 37 + coefficient) & 255)
      const dst = src.toReversed()
      const expected = dst.map((value, i) =>
        i < to || i >= to + 33 ? value : value ^ product(coefficient, src[from + i - to])
      )
      Field.mulAdd(dst, to, src, from, 33, coefficient)
      assert.deepStrictEqual(dst, expected)
    }
  )
})
