/** What is taken of blocks that an older version has in part. [Y-19] */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import type { Old } from "../../src/delta/Old.ts"
import { reuse } from "../../src/delta/Reuse.ts"
import * as Signature from "../../src/delta/Signature.ts"
import * as Weak from "../../src/delta/Weak.ts"
import { countOf } from "../../src/protocol/Runs.ts"
import { int } from "../protocol/generators.ts"
import { random, signatureOf } from "./contents.ts"

const [blockBytes, subBytes] = [1000, 100]

const versionOf = (old: Uint8Array, more: Partial<Old> = {}): Old => ({
  size: old.length,
  read: (offset, into) => Effect.sync(() => into.set(old.subarray(offset, offset + into.length))),
  ...more
})

/** What is held of the content, and what was written for it into a file with that in it. */
const taken = Effect.fnUntraced(function* (
  signature: Signature.Signature,
  versions: ReadonlyArray<Old>,
  file = new Uint8Array(signature.size)
) {
  let writtenBytes = 0
  const write = (offset: number, bytes: Uint8Array) =>
    Effect.sync(() => {
      writtenBytes += bytes.length
      file.set(bytes, offset)
    })
  const { held } = yield* reuse({ signature }, versions, write)
  return { held, file, writtenBytes }
})

const isRight = (content: Uint8Array, { file, held }: Effect.Success<ReturnType<typeof taken>>) => {
  for (let i = 0; i < held.length; i += 2) {
    const [from, end] = [held[i], held[i] + held[i + 1]]
    assert.deepStrictEqual(file.subarray(from, end), content.subarray(from, end))
  }
}

const withOther = (content: Uint8Array, ...places: ReadonlyArray<number>) => {
  const old = content.slice()
  for (const place of places) old[place] ^= 1
  return old
}
const insertedAt = (content: Uint8Array, place: number, bytes: number) =>
  Buffer.concat([content.subarray(0, place), random(bytes, 99), content.subarray(place)])

const content = random(20_350, 1)
const signature = signatureOf(content, blockBytes, subBytes)

