/**
 * A catcher whose link stood still after its join heard its welcome when its slot was another catcher's. Under a seal
 * nothing that it says of that slot can be opened, so it waited in the session until the end, and had nothing.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Simulation from "../../src/simulate/Simulation.ts"
import * as Tree from "../../src/simulate/Tree.ts"
import * as Header from "../../src/wire/Header.ts"

const timeoutMillis = 4000

/** Two catchers and a third, which comes when the first one's link has stood still for longer than half of the time-out. */
const session = Effect.fnUntraced(function* (isSealed: boolean) {
  const joined = Latch.makeUnsafe(false)
  let backMillis = Infinity
  let takesPartMillis: number | undefined
  let now = () => 0
  const outcome = yield* Simulation.run({
    ...{ seed: 1, catchers: 3, tree: [Tree.file("f", 600_000)], timeoutMillis, isSealed, network: { delayMillis: 5 } },
    master: { bytesPerSecond: 60_000, catchers: 1 },
    startMillis: (catcher) => [0, 100, 3000][catcher],
    observer: {
      network: (event) => {
        if (event._tag !== "Sent" || event.name !== "c1") return
        const type = Header.typeOf(event.bytes, 0)
        if (type === Header.types.Join) joined.openUnsafe()
        if (type === Header.types.OpenOk) takesPartMillis ??= now()
      }
    },
    meanwhile: ({ network, now: clock }) =>
      Effect.gen(function* () {
        now = clock
        yield* joined.await
        // the join has arrived then, and the welcome has not
        yield* Effect.sleep(6)
        yield* network.clog("c1")
        yield* Effect.sleep(300)
        // it does not hear that it was given up either
        yield* network.partition("c1")
        yield* Effect.sleep(3500)
        yield* network.unpartition("c1")
        yield* Effect.sleep(200)
        yield* network.unclog("c1")
        backMillis = now()
      })
  })
  return { ...outcome, lateMillis: (takesPartMillis ?? Infinity) - backMillis }
})

describe("a catcher that is welcomed too late [J-17]", () => {
  for (const isSealed of [false, true]) {
    it.effect(`joins anew, and is complete (${isSealed ? "sealed" : "in the open"})`, () =>
      Effect.gen(function* () {
        const { catchers, lateMillis, master } = yield* session(isSealed)
        assert.deepStrictEqual(
          catchers.map((exit) => (exit?._tag === "Success" ? exit.value.catchers[0].state : exit)),
          ["Complete", "Complete", "Complete"]
        )
        assert.isBelow(lateMillis, 1000)
        // the third has the slot that the first had
        const slots = master?._tag === "Success" ? master.value.catchers.map(({ id }) => id) : []
        assert.deepStrictEqual(slots, ["c3", "c2", "c1"])
      })
    )
  }
})
