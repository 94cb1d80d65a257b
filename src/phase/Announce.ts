/**
 * Announce: the master calls until the catchers it waits for have joined; a catcher waits for a
 * call and joins.
 */

import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import * as Delay from "../protocol/group/Delay.ts"
import * as Roster from "../protocol/group/Roster.ts"
import * as Limits from "../protocol/Limits.ts"
import { AnnounceTimeout, GroupBusy, HostsUnreachable, JoinRefused, MasterTimeout } from "../report/Errors.ts"
import { Progress, seconds } from "../report/Progress.ts"
import type { Membership } from "../session/Answers.ts"
import { CatcherExchange, MasterExchange, opened } from "../session/Exchange.ts"
import type { Inbox } from "../session/Incoming.ts"
import * as Monotonic from "../session/Monotonic.ts"
import * as JoinRefusals from "../session/JoinRefusals.ts"
import { Announcing, Members, Paths } from "../session/Session.ts"
import { type Address, Transport } from "../transport/Transport.ts"
import type { Announce, Audience, Join, Message, Welcome } from "../wire/Message.ts"

// ---- master ----

/** When a master has waited long enough. The session begins as soon as all are there. */
export interface Patience {
  /** Milliseconds to wait for catchers; with too few by then it ends in an error. */
  readonly waitMillis: number
  /** So many catchers are enough when the wait ends; all that are wanted, where it is not given. */
  readonly atLeast?: number
  /**
   * From then on `atLeast` are enough (one, where it is not given). Milliseconds from the
   * beginning.
   */
  readonly atMostMillis?: number
  /** Each element says: go with those here, be they ever so few. */
  readonly go?: Stream.Stream<unknown>
}

/** How long a master waits, and for how many. */
export interface GatherOptions extends Patience {
  /** How many are all; with a list of hosts: its length. */
  readonly wanted: number
}

/** Which other masters a master has waited for: since when, and how long, of its own wait. */
class OtherMasters {
  /** Of the master's wait, milliseconds that have passed. */
  readonly passed: () => number
  private readonly waits = new Map<Address, { readonly sinceMillis: number; readonly forMillis: number }>()
  /** The last time that the group was busy; `untilMillis` is undefined while it is. */
  private last: { readonly sinceMillis: number; readonly untilMillis: number | undefined } | undefined

  constructor(passed: () => number) {
    this.passed = passed
  }

  busy(): void {
    this.last = { sinceMillis: this.passed(), untilMillis: undefined }
  }
  free(): void {
    if (this.last !== undefined) this.last = { ...this.last, untilMillis: this.passed() }
  }
  /** The group has become busy a moment ago, or is free again since then. */
  isMomentary(): boolean {
    const { last } = this
    return last !== undefined && this.passed() - (last.untilMillis ?? last.sinceMillis) < Limits.hearsayMillis
  }
  waited(address: Address, fromMillis: number): void {
    const untilMillis = this.passed()
    const known = this.waits.get(address)
    // anybody may call himself a master
    if (known === undefined && this.waits.size >= Limits.heardMasters) return
    const { forMillis, sinceMillis } = known ?? { sinceMillis: Math.round(fromMillis), forMillis: 0 }
    this.waits.set(address, { sinceMillis, forMillis: Math.round(forMillis + untilMillis - fromMillis) })
  }
  all() {
    return [...this.waits].map(([address, wait]) => ({ address, ...wait }))
  }
}

/**
 * Waits until no older master uses the group, calling nobody meanwhile: its catchers are not for
 * us. [J-4]
 */
const awaitGroup = Effect.fnUntraced(function* (address: Address, others: OtherMasters) {
  const { otherMaster, standBack } = yield* Announcing
  const { changed } = yield* Members
  const progress = yield* Progress
  const message = `another master (${address}) uses this group; waiting for it to end`
  progress.publish({ _tag: "Note", message })
  const fromMillis = others.passed()
  others.busy()
  yield* Effect.ensuring(
    standBack,
    Effect.sync(() => others.waited(address, fromMillis))
  )
  while (true) {
    changed.closeUnsafe()
    const known = otherMaster()
    if (known === undefined) return others.free()
    const fromMillis = others.passed()
    yield* Effect.ensuring(
      Effect.timeoutOption(changed.await, Math.ceil(known.leftMillis)),
      Effect.sync(() => others.waited(known.address, fromMillis))
    )
  }
})

