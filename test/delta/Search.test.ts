/** The search for blocks that have moved: both kinds of it, and what is taken from an old version. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Blocks from "../../src/delta/Blocks.ts"
import * as Index from "../../src/delta/Index.ts"
import { reuse } from "../../src/delta/Reuse.ts"
import { reference, referenceSummer } from "../../src/delta/Search.ts"
import * as Signature from "../../src/delta/Signature.ts"
import * as Wasm from "../../src/delta/Wasm.ts"
import * as Weak from "../../src/delta/Weak.ts"
import { int } from "../protocol/generators.ts"
import { random, signatureOf } from "./contents.ts"

const wasm = Wasm.load()
if (wasm === undefined) throw new Error("there is no dist/search.wasm: npm run build:search")

const Sizes = { content: int(0, 300), old: int(0, 300), blockBytes: int(1, 40), seed: int(0, 0xffff) }

/** Few values, so that sums and blocks occur more than once; the old one has parts of the new one. */
const example = ({ blockBytes, content, old, seed }: { readonly [K in keyof typeof Sizes]: number }) => {
  const made = random(content, seed).map((byte) => byte % 3)
  const others = random(old, seed + 1).map((byte) => byte % 3)
  const shift = seed % (content + 1)
  return {
    blockBytes,
    content: made,
    old: seed % 2 === 0 ? others : Buffer.concat([others.subarray(0, old >> 2), made.subarray(shift)])
  }
}

const sumsOf = (content: Uint8Array, blockBytes: number): Uint32Array =>
  Uint32Array.from({ length: Math.floor(content.length / blockBytes) }, (_, block) =>
    Weak.sumOf(content, block * blockBytes, blockBytes)
  )

describe("the weak sum", () => {
  it.prop("rolls", Sizes, (sizes) => {
    const { blockBytes, content } = example(sizes)
    if (content.length < blockBytes) return
    const out = Weak.outFactorOf(blockBytes)
    let sum = Weak.sumOf(content, 0, blockBytes)
    for (let at = 0; at + blockBytes < content.length; at++) {
      sum = Weak.roll(sum, content[at], content[at + blockBytes], out)
      assert.strictEqual(sum, Weak.sumOf(content, at + 1, blockBytes))
    }
  })
  it("is the polynomial that it says", () => {
    let sum = 0n
    const content = Uint8Array.from({ length: 11 }, (_, i) => 250 + 17 * i)
    for (const byte of content) sum = (sum * 0x9e3779b1n + BigInt(byte)) % 2n ** 32n
    assert.strictEqual(BigInt(Weak.sumOf(content, 0, 11)), sum)
  })
})

describe("searchers", () => {
  it.prop("find the same places, and those are right", Sizes, (sizes) => {
    const { blockBytes, content, old } = example(sizes)
    const weak = sumsOf(content, blockBytes)
    const index = Index.make(weak, weak.keys(), blockBytes, (a, b) => a - b)
    const expected: Array<number> = []
    for (let at = 0; at + blockBytes <= old.length; at++)
      if (weak.includes(Weak.sumOf(old, at, blockBytes))) expected.push(at)
    for (const make of [reference, wasm.searcher]) {
      const searcher = make(index, Math.max(blockBytes, old.length))
      searcher.window.set(old)
      const found: Array<number> = []
      let hit = searcher.find(0, old.length)
      for (; hit !== undefined; hit = searcher.find(hit.at + 1, old.length)) {
        assert.strictEqual(hit.sum, Weak.sumOf(old, hit.at, blockBytes))
        found.push(hit.at)
      }
      assert.deepStrictEqual(found, expected)
    }
  })
})

describe("summers", () => {
  const windowBytes = 1000
  it.prop(
    "have the same sums",
    { at: int(0, 500), length: int(0, 500), seed: int(0, 0xffff) },
    ({ at, length, seed }) => {
      const [one, other] = [referenceSummer, wasm.summer].map((make) => {
        const { sumOf, window } = make(windowBytes)
        window.set(random(windowBytes, seed))
        return sumOf(at, length)
      })
      assert.strictEqual(one, other)
    }
  )
})

interface Known {
  readonly blocks: Blocks.Blocks
  readonly isStill: Effect.Effect<boolean>
}

