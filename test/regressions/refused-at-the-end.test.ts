/**
 * Given up, told so, and the session over before it could be joined anew: a catcher that serves for ever once waited for
 * ever, and never said what had become of that session.
 */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Catcher from "../../src/catcher/Catcher.ts"
import { type Event, Progress } from "../../src/report/Progress.ts"
import * as Memory from "../../src/store/Memory.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import * as Codec from "../../src/wire/Codec.ts"
import type { Message } from "../../src/wire/Message.ts"
import { puppet, timed } from "../phase/Rig.ts"
import { CatcherProtection } from "../../src/session/Exchange.ts"

it.effect("a catcher that was given up just before the session's end ends its own after the time-out", () =>
  Effect.gen(function* () {
    const network = yield* Simulated.make({ seed: 1 })
    const session = 7n
    const joins: Array<number> = []
    const master = yield* puppet(network.layerMaster, (message) => {
      if (message._tag === "Join") joins.push(message.incarnation)
      return []
    })
    const say = (message: Message) => {
      const bytes = Codec.encode(message)
      return master.transport.send({ bytes, datagramBytes: bytes.length })
    }
    const play = Effect.gen(function* () {
      const times = { timeoutMillis: 2000, uptimeMillis: 0, spreadMillis: 0 }
      while (joins.length === 0) {
        yield* say({ _tag: "Announce", session, pageBytes: 512, blockPages: 128, ...times, joined: 0, wanted: 1 })
        yield* Effect.sleep(50)
      }
      const [incarnation] = joins
      yield* say({ _tag: "Welcome", session, guests: [{ incarnation, slot: 0 }] })
      yield* Effect.sleep(50)
      yield* say({ _tag: "Welcome", session, guests: [{ incarnation, refusal: "Started" }] })
      yield* say({ _tag: "Bye", session })
    })
    const said: Array<Event> = []
    const catcher = Catcher.run({ id: "a", waitMillis: undefined, timeoutMillis: 2000 }).pipe(
      Effect.provide(CatcherProtection.insecure),
      Effect.provide([network.layerCatcher("a"), Memory.layer(Memory.make())]),
      Effect.provideService(Progress, {
        ...(yield* Progress.pipe(Effect.provide(Progress.layerNone))),
        publish: (event) => void said.push(event)
      })
    )
    const { exit, millis } = yield* timed(Effect.andThen(Effect.forkScoped(play), catcher))
    const words = JSON.stringify(exit satisfies Exit.Exit<unknown, unknown>)
    assert.include(words, "JoinRefused")
    // to be started again is of no use to a session that is over
    assert.include(words, "which has ended since, or is out of reach")
    assert.notInclude(words, "restart")
    assert.isBelow(millis, 3000)
    // its report is that of the session it was in
    assert.include(said.at(-1), { _tag: "Report", session: "0000000000000007" })
  })
)