/**
 * Ends with the wait. [J-4] A catcher's word that another master has the group may be the last
 * that is heard of that one: the wait is then long enough for those that were let go to come back.
 */
const untilTheEnd = Effect.fnUntraced(function* (waitMillis: number, others: OtherMasters) {
  yield* Effect.sleep(waitMillis)
  if (others.isMomentary()) yield* Effect.sleep(2 * Limits.hearsayMillis)
})

/**
 * Waits for the group, and then until so many catchers are there, and it is known which page
 * reaches each of them.
 */
const awaitCatchers = Effect.fnUntraced(function* (
  enough: () => Effect.Effect<number, HostsUnreachable>,
  tell: (roster: Roster.Roster) => void,
  others: OtherMasters
) {
  const { otherMaster } = yield* Announcing
  const { changed, roster } = yield* Members
  const { isKnown } = yield* Paths
  let untilMillis: number | undefined
  while (true) {
    const known = otherMaster()
    if (known !== undefined) yield* Effect.scoped(awaitGroup(known.address, others))
    const present = Roster.present(roster())
    const areThere = present.length >= (yield* enough()) && present.every(({ slot }) => isKnown(slot))
    const leftMillis = areThere ? (untilMillis ??= listenedMillis(others.passed())) - others.passed() : undefined
    if (leftMillis !== undefined && leftMillis <= 0) return
    tell(roster())
    changed.closeUnsafe()
    yield* leftMillis === undefined ? changed.await : Effect.timeoutOption(changed.await, Math.ceil(leftMillis))
  }
})

/**
 * How long a master has to listen that had its catchers after so many milliseconds. Where these
 * answer late, what tells of another master is late as well. [J-4]
 */
const listenedMillis = (tookMillis: number): number =>
  Math.max(Limits.leastListenMillis, Math.min(Limits.listenMillis, 2 * tookMillis))

/** Of the catchers that are wanted, so many are enough when the wait ends. */
const leastOf = ({ atLeast, atMostMillis, wanted }: GatherOptions): number =>
  Math.min(wanted, atLeast ?? (atMostMillis === undefined ? wanted : 1))

/** Less are enough the more hosts cannot be reached, unless so many are asked for. */
const reachable = (options: GatherOptions, roster: Roster.Roster): Effect.Effect<number, HostsUnreachable> => {
  const unreachable = Roster.unreachable(roster)
  const [hosts, least] = [options.wanted, Math.max(1, leastOf(options))]
  return hosts - unreachable.length >= least
    ? Effect.succeed(hosts - unreachable.length)
    : Effect.fail(
        new HostsUnreachable({ hosts, least, unreachable: unreachable.map(([id, reason]) => ({ id, reason })) })
      )
}

/** Why a master gives up: another one has the group, or too few catchers have joined. */
const tooFew = Effect.fnUntraced(function* (options: GatherOptions, others: OtherMasters) {
  const { otherMaster } = yield* Announcing
  const { roster, turnedAway } = yield* Members
  const { local, refused } = yield* Transport
  const { strangers } = yield* MasterExchange
  const { wanted } = options
  const waitedMillis = Math.round(others.passed())
  const known = otherMaster()
  if (known !== undefined) {
    const sinceMillis = others.all().find(({ address }) => address === known.address)?.sinceMillis ?? 0
    return yield* new GroupBusy({ address: known.address, waitedMillis, sinceMillis })
  }
  const joined = Roster.present(roster()).length
  if (joined >= leastOf(options)) return
  return yield* new AnnounceTimeout({
    joined,
    // as many as come are no number to miss
    wanted: wanted < Limits.slots ? wanted : leastOf(options),
    absent: Roster.absent(roster()),
    refused: turnedAway(),
    lost: Roster.givenUp(roster()).map(({ address, lost = "", name }) => ({ id: name, address, reason: lost })),
    otherMasters: others.all(),
    strangers: strangers(),
    waitedMillis,
    local,
    unsent: refused?.().reason
  })
})

