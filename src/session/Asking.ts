/**
 * The one way to ask the group something: a question is repeated until all that owe an answer have
 * given it, or are lost.
 *
 * a question is repeated, to the catchers that owe an answer, until each has answered, is
 * lost, or patience ends.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import * as Roster from "../protocol/group/Roster.ts"
import * as Slices from "../protocol/group/Slices.ts"
import * as Limits from "../protocol/Limits.ts"
import type { TransportError } from "../transport/Transport.ts"
import type { SitOutReason } from "../protocol/Words.ts"
import type * as Message from "../wire/Message.ts"
import type { MasterExchange, Unsaid } from "./Exchange.ts"
import type { MemberList } from "./Members.ts"
import { mute, type SilenceWatch } from "./Silence.ts"

/** The answers of catchers to questions about a file. */
export type FileAnswer =
  | Message.OpenOk
  | Message.SitOut
  | Message.Missing
  | Message.Complete
  | Message.SurveyOk
  | Message.Comparing
  | Message.ItemizeOk
  | Message.CloseOk
  | Message.Aborted

/** Something that a master asks of several catchers at once, about one file. */
export interface Question {
  readonly file: number
  readonly audience: Message.Audience
  /** The question, to a slice of its audience. */
  readonly message: (
    slice: Message.Audience
  ) => Unsaid<Message.Open | Message.Eof | Message.Survey | Message.Itemize | Message.Close | Message.Abort>
  /** Is this the answer of that slot? Called once for each slot with true. */
  readonly accept: (slot: number, answer: FileAnswer) => boolean
  /**
   * Does it say that the answer is still worked on, and further than before? Then it is waited for.
   */
  readonly isFurther?: (slot: number, answer: FileAnswer) => boolean
  /**
   * Those that have not answered by then are left out; without it the session's own patience holds.
   */
  readonly patienceMillis?: number
  /** Those that are away, while another answers, are left out as well. */
  readonly leavesOut?: boolean
  /**
   * One that lives and does not answer for a time-out is left out, while others are here, and asked
   * on alone. Where nobody answers, it is waited for twice as long each time that it was late.
   */
  readonly leavesOutMute?: boolean
  /** One whose answers are lost is waited for as any other. */
  readonly awaitsUnheard?: boolean
  /**
   * When nearly all have answered, the rest is left to the next question, and told so:
   * slots.
   */
  readonly leavesRest?: (rest: Message.Audience) => void
}

interface Options {
  readonly timeoutMillis: number
  readonly now: () => number
  readonly exchange: MasterExchange["Service"]
  readonly members: MemberList
  readonly silence: SilenceWatch
  readonly receiveBufferBytes: number
  /** Where questions go on that others do not wait for. */
  readonly scope: Scope.Scope
}

/** A question on its way: the slots that owe an answer, in all and of the slice asked last. */
class Asked {
  readonly question: Question
  readonly owing: Set<number>
  readonly answered: Array<number> = []
  /** All of the slice have answered that must. */
  readonly sliceAnswered = Latch.makeUnsafe(false)
  /** Nearly all of the slice have answered: what the rest said is probably lost. */
  readonly mostAnswered = Latch.makeUnsafe(false)
  /** When each was asked for the first time. */
  readonly firstAsked = new Map<number, number>()
  /** When one of them was further last. */
  furtherMillis = -Infinity
  private readonly losesAnswers: (slot: number) => boolean
  private readonly asked: number
  private slice = new Set<number>()
  private sliceAsked = 0

