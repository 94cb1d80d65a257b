/** Whatever kept a catcher behind, with or without loss, was once called a slow disk: a cut link, a starved processor. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Simulation from "../sessions/Simulation.ts"

const tree = Array.from({ length: 6 }, (_, i) => Simulation.file(`f${i}`, 1_000_000, i))

type Meanwhile = NonNullable<Simulation.Scenario["meanwhile"]>

const straggled = Effect.fnUntraced(function* (scenario: Partial<Simulation.Scenario>) {
  const outcome = yield* Simulation.run({
    ...{ seed: 3, catchers: 3, tree, delayMillis: 1 },
    master: { bytesPerSecond: 2_000_000, pageBytes: 1432 },
    ...scenario
  })
  if (outcome.master._tag !== "Success") return assert.fail(JSON.stringify(outcome.master))
  const { catchers } = outcome.master.value
  assert.deepStrictEqual(
    catchers.filter(({ id }) => id !== "c1").map((one) => one.straggled),
    [undefined, undefined]
  )
  return catchers.find(({ id }) => id === "c1")
})

describe("what kept a catcher behind", () => {
  it.effect("most of its answers are lost", () =>
    Effect.gen(function* () {
      const meanwhile: Meanwhile = (network) =>
        Effect.andThen(Effect.sleep(300), network.impairLink("c1", "Answers", { loss: 0.9, delayMillis: 1 }))
      assert.strictEqual((yield* straggled({ meanwhile }))?.straggled, "lost answers")
    })
  )

  it.effect("its link is cut for a while, or for good", () =>
    Effect.gen(function* () {
      const cut =
        (millis: number): Meanwhile =>
        (network) =>
          Effect.andThen(
            Effect.andThen(Effect.sleep(800), network.partition("c1")),
            Effect.andThen(Effect.sleep(millis), network.unpartition("c1"))
          )
      assert.deepInclude(yield* straggled({ meanwhile: cut(5000) }), { state: "Complete", straggled: "silence" })
      assert.deepInclude(yield* straggled({ meanwhile: cut(60_000) }), { state: "Lost", straggled: "silence" })
    })
  )

  it.effect("its processor is starved", () =>
    Effect.gen(function* () {
      const meanwhile: Meanwhile = (_, hosts) =>
        Effect.repeat(
          Effect.gen(function* () {
            yield* Effect.sleep(5)
            hosts[0].freeze()
            yield* Effect.sleep(400)
            hosts[0].thaw()
          }),
          { times: 20 }
        )
      const one = yield* straggled({ meanwhile, receiveBufferBytes: 128 * 1024 })
      assert.deepInclude(one, { state: "Complete", straggled: "slow machine" })
    })
  )
})