const taken = (content: Uint8Array, old: Uint8Array, blockBytes: number, known?: Known) => {
  const written = new Uint8Array(content.length)
  let read = 0
  const version = {
    ...{ size: old.length, ...(known && { known }) },
    read: (offset: number, into: Uint8Array) =>
      Effect.sync(() => {
        read += into.length
        into.set(old.subarray(offset, offset + into.length))
      })
  }
  const write = (offset: number, part: Uint8Array) => Effect.sync(() => written.set(part, offset))
  return Effect.map(reuse({ signature: signatureOf(content, blockBytes) }, [version], write), ({ held }) => ({
    held,
    written,
    read
  }))
}

const heldBytes = (held: ReadonlyArray<number>) =>
  held.reduce((sum, length, i) => (i % 2 === 1 ? sum + length : sum), 0)

describe("what is taken from an old version [Y-13]", () => {
  it.effect.prop("is what the new one has there, whatever both are", Sizes, (sizes) =>
    Effect.gen(function* () {
      const { blockBytes, content, old } = example(sizes)
      const { held, written } = yield* taken(content, old, blockBytes)
      const isHeld = (at: number, end: number) =>
        held.some((from, i) => i % 2 === 0 && from <= at && end <= from + held[i + 1])
      for (let i = 0; i < held.length; i += 2) {
        const [from, end] = [held[i], held[i] + held[i + 1]]
        assert.isTrue(end <= content.length && (i === 0 || from > held[i - 2] + held[i - 1]))
        assert.deepStrictEqual([...written.subarray(from, end)], [...content.subarray(from, end)])
      }
      // a block that stands at its own place is always found
      for (let at = 0; at < content.length; at += blockBytes) {
        const end = Math.min(at + blockBytes, content.length)
        if (end > old.length) break
        if (Buffer.compare(content.subarray(at, end), old.subarray(at, end)) === 0) assert.isTrue(isHeld(at, end))
      }
    })
  )
  it.effect("where bytes were inserted, all but the blocks that they were inserted in", () =>
    Effect.gen(function* () {
      const content = random(4_000_000, 1)
      const cuts = [10, 5_000, 1_048_576, 1_048_577, 2_500_300, 3_999_990]
      const parts = [0, ...cuts].map((from, i) => content.subarray(from, cuts[i] ?? content.length))
      const old = Buffer.concat(parts.flatMap((part) => [part, Uint8Array.of(7)]))
      const { held, written } = yield* taken(content, old, 2000)
      // the cuts lie in five blocks, and the last block is whole before the cut in it
      assert.strictEqual(
        heldBytes(held),
        content.length - 2000 * new Set(cuts.map((cut) => Math.floor(cut / 2000))).size
      )
      for (let i = 0; i < held.length; i += 2)
        assert.isTrue(
          Buffer.compare(
            written.subarray(held[i], held[i] + held[i + 1]),
            content.subarray(held[i], held[i] + held[i + 1])
          ) === 0
        )
    })
  )
  it.effect("also where the content has parts twice, so that blocks begin within others", () =>
    Effect.gen(function* () {
      const part = random(100_050, 8)
      const content = Buffer.concat([part, part, part])
      const { held } = yield* taken(content, Buffer.concat([Uint8Array.of(1), content]), 1000)
      assert.deepStrictEqual(held, [0, 300_000])
    })
  )
  it.effect("zeros that have moved", () =>
    Effect.gen(function* () {
      const content = Buffer.concat([random(5000, 9), new Uint8Array(2_000_000), random(5000, 10)])
      const { held } = yield* taken(content, Buffer.concat([Uint8Array.of(1), content]), 1000)
      assert.deepStrictEqual(held, [0, content.length])
    })
  )
  it.effect("a block that occurs more than once, from one place; a shorter last block at its own place", () =>
    Effect.gen(function* () {
      const block = random(1000, 2)
      const content = Buffer.concat([block, block, block, block.subarray(0, 300)])
      const once = yield* taken(content, Buffer.concat([random(333, 3), block]), 1000)
      assert.deepStrictEqual(once.held, [0, 3000])
      const same = yield* taken(content, content, 1000)
      assert.deepStrictEqual(same.held, [0, 3300])
    })
  )
  it.effect("ends early where sums agree and contents do not", () =>
    Effect.gen(function* () {
      // zeros have the sum 0 in every place, and so has no block of others but by intention
      const signature = signatureOf(random(200_000, 4), 100)
      signature.sums.fill(0)
      let hashed = 0
      const old = {
        size: 50_000_000,
        read: (_: number, into: Uint8Array) => Effect.sync(() => void (hashed += into.length))
      }
      const { held } = yield* reuse({ signature }, [old], () => Effect.void)
      assert.deepStrictEqual(held, [])
      assert.isBelow(hashed, 5_000_000)
    })
  )
  it.effect("of two versions the second brings what the first has not, and spoils nothing of it", () =>
    Effect.gen(function* () {
      const content = random(10_000, 1)
      const first = content.slice(0, 5000)
      const reading = (old: Uint8Array) => ({
        size: old.length,
        read: (offset: number, into: Uint8Array) =>
          Effect.sync(() => into.set(old.subarray(offset, offset + into.length)))
      })
      for (const isOwn of [false, true]) {
        const written = new Uint8Array(content.length)
        if (isOwn) written.set(first)
        // it was what it should be, and has become something else since
        const changed = content.slice().fill(9, 1000, 3000)
        const known = { blocks: Blocks.ofContent(content, 1000), isStill: Effect.succeed(false) }
        const { held } = yield* reuse(
          { signature: signatureOf(content, 1000) },
          [
            { ...reading(isOwn ? written : first), isOwn },
            { ...reading(changed), known }
          ],
          (offset, part) => Effect.sync(() => written.set(part, offset))
        )
        assert.deepStrictEqual(held, [0, content.length])
        assert.strictEqual(Buffer.compare(written, content), 0)
      }
    })
  )
  it.effect("of one that was hashed, short gaps are copied with what is right around them, and are not held", () =>
    Effect.gen(function* () {
      const content = random(20_000, 1)
      const old = content.slice()
      for (const at of [3100, 4100, 9000, 9999, 10_000, 11_000, 12_500, 13_000]) old[at] ^= 1
      const known = { blocks: Blocks.ofContent(old, 1000), isStill: Effect.succeed(true) }
      const { held, written } = yield* taken(content, old, 1000, known)
      assert.deepStrictEqual(held, [0, 3000, 5000, 4000, 14_000, 6000])
      // blocks 3 and 4 came with those around them, and what is longer did not
      assert.deepStrictEqual([...written.subarray(3000, 5000)], [...old.subarray(3000, 5000)])
      assert.isTrue(written.subarray(9000, 14_000).every((byte) => byte === 0))
    })
  )
  it.effect("a block that has moved as a whole is found between others that are right", () =>
    Effect.gen(function* () {
      const content = random(20_000, 1)
      const old = content.slice()
      old.set(content.subarray(5000, 6000), 12_000)
      old.set(content.subarray(12_000, 13_000), 5000)
      const { held, read, written } = yield* taken(content, old, 1000)
      assert.deepStrictEqual(held, [0, 20_000])
      assert.strictEqual(Buffer.compare(written, content), 0)
      // once in order, and each of the two once more: neither begins or ends in those beside it
      assert.strictEqual(read, 20_000 + 2 * 1000)
    })
  )
  it.effect("ends early where nothing is found", () =>
    Effect.gen(function* () {
      let read = 0
      const old = {
        size: 2 ** 40,
        read: (offset: number, into: Uint8Array) =>
          Effect.sync(() => {
            read += into.length
            into.fill(1 + (offset % 251))
          })
      }
      assert.deepStrictEqual(
        (yield* reuse({ signature: signatureOf(random(100_000, 5), 1000) }, [old], () => Effect.void)).held,
        []
      )
      assert.isBelow(read, 80_000_000)
    })
  )
})

