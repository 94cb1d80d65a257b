/**
 * A master's session: its id, who is in it, the air, and the one way to ask the group something. The phases stand on
 * this service; it owns the only reader of the transport and the repetition of announcements.
 *
 * a question is repeated, to those who owe an answer, until each has answered, is lost, or patience ends.
 * a catcher that says nothing at all for the session's time-out, while it is asked, is lost.
 */

import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Roster from "../protocol/group/Roster.ts"
import * as Slices from "../protocol/group/Slices.ts"
import * as Limits from "../protocol/Limits.ts"
import * as Window from "../protocol/pace/Window.ts"
import { membershipHint } from "../report/Errors.ts"
import { Progress } from "../report/Progress.ts"
import { type Address, type Received, Transport, TransportError } from "../transport/Transport.ts"
import * as Codec from "../wire/Codec.ts"
import * as Header from "../wire/Header.ts"
import type * as Message from "../wire/Message.ts"
import * as Air from "./Air.ts"
import { AnswerLoss, type Series } from "./AnswerLoss.ts"
import type { Demand } from "./Demand.ts"
import { JoinRate } from "./JoinRate.ts"
import * as Monotonic from "./Monotonic.ts"
import * as Probing from "./Probing.ts"
import * as Refusal from "./Refusal.ts"

/** What catchers answer to questions about a file. */
export type FileAnswer =
  | Message.OpenOk
  | Message.SitOut
  | Message.Missing
  | Message.Complete
  | Message.CloseOk
  | Message.Aborted

/** Something that a master asks of several catchers at once, about one file. */
export interface Question {
  readonly file: number
  readonly audience: Message.Audience
  /** The question, to a slice of its audience. */
  readonly encode: (slice: Message.Audience) => Uint8Array
  /** Is this the answer of that slot? Called once for each slot with true. */
  readonly accept: (slot: number, answer: FileAnswer) => boolean
  /** Who has not answered by then is left out; without it the session's own patience holds. */
  readonly patienceMillis?: number
  /** Who is away, while another answers, is left out as well. */
  readonly leavesOut?: boolean
  /** One that lives and does not answer for a time-out is left out, while others are here, and asked on alone. */
  readonly leavesOutMute?: boolean
  /** One whose answers are lost is waited for as any other. */
  readonly awaitsUnheard?: boolean
}

/** What keeps a catcher behind the others. */
export type Straggle = "loss" | "lost answers" | "slow machine" | "slow link" | "silence"

/** What a session is to do; the options of `Master.run` include these. */
export interface Options {
  /** The largest page, in bytes. */
  readonly pageBytes: number
  /** No smaller page is used where a path is narrower; its catcher is sent nothing instead. */
  readonly isPageFixed?: boolean
  /** Milliseconds of silence after which a catcher counts as lost. */
  readonly timeoutMillis: number
  /** How many catchers are all. */
  readonly wanted: number
  /** The names of all catchers that are taken in; any name, where it is not given. */
  readonly hosts?: ReadonlyArray<string>
  /** Cap on the bytes that go on the air in a second; none where it is not given. */
  readonly bytesPerSecond?: number
}

/**
 * The service that the phases of a master stand on. Make it with `make`, run its `run` beside the
 * phases, and give it to them; nothing is heard or said while `run` does not run.
 */
export class Session extends Context.Service<
  Session,
  {
    readonly id: bigint
    /** Which pages reach the catchers. */
    readonly probing: Probing.Probing
    readonly air: Air.Air
    readonly roster: () => Roster.Roster
    /** Opens when somebody joined, was lost, or another master was heard; close it and look again. */
    readonly changed: Latch.Latch
    /** Was somebody refused just now, because a catcher had the name that is lost since? It asks again. */
    readonly knocking: () => boolean
    /** Another master that uses the group, and how long that may be believed without a further sign of it. */
    readonly rival: () => { readonly address: Address; readonly leftMillis: number } | undefined
    /** Leaves the group to another master until the scope closes: calls nobody, and lets go the catchers that have joined. */
    readonly standBack: Effect.Effect<void, never, Scope.Scope>
    /** Who came and was not taken in, and has not joined since; the first so many. */
    readonly turnedAway: () => ReadonlyArray<Turned>
    /** Asks; the slots that answered. Those who never did are lost, or left out where the question says so. */
    readonly ask: (question: Question) => Effect.Effect<Message.Audience, TransportError>
    /** [J-5] Ends the announcements; nobody is taken in any more. */
    readonly end: () => void
    /** Ends it, and says something that nobody answers a few times. */
    readonly lastWords: (message: Message.FromMaster) => Effect.Effect<void, TransportError>
    readonly lose: (slot: number, reason: string) => Effect.Effect<void>
    /** Silence of a barrier's length: others do not wait longer. Milliseconds. */
    readonly awayMillis: number
    /** Those of them that were silent for so long are away until they are heard again, or lost. */
    readonly leaveOut: (slots: Message.Audience) => void
    readonly isAway: (slot: number) => boolean
    /** Are most of its answers lost, while some are heard? */
    readonly losesAnswers: (slot: number) => boolean
    /** That of catchers which are present, as far as each of them `wants` something. */
    readonly demand: (slots: Message.Audience, wants: (slot: number) => boolean) => Demand
    /** Tells of every catcher that sits the file out, also unasked [O-7], until the scope closes. */
    readonly onSitOut: (
      file: number,
      heed: (slot: number, reason: string) => void
    ) => Effect.Effect<void, never, Scope.Scope>
    /** Does the window not wait for it, because it would wait most of the time? */
    readonly isBenched: (slot: number) => boolean
    /** What catchers missed lately, by slot: those that missed most are to clock the window. */
    readonly missed: (pages: ReadonlyMap<number, number>) => Effect.Effect<void>
    /** Bytes of content that a catcher holds, as it answered last. */
    readonly held: (slot: number) => number
    /** Asks a few of those that have not said so for a while. */
    readonly askHeld: Effect.Effect<void, TransportError>
    /** Why a catcher fell behind, as far as it shows; `isLate`: a file did not wait for it. `missedPages`: all that it missed. */
    readonly straggled: (slot: number, isLate: boolean, missedPages: number) => Straggle | undefined
    /** Datagrams that were none of ours, or not to be read. */
    readonly ignored: () => number
    /** Gives up those who are silent, whether or not anything is asked; never ends. */
    readonly rollCall: Effect.Effect<never, TransportError>
    /** The sender, the receiver and the announcements; fails when the transport does. */
    readonly run: Effect.Effect<never, TransportError>
  }
