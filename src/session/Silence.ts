/**
 * Silence: when each catcher was heard last, which of them are away, and which are to be asked
 * whether they are there before they are given up.
 *
 * a catcher that says nothing at all for the session's time-out, while it is asked, is lost.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Roster from "../protocol/group/Roster.ts"
import * as Limits from "../protocol/Limits.ts"
import * as Exclusion from "../protocol/pace/Exclusion.ts"
import * as Polls from "../protocol/pace/Polls.ts"
import * as Window from "../protocol/pace/Window.ts"
import { membershipHint } from "../report/Errors.ts"
import type { Progress } from "../report/Progress.ts"
import type { TransportError } from "../transport/Transport.ts"
import type * as Message from "../wire/Message.ts"
import { AnswerLoss, type Series } from "./AnswerLoss.ts"
import type { Demand } from "./Demand.ts"
import type { MasterExchange } from "./Exchange.ts"
import type { MemberList } from "./Members.ts"
import type { Pace } from "./Sender.ts"

interface Options {
  readonly exchange: Pick<MasterExchange["Service"], "session" | "sendNow">
  readonly timeoutMillis: number
  readonly now: () => number
  readonly progress: Pick<Progress["Service"], "publish">
  readonly pace: Pick<Pace, "setUnheard" | "totals" | "window">
  readonly members: Pick<MemberList, "cameBack" | "changed" | "isPresent" | "lose" | "present" | "roster">
  /** So many answers have room in the master's receive buffer. */
  readonly mostAnswers: () => number
}

/** Why a catcher is behind the others. */
export type Straggle = "loss" | "lost answers" | "slow machine" | "slow link" | "silence"

/** Catchers that are watched, and since when each owes an answer. */
export type Watched = Iterable<readonly [slot: number, sinceMillis: number]>

/** How often each slot is asked. */
export type Calls = ReadonlyMap<number, number>

/** Which catchers are silent, and which answers are lost. */
export class Silence extends Context.Service<
  Silence,
  {
    /** Silence after which a catcher is lost. Milliseconds. */
    readonly timeoutMillis: number
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
  }
>()("mrsync/session/Silence") {}

/** How far each catcher is, and why it is behind. */
export class Standing extends Context.Service<
  Standing,
  {
    /** Bytes of content that a catcher holds, as it answered last. */
    readonly held: (slot: number) => number
    /** Datagrams lost in the catcher's own buffers, as it answered last. */
    readonly dropped: (slot: number) => number
    /** Asks a few of those that have not said so for a while. */
    readonly askHeld: Effect.Effect<void, TransportError>
    /**
     * Why a catcher fell behind, as far as it shows. `isLate`: a file has gone on without it.
     * `missedPages`: pages that it missed, in all. The answer is a diagnosis: docs/architecture.md,
     * "Why a catcher is behind", lists what decides.
     */
    readonly whyBehind: (slot: number, isLate: boolean, missedPages: number) => Straggle | undefined
  }
>()("mrsync/session/Standing") {}

/** Why a catcher is lost that lives and answers no question. */
export const mute =
  'alive, but it did not answer a question for too long: its disk hangs, or long answers are lost on the way back ("mrsync doctor" tells)'

const allSilent = `all catchers fell silent at about the same time. ${membershipHint}`

export class SilenceWatch {
  /** Silence of this length: others do not wait longer. */
  readonly awayMillis: number
  readonly losses = new AnswerLoss()
  /** Since when we have been running: while we did not, nobody could be heard. */
  awakeMillis: number
  private readonly options: Options
  private readonly startedMillis: number
  private readonly heardMillis: Array<number> = []
  /** By slot: when it was polled first, since it was heard last. */
  private readonly unanswered = new Map<number, number>()
  /** Catchers that are away, since when. */
  private readonly away = new Map<number, number>()
  /** Those that answer polls and have not answered a question for long. */
  private readonly stuck = new Set<number>()
  /** How often each was. */
  private readonly stuckTimes = new Map<number, number>()
  /** Those that were silent for long while an answer was owed, once or for good. */
  private readonly wereSilent = new Set<number>()
  /** When each that was lost in silence was lost. */
  private readonly silenced: Array<number> = []
  /**
   * By slot: datagrams lost in the catcher's own buffers, bytes of content that it holds, and when
   * it said so or was asked.
   */
  private readonly dropped: Array<number> = []
  private readonly held: Array<number> = []
  private readonly heldMillis: Array<number> = []
  /**
   * By slot: the most that it held since it answered a question, entries that its store is done
   * with, and when one of both grew last.
   */
  private readonly mostHeld: Array<number> = []
  private readonly worked: Array<number> = []
  private readonly furtherMillis: Array<number> = []

