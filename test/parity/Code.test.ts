import { assert, describe, it } from "@effect/vitest"
import * as Code from "../../src/parity/Code.ts"
import * as Field from "../../src/parity/Field.ts"
import * as Wasm from "../../src/parity/Wasm.ts"
import { int } from "../protocol/generators.ts"

/** Bytes and orders from a seed (xorshift). */
const chance = (seed: number) => {
  let state = (seed + 1) * 0x9e37_79b1
  const next = () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
  const bytes = (length: number) => Uint8Array.from({ length }, next)
  /** `count` of 0..below-1, each once, in any order. */
  const some = (count: number, below: number) => {
    const all = Array.from({ length: below }, (_, i) => i)
    for (let i = 0; i < count; i++) {
      const other = i + (next() % (below - i))
      const swap = all[i]
      all[i] = all[other]
      all[other] = swap
    }
    return all.slice(0, count)
  }
  return { bytes, next, some }
}

const wasm = Wasm.load()
if (wasm === undefined) throw new Error("there is no dist/parity.wasm: npm run build:parity")
const kernels = [
  { name: "wasm", kernel: wasm },
  { name: "reference", kernel: Code.reference }
]

/** A block's parity pages, in the order of `indices`. */
const encoded = (kernel: Code.Kernel, block: Uint8Array, pageBytes: number, indices: ReadonlyArray<number>) => {
  const out = new Uint8Array(indices.length * pageBytes)
  Code.encode(kernel, block, pageBytes, indices, out)
  return out
}

/** The block with other bytes in its missing pages. */
const damage = (block: Uint8Array, pageBytes: number, missing: ReadonlyArray<number>) => {
  const out = block.slice()
  for (const page of missing) {
    const end = Math.min((page + 1) * pageBytes, out.length)
    for (let at = page * pageBytes; at < end; at++) out[at] ^= 0xa5
  }
  return out
}

/** Any size of block; `short` is taken modulo the page. */
const Sizes = {
  pages: int(1, 128),
  pageBytes: int(1, 100),
  short: int(0, 99),
  lostPercent: int(0, 100),
  seed: int(0, 0xffff)
}

const example = ({ lostPercent, pageBytes, pages, seed, short }: { readonly [K in keyof typeof Sizes]: number }) => {
  const { bytes, next, some } = chance(seed)
  const block = bytes(pages * pageBytes - (short % pageBytes))
  const missing = some(Math.round((pages * lostPercent) / 100), pages)
  // some pages more than are needed
  const most = Code.parityPages(pages)
  const indices = some(Math.min(missing.length + (next() % 4), most), most)
  return { block, pageBytes, pages, missing, indices }
}