describe("how far it is", () => {
  // a master waits for a catcher that gets on, and the steps of a slow disk are writes as well
  it.effect.prop("is told after each read and each write, and is no more than the whole [Y-13]", Sizes, (sizes) =>
    Effect.gen(function* () {
      const { blockBytes, content, old } = example(sizes)
      const told: Array<number> = []
      let steps = 0
      const step = Effect.sync(() => {
        assert.isAtLeast(told.length, steps)
        steps++
      })
      const read = (offset: number, into: Uint8Array) =>
        Effect.andThen(
          step,
          Effect.sync(() => into.set(old.subarray(offset, offset + into.length)))
        )
      const signature = signatureOf(content, blockBytes)
      const tell = (done: number, total: number) => {
        assert.isAtMost(done, total)
        assert.isAtLeast(done, told.at(-1) ?? 0)
        told.push(done)
      }
      yield* reuse({ signature, told: tell }, [{ size: old.length, read }], () => step)
      assert.strictEqual(told.length, steps)
    })
  )
})

describe("an old version whose blocks were hashed before [Y-12] [Y-13]", () => {
  const content = random(10_000, 3)
  // block 7 was the content's when it was hashed
  const hashed = Uint8Array.from(content, (byte, at) => (at === 4321 ? byte ^ 1 : byte))
  const old = Uint8Array.from(hashed, (byte, at) => (at === 7000 ? byte ^ 1 : byte))
  const blocks = Blocks.ofContent(hashed, 1000)
  it.effect("is not hashed again as long as it is the same", () =>
    Effect.gen(function* () {
      const { held } = yield* taken(content, old, 1000, { blocks, isStill: Effect.succeed(true) })
      assert.deepStrictEqual(held, [0, 4000, 5000, 5000])
    })
  )
  it.effect("is not read where a single block is known to be none that is looked for, and is where it has moved", () =>
    Effect.gen(function* () {
      const still = { blocks, isStill: Effect.succeed(true) }
      const { read } = yield* taken(content, hashed, 1000, still)
      // a short gap is copied with what is around it
      assert.strictEqual(read, 10_000)
      const swapped = Uint8Array.from(content)
      swapped.set(content.subarray(2000, 3000), 6000)
      swapped.set(content.subarray(6000, 7000), 2000)
      const moved = yield* taken(content, swapped, 1000, { ...still, blocks: Blocks.ofContent(swapped, 1000) })
      assert.deepStrictEqual(moved.held, [0, 10_000])
    })
  )
  it.effect("is hashed where it changed meanwhile, or was hashed in other blocks", () =>
    Effect.gen(function* () {
      const expected = [0, 4000, 5000, 2000, 8000, 2000]
      const changed = yield* taken(content, old, 1000, { blocks, isStill: Effect.succeed(false) })
      assert.deepStrictEqual(changed.held, expected)
      const others = { blocks: Blocks.ofContent(old, 500), isStill: Effect.succeed(true) }
      assert.deepStrictEqual((yield* taken(content, old, 1000, others)).held, expected)
    })
  )
})