  constructor(options: Options) {
    this.options = options
    this.awayMillis = options.timeoutMillis / 4
    this.startedMillis = options.now()
    this.awakeMillis = this.startedMillis
  }

  service(): Silence["Service"] {
    return {
      timeoutMillis: this.options.timeoutMillis,
      awayMillis: this.awayMillis,
      leaveOut: (slots) => this.leaveOut(slots),
      isAway: (slot) => this.isAway(slot),
      losesAnswers: (slot) => this.losesAnswers(slot),
      demand: (slots, wants) => this.demand(slots, wants)
    }
  }

  standing(): Standing["Service"] {
    return {
      held: (slot) => this.held[slot] ?? 0,
      dropped: (slot) => this.dropped[slot] ?? 0,
      askHeld: this.askHeld,
      whyBehind: (slot, isLate, missedPages) => this.whyBehind(slot, isLate, missedPages)
    }
  }

  // ---- what is heard ----

  /** A slot is a newcomer's, and may have been another catcher's. */
  came(slot: number): void {
    this.losses.forget(slot)
    this.unanswered.delete(slot)
    this.stuckTimes.delete(slot)
    delete this.mostHeld[slot]
    delete this.worked[slot]
    delete this.furtherMillis[slot]
    this.options.pace.setUnheard(slot, false)
  }

  proved(slot: number): void {
    this.wereSilent.delete(slot)
    this.dropped[slot] = 0
  }

  /** It says that it works on an answer: while it did, it was not silent for another reason. */
  works(slot: number): void {
    this.wereSilent.delete(slot)
  }

  left(slot: number): void {
    this.away.delete(slot)
    this.stuck.delete(slot)
  }

  /**
   * A catcher was lost: when all were lost in silence at about one time, the reason lies between
   * them and us.
   */
  onLost(slot: number): void {
    const { now, progress } = this.options
    if (this.wereSilent.has(slot)) this.silenced.push(now())
    if (this.haveAllGone()) progress.publish({ _tag: "Note", message: allSilent })
  }

  // a dead machine is silent alone
  private haveAllGone(): boolean {
    const { members, now, timeoutMillis } = this.options
    return (
      this.silenced.length > 1 &&
      this.silenced.length === Roster.participants(members.roster).length &&
      now() - this.startedMillis >= Limits.membershipMillis &&
      now() - this.silenced[0] <= timeoutMillis
    )
  }

  /** Its catcher has joined, or joins again. */
  onJoined(slot: number): void {
    this.heardMillis[slot] = this.options.now()
    this.unanswered.delete(slot)
  }

  /** A member's answer arrived. */
  onMessage(slot: number, message: Message.FromCatcher): void {
    const { now } = this.options
    if (this.silentMillis(slot, 0) >= this.awayMillis) this.losses.pardon(slot)
    this.heardMillis[slot] = now()
    this.unanswered.delete(slot)
    if (message._tag === "PollOk") this.heardAnswer(slot, "polls", message.poll)
    if (message._tag === "ProbeOk") this.heardAnswer(slot, "probes", message.train)
  }

  private heardAnswer(slot: number, series: Series, number: number): void {
    this.losses.onHeard(slot, series, number)
    this.tellWindow(slot)
  }

  /** The window waits for no catcher that cannot be heard. */
  tellWindow(slot: number): void {
    const { now, pace } = this.options
    const isUnheard = this.losses.isMost(slot, now())
    if (isUnheard !== pace.window().unheard.has(slot)) pace.setUnheard(slot, isUnheard)
  }

  /** The catcher is there again, if it was away. */
  isBack(slot: number): void {
    if (this.away.delete(slot)) this.goesOn()
  }

  /** The catcher has answered a question, if it was stuck. */
  onAnswered(slot: number): void {
    // what it has dropped since may come again
    this.mostHeld[slot] = this.held[slot] ?? 0
    if (this.stuck.delete(slot)) this.goesOn()
  }

  private goesOn(): void {
    const { members } = this.options
    members.changed.openUnsafe()
    members.cameBack.openUnsafe()
  }

  /** A catcher's word of itself. */
  said(slot: number, message: Message.FromCatcher): void {
    if ("held" in message) {
      this.held[slot] = message.held
      this.heldMillis[slot] = this.options.now()
      this.grows(this.mostHeld, slot, message.held)
    }
    if (message._tag !== "PollOk") return
    this.dropped[slot] = message.dropped
    this.grows(this.worked, slot, message.worked)
  }

  private grows(most: Array<number>, slot: number, count: number): void {
    if (count <= (most[slot] ?? 0)) return
    most[slot] = count
    this.furtherMillis[slot] = this.options.now()
  }

  // ---- what is made of it ----

  silentMillis(slot: number, owesSince: number): number {
    return this.options.now() - Math.max(this.heardMillis[slot] ?? 0, owesSince, this.awakeMillis)
  }

