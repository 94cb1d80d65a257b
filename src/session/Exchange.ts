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
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import * as Limits from "../protocol/Limits.ts"
import { Progress } from "../report/Progress.ts"
import type { Protected } from "../report/Report.ts"
import * as CatcherSeal from "../seal/CatcherSeal.ts"
import * as Insecure from "../seal/Insecure.ts"
import { type CatcherKeys, fingerprint, type MasterKeys, type Protection } from "../seal/Keys.ts"
import { Marks } from "../seal/Marks.ts"
import * as MasterSeal from "../seal/MasterSeal.ts"
import * as PageSeal from "../seal/PageSeal.ts"
import * as Primitives from "../seal/Primitives.ts"
import type * as Seal from "../seal/Seal.ts"
import { type Address, type Batch, type Received, Transport, type TransportError } from "../transport/Transport.ts"
import * as Codec from "../wire/Codec.ts"
import * as Header from "../wire/Header.ts"
import type { FromCatcher, FromMaster, Message, Probe } from "../wire/Message.ts"
import * as Monotonic from "./Monotonic.ts"
import * as Strangers from "./Strangers.ts"

// ---- one datagram ----

/** A message without the id of its session, which its sender knows. */
export type Unsaid<M> = M extends unknown ? Omit<M, "session"> : never

/** A list of failures or of changes is cut where the datagram ends, and says where to ask on. */
const fitted = (message: FromCatcher): FromCatcher => {
  if (message._tag === "CloseOk") return { ...message, ...Codec.fitFailures(message.failures) }
  return message._tag === "ItemizeOk" ? { ...message, items: Codec.fitItems(message.items) } : message
}

/** The messages glued together in the open; pages, and what cannot be read, are left out. */
export const messages = (bytes: Uint8Array): ReadonlyArray<Message> => {
  const out: Array<Message> = []
  Header.split(bytes, (at) => {
    const decoded = Codec.decode(bytes, at)
    if (decoded._tag === "Success") out.push(decoded.success)
  })
  return out
}

/** So many bytes at the end of what was received are no datagrams that can be read. */
const onBad =
  (seal: Seal.MasterSeal | Seal.CatcherSeal) =>
  ({ bytes, from }: Received, badBytes: number): void => {
    const at = bytes.length - badBytes
    if (Header.isOtherVersion(bytes, at)) seal.onOtherVersion(from, Header.sessionAt(bytes, at))
  }

/** Multicasts datagrams one after the other. */
const sendAll = ({ send }: Pick<Transport["Service"], "send">, datagrams: ReadonlyArray<Uint8Array>) =>
  Effect.forEach(datagrams, (bytes) => send({ bytes, datagramBytes: bytes.length }), { discard: true })

// ---- the seal's surroundings ----

/** Sends what a seal has to say itself, in a fiber that ends with the scope. */
const surroundings = Effect.fnUntraced(function* (words: (stranger: Strangers.Stranger) => string) {
  const transport = yield* Transport
  const progress = yield* Effect.serviceOption(Progress)
  const now = yield* Monotonic.millis
  const strangers = new Strangers.Strangers((stranger) => {
    if (progress._tag === "Some") progress.value.publish({ _tag: "Note", message: words(stranger) })
  })
  const waiting: Array<Effect.Effect<void, TransportError>> = []
  const hasMore = Latch.makeUnsafe(false)
  yield* Effect.forkScoped(
    Effect.forever(
      Effect.gen(function* () {
        yield* hasMore.await
        hasMore.closeUnsafe()
        // to addresses that anybody may have forged: what cannot be sent is lost [P-4]
        for (const saying of waiting.splice(0)) yield* Effect.ignore(saying)
      })
    )
  )
  const say = (saying: Effect.Effect<void, TransportError>) => {
    if (waiting.length >= Limits.sealsWaiting) return
    waiting.push(saying)
    hasMore.openUnsafe()
  }
  const around: Seal.Surroundings = {
    now,
    group: transport.group,
    local: () => transport.local,
    tell: (to, datagram) => say(transport.sendTo(to, datagram)),
    tellGroup: (make) => say(Effect.suspend(() => sendAll(transport, make()))),
    onRefused: (from, why, stated) => strangers.meet(from, why, stated)
  }
  return { around, strangers }
})

/**
 * How a session of a master is protected: there is no default, so that nobody is in the open
 * unawares.
 */
export class MasterProtection extends Context.Service<MasterProtection, Protection<MasterKeys>>()(
  "mrsync/session/MasterProtection"
) {
  /** Under a seal, with these keys. */
  static readonly sealed = (keys: MasterKeys): Layer.Layer<MasterProtection> =>
    Layer.succeed(MasterProtection, { _tag: "Sealed", keys })
  /** In the open: every machine on the network can read and forge it. */
  static readonly insecure: Layer.Layer<MasterProtection> = Layer.succeed(MasterProtection, { _tag: "Insecure" })
}

