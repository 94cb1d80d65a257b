/** A file of which an older version is still being copied, as its catcher sees it. [Y-18] */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Blocks from "../../src/delta/Blocks.ts"
import { reuse } from "../../src/delta/Reuse.ts"
import { holding } from "../../src/store/Held.ts"
import { type FileWriter, StoreError } from "../../src/store/Store.ts"
import { random, signatureOf } from "../delta/contents.ts"

const size = 6_000_000
const blockBytes = 10_000
const content = random(size, 1)
/** Nothing of the first block, and all but a sub-block of the last one. */
const old = Uint8Array.from(content).fill(0, 0, blockBytes)
const withSubs = Uint8Array.from(old).fill(0, size - blockBytes + 3000, size - blockBytes + 4000)

/** Its writer, in a scope; the disk refuses what is written beyond `room`. `isStill`: the older version is what was hashed. */
const opened = Effect.fnUntraced(function* (room = size, subBytes = blockBytes, isStill: () => boolean = () => true) {
  const file = new Uint8Array(size)
  let writtenBytes = 0
  const writer: FileWriter = {
    write: (offset, bytes) =>
      Effect.suspend(() => {
        if (offset + bytes.length > room)
          return Effect.fail(new StoreError({ code: "ENOSPC", path: "f", reason: "disk full" }))
        writtenBytes += bytes.length
        file.set(bytes, offset)
        return Effect.void
      }),
    read: (offset, into) => Effect.sync(() => into.set(file.subarray(offset, offset + into.length))),
    commit: () => Effect.succeed([])
  }
  const reusing = { signature: signatureOf(content, blockBytes, subBytes), postpones: true }
  const version = subBytes < blockBytes ? withSubs : old
  const read = (offset: number, into: Uint8Array) =>
    Effect.sync(() => into.set(version.subarray(offset, offset + into.length)))
  const known = { blocks: Blocks.ofContent(version, blockBytes), isStill: Effect.sync(isStill) }
  const reused = yield* reuse(reusing, [{ size, read, known }], writer.write)
  return { file, held: yield* holding(writer, reusing, reused), written: () => writtenBytes }
})

const settled = ({ settle }: FileWriter) => {
  if (settle === undefined) throw new Error("it copies nothing")
  return settle(() => {})
}

describe("a file that holds what is still to be copied", () => {
  it.effect("has it where it is read, before and after it settles", () =>
    Effect.gen(function* () {
      const { file, held, written } = yield* opened()
      assert.deepStrictEqual(held.held, [blockBytes, size - blockBytes])
      assert.strictEqual(written(), 0)
      const part = new Uint8Array(25_000)
      yield* held.read(4_123_456, part)
      assert.strictEqual(Buffer.compare(part, content.subarray(4_123_456, 4_148_456)), 0)
      assert.deepStrictEqual(yield* settled(held), [])
      assert.strictEqual(Buffer.compare(file.subarray(blockBytes), content.subarray(blockBytes)), 0)
      assert.strictEqual(written(), size - blockBytes)
    }).pipe(Effect.scoped)
  )
  it.effect("copies by itself, until its scope closes", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { written } = yield* Scope.provide(opened(), scope)
      while (written() < 2_000_000) yield* Effect.yieldNow
      yield* Scope.close(scope, Exit.void)
      const before = written()
      assert.isBelow(before, size - blockBytes)
      for (let turn = 0; turn < 100; turn++) yield* Effect.yieldNow
      assert.strictEqual(written(), before)
    })
  )
  it.effect("has sub-blocks as well, which are copied with the blocks beside them [Y-19]", () =>
    Effect.gen(function* () {
      const { file, held, written } = yield* opened(size, 1000)
      // of the first block nothing, of the last one all but a sub-block
      const last = size - blockBytes
      const missing = last + 3000
      assert.deepStrictEqual(held.held, [blockBytes, missing - blockBytes, missing + 1000, size - missing - 1000])
      assert.strictEqual(written(), 0)
      const part = new Uint8Array(4000)
      yield* held.read(last - 1000, part)
      assert.strictEqual(Buffer.compare(part, content.subarray(last - 1000, missing)), 0)
      yield* held.write(missing, content.subarray(missing, missing + 1000))
      assert.deepStrictEqual(yield* settled(held), [])
      assert.strictEqual(Buffer.compare(file.subarray(blockBytes), content.subarray(blockBytes)), 0)
      assert.strictEqual(written(), size - blockBytes)
    }).pipe(Effect.scoped)
  )
  it.effect("what is written of a sub-block meanwhile stays: it was known by its sum alone [Y-19]", () =>
    Effect.gen(function* () {
      const { file, held } = yield* opened(size, 1000)
      const last = size - blockBytes
      const [from, other] = [last + 1500, new Uint8Array(1000).fill(9)]
      yield* held.write(from, other)
      assert.deepStrictEqual(yield* settled(held), [])
      const expected = Uint8Array.from(content.subarray(last)).fill(0, 3000, 4000)
      expected.set(other, 1500)
      assert.strictEqual(Buffer.compare(file.subarray(last), expected), 0)
    }).pipe(Effect.scoped)
  )
  it.effect("where the older version has changed, a block with sub-blocks of it is hashed as well [Y-19]", () =>
    Effect.gen(function* () {
      let isStill = true
      const { held } = yield* opened(size, 1000, () => isStill)
      const missing = size - blockBytes + 3000
      yield* held.write(missing, new Uint8Array(1000).fill(9))
      isStill = false
      assert.deepStrictEqual(yield* settled(held), [size - blockBytes, blockBytes])
    }).pipe(Effect.scoped)
  )
  it.effect("says that its disk is full as soon as something is written, and when it settles", () =>
    Effect.gen(function* () {
      const { held } = yield* opened(3_000_000)
      for (let turn = 0; turn < 100; turn++) yield* Effect.yieldNow
      assert.strictEqual((yield* Effect.flip(settled(held))).code, "ENOSPC")
      assert.strictEqual((yield* Effect.flip(held.write(0, new Uint8Array(9)))).code, "ENOSPC")
    }).pipe(Effect.scoped)
  )
})
