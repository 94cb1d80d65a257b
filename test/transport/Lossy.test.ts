import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Lossy from "../../src/transport/Lossy.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import { type Received, Transport } from "../../src/transport/Transport.ts"
import { endpoint, pattern, reading } from "./conformance.ts"

const through = (options: Lossy.Options, datagrams: number) =>
  Effect.gen(function* () {
    const network = yield* Simulated.make({ seed: 1 })
    const m = yield* endpoint(network.layerMaster)
    const c = yield* endpoint(Layer.provide(Lossy.layer(options), network.layerCatcher("a")))
    for (let i = 0; i < datagrams; i++) {
      yield* m.send({ bytes: Uint8Array.of(i & 255, i >> 8), datagramBytes: 2 })
    }
    yield* Effect.repeat(Effect.yieldNow, { times: 10 })
    const inbox = yield* reading(c)
    // A last word that is repeated until it passes ends the count.
    for (let i = 0; i < 50; i++) yield* m.send({ bytes: pattern(3), datagramBytes: 3 })
    const got: Array<number> = []
    while (true) {
      const [{ bytes }] = (yield* inbox.take(1)) as [Received]
      if (bytes.length === 3) break
      got.push(bytes[0]! + 256 * bytes[1]!)
    }
    return { got, stats: yield* c.stats }
  })

describe("Lossy", () => {
  it.effect("loses as many of a hundred as asked, keeps the order, and counts", () =>
    Effect.gen(function* () {
      const { got, stats } = yield* through({ percent: 20, seed: 1 }, 10_000)
      assert.approximately(got.length / 10_000, 0.8, 0.015)
      assert.deepStrictEqual(
        got,
        got.toSorted((a, b) => a - b)
      )
      assert.strictEqual(stats.received + stats.dropped, 10_050)
      assert.isAtLeast(stats.dropped, 10_000 - got.length)
    })
  )

  it.effect("the same seed loses the same, another seed others; 0 loses nothing", () =>
    Effect.gen(function* () {
      const first = yield* through({ percent: 5, seed: 1 }, 1000)
      assert.deepStrictEqual((yield* through({ percent: 5, seed: 1 }, 1000)).got, first.got)
      assert.notDeepEqual((yield* through({ percent: 5, seed: 2 }, 1000)).got, first.got)
      assert.strictEqual((yield* through({ percent: 0, seed: 1 }, 1000)).got.length, 1000)
    })
  )

  it.effect("glued datagrams are lost one by one where their lengths can be read", () =>
    Effect.gen(function* () {
      // Each begins with its length; the last one's is wrong, and it stays whole.
      const glued = Uint8Array.from({ length: 3000 }, (_, i) => (i % 3 === 0 ? 3 : i & 255))
      glued[2997] = 200
      const below = Layer.succeed(Transport, {
        group: Simulated.defaultGroup,
        local: "10.0.0.1:1",
        receiveBufferBytes: 1,
        glues: false,
        send: () => Effect.void,
        sendTo: () => Effect.void,
        listen: Effect.void,
        receive: Stream.make([{ bytes: glued, from: "10.0.0.2:1" }]),
        stats: Effect.succeed({ sent: 0, received: 1000, dropped: 0, unanswerable: 0, refused: 0 })
      })
      const run = (options: Lossy.Options) =>
        Effect.gen(function* () {
          const transport = yield* endpoint(Layer.provide(Lossy.layer(options), below))
          return (yield* Stream.runCollect(transport.receive)).flat()
        })
      const kept = yield* run({ percent: 50, seed: 1, endOf: (bytes, at) => at + bytes[at]! })
      assert.approximately(kept.length, 500, 60)
      assert.isTrue(kept.every((one) => one.bytes.length === 3 && one.from === "10.0.0.2:1"))
      assert.strictEqual((yield* run({ percent: 0, seed: 1, endOf: (bytes, at) => at + bytes[at]! })).length, 1000)
      assert.strictEqual((yield* run({ percent: 0, seed: 1 })).length, 1)
      assert.strictEqual((yield* run({ percent: 0, seed: 1, endOf: () => 0 })).length, 1)
    })
  )
})
