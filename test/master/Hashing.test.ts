/** The master hashes what only contents can tell: nothing that it cannot read, or that changes meanwhile. [Y-12] */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { hash as hashOf } from "../../src/content/Hash.ts"
import { hash } from "../../src/master/Hashing.ts"
import { Ledger } from "../../src/master/Ledger.ts"
import * as SimulatedTree from "../../src/simulate/Tree.ts"
import { type Given, rewrite, sourceLayer } from "../../src/source/Memory.ts"
import { Source } from "../../src/source/Source.ts"

const sizes = [700_000, 5, 300_000, 1000, 800_000]
const treeOf = (): Array<Given> => [
  ...sizes.map((size, i) => SimulatedTree.file(`f${i}`, size, i)),
  SimulatedTree.directory("d")
]

/** Those of the tree's entries that have a hash, which is that of their content; `then` happens once reading has begun. */
const hashed = (tree: ReadonlyArray<Given>, then: () => void = () => {}, wanted = [0, tree.length]) =>
  Effect.gen(function* () {
    const source = yield* Source
    const { entries } = yield* source.scan
    const ledger = new Ledger(entries, [])
    const open = (entry: number) =>
      Effect.map(source.open(entry), (file) => ({
        ...file,
        read: (offset: number, into: Uint8Array) => Effect.tap(file.read(offset, into), () => Effect.sync(then))
      }))
    const hashes = yield* Effect.provideService(hash(ledger, wanted), Source, { ...source, open })
    assert.isUndefined(ledger.doubts.hashing(() => false))
    return tree.flatMap(({ content }, index) => {
      const own = hashes.get(index)
      if (own === undefined) return []
      assert.deepStrictEqual(Buffer.from(own), Buffer.from(hashOf(content ?? new Uint8Array(0))), `f${index}`)
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
