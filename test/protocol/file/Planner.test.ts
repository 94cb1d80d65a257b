import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as Layout from "../../../src/protocol/file/Layout.ts"
import { union as unite } from "../../../src/protocol/Runs.ts"
import * as Planner from "../../../src/protocol/file/Planner.ts"
import { int } from "../generators.ts"

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
  it("all pages of one list among those of another", () => {
    const rows: ReadonlyArray<readonly [runs: ReadonlyArray<number>, others: ReadonlyArray<number>, isSo: boolean]> = [
      [[0, 4, 9, 1], [1, 2, 9, 1], true],
      [[0, 4, 9, 1], [3, 2], false],
      [[0, 4], [9, 1], false],
      [[], [0, 1], false],
      [[0, 1], [], true]
    ]
    for (const [runs, others, isSo] of rows) assert.strictEqual(Planner.hasAll(runs, others), isSo, `${runs} ${others}`)
  })

  it.prop(
    "the union has the pages of all answers once, in as few runs as can be",
    [Schema.Array(Runs)],
    ([answers]) => {
      const given = answers.map(runsOf)
      const union = unite(given)
      const model = [...new Set(given.flatMap(pagesOf))].sort((a, b) => a - b)
      assert.deepStrictEqual(pagesOf(union), model)
      assert.strictEqual(Planner.lacking({ lacks: undefined, runs: union }), model.length)
      for (let i = 2; i < union.length; i += 2) assert.isAbove(union[i], union[i - 2] + union[i - 1])
    }
  )

  it("nothing is missing in no answers", () => {
    assert.deepStrictEqual(unite([]), [])
    assert.strictEqual(Planner.lacking({ lacks: undefined, runs: [] }), 0)
  })

  /** 3 blocks of 8 pages, the last with 5; then the trailer. */
  const layout = Layout.make({ size: 21 * 640, pageBytes: 640, blockPages: 8, members: 9000 })
  const Answers = Schema.Array(Schema.Tuple([Runs, Schema.Boolean])).check(Schema.isBetweenLength(1, 12))
  const inFile = (runs: ReadonlyArray<number>) => {
    const pages = pagesOf(runs).filter((page) => page < layout.pages)
    return pages.flatMap((page) => [page, 1])
  }
  /** What a catcher with these runs says when it counts. */
  const counted = (runs: ReadonlyArray<number>): Planner.Lack => {
    const lacks = [0, 0, 0]
    const trailer: Array<number> = []
    for (const page of pagesOf(runs)) {
      if (page < layout.dataPages) lacks[Layout.blockOf(layout, page)]++
      else trailer.push(page, 1)
    }
    return { lacks, runs: trailer }
  }
  const planOf = (answers: ReadonlyArray<Planner.Lack>, repair: Planner.Repair, sent = 0) =>
    Planner.plan({ layout, first: 0, count: layout.pages, answers, sent: () => sent, repair })
  const pagesIn = (plan: Planner.Plan) =>
    pagesOf(plan.runs).length + plan.parity.reduce((sum, { count }) => sum + count, 0)
  const listed = (runs: ReadonlyArray<number>): Planner.Lack => ({ lacks: undefined, runs: inFile(runs) })

  it.prop(
    "after a plan nobody lacks anything, and it is never dearer than the union",
    [Answers, Schema.Literals(["auto", "resend", "parity"]), int(0, 3)],
    ([given, repair, sent]) => {
      const missing = given.map(([pairs]) => inFile(runsOf(pairs)))
      const answers = given.map(([, counts], i) =>
        counts && repair !== "resend" ? counted(missing[i]) : listed(missing[i])
      )
      const plan = planOf(answers, repair, sent)
      const resent = new Set(pagesOf(plan.runs))
      const parity = new Map(plan.parity.map((one) => [one.block, one]))
      for (const runs of missing) {
        const lacks = [0, 0, 0]
        for (const page of pagesOf(runs)) {
          if (page >= layout.dataPages) assert.isTrue(resent.has(page))
          else if (!resent.has(page)) lacks[Layout.blockOf(layout, page)]++
        }
        lacks.forEach((lack, block) => assert.isAtMost(lack, parity.get(block)?.count ?? 0))
      }
      for (const { first } of plan.parity) assert.strictEqual(first, sent)
      assert.isFalse(plan.wantsLists)
      const union = unite(missing)
      assert.isAtMost(pagesIn(plan), pagesOf(union).length)
      if (repair === "resend") {
        assert.deepStrictEqual(pagesOf(plan.runs), pagesOf(union))
        assert.deepStrictEqual(plan.parity, [])
      }
      if (repair === "parity" && answers.every(({ lacks }) => lacks === undefined)) {
        assert.isTrue(pagesOf(plan.runs).every((page) => page >= layout.dataPages))
      }
    }
  )

  it("few that miss the same are sent it again, many that miss others get parity", () => {
    assert.deepStrictEqual(planOf([listed([1, 2]), listed([1, 2])], "auto").parity, [])
    const many = planOf([listed([0, 1]), listed([2, 1]), listed([5, 1]), listed([9, 1])], "auto")
    assert.deepStrictEqual(many, {
      runs: [9, 1],
      parity: [{ block: 0, first: 0, count: 1 }],
      wantsLists: false,
      digested: []
    })
  })

  it("a block that lacks all its pages is sent again as it is", () => {
    const plan = planOf([{ lacks: [8, 0, 5], runs: [] }], "auto")
    assert.deepStrictEqual(plan, { runs: [0, 8, 16, 5], parity: [], wantsLists: false, digested: [] })
  })

  it("with too little parity left lists are asked for, and sent as they are", () => {
    const spent = 256 - 8 - 2
    const short = planOf([{ lacks: [3, 2, 0], runs: [] }], "parity", spent)
    assert.deepStrictEqual(short, {
      runs: [],
      parity: [{ block: 1, first: spent, count: 2 }],
      wantsLists: true,
      digested: []
    })
    assert.deepStrictEqual(planOf([listed([0, 3])], "parity", spent), {
      runs: [0, 3],
      parity: [],
      wantsLists: false,
      digested: []
    })
  })

  it("what is listed where something is spoiled is sent as it is; the others' lack is planned as ever [Q-15]", () => {
    const spoiled = { lacks: undefined, runs: [0, 8, 21, 1], spoiled: true }
    for (const repair of ["auto", "parity"] as const) {
      assert.deepStrictEqual(planOf([spoiled], repair), {
        ...{ runs: [0, 8, 21, 1], digested: [0, 8, 21, 1], parity: [], wantsLists: false }
      })
    }
    const others = [{ lacks: [1, 2, 0], runs: [] }, listed([9, 1])]
    const plan = planOf([...others, spoiled], "auto")
    assert.deepStrictEqual(plan, {
      ...{ runs: [0, 8, 21, 1], digested: [0, 8, 21, 1], wantsLists: false },
      parity: planOf(others, "auto").parity
    })
    assert.deepStrictEqual(planOf([...others, { ...spoiled, runs: [] }], "auto"), planOf(others, "auto"))
  })

  it("the first few of what is listed; where something is spoiled, of one span of digests", () => {
    const layout = Layout.make({ size: 1432 * 1000, pageBytes: 1432, blockPages: 128 })
    const runs = [125, 2, 200, 1, 300, 9]
    const first = (most: number, spoiled: boolean) =>
      Planner.firstOf(layout, { lacks: undefined, runs, spoiled }, most).runs
    assert.deepStrictEqual(first(8, false), [125, 2, 200, 1, 300, 5])
    assert.deepStrictEqual(first(8, true), [125, 2])
    assert.deepStrictEqual(first(1, true), [125, 1])
    assert.deepStrictEqual(first(0, true), [])
  })

  it("stragglers lack far more than half of the group and a share of the span; never all", () => {
    const stragglersOf = (asked: number, ...lacking: ReadonlyArray<number>) => [
      ...Planner.stragglers(new Map(lacking.map((pages, slot) => [slot, pages])), asked)
    ]
    const stragglers = (...lacking: ReadonlyArray<number>) => stragglersOf(1000, ...lacking)
    assert.deepStrictEqual(stragglers(1, 2, 3, 300), [3])
    assert.deepStrictEqual(stragglers(1, 2, 3, 40), [])
    // more than four medians, and more than the share, but not than both together
    assert.deepStrictEqual(stragglers(100, 100, 100, 450), [])
    assert.deepStrictEqual(stragglers(100, 100, 100, 470), [3])
    assert.deepStrictEqual(stragglers(200, 200, 200, 300), [])
    assert.deepStrictEqual(stragglers(300), [])
    assert.deepStrictEqual(stragglers(0, 300), [1])
    assert.deepStrictEqual(stragglers(), [])
    // of a small file a page or two is a large share
    assert.deepStrictEqual(stragglersOf(10, 0, 0, 2), [])
    assert.deepStrictEqual(stragglersOf(100, 0, 0, 70), [2])
  })
})
