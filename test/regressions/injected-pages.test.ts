/** Pages that somebody injects as the master's: the file is complete everywhere, and little more is sent than they spoil. [C-8] */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Dice } from "../../src/simulate/Dice.ts"
import { injectorOf } from "../../src/simulate/Injector.ts"
import * as Simulation from "../../src/simulate/Simulation.ts"
import * as Tree from "../../src/simulate/Tree.ts"
import * as Header from "../../src/wire/Header.ts"

const tree = [Tree.file("large", 900_000), Tree.file("small", 30_000, 2)]

/** A session into which pages are injected from its beginning to its end. */
const run = Effect.fnUntraced(function* (
  injecting: { readonly perSecond: number; readonly isSingly: boolean },
  scenario: Partial<Simulation.Scenario> = {}
) {
  const injector = injectorOf(new Dice(7), { ...injecting, lastsMillis: 60_000 })!
  let digests = 0
  const outcome = yield* Simulation.run({
    ...{ seed: 5, catchers: 3, tree, timeoutMillis: 2000, master: { bytesPerSecond: 500_000 } },
    ...scenario,
    observer: {
      network: (event) => {
        injector.hear(event)
        if (event.bytes[3] === Header.types.Digests) digests++
      }
    },
    meanwhile: injector.act
  })
  if (outcome.master?._tag !== "Success") return yield* Effect.die(outcome.master)
  return { report: outcome.master.value, injected: injector.injected, digests }
})

describe("pages that somebody injects", () => {
  const cases: ReadonlyArray<
    readonly [what: string, perSecond: number, isSingly: boolean, scenario: Partial<Simulation.Scenario>]
  > = [
    ["some at each catcher", 300, true, {}],
    ["several of each page", 5000, false, {}],
    ["among more catchers than are asked for lists", 2000, false, { catchers: 10 }],
    ["where pages are lost as well", 1000, false, { network: { loss: 0.03 } }],
    ["where half a block goes to the disk", 1000, false, { assemblingBlocks: 1 }],
    // of pages that were heard the marks are known
    ["under a seal, of pages that were lost", 1000, false, { isSealed: true, network: { loss: 0.03 } }]
  ]
  for (const [what, perSecond, isSingly, scenario] of cases) {
    it.effect(what, () =>
      Effect.gen(function* () {
        const { digests, injected, report } = yield* run({ perSecond, isSingly }, scenario)
        for (const { failures, id, state } of report.catchers)
          assert.deepStrictEqual({ id, state, failures }, { id, state: "Complete", failures: [] })
        assert.isAbove(injected, 500)
        assert.isAbove(digests, 0)
        assert.isAtMost(report.pages.sent, 1.3 * report.pages.needed)
      })
    )
  }

  // smaller pages came through, and digests of a whole block did not
  for (const isSealed of [false, true]) {
    it.effect(`on a path that takes no packet of 600 bytes${isSealed ? ", under a seal" : ""}`, () =>
      Effect.gen(function* () {
        const { digests, report } = yield* run(
          { perSecond: 300, isSingly: true },
          // of pages that were heard the marks are known
          { isSealed, network: { mtuBytes: 599, loss: isSealed ? 0.03 : 0 } }
        )
        assert.deepStrictEqual(
          report.catchers.map(({ state }) => state),
          ["Complete", "Complete", "Complete"]
        )
        assert.isAbove(digests, 0)
      })
    )
  }
})
