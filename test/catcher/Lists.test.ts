/** Lists of hashes and signatures as a master may send them that has the key and means harm: a catcher holds no more than its entries need. [Y-12] [Y-13] */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { BlockPool } from "../../src/catcher/Assembly.ts"
import { Attendance } from "../../src/catcher/Attendance.ts"
import { ManifestFile } from "../../src/catcher/ManifestFile.ts"
import { MastersHashes } from "../../src/catcher/MastersHashes.ts"
import { Ruin } from "../../src/catcher/Ruin.ts"
import { TreeFiles } from "../../src/catcher/TreeFiles.ts"
import { Wakefulness } from "../../src/catcher/Wakefulness.ts"
import * as Blocks from "../../src/delta/Blocks.ts"
import * as Signature from "../../src/delta/Signature.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import * as Layout from "../../src/protocol/file/Layout.ts"
import { Progress } from "../../src/report/Progress.ts"
import * as Tree from "../../src/simulate/Tree.ts"
import * as Memory from "../../src/store/Memory.ts"
import { Store } from "../../src/store/Store.ts"
import { Hashes } from "../../src/tree/Hashes.ts"
import type { Open } from "../../src/wire/Message.ts"

it.effect("lists of signatures have a limit in all [Y-13]", () =>
  Effect.gen(function* () {
    const attendance = new Attendance(0, new Wakefulness(() => 0))
    const bytes = 3_400_000
    attendance.entries = [Tree.file("a", bytes).entry]
    const options = { id: "c1" } as Parameters<typeof ManifestFile.make>[2]
    const manifest = yield* ManifestFile.make(attendance, yield* Ruin.make(attendance), options)
    // with blocks of a byte, so that one takes half of the room
    const list = Signature.encode([Signature.make(0, { size: bytes, blockBytes: 1, subBytes: 1 })])
    assert.isAbove(2 * list.length, Limits.signatureBytes)
    const take = Effect.fnUntraced(function* (file: number) {
      attendance.expect({ _tag: "Open", file, kind: "Signatures", size: list.length } as Open)
      const layout = Layout.make({ size: list.length, pageBytes: 1432 })
      yield* manifest.inMemory(file, layout, () => Effect.succeed([])).write(0, list)
      return yield* Effect.match(manifest.takeList(file), {
        onFailure: ({ reason }) => reason,
        onSuccess: () => undefined
      })
    })
    assert.isUndefined(yield* take(1))
    const left = Limits.signatureBytes - list.length
    assert.strictEqual(yield* take(2), `signatures of ${list.length} bytes, where ${left} have room`)
  }).pipe(Effect.scoped, Effect.provide(Layer.merge(Memory.layer(Memory.make()), Progress.layer)))
)

it.effect("a file is opened by the signature that was told of it, in its blocks, or not at all [Y-17]", () =>
  Effect.gen(function* () {
    const attendance = new Attendance(0, new Wakefulness(() => 0))
    const size = 2_000_000
    attendance.entries = [Tree.file("a", size).entry]
    const carried = { file: 1, kind: "Single", size, members: [{ entry: 0, offset: 0, size }] } as const
    attendance.plan.push(carried)
    const files = yield* TreeFiles.make(attendance, yield* Ruin.make(attendance), {
      ...{ id: "c1", pool: new BlockPool(1432), patienceMillis: 1000, prepared: Effect.void },
      openList: () => assert.fail("it is no list")
    })
    const store = yield* Store
    assert.deepStrictEqual(yield* store.prepare(attendance.entries), [])
    const signature = Signature.make(0, { size, blockBytes: 1432, subBytes: 1432 })
    const hash = Blocks.hashOf(signature)
    const open = (signed: Layout.Signed | undefined) =>
      Effect.match(files.open(1, Layout.make({ size, pageBytes: 1432, signed })), {
        onFailure: (refusal) => ("reason" in refusal ? refusal.reason : String(refusal)),
        onSuccess: (writer) => writer.signature !== undefined
      })
    const reason = "the signature that is to check it is none that the master has told"
    assert.strictEqual(yield* open({ hash, blockPages: 128 }), reason)
    attendance.signatures.set(0, signature)
    assert.strictEqual(yield* open({ hash, blockPages: 128 }), true)
    assert.strictEqual(yield* open(undefined), false)
    assert.strictEqual(yield* open({ hash, blockPages: 64 }), reason)
    assert.strictEqual(yield* open({ hash: hash.map((byte) => byte ^ 1), blockPages: 128 }), reason)
  }).pipe(Effect.scoped, Effect.provide(Layer.merge(Memory.layer(Memory.make()), Progress.layer)))
)

describe("lists of hashes", () => {
  it("tell of each entry once", () => {
    const hashes = new MastersHashes()
    assert.isUndefined(hashes.take(new Hashes([0, 5])))
    assert.isUndefined(hashes.take(new Hashes([5, 2, 9, 1])))
    for (const runs of [
      [0, 1],
      [4, 3],
      [8, 2],
      [0, 20]
    ])
      assert.strictEqual(hashes.take(new Hashes(runs)), "the hash of an entry comes twice", String(runs))
    // those that are no longer wanted are not held
    hashes.expect([0, 3])
    assert.isUndefined(hashes.take(new Hashes([0, 5])))
  })

  it.effect.each([
    [160, undefined],
    [161, "hashes of 161 bytes are too many: 4 entries have 160 bytes of them at most"],
    [900_000_000, "hashes of 900000000 bytes are too many: 4 entries have 160 bytes of them at most"]
  ] as const)("of %s bytes, for a manifest of four entries", ([size, reason]) =>
    Effect.gen(function* () {
      const attendance = new Attendance(0, new Wakefulness(() => 0))
      attendance.entries = ["a", "b", "c", "d"].map((name) => Tree.file(name, 10).entry)
      const files = yield* TreeFiles.make(attendance, yield* Ruin.make(attendance), {
        ...{ id: "c1", pool: new BlockPool(1432), patienceMillis: 1000, prepared: Effect.void },
        openList: (_carried, _layout, commit) => ({ write: () => Effect.void, read: () => Effect.void, commit })
      })
      attendance.expect({ _tag: "Open", file: 1, kind: "Hashes", size } as Parameters<Attendance["expect"]>[0])
      const layout = Layout.make({ size, pageBytes: 1432 })
      const opened = yield* Effect.match(files.open(1, layout), {
        onFailure: (refusal) => ("reason" in refusal ? refusal.reason : String(refusal)),
        onSuccess: () => undefined
      })
      assert.strictEqual(opened, reason)
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(Memory.layer(Memory.make()), Progress.layer)))
  )
})
