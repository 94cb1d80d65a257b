/**
 * A catcher of one's own: joins a session, keeps each file that it is sent in memory, and gives the last one committed.
 * What it decides is the four-state reducer's, which CatchFiles runs; here is only what arrives and where it goes.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import { Announce, Answers, Assembly, CatchFiles, Exchange, PageReceiver, Probing } from "mrsync"

export const receive = Effect.fn("receive")(
  function* (name: string) {
    const exchange = yield* Exchange.CatcherExchange
    const inbox = Pull.catchDone(yield* Stream.toPull(exchange.receive), () => Effect.never)
    const place = yield* Announce.join(inbox, { name, waitMillis: 5000 })
    const counts = { pages: 0, parity: 0, ignored: 0 }
    let committed = new Uint8Array(0)
    const keep = (bytes: Uint8Array<ArrayBuffer>) => ({
      write: (offset: number, from: Uint8Array) => Effect.sync(() => bytes.set(from, offset)),
      read: (offset: number, into: Uint8Array) =>
        Effect.sync(() => into.set(bytes.subarray(offset, offset + into.length))),
      commit: () =>
        Effect.sync(() => {
          committed = bytes
          return []
        })
    })
    const files = yield* CatchFiles.make((file) => ({
      pool: new Assembly.BlockPool(place.blockPages * place.pageBytes),
      pages: place.pages,
      open: ({ size }) => Effect.sync(() => keep(new Uint8Array(size))),
      verified: Effect.void,
      answer: (answer) => exchange.answer(place.master, Answers.toQuestion(answer, file, place, committed.length))
    }))
    const probes = new Probing.Probes()
    const told = () => ({ received: counts.pages, dropped: 0, held: committed.length, worked: 0 })
    const hear = Effect.fnUntraced(function* (incoming: PageReceiver.Incoming) {
      if (incoming._tag === "Pages") yield* files.pages(incoming.file, incoming.batch)
      if (incoming._tag !== "Message") return
      if (incoming.message._tag === "Digests") yield* files.digests(incoming.message.file, incoming.message)
      const asked = Answers.eventOf(incoming.message, place)
      if (asked !== undefined) yield* files.question(asked.file, asked.event)
      const { message } = incoming
      const polled = message._tag === "Poll" ? Answers.toPoll(message, told, place) : undefined
      const answer = message._tag === "Probe" ? Answers.toProbe(message, probes, place) : polled
      if (answer !== undefined) yield* exchange.answer(place.master, answer)
    })
    yield* PageReceiver.events(inbox, place, counts).pipe(
      Stream.takeUntil((incoming) => incoming._tag === "Message" && incoming.message._tag === "Bye"),
      Stream.runForEach(hear)
    )
    return committed
  },
  Effect.provide(Layer.provide(Exchange.CatcherExchange.layer, Exchange.CatcherProtection.insecure)),
  Effect.scoped
)
