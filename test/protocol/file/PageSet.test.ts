import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as PageSet from "../../../src/protocol/file/PageSet.ts"
import { int } from "../generators.ts"

// Three leaves, the last one short; indices crowd around the seams of leaves and words.
const pages = 8192 * 2 + 100
const seams = [0, 31, 32, 63, 64, 8190, 8191, 8192, 8193, 16_383, 16_384, 16_415, 16_416, pages - 1, pages, pages + 5]
const Page = Schema.Union([int(0, pages + 10), Schema.Literals(seams)])
const Action = Schema.Union([
  Schema.TaggedStruct("Add", { batch: Schema.Array(Page).check(Schema.isMaxLength(30)) }),
  Schema.TaggedStruct("AddRange", { first: Page, count: int(0, 9000) }),
  Schema.TaggedStruct("Remove", { first: Page, count: int(0, 300) })
])

const runsOf = (model: ReadonlySet<number>, first: number, count: number) => {
  const out: Array<number> = []
  for (let page = first; page < Math.min(first + count, pages); page++) {
    if (model.has(page)) continue
    if (out.length > 0 && out[out.length - 2] + out[out.length - 1] === page) out[out.length - 1]++
    else out.push(page, 1)
  }
  return out
}

describe("PageSet", () => {
  it.prop(
    "does what a Set of numbers does [S-1]",
    [Schema.Array(Action).check(Schema.isMaxLength(12)), Page, int(0, 9000)],
    ([actions, from, span]) => {
      let set = PageSet.empty(pages)
      const model = new Set<number>()
      for (const action of actions) {
        const before = { set, held: set.held, runs: PageSet.missing(set, 0, pages) }
        if (action._tag === "Remove") {
          set = PageSet.remove(set, action.first, action.count)
          for (let page = action.first; page < action.first + action.count; page++) model.delete(page)
        } else {
          const batch =
            action._tag === "Add" ? action.batch : Array.from({ length: action.count }, (_, i) => action.first + i)
          const fresh: Array<number> = []
          batch.forEach((page, i) => {
            if (page >= pages || model.has(page)) return
            model.add(page)
            fresh.push(i)
          })
          const added = PageSet.add(set, batch)
          assert.deepStrictEqual(added.fresh ?? batch.map((_, i) => i), fresh)
          set = added.set
        }
        assert.deepStrictEqual(PageSet.invariants(set), [])
        assert.strictEqual(set.held, model.size)
        // the set before is as it was
        assert.strictEqual(before.set.held, before.held)
        assert.deepStrictEqual(PageSet.missing(before.set, 0, pages), before.runs)
      }
      const first = Math.min(from, pages - 1)
      assert.strictEqual(PageSet.has(set, first), model.has(first))
      assert.deepStrictEqual(PageSet.missing(set, first, span), runsOf(model, first, span))
      assert.strictEqual(PageSet.firstMissing(set), runsOf(model, 0, pages)[0])
      assert.strictEqual(PageSet.isFull(set), model.size === pages)
    }
  )

  it("fills up to its last page, and has no gap then", () => {
    const { fresh, set } = PageSet.add(
      PageSet.empty(pages),
      Array.from({ length: pages }, (_, page) => page)
    )
    assert.isUndefined(fresh)
    assert.isTrue(PageSet.isFull(set))
    assert.isUndefined(PageSet.firstMissing(set))
    assert.deepStrictEqual(PageSet.missing(set, 0, pages), [])
  })

  it("of a large file only the leaf and the node that a batch touches are new", () => {
    const large = PageSet.empty(10_000_000)
    const { set } = PageSet.add(large, [5_000_000])
    const touched = large.nodes.flatMap((node, n) => (node === set.nodes[n] ? [] : [n]))
    assert.deepStrictEqual(touched, [19])
    const leaves = large.nodes[19].flatMap((leaf, l) => (leaf === set.nodes[19][l] ? [] : [l]))
    assert.strictEqual(leaves.length, 1)
  })
})
