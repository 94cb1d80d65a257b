/**
 * A master's session: its id, its members, the air, and the one way to ask the group something. The phases stand on this
 * service; it owns the only reader of the transport and the repetition of announcements. What it knows is in Members, Silence,
 * Asking and OtherMaster; here these are joined to each other and to the transport.
 */

import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as Roster from "../protocol/group/Roster.ts"
import * as Limits from "../protocol/Limits.ts"
import * as Window from "../protocol/pace/Window.ts"
import { Progress } from "../report/Progress.ts"
import { type Address, Transport, TransportError } from "../transport/Transport.ts"
import type * as Message from "../wire/Message.ts"
import * as Air from "./Air.ts"
import { Asking, type Question } from "./Asking.ts"
import type { Demand } from "./Demand.ts"
import { type Arrived, makeMaster, MasterExchange } from "./Exchange.ts"
import { Members, type Turned } from "./Members.ts"
import * as Monotonic from "./Monotonic.ts"
import { OtherMaster } from "./OtherMaster.ts"
import * as Probing from "./Probing.ts"
import * as Refusal from "./Refusal.ts"
import { Silence, type Straggle, type Watched } from "./Silence.ts"

export type { FileAnswer, Question } from "./Asking.ts"
export type { Turned } from "./Members.ts"
export type { Straggle } from "./Silence.ts"

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
    /** On every datagram of it. */
    readonly id: bigint
    /** Which pages reach the catchers. */
    readonly probing: Probing.Probing
    /** Its one sender. */
    readonly air: Air.Air
    /** As of now. */
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
    /** Gives a catcher up. */
    readonly lose: (slot: number, reason: string) => Effect.Effect<void>
    /** Silence of a barrier's length: others do not wait longer. Milliseconds. */
    readonly awayMillis: number
    /** Those of them that were silent for so long are away until they are heard again, or lost. */
    readonly leaveOut: (slots: Message.Audience) => void
    /** Is it away, by `leaveOut`? */
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

/**
 * Makes a session with a new id on the transport, whose only reader it is. It ends with the scope.
 */
export const make = (options: Options): Effect.Effect<Session["Service"], never, Transport | Progress | Scope.Scope> =>
  Effect.gen(function* () {
    const parts = yield* partsOf(options)
    const { air, asking, exchange, members, now, other, probing, silence } = parts
    const telling = Effect.provideContext(Refusal.telling, yield* Effect.context<Transport | Progress>())
    const inbox = new Inbox(parts)
    const announcer = new Announcer(parts, options)
    // While pages flow an acker that dies is noticed here: it owes answers to polls, not to a question. So is one that is probed.
    const awaited = (): Watched => [
      ...air
        .window()
        .ackers.flatMap(({ owesMillis, slot }) => (owesMillis === undefined ? [] : [[slot, owesMillis] as const])),
      ...probing.awaited(),
      ...silence.areAway()
    ]
    // [J-11] a catcher that joined and died before the session began is asked nothing yet
    const joined = (): Watched => members.present().map(({ slot }) => [slot, 0] as const)
    const lastWords = Effect.fnUntraced(function* (message: Message.FromMaster) {
      members.isOver = true
      for (let i = 0; i < Limits.lastWords; i++) {
        if (i > 0) yield* Effect.sleep(Limits.lastWordsMillis)
        yield* exchange.sendNow(message)
      }
    })
    return {
      id: exchange.session,
      probing,
      air,
      roster: () => members.roster,
      changed: members.changed,
      knocking: () => members.isSomebodyComing(),
      rival: () => other.current(),
      standBack: announcer.standBack,
      turnedAway: () => members.turnedAway(),
      ask: (question) => asking.ask(question),
      end: () => void (members.isOver = true),
      lastWords,
      lose: (slot, reason) => members.lose(slot, reason),
      awayMillis: silence.awayMillis,
      leaveOut: (slots) => silence.leaveOut(slots),
      isAway: (slot) => silence.isAway(slot),
      losesAnswers: (slot) => silence.losesAnswers(slot),
      demand: (slots, wants) => silence.demand(slots, wants),
      onSitOut: (file, heed) => asking.onSitOut(file, heed),
      isBenched: (slot) => Window.isBenched(air.window(), slot, now()),
      missed: (pages) => members.missed(pages),
      held: (slot) => silence.heldBytes(slot),
      askHeld: silence.askHeld,
      straggled: (slot, isLate, missedPages) => silence.straggled(slot, isLate, missedPages),
      ignored: () => inbox.ignored + exchange.unreadable(),
      rollCall: Effect.forever(silence.watch(joined)),
      run: Effect.raceAllFirst([
        air.run,
        probing.run,
        telling,
        Effect.forever(announcer.announce),
        Effect.forever(silence.watch(awaited)),
        Effect.forever(members.lookAfterNewcomers),
        Effect.andThen(
          exchange.receive((batch) => inbox.receive(batch)),
          Effect.never
        )
      ])
    }
  })