/** Says how many are enough, less as time passes or a person wants to begin; never ends. */
const settling = Effect.fnUntraced(function* (options: GatherOptions, settleFor: (catchers: number) => void) {
  const { roster } = yield* Members
  const progress = yield* Progress
  const { atMostMillis = options.waitMillis, go = Stream.never } = options
  const begin = Effect.sync(() => {
    if (Roster.present(roster()).length > 0) return settleFor(1)
    progress.publish({ _tag: "Note", message: "there is no catcher yet to begin with" })
  })
  return yield* Effect.raceAllFirst([
    Effect.andThen(
      Effect.andThen(
        Effect.sleep(atMostMillis),
        Effect.sync(() => settleFor(leastOf(options)))
      ),
      Effect.never
    ),
    Effect.andThen(
      Stream.runForEach(go, () => begin),
      Effect.never
    )
  ])
})

/** Waits for the group and then for the catchers; the slots present. */
export const gather = Effect.fn("Announce.gather")(function* (options: GatherOptions) {
  const { rollCall } = yield* Announcing
  const { changed, roster } = yield* Members
  const transport = yield* Transport
  const tell = yield* teller(options)
  const now = yield* Monotonic.millis
  const startedMillis = now()
  const others = new OtherMasters(() => now() - startedMillis)
  let enough = options.wanted
  const settleFor = (catchers: number) => {
    enough = Math.min(enough, catchers)
    changed.openUnsafe()
  }
  // another master's pages and announcements come to the group, so listen there as long as we
  // gather
  const gathering = Effect.scoped(
    Effect.gen(function* () {
      yield* transport.listen
      const wanted = () => Effect.map(reachable(options, roster()), (most) => Math.min(enough, most))
      yield* awaitCatchers(wanted, tell, others)
    })
  )
  tell(roster())
  const begun = Effect.as(Effect.raceAllFirst([gathering, rollCall, settling(options, settleFor)]), true)
  const isOver = Effect.as(untilTheEnd(options.waitMillis, others), false)
  if (!(yield* Effect.raceFirst(begun, isOver))) yield* tooFew(options, others)
  return Roster.present(roster()).map((member) => member.slot) as Audience
})

/** Tells of the waiting when another catcher is there, or one less. */
const teller = Effect.fnUntraced(function* (options: GatherOptions) {
  const progress = yield* Progress
  const now = yield* Monotonic.millis
  const { atMostMillis = options.waitMillis, wanted, waitMillis } = options
  const startedMillis = now()
  let told: string | undefined
  return (roster: Roster.Roster) => {
    const joined = Roster.present(roster).length
    const unreachable = Roster.unreachable(roster).length
    if (`${joined} ${unreachable}` === told) return
    told = `${joined} ${unreachable}`
    const passedMillis = now() - startedMillis
    const endMillis = passedMillis < atMostMillis ? atMostMillis : waitMillis
    const leftSeconds = seconds(Math.max(0, endMillis - passedMillis))
    const absent = Roster.absent(roster).slice(0, Limits.absentNames)
    progress.publish({ _tag: "Waiting", joined, ...Roster.numberWanted(wanted - unreachable), absent, leftSeconds })
  }
})

// ---- catcher ----

/**
 * From where a catcher has joined, and what shows that it is the same one when it joins from
 * somewhere else. [J-13]
 */
export interface Place {
  /** Our own address, as the master knows it. */
  readonly local: Address
  readonly key: number
  readonly moves: number
}

/** The place of a catcher that says something from this address. */
export const placeAt = (before: Place, local: Address): Place =>
  before.local === local ? before : { local, key: before.key, moves: before.moves + 1 }

export type { Membership } from "../session/Answers.ts"

/** A membership, and from where it was had. */
export interface Joined extends Membership {
  readonly place: Place
  /** Of the announcements that were heard before the welcome. */
  readonly delay: Delay.Delay
}

/** How a catcher looks for a session. */
export interface JoinOptions {
  /** Its name, which no other catcher of the session may have: 1 to 128 bytes of UTF-8. */
  readonly name: string
  /** Milliseconds to wait for a master; undefined: forever. */
  readonly waitMillis: number | undefined
}

