import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import type { Place } from "../../src/system/Interfaces.ts"
import * as Following from "../../src/transport/Following.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import { Transport, TransportError } from "../../src/transport/Transport.ts"
import { endpoint, pattern, reading } from "./conformance.ts"

const one = (bytes: Uint8Array) => ({ bytes, datagramBytes: bytes.length })
const first: Place = { name: "lan0", address: "10.0.0.1", mtuBytes: 1500, index: 4 }

/** A transport that follows `where.now`, over a simulated network; what was opened, and on which ports. */
const following = Effect.fnUntraced(function* (end: "layerMaster" | "catcher") {
  const network = yield* Simulated.make({ seed: 1 })
  const where: { now: Place | undefined; isBroken: boolean } = { now: first, isBroken: false }
  const opened: Array<readonly [address: string, port: number]> = []
  const transport = yield* endpoint(
    Following.layer({
      first,
      look: () => Effect.sync(() => where.now),
      open: (at, port) =>
        Effect.suspend(() => {
          opened.push([at.address, port])
          if (where.isBroken) return Effect.fail(new TransportError({ operation: "bind", reason: "not yet" }))
          const layer = end === "layerMaster" ? network.layerMaster : network.layerCatcher("c")
          return Effect.map(Layer.build(layer), (context) => Context.get(context, Transport))
        })
    })
  )
  return { network, opened, transport, where }
})

const look = Effect.andThen(TestClock.adjust(1000), Effect.yieldNow)

describe("a transport that follows its interface", () => {
  it.effect("is opened anew on an interface made anew, with its port, and is heard and hears from there on", () =>
    Effect.gen(function* () {
      const { network, opened, transport, where } = yield* following("catcher")
      const master = yield* endpoint(network.layerMaster)
      const [inbox, atMaster] = [yield* reading(transport), yield* reading(master)]
      yield* master.send(one(pattern(9, 1)))
      assert.strictEqual((yield* inbox.take(1))[0].bytes.length, 9)
      const before = transport.local
      yield* look
      assert.strictEqual(opened.length, 1, "nothing has changed")
      where.now = { ...first, index: 5 }
      yield* look
      where.now = { ...first, address: "10.0.0.9", index: 5 }
      yield* look
      const port = Number(before.split(":")[1])
      assert.deepStrictEqual(opened.slice(0, 2), [
        ["10.0.0.1", 0],
        ["10.0.0.1", port]
      ])
      assert.deepStrictEqual(opened[2], ["10.0.0.9", 0], "another address is another port")
      assert.notStrictEqual(transport.local, before)
      yield* master.send(one(pattern(7, 2)))
      assert.strictEqual((yield* inbox.take(1))[0].bytes.length, 7)
      yield* transport.sendTo(master.local, pattern(5, 3))
      const heard = yield* atMaster.take(3)
      // after each move a datagram tells the neighbours that there is another hardware address
      assert.deepStrictEqual(
        heard.map(({ bytes }) => bytes.length),
        [1, 1, 5]
      )
      assert.strictEqual(heard[2].from, transport.local)
      assert.deepInclude(yield* transport.stats, { received: 2, sent: 3, refused: 0 })
    })
  )

  it.effect(
    "while there is none, or it cannot be opened, what is sent is refused; it is tried again until it can",
    () =>
      Effect.gen(function* () {
        const { network, transport, where } = yield* following("catcher")
        const master = yield* endpoint(network.layerMaster)
        const inbox = yield* reading(transport)
        where.now = undefined
        yield* look
        where.now = first
        where.isBroken = true
        yield* look
        yield* look
        yield* transport.sendTo(master.local, pattern(5))
        assert.deepInclude(transport.refused?.(), { datagrams: 1 })
        assert.include(transport.refused?.().reason, "lan0 is gone, or down")
        assert.deepInclude(yield* transport.stats, { refused: 1, sent: 0 })
        where.isBroken = false
        yield* look
        yield* master.send(one(pattern(7)))
        assert.strictEqual((yield* inbox.take(1)).length, 1)
        assert.isUndefined(transport.refused?.().reason)
      })
  )

  it.effect("a master that hears the group hears it there, too, until it listens no more", () =>
    Effect.gen(function* () {
      const { network, opened, transport, where } = yield* following("layerMaster")
      const other = yield* endpoint(network.layerMasterNamed("other"))
      const inbox = yield* reading(transport)
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* transport.listen
          where.now = { ...first, index: 5 }
          yield* look
          yield* other.send(one(pattern(3)))
          assert.strictEqual((yield* inbox.take(1)).length, 1)
          assert.strictEqual(opened.length, 2)
        })
      )
      yield* other.send(one(pattern(3)))
      yield* look
      assert.strictEqual((yield* transport.stats).received, 1)
    })
  )
})
