/** A hostile catcher is a slow or a failing catcher at worst. `npm run sim -- --lies` makes every session have one. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Limits from "../../src/protocol/Limits.ts"
import { Dice } from "../../src/simulate/Dice.ts"
import * as Liar from "../../src/simulate/Liar.ts"
import * as Simulation from "../../src/simulate/Simulation.ts"
import * as Tree from "../../src/simulate/Tree.ts"

const liarOf = (lying: Partial<ConstructorParameters<typeof Liar.Liar>[2]>) =>
  new Liar.Liar(new Dice(1), 1, {
    ...{ manners: ["polls"], misdeeds: [], perSecond: 600, lastsMillis: 4000, mostJoins: 1000 },
    ...{ borrowsAddress: false, againMillis: Infinity, quitsMillis: Infinity, takesName: false },
    ...lying
  })

describe("a catcher that lies", () => {
  it.effect("under one name after the other, and answers no question, does not keep a session from ending [R-4]", () =>
    Effect.gen(function* () {
      const liar = liarOf({ againMillis: 3000 })
      const { catchers, master, millis } = yield* Simulation.run({
        ...{ seed: 1, catchers: 1, isSealed: true, tree: [Tree.file("f", 3000)], master: { catchers: 2 } },
        ...{ network: { delayMillis: 1 }, timeoutMillis: 1000, limitMillis: 60_000 },
        observer: { network: (event) => liar.hear(event) },
        meanwhile: (world) => Effect.sync(() => liar.begin(world, () => {}))
      })
      assert.deepStrictEqual([master?._tag, catchers[0]?._tag], ["Success", "Success"])
      const lost = master?._tag === "Success" ? master.value.catchers.filter(({ state }) => state === "Lost") : []
      assert.isAtLeast(lost.length, Limits.muteJoins)
      assert.isBelow(millis, 3 * 1000 * Limits.questionTimeouts)
    })
  )

  it.effect("keeps no catcher out by joins that come from its address [K-9]", () =>
    Effect.gen(function* () {
      const liar = liarOf({ manners: ["mute"], misdeeds: ["joins"] })
      let now = () => 0
      let wroteMillis: number | undefined
      const { catchers } = yield* Simulation.run({
        ...{ seed: 1, catchers: 1, isSealed: true, tree: [Tree.file("f", 3000)], master: { catchers: 1 } },
        network: { delayMillis: 1 },
        observer: { network: (event) => liar.hear(event), changed: () => void (wroteMillis ??= now()) },
        meanwhile: (world) =>
          Effect.gen(function* () {
            now = world.now
            yield* world.network.partition("c1")
            liar.begin(world, () => {})
            yield* Effect.forkScoped(liar.act(world))
            yield* Effect.sleep(1000)
            yield* world.network.unpartition("c1")
            yield* Effect.sleep(3000)
          }).pipe(Effect.scoped)
      })
      assert.strictEqual(catchers[0]?._tag, "Success")
      assert.isBelow(wroteMillis ?? Infinity, 1500)
    })
  )

  it.effect("under the name of another: that one is told so, and the master's user, by which address [R-3]", () =>
    Effect.gen(function* () {
      const liar = liarOf({ manners: ["boasts"], takesName: true })
      const { catchers, master } = yield* Simulation.run({
        ...{ seed: 1, catchers: 2, isSealed: true, tree: [Tree.file("f", 3000)], timeoutMillis: 1000 },
        // one more than there are, so that it tells which it has turned away
        ...{ network: { delayMillis: 1 }, master: { catchers: 5, waitMillis: 3000 } },
        startMillis: (catcher) => 1000 * catcher,
        observer: { network: (event) => liar.hear(event) },
        meanwhile: (world) => Effect.sync(() => liar.begin(world, () => {}, "c2"))
      })
      const taken = "another catcher has the same name; start it with --id and a name of its own"
      assert.include(JSON.stringify(master), `${taken} (10.254.0.2:4000 has it)`)
      assert.include(JSON.stringify(catchers[1]), taken)
    })
  )
})
