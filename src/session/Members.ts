/**
 * The members of a master's session: joins and welcomes, newcomers until they answer, losses, and
 * the choice of the catchers that clock the window. The rules of the roster itself are pure, in
 * protocol/group/Roster.ts.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Roster from "../protocol/group/Roster.ts"
import * as Spread from "../protocol/group/Spread.ts"
import * as Limits from "../protocol/Limits.ts"
import type { Progress } from "../report/Progress.ts"
import { type Address, hostOf, isSameHost } from "../protocol/Address.ts"
import type { TransportError } from "../transport/Transport.ts"
import type * as Message from "../wire/Message.ts"
import type { MasterExchange } from "./Exchange.ts"
import { JoinRate } from "./JoinRate.ts"
import * as JoinRefusals from "./JoinRefusals.ts"
import type { Pace } from "./Sender.ts"
import type { Calls } from "./Silence.ts"

interface Options {
  readonly exchange: MasterExchange["Service"]
  readonly wanted: number
  readonly hosts: ReadonlyArray<string> | undefined
  readonly timeoutMillis: number
  readonly now: () => number
  readonly progress: Progress["Service"]
  readonly pace: Pace
  /** The master's own address, as it is now. */
  readonly local: () => Address
  /** Since when this program has been running: while it did not, nobody could be heard. */
  readonly awakeMillis: () => number
  /** Polls these, to see whether they are there. */
  readonly call: (slots: Message.Audience) => Effect.Effect<void, TransportError>
  /** Polls them, each as often as that says, in parts. */
  readonly callInParts: (calls: Calls) => Effect.Effect<void, TransportError>
  /** The catcher of that slot has joined, or joins again. */
  readonly onJoined: (slot: number) => void
  /** A newcomer was given the slot, which may have been another catcher's. */
  readonly came: (slot: number) => void
  /** The catcher has answered, and takes part. */
  readonly proved: (slot: number) => void
  /** The slot is heard no more. */
  readonly left: (slot: number) => void
  /** A catcher that took part was lost, and that was told. */
  readonly onLost: (slot: number) => void
}

/** Somebody that was not taken in, and why. */
export interface Turned {
  readonly id: string
  readonly address: Address
  readonly reason: string
}

/** The catchers of a session. */
export class Members extends Context.Service<
  Members,
  {
    /** As of now. */
    readonly roster: () => Roster.Roster
    /**
     * Opens when somebody joined, was lost, or another master was heard; close it and look again.
     */
    readonly changed: Latch.Latch
    /** Catchers that came and were not taken in, and have not joined since; the first so many. */
    readonly turnedAway: () => ReadonlyArray<Turned>
    /**
     * True while a catcher that was refused for its name still asks, and its name has become free.
     * The session must not end before it has joined. [J-9]
     */
    readonly hasRetrying: () => boolean
    /** Gives a catcher up. */
    readonly lose: (slot: number, reason: string) => Effect.Effect<void>
    /**
     * A catcher on the list of hosts could not be started, or has ended there: it is lost, or not
     * waited for.
     */
    readonly unreached: (name: string, reason: string) => Effect.Effect<void>
    /**
     * Pages that catchers missed lately, by slot: those that missed most are to clock the window.
     */
    readonly missed: (pages: ReadonlyMap<number, number>) => Effect.Effect<void>
  }
>()("mrsync/session/Members") {}

/** Guests in one Welcome: 7 bytes each. */
const maxGuests = 128

