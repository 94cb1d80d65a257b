/** One Join with an overheard incarnation and another name, from another address, once threw that catcher out. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Simulation from "../../src/simulate/Simulation.ts"
import * as Tree from "../../src/simulate/Tree.ts"
import * as Codec from "../../src/wire/Codec.ts"
import type { Join, Message } from "../../src/wire/Message.ts"

/** What a stranger says who has overheard a catcher's join; `other` is another catcher. */
type Stranger = (overheard: Join, other: Join) => Message

const session = Effect.fnUntraced(function* (stranger: Stranger) {
  let world: Simulation.World | undefined
  const joins = new Map<string, Join>()
  const refusals: Array<string> = []
  let forged = 0
  const overhear = (name: string, message: Message) => {
    if (message._tag === "Join") joins.set(name, message)
    if (message._tag !== "Welcome") return
    for (const guest of message.guests) if ("refusal" in guest) refusals.push(guest.refusal)
  }
  const { catchers } = yield* Simulation.run({
    ...{ seed: 1, catchers: 2, tree: [Tree.file("f", 200_000), Tree.file("g", 600_000)] },
    network: { delayMillis: 2 },
    master: { bytesPerSecond: 400_000, catchers: 2 },
    meanwhile: (its) =>
      Effect.gen(function* () {
        world = its
        for (let i = 0; i < 100; i++) {
          yield* Effect.sleep(20)
          const [first, second] = [joins.get("c1"), joins.get("c2")]
          if (first === undefined || second === undefined) continue
          world.network.forge("10.9.9.9:7", "master", Codec.encode(stranger(first, second)))
          forged++
        }
      }),
    observer: {
      network: (event) => {
        if (event._tag !== "Sent") return
        const decoded = Codec.decode(event.bytes)
        if (decoded._tag === "Success") overhear(event.name, decoded.success)
      }
    }
  })
  assert.isAbove(forged, 20)
  assert.deepStrictEqual(refusals, [])
  for (const exit of catchers) {
    assert.strictEqual(exit?._tag === "Success" ? exit.value.catchers[0].state : "failed", "Complete")
  }
})

describe("a join with an overheard incarnation, from another address [R-2]", () => {
  it.effect("under another name", () => session((overheard) => ({ ...overheard, key: 1, name: "z" })))
  it.effect("under its own name", () => session((overheard) => ({ ...overheard, key: 1 })))
  it.effect("under the name of another catcher", () =>
    session((overheard, { name }) => ({ ...overheard, key: 1, name }))
  )
  it.effect("and the word that it was stopped", () =>
    session(({ incarnation, session }) => ({ _tag: "Aborted", session, slot: 0, incarnation, file: undefined }))
  )
})