describe("Code", () => {
  it("a parity page is the sum of d_c / ((255 - j) + c)", () => {
    const block = Uint8Array.from([7, 0, 200, 1])
    const sum = (index: number) =>
      block.reduce((sum, byte, c) => sum ^ Field.multiply(byte, Field.invert((255 - index) ^ c)), 0)
    for (const { kernel } of kernels) {
      assert.deepStrictEqual([...encoded(kernel, block, 1, [0, 1, 251])], [sum(0), sum(1), sum(251)])
    }
  })

  it.prop("the reference and WebAssembly make the same parity pages", Sizes, (sizes) => {
    const { block, indices, pageBytes } = example(sizes)
    assert.deepStrictEqual(encoded(wasm, block, pageBytes, indices), encoded(Code.reference, block, pageBytes, indices))
  })

  it.prop("a parity page does not depend on those it is made with, nor on absent pages", Sizes, (sizes) => {
    const { block, indices, pageBytes, pages } = example(sizes)
    const padded = new Uint8Array(Math.min(pages + 2, 128) * pageBytes)
    padded.set(block)
    const within = indices.filter((index) => index < Code.parityPages(pages + 2))
    const together = encoded(wasm, block, pageBytes, within)
    within.forEach((index, i) => {
      const page = together.subarray(i * pageBytes, (i + 1) * pageBytes)
      assert.deepStrictEqual(encoded(wasm, block, pageBytes, [index]), page.slice())
      assert.deepStrictEqual(encoded(wasm, padded, pageBytes, [index]), page.slice())
    })
  })

  describe.for(kernels)("with $name", ({ kernel }) => {
    it.prop("any parity pages bring back as many missing pages", Sizes, (sizes) => {
      const { block, indices, missing, pageBytes } = example(sizes)
      const parity = encoded(kernel, block, pageBytes, indices)
      const damaged = damage(block, pageBytes, missing)
      assert.deepStrictEqual(Code.decode(kernel, damaged, pageBytes, missing, parity, indices), { _tag: "Recovered" })
      assert.deepStrictEqual(damaged, block)
    })

    it.prop("too few parity pages say how many more, and change nothing", Sizes, (sizes) => {
      const { block, indices, missing, pageBytes } = example(sizes)
      const few = indices.slice(0, Math.floor(missing.length / 2))
      const damaged = damage(block, pageBytes, missing)
      const before = damaged.slice()
      const decoded = Code.decode(kernel, damaged, pageBytes, missing, encoded(kernel, block, pageBytes, few), few)
      const lacking = missing.length - few.length
      assert.deepStrictEqual(decoded, lacking === 0 ? { _tag: "Recovered" } : { _tag: "Short", pages: lacking })
      assert.deepStrictEqual(damaged, before)
    })

    it.for([
      { pages: 1, pageBytes: 1432, short: 0, lost: 1 },
      { pages: 1, pageBytes: 1432, short: 1431, lost: 1 },
      { pages: 2, pageBytes: 33, short: 5, lost: 2 },
      { pages: 128, pageBytes: 1432, short: 0, lost: 127 },
      { pages: 128, pageBytes: 1432, short: 0, lost: 128 },
      { pages: 128, pageBytes: 1431, short: 700, lost: 128 },
      { pages: 128, pageBytes: 8932, short: 1, lost: 5 },
      { pages: 200, pageBytes: 64, short: 1, lost: 56 }
    ])(
      "$lost of $pages pages of $pageBytes bytes, the last one short by $short",
      ({ lost, pageBytes, pages, short }) => {
        const { bytes, some } = chance(lost)
        const block = bytes(pages * pageBytes - short)
        const missing = [pages - 1, ...some(pages - 1, pages - 1)].slice(0, lost)
        const indices = some(lost, Code.parityPages(pages))
        const damaged = damage(block, pageBytes, missing)
        const parity = encoded(kernel, block, pageBytes, indices)
        assert.deepStrictEqual(Code.decode(kernel, damaged, pageBytes, missing, parity, indices), { _tag: "Recovered" })
        assert.isTrue(Buffer.compare(damaged, block) === 0)
      }
    )

    it("ignores parity pages that came before or cannot be", () => {
      const block = chance(1).bytes(5 * 10 - 3)
      const good = encoded(kernel, block, 10, [4, 9])
      const parity = new Uint8Array(50)
      parity.set(good.subarray(0, 10), 0)
      parity.set(good.subarray(0, 10), 10)
      parity.set(good.subarray(10), 40)
      const damaged = damage(block, 10, [0, 4])
      const decode = (length: number, indices: ReadonlyArray<number>) =>
        Code.decode(kernel, damaged, 10, [0, 4], parity.subarray(0, length), indices)
      assert.deepStrictEqual(decode(40, [4, 4, 251, 255, 9]), { _tag: "Short", pages: 1 })
      assert.deepStrictEqual(decode(50, [4, 4, 251, -1]), { _tag: "Short", pages: 1 })
      assert.deepStrictEqual(decode(50, [4, 4, 251, 1e9, 9]), { _tag: "Recovered" })
      assert.deepStrictEqual(damaged, block)
    })
  })

  it("works at any offset of a larger buffer", () => {
    const whole = chance(3).bytes(300)
    const block = whole.subarray(7, 107)
    const indices = [3, 1]
    const parity = new Uint8Array(100).subarray(11, 51)
    Code.encode(wasm, block, 20, indices, parity)
    const before = whole.slice()
    block.fill(0, 20, 60)
    assert.deepStrictEqual(Code.decode(wasm, block, 20, [1, 2], parity, indices), { _tag: "Recovered" })
    assert.deepStrictEqual(whole, before)
  })

  it("takes WebAssembly where it can", () => {
    assert.notStrictEqual(Wasm.kernel(), Code.reference)
    assert.strictEqual(Wasm.kernel(), Wasm.kernel())
  })
})