export class MemberList {
  roster: Roster.Roster
  /** The session is over: nobody is taken in any more. [J-5] */
  isOver = false
  /** Opens when somebody joined, was lost, or another master was heard. */
  readonly changed = Latch.makeUnsafe(false)
  /** Opens when a catcher that was away is heard again, or lost. */
  readonly cameBack = Latch.makeUnsafe(false)
  private readonly options: Options
  private readonly joinRate = new JoinRate()
  /** By incarnation. */
  private readonly refused = new Map<number, Turned>()
  /** By slot: pages missed lately, halved from round to round. */
  private readonly missedLately = new Map<number, number>()
  private ackers: Message.Audience = []
  /** When a name was asked for last that was taken. */
  private readonly knocks = new Map<string, number>()
  private readonly welcomes: Array<Message.Welcome["guests"][number]> = []
  private readonly welcomeMillis: number
  private welcomedMillis = -Infinity
  /** Opens when guests are left waiting for their welcome. */
  private readonly guestsWait = Latch.makeUnsafe(false)
  /**
   * Newcomers, since when each is one; those that are asked whether they are there after their
   * welcome.
   */
  private readonly newSince = new Map<number, number>()
  private readonly unproved: Array<number> = []
  private readonly newcomer = Latch.makeUnsafe(false)
  private silentNewcomers = 0

  constructor(options: Options) {
    this.options = options
    this.roster = Roster.make(options.hosts)
    this.welcomeMillis = Spread.welcomeMillis(options.wanted)
  }

  service(): Members["Service"] {
    return {
      roster: () => this.roster,
      changed: this.changed,
      turnedAway: () => this.turnedAway(),
      hasRetrying: () => this.hasRetrying(),
      lose: (slot, reason) => this.lose(slot, reason),
      unreached: (name, reason) => this.unreached(name, reason),
      missed: (pages) => this.missed(pages)
    }
  }

  isPresent(slot: number): boolean {
    return slot < this.roster.members.length && this.roster.members[slot].lost === undefined
  }

  present(): ReadonlyArray<Roster.Member> {
    return Roster.present(this.roster)
  }

  /** Those that were not taken in, and have not joined since; the first so many. */
  private turnedAway(): ReadonlyArray<Turned> {
    const names = new Set(this.present().map((member) => member.name))
    return [...this.refused.values()].filter(({ id, reason }) => !names.has(id) || JoinRefusals.isHeldReason(reason))
  }

  /**
   * Is there a join, or an answer to somebody that is lost, left for that one? Under a seal
   * addresses are not counted, which a hostile catcher may forge: the seal bounds joins, and a slot
   * is its pair's.
   */
  private mayAsk(one: string): boolean {
    return this.joinRate.take(one, this.options.now())
  }

  private mayJoin(from: Address): boolean {
    return this.options.exchange.protection.sealed || this.mayAsk(hostOf(from))
  }

  /** The window is clocked by these from now on. */
  private acknowledge = Effect.suspend(() => {
    const { local, pace } = this.options
    const receiveBufferBytes = this.present().reduce((least, m) => Math.min(least, m.receiveBufferBytes), Infinity)
    this.ackers = Roster.ackers(this.roster, this.missedLately)
    const isLocal = (slot: number) => isSameHost(this.roster.members[slot].address, local())
    return pace.setAckers(this.ackers, receiveBufferBytes, isLocal)
  })

