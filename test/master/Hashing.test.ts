/** The master hashes what only contents can tell: nothing that it cannot read, or that changes meanwhile. [Y-12] */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { hash as hashOf } from "../../src/content/Hash.ts"
import * as Blocks from "../../src/delta/Blocks.ts"
import { Doubts } from "../../src/master/Doubts.ts"
import { hash } from "../../src/master/Hashing.ts"
import { Ledger } from "../../src/master/Ledger.ts"
import * as SimulatedTree from "../../src/simulate/Tree.ts"
import { type Given, rewrite, sourceLayer } from "../../src/source/Memory.ts"
import { Source } from "../../src/source/Source.ts"

// the last one is large: its hash is of its blocks
const sizes = [700_000, 5, 300_000, 1000, 1_100_000]
const treeOf = (): Array<Given> => [
  ...sizes.map((size, i) => SimulatedTree.file(`f${i}`, size, i)),
  SimulatedTree.directory("d")
]

const contentHash = (content: Uint8Array): Uint8Array =>
  content.length < 1_048_576
    ? hashOf(content)
    : Blocks.hashOf(Blocks.ofContent(content, Blocks.bytesOf(content.length, 1432)))

/** Those of the tree's entries that have a hash, which is that of their content; `then` happens once reading has begun. */
const hashed = (tree: ReadonlyArray<Given>, then: (ledger: Ledger) => void = () => {}, wanted = [0, tree.length]) =>
  Effect.gen(function* () {
    const source = yield* Source
    const { entries } = yield* source.scan
    const ledger = new Ledger(entries, [])
    const open = (entry: number) =>
      Effect.map(source.open(entry), (file) => ({
        ...file,
        read: (offset: number, into: Uint8Array) =>
          Effect.tap(file.read(offset, into), () => Effect.sync(() => then(ledger)))
      }))
    const hashes = yield* Effect.provideService(hash(ledger, wanted, 1432), Source, { ...source, open })
    assert.isUndefined(ledger.doubts.hashing(() => false))
    return tree.flatMap(({ content }, index) => {
      const own = hashes.get(index)
      if (own === undefined) return []
      assert.deepStrictEqual(Buffer.from(own), Buffer.from(contentHash(content ?? new Uint8Array(0))), `f${index}`)
      return [index]
    })
  }).pipe(Effect.provide(sourceLayer(tree)))

describe("hashes at the master", () => {
  it.effect("of small and large files, of those that are wanted", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* hashed(treeOf()), [0, 1, 2, 3, 4])
      assert.deepStrictEqual(yield* hashed(treeOf(), undefined, [1, 2, 4, 2]), [1, 2, 4])
    })
  )

  it.effect("how far they are is told: here, and then at the catcher that is furthest behind", () =>
    Effect.gen(function* () {
      const told: Array<number> = []
      const total = sizes.reduce((sum, size) => sum + size, 0)
      const look = ({ doubts }: Ledger) => {
        const { bytes = -1, total: all } = doubts.hashing(() => true) ?? {}
        assert.strictEqual(all, total)
        told.push(bytes)
      }
      yield* hashed(treeOf(), look)
      assert.isAbove(told.length, 6)
      assert.deepStrictEqual(
        told,
        told.toSorted((a, b) => a - b)
      )
      const doubts = new Doubts()
      const said = { _tag: "Comparing", session: 0n, incarnation: 1, file: 0, from: 0, looked: 9 } as const
      doubts.progress.set(0, { ...said, slot: 0, hashed: 5, toHash: 10 })
      doubts.progress.set(1, { ...said, slot: 1, hashed: 9, toHash: 90 })
      doubts.progress.set(2, { ...said, slot: 2, hashed: 0, toHash: 0 })
      assert.deepStrictEqual(
        doubts.hashing(() => true),
        { bytes: 9, total: 90 }
      )
      assert.deepStrictEqual(
        doubts.hashing((slot) => slot !== 1),
        { bytes: 5, total: 10 }
      )
    })
  )

  it.effect("none of what cannot be read, or is another file by now", () =>
    Effect.gen(function* () {
      const tree = treeOf()
      tree[1] = { ...tree[1], fault: "EACCES" }
      tree[4] = { ...tree[4], fault: "changed" }
      assert.deepStrictEqual(yield* hashed(tree), [0, 2, 3])
    })
  )

  it.effect("none of a large one that is rewritten while it is read", () =>
    Effect.gen(function* () {
      const tree = treeOf()
      const [{ content, entry }] = tree
      if (entry._tag !== "File") return assert.fail()
      const later = { ...entry, metadata: { ...entry.metadata, mtimeSeconds: entry.metadata.mtimeSeconds + 1 } }
      const change = () => rewrite(tree[0], { entry: later, ...(content === undefined ? {} : { content }) })
      assert.deepStrictEqual(yield* hashed(tree, change), [1, 2, 3, 4])
    })
  )
})
