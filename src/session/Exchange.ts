/**
 * The door of a session: every datagram of a master and of a catcher goes out and comes in here, so
 * that what is to be done with each has one place. Two others look into datagrams in place, because
 * they work page by page: `PageStream` writes the headers of pages into the memory that leaves, and
 * `Incoming` takes pages out of the memory that arrives.
 *
 * A hostile datagram is that datagram's end: what cannot be read is counted, and an answer to an
 * address that may be forged fails nothing. [W-3] [P-4]
 */

import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import * as PageSeal from "../seal/PageSeal.ts"
import { type Address, type Batch, type Received, Transport, type TransportError } from "../transport/Transport.ts"
import * as Codec from "../wire/Codec.ts"
import * as Header from "../wire/Header.ts"
import type { FromCatcher, FromMaster, Message, Probe } from "../wire/Message.ts"

// ---- one datagram ----

/** A message without the id of its session, which its sender knows. */
export type Unsaid<M> = M extends unknown ? Omit<M, "session"> : never

/** A list of failures is cut where the datagram ends, and says where to ask on. */
const datagramOf = (message: Message): Uint8Array =>
  Codec.encode(message._tag === "CloseOk" ? { ...message, ...Codec.fitFailures(message.failures) } : message)

/** The message of the datagram at `at`; undefined: it cannot be read. */
export const messageAt = (bytes: Uint8Array, at: number): Message | undefined => {
  const decoded = Codec.decode(bytes, at)
  return decoded._tag === "Success" ? decoded.success : undefined
}

/** The messages glued into what was received; pages and what cannot be read are left out. */
export const messages = (bytes: Uint8Array): ReadonlyArray<Message> => {
  const out: Array<Message> = []
  Header.split(bytes, (at) => {
    const message = messageAt(bytes, at)
    if (message !== undefined) out.push(message)
  })
  return out
}

// ---- a master's ----

/** Datagrams that reach a master. */
export type Arrived =
  | { readonly _tag: "Message"; readonly from: Address; readonly message: Message }
  /** A page of another session: another master is at work. */
  | { readonly _tag: "OtherPage"; readonly from: Address }

/** The datagrams of a master's session. */
export class MasterExchange extends Context.Service<
  MasterExchange,
  {
    /** The id of the session, which each of its datagrams has. */
    readonly session: bigint
    /** What is done with its pages, beside sending them. */
    readonly pages: PageSeal.PageSeal
    /**
     * The number under which pages of this content go out, counted from 1. No other content has it,
     * and the content never holds other bytes: nothing is ever enciphered twice in one way.
     */
    readonly openingOf: (content: object) => number
    /** Multicasts a message at once. */
    readonly sendNow: (message: FromMaster) => Effect.Effect<void, TransportError>
    /**
     * Multicasts so many copies of a probe, glued together where they are several; the bytes that
     * they took.
     */
    readonly sendProbe: (probe: Probe, copies: number) => Effect.Effect<number, TransportError>
    /** Multicasts page datagrams, whose headers `PageStream` has written. */
    readonly sendPages: (batch: Batch) => Effect.Effect<void, TransportError>
    /**
     * Hands over what arrives, batch by batch, and what came glued together as one list. Run it
     * once.
     */
    readonly receive: (
      take: (batch: ReadonlyArray<ReadonlyArray<Arrived>>) => Effect.Effect<void, TransportError>
    ) => Effect.Effect<void, TransportError>
    /** Datagrams that cannot be read. */
    readonly unreadable: () => number
  }
>()("mrsync/session/MasterExchange") {
  /** That of a new session, whose id is drawn by chance. */
  static readonly layer: Layer.Layer<MasterExchange, never, Transport> = Layer.effect(
    MasterExchange,
    Effect.suspend(() => Effect.flatMap(newSession, makeMaster))
  )
}

const newSession = Effect.gen(function* () {
  const word = Random.nextIntBetween(0, 0xffff_ffff)
  return (BigInt(yield* word) << 32n) | BigInt(yield* word)
})

/** Makes the exchange of a master's session with that id. */
const makeMaster = (session: bigint): Effect.Effect<MasterExchange["Service"], never, Transport> =>
  Effect.map(Transport, ({ receive, send }) => {
    const own = Header.sessionOf(session)
    const openings = new WeakMap<object, number>()
    let opened = 0
    let unreadable = 0
    const read = ({ bytes, from }: Received): ReadonlyArray<Arrived> => {
      const arrived: Array<Arrived> = []
      const badBytes = Header.split(bytes, (at) => {
        if (Header.typeOf(bytes, at) === Header.types.Page) {
          if (!Header.isOf(bytes, at, own)) arrived.push({ _tag: "OtherPage", from })
          return
        }
        const message = messageAt(bytes, at)
        if (message === undefined) unreadable++
        else arrived.push({ _tag: "Message", from, message })
      })
      if (badBytes > 0) unreadable++
      return arrived
    }
    return {
      session,
      pages: PageSeal.open(own),
      openingOf: (content) => {
        const opening = openings.get(content) ?? ++opened
        openings.set(content, opening)
        return opening
      },
      sendNow: (message) => {
        const bytes = datagramOf(message)
        return send({ bytes, datagramBytes: bytes.length })
      },
      sendProbe: (probe, copies) => {
        const one = datagramOf(probe)
        const bytes = copies === 1 ? one : new Uint8Array(one.length * copies)
        if (copies > 1) for (let i = 0; i < copies; i++) bytes.set(one, i * one.length)
        return Effect.as(send({ bytes, datagramBytes: one.length }), bytes.length)
      },
      sendPages: send,
      receive: (take) => Stream.runForEach(receive, (batch) => take(batch.map(read))),
      unreadable: () => unreadable
    }
  })

// ---- a catcher's ----

/** The datagrams of a catcher, before and after it has joined. */
export class CatcherExchange extends Context.Service<
  CatcherExchange,
  {
    /** Arriving datagrams, unopened: `messages` and `PageReceiver` open them. Run it once. */
    readonly receive: Stream.Stream<ReadonlyArray<Received>, TransportError>
    /** Answers the master of our session. Fails when the network does. */
    readonly answer: (master: Address, message: FromCatcher) => Effect.Effect<void, TransportError>
    /**
     * Tells something to an address that anybody may have forged: when it cannot be sent, it is
     * lost. [P-4]
     */
    readonly tell: (to: Address, message: FromCatcher) => Effect.Effect<void>
  }
>()("mrsync/session/CatcherExchange") {
  static readonly layer: Layer.Layer<CatcherExchange, never, Transport> = Layer.effect(
    CatcherExchange,
    Effect.map(Transport, ({ receive, sendTo }) => ({
      receive,
      answer: (master, message) => sendTo(master, datagramOf(message)),
      tell: (to, message) => Effect.ignore(sendTo(to, datagramOf(message)))
    }))
  )
}

/** A session as a person reads it: 16 hexadecimal digits. */
export const displaySession = (id: bigint): string => id.toString(16).padStart(16, "0")