  /** Pages that catchers missed lately, by slot: those that missed most are to clock the window. */
  private missed(pages: ReadonlyMap<number, number>): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { missedLately } = this
      for (const [slot, before] of missedLately) missedLately.set(slot, Math.floor(before / 2))
      for (const [slot, count] of pages) missedLately.set(slot, (missedLately.get(slot) ?? 0) + count)
      const next = Roster.ackers(this.roster, missedLately)
      return next.every((slot, i) => slot === this.ackers[i]) ? Effect.void : this.acknowledge
    })
  }

  /** Loses a catcher, as `losing` says: by default it may join again. */
  lose(slot: number, reason: string, losing = Roster.lose): Effect.Effect<void> {
    return Effect.suspend(() => {
      const member = this.roster.members[slot]
      if (member === undefined || member.lost !== undefined) return Effect.void
      this.roster = losing(this.roster, slot, reason)
      this.newSince.delete(slot)
      this.options.left(slot)
      // a newcomer has never been told of
      if (member.isNew) return Effect.void
      this.options.progress.publish({ _tag: "Lost", id: member.name, address: member.address, reason })
      this.options.onLost(slot)
      return Effect.tap(this.acknowledge, () =>
        Effect.sync(() => {
          this.changed.openUnsafe()
          this.cameBack.openUnsafe()
        })
      )
    })
  }

  private unreached(name: string, reason: string): Effect.Effect<void> {
    return Effect.suspend(() => {
      const before = this.roster
      this.roster = Roster.giveUp(before, name, reason)
      if (this.isOver || this.roster === before) return Effect.void
      this.changed.openUnsafe()
      const known = before.members.filter((member) => member.name === name)
      const joined = known.filter(({ isNew }) => !isNew)
      // one that is there is told to be lost
      if (joined.length === 0) this.options.progress.publish({ _tag: "Unreachable", id: name, reason })
      else if (joined.every(({ lost }) => lost !== undefined))
        this.options.progress.publish({ _tag: "Note", message: `${name}: ${reason}` })
      return Effect.forEach(known, ({ slot }) => this.lose(slot, reason), { discard: true })
    })
  }

  /** [J-7] It is told that it was given up, so that it joins anew. */
  tellGivenUp(incarnation: number): void {
    this.welcomes.push({ incarnation, refusal: "Started" })
  }

  /** The same to one that answers. */
  answerGivenUp(from: Address, { incarnation, slot }: Pick<Message.PollOk, "incarnation" | "slot">): boolean {
    const isTold = this.mayAsk(this.options.exchange.protection.sealed ? `slot ${slot}` : hostOf(from))
    if (isTold) this.tellGivenUp(incarnation)
    return isTold
  }

  private refuse(name: string, from: Address, incarnation: number, refusal: Message.Refusal): void {
    this.welcomes.push({ incarnation, refusal })
    if (JoinRefusals.isNameHeld(refusal)) this.knocks.set(name, this.options.now())
    // it may go on asking; that is told once
    if (this.refused.has(incarnation)) return
    if (this.refused.size >= Limits.slots) this.refused.clear()
    const holder = Roster.holderOf(this.roster, name)?.address
    const turned = { id: name, address: from, reason: JoinRefusals.reasonOf(refusal, holder) }
    this.refused.set(incarnation, turned)
    this.options.progress.publish({ _tag: "Refused", ...turned })
  }

  /** A join. Answers "Ignored" where nobody is to hear of it. */
  join(from: Address, message: Message.Join): Effect.Effect<void> | "Ignored" | undefined {
    const { incarnation, key, moves, name, receiveBufferBytes } = message
    const joined = Roster.join(this.roster, { incarnation, key, moves, name, receiveBufferBytes, address: from })
    const isUnknown = joined._tag === "New" || joined._tag === "Refused"
    if (joined._tag === "Foreign" || (isUnknown && !this.mayJoin(from))) return "Ignored"
    if (joined._tag === "Refused") {
      this.refuse(name, from, incarnation, joined.refusal)
      return undefined
    }
    const { member } = joined
    this.welcomes.push({ incarnation, slot: member.slot })
    if (member.isNew) this.unproved.push(member.slot)
    this.options.onJoined(member.slot)
    if (joined._tag === "Known") return undefined
    this.roster = joined.roster
    if (joined._tag === "New") {
      this.options.came(member.slot)
      this.newSince.set(member.slot, this.options.now())
      this.newcomer.openUnsafe()
    }
    return joined._tag === "Moved" && !member.isNew ? this.moved(member, joined.before) : undefined
  }

  private moved(member: Roster.Member, before: Address): Effect.Effect<void> {
    const message = `${member.name} has another address: ${member.address}, ${before} before`
    this.options.progress.publish({ _tag: "Note", message })
    return this.acknowledge
  }

  /** [J-14] A newcomer has answered: now it takes part. */
  prove(member: Roster.Member): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { address, incarnation, name, slot } = member
      // two answers in one datagram prove it once; after the end it would be sent nothing
      if (this.isOver || Roster.memberOf(this.roster, slot, incarnation)?.isNew !== true) return Effect.void
      const proved = Roster.prove(this.roster, slot)
      this.roster = proved.roster
      this.newSince.delete(slot)
      // it has its welcome, and would not heed a refusal: it joins anew, and is refused then
      if (proved._tag === "Refused") return Effect.sync(() => this.tellGivenUp(incarnation))
      this.options.proved(slot)
      this.knocks.delete(name)
      const wanted = Roster.numberWanted(this.options.wanted - Roster.unreachable(this.roster).length)
      this.options.progress.publish({ _tag: "Joined", id: name, address, joined: this.present().length, ...wanted })
      return Effect.tap(this.acknowledge, () => Effect.sync(() => this.changed.openUnsafe()))
    })
  }

  /**
   * Newcomers that have not answered are asked again, and forgotten when they never do. Once; waits
   * while there are none.
   */
  readonly lookAfterNewcomers = Effect.gen({ self: this }, function* () {
    const { awakeMillis, callInParts, now, timeoutMillis } = this.options
    if (this.newSince.size === 0) this.newcomer.closeUnsafe()
    yield* this.newcomer.await
    // one that has just come may have missed its poll; of many most are on their way, or strangers
    const youngest = now() - Math.max(...this.newSince.values())
    const soon = Math.min(Limits.announceMillis, Math.max(youngest, 2 * Limits.questionMillis))
    yield* Effect.sleep(this.areNewcomersFew() ? soon : Limits.announceMillis)
    const waiting: Array<number> = []
    for (const [slot, sinceMillis] of this.newSince) {
      if (now() - Math.max(sinceMillis, awakeMillis()) < timeoutMillis / 2) waiting.push(slot)
      else {
        this.roster = Roster.lose(this.roster, slot, "it never answered")
        this.newSince.delete(slot)
        this.silentNewcomers++
      }
    }
    // one that has not answered for that long may have answered in vain
    const isLate = (slot: number) => now() - (this.newSince.get(slot) ?? 0) >= Limits.announceMillis
    const lateCalls = this.areNewcomersFew() ? Limits.copies : 1
    yield* callInParts(new Map(waiting.map((slot) => [slot, isLate(slot) ? lateCalls : 1])))
  })

  private areNewcomersFew(): boolean {
    return this.newSince.size + this.silentNewcomers < Limits.silentNewcomers
  }

  /** May a catcher come yet that is to be waited for? */
  private hasRetrying(): boolean {
    const { now } = this.options
    const isComing = [...this.newSince.values()].some((millis) => now() - millis < Limits.knockMillis)
    if (isComing && this.areNewcomersFew()) return true
    const taken = new Set(this.present().map((member) => member.name))
    return [...this.knocks].some(([name, millis]) => now() - millis < Limits.knockMillis && !taken.has(name))
  }

  /** Is there a guest to be welcomed now? Those that have come just after others wait. [J-16] */
  isToWelcome(): boolean {
    const guests = this.welcomes.length
    const isSoon = this.options.now() - this.welcomedMillis < this.welcomeMillis
    if (isSoon && guests > 0) this.guestsWait.openUnsafe()
    return guests >= (isSoon ? maxGuests : 1)
  }

  /** Welcomes the guests that were left waiting. Once; waits while there are none. */
  readonly lookAfterGuests = Effect.gen({ self: this }, function* () {
    this.guestsWait.closeUnsafe()
    yield* this.guestsWait.await
    yield* Effect.sleep(Math.max(0, this.welcomedMillis + this.welcomeMillis - this.options.now()))
    yield* this.welcome
  })

  /**
   * One datagram welcomes all that have joined since the last. Nobody is asked anything before its
   * welcome: it would not heed it.
   */
  readonly welcome = Effect.gen({ self: this }, function* () {
    if (this.welcomes.length === 0) return
    const { call, exchange, now } = this.options
    this.welcomedMillis = now()
    while (this.welcomes.length > 0) {
      const guests = this.welcomes.splice(0, maxGuests)
      yield* exchange.sendNow({ _tag: "Welcome", session: exchange.session, guests })
    }
    this.changed.openUnsafe()
    const audience = [...new Set(this.unproved.splice(0))].sort((a, b) => a - b)
    if (audience.length > 0) yield* call(audience)
  })
}
