/**
 * Sessions with all faults mixed, 18 seeds; a thousand: `.ci/nightly`, `npm run sim`.
 *
 * `node scripts/mutants.mjs` takes each of these rules out of a copy, and looks for the first seed that fails without it.
 * Other mutants of scripts/mutants.json name tests that fail instead, because no seed shows them soon: effects that happen once
 * [C-1] and the incarnation of an answer among them.
 *
 * | without | seed | it says |
 * |---|---|---|
 * | the hash check (Assembly.verify, [C-6]) | 2 | rename: f5 does not have the source's content |
 * | the same answer to a question asked again (CatchFiles, [C-1]) | 18 | c1, whom nothing has hit, is Lost |
 * | the checksum of a message (Codec.decode, [W-7]) | 19 | c3, whom nothing has hit, is Partial |
 * | the rename at the end (Volume.temporaryName, [F-1]) | 1 | f2 was removed, and nothing put in its place |
 *
 * That a second answer of a slot is not counted (Session, `owing`) cannot be seen from outside: whoever counts answers keeps
 * them by slot, so that a second one changes nothing.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Faults from "../../src/simulate/Faults.ts"
import { Excuses, unreached, heal } from "../../src/simulate/Healing.ts"
import type { World } from "../../src/simulate/Simulation.ts"
import * as Sweep from "../../src/simulate/Sweep.ts"
import * as Tree from "../../src/simulate/Tree.ts"
import { check } from "./check.ts"

/** Of the first ones these take as long as thirty others; `.ci/nightly` has them. */
const long = new Set([7, 18])
const seeds = Array.from({ length: 20 }, (_, i) => 1 + i).filter((seed) => !long.has(seed))
/** So many are one test, so that a failure is told soon. */
const together = 10

describe("sessions with all faults mixed", () => {
  for (let nth = 0; nth < seeds.length; nth += together) {
    const some = seeds.slice(nth, nth + together)
    it.effect(`seeds ${some[0]} to ${some.at(-1)}`, () =>
      Effect.forEach(some, (seed) => check(seed), { discard: true })
    )
  }

  it.effect("the same seed is the same story and the same session", () =>
    Effect.gen(function* () {
      const [one, two] = [yield* Sweep.run(31), yield* Sweep.run(31)]
      assert.deepStrictEqual(one, two)
    })
  )
})

describe("a story without an excuse", () => {
  const story = (meanwhile: (world: World) => Effect.Effect<void>, masterLives = true): Faults.Story => ({
    ...{ telling: [], refused: new Set(), hit: new Map(), masterLives, network: () => {} },
    scenario: {
      ...{ seed: 1, catchers: 3, tree: [Tree.file("f", 600_000)], meanwhile },
      startMillis: (catcher) => (catcher === 2 ? 1500 : 0),
      // sends for six seconds; the third is not waited for
      master: { bytesPerSecond: 100_000, catchers: 2 }
    }
  })
  const problemsOf = (...[meanwhile, masterLives]: Parameters<typeof story>) =>
    Effect.map(Sweep.judge(story(meanwhile, masterLives)), ({ problems }) => problems.join("\n"))

  it.effect("is well when nothing happens", () =>
    Effect.map(
      problemsOf(() => Effect.void),
      (said) => assert.strictEqual(said, "")
    )
  )
  it.effect("fails with a master that gives up at once", () =>
    Effect.map(
      problemsOf(({ master }) =>
        Effect.andThen(
          Effect.sleep(100),
          Effect.sync(() => master.stop())
        )
      ),
      (said) => assert.match(said, /master: it failed/)
    )
  )
  it.effect("fails with a catcher that ends before the others", () =>
    Effect.map(
      problemsOf(({ hosts: [host] }) => Effect.andThen(Effect.sleep(300), host.crash)),
      (said) => assert.match(said, /c1: nothing has hit it, and for the master it is Lost/)
    )
  )
  it.effect("fails with a late catcher that is not let in", () =>
    Effect.map(
      problemsOf(({ network }) => network.partition("c3")),
      (said) => assert.match(said, /c3: the master does not know it/)
    )
  )
  for (const [what, startMillis, said] of [
    ["fails with a master that waited in vain for a catcher that was there", 500, /master: it failed/],
    ["is well when its one catcher started shortly before the end of the wait", 1800, /^$/]
  ] as const) {
    it.effect(what, () =>
      Effect.gen(function* () {
        const whole = story(({ network }) => network.partition("c1"))
        const { problems } = yield* Sweep.judge({
          ...whole,
          scenario: { ...whole.scenario, catchers: 1, startMillis: () => startMillis, master: { waitMillis: 3000 } }
        })
        assert.match(problems.join("\n"), said)
      })
    )
  }
  it.effect("fails all the same when the master was to crash, and was through before", () =>
    Effect.map(
      problemsOf(({ hosts: [host] }) => Effect.andThen(Effect.sleep(300), host.crash), false),
      (said) => assert.match(said, /c1: nothing has hit it/)
    )
  )
})

describe("when everything is healed", () => {
  const healed = (lastsMillis: number, after: (world: World) => Effect.Effect<void>) => {
    const excuses = new Excuses()
    const told: Array<string> = []
    const faults = ({ network }: World) =>
      Effect.gen(function* () {
        yield* Effect.sleep(300)
        excuses.excuse("c1", "one direction")
        yield* network.partition("c1", ["Answers"])
        yield* Effect.sleep(lastsMillis)
      })
    const meanwhile = (world: World) =>
      Effect.andThen(
        heal(world, 2500, faults(world), excuses, (line) => void told.push(line)),
        after(world)
      )
    const story: Faults.Story = {
      ...{ telling: told, refused: new Set(), hit: excuses.hit, masterLives: true, network: () => {} },
      // sends for six seconds
      scenario: {
        seed: 1,
        catchers: 2,
        tree: [Tree.file("f", 600_000)],
        meanwhile,
        master: { bytesPerSecond: 100_000 }
      }
    }
    return Sweep.judge(story)
  }

  it.effect("a catcher that lives must become complete, whatever excused it", () =>
    Effect.gen(function* () {
      const { problems, telling } = yield* healed(60_000, () => Effect.void)
      assert.deepStrictEqual(telling, ["c1 lives, and must become complete"])
      assert.deepStrictEqual(problems, [])
    })
  )
  it.effect("fails with one that does not", () =>
    Effect.gen(function* () {
      const { problems } = yield* healed(60_000, ({ network }) => network.partition("c1", ["Answers"]))
      assert.match(problems.join("\n"), /c1: nothing has hit it/)
    })
  )
  it.effect("a disk that fails is an excuse still", () =>
    Effect.sync(() => {
      const excuses = new Excuses()
      excuses.excuse("c1", "freeze")
      excuses.excuse("c1", "its disk is failing")
      assert.isTrue(excuses.withdraw("c1", 10_000))
      assert.strictEqual(excuses.hit.get("c1"), "its disk is failing")
      excuses.excuse("c2", "clog")
      excuses.withdraw("c2", 10_000)
      assert.isFalse(excuses.hit.has("c2"))
    })
  )
  it.effect("no page reached it: an excuse still where it may have been judged before", () =>
    Effect.sync(() => {
      const excuses = new Excuses()
      for (const name of ["c1", "c2"]) excuses.excuse(name, unreached)
      excuses.withdraw("c1", 1000)
      excuses.withdraw("c2", 10_000)
      assert.deepStrictEqual([...excuses.hit.keys()], ["c2"])
    })
  )
})