  constructor(question: Question, audience: Message.Audience, losesAnswers: (slot: number) => boolean) {
    this.question = question
    this.owing = new Set(audience)
    this.asked = audience.length
    this.losesAnswers = losesAnswers
  }
  nextSlice(slots: number, nowMillis: number): Message.Audience {
    const slice = [...this.owing].slice(0, slots)
    this.slice = new Set(slice)
    this.sliceAsked = slice.length
    for (const slot of slice) {
      // asked again after all others have been, so that the silent hold up nobody
      this.owing.delete(slot)
      this.owing.add(slot)
      if (!this.firstAsked.has(slot)) this.firstAsked.set(slot, nowMillis)
    }
    slice.sort((a, b) => a - b)
    this.sliceAnswered.closeUnsafe()
    this.mostAnswered.closeUnsafe()
    return slice
  }
  owingOfSlice(): number {
    return this.slice.size
  }
  /** Has one of them not been asked yet? */
  hasUnasked(): boolean {
    // those that were asked stand behind the others
    for (const slot of this.owing) return !this.firstAsked.has(slot)
    return false
  }
  /** Is it an answer to this question? */
  hear(slot: number, answer: FileAnswer, nowMillis: number): boolean {
    if (!this.owing.has(slot)) return false
    if (this.question.isFurther?.(slot, answer) === true) {
      this.firstAsked.set(slot, nowMillis)
      this.furtherMillis = nowMillis
    }
    if (!this.question.accept(slot, answer)) return false
    this.owing.delete(slot)
    this.slice.delete(slot)
    this.answered.push(slot)
    if (isNearlyNobody(this.slice.size, this.sliceAsked)) this.mostAnswered.openUnsafe()
    if (!this.isAwaited(this.slice)) {
      this.sliceAnswered.openUnsafe()
      this.mostAnswered.openUnsafe()
    }
    return true
  }
  /**
   * Must one of them still answer? A question that may leave out some waits for no lost
   * answers once one has come.
   */
  private isAwaited(slots: ReadonlySet<number>): boolean {
    const { awaitsUnheard, leavesOut, patienceMillis } = this.question
    const isForAll = awaitsUnheard === true || (leavesOut !== true && patienceMillis === undefined)
    if (this.answered.length === 0 || isForAll) return slots.size > 0
    for (const slot of slots) if (!this.losesAnswers(slot)) return true
    return false
  }
  /** Do others wait with a file, at least as many as have not answered? */
  holdsUpOthers(): boolean {
    return this.question.file > 0 && this.answered.length >= this.owing.size
  }
  isOpen(): boolean {
    return this.isAwaited(this.owing) && !this.mayLeaveRest()
  }
  private mayLeaveRest(): boolean {
    return this.question.leavesRest !== undefined && isNearlyNobody(this.owing.size, this.asked)
  }
  /** It is asked no more. */
  end(): void {
    if (this.owing.size > 0 && this.mayLeaveRest()) this.question.leavesRest?.([...this.owing])
  }
}

const isNearlyNobody = (owing: number, asked: number): boolean => owing <= asked * Limits.mostOwing

/** The one way to ask the group something. */
export class Asking extends Context.Service<
  Asking,
  {
    /**
     * Asks, and gives the slots that answered. The others are lost, or left out where the question
     * says so.
     */
    readonly ask: (question: Question) => Effect.Effect<Message.Audience, TransportError>
    /**
     * Tells of every catcher that sits the file out, also unasked [O-7], until the scope closes.
     */
    readonly onSitOut: (file: number, heed: Heed) => Effect.Effect<void, never, Scope.Scope>
    /** Catchers that have owed an answer for so many milliseconds, the longest first. */
    readonly owing: (millis: number) => Message.Audience
    /**
     * Catchers that have owed an answer for so long about a file of the tree, where at least as
     * many others have given it.
     */
    readonly holdingUp: (millis: number) => Message.Audience
  }
>()("mrsync/session/Asking") {}

type Heed = (slot: number, why: SitOutReason) => void

export class Questions {
  private readonly options: Options
  private readonly pending = new Set<Asked>()
  private readonly sitOutListeners = new Set<{ readonly file: number; readonly heed: Heed }>()
  private slices: Slices.Slices

  constructor(options: Options) {
    this.options = options
    this.slices = Slices.make(options.receiveBufferBytes)
  }

  service(): Asking["Service"] {
    return {
      ask: (question) => this.ask(question),
      onSitOut: (file, heed) => this.onSitOut(file, heed),
      owing: (millis) => this.owing(millis, () => true),
      holdingUp: (millis) => this.owing(millis, (asked) => asked.holdsUpOthers())
    }
  }

