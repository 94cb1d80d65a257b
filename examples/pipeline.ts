/**
 * A pipeline of one's own: the phases composed by hand, so that a master sends one buffer to two catchers, without a
 * tree, a manifest or a disk. The program gives what the two have in memory at the end. Its catchers: receiver.ts.
 */
import * as Effect from "effect/Effect"
import { Exchange, Announce, Close, Layout, MissingRounds, OpenBarrier, PageStream } from "mrsync"
import { Progress, Session, type Simulated } from "mrsync"
import { receive } from "./receiver.ts"

const send = Effect.fn("send")(function* (bytes: Uint8Array) {
  const { fresh } = yield* Session.Lanes
  const carried = { file: 1, kind: "Single", size: bytes.length, members: [] } as const
  const present = yield* Announce.gather({ wanted: 2, waitMillis: 5000 })
  // known now: which page reaches each of them
  const pageBytes = (yield* Session.Paths).pageBytes()
  const content = PageStream.inMemory(1, Layout.make({ size: bytes.length, pageBytes }), bytes)
  const { opened } = yield* OpenBarrier.open(carried, present, { pageBytes, token: content.token })
  yield* PageStream.send(content, [0, content.layout.pages], fresh, true)
  yield* fresh.drained
  const { complete } = yield* MissingRounds.finish(content, new MissingRounds.Repairs(content.layout), opened)
  yield* Close.close(1, complete)
  yield* (yield* Session.Announcing).lastWords({ _tag: "Bye" })
})

export const program = Effect.fn("pipeline")(function* (bytes: Uint8Array, network: Simulated.Network) {
  const sending = Effect.gen(function* () {
    const { run } = yield* Session.Session
    yield* Effect.raceFirst(send(bytes), run)
  }).pipe(
    Effect.provide(Session.Session.layer({ pageBytes: 1432, timeoutMillis: 5000, wanted: 2 })),
    Effect.provide(Exchange.MasterProtection.insecure),
    Effect.provide(network.layerMaster),
    Effect.as(bytes)
  )
  const receiving = ["a", "b"].map((name) => Effect.provide(receive(name), network.layerCatcher(name)))
  return yield* Effect.all([sending, ...receiving], { concurrency: "unbounded" })
}, Effect.provide(Progress.Progress.layerNone))
