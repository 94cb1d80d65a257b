/**
 * What the system refuses to send (a firewall, an interface that is gone) was counted among the pages sent, and nobody was
 * told; and a master whose address changed went on to speak to nobody.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as PageStream from "../../src/phase/PageStream.ts"
import * as Layout from "../../src/protocol/file/Layout.ts"
import { type Event, Progress } from "../../src/report/Progress.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import { Transport } from "../../src/transport/Transport.ts"
import { Refusals } from "../../src/transport/Udp.ts"
import { crowd, endpoint, inTime, sessionOn } from "../phase/Rig.ts"

/** A session whose transport refuses what it sends, as long as it is told to. */
const refusing = Effect.fnUntraced(function* () {
  const network = yield* Simulated.make({ seed: 1 })
  const below = yield* endpoint(network.layerMaster)
  const refusals = new Refusals()
  const system: { code: string | undefined } = { code: undefined }
  const transport = Transport.of({
    ...below,
    get local() {
      return below.local
    },
    refused: refusals.told,
    send: (batch) =>
      Effect.suspend(() => {
        if (system.code === undefined) {
          refusals.reason = undefined
          return below.send(batch)
        }
        refusals.refuse(Math.ceil(batch.bytes.length / batch.datagramBytes), system.code)
        return Effect.yieldNow
      })
  })
  const events: Array<Event> = []
  const session = yield* Effect.provide(
    sessionOn(transport),
    Progress.layerTo((event) => void events.push(event))
  )
  const notes = () => events.flatMap((event) => (event._tag === "Note" ? [event.message] : []))
  return { network, notes, running: yield* Effect.forkScoped(session.run), session, system }
})

describe("sends that the system refuses [P-5]", () => {
  it.effect("are not sent, and told once, however long it lasts", () =>
    Effect.gen(function* () {
      const { notes, session, system } = yield* refusing()
      const content = PageStream.inMemory(1, Layout.make({ size: 64 * 512, pageBytes: 512 }), new Uint8Array(64 * 512))
      const send = (first: number, count: number) =>
        inTime(
          Effect.andThen(PageStream.send(content, [first, count], session.fresh), session.fresh.drained).pipe(
            Effect.provide(session.services)
          )
        )
      yield* send(0, 20)
      system.code = "EPERM"
      yield* send(20, 30)
      yield* inTime(Effect.sleep(2000))
      assert.strictEqual(session.totals().pages, 20)
      assert.deepStrictEqual(notes(), ["nothing leaves this machine: this machine's firewall forbids it (EPERM)"])
    })
  )

  it.effect("of one moment, or for want of room, are not told", () =>
    Effect.gen(function* () {
      const { notes, system } = yield* refusing()
      const moments = [undefined, "ENETDOWN", undefined, undefined, "ENOBUFS", "ENOBUFS", "ENOBUFS", undefined, "EPERM"]
      for (const code of moments) {
        system.code = code
        yield* inTime(Effect.sleep(150))
      }
      assert.deepStrictEqual(notes(), [])
    })
  )
})

describe("a master whose address changes [J-13]", () => {
  it.effect("goes on while nobody has joined it, and ends with the reason when somebody has", () =>
    Effect.gen(function* () {
      const { network, running, session } = yield* refusing()
      yield* network.readdress("master")
      yield* inTime(Effect.sleep(1000))
      assert.isUndefined(running.pollUnsafe())
      yield* crowd(network, 1, () => [])
      yield* inTime(Effect.sleep(1000))
      assert.strictEqual(session.roster().members.length, 1)
      const before = network.addressOf("master")
      yield* network.readdress("master")
      const error = yield* inTime(Effect.flip(Fiber.join(running)))
      assert.strictEqual(
        error.message,
        `the address of this machine: it changed from ${before} to ${network.addressOf("master")}, and the catchers heed the first alone: start the session again`
      )
    })
  )
})