  isAway(slot: number): boolean {
    return this.away.has(slot) || this.stuck.has(slot)
  }

  /** Are most of its answers lost, while some are heard? */
  losesAnswers(slot: number): boolean {
    return (
      this.options.members.isPresent(slot) &&
      this.losses.isMost(slot, this.options.now()) &&
      this.silentMillis(slot, 0) < Limits.lostAnswerMillis
    )
  }

  /** The others go on without it, until it answers a question. False: they do already. */
  becomesStuck(slot: number): boolean {
    if (this.stuck.has(slot)) return false
    this.stuck.add(slot)
    this.stuckTimes.set(slot, (this.stuckTimes.get(slot) ?? 0) + 1)
    this.wereSilent.add(slot)
    return true
  }

  /**
   * Since when a catcher that owes an answer has got no further. It takes the pages first
   * that came before the question, or makes many entries before it answers. Whatever it says that
   * it has done, it is not waited for without an end.
   */
  muteSince(slot: number, owesSince: number): number {
    const latest = owesSince + Limits.furtherTimeouts * this.options.timeoutMillis
    return Math.max(owesSince, Math.min(this.furtherMillis[slot] ?? 0, latest))
  }

  /**
   * How long its answer is waited for where nobody else has answered, in milliseconds: twice
   * as long each time that it came too late, so that a catcher that needs more than a time-out for
   * each file gets on.
   */
  muteMillis(slot: number): number {
    const timeouts = Math.min(2 ** (this.stuckTimes.get(slot) ?? 0), Limits.questionTimeouts)
    return timeouts * this.options.timeoutMillis
  }

  /** Those of them that were silent for long are away until they are heard again, or lost. */
  leaveOut(slots: Message.Audience): void {
    const { members, now } = this.options
    for (const slot of slots) {
      if (!members.isPresent(slot) || this.silentMillis(slot, 0) < this.awayMillis) continue
      this.wereSilent.add(slot)
      // it owed an answer all the time
      if (!this.away.has(slot)) this.away.set(slot, now() - this.awayMillis)
    }
  }

  private whyBehind(slot: number, isLate: boolean, missedPages: number): Straggle | undefined {
    const { pace } = this.options
    const window = pace.window()
    // what it misses is counted after the pages
    const losesPages = Window.isLossy(window, slot)
    // pages arrive, and of what we ask little comes back
    const arePagesThere = !losesPages && missedPages < pace.totals().pages * Limits.toleratedLoss
    if (this.losses.isMost(slot) && arePagesThere) return "lost answers"
    if (this.wereSilent.has(slot)) return "silence"
    if (!isLate && !Exclusion.wasExcluded(window, slot)) return undefined
    // its disk or its processor: what it has no time to read fills its buffers
    if ((this.dropped[slot] ?? 0) > 0) return "slow machine"
    // lost answers close a window as a slow link does
    if (Window.losesAtAnyPace(window, slot)) return "loss"
    if (Window.isSlow(window, slot)) return "slow link"
    // a catcher that got everything at once took long to put it away
    return missedPages > 0 || losesPages ? "loss" : "slow machine"
  }

  /** The demand of catchers that are present, as far as each of them `wants` something. */
  private demand(slots: Message.Audience, wants: (slot: number) => boolean): Demand {
    const { members } = this.options
    const isOne = (slot: number) => members.isPresent(slot) && wants(slot)
    const isLeft = () => slots.some(isOne)
    const reached: Effect.Effect<boolean> = Effect.suspend(() => {
      if (slots.some((slot) => isOne(slot) && !this.away.has(slot))) return Effect.succeed(true)
      if (!isLeft()) return Effect.succeed(false)
      members.cameBack.closeUnsafe()
      return Effect.andThen(members.cameBack.await, reached)
    })
    return { isLeft, reached }
  }

  // ---- asking whether they are there ----

  /** Twice the usual round trip, as far as one is known; in whole milliseconds, as timers are. */
  firstPause(): number {
    const { rttMillis } = this.options.pace.window()
    if (rttMillis === undefined) return Limits.questionMillis
    return Math.min(Math.round(2 * rttMillis) + Limits.minQuestionMillis, Limits.maxQuestionMillis)
  }

  // Loses a catcher that has owed an answer since then and was not heard for the time-out; how
  // often to ask whether it is there.
  private callsFor(slot: number, owesSince: number): Effect.Effect<number> {
    return Effect.gen({ self: this }, function* () {
      const { members, timeoutMillis } = this.options
      const silent = this.silentMillis(slot, owesSince)
      // one that nobody asked had nothing to say
      if (silent >= this.awayMillis && this.unanswered.has(slot)) this.wereSilent.add(slot)
      if (silent >= timeoutMillis) yield* members.lose(slot, `silent for ${timeoutMillis / 1000} s`)
      if (silent < timeoutMillis / 8 || silent >= timeoutMillis) return 0
      return silent < timeoutMillis / 2 ? 1 : Limits.copies
    })
  }