/** How the sessions of a catcher are protected: there is no default here, either. */
export class CatcherProtection extends Context.Service<CatcherProtection, Protection<CatcherKeys>>()(
  "mrsync/session/CatcherProtection"
) {
  /** Under a seal, with these keys. */
  static readonly sealed = (keys: CatcherKeys): Layer.Layer<CatcherProtection> =>
    Layer.succeed(CatcherProtection, { _tag: "Sealed", keys })
  /** In the open: every machine on the network can read and forge it. */
  static readonly insecure: Layer.Layer<CatcherProtection> = Layer.succeed(CatcherProtection, { _tag: "Insecure" })
}

const protectedBy = (protection: Protection<CatcherKeys>): Protected =>
  protection._tag === "Sealed"
    ? { sealed: true, fingerprint: fingerprint(protection.keys.publicKey) }
    : { sealed: false }

// ---- a master's ----

/** Datagrams that reach a master. */
export type Arrived =
  | { readonly _tag: "Message"; readonly from: Address; readonly message: Message }
  /** A page of another session: another master is at work. */
  | { readonly _tag: "OtherPage"; readonly from: Address }

/** Pages that show what a path takes. */
export interface TrialPages {
  readonly first: number
  readonly pages: number
  readonly pageBytes: number
  /** Each is sent alone. */
  readonly isSingly: boolean
}

/** Writes pages that are no file's, one behind the other. */
const trialBatch = (marks: Marks, { first, isSingly, pageBytes, pages }: TrialPages): Batch => {
  const datagramBytes = Limits.headerBytes + pageBytes
  const bytes = new Uint8Array(pages * datagramBytes)
  for (let i = 0; i < pages; i++) {
    const mark = marks.of(first + i)
    Header.put(bytes, i * datagramBytes, Header.types.Page, datagramBytes, mark, Header.noFile, first + i)
  }
  return { bytes, datagramBytes, isSingly }
}

/** The datagrams of a master's session. */
export class MasterExchange extends Context.Service<
  MasterExchange,
  {
    /** The id of the session, which each of its datagrams has. */
    readonly session: bigint
    readonly protection: Protected
    /** Catchers that cannot join, and why, in words. */
    readonly strangers: () => ReadonlyArray<string>
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
    /** Multicasts pages that are no file's: so many, with the numbers from `first` on. [N-5] */
    readonly sendTrial: (trial: TrialPages) => Effect.Effect<void, TransportError>
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
  static readonly layer: Layer.Layer<MasterExchange, never, Transport | MasterProtection> = Layer.effect(
    MasterExchange,
    Effect.suspend(() => Effect.flatMap(newSession, makeMaster))
  )
}

const newSession = Effect.gen(function* () {
  const word = Random.nextIntBetween(0, 0xffff_ffff)
  return (BigInt(yield* word) << 32n) | BigInt(yield* word)
})

/** Makes the exchange of a master's session with that id. */
const makeMaster = Effect.fnUntraced(function* (session: bigint) {
  const transport = yield* Transport
  const { receive, send } = transport
  const protection = yield* MasterProtection
  const { around, strangers } = yield* surroundings(Strangers.ofCatcher)
  const own = Header.sessionOf(session)
  const secret = Primitives.random(Primitives.secretBytes)
  const isSealed = protection._tag === "Sealed"
  const seal = isSealed ? MasterSeal.make(protection.keys, session, secret, around) : Insecure.master(around)
  const pages = isSealed ? PageSeal.sealed(secret) : PageSeal.open(own)
  const trialMarks = new Marks(pages, PageSeal.trialOpening, "Page")
  const openings = new WeakMap<object, number>()
  let opened = 0
  let unreadable = 0
  const bad = onBad(seal)
  const read = (received: Received): ReadonlyArray<Arrived> => {
    const { bytes, from } = received
    const arrived: Array<Arrived> = []
    const badBytes = Header.split(bytes, (at) => {
      if (Header.typeOf(bytes, at) === Header.types.Page) {
        // under a seal a page of another session shows nothing: anybody may have sent it [K-10]
        if (!isSealed && !Header.isOf(bytes, at, own)) arrived.push({ _tag: "OtherPage", from })
        return
      }
      const message = seal.open(bytes, at, from)
      if (message === undefined) unreadable++
      else arrived.push({ _tag: "Message", from, message })
    })
    if (badBytes > 0) unreadable++
    bad(received, badBytes)
    return arrived
  }
  return {
    session,
    protection: protectedBy(protection),
    strangers: () => strangers.all().map(Strangers.ofCatcher),
    pages,
    openingOf: (content: object) => {
      const opening = openings.get(content) ?? ++opened
      openings.set(content, opening)
      return opening
    },
    sendNow: (message: FromMaster) => Effect.suspend(() => sendAll(transport, seal.seal(message))),
    sendProbe: (probe: Probe, copies: number) => {
      const each = Array.from({ length: copies }, () => seal.seal(probe)[0])
      const bytes = copies === 1 ? each[0] : Buffer.concat(each)
      return Effect.as(send({ bytes, datagramBytes: each[0].length }), bytes.length)
    },
    sendTrial: (trial: TrialPages) => Effect.suspend(() => send(trialBatch(trialMarks, trial))),
    sendPages: send,
    receive: (take: (batch: ReadonlyArray<ReadonlyArray<Arrived>>) => Effect.Effect<void, TransportError>) =>
      Stream.runForEach(receive, (batch) => take(batch.map(read))),
    unreadable: () => unreadable
  }
})

