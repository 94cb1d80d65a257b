import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as Planner from "../../src/protocol/Planner.ts"
import { int } from "./generators.ts"

/** Runs from gaps and lengths: ascending and apart from each other. */
const Runs = Schema.Array(Schema.Tuple([int(1, 6), int(1, 6)])).check(Schema.isMaxLength(8))
const runsOf = (pairs: typeof Runs.Type) => {
  const out: Array<number> = []
  let at = 0
  for (const [gap, length] of pairs) {
    out.push(at + gap, length)
    at += gap + length
  }
  return out
}
const pagesOf = (runs: ReadonlyArray<number>) => {
  const out: Array<number> = []
  for (let i = 0; i < runs.length; i += 2) for (let k = 0; k < runs[i + 1]; k++) out.push(runs[i] + k)
  return out
}

describe("Planner", () => {
  it.prop(
    "the union has the pages of all answers once, in as few runs as can be",
    [Schema.Array(Runs)],
    ([answers]) => {
      const given = answers.map(runsOf)
      const union = Planner.union(given)
      const model = [...new Set(given.flatMap(pagesOf))].sort((a, b) => a - b)
      assert.deepStrictEqual(pagesOf(union), model)
      assert.strictEqual(Planner.count(union), model.length)
      for (let i = 2; i < union.length; i += 2) assert.isAbove(union[i], union[i - 2] + union[i - 1])
    }
  )

  it("nothing is missing in no answers", () => {
    assert.deepStrictEqual(Planner.union([]), [])
    assert.strictEqual(Planner.count([]), 0)
  })
})
