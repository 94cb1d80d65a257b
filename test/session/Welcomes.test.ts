import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Spread from "../../src/protocol/group/Spread.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import * as Codec from "../../src/wire/Codec.ts"
import type { Message } from "../../src/wire/Message.ts"
import { inTime, master, messagesOf, puppet } from "../phase/Rig.ts"

const joinOf = (session: bigint, incarnation: number): Message => ({
  ...{ _tag: "Join", session, incarnation, key: incarnation, moves: 0, name: `c${incarnation}` },
  receiveBufferBytes: 4_000_000
})

/** One joins each millisecond; when it did, and when it was welcomed. */
const joining = Effect.fnUntraced(function* (wanted: number, count: number) {
  const network = yield* Simulated.make({ seed: 1 })
  const { session, transport } = yield* master(network, { wanted })
  let millis = 0
  const welcomed = new Map<number, number>()
  const crowd = yield* puppet(network.layerCatcher("crowd"), (message) => {
    if (message._tag === "Welcome") for (const { incarnation } of message.guests) welcomed.set(incarnation, millis)
    return []
  })
  const story = Effect.gen(function* () {
    // everybody listens
    yield* Effect.sleep(1)
    for (; millis < count + Limits.welcomesASpread; millis++) {
      if (millis < count) yield* crowd.transport.sendTo(transport.local, Codec.encode(joinOf(session.id, millis + 1)))
      yield* Effect.sleep(1)
    }
  })
  yield* inTime(story)
  const waits = Array.from({ length: count }, (_, i) => (welcomed.get(i + 1) ?? Infinity) - i)
  return { waits, welcomes: messagesOf(crowd.heard, "Welcome").length, polls: messagesOf(crowd.heard, "Poll").length }
})

describe("welcomes", () => {
  it.effect("hundreds are welcomed together: the first at once, and none of them late [J-16]", () =>
    Effect.gen(function* () {
      const { polls, waits, welcomes } = yield* joining(400, 40)
      const eachMillis = Spread.welcomeMillis(400)
      assert.strictEqual(eachMillis, 2)
      assert.strictEqual(waits[0], 0)
      assert.isAtMost(Math.max(...waits), eachMillis)
      assert.isAtMost(welcomes, 40 / eachMillis + 1)
      // nobody answers, and is asked again
      assert.isAtMost(polls, welcomes + 5)
    })
  )

  it.effect("few are welcomed as they come [J-16]", () =>
    Effect.gen(function* () {
      const { waits, welcomes } = yield* joining(199, 40)
      assert.deepStrictEqual([...new Set(waits)], [0])
      assert.strictEqual(welcomes, 40)
    })
  )
})
