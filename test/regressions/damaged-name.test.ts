/**
 * A `Join` of one catcher was damaged on the way so that its name read as another's, and the report said of that one what was true
 * of the first. Seed 205580 of the sweep.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Simulation from "../../src/simulate/Simulation.ts"
import * as Tree from "../../src/simulate/Tree.ts"
import * as Header from "../../src/wire/Header.ts"

describe("a control datagram that is damaged on the way", () => {
  it.effect("is not heeded: nobody joins under another's name [W-7]", () =>
    Effect.gen(function* () {
      let world: Simulation.World | undefined
      let damaged = 0
      const { master } = yield* Simulation.run({
        ...{ seed: 1, catchers: 2, tree: [Tree.file("f", 3000)], network: { delayMillis: 2 } },
        meanwhile: (its) => Effect.sync(() => void (world = its)),
        observer: {
          network: (event) => {
            if (event._tag !== "Sent" || event.name !== "c2" || damaged > 0) return
            if (Header.typeOf(event.bytes, 0) !== Header.types.Join) return
            damaged++
            // "c2" becomes "c3", and arrives before the one that is whole
            const at = Buffer.from(event.bytes).indexOf("c2")
            const bytes = event.bytes.slice()
            bytes[at + 1] ^= 1
            world!.network.forge(world!.network.addressOf("c2")!, "master", bytes)
          }
        }
      })
      assert.strictEqual(damaged, 1)
      assert.strictEqual(master?._tag, "Success")
      if (master?._tag === "Success")
        assert.deepStrictEqual(master.value.catchers.map(({ id, state }) => [id, state]).sort(), [
          ["c1", "Complete"],
          ["c2", "Complete"]
        ])
    })
  )
})