/**
 * Waits for a master and joins its session. A name that is taken is asked for again until the wait
 * ends, because it may be our own from before a restart; any other refusal fails, or, without an
 * end of the wait, that session is passed over.
 */
export const join = Effect.fn("Announce.join")(function* (inbox: Inbox, options: JoinOptions) {
  const progress = yield* Progress
  const { local, refused } = yield* Transport
  const { strangers } = yield* CatcherExchange
  const seeker = new Seeker(yield* newIncarnation(local))
  const leftSeconds = options.waitMillis === undefined ? undefined : seconds(options.waitMillis)
  progress.publish({ _tag: "Waiting", leftSeconds })
  const joined = seek(inbox, options, seeker)
  if (options.waitMillis === undefined) return yield* joined
  const inTime = yield* Effect.timeoutOption(joined, options.waitMillis)
  if (inTime._tag === "Some") return inTime.value
  return yield* (
    seeker.refused ??
      new MasterTimeout({
        waitedMillis: Math.round(options.waitMillis),
        heard: seeker.heardMasters(),
        strangers: strangers(),
        unsent: refused?.().reason
      })
  )
})

const word = Random.nextIntBetween(0, 0xffff_ffff)
const newIncarnation = Effect.fnUntraced(function* (local: Address) {
  return { incarnation: yield* word, place: { local, key: yield* word, moves: 0 } as Place }
})

/** Everything that a catcher which looks for a session has heard. */
class Seeker {
  incarnation: number
  master:
    | {
        readonly address: Address
        readonly announce: Announce
        readonly heardMillis: number
        readonly delay: Delay.Delay
      }
    | undefined
  refused: JoinRefused | undefined
  place: Place
  /** The session that was asked last. */
  private asked: bigint | undefined
  private readonly passedOver = new Set<bigint>()
  private readonly heard = new Map<Address, { announcements: number; joins: number; isOver: boolean }>()

  constructor({ incarnation, place }: Effect.Success<ReturnType<typeof newIncarnation>>) {
    this.incarnation = incarnation
    this.place = place
  }
  /** Another incarnation. */
  readonly renew = Effect.suspend(() =>
    Effect.map(newIncarnation(this.place.local), (renewed) => void Object.assign(this, renewed))
  )
  /**
   * [J-1] Each session is asked as an incarnation of its own: one that was overheard in a welcome
   * may be claimed by another catcher in the next session.
   */
  asks(session: bigint): Effect.Effect<void> {
    return Effect.suspend(() => {
      const isAnother = this.asked !== undefined && this.asked !== session
      this.asked = session
      return isAnother ? this.renew : Effect.void
    })
  }
  /** The news of a master. */
  of(address: Address): { announcements: number; joins: number; isOver: boolean } {
    const known = this.heard.get(address) ?? { announcements: 0, joins: 0, isOver: false }
    if (this.heard.size < Limits.heardMasters) this.heard.set(address, known)
    return known
  }
  heardMasters() {
    return [...this.heard].map(([address, heard]) => ({ address, ...heard }))
  }
  passOver(session: bigint): void {
    if (this.passedOver.size >= Limits.passedOver) this.passedOver.clear()
    this.passedOver.add(session)
  }
  calls(address: Address, announce: Announce, heardMillis: number): void {
    const known = this.master?.announce.session === announce.session ? this.master.delay : undefined
    this.master = { address, announce, heardMillis, delay: Delay.heard(known, announce.uptimeMillis, heardMillis) }
  }
  /**
   * The words of a session count from one address; when that has been silent, a master may have got
   * another one.
   */
  isFrom(from: Address, message: Message, nowMillis: number): boolean {
    const { master } = this
    if (master === undefined || master.announce.session !== message.session || master.address === from) return true
    return message._tag === "Announce" && nowMillis - master.heardMillis >= Limits.forgetMillis
  }
  /** One master at a time; a silent one is forgotten. */
  heeds(message: Message, nowMillis: number): boolean {
    if (this.passedOver.has(message.session)) return false
    if (this.master === undefined || this.master.announce.session === message.session) return true
    return nowMillis - this.master.heardMillis >= Limits.forgetMillis
  }
}

