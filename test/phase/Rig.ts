/**
 * A phase on a simulated network under virtual time: a master's session, and puppets that speak the wire by hand.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as Limits from "../../src/protocol/Limits.ts"
import { Progress } from "../../src/report/Progress.ts"
import { MasterExchange, MasterProtection, messages } from "../../src/session/Exchange.ts"
import * as Session from "../../src/session/Session.ts"
import * as VirtualTime from "../../src/simulate/VirtualTime.ts"
import type * as Simulated from "../../src/transport/simulated/Network.ts"
import { type Received, Transport } from "../../src/transport/Transport.ts"
import * as Codec from "../../src/wire/Codec.ts"
import type { Message } from "../../src/wire/Message.ts"

export const endpoint = (layer: Layer.Layer<Transport>): Effect.Effect<Transport["Service"], never, Scope.Scope> =>
  Effect.map(Layer.build(layer), (context) => Context.get(context, Transport))

/** Of what ran before in this file, so that each has numbers of its own, and the same ones in each run of the file. */
let runs = 0

/** Runs while virtual time goes on; how it ended, and after how many milliseconds. */
export const timed = <A, E, R>(effect: Effect.Effect<A, E, R>, limitMillis = 60_000) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(Random.withSeed(effect, `run ${++runs}`))
    let millis = 0
    while (fiber.pollUnsafe() === undefined) {
      if (millis > limitMillis) return yield* Effect.die(new Error(`stuck after ${millis} virtual ms`))
      yield* TestClock.adjust(1)
      millis++
    }
    return { exit: yield* Fiber.await(fiber), millis }
  })

export const inTime = <A, E, R>(effect: Effect.Effect<A, E, R>, limitMillis?: number) =>
  Effect.flatMap(timed(effect, limitMillis), ({ exit }) => exit)

/**
 * As `inTime`, on a clock that jumps to the next timer, where each millisecond of the TestClock's costs a turn: for what takes
 * minutes. All that waits has to be made in it.
 */
export const inJumps =
  (limitMillis = 60_000) =>
  <A, E>(effect: Effect.Effect<A, E, Scope.Scope>): Effect.Effect<A, E> =>
    VirtualTime.run(() =>
      Random.withSeed(Effect.scoped(effect), `run ${++runs}`).pipe(
        Effect.timeoutOrElse({
          duration: limitMillis,
          orElse: () => Effect.die(new Error(`stuck after ${limitMillis} virtual ms`))
        })
      )
    )

/** A master's session that runs; its transport too. */
export const master = Effect.fnUntraced(function* (network: Simulated.Network, options: Partial<Session.Options> = {}) {
  const transport = yield* endpoint(network.layerMaster)
  const session = yield* sessionOn(transport, options).pipe(Effect.provide(Progress.layerNone))
  yield* Effect.forkScoped(session.run)
  return { session, transport }
})

/** The services of a session on that transport, and of some of them all members in one object. */
export const sessionOn = Effect.fnUntraced(function* (
  transport: Transport["Service"],
  options: Partial<Session.Options> = {}
) {
  const layer = Session.Session.layer({ pageBytes: 512, timeoutMillis: 2000, wanted: 1, ...options }).pipe(
    Layer.provide(MasterProtection.insecure)
  )
  const services = yield* Layer.build(layer).pipe(
    Effect.provideService(Transport, transport),
    Random.withSeed("master")
  )
  return {
    services,
    id: Context.get(services, MasterExchange).session,
    ...Context.get(services, Session.Session),
    ...Context.get(services, Session.Members),
    ...Context.get(services, Session.Silence),
    ...Context.get(services, Session.Asking),
    ...Context.get(services, Session.Announcing),
    ...Context.get(services, Session.Sender),
    ...Context.get(services, Session.Lanes)
  }
})

export type Rigged = Effect.Success<ReturnType<typeof sessionOn>>

/** Answers by hand. `say` sends to the address that was heard last. */
export interface Puppet {
  readonly transport: Transport["Service"]
  readonly heard: ReadonlyArray<Message>
}

/** An endpoint that hears everything, and says what the script answers to each message. */
export const puppet = Effect.fnUntraced(function* (
  layer: Layer.Layer<Transport>,
  script: (message: Message) => ReadonlyArray<Message>
) {
  const transport = yield* endpoint(layer)
  const heard: Array<Message> = []
  const answer = Effect.fnUntraced(function* ({ bytes, from }: Received) {
    for (const message of messages(bytes)) {
      heard.push(message)
      for (const said of script(message)) yield* transport.sendTo(from, Codec.encode(said))
    }
  })
  yield* Effect.forkScoped(
    Stream.runForEach(transport.receive, (batch) => Effect.forEach(batch, answer, { discard: true }))
  )
  return { transport, heard } as Puppet
})

export type Slots = ReadonlyArray<{ slot: number; incarnation: number }>

/** What the asked ones of a crowd answer, by slot. */
export const answering =
  (answer: (message: Message, slot: number) => object | undefined) =>
  (message: Message, slots: Slots): ReadonlyArray<Message> =>
    slots.flatMap((who) => {
      if (!("audience" in message) || !message.audience.includes(who.slot)) return []
      const said = answer(message, who.slot)
      const opening = message._tag === "Open" ? { opening: message.opening } : {}
      return said === undefined
        ? []
        : [{ session: message.session, file: 1, held: 0, ...opening, ...who, ...said } as Message]
    })

/** Every probe has arrived. */
const probed = (message: Message) =>
  message._tag === "Probe"
    ? {
        ...{ _tag: "ProbeOk", probing: message.probing, train: message.train, pageBytes: 0 },
        ...{ single: Limits.maxPageBytes, times: 1, glued: Limits.maxPageBytes }
      }
    : undefined

/** [J-14] By its first answer a newcomer becomes a catcher. */
const firstAnswers = (message: Message, slots: Slots, answered: Set<number>): ReadonlyArray<Message> =>
  message._tag !== "Poll"
    ? []
    : slots
        .filter(({ slot }) => message.audience.includes(slot) && !answered.has(slot))
        .map((who) => {
          answered.add(who.slot)
          const { poll, session } = message
          return { _tag: "PollOk", session, ...who, poll, received: 0, dropped: 0, held: 0, worked: 0 }
        })

/** One endpoint that plays several catchers: incarnation i + 1 is named c<i + 1>, or otherwise. All of them join. */
export const crowd = (
  network: Simulated.Network,
  count: number,
  script: (message: Message, slots: Slots) => ReadonlyArray<Message>,
  prefix = "c"
) => {
  const slots: Array<{ slot: number; incarnation: number }> = []
  const answered = new Set<number>()
  return puppet(network.layerCatcher("crowd"), (message) => {
    if (message._tag === "Announce") {
      return Array.from({ length: count }, (_, i) => i + 1)
        .filter((incarnation) => !slots.some((known) => known.incarnation === incarnation))
        .map((incarnation) => {
          const name = `${prefix}${incarnation}`
          const who = { incarnation, key: incarnation, moves: 0, name }
          return { _tag: "Join", session: message.session, receiveBufferBytes: 4_000_000, ...who } as const
        })
    }
    if (message._tag === "Welcome") {
      for (const guest of message.guests) if ("slot" in guest && guest.incarnation <= count) slots.push(guest)
    }
    return [...firstAnswers(message, slots, answered), ...answering(probed)(message, slots), ...script(message, slots)]
  })
}

/** The messages of one kind. */
export const messagesOf = <T extends Message["_tag"]>(heard: ReadonlyArray<Message>, tag: T) =>
  heard.filter((message): message is Extract<Message, { readonly _tag: T }> => message._tag === tag)