>()("mrsync/session/Session") {
  static readonly layer = (options: Options): Layer.Layer<Session, never, Transport | Progress> =>
    Layer.effect(Session, make(options))
}

/** Who was not taken in, and why. */
export interface Turned {
  readonly id: string
  readonly address: Address
  readonly reason: string
}

const mute = "alive, but it did not answer a question for too long"

const allSilent = `all catchers fell silent at about the same time. ${membershipHint}`

/** A question on its way: who owes an answer, in all and of the slice asked last. */
class Asked {
  readonly question: Question
  readonly owing: Set<number>
  readonly answered: Array<number> = []
  readonly sliceAnswered = Latch.makeUnsafe(false)
  private readonly losesAnswers: (slot: number) => boolean
  private slice = new Set<number>()

  constructor(question: Question, audience: Message.Audience, losesAnswers: (slot: number) => boolean) {
    this.question = question
    this.owing = new Set(audience)
    this.losesAnswers = losesAnswers
  }
  nextSlice(slots: number): Message.Audience {
    const slice = [...this.owing].slice(0, slots)
    this.slice = new Set(slice)
    // asked again after all others have been, so that the silent hold up nobody
    for (const slot of slice) this.owing.delete(slot)
    for (const slot of slice) this.owing.add(slot)
    slice.sort((a, b) => a - b)
    this.sliceAnswered.closeUnsafe()
    return slice
  }
  owingOfSlice(): number {
    return this.slice.size
  }
  /** Is it an answer to this question? */
  hear(slot: number, answer: FileAnswer): boolean {
    if (!this.owing.has(slot) || !this.question.accept(slot, answer)) return false
    this.owing.delete(slot)
    this.slice.delete(slot)
    this.answered.push(slot)
    if (!this.isAwaited(this.slice)) this.sliceAnswered.openUnsafe()
    return true
  }
  /** Must one of them still answer? A question that may leave out some waits for no lost answers once one has come. */
  private isAwaited(slots: ReadonlySet<number>): boolean {
    const { awaitsUnheard, leavesOut, patienceMillis } = this.question
    const isForAll = awaitsUnheard === true || (leavesOut !== true && patienceMillis === undefined)
    if (this.answered.length === 0 || isForAll) return slots.size > 0
    for (const slot of slots) if (!this.losesAnswers(slot)) return true
    return false
  }
  isOpen(): boolean {
    return this.isAwaited(this.owing)
  }
}

/**
 * Makes a session with a new id on the transport, whose only reader it is. It ends with the scope.
 */
