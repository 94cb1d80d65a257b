import { assert, describe, it } from "@effect/vitest"
import * as Reach from "../../../src/protocol/group/Reach.ts"
import * as Limits from "../../../src/protocol/Limits.ts"
import * as Chance from "../../../src/transport/Chance.ts"

/** A path that loses so much, and takes pages of a size at most; its verdict, and after how many trains. */
const probe = (path: {
  readonly seed: number
  readonly loss: number
  readonly most?: number
  readonly mostGlued?: number
  readonly answersLost?: number
}) => {
  const { answersLost = 0, loss, most = Infinity, mostGlued = most, seed } = path
  const chance = Chance.make(seed)
  const wanted = 1432
  let single = 0
  let times = 0
  let glued = 0
  let answers = 0
  let arrived: Reach.Arrived | undefined
  for (let trains = 1; ; trains++) {
    for (const page of Reach.ladder(wanted)) {
      if (page > most || chance.hits(loss)) continue
      if (page > single) [single, times] = [page, 1]
      else if (page === single) times++
    }
    if (wanted <= mostGlued && !chance.hits(loss)) glued = wanted
    if (!chance.hits(loss) && !chance.hits(answersLost)) {
      answers++
      arrived = { single, times, glued }
    }
    const verdict = Reach.decide({ wanted, glues: true, isKnown: false, trains, answers, arrived })
    if (verdict !== undefined) return { verdict, trains }
  }
}

const verdicts = (runs: number, path: Omit<Parameters<typeof probe>[0], "seed">) =>
  Array.from({ length: runs }, (_, seed) => probe({ ...path, seed }))

const asWanted = { _tag: "Reached", isGlued: true } as const

describe("which page reaches a catcher", () => {
  it("is known after one train where nothing is lost [N-1]", () => {
    assert.deepStrictEqual(probe({ seed: 1, loss: 0 }), { verdict: asWanted, trains: 1 })
  })

  it("loss is not taken for a narrow path: less than one in a hundred, at any loss [N-2]", () => {
    for (const loss of [0.01, 0.1, 0.3, 0.5, 0.7, 0.9]) {
      const wrong = verdicts(1000, { loss }).filter(({ verdict }) => verdict._tag === "Narrow").length
      assert.isBelow(wrong, 10, `${loss * 100} % loss`)
    }
  })

  it("a narrow path is found out in a few trains, with loss as well, at the largest size of the ladder that passes", () => {
    for (const [most, page] of [
      [1400, 1382],
      [1348, 1332],
      [1000, 938],
      [512, 512]
    ] as const) {
      for (const loss of [0, 0.02, 0.2]) {
        const found = verdicts(200, { loss, most })
        const right = found.filter(({ verdict }) => verdict._tag === "Narrow" && verdict.pageBytes === page)
        assert.isAtLeast(right.length, loss > 0.1 ? 160 : 198, `${most}, ${loss}`)
        if (loss === 0) assert.isAtMost(Math.max(...found.map(({ trains }) => trains)), 4)
      }
    }
  })

  it("glued ones that never arrive are sent alone [N-1]", () => {
    const found = verdicts(200, { loss: 0.02, mostGlued: 0 })
    for (const { verdict } of found) assert.deepStrictEqual(verdict, { _tag: "Reached", isGlued: false })
  })

  it("without answers, and where nothing arrives, the page is taken as wanted, soon [N-2]", () => {
    assert.deepStrictEqual(probe({ seed: 1, loss: 0, answersLost: 1 }), {
      verdict: asWanted,
      trains: Limits.unansweredTrains
    })
    assert.deepStrictEqual(probe({ seed: 1, loss: 0, most: 0 }), { verdict: asWanted, trains: 4 })
  })

  it("the ladder falls from the wanted page, and ends at the smallest there is", () => {
    for (const wanted of [512, 513, 1432, 8900, Limits.maxPageBytes]) {
      const steps = Reach.ladder(wanted)
      assert.strictEqual(steps[0], wanted)
      assert.strictEqual(steps.at(-1), 512)
      steps.slice(1).forEach((page, i) => assert.isBelow(page, steps[i]))
    }
  })
})
