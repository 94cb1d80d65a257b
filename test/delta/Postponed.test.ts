/** What an older version has at its own place, copied while pages come. [Y-18] */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Blocks from "../../src/delta/Blocks.ts"
import { Postponed } from "../../src/delta/Postponed.ts"
import { reuse } from "../../src/delta/Reuse.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import { random, signatureOf } from "./contents.ts"

const size = 5_000_000
const blockBytes = 10_000
const content = random(size, 1)
/** Other bytes in these blocks. */
const otherIn = (...blocks: ReadonlyArray<number>) => {
  const other = content.slice()
  for (const block of blocks) other[block * blockBytes + 5] ^= 1
  return other
}

/** An older version whose blocks were hashed, and what is copied of it. `hashed`: the content that it had then. */
const copying = Effect.fnUntraced(function* (old: Uint8Array, hashed = old) {
  const signature = signatureOf(content, blockBytes)
  const file = new Uint8Array(size)
  const log = { closed: 0, cutAt: Infinity, refused: undefined as string | undefined, written: 0 }
  const readOf = (bytes: Uint8Array) => (offset: number, into: Uint8Array) =>
    offset + into.length > log.cutAt
      ? Effect.fail("cut")
      : Effect.sync(() => into.set(bytes.subarray(offset, offset + into.length)))
  const write = (offset: number, bytes: Uint8Array) =>
    log.refused !== undefined
      ? Effect.fail(log.refused)
      : Effect.sync(() => {
          log.written += bytes.length
          file.set(bytes, offset)
        })
  const blocks = Blocks.ofContent(hashed, blockBytes)
  const isStill = Effect.sync(() => Buffer.compare(old, hashed) === 0)
  let isOpened = false
  const version = {
    ...{ size: old.length, read: readOf(old) },
    known: { blocks, isStill: Effect.suspend(() => (isOpened ? isStill : Effect.succeed(true))) },
    close: Effect.sync(() => void log.closed++)
  }
  const { held, postponed } = yield* reuse({ signature, postpones: true }, [version], write)
  isOpened = true
  if (postponed === undefined) throw new Error("nothing is postponed")
  const readFile = (offset: number, into: Uint8Array) =>
    Effect.sync(() => into.set(file.subarray(offset, offset + into.length)))
  return { held, file, log, readFile, postponed: new Postponed({ ...postponed, signature, write }) }
})

const same = (file: Uint8Array, from: number, end: number): boolean =>
  Buffer.compare(file.subarray(from, end), content.subarray(from, end)) === 0

