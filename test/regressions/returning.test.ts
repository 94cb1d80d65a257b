/**
 * A catcher that was killed and started again at once was told that another catcher had its name. It is told that its earlier
 * life has not been given up yet, and gets in as soon as that is.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as JoinRefusals from "../../src/session/JoinRefusals.ts"
import * as Simulation from "../../src/simulate/Simulation.ts"
import * as Tree from "../../src/simulate/Tree.ts"
import * as Codec from "../../src/wire/Codec.ts"

const catchers = 2
const killedMillis = 1000
/** Of the path to c1, which keeps the session alive. */
const bytesPerSecond = 300_000

/** Kills the last catcher and starts it again; with which words the master has refused it meanwhile. */
const restarted = Effect.gen(function* () {
  const refused = new Set<string>()
  let backMillis = 0
  const outcome = yield* Simulation.run({
    ...{ seed: 3, catchers, tree: [Tree.file("a", 300_000), Tree.file("b", 300_000, 1)], timeoutMillis: 2000 },
    master: { bytesPerSecond },
    observer: {
      network: (event) => {
        const said = event._tag === "Sent" ? Codec.decode(event.bytes) : undefined
        if (said?._tag !== "Success" || said.success._tag !== "Welcome") return
        for (const guest of said.success.guests) if ("refusal" in guest) refused.add(guest.refusal)
      }
    },
    meanwhile: ({ hosts, network, now }) =>
      Effect.gen(function* () {
        const host = hosts[catchers - 1]
        yield* network.impairLink("c1", "Group", {
          narrow: { bytesPerSecond, queueBytes: 20_000 }
        })
        yield* Effect.sleep(killedMillis)
        yield* host.crash
        host.start()
        while (host.attempts < 2) yield* Effect.sleep(50)
        backMillis = now() - killedMillis
      })
  })
  assert.strictEqual(outcome.master?._tag, "Success")
  assert.deepStrictEqual(
    outcome.catchers.map((exit) => (exit?._tag === "Success" ? exit.value.catchers[0].state : "failed")),
    outcome.catchers.map(() => "Complete" as const)
  )
  assert.isBelow(backMillis, 5000)
  return [...refused].filter((refusal) => refusal !== "Started")
})

describe("a catcher that is killed and started again at once [R-3] [J-3]", () => {
  it.effect("is told that its earlier life has not been given up, and joins when that is", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* restarted, ["Returning"])
      assert.include(JoinRefusals.words.Returning, "earlier life")
    })
  )
})