describe("signatures as bytes [Y-13]", () => {
  const metadata = { mode: 0o644, mtimeSeconds: 0, mtimeNanos: 0, uid: 0, gid: 0 }
  const sizes = [10_000, 3333]
  const entries = sizes.map((size) => ({ _tag: "File", path: new Uint8Array(0), metadata, size }) as const)
  const signatures = sizes.map((size, entry) => ({ ...signatureOf(random(size, 6 + entry), 1000, 300), entry }))
  const encoded = Signature.encode(signatures)

  it("come back as they were", () => {
    const decoded = Signature.decode(encoded, entries)
    assert.deepStrictEqual(decoded._tag === "Success" ? decoded.success : decoded, signatures)
  })
  it.each([
    ["cut", encoded.subarray(0, encoded.length - 1)],
    ["cut in a head", encoded.subarray(0, 10)],
    ["more", Buffer.concat([encoded, Uint8Array.of(0)])],
    ["of another size", Uint8Array.from(encoded, (byte, at) => (at === 12 ? byte ^ 1 : byte))],
    ["of no file", Uint8Array.from(encoded, (byte, at) => (at === 0 ? 9 : byte))],
    ["of blocks that take the memory", Uint8Array.from(encoded, (byte, at) => (at === 7 ? 0x7f : byte))],
    ["of sub-blocks of no bytes", Uint8Array.from(encoded, (byte, at) => (at >= 8 && at < 12 ? 0 : byte))],
    ["of sub-blocks larger than blocks", Uint8Array.from(encoded, (byte, at) => (at === 10 ? 1 : byte))],
    ["of blocks of no bytes", Uint8Array.from(encoded, (byte, at) => (at >= 4 && at < 8 ? 0 : byte))]
  ])("are refused: %s", (_, bytes) => assert.strictEqual(Signature.decode(bytes, entries)._tag, "Failure"))
  it.each([
    ["of 4 KiB at least", 2 ** 20, 3],
    ["of 4 KiB up to 64 MiB", 2 ** 26 - 1, 3],
    ["of the square root of the size", 2 ** 26, 6],
    ["of no more of it than a power of two", 2 ** 28 - 1, 6],
    ["of 16 KiB from 256 MiB on", 2 ** 28, 12],
    ["of 16 KiB between", 2 ** 29, 12],
    ["of 16 KiB up to 1 GiB", 2 ** 30, 12],
    ["of half of the root from there on", 2 ** 32, 23],
    ["of no more of it than 16 KiB go into", 2 ** 33, 23]
  ])("blocks are whole pages: %s", (_, size, pages) => assert.strictEqual(Blocks.bytesOf(size, 1432), pages * 1432))
  it("a block is a page at least", () => assert.strictEqual(Blocks.bytesOf(2 ** 20, 8932), 8932))
})