type Parts = Effect.Success<ReturnType<typeof partsOf>>

/** What the session knows, each part joined to those that it tells or asks. */
const partsOf = Effect.fnUntraced(function* (options: Options) {
  const transport = yield* Transport
  const progress = yield* Progress
  const now = yield* Monotonic.millis
  const word = Random.nextIntBetween(0, 0xffff_ffff)
  const exchange = yield* makeMaster((BigInt(yield* word) << 32n) | BigInt(yield* word))
  const startedMillis = now()
  const { bytesPerSecond, timeoutMillis } = options
  const probing = Probing.make({
    session: exchange.session,
    pageBytes: options.pageBytes,
    isPageFixed: options.isPageFixed ?? false,
    bytesPerSecond,
    glues: transport.glues,
    now,
    present: () => members.present(),
    send: exchange.sendProbe,
    changed: () => members.changed.openUnsafe(),
    asked: (slots, train) => silence.losses.asked(slots, "probes", train, now()),
    note: (message) => progress.publish({ _tag: "Note", message })
  })
  const air = yield* Air.make({
    bytesPerSecond,
    isGlued: probing.isGlued,
    polled: (slots, poll) => silence.losses.asked(slots, "polls", poll, now())
  }).pipe(Effect.provideService(MasterExchange, exchange))
  const shared = { exchange, timeoutMillis, now, progress, air }
  const members: Members = new Members({
    ...{ ...shared, wanted: options.wanted, hosts: options.hosts },
    local: () => transport.local,
    awakeMillis: () => silence.awakeMillis,
    call: (slots) => silence.call(slots),
    callInParts: (calls) => silence.areYouThere(calls),
    joined: (slot) => silence.joined(slot),
    came: (slot) => silence.came(slot),
    proved: (slot) => {
      silence.proved(slot)
      probing.joined(slot)
    },
    left: (slot) => silence.left(slot),
    lost: (slot) => silence.lost(slot)
  })
  const mostAnswers = () => asking.mostAnswers()
  const silence: Silence = new Silence({ ...shared, members, mostAnswers })
  const { receiveBufferBytes } = transport
  const scope = yield* Effect.scope
  const asking: Asking = new Asking({ timeoutMillis, now, exchange, members, silence, receiveBufferBytes, scope })
  const other = new OtherMaster(now, members.changed)
  return { exchange, transport, now, startedMillis, probing, air, members, silence, asking, other }
})

/** What arrives goes to the part that it concerns. */
class Inbox {
  /** Messages that were none of ours. */
  ignored = 0
  private readonly parts: Parts
  /** A master that was heard and falls silent may only be cut off for a while. */
  private readonly rivalMillis: number

  constructor(parts: Parts) {
    this.parts = parts
    this.rivalMillis = Math.max(parts.silence.awayMillis, Limits.hearsayMillis)
  }

  receive(batch: ReadonlyArray<ReadonlyArray<Arrived>>): Effect.Effect<void, TransportError> {
    return Effect.gen({ self: this }, function* () {
      for (const glued of batch) {
        const effects: Array<Effect.Effect<void>> = []
        for (const arrived of glued) {
          const effect = this.take(arrived)
          if (effect !== undefined) effects.push(effect)
        }
        for (const effect of effects) yield* effect
      }
      yield* this.parts.members.welcome
    })
  }

  private take(arrived: Arrived): Effect.Effect<void> | undefined {
    if (arrived._tag === "OtherPage") return this.hearOther(arrived.from, this.rivalMillis)
    const effect = this.hear(arrived.from, arrived.message)
    if (effect !== "Ignored") return effect
    this.ignored++
    return undefined
  }

  private hearOther(address: Address, lastsMillis: number): Effect.Effect<void> {
    return Effect.sync(() => this.parts.other.hears(address, lastsMillis))
  }