  private owing(millis: number, test: (asked: Asked) => boolean): Message.Audience {
    const latest = this.options.now() - millis
    const since = new Map<number, number>()
    for (const { firstAsked, owing } of [...this.pending].filter(test)) {
      for (const slot of owing) {
        const asked = firstAsked.get(slot) ?? Infinity
        if (asked <= latest) since.set(slot, Math.min(asked, since.get(slot) ?? Infinity))
      }
    }
    return [...since].sort((a, b) => a[1] - b[1] || a[0] - b[0]).map(([slot]) => slot)
  }

  /** So many answers at once have room in the receive buffer. */
  mostAnswers(): number {
    return this.slices.most
  }

  private ask(question: Question): Effect.Effect<Message.Audience, TransportError> {
    return Effect.suspend(() => {
      const { members, silence } = this.options
      const audience = question.audience.filter((slot) => members.isPresent(slot))
      const asked = new Asked(question, audience, (slot) => silence.losesAnswers(slot))
      this.pending.add(asked)
      return Effect.ensuring(
        this.askUntilAnswered(asked),
        Effect.sync(() => this.pending.delete(asked))
      )
    })
  }

  /** A member's answer about a file. */
  onAnswer(slot: number, answer: FileAnswer): void {
    if (answer._tag === "SitOut") {
      for (const { file, heed } of this.sitOutListeners) if (file === answer.file) heed(slot, answer)
    }
    if (answer._tag === "Comparing") this.options.silence.works(slot)
    for (const asked of this.pending) {
      if (asked.question.file === answer.file && asked.hear(slot, answer, this.options.now()))
        this.options.silence.onAnswered(slot)
    }
  }

  private onSitOut(file: number, heed: Heed): Effect.Effect<void, never, Scope.Scope> {
    return Effect.asVoid(
      Effect.acquireRelease(
        Effect.sync(() => {
          const listener = { file, heed }
          this.sitOutListeners.add(listener)
          return listener
        }),
        (listener) => Effect.sync(() => this.sitOutListeners.delete(listener))
      )
    )
  }

  private askUntilAnswered(asked: Asked): Effect.Effect<Message.Audience, TransportError> {
    return Effect.gen({ self: this }, function* () {
      const { members, now, silence, timeoutMillis } = this.options
      const { owing, question } = asked
      const patience = question.patienceMillis ?? timeoutMillis * Limits.questionTimeouts
      let began = now()
      let pause = silence.firstPause()
      let hasty = Limits.hastyRepeats
      while (asked.isOpen() && now() - this.furtherMillis(asked, began) < patience) {
        const before = asked.answered.length
        const stalledMillis = yield* this.askOnce(asked, pause)
        const waited = pause
        // silence backs off; where some answer, the others' answers were lost
        const isUnheard = [...owing].every((slot) => silence.losesAnswers(slot))
        const isHasty = asked.answered.length > before || (isUnheard && hasty-- > 0)
        pause = isHasty ? silence.firstPause() : Math.min(pause * 1.5, Limits.maxQuestionMillis)
        began += Math.max(0, stalledMillis)
        if (stalledMillis > timeoutMillis / 4) silence.awakeMillis = now()
        const quiet = yield* silence.quietOf(owing, (slot) => asked.firstAsked.get(slot) ?? now())
        yield* this.leaveOut(asked, waited)
        // a catcher that works on an answer (commits a thousand files) still answers polls
        yield* silence.areYouThere(quiet)
      }
      asked.end()
      if (question.patienceMillis === undefined && asked.isOpen()) {
        for (const slot of owing) yield* members.lose(slot, mute, Roster.loseMute)
      }
      return asked.answered.filter((slot) => members.isPresent(slot))
    })
  }

  /** When one of those that owe an answer was further last, with it or with what came before. */
  private furtherMillis({ furtherMillis, owing, question }: Asked, began: number): number {
    const { silence } = this.options
    // the others wait for it only so long
    const slots = question.patienceMillis === undefined ? [...owing] : []
    return Math.max(began, furtherMillis, ...slots.map((slot) => silence.muteSince(slot, began)))
  }