describe("blocks that are held and not copied yet", () => {
  it.effect("nothing is written before they are copied; then all of it is there, and nothing else", () =>
    Effect.gen(function* () {
      const { file, held, log, postponed, readFile } = yield* copying(otherIn(0, 7, 8, 499))
      const [first, end] = [8, 499].map((block) => block * blockBytes)
      assert.deepStrictEqual(held, [blockBytes, 6 * blockBytes, first + blockBytes, end - first - blockBytes])
      assert.strictEqual(log.written, 0)
      const told: Array<number> = []
      yield* postponed.all((done, total) => {
        assert.strictEqual(total, size - 4 * blockBytes)
        told.push(done)
      })
      assert.strictEqual(told.at(-1), size - 4 * blockBytes)
      assert.deepStrictEqual(
        told,
        told.toSorted((a, b) => a - b)
      )
      assert.strictEqual(log.written, size - 4 * blockBytes)
      for (let i = 0; i < held.length; i += 2) assert.isTrue(same(file, held[i], held[i] + held[i + 1]))
      assert.isTrue(file.subarray(0, blockBytes).every((byte) => byte === 0))
      assert.deepStrictEqual(yield* postponed.wrong(readFile, () => {}), [])
      assert.strictEqual(log.closed, 1)
    })
  )
  it.effect("a part of them is copied at once where it is read", () =>
    Effect.gen(function* () {
      const { file, log, postponed } = yield* copying(otherIn(0))
      yield* postponed.part(25_000, 10_000)
      assert.isTrue(same(file, 20_000, 40_000))
      assert.isAtMost(log.written, 20_000)
      // what came over it as pages meanwhile is not copied over
      file.fill(9, 20_000, 40_000)
      yield* postponed.all()
      assert.isTrue(file.subarray(20_000, 40_000).every((byte) => byte === 9))
      assert.isTrue(same(file, 40_000, size))
      assert.strictEqual(log.written, size - blockBytes)
    })
  )
  it.effect("two that copy at one time do nothing twice", () =>
    Effect.gen(function* () {
      const { file, log, postponed } = yield* copying(otherIn(3))
      const copies = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(postponed.all()))
      yield* postponed.part(4_000_000, 100_000)
      yield* Effect.forEach(copies, Fiber.join)
      assert.strictEqual(log.written, size - blockBytes)
      assert.isTrue(same(file, 40_000, size))
    })
  )
  it.effect("where the older version has changed meanwhile, what is wrong of it is told, once", () =>
    Effect.gen(function* () {
      const { file, log, postponed, readFile } = yield* copying(otherIn(0, 5, 300, 301), otherIn(0))
      yield* postponed.all()
      const told: Array<number> = []
      assert.deepStrictEqual(yield* postponed.wrong(readFile, (done) => told.push(done)), [
        ...[5 * blockBytes, blockBytes],
        ...[300 * blockBytes, 2 * blockBytes]
      ])
      assert.isAbove(told.length, 0)
      assert.isTrue(same(file, 6 * blockBytes, 300 * blockBytes))
      assert.deepStrictEqual(yield* postponed.wrong(readFile, () => {}), [])
      assert.strictEqual(log.closed, 1)
    })
  )
  it.effect("where it cannot be read to its end, the rest is told", () =>
    Effect.gen(function* () {
      const { log, postponed, readFile } = yield* copying(otherIn(0))
      log.cutAt = 3_000_000
      yield* postponed.all()
      log.cutAt = Infinity
      const [from, length, ...more] = yield* postponed.wrong(readFile, () => {})
      assert.deepStrictEqual(more, [])
      assert.strictEqual(from + length, size)
      assert.isTrue(from <= 3_000_000 && from > 1_500_000)
    })
  )
  it.effect("what could not be written is tried again, and told", () =>
    Effect.gen(function* () {
      const { file, log, postponed } = yield* copying(otherIn(0))
      yield* postponed.part(0, 2_000_000)
      log.refused = "disk full"
      assert.strictEqual(yield* Effect.flip(postponed.all()), "disk full")
      assert.strictEqual(yield* Effect.flip(postponed.all()), "disk full")
      log.refused = undefined
      yield* postponed.all()
      assert.isTrue(same(file, blockBytes, size))
    })
  )
})

describe("what is not postponed", () => {
  const signature = signatureOf(content, blockBytes)
  const known = (hashed: Uint8Array, isStill: boolean) => ({
    blocks: Blocks.ofContent(hashed, blockBytes),
    isStill: Effect.succeed(isStill)
  })
  const reused = Effect.fnUntraced(function* (old: Uint8Array, more: object) {
    let written = 0
    const read = (offset: number, into: Uint8Array) =>
      Effect.sync(() => into.set(old.subarray(offset, offset + into.length)))
    const write = (_: number, bytes: Uint8Array) => Effect.sync(() => void (written += bytes.length))
    const { held, postponed } = yield* reuse(
      { signature, postpones: true },
      [{ size: old.length, read, ...more }],
      write
    )
    assert.isUndefined(postponed)
    const bytes = held.reduce((sum, length, i) => (i % 2 === 1 ? sum + length : sum), 0)
    return { bytes, written }
  })
  it.effect("little, what has changed since it was hashed, what was not hashed, and what is the file itself", () =>
    Effect.gen(function* () {
      const all = size - blockBytes
      const changed = yield* reused(otherIn(0), { known: known(otherIn(0), false) })
      // it is copied before that is seen, and hashed then
      assert.deepStrictEqual(changed, { bytes: all, written: 2 * all })
      assert.deepStrictEqual(yield* reused(otherIn(0), {}), { bytes: all, written: all })
      const own = yield* reused(otherIn(0), { known: known(otherIn(0), true), isOwn: true })
      assert.deepStrictEqual(own, { bytes: all, written: 0 })
      const few = otherIn(...Array.from({ length: 500 - Limits.postponedBytes / 2 / blockBytes }, (_, i) => i))
      const { bytes, written } = yield* reused(few, { known: known(few, true) })
      assert.isAbove(bytes, 0)
      assert.strictEqual(written, bytes)
    })
  )
})