const seek = Effect.fnUntraced(function* (inbox: Inbox, options: JoinOptions, seeker: Seeker) {
  const now = yield* Monotonic.millis
  const exchange = yield* CatcherExchange
  while (true) {
    const batches = yield* inbox
    for (const received of batches.flat()) {
      const { from } = received
      for (const message of opened(exchange, received)) {
        const nowMillis = now()
        if (!seeker.heeds(message, nowMillis)) continue
        if (!seeker.isFrom(from, message, nowMillis)) continue
        if (message._tag === "Bye" || (message._tag === "Abort" && message.file === undefined)) {
          // of a session that we have not heard announced anybody may say this
          if (seeker.master?.announce.session !== message.session) continue
          // its last announcement may come after its last words
          seeker.passOver(message.session)
          seeker.of(from).isOver = true
          seeker.master = undefined
        } else if (message._tag === "Announce") {
          seeker.calls(from, message, nowMillis)
          const heard = seeker.of(from)
          heard.announcements++
          yield* ask(options, seeker, from, message)
          heard.joins++
        } else if (message._tag === "Welcome" && seeker.master?.address === from) {
          const slot = yield* welcomed(message, options, seeker, from)
          if (slot === undefined) continue
          const { announce, delay } = seeker.master
          const { blockPages, pageBytes, session, timeoutMillis } = announce
          const { incarnation, place } = seeker
          return {
            session,
            slot,
            incarnation,
            place,
            master: from,
            pageBytes,
            blockPages,
            timeoutMillis,
            pages: (yield* CatcherExchange).pagesOf(session),
            delay
          } as Joined
        }
      }
    }
  }
})

const ask = Effect.fnUntraced(function* (options: JoinOptions, seeker: Seeker, to: Address, announce: Announce) {
  const transport = yield* Transport
  yield* seeker.asks(announce.session)
  yield* spreading(announce)
  seeker.place = placeAt(seeker.place, transport.local)
  const { session } = announce
  const join = joinOf(transport, { session, incarnation: seeker.incarnation, place: seeker.place }, options.name)
  const { tell } = yield* CatcherExchange
  // most of what is sent there may be lost
  const isUnheard = seeker.refused === undefined && seeker.of(to).joins >= Limits.joinsAlone
  for (let copies = isUnheard ? Limits.copies : 1; copies > 0; copies--) {
    yield* tell(to, join)
  }
})

/** [J-1] Many catchers do not all answer an announcement at the same moment. */
export const spreading = (announce: Announce): Effect.Effect<void> => {
  const spreadMillis = Math.min(announce.spreadMillis, Limits.spreadMillis)
  return spreadMillis > 0 ? Effect.flatMap(Random.nextBetween(0, spreadMillis), Effect.sleep) : Effect.void
}

/** Asks to be taken in, or says where we are now. */
export const joinOf = (
  { receiveBufferBytes }: Transport["Service"],
  { incarnation, place, session }: Pick<Joined, "incarnation" | "place" | "session">,
  name: string
): Join => {
  const { key, moves } = place
  return { _tag: "Join", session, incarnation, key, moves, receiveBufferBytes, name }
}

// Our slot, if this welcome names us.
const welcomed = Effect.fnUntraced(function* (message: Welcome, options: JoinOptions, seeker: Seeker, from: Address) {
  const own = message.guests.find((guest) => guest.incarnation === seeker.incarnation)
  if (own === undefined) return undefined
  if ("slot" in own) return own.slot
  const progress = yield* Progress
  const reason = JoinRefusals.words[own.refusal]
  if (seeker.refused?.reason !== reason) progress.publish({ _tag: "Refused", id: options.name, address: from, reason })
  seeker.refused = new JoinRefused({ master: from, reason })
  if (JoinRefusals.isNameHeld(own.refusal)) return undefined
  // [J-7] it was taken in without hearing so, and given up before it did: another incarnation may
  // come
  if (own.refusal === "Started") {
    yield* seeker.renew
    return undefined
  }
  if (options.waitMillis !== undefined) return yield* seeker.refused
  seeker.passOver(message.session)
  return undefined
})