  /**
   * Asks the next slice, and waits for its answers for so long; by how many milliseconds more it
   * waited, because we stood still.
   */
  private askOnce(asked: Asked, pauseMillis: number): Effect.Effect<number, TransportError> {
    return Effect.gen({ self: this }, function* () {
      const { now } = this.options
      const askedMillis = now()
      const slice = asked.nextSlice(this.slices.slots, askedMillis)
      yield* this.say(asked.question, slice)
      yield* this.sayMore(asked.question, slice)
      yield* this.awaitSlice(asked, pauseMillis)
      this.slices = Slices.asked(this.slices, slice.length, asked.owingOfSlice())
      return now() - askedMillis - pauseMillis
    })
  }

  /**
   * When nearly all of a slice have answered, the rest is not waited for: others can be
   * asked meanwhile. Where all have been asked, it has as much time again, or a quarter of that
   * where it may be left.
   */
  private awaitSlice(asked: Asked, pauseMillis: number): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      const { now } = this.options
      const askedMillis = now()
      yield* Effect.timeoutOption(asked.mostAnswered.await, pauseMillis)
      if (asked.hasUnasked()) return
      const passedMillis = now() - askedMillis
      const graceMillis = asked.isOpen() ? passedMillis + Limits.restMillis : passedMillis / 4
      const leftMillis = Math.min(pauseMillis - passedMillis, graceMillis)
      if (leftMillis > 0) yield* Effect.timeoutOption(asked.sliceAnswered.await, leftMillis)
    })
  }

  private say(question: Question, slice: Message.Audience): Effect.Effect<void, TransportError> {
    const { exchange } = this.options
    return exchange.sendNow({ ...question.message(slice), session: exchange.session })
  }

  // One answer of several arrives sooner. No more are asked for than the receive buffer has
  // room for.
  private sayMore(question: Question, slice: Message.Audience): Effect.Effect<void, TransportError> {
    return Effect.gen({ self: this }, function* () {
      const { silence } = this.options
      const most = Math.max(1, Math.floor(this.slices.most / Limits.copies))
      const unheard = slice.filter((slot) => silence.losesAnswers(slot)).slice(0, most)
      if (unheard.length === 0) return
      for (let i = 1; i < Limits.copies; i++) yield* this.say(question, unheard)
    })
  }

  // Those that need not be waited for any more owe nothing.
  private leaveOut(asked: Asked, waitedMillis: number): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      const { members, now, silence } = this.options
      const { owing, question } = asked
      for (const slot of owing) {
        silence.tellWindow(slot)
        const since = asked.firstAsked.get(slot) ?? now()
        const silent = silence.silentMillis(slot, since)
        // one that answered the last poll has been silent only as long as was waited since
        const mayLeave = question.leavesOut === true && asked.answered.length > 0
        const isSilent = mayLeave && silent >= silence.awayMillis && silent > waitedMillis
        const isMute = members.isPresent(slot) && this.hasWaitedFor(slot, asked, since)
        if (isSilent) silence.leaveOut([slot])
        else if (isMute) yield* this.askAlone(question, slot)
        if (isSilent || isMute || !members.isPresent(slot)) owing.delete(slot)
      }
    })
  }

  // It lives, and answers no question, and others are here that could go on.
  private hasWaitedFor(slot: number, { answered, owing, question }: Asked, since: number): boolean {
    const { members, now, silence, timeoutMillis } = this.options
    const mostMillis = answered.length > 0 ? timeoutMillis : silence.muteMillis(slot)
    return (
      question.leavesOutMute === true &&
      now() - Math.max(since, silence.awakeMillis) >= mostMillis &&
      members.present().some((other) => !owing.has(other.slot) && !silence.isAway(other.slot))
    )
  }

  // Others go on without it; it is asked on, and lost when it never answers.
  private askAlone(question: Question, slot: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (!this.options.silence.becomesStuck(slot)) return Effect.void
      const alone: Question = { ...question, audience: [slot], leavesOut: false, leavesOutMute: false }
      return Effect.asVoid(Effect.forkIn(Effect.exit(this.ask(alone)), this.options.scope))
    })
  }
}