export const make = (options: Options): Effect.Effect<Session["Service"], never, Transport | Progress | Scope.Scope> =>
  Effect.gen(function* () {
    const transport = yield* Transport
    const progress = yield* Progress
    const telling = Effect.provideContext(Refusal.telling, yield* Effect.context<Transport | Progress>())
    const now = yield* Monotonic.millis
    const word = Random.nextIntBetween(0, 0xffff_ffff)
    const id = (BigInt(yield* word) << 32n) | BigInt(yield* word)
    const session = Header.sessionOf(id)
    const startedMillis = now()
    const changed = Latch.makeUnsafe(false)
    const probing = Probing.make({
      session: id,
      pageBytes: options.pageBytes,
      isPageFixed: options.isPageFixed ?? false,
      bytesPerSecond: options.bytesPerSecond,
      glues: transport.glues,
      now,
      present: () => Roster.present(roster),
      send: transport.send,
      changed: () => changed.openUnsafe(),
      asked: (slots, train) => losses.asked(slots, "probes", train, now()),
      note: (message) => progress.publish({ _tag: "Note", message })
    })
    const air = yield* Air.make({
      session: id,
      bytesPerSecond: options.bytesPerSecond,
      isGlued: probing.isGlued,
      polled: (slots, poll) => losses.asked(slots, "polls", poll, now())
    })
    /** Opens when a catcher that was away is heard again, or lost. */
    const cameBack = Latch.makeUnsafe(false)
    const heardMillis: Array<number> = []
    /** Who is away, since when. */
    const away = new Map<number, number>()
    const awayMillis = options.timeoutMillis / 4
    /** A master that was heard and falls silent may only be cut off for a while. */
    const rivalMillis = Math.max(awayMillis, Limits.hearsayMillis)
    /** Those that answer polls and have not answered a question for long. */
    const stuck = new Set<number>()
    const scope = yield* Effect.scope
    const pending = new Set<Asked>()
    const sitOutListeners = new Set<{ readonly file: number; readonly heed: (slot: number, reason: string) => void }>()
    let slices = Slices.make(transport.receiveBufferBytes)
    /** By incarnation. */
    const refused = new Map<number, Turned>()
    /** Who was silent for long while an answer was owed, once or for good. */
    const wereSilent = new Set<number>()
    const losses = new AnswerLoss()
    /** When each that was lost in silence was lost. */
    const silenced: Array<number> = []
    /** By slot: pages missed lately, halved from round to round, and datagrams lost in the catcher's own buffers. */
    const missedLately = new Map<number, number>()
    const dropped: Array<number> = []
    const held: Array<number> = []
    /** When each said so last, or was asked to. */
    const heldMillis: Array<number> = []
    let ackers: Message.Audience = []
    /** When a name was asked for last that was taken. */
    const knocks = new Map<string, number>()
    const welcomes: Array<Message.Welcome["guests"][number]> = []
    /** Newcomers, since when each is one; those that are asked whether they are there after their welcome. */
    const newSince = new Map<number, number>()
    const unproved: Array<number> = []
    const newcomer = Latch.makeUnsafe(false)
    let silentNewcomers = 0
    const joinRate = new JoinRate()
    let roster = Roster.make(options.hosts)
    let rival: { readonly address: Address; readonly untilMillis: number } | undefined
    let standsBack = false
    let ignored = 0
    let over = false
    /** Since when we have been running: while we did not, nobody could be heard. */
    let awakeMillis = startedMillis

    // ---- who is in it ----

    const acknowledge = Effect.suspend(() => {
      const present = Roster.present(roster)
      const receiveBufferBytes = present.reduce((least, m) => Math.min(least, m.receiveBufferBytes), Infinity)
      ackers = Roster.ackers(roster, missedLately)
      return air.setAckers(
        ackers,
        receiveBufferBytes,
        (slot) => Roster.hostOf(roster.members[slot].address) === Roster.hostOf(transport.local)
      )
    })

    const missed = (pages: ReadonlyMap<number, number>) =>
      Effect.suspend(() => {
        for (const [slot, before] of missedLately) missedLately.set(slot, Math.floor(before / 2))
        for (const [slot, count] of pages) missedLately.set(slot, (missedLately.get(slot) ?? 0) + count)
        const next = Roster.ackers(roster, missedLately)
        return next.every((slot, i) => slot === ackers[i]) ? Effect.void : acknowledge
      })

    const straggled = (slot: number, isLate: boolean, missedPages: number): Straggle | undefined => {
      // what it misses is counted after the pages
      const losesPages = Window.isLossy(air.window(), slot)
      // pages arrive, and of what we ask little comes back
      const arePagesThere = !losesPages && missedPages < air.totals().pages * Limits.toleratedLoss
      if (losses.isMost(slot) && arePagesThere) return "lost answers"
      if (wereSilent.has(slot)) return "silence"
      if (!isLate && !Window.wasBenched(air.window(), slot)) return undefined
      // its disk or its processor: what it has no time to read fills its buffers
      if ((dropped[slot] ?? 0) > 0) return "slow machine"
      // lost answers close a window as a slow link does
      if (Window.losesAtAnyPace(air.window(), slot)) return "loss"
      if (Window.isSlow(air.window(), slot)) return "slow link"
      // who got everything at once took long to put it away
      return missedPages > 0 || losesPages ? "loss" : "slow machine"
    }

    const lose = Effect.fnUntraced(function* (slot: number, reason: string, losing = Roster.lose) {
      const member = roster.members[slot]
      if (member === undefined || member.lost !== undefined) return
      roster = losing(roster, slot, reason)
      away.delete(slot)
      stuck.delete(slot)
      // A newcomer that was stopped has never been told of.
      newSince.delete(slot)
      if (member.isNew) return
      progress.publish({ _tag: "Lost", id: member.name, address: member.address, reason })
      if (wereSilent.has(slot)) silenced.push(now())
      if (haveAllGone(silenced)) progress.publish({ _tag: "Note", message: allSilent })
      yield* acknowledge
      changed.openUnsafe()
      cameBack.openUnsafe()
    })

    const refuse = (name: string, from: Address, incarnation: number, refusal: Message.Refusal) => {
      welcomes.push({ incarnation, refusal })
      if (isNameHeld(refusal)) knocks.set(name, now())
      // it may go on asking; that is told once
      if (refused.has(incarnation)) return
      if (refused.size >= Limits.slots) refused.clear()
      const turned = { id: name, address: from, reason: refusals[refusal] }
      refused.set(incarnation, turned)
      progress.publish({ _tag: "Refused", ...turned })
    }

    const join = (from: Address, message: Message.Join): Effect.Effect<void> | undefined => {
      const { incarnation, key, moves, name, receiveBufferBytes } = message
      const joined = Roster.join(roster, { incarnation, key, moves, name, receiveBufferBytes, address: from })
      if (joined._tag === "Foreign" || (isUnknown(joined) && !joinRate.take(Roster.hostOf(from), now()))) {
        ignored++
        return undefined
      }
      if (joined._tag === "Refused") {
        refuse(name, from, incarnation, joined.refusal)
        return undefined
      }
      const { member } = joined
      welcomes.push({ incarnation, slot: member.slot })
      if (member.isNew) unproved.push(member.slot)
      heardMillis[member.slot] = now()
      if (joined._tag === "Known") return undefined
      roster = joined.roster
      if (joined._tag === "New") {
        losses.forget(member.slot)
        air.setUnheard(member.slot, false)
        newSince.set(member.slot, now())
        newcomer.openUnsafe()
      }
      return joined._tag === "Moved" && !member.isNew ? moved(member, joined.before) : undefined
    }

    const moved = (member: Roster.Member, before: Address) => {
      const message = `${member.name} has another address: ${member.address}, ${before} before`
      progress.publish({ _tag: "Note", message })
      return acknowledge
    }

    // [J-15] It has answered: now it takes part.
    const prove = Effect.fnUntraced(function* (member: Roster.Member) {
      const { address, incarnation, name, slot } = member
      // two answers in one datagram prove it once; after the end it would be sent nothing
      if (over || Roster.memberOf(roster, slot, incarnation)?.isNew !== true) return
      const proved = Roster.prove(roster, slot)
      roster = proved.roster
      newSince.delete(slot)
      if (proved._tag === "Refused") return refuse(name, address, incarnation, proved.refusal)
      // of who had the slot before it was let go
      wereSilent.delete(slot)
      dropped[slot] = 0
      probing.joined(slot)
      knocks.delete(name)
      const count = Roster.present(roster).length
      progress.publish({ _tag: "Joined", id: name, address, joined: count, ...Roster.numberWanted(options.wanted) })
      yield* acknowledge
      changed.openUnsafe()
    })

    // a dead machine is silent alone; what parts all of them at one time is between them and us
    const haveAllGone = (silenced: ReadonlyArray<number>): boolean =>
      silenced.length > 1 &&
      silenced.length === Roster.participants(roster).length &&
      now() - startedMillis >= Limits.membershipMillis &&
      now() - silenced[0] <= options.timeoutMillis

    // Newcomers that have not answered are asked again, and forgotten when they never do.
    const lookAfterNewcomers = Effect.gen(function* () {
      if (newSince.size === 0) newcomer.closeUnsafe()
      yield* newcomer.await
      // one that has just come may have missed its poll; of many most are on their way, or strangers
      const youngest = now() - Math.max(...newSince.values())
      const soon = Math.min(Limits.announceMillis, Math.max(youngest, 2 * Limits.questionMillis))
      yield* Effect.sleep(areNewcomersFew() ? soon : Limits.announceMillis)
      const waiting: Array<number> = []
      for (const [slot, sinceMillis] of newSince) {
        if (now() - Math.max(sinceMillis, awakeMillis) < options.timeoutMillis / 2) waiting.push(slot)
        else {
          roster = Roster.lose(roster, slot, "it never answered")
          newSince.delete(slot)
          silentNewcomers++
        }
      }
      // one that has not answered for that long may have answered in vain
      const isLate = (slot: number) => now() - (newSince.get(slot) ?? 0) >= Limits.announceMillis
      const again = areNewcomersFew() ? waiting.filter(isLate) : []
      yield* areYouThere([...waiting, ...Array.from({ length: Limits.copies - 1 }, () => again).flat()])
    })

    const areNewcomersFew = () => newSince.size + silentNewcomers < Limits.silentNewcomers

    /** May somebody come yet who is to be waited for? */
    const knocking = () => {
      const isComing = [...newSince.values()].some((millis) => now() - millis < Limits.knockMillis)
      if (isComing && areNewcomersFew()) return true
      const taken = new Set(Roster.present(roster).map((member) => member.name))
      return [...knocks].some(([name, millis]) => now() - millis < Limits.knockMillis && !taken.has(name))
    }

    // One datagram welcomes all who joined in a batch. Nobody is asked anything before its welcome: it would not heed it.
    const welcome = Effect.gen(function* () {
      if (welcomes.length === 0) return
      while (welcomes.length > 0) {
        yield* air.say(Codec.encode({ _tag: "Welcome", session: id, guests: welcomes.splice(0, maxGuests) }))
      }
      changed.openUnsafe()
      const audience = [...new Set(unproved.splice(0))].sort((a, b) => a - b)
      if (audience.length > 0) yield* callAll(audience)
    })

    // ---- hearing ----

    const hear = (from: Address, message: Message.Message): Effect.Effect<void> | undefined => {
      switch (message._tag) {
        case "Join":
          return message.session === id && !over ? join(from, message) : undefined
        case "Decline":
          return message.session === id
            ? hearRival(message.master, Limits.hearsayMillis - message.silentMillis)
            : undefined
        case "Announce":
          // of two masters that gather, the younger yields; equals part by their ids
          return message.session !== id && isElder(message) ? hearRival(from, rivalMillis) : undefined
        case "Bye":
          return message.session === id ? undefined : forgetRival(from)
        case "Abort":
          return message.session === id || message.file !== undefined ? undefined : forgetRival(from)
        case "OpenOk":
        case "SitOut":
        case "Missing":
        case "Complete":
        case "CloseOk":
        case "Aborted":
        case "PollOk":
        case "ProbeOk": {
          if (message.session !== id) break
          const member = Roster.memberOf(roster, message.slot, message.incarnation)
          // [J-8] one that was lost is told, so that it joins anew
          if (
            Roster.isLost(roster, message.slot, message.incarnation, from) &&
            joinRate.take(Roster.hostOf(from), now())
          ) {
            welcomes.push({ incarnation: message.incarnation, refusal: "Started" })
            return undefined
          }
          if (member?.address !== from) break
          if (silentMillis(member.slot, 0) >= awayMillis) losses.pardon(member.slot)
          heardMillis[member.slot] = now()
          if (message._tag === "PollOk") heardAnswer(member.slot, "polls", message.poll)
          if (message._tag === "ProbeOk") heardAnswer(member.slot, "probes", message.train)
          if (member.isNew && !(message._tag === "Aborted" && message.file === undefined)) return prove(member)
          if (away.delete(member.slot)) {
            changed.openUnsafe()
            cameBack.openUnsafe()
          }
          if ("held" in message) {
            held[member.slot] = message.held
            heldMillis[member.slot] = now()
          }
          if (message._tag === "PollOk") {
            dropped[member.slot] = message.dropped
            return air.answered(message)
          }
          if (message._tag === "ProbeOk") {
            probing.heard(message)
            return undefined
          }
          if (message.file === undefined) return lose(member.slot, "it was stopped there")
          if (message._tag === "SitOut") {
            for (const { file, heed } of sitOutListeners) if (file === message.file) heed(member.slot, message.reason)
          }
          for (const asked of pending) {
            if (asked.question.file !== message.file || !asked.hear(member.slot, message)) continue
            if (stuck.delete(member.slot)) {
              changed.openUnsafe()
              cameBack.openUnsafe()
            }
          }
          return undefined
        }
      }
      ignored++
      return undefined
    }

    const heardAnswer = (slot: number, series: Series, number: number): void => {
      losses.heard(slot, series, number)
      tellWindow(slot)
    }

    /** The window waits for no catcher that cannot be heard. */
    const tellWindow = (slot: number): void => {
      const isUnheard = losses.isMost(slot, now())
      if (isUnheard !== air.window().unheard.has(slot)) air.setUnheard(slot, isUnheard)
    }

    const isElder = (other: Message.Announce): boolean => {
      const ours = Math.floor(now() - startedMillis)
      return other.uptimeMillis > ours || (other.uptimeMillis === ours && other.session < id)
    }

    // The group is another master's for so long, if nothing more is heard of it.
    const hearRival = (address: Address, lastsMillis: number) =>
      Effect.sync(() => {
        const untilMillis = now() + lastsMillis
        if (lastsMillis <= 0 || (rival !== undefined && rival.untilMillis >= untilMillis)) return
        rival = { address, untilMillis }
        changed.openUnsafe()
      })

    const forgetRival = (address: Address) =>
      Effect.sync(() => {
        if (rival?.address !== address) return
        rival = undefined
        changed.openUnsafe()
      })

    const rivalNow = () => {
      if (rival === undefined || rival.untilMillis <= now()) return undefined
      return { address: rival.address, leftMillis: rival.untilMillis - now() }
    }

    const standBack = Effect.gen(function* () {
      yield* Effect.acquireRelease(
        Effect.sync(() => void (standsBack = true)),
        () => Effect.sync(() => void (standsBack = false))
      )
      for (const { slot } of Roster.present(roster)) yield* lose(slot, "it was left to the other master", Roster.letGo)
    })

    const receive = Effect.fnUntraced(function* (batch: ReadonlyArray<Received>) {
      for (const { bytes, from } of batch) {
        const effects: Array<Effect.Effect<void>> = []
        const bad = Header.split(bytes, (at) => {
          // a page of another session is another master at work
          if (Header.typeOf(bytes, at) === Header.types.Page) {
            if (!Header.isOf(bytes, at, session)) effects.push(hearRival(from, rivalMillis))
            return
          }
          const message = Codec.decode(bytes, at)
          if (message._tag === "Failure") ignored++
          else {
            const effect = hear(from, message.success)
            if (effect !== undefined) effects.push(effect)
          }
        })
        if (bad > 0) ignored++
        for (const effect of effects) yield* effect
      }
      yield* welcome
    })

    // ---- asking ----

    const isPresent = (slot: number) => slot < roster.members.length && roster.members[slot].lost === undefined

    const ask = (question: Question): Effect.Effect<Message.Audience, TransportError> =>
      Effect.suspend(() => {
        const asked = new Asked(question, question.audience.filter(isPresent), losesAnswers)
        pending.add(asked)
        return Effect.ensuring(
          askUntilAnswered(asked),
          Effect.sync(() => pending.delete(asked))
        )
      })

    // Twice the usual round trip, as far as one is known; in whole milliseconds, as timers are.
    const firstPause = () => {
      const { rttMillis } = air.window()
      if (rttMillis === undefined) return Limits.questionMillis
      return Math.min(Math.round(2 * rttMillis) + Limits.minQuestionMillis, Limits.maxQuestionMillis)
    }

    const silentMillis = (slot: number, owesSince: number) =>
      now() - Math.max(heardMillis[slot] ?? 0, owesSince, awakeMillis)

    // Loses a catcher that has owed an answer since then and was not heard for the time-out; how often to ask it whether it is there.
    const callsFor = Effect.fnUntraced(function* (slot: number, owesSince: number) {
      const silent = silentMillis(slot, owesSince)
      if (silent >= awayMillis) wereSilent.add(slot)
      if (silent >= options.timeoutMillis) yield* lose(slot, `silent for ${options.timeoutMillis / 1000} s`)
      if (silent < options.timeoutMillis / 8 || silent >= options.timeoutMillis) return 0
      return silent < options.timeoutMillis / 2 ? 1 : Limits.copies
    })

    // Those of them that are to be asked whether they are there: each as often as it is named.
    const quietOf = Effect.fnUntraced(function* (slots: Iterable<number>, owesSince: (slot: number) => number) {
      const quiet: Array<number> = []
      for (const slot of slots) {
        for (let calls = yield* callsFor(slot, owesSince(slot)); calls > 0; calls--) quiet.push(slot)
      }
      return quiet
    })

    // A poll that no window counts: it asks only whether a catcher is there. A slot is asked as often as it is named.
    const areYouThere = Effect.fnUntraced(function* (slots: ReadonlyArray<number>) {
      for (let rest = slots; rest.length > 0;) {
        const once = new Set(rest)
        yield* areAllThere([...once])
        // each slot once less
        rest = rest.filter((slot) => !once.delete(slot))
        // so that the answers to all copies do not come in one burst
        if (rest.length > 0) yield* Effect.sleep(firstPause())
      }
    })

    // All of them, or one that is never asked would be given up; in parts, so that the answers do not come in one burst.
    const areAllThere = Effect.fnUntraced(function* (slots: ReadonlyArray<number>) {
      const all = slots.toSorted((a, b) => a - b)
      for (let at = 0; at < all.length; at += slices.most) {
        if (at > 0) yield* Effect.sleep(firstPause())
        const audience = all.slice(at, at + slices.most)
        yield* callAll(audience)
      }
    })

    const callAll = (audience: Message.Audience) =>
      Effect.suspend(() => {
        losses.asked(audience, "polls", 0, now())
        return air.say(Codec.encode({ _tag: "Poll", session: id, poll: 0, audience }))
      })

    const askHeld = Effect.suspend(() => {
      const nowMillis = now()
      const isDue = ({ slot }: Roster.Member) => nowMillis - (heldMillis[slot] ?? 0) >= Limits.heldAfterMillis
      const due = Roster.present(roster)
        .filter(isDue)
        .sort((a, b) => (heldMillis[a.slot] ?? 0) - (heldMillis[b.slot] ?? 0))
      const audience = due.slice(0, Math.min(Limits.heldAsked, slices.most)).map(({ slot }) => slot)
      for (const slot of audience) heldMillis[slot] = nowMillis
      return areYouThere(audience)
    })

    const losesAnswers = (slot: number): boolean =>
      isPresent(slot) && losses.isMost(slot, now()) && silentMillis(slot, 0) < Limits.lostAnswerMillis

    // One answer of several arrives sooner. No more are asked for than the receive buffer has room for.
    const sayMore = Effect.fnUntraced(function* (question: Question, slice: Message.Audience) {
      const most = Math.max(1, Math.floor(slices.most / Limits.copies))
      const unheard = slice.filter(losesAnswers).slice(0, most)
      if (unheard.length === 0) return
      for (let i = 1; i < Limits.copies; i++) yield* air.say(question.encode(unheard))
    })

    const askUntilAnswered = Effect.fnUntraced(function* (asked: Asked) {
      const { owing, question } = asked
      let began = now()
      const patience = question.patienceMillis ?? options.timeoutMillis * Limits.questionTimeouts
      const firstAsked = new Map<number, number>()
      let pause = firstPause()
      let hasty = Limits.hastyRepeats
      while (asked.isOpen() && now() - began < patience) {
        const slice = asked.nextSlice(slices.slots)
        const before = asked.answered.length
        const askedMillis = now()
        for (const slot of slice) {
          if (!firstAsked.has(slot)) firstAsked.set(slot, now())
        }
        yield* air.say(question.encode(slice))
        yield* sayMore(question, slice)
        yield* Effect.timeoutOption(asked.sliceAnswered.await, pause)
        slices = Slices.asked(slices, slice.length, asked.owingOfSlice())
        const waited = pause
        // silence backs off; where some answer, the others' answers were lost
        const isHasty = asked.answered.length > before || ([...owing].every(losesAnswers) && hasty-- > 0)
        pause = isHasty ? firstPause() : Math.min(pause * 1.5, Limits.maxQuestionMillis)
        const stalledMillis = now() - askedMillis - waited
        began += Math.max(0, stalledMillis)
        if (stalledMillis > options.timeoutMillis / 4) awakeMillis = now()
        const quiet = yield* quietOf(owing, (slot) => firstAsked.get(slot) ?? now())
        for (const slot of owing) {
          tellWindow(slot)
          const since = firstAsked.get(slot) ?? now()
          const silent = silentMillis(slot, since)
          // one that answered the last poll has been silent only as long as was waited since
          const isSilent =
            question.leavesOut === true && asked.answered.length > 0 && silent >= awayMillis && silent > waited
          const isMute = isPresent(slot) && hasWaitedFor(question, owing, since)
          if (isSilent) leaveOut([slot])
          else if (isMute) yield* askAlone(question, slot)
          if (isSilent || isMute || !isPresent(slot)) owing.delete(slot)
        }
        // whoever works on an answer (commits a thousand files) still answers polls
        yield* areYouThere(quiet)
      }
      if (question.patienceMillis === undefined && asked.isOpen()) {
        for (const slot of owing) yield* lose(slot, mute, Roster.loseMute)
      }
      return asked.answered.filter(isPresent)
    })

    // It lives, and answers no question, and others are here that could go on.
    const hasWaitedFor = (question: Question, owing: ReadonlySet<number>, since: number): boolean =>
      question.leavesOutMute === true &&
      now() - Math.max(since, awakeMillis) >= options.timeoutMillis &&
      Roster.present(roster).some(({ slot }) => !owing.has(slot) && !isAway(slot))

    const isAway = (slot: number): boolean => away.has(slot) || stuck.has(slot)

    // Others go on without it; it is asked on, and lost when it never answers.
    const askAlone = Effect.fnUntraced(function* (question: Question, slot: number) {
      if (stuck.has(slot)) return
      stuck.add(slot)
      wereSilent.add(slot)
      const alone: Question = { ...question, audience: [slot], leavesOut: false, leavesOutMute: false }
      yield* Effect.forkIn(Effect.exit(ask(alone)), scope)
    })

    const leaveOut = (slots: Message.Audience): void => {
      for (const slot of slots.filter((slot) => isPresent(slot) && silentMillis(slot, 0) >= awayMillis)) {
        wereSilent.add(slot)
        // it owed an answer all the time
        if (!away.has(slot)) away.set(slot, now() - awayMillis)
      }
    }

    const demand = (slots: Message.Audience, wants: (slot: number) => boolean): Demand => {
      const isOne = (slot: number) => isPresent(slot) && wants(slot)
      const isLeft = () => slots.some(isOne)
      const reached: Effect.Effect<boolean> = Effect.suspend(() => {
        if (slots.some((slot) => isOne(slot) && !away.has(slot))) return Effect.succeed(true)
        if (!isLeft()) return Effect.succeed(false)
        cameBack.closeUnsafe()
        return Effect.andThen(cameBack.await, reached)
      })
      return { isLeft, reached }
    }

    const onSitOut = (file: number, heed: (slot: number, reason: string) => void) =>
      Effect.asVoid(
        Effect.acquireRelease(
          Effect.sync(() => {
            const listener = { file, heed }
            sitOutListeners.add(listener)
            return listener
          }),
          (listener) => Effect.sync(() => sitOutListeners.delete(listener))
        )
      )

    const end = () => {
      over = true
    }

    const lastWords = Effect.fnUntraced(function* (message: Message.FromMaster) {
      end()
      for (let i = 0; i < Limits.lastWords; i++) {
        if (i > 0) yield* Effect.sleep(Limits.lastWordsMillis)
        yield* air.say(Codec.encode(message))
      }
    })

    let home = transport.local
    /** [J-14] Catchers heed the address that welcomed them alone. */
    const staysHome = Effect.suspend(() => {
      const { local } = transport
      const before = home
      home = local
      if (local === before || roster.members.length === 0) return Effect.void
      const reason = `it changed from ${before} to ${local}, and the catchers heed the first alone: start the session again`
      return Effect.fail(new TransportError({ operation: "the address of this machine", reason }))
    })

    const announce = Effect.suspend(() => {
      if (over) return Effect.never
      const message: Message.Announce = {
        _tag: "Announce",
        session: id,
        pageBytes: options.pageBytes,
        blockPages: Limits.blockPages,
        timeoutMillis: options.timeoutMillis,
        uptimeMillis: Math.floor(now() - startedMillis),
        spreadMillis: Math.min(Limits.spreadMillis, Math.floor(options.wanted / 4)),
        joined: Roster.present(roster).length,
        wanted: options.wanted
      }
      // [J-8] nobody asks them any more, so they would wait for ever
      for (const { incarnation } of Roster.givenUp(roster)) welcomes.push({ incarnation, refusal: "Started" })
      const announcing = standsBack ? welcome : Effect.andThen(air.say(Codec.encode(message)), welcome)
      return Effect.andThen(staysHome, Effect.andThen(announcing, Effect.sleep(Limits.announceMillis)))
    })

    // Looks after those who are watched, and since when each is: who is quiet is asked before it is given up.
    const watch = Effect.fnUntraced(function* (watched: () => Iterable<readonly [slot: number, sinceMillis: number]>) {
      const before = now()
      yield* Effect.sleep(options.timeoutMillis / 8)
      if (now() - before > options.timeoutMillis / 2) awakeMillis = now()
      const all = new Map(watched())
      yield* areYouThere(yield* quietOf(all.keys(), (slot) => all.get(slot) ?? 0))
    })

    // While pages flow an acker that dies is noticed here: it owes answers to polls, not to a question. So is one that is probed.
    const awaited = () => [
      ...air
        .window()
        .ackers.flatMap(({ owesMillis, slot }) => (owesMillis === undefined ? [] : [[slot, owesMillis] as const])),
      ...probing.awaited(),
      ...away
    ]
    // [J-11] who joined and died before the session began is asked nothing yet
    const joined = () => Roster.present(roster).map(({ slot }) => [slot, 0] as const)

    return {
      id,
      probing,
      air,
      roster: () => roster,
      changed,
      knocking,
      rival: rivalNow,
      standBack,
      turnedAway: () => {
        const names = new Set(Roster.present(roster).map((member) => member.name))
        return [...refused.values()].filter(({ id, reason }) => !names.has(id) || heldReasons.has(reason))
      },
      ask,
      end,
      lastWords,
      lose,
      awayMillis,
      leaveOut,
      isAway,
      losesAnswers,
      demand,
      onSitOut,
      isBenched: (slot) => Window.isBenched(air.window(), slot, now()),
      missed,
      held: (slot) => held[slot] ?? 0,
      askHeld,
      straggled,
      ignored: () => ignored,
      rollCall: Effect.forever(watch(joined)),
      run: Effect.raceAllFirst([
        air.run,
        probing.run,
        telling,
        Effect.forever(announce),
        Effect.forever(watch(awaited)),
        Effect.forever(lookAfterNewcomers),
        Effect.andThen(Stream.runForEach(transport.receive, receive), Effect.never)
      ])
    }
  })

const isUnknown = (joined: Roster.Joined): boolean => joined._tag === "New" || joined._tag === "Refused"

/** Guests in one Welcome: 7 bytes each. */
const maxGuests = 128

/** Is it refused only as long as another one holds its name? */
export const isNameHeld = (refusal: Message.Refusal): boolean => refusal === "NameTaken" || refusal === "Returning"

/** What a catcher is told that is not taken in, by the reason on the wire. */
export const refusals: Readonly<Record<Message.Refusal, string>> = {
  NotListed: "its name is not on the master's list of hosts",
  NameTaken: "another catcher has the same name; start it with --id and a name of its own",
  Full: "the session has no room for more catchers",
  TooOften: "it has joined this session too often already, or twice without an answer to a question",
  Started: "it was given up in this session",
  Returning:
    "a catcher of its name on its host is in the session: if that was its earlier life, it is taken in as soon as that is given up; if not, start it with --id and a name of its own"
}

const heldReasons: ReadonlySet<string> = new Set([refusals.NameTaken, refusals.Returning])