// ---- a catcher's ----

/** The datagrams of a catcher, before and after it has joined. */
export class CatcherExchange extends Context.Service<
  CatcherExchange,
  {
    /** What is done with the pages of a session that was joined. */
    readonly pagesOf: (session: bigint) => PageSeal.PageSeal
    /** Arriving datagrams, unopened: `open` opens them one by one. Run it once. */
    readonly receive: Stream.Stream<ReadonlyArray<Received>, TransportError>
    /** The message at `at`; undefined: it cannot be read, or is not to be believed. */
    readonly open: (bytes: Uint8Array, at: number, from: Address) => Message | undefined
    /** So many bytes at the end of what was received are no datagrams that can be read. */
    readonly onBad: (received: Received, badBytes: number) => void
    readonly protection: Protected
    /** Masters that cannot be joined, and why, in words. */
    readonly strangers: () => ReadonlyArray<string>
    /** Is what is heard of that session now a sign that its master lives? */
    readonly isAlive: (session: bigint) => boolean
    /** Answers the master of our session. Fails when the network does. */
    readonly answer: (master: Address, message: FromCatcher) => Effect.Effect<void, TransportError>
    /**
     * Tells something to an address that anybody may have forged: when it cannot be sent, it is
     * lost. [P-4]
     */
    readonly tell: (to: Address, message: FromCatcher) => Effect.Effect<void>
  }
>()("mrsync/session/CatcherExchange") {
  static readonly layer: Layer.Layer<CatcherExchange, never, Transport | CatcherProtection> = Layer.effect(
    CatcherExchange,
    Effect.suspend(() => makeCatcher)
  )
}

const makeCatcher = Effect.gen(function* () {
  const { receive, sendTo } = yield* Transport
  const protection = yield* CatcherProtection
  const { around, strangers } = yield* surroundings(Strangers.ofMaster)
  const seal = protection._tag === "Sealed" ? CatcherSeal.make(protection.keys, around) : Insecure.catcher(around)
  const say = (to: Address, message: FromCatcher) => {
    const datagram = seal.seal(fitted(message))
    return datagram === undefined ? Effect.void : sendTo(to, datagram)
  }
  return {
    // of a sealed session whose secret is not known no page is taken, least of all one in the open
    pagesOf: (session: bigint) =>
      protection._tag === "Sealed"
        ? PageSeal.sealed(seal.secretOf(session) ?? Primitives.random(Primitives.secretBytes))
        : PageSeal.open(Header.sessionOf(session)),
    receive,
    open: (bytes: Uint8Array, at: number, from: Address) => seal.open(bytes, at, from),
    onBad: onBad(seal),
    protection: protectedBy(protection),
    strangers: () => {
      // a late one may have answered since, and one that has just come may not have been told of
      const others = strangers.all().filter(({ why }) => why !== "NoAnswer")
      const mute = seal.unanswered().map((address) => ({ address, why: "NoAnswer" as const }))
      return [...others, ...mute].map(Strangers.ofMaster)
    },
    isAlive: (session: bigint) => seal.isAlive(session),
    answer: say,
    tell: (to: Address, message: FromCatcher) => Effect.ignore(say(to, message))
  }
})

/** The messages received, opened one by one as they are asked for: a seal opens each once. */
export function* opened(
  { onBad, open }: Pick<CatcherExchange["Service"], "onBad" | "open">,
  received: Received
): Generator<Message, void, void> {
  const { bytes, from } = received
  let at = 0
  while (at < bytes.length && Header.valid(bytes, at)) {
    const message = open(bytes, at, from)
    at += Header.lengthOf(bytes, at)
    if (message !== undefined) yield message
  }
  if (at < bytes.length) onBad(received, bytes.length - at)
}

/** A session as a person reads it: 16 hexadecimal digits. */
export const displaySession = (id: bigint): string => id.toString(16).padStart(16, "0")
