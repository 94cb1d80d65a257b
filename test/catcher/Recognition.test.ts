import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { BlockPool } from "../../src/catcher/Assembly.ts"
import * as Recognition from "../../src/catcher/Recognition.ts"
import { hash } from "../../src/content/Hash.ts"
import * as Layout from "../../src/protocol/file/Layout.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import { DestinationEscape, type Existing, StoreError } from "../../src/store/Store.ts"

const pageBytes = 64
const blockPages = 4
const blockBytes = blockPages * pageBytes

/** Content, and its root as its master knows it. */
const sent = (size: number, members = 0, unread: ReadonlyArray<number> = []) => {
  const layout = Layout.make({ size, pageBytes, blockPages, members })
  const content = Uint8Array.from({ length: size }, (_, i) => (i * 7) & 255)
  const trailer = new Uint8Array(layout.trailerBytes)
  for (let block = 0; block < layout.blocks; block++) {
    trailer.set(hash(content.subarray(block * blockBytes, (block + 1) * blockBytes)), block * Limits.hashBytes)
  }
  for (const member of unread) trailer[layout.blocks * Limits.hashBytes + (member >>> 3)] |= 1 << (member & 7)
  return { layout, content, root: hash(trailer) }
}

const readOf =
  (content: Uint8Array): Existing["read"] =>
  (offset, into) =>
    Effect.sync(() => {
      assert.isAtMost(offset + into.length, content.length)
      into.set(content.subarray(offset, offset + into.length))
    })

const options = { pool: new BlockPool(blockBytes), patienceMillis: 1000 }

describe("Recognition", () => {
  it.effect("the content is recognised by its root, at every size; a flipped bit anywhere is not [O-4]", () =>
    Effect.gen(function* () {
      for (const size of [1, 63, 64, 65, blockBytes - 1, blockBytes, blockBytes + 1, 1000]) {
        const { content, layout, root } = sent(size)
        assert.isTrue(yield* Recognition.recognise({ ...options, layout, root, read: readOf(content) }), `${size}`)
        for (const at of [0, size >>> 1, size - 1]) {
          const damaged = content.slice()
          damaged[at] ^= 1
          assert.isFalse(yield* Recognition.recognise({ ...options, layout, root, read: readOf(damaged) }))
        }
      }
    })
  )

  it.effect("a bundle is, when the master could read all its members, and also one of nothing but empty files", () =>
    Effect.gen(function* () {
      const recognised = ({ content, layout, root }: ReturnType<typeof sent>) =>
        Recognition.recognise({ ...options, layout, root, read: readOf(content) })
      assert.isTrue(yield* recognised(sent(500, 20)))
      assert.isTrue(yield* recognised(sent(0, 20)))
      // who had this member from elsewhere has to be told that it is to be left out
      assert.isFalse(yield* recognised(sent(500, 20, [13])))
    })
  )

  it.effect("what cannot be read is not recognised", () =>
    Effect.gen(function* () {
      const { layout, root } = sent(1000)
      for (const error of [
        new StoreError({ code: "EIO", path: "f", reason: "no" }),
        new DestinationEscape({ path: "f", reason: "no" })
      ]) {
        assert.isFalse(yield* Recognition.recognise({ ...options, layout, root, read: () => Effect.fail(error) }))
      }
    })
  )

  it.effect("reading that takes longer than the master's patience ends [O-5]", () =>
    Effect.gen(function* () {
      const { content, layout, root } = sent(1000)
      let reads = 0
      const read: Existing["read"] = (offset, into) =>
        Effect.andThen(
          Effect.sync(() => reads++),
          Effect.andThen(Effect.sleep(600), readOf(content)(offset, into))
        )
      const fiber = yield* Effect.forkChild(Recognition.recognise({ ...options, layout, root, read }))
      yield* TestClock.adjust(10_000)
      assert.isFalse(yield* Fiber.join(fiber))
      assert.strictEqual(reads, 2)
      assert.isAbove(layout.blocks, 2)
    })
  )

  it.effect("others run between two blocks, and the buffer goes back however it ends", () =>
    Effect.gen(function* () {
      const { content, layout, root } = sent(1000)
      const pool = new BlockPool(blockBytes)
      const taken = () => {
        const all = Array.from({ length: Limits.assemblingBlocks }, () => pool.take())
        for (const one of all) if (one !== undefined) pool.give(one)
        return all.filter((one) => one === undefined).length
      }
      const order: Array<string> = []
      const read: Existing["read"] = (offset, into) =>
        Effect.tap(readOf(content)(offset, into), () => Effect.sync(() => order.push("block")))
      const other = Effect.repeat(
        Effect.andThen(
          Effect.sync(() => order.push("other")),
          Effect.yieldNow
        ),
        { times: 3 }
      )
      yield* Effect.all([Recognition.recognise({ ...options, pool, layout, root, read }), other], { concurrency: 2 })
      assert.deepStrictEqual(order.slice(0, 4), ["block", "other", "block", "other"])
      const stuck = yield* Effect.forkChild(
        Recognition.recognise({ ...options, pool, layout, root, read: () => Effect.never })
      )
      yield* Effect.yieldNow
      assert.strictEqual(taken(), 1)
      yield* Fiber.interrupt(stuck)
      assert.strictEqual(taken(), 0)
    })
  )
})
