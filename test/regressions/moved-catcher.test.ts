/**
 * A catcher whose address changed in a session (another lease, an interface made anew) received all pages and was given
 * up: the master takes answers from the address that it knows alone, and nobody told it of the new one.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Simulation from "../../src/simulate/Simulation.ts"
import * as Tree from "../../src/simulate/Tree.ts"
import * as Codec from "../../src/wire/Codec.ts"
import type { Join } from "../../src/wire/Message.ts"

/** What catchers said when they joined, and how a session of four seconds ended. */
const session = Effect.fnUntraced(function* (
  meanwhile: (world: Simulation.World, joins: ReadonlyArray<Join>) => Effect.Effect<void>,
  network: Simulation.Scenario["network"] = {}
) {
  const joins: Array<Join> = []
  const { catchers, master } = yield* Simulation.run({
    ...{ seed: 1, catchers: 2, tree: [Tree.file("f", 600_000)], timeoutMillis: 3000, network },
    master: { bytesPerSecond: 150_000 },
    observer: {
      network: (event) => {
        const said = event._tag === "Sent" && event.isCatcher ? Codec.decode(event.bytes) : undefined
        if (said?._tag === "Success" && said.success._tag === "Join") joins.push(said.success)
      }
    },
    meanwhile: (world) => Effect.andThen(Effect.sleep(1000), meanwhile(world, joins))
  })
  assert.deepStrictEqual(
    [master, ...catchers].map((exit) => exit?._tag),
    ["Success", "Success", "Success"]
  )
  assert.isTrue(master?._tag === "Success" && master.value.catchers.every(({ state }) => state === "Complete"))
  return { joins, members: master?._tag === "Success" ? master.value.catchers : [] }
})

describe("a catcher whose address changes in a session [J-13]", () => {
  it.effect("joins again from the new one, once, keeps its slot, and is complete", () =>
    Effect.gen(function* () {
      let address: string | undefined
      const { joins, members } = yield* session(({ network }) =>
        Effect.andThen(
          network.readdress("c1"),
          Effect.sync(() => (address = network.addressOf("c1")))
        )
      )
      assert.strictEqual(new Set(joins.map(({ incarnation }) => incarnation)).size, 2)
      assert.deepStrictEqual(joins.map(({ moves }) => moves).sort(), [0, 0, 1])
      assert.strictEqual(members.find(({ id }) => id === "c1")?.address, address)
    })
  )

  it.effect("again and again, with losses and late copies of what it said before: complete all the same", () =>
    Effect.gen(function* () {
      const moving = ({ network }: Simulation.World) =>
        Effect.forEach([1, 2], () => Effect.andThen(network.readdress("c2"), Effect.sleep(700)), { discard: true })
      yield* session(moving, { loss: 0.05, duplicate: 0.3, echoMillis: 3000 })
    })
  )

  it.effect("a host that has overheard its incarnation moves nothing, and throws nobody out [R-2]", () =>
    Effect.gen(function* () {
      const { joins, members } = yield* session(({ network }, [heard]) =>
        Effect.sync(() => {
          for (const forged of [
            { ...heard, key: heard.key ^ 1, moves: 9 },
            { ...heard, key: heard.key ^ 1, moves: 9, name: "somebody" },
            { ...heard, name: "somebody", moves: 9 }
          ]) {
            network.forge("10.255.0.1:4000", "master", Codec.encode(forged))
          }
        })
      )
      assert.strictEqual(joins.length, 2)
      assert.isFalse(members.some(({ address, id }) => address === "10.255.0.1:4000" || id === "somebody"))
    })
  )
})
