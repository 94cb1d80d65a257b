/**
 * A welcome that refused a name may come late, when the catcher has its slot: it ended the catcher, and the master waited for it,
 * again and again. Found by a seed of the sweep whose echoes came seconds later.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Simulation from "../../src/simulate/Simulation.ts"
import * as Tree from "../../src/simulate/Tree.ts"
import * as Codec from "../../src/wire/Codec.ts"
import type { Refusal } from "../../src/wire/Message.ts"

describe("a refusal that comes when the catcher has its slot [J-7]", () => {
  /** Incarnations that asked to join, and how it ended. */
  const refusing = Effect.fnUntraced(function* (refusal: Refusal) {
    const asked = new Map<number, bigint>()
    const { catchers, master } = yield* Simulation.run({
      ...{ seed: 1, catchers: 1, tree: [Tree.file("f", 300_000)], timeoutMillis: 2000 },
      master: { bytesPerSecond: 100_000 },
      observer: {
        network: (event) => {
          const said = event._tag === "Sent" ? Codec.decode(event.bytes) : undefined
          if (said?._tag === "Success" && said.success._tag === "Join")
            asked.set(said.success.incarnation, said.success.session)
        }
      },
      meanwhile: ({ network }) =>
        Effect.gen(function* () {
          yield* Effect.sleep(1000)
          const [[incarnation, session]] = asked
          const guests = [{ incarnation, refusal }]
          network.forge(network.addressOf("master")!, "c1", Codec.encode({ _tag: "Welcome", session, guests }))
        })
    })
    assert.deepStrictEqual([master?._tag, catchers[0]?._tag], ["Success", "Success"])
    if (master?._tag === "Success")
      assert.deepStrictEqual(
        master.value.catchers.map(({ state }) => state),
        ["Complete"]
      )
    return asked.size
  })

  it.effect("is not heeded", () =>
    Effect.gen(function* () {
      for (const refusal of ["NameTaken", "Full"] as const) assert.strictEqual(yield* refusing(refusal), 1)
    })
  )
})
