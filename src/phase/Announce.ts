/**
 * Announce: the master calls until the catchers it waits for have joined; a catcher waits for a call and joins.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { AnnounceTimeout, GroupBusy, JoinRefused, MasterTimeout } from "../Errors.ts"
import { Progress } from "../Progress.ts"
import * as Limits from "../protocol/Limits.ts"
import * as Roster from "../protocol/Roster.ts"
import { type Address, type Received, Transport, type TransportError } from "../transport/Transport.ts"
import * as Codec from "../wire/Codec.ts"
import * as Header from "../wire/Header.ts"
import type { Announce, Audience, Message, Welcome } from "../wire/Message.ts"
import { refusals, Session } from "./Session.ts"

// ---- master ----

export interface GatherOptions {
  /** How many must join; with a list of hosts: its length. */
  readonly wanted: number
  readonly waitMillis: number
  /** After the wait, go on with those present, if any. */
  readonly partial: boolean
}

/** Waits for the catchers; the slots present. Fails with GroupBusy as soon as another, older master is heard. */
export const gather = Effect.fn("Announce.gather")(function* (options: GatherOptions) {
  const session = yield* Session
  const transport = yield* Transport
  const progress = yield* Progress
  progress.publish({ _tag: "Waiting", joined: 0, wanted: options.wanted })
  // another master's pages and announcements come to the group, so listen there as long as we gather
  const enough = Effect.scoped(
    Effect.gen(function* () {
      yield* transport.listen
      yield* Effect.sleep(Limits.listenMillis)
      while (true) {
        const rival = session.rival()
        if (rival !== undefined) return yield* new GroupBusy({ address: rival })
        const roster = session.roster()
        const there = Roster.present(roster)
        if (there.length >= options.wanted && Roster.absent(roster).length === 0) return
        session.changed.closeUnsafe()
        yield* session.changed.await
      }
    })
  )
  const inTime = yield* Effect.timeoutOption(Effect.raceFirst(enough, session.rollCall), options.waitMillis)
  const roster = session.roster()
  const present = Roster.present(roster)
  if (inTime._tag === "None" && !(options.partial && present.length > 0)) {
    return yield* new AnnounceTimeout({
      joined: present.length,
      wanted: options.wanted,
      absent: Roster.absent(roster),
      waitedMillis: options.waitMillis
    })
  }
  return present.map((member) => member.slot) as Audience
})

// ---- catcher ----

/** What arrives, batch by batch: the pull of a transport's `receive`. */
export type Ear = Effect.Effect<ReadonlyArray<ReadonlyArray<Received>>, TransportError>

/** A catcher's place in a session. */
export interface Membership {
  readonly session: bigint
  readonly slot: number
  readonly incarnation: number
  readonly master: Address
  readonly pageBytes: number
  readonly blockPages: number
  /** The master's time-out. */
  readonly timeoutMillis: number
}

export interface JoinOptions {
  readonly name: string
  /** undefined: for ever. */
  readonly waitMillis: number | undefined
}

/**
 * Waits for a master and joins its session. A name that is taken is asked for again until the wait ends, because it may
 * be our own from before a restart; any other refusal fails, or, without an end of the wait, that session is passed over.
 */
export const join = Effect.fn("Announce.join")(function* (ear: Ear, options: JoinOptions) {
  const progress = yield* Progress
  const seeker = new Seeker(yield* Random.nextIntBetween(0, 0xffff_ffff))
  progress.publish({ _tag: "Waiting", joined: 0, wanted: 0 })
  const joined = seek(ear, options, seeker)
  if (options.waitMillis === undefined) return yield* joined
  const inTime = yield* Effect.timeoutOption(joined, options.waitMillis)
  if (inTime._tag === "Some") return inTime.value
  return yield* seeker.refused ?? new MasterTimeout({ waitedMillis: options.waitMillis })
})

/** What a catcher that looks for a session has heard. */
class Seeker {
  readonly incarnation: number
  master: { readonly address: Address; readonly announce: Announce; readonly heardMillis: number } | undefined
  refused: JoinRefused | undefined
  private readonly passedOver = new Set<bigint>()

  constructor(incarnation: number) {
    this.incarnation = incarnation
  }
  passOver(session: bigint): void {
    if (this.passedOver.size >= Limits.passedOver) this.passedOver.clear()
    this.passedOver.add(session)
  }
  /** One master at a time; a silent one is forgotten. */
  heeds(message: Message, nowMillis: number): boolean {
    if (this.passedOver.has(message.session)) return false
    if (this.master === undefined || this.master.announce.session === message.session) return true
    return nowMillis - this.master.heardMillis >= Limits.forgetMillis
  }
}

const seek = Effect.fnUntraced(function* (ear: Ear, options: JoinOptions, seeker: Seeker) {
  while (true) {
    const batches = yield* ear
    for (const { bytes, from } of batches.flat()) {
      for (const message of messages(bytes)) {
        const nowMillis = yield* Clock.currentTimeMillis
        if (!seeker.heeds(message, nowMillis)) continue
        if (seeker.master?.announce.session === message.session && seeker.master.address !== from) continue
        if (message._tag === "Bye" || (message._tag === "Abort" && message.file === undefined)) {
          // its last announcement may come after its last words
          if (seeker.master !== undefined) seeker.passOver(message.session)
          seeker.master = undefined
        } else if (message._tag === "Announce") {
          seeker.master = { address: from, announce: message, heardMillis: nowMillis }
          yield* ask(options, seeker.incarnation, from, message)
        } else if (message._tag === "Welcome" && seeker.master?.address === from) {
          const slot = yield* welcomed(message, options, seeker, from)
          if (slot === undefined) continue
          const { blockPages, pageBytes, session, timeoutMillis } = seeker.master.announce
          const { incarnation } = seeker
          return { session, slot, incarnation, master: from, pageBytes, blockPages, timeoutMillis } as Membership
        }
      }
    }
  }
})

const ask = Effect.fnUntraced(function* (options: JoinOptions, incarnation: number, to: Address, announce: Announce) {
  const transport = yield* Transport
  const spreadMillis = Math.min(announce.spreadMillis, Limits.spreadMillis)
  if (spreadMillis > 0) yield* Effect.sleep(yield* Random.nextBetween(0, spreadMillis))
  const { receiveBufferBytes } = transport
  const { session } = announce
  const join = Codec.encode({ _tag: "Join", session, incarnation, receiveBufferBytes, name: options.name })
  // [P-5] anybody may have announced it
  yield* Effect.ignore(transport.sendTo(to, join))
})

// Our slot, if this welcome names us.
const welcomed = Effect.fnUntraced(function* (message: Welcome, options: JoinOptions, seeker: Seeker, from: Address) {
  const own = message.guests.find((guest) => guest.incarnation === seeker.incarnation)
  if (own === undefined) return undefined
  if ("slot" in own) return own.slot
  const progress = yield* Progress
  const reason = refusals[own.refusal]
  if (seeker.refused?.reason !== reason) progress.publish({ _tag: "Refused", id: options.name, address: from, reason })
  seeker.refused = new JoinRefused({ master: from, reason })
  if (own.refusal === "NameTaken") return undefined
  if (options.waitMillis !== undefined) return yield* seeker.refused
  seeker.passOver(message.session)
  return undefined
})

/** The messages glued into what was received; pages and what cannot be read are left out. */
export const messages = (bytes: Uint8Array): ReadonlyArray<Message> => {
  const out: Array<Message> = []
  Header.split(bytes, (at) => {
    const message = Codec.decode(bytes, at)
    if (message._tag === "Success") out.push(message.success)
  })
  return out
}