describe("of a block that an older version has in part [Y-19]", () => {
  it.effect.each<[string, Uint8Array, number]>([
    ["a byte is another one", withOther(content, 4321), 1],
    ["bytes of several sub-blocks are", withOther(content, 4321, 4322, 4900), 2],
    ["and of its first and its last", withOther(content, 4000, 4999), 2],
    ["in blocks side by side", withOther(content, 3999, 4000, 5550), 3],
    ["in the last one, which is shorter", withOther(content, 20_349), 1],
    ["bytes were inserted", insertedAt(content, 4321, 7), 1],
    ["and between two sub-blocks", insertedAt(content, 4300, 7), 0],
    ["and into the first block", insertedAt(content, 5, 3000), 1],
    ["bytes were removed", Buffer.concat([content.subarray(0, 4321), content.subarray(4400)]), 1],
    ["all that follows is another content", Buffer.concat([content.subarray(0, 4321), random(17_000, 7)]), 161],
    ["it ends there", content.subarray(0, 4321), 161]
  ])("the sub-blocks are held that it has, where %s", ([, old, missing]) =>
    Effect.gen(function* () {
      const result = yield* taken(signature, [versionOf(old)])
      isRight(content, result)
      const subs = Signature.subsOf(signature) * 20 + 4
      // the last of them has 50 bytes
      const bytes = content.length - countOf(result.held)
      assert.strictEqual(Math.ceil(bytes / subBytes), missing)
      assert.isAtMost(missing, subs)
    })
  )
  it.effect("what stands in the file itself stays, and is not written", () =>
    Effect.gen(function* () {
      const file = withOther(content, 4321)
      const own = versionOf(file, { isOwn: true })
      const { held, writtenBytes } = yield* taken(signature, [own], file)
      assert.deepStrictEqual(held, [0, 4300, 4400, content.length - 4400])
      assert.strictEqual(writtenBytes, 0)
    })
  )
  it.effect("two versions have together what neither has alone: then it is one that was found", () =>
    Effect.gen(function* () {
      const versions = [versionOf(withOther(content, 4321)), versionOf(withOther(content, 4999, 7777))]
      const result = yield* taken(signature, versions)
      assert.deepStrictEqual(result.held, [0, content.length])
      isRight(content, result)
    })
  )
  it.effect("all sums agree and the hash does not: nothing of it is held", () =>
    Effect.gen(function* () {
      // the signature says of block 4 what the old version has there
      const old = withOther(content, 4321)
      const sums = signature.sums.slice()
      Signature.sum({ ...signature, sums }, 4, (at, length) => Weak.sumOf(old, 4000 + at, length))
      const { held } = yield* taken({ ...signature, sums }, [versionOf(old)])
      assert.deepStrictEqual(held, [0, 4000, 5000, content.length - 5000])
    })
  )
  it.effect("it cannot be read: it has to come", () =>
    Effect.gen(function* () {
      const old = withOther(content, 4321)
      let reads = 0
      const { read } = versionOf(old)
      const broken = versionOf(old, {
        read: (offset, into) => (++reads > 1 ? Effect.fail("EIO") : read(offset, into))
      })
      const { held } = yield* taken(signature, [broken])
      assert.deepStrictEqual(held, [0, 4000, 5000, content.length - 5000])
      assert.isAbove(reads, 1)
    })
  )
  it.effect(
    "no more is told to be read than may have to be, where blocks before and behind have moved by other ways",
    () =>
      Effect.gen(function* () {
        // of each four blocks three are others, and bytes are inserted behind them
        const parts = Array.from({ length: 200 }, (_, i) => random(4000, i))
        const made = Buffer.concat(parts)
        const old = Buffer.concat(parts.flatMap((part) => [withOther(part, 1500, 2500, 3500), Uint8Array.of(1, 2, 3)]))
        const told: Array<readonly [done: number, total: number]> = []
        yield* reuse(
          { signature: signatureOf(made, blockBytes, subBytes), told: (...one) => void told.push(one) },
          [versionOf(old)],
          () => Effect.void
        )
        assert.isAbove(told.length, 200)
        for (const [done, total] of told) assert.isAtMost(done, total)
      })
  )
  it.effect("each read takes long: the look ends after a second, and the rest comes as blocks", () =>
    Effect.gen(function* () {
      const places = Array.from({ length: 10 }, (_, i) => 2 * i * blockBytes + 5)
      const { read, ...old } = versionOf(withOther(content, ...places))
      let reads = 0
      const slow: Old = { ...old, read: (at, into) => (reads++, Effect.andThen(Effect.sleep(300), read(at, into))) }
      const taking = yield* Effect.forkChild(taken(signature, [slow]))
      yield* TestClock.adjust(60_000)
      const result = yield* Fiber.join(taking)
      isRight(content, result)
      const quick = yield* taken(signature, [versionOf(withOther(content, ...places))])
      // of four blocks or so the sub-blocks, of the ten that have changed
      const blocks = (held: ReadonlyArray<number>) => (countOf(held) - 10 * blockBytes - 350) / (blockBytes - subBytes)
      assert.strictEqual(blocks(quick.held), 10)
      assert.isBelow(blocks(result.held), 6)
      assert.isAbove(blocks(result.held), 1)
      assert.isBelow(reads, 16)
    })
  )
  it.effect("a signature without sub-blocks has blocks alone", () =>
    Effect.gen(function* () {
      const { held } = yield* taken(Signature.coarse(signature), [versionOf(withOther(content, 4321))])
      assert.deepStrictEqual(held, [0, 4000, 5000, content.length - 5000])
    })
  )
  it.effect("nothing is like it: the look ends early", () =>
    Effect.gen(function* () {
      const size = 150_000_000
      const large = Signature.make(0, { size, blockBytes: 10_000, subBytes: 1000 })
      large.sums.fill(1)
      let readBytes = 0
      const old: Old = {
        size,
        read: (_, into) =>
          Effect.sync(() => {
            readBytes += into.length
            into.fill(0)
          })
      }
      const { held } = yield* taken(large, [old], new Uint8Array(0))
      assert.deepStrictEqual(held, [])
      // once for blocks at their place, and 64 MiB each for those that have moved and for sub-blocks
      assert.isBelow(readBytes, size + 2 * 70_000_000)
    })
  )
})

describe("a block's weak sum", () => {
  it.prop(
    "is joined of those of its sub-blocks",
    { size: int(1, 500), blockBytes: int(1, 50), subBytes: int(1, 50) },
    (of) => {
      const content = random(of.size, of.blockBytes)
      const signature = signatureOf(content, of.blockBytes, Math.min(of.subBytes, of.blockBytes))
      assert.deepStrictEqual(Signature.weakOf(signature), signatureOf(content, of.blockBytes).sums)
      assert.deepStrictEqual(Signature.coarse(signature), signatureOf(content, of.blockBytes))
    }
  )
})

describe("sub-blocks", () => {
  it.each([
    ["are pages, 12 of a block of 16 KiB", 12 * 1432, 1432, 12],
    ["and of small ones", 3 * 1432, 1432, 3],
    ["are some pages of a large block, which has twelve at most", 110 * 1432, 1432, 11],
    ["are large pages", 2 * 8928, 8928, 2]
  ])("%s", (_, blockBytes, pageBytes, count) => {
    const subBytes = Signature.subBytesOf(blockBytes, pageBytes)
    assert.strictEqual(subBytes % pageBytes, 0)
    assert.strictEqual(Signature.subsOf({ size: 0, blockBytes, subBytes }), count)
  })
})