  private hear(from: Address, message: Message.Message): Effect.Effect<void> | "Ignored" | undefined {
    const { exchange, members, other } = this.parts
    const isOurs = message.session === exchange.session
    switch (message._tag) {
      case "Join":
        return isOurs && !members.isOver ? members.join(from, message) : undefined
      case "Decline":
        return isOurs ? this.hearOther(message.master, Limits.hearsayMillis - message.silentMillis) : undefined
      case "Announce":
        // of two masters that gather, the younger yields; equals part by their ids
        return !isOurs && this.isElder(message) ? this.hearOther(from, this.rivalMillis) : undefined
      case "Bye":
        return isOurs ? undefined : Effect.sync(() => other.forgets(from))
      case "Abort":
        return isOurs || message.file !== undefined ? undefined : Effect.sync(() => other.forgets(from))
      case "OpenOk":
      case "SitOut":
      case "Missing":
      case "Complete":
      case "CloseOk":
      case "Aborted":
      case "PollOk":
      case "ProbeOk":
        return isOurs ? this.hearAnswer(from, message) : "Ignored"
      default:
        return "Ignored"
    }
  }

  private isElder(announce: Message.Announce): boolean {
    const { exchange, now, startedMillis } = this.parts
    const ours = Math.floor(now() - startedMillis)
    return announce.uptimeMillis > ours || (announce.uptimeMillis === ours && announce.session < exchange.session)
  }

  private hearAnswer(
    from: Address,
    message: Exclude<Message.FromCatcher, Message.Join | Message.Decline>
  ): Effect.Effect<void> | "Ignored" | undefined {
    const { air, asking, members, probing, silence } = this.parts
    const { incarnation, slot } = message
    const member = Roster.memberOf(members.roster, slot, incarnation)
    // [J-8] one that was lost is told, so that it joins anew
    if (Roster.isLost(members.roster, slot, incarnation, from) && members.mayAsk(from)) {
      members.tellGivenUp(incarnation)
      return undefined
    }
    if (member?.address !== from) return "Ignored"
    silence.heard(slot, message)
    const hasLeft = message._tag === "Aborted" && message.file === undefined
    if (member.isNew && !hasLeft) return members.prove(member)
    silence.isBack(slot)
    silence.said(slot, message)
    if (message._tag === "PollOk") return air.answered(message)
    if (message._tag === "ProbeOk") {
      probing.heard(message)
      return undefined
    }
    if (message.file === undefined) return members.lose(slot, "it was stopped there")
    asking.heard(slot, message)
    return undefined
  }
}

/** Says again and again that the session is there, and stands back for an older one. */
class Announcer {
  private readonly parts: Parts
  private readonly options: Options
  private standsBack = false
  private home: Address

  constructor(parts: Parts, options: Options) {
    this.parts = parts
    this.options = options
    this.home = parts.transport.local
  }

  /** Leaves the group to another master until the scope closes: calls nobody, and lets go the catchers that have joined. */
  readonly standBack: Effect.Effect<void, never, Scope.Scope> = Effect.gen({ self: this }, function* () {
    const { members } = this.parts
    yield* Effect.acquireRelease(
      Effect.sync(() => void (this.standsBack = true)),
      () => Effect.sync(() => void (this.standsBack = false))
    )
    for (const { slot } of members.present()) yield* members.lose(slot, "it was left to the other master", Roster.letGo)
  })

  /** Once, and what follows until the next time. */
  readonly announce: Effect.Effect<void, TransportError> = Effect.suspend(() => {
    const { exchange, members } = this.parts
    if (members.isOver) return Effect.never
    // [J-8] nobody asks them any more, so they would wait for ever
    for (const { incarnation } of Roster.givenUp(members.roster)) members.tellGivenUp(incarnation)
    const announcing = this.standsBack
      ? members.welcome
      : Effect.andThen(exchange.sendNow(this.message()), members.welcome)
    return Effect.andThen(this.staysHome, Effect.andThen(announcing, Effect.sleep(Limits.announceMillis)))
  })

  private message(): Message.Announce {
    const { exchange, members, now, startedMillis } = this.parts
    const { pageBytes, timeoutMillis, wanted } = this.options
    return {
      _tag: "Announce",
      session: exchange.session,
      pageBytes,
      blockPages: Limits.blockPages,
      timeoutMillis,
      uptimeMillis: Math.floor(now() - startedMillis),
      spreadMillis: Math.min(Limits.spreadMillis, Math.floor(wanted / 4)),
      joined: members.present().length,
      wanted
    }
  }

  /** [J-14] Catchers heed the address that welcomed them alone. */
  private readonly staysHome = Effect.suspend(() => {
    const { members, transport } = this.parts
    const { local } = transport
    const before = this.home
    this.home = local
    if (local === before || members.roster.members.length === 0) return Effect.void
    const reason = `it changed from ${before} to ${local}, and the catchers heed the first alone: start the session again`
    return Effect.fail(new TransportError({ operation: "the address of this machine", reason }))
  })
}
