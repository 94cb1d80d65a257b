/** A catcher that was stopped while its last pages were asked for was called lost, and then behind and sent what it lacks. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Catcher from "../../src/catcher/Catcher.ts"
import * as Master from "../../src/master/Master.ts"
import { type Event, Progress } from "../../src/report/Progress.ts"
import * as Memory from "../../src/store/Memory.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import type { Message } from "../../src/wire/Message.ts"
import { inTime, puppet } from "../phase/Rig.ts"
import * as Simulation from "../sessions/Simulation.ts"
import { CatcherProtection, MasterProtection } from "../../src/session/Exchange.ts"

const times = { waitMillis: 5000, timeoutMillis: 5000 }

/** Takes everything that it is sent, and is stopped when it is asked how it stands with the whole file 1. */
const stopped = () => {
  let slot = -1
  return (message: Message): ReadonlyArray<Message> => {
    const { session } = message
    const incarnation = 77
    const who = { session, slot, incarnation }
    switch (message._tag) {
      case "Announce":
        return slot < 0
          ? [{ _tag: "Join", session, incarnation, key: 7, moves: 0, receiveBufferBytes: 1 << 20, name: "b" }]
          : []
      case "Welcome": {
        const own = message.guests.find((guest) => guest.incarnation === incarnation)
        if (own !== undefined && "slot" in own) slot = own.slot
        return []
      }
      case "Poll":
        return [{ _tag: "PollOk", ...who, poll: message.poll, received: 0, dropped: 0, held: 0, worked: 0 }]
      case "Open":
        return [{ _tag: "OpenOk", ...who, file: message.file, opening: message.opening }]
      case "Eof":
        if (message.root === undefined) return []
        return [
          message.file === 0
            ? { _tag: "Complete", ...who, file: 0, held: 0 }
            : { _tag: "Aborted", ...who, file: undefined }
        ]
      default:
        return []
    }
  }
}

it.effect("a catcher that is lost is not called behind after that", () =>
  Effect.gen(function* () {
    const network = yield* Simulated.make({ seed: 1, delayMillis: 1 })
    const said: Array<Event> = []
    const telling = Progress.layerTo((event) => void said.push(event))
    yield* puppet(network.layerCatcher("b"), stopped())
    const catcher = Catcher.run({ ...times, id: "a" }).pipe(
      Effect.provide(CatcherProtection.insecure),
      Effect.provide([network.layerCatcher("a"), Memory.layer(Memory.make()), Progress.layerNone])
    )
    const master = Master.run({ ...times, catchers: 2, pageBytes: 1432 }).pipe(
      Effect.provide(MasterProtection.insecure),
      Effect.provide([network.layerMaster, Memory.sourceLayer([Simulation.file("a", 600_000)]), telling])
    )
    const [report] = yield* inTime(Effect.all([master, catcher], { concurrency: 2 }))
    assert.deepStrictEqual(report.catchers.map(({ id, state }) => `${id} ${state}`).sort(), ["a Complete", "b Lost"])
    assert.deepStrictEqual(
      said.flatMap((event) => (event._tag === "Lost" ? [event.reason] : event._tag === "Note" ? [event.message] : [])),
      ["it was stopped there"]
    )
  })
)