  // Polls that it did not answer before count for half of the time-out. Dead catchers that are
  // asked one after the other would take a whole one each.
  private silentSince(slot: number, owesSince: number): number {
    const polled = this.unanswered.get(slot) ?? owesSince
    return Math.max(Math.min(polled, owesSince), owesSince - this.options.timeoutMillis / 2)
  }

  /** Those of them that are to be asked whether they are there, and how often each. */
  quietOf(slots: Iterable<number>, owesSince: (slot: number) => number): Effect.Effect<Calls> {
    return Effect.gen({ self: this }, function* () {
      const quiet = new Map<number, number>()
      for (const slot of slots) quiet.set(slot, yield* this.callsFor(slot, this.silentSince(slot, owesSince(slot))))
      return quiet
    })
  }

  /** Polls that no window counts: they ask only whether a catcher is there. */
  areYouThere(calls: Calls): Effect.Effect<void, TransportError> {
    return Effect.gen({ self: this }, function* () {
      for (let said = 0; ; said++) {
        const slots = [...calls].flatMap(([slot, times]) => (times > said ? [slot] : []))
        if (slots.length === 0) return
        // so that the answers to all copies do not come in one burst
        if (said > 0) yield* Effect.sleep(this.firstPause())
        yield* this.areAllThere(slots)
      }
    })
  }

  // All of them, or one that is never asked would be given up; in parts, so that the answers do not
  // come in one burst.
  private areAllThere(slots: ReadonlyArray<number>): Effect.Effect<void, TransportError> {
    return Effect.gen({ self: this }, function* () {
      const { mostAnswers } = this.options
      const all = slots.toSorted((a, b) => a - b)
      for (let at = 0; at < all.length; at += mostAnswers()) {
        if (at > 0) yield* Effect.sleep(this.firstPause())
        yield* this.call(all.slice(at, at + mostAnswers()))
      }
    })
  }

  call(audience: Message.Audience): Effect.Effect<void, TransportError> {
    return Effect.suspend(() => {
      const { exchange, now } = this.options
      this.losses.onAsked(audience, "polls", 0, now())
      for (const slot of audience) if (!this.unanswered.has(slot)) this.unanswered.set(slot, now())
      return exchange.sendNow({ _tag: "Poll", session: exchange.session, poll: 0, audience })
    })
  }

  /** Asks a few of those that have not said for a while how much they hold. */
  private readonly askHeld = Effect.suspend(() => {
    const { members, mostAnswers, now } = this.options
    const nowMillis = now()
    const isDue = ({ slot }: Roster.Member) => nowMillis - (this.heldMillis[slot] ?? 0) >= Limits.heldAfterMillis
    const due = members
      .present()
      .filter(isDue)
      .sort((a, b) => (this.heldMillis[a.slot] ?? 0) - (this.heldMillis[b.slot] ?? 0))
    const audience = due.slice(0, Math.min(Limits.heldAsked, mostAnswers())).map(({ slot }) => slot)
    for (const slot of audience) this.heldMillis[slot] = nowMillis
    return this.areAllThere(audience)
  })

  /** Looks once after those that are watched: one that is quiet is asked before it is given up. */
  watch(watched: () => Watched): Effect.Effect<void, TransportError> {
    return Effect.gen({ self: this }, function* () {
      const { now, timeoutMillis } = this.options
      const before = now()
      yield* Effect.sleep(timeoutMillis / 8)
      if (now() - before > timeoutMillis / 2) this.awakeMillis = now()
      const all = new Map(watched())
      yield* this.areYouThere(yield* this.quietOf(all.keys(), (slot) => all.get(slot) ?? 0))
      yield* this.loseMuteAckers
    })
  }

  /**
   * A poll among the pages is a question, too, as long as it is asked again: its acker may
   * say all the while that it is there, and take nothing.
   */
  private readonly loseMuteAckers = Effect.suspend(() => {
    const { members, pace, timeoutMillis } = this.options
    const patienceMillis = timeoutMillis * Limits.questionTimeouts
    const isMute = ({ askedMillis, sinceMillis, slot }: Polls.Owed) =>
      members.isPresent(slot) &&
      askedMillis - Math.max(this.muteSince(slot, sinceMillis), this.awakeMillis) >= patienceMillis
    const mutes = Polls.owing(pace.window()).filter(isMute)
    return Effect.forEach(mutes, ({ slot }) => members.lose(slot, mute, Roster.loseMute), { discard: true })
  })

  /** Those that are away, since when each is. */
  areAway(): Watched {
    return this.away
  }
}
