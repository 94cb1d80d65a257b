import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as PageStream from "../../src/phase/PageStream.ts"
import * as Layout from "../../src/protocol/file/Layout.ts"
import * as Exclusion from "../../src/protocol/pace/Exclusion.ts"
import { MasterExchange, messages, MasterProtection } from "../../src/session/Exchange.ts"
import * as Monotonic from "../../src/session/Monotonic.ts"
import * as Sender from "../../src/session/Sender.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import { Transport } from "../../src/transport/Transport.ts"
import * as Header from "../../src/wire/Header.ts"
import { endpoint, inTime } from "../phase/Rig.ts"

const size = 4000 * 512
const content = PageStream.inMemory(9, Layout.make({ size, pageBytes: 512 }), new Uint8Array(size))

/** A sender, without a session around it. */
const sender = Effect.fnUntraced(function* (network: Simulated.Network) {
  const transport = Layer.succeed(Transport, yield* endpoint(network.layerMaster))
  const exchange = yield* Layer.build(
    Layer.provideMerge(Layer.provide(MasterExchange.layer, MasterProtection.insecure), transport)
  )
  const { lanes, pace, run } = yield* Effect.provide(Sender.make({ bytesPerSecond: undefined }), exchange)
  return { pace, run, services: Context.add(exchange, Sender.Lanes, lanes) }
})

describe("Sender", () => {
  it.effect("repairs at a straggler's pace hold up neither new pages nor the repairs of others [P-6] [Q-11]", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      const listener = yield* endpoint(network.layerCatcher("l"))
      const { pace, run, services } = yield* sender(network)
      const { fresh, repair, straggler } = Context.get(services, Sender.Lanes)
      yield* Effect.forkScoped(run)
      const order: Array<number> = []
      let isDeaf = false
      // acker 0 gets everything, acker 1 a page in two milliseconds
      const now = yield* Monotonic.millis
      const hear = Effect.fnUntraced(function* (bytes: Uint8Array) {
        Header.split(bytes, (at) => {
          if (Header.typeOf(bytes, at) === Header.types.Page) order.push(Header.indexOf(bytes, at))
        })
        for (const message of messages(bytes)) {
          if (message._tag !== "Poll") continue
          for (const slot of message.audience) {
            if (slot === 1 && isDeaf) continue
            const received = slot === 0 ? order.length : Math.min(order.length, Math.floor(now() / 2))
            yield* Effect.forkScoped(
              Effect.delay(
                Effect.sync(() => pace.onAnswer({ slot, poll: message.poll, received })),
                1
              )
            )
          }
        }
      })
      yield* Effect.forkScoped(
        Stream.runForEach(listener.receive, (batch) => Effect.forEach(batch, ({ bytes }) => hear(bytes)))
      )
      yield* pace.setAckers([0, 1], 4_000_000)
      const isExcluded = () => Exclusion.isExcluded(pace.window(), 1, now())
      yield* inTime(
        Effect.gen(function* () {
          while (!isExcluded()) yield* PageStream.send(content, [0, 200], fresh, true)
          yield* fresh.drained
          const late = yield* Effect.forkChild(PageStream.send(content, [1000, 2000], straggler))
          // its window closes, and stays so
          isDeaf = true
          yield* Effect.sleep(20)
          const began = yield* Clock.currentTimeMillis
          yield* PageStream.send(content, [3000, 1], repair)
          yield* repair.drained
          const repaired = yield* Clock.currentTimeMillis
          yield* PageStream.send(content, [3001, 1], fresh, true)
          yield* fresh.drained
          const sent = yield* Clock.currentTimeMillis
          isDeaf = false
          yield* Fiber.join(late)
          yield* straggler.drained
          const ended = yield* Clock.currentTimeMillis
          yield* Effect.sleep(5)
          assert.isAtMost(repaired - began, 10)
          assert.isAtMost(sent - repaired, 10)
          // its own pace: the window waits for it
          assert.isAtLeast(ended - began, 30)
          assert.isAbove(order.indexOf(2999), order.indexOf(3001))
        }).pipe(Effect.provide(services))
      )
    })
  )
})
