/** What an older version has at its own place, copied while pages come. [Y-18] */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import * as Blocks from "../../src/delta/Blocks.ts"
import { Later } from "../../src/delta/Later.ts"
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
  const log = { closed: 0, reads: 0, cutAt: Infinity, refused: undefined as string | undefined, written: 0 }
  const readOf = (bytes: Uint8Array) => (offset: number, into: Uint8Array) =>
    offset + into.length > log.cutAt
      ? Effect.fail("cut")
      : Effect.sync(() => {
          log.reads++
          into.set(bytes.subarray(offset, offset + into.length))
        })
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
      postponed.tells((done, total) => {
        // it may have to be hashed as well
        assert.strictEqual(total, 2 * (size - 4 * blockBytes))
        told.push(done)
      })
      yield* postponed.all
      assert.strictEqual(told.at(-1), size - 4 * blockBytes)
      assert.deepStrictEqual(
        told,
        told.toSorted((a, b) => a - b)
      )
      assert.strictEqual(log.written, size - 4 * blockBytes)
      for (let i = 0; i < held.length; i += 2) assert.isTrue(same(file, held[i], held[i] + held[i + 1]))
      assert.isTrue(file.subarray(0, blockBytes).every((byte) => byte === 0))
      assert.deepStrictEqual(yield* postponed.wrong(readFile), [])
      assert.strictEqual(log.closed, 1)
    })
  )
  it.effect("what is read of them meanwhile is right, and is not copied for that", () =>
    Effect.gen(function* () {
      const { file, log, postponed, readFile } = yield* copying(otherIn(0, 3))
      const copier = yield* Effect.forkChild(postponed.all)
      const into = new Uint8Array(55_555)
      const isRight = Effect.fnUntraced(function* (at: number) {
        yield* postponed.read(at, into, readFile)
        return Buffer.compare(into, content.subarray(at, at + into.length)) === 0
      })
      while (log.written < 2_000_000) yield* Effect.yieldNow
      const before = log.written
      for (const at of [100_000, before - 20_000, before, before + 30_001, size - 55_555])
        assert.isTrue(yield* isRight(at))
      assert.strictEqual(log.written, before)
      // a block that came as pages
      file.set(content.subarray(30_000, 40_000), 30_000)
      assert.isTrue(yield* isRight(25_000))
      yield* Fiber.join(copier)
      assert.strictEqual(log.written, size - 2 * blockBytes)
      assert.isTrue(yield* isRight(4_000_000))
    })
  )
  it.effect("stretches with short gaps between them are read at once, and the gaps are left alone", () =>
    Effect.gen(function* () {
      const { file, log, postponed } = yield* copying(otherIn(...Array.from({ length: 60 }, (_, i) => 5 * i + 1)))
      file.fill(9, blockBytes, 2 * blockBytes)
      log.reads = 0
      yield* postponed.all
      assert.isTrue(file.subarray(blockBytes, 2 * blockBytes).every((byte) => byte === 9))
      assert.isTrue(same(file, 2 * blockBytes, 5 * blockBytes))
      assert.isAtMost(log.reads, 6)
    })
  )
  it.effect("where the older version has changed meanwhile, what is wrong of it is told, once", () =>
    Effect.gen(function* () {
      const { file, log, postponed, readFile } = yield* copying(otherIn(0, 5, 300, 301), otherIn(0))
      const told: Array<number> = []
      postponed.tells((done, total) => {
        assert.isAtMost(done, total)
        told.push(done)
      })
      yield* postponed.all
      const { length } = told
      assert.deepStrictEqual(yield* postponed.wrong(readFile), [
        ...[5 * blockBytes, blockBytes],
        ...[300 * blockBytes, 2 * blockBytes]
      ])
      // a master waits for a catcher that gets on
      assert.isAbove(told.length, length)
      assert.deepStrictEqual(
        told,
        [...new Set(told)].sort((a, b) => a - b)
      )
      assert.isTrue(same(file, 6 * blockBytes, 300 * blockBytes))
      assert.deepStrictEqual(yield* postponed.wrong(readFile), [])
      assert.strictEqual(log.closed, 1)
    })
  )
  it.effect("where it cannot be read to its end, the rest is told", () =>
    Effect.gen(function* () {
      const { log, postponed, readFile } = yield* copying(otherIn(0))
      log.cutAt = 3_000_000
      yield* postponed.all
      log.cutAt = Infinity
      const [from, length, ...more] = yield* postponed.wrong(readFile)
      assert.deepStrictEqual(more, [])
      assert.strictEqual(from + length, size)
      assert.isTrue(from <= 3_000_000 && from > 1_500_000)
    })
  )
  it.effect("what cannot be written is a failure", () =>
    Effect.gen(function* () {
      const { log, postponed } = yield* copying(otherIn(0))
      log.refused = "disk full"
      assert.strictEqual(yield* Effect.flip(postponed.all), "disk full")
    })
  )
})

describe("parts of blocks of which only sums are known", () => {
  it.effect("are not written over what comes while they are copied", () =>
    Effect.gen(function* () {
      const signature = signatureOf(content, blockBytes, 1000)
      const later = new Later(signature, new Uint8Array(size / blockBytes))
      const [first, second] = [3 * blockBytes, 3 * blockBytes + 5000]
      later.add(3, first, 1000)
      later.add(3, second, 1000)
      const file = new Uint8Array(size)
      // what is copied takes longer than what comes
      const put = (offset: number, bytes: Uint8Array) => Effect.sync(() => file.set(bytes, offset))
      const old = {
        size,
        read: (_: number, into: Uint8Array) => Effect.sync(() => into.fill(9)),
        known: { blocks: signature, isStill: Effect.succeed(true) }
      }
      const write = (offset: number, bytes: Uint8Array) => Effect.delay(put(offset, bytes), 10)
      const postponed = new Postponed({ signature, later, old, write })
      const copier = yield* Effect.forkChild(postponed.all)
      yield* TestClock.adjust(5)
      const coming = yield* Effect.forkChild(
        Effect.forEach([first, second], (at) => postponed.comes(at, 1000, put(at, new Uint8Array(1000).fill(1))))
      )
      yield* TestClock.adjust(100)
      yield* Fiber.join(coming)
      yield* Fiber.join(copier)
      for (const at of [first, second]) assert.isTrue(file.subarray(at, at + 1000).every((byte) => byte === 1))
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
