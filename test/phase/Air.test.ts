import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { messages } from "../../src/phase/Announce.ts"
import * as PageStream from "../../src/phase/PageStream.ts"
import { Session } from "../../src/phase/Session.ts"
import * as Layout from "../../src/protocol/Layout.ts"
import * as Simulated from "../../src/transport/Simulated.ts"
import * as Header from "../../src/wire/Header.ts"
import { endpoint, inTime, master } from "./Rig.ts"

const size = 4000 * 512
const content = PageStream.inMemory(9, Layout.make({ size, pageBytes: 512 }), new Uint8Array(size))

describe("Air", () => {
  it.effect("repairs at a straggler's pace hold up neither new pages nor the repairs of others [P-4] [Q-11]", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      const listener = yield* endpoint(network.layerCatcher("l"))
      const { session } = yield* master(network)
      const { air } = session
      const order: Array<number> = []
      // acker 0 answers a poll at once, acker 1 after 200 ms
      const hear = Effect.fnUntraced(function* (bytes: Uint8Array) {
        Header.split(bytes, (at) => {
          if (Header.typeOf(bytes, at) === Header.types.Page) order.push(Header.indexOf(bytes, at))
        })
        for (const message of messages(bytes)) {
          if (message._tag !== "Poll") continue
          if (message.audience.includes(0)) yield* air.answered({ slot: 0, poll: message.poll, received: 0 })
          if (!message.audience.includes(1)) continue
          yield* Effect.forkScoped(
            Effect.andThen(Effect.sleep(200), air.answered({ slot: 1, poll: message.poll, received: 0 }))
          )
        }
      })
      yield* Effect.forkScoped(
        Stream.runForEach(listener.receive, (batch) => Effect.forEach(batch, ({ bytes }) => hear(bytes)))
      )
      yield* air.setAckers([0, 1], 4_000_000)
      const isBenched = () => air.window().ackers[1].benches > 0
      yield* inTime(
        Effect.gen(function* () {
          while (!isBenched()) yield* PageStream.send(content, [0, 200], air.fresh, true)
          yield* air.fresh.drained
          const late = yield* Effect.forkChild(PageStream.send(content, [1000, 2000], air.late))
          yield* Effect.sleep(20)
          const began = yield* Clock.currentTimeMillis
          yield* PageStream.send(content, [3000, 1], air.repair)
          yield* air.repair.drained
          const repaired = yield* Clock.currentTimeMillis
          yield* PageStream.send(content, [3001, 1], air.fresh, true)
          yield* air.fresh.drained
          const sent = yield* Clock.currentTimeMillis
          yield* Fiber.join(late)
          yield* air.late.drained
          const ended = yield* Clock.currentTimeMillis
          yield* Effect.sleep(5)
          assert.isAtMost(repaired - began, 10)
          assert.isAtMost(sent - repaired, 10)
          // its own pace: the window waits for it
          assert.isAtLeast(ended - began, 100)
          assert.isAbove(order.indexOf(2999), order.indexOf(3001))
        }).pipe(Effect.provideService(Session, session))
      )
    })
  )
})
