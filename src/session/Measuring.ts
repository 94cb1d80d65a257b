/**
 * Measuring the way to catchers: how many pages arrive at each of them, at one rate, and which is
 * the longest datagram that does.
 *
 * [N-5] the pages of a trial are no file's. They are marked as all others are, so that a trial
 * under a seal is as fast as a session. A catcher counts them, and says its count when it is polled
 * before them and after.
 */

import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Limits from "../protocol/Limits.ts"
import type { TransportError } from "../transport/Transport.ts"
import type { Audience, PollOk, ProbeOk } from "../wire/Message.ts"
import type { MasterExchange } from "./Exchange.ts"

/** A trial: `count` pages of that size, so many bytes in a second. */
interface Trial {
  readonly slots: Audience
  readonly pageBytes: number
  readonly count: number
  readonly bytesPerSecond: number
  /** The kernel may be given several glued together. */
  readonly isGlued: boolean
}

/** The outcome of a trial at one catcher. */
interface Measured {
  /** Pages that arrived; undefined: the catcher did not say. */
  readonly arrived: number | undefined
  /** How often it was asked, and how many of these questions it answered. */
  readonly asked: number
  readonly answered: number
}

/** The outcome of a trial. */
interface Outcome {
  /** The rate that came of it: a busy machine sends more slowly than it was asked to. */
  readonly bytesPerSecond: number
  readonly bySlot: ReadonlyMap<number, Measured>
}

/** Sizes of pages that are tried one after the other. */
interface Sizes {
  readonly slots: Audience
  /** The catchers are known to get pages of this size. */
  readonly reachedBytes: number
  /** They are known to get none of this size. */
  readonly tooLongBytes: number
}

/** The longest page that arrived at a catcher, and the next one that was tried and did not. */
export interface Longest {
  readonly reachedBytes: number
  readonly tooLongBytes: number
}

/** Measures the way to catchers. One measurement at a time. */
export class Measuring extends Context.Service<
  Measuring,
  {
    /** Sends the pages of a trial, and asks what arrived. */
    readonly measure: (trial: Trial) => Effect.Effect<Outcome, TransportError>
    /** Finds out where between two sizes pages cease to arrive, for each catcher that answers. */
    readonly longest: (sizes: Sizes) => Effect.Effect<ReadonlyMap<number, Longest>, TransportError>
    /**
     * Finds out of each catcher whose long answers do not come back which is the longest that does.
     * Of very many catchers it looks at the first.
     */
    readonly longestAnswers: (slots: Audience) => Effect.Effect<ReadonlyMap<number, Longest>, TransportError>
  }
>()("mrsync/session/Measuring") {}

interface Options {
  readonly exchange: Pick<MasterExchange["Service"], "session" | "sendNow" | "sendTrial" | "sendProbe">
  readonly now: () => number
  /** The number of the next probing: what arrived in earlier ones is forgotten at the catchers. */
  readonly nextProbing: () => number
}

/** Times that a question is asked, and the first pause after it; the pauses grow. */
const questions = 6
const pauseMillis = 50
const pauseGrowth = 1.7
/** Pages that are sent at once take this time at the wanted rate: short queues take them. */
const burstMillis = 2
/** So many sizes are tried, each twice, with so many bytes in a second at the most. */
const mostSizes = 450
const copiesOfSize = 2
const sizesBytesPerSecond = 1_250_000

/** Answers of so many catchers are looked into, and in steps of so many bytes. */
const examined = 16
const answerStep = 4
/** Where no more steps than these are missing, chance may have lost them. */
const chanceSteps = 10

/** An answer that says a number, and the questions that were answered. */
interface Heard {
  readonly said: number
  readonly questions: Set<number>
}

export class Measurer {
  private readonly options: Options
  /** Numbers of polls and of trains; each round of questions begins at one of its own. */
  private question = 0
  private firstQuestion = 0
  private probing = -1
  /** The longest answer of each in this probing, as the page of the same length. */
  private lengths = new Map<number, number>()
  /** Pages sent in trials so far: each has a number, and so a mark, of its own. */
  private pages = 0
  private heard = new Map<number, Heard>()
  private readonly answered = Latch.makeUnsafe(false)

  constructor(options: Options) {
    this.options = options
  }

  service(): Measuring["Service"] {
    return {
      measure: (trial) => this.measure(trial),
      longest: (sizes) => this.longest(sizes),
      longestAnswers: (slots) => this.longestAnswers(slots)
    }
  }

  /** A catcher's answer to a poll: pages that it has received so far. */
  onCount({ poll, received, slot }: PollOk): void {
    this.onAnswer(slot, poll, received)
  }

  /**
   * A catcher's answer to a probe: the largest page of this probing that it has received, and how
   * long the answer is.
   */
  onLongest({ pageBytes, probing, single, slot, train }: ProbeOk): void {
    if (probing !== this.probing) return
    this.lengths.set(slot, Math.max(pageBytes, this.lengths.get(slot) ?? 0))
    this.onAnswer(slot, train, single)
  }

  private onAnswer(slot: number, question: number, number: number): void {
    if (question < this.firstQuestion || question > this.question) return
    const before = this.heard.get(slot)
    const asked = (before?.questions ?? new Set<number>()).add(question)
    // the answer to an earlier question may come later
    this.heard.set(slot, { said: Math.max(number, before?.said ?? 0), questions: asked })
    this.answered.openUnsafe()
  }

  private measure(trial: Trial): Effect.Effect<Outcome, TransportError> {
    return Effect.gen({ self: this }, function* () {
      const { count, slots } = trial
      const before = yield* this.counts(slots)
      const bytesPerSecond = yield* this.flood(trial)
      const after = yield* this.counts(slots.filter((slot) => before.heard.has(slot)))
      const bySlot = new Map<number, Measured>()
      for (const slot of slots) {
        const [first, last] = [before.heard.get(slot), after.heard.get(slot)]
        // counts are of 32 bits
        const arrived = first && last && Math.min((last.said - first.said) >>> 0, count)
        const [one, other] = [before.of(slot), after.of(slot)]
        bySlot.set(slot, { arrived, asked: one.asked + other.asked, answered: one.answered + other.answered })
      }
      return { bytesPerSecond, bySlot }
    })
  }

  /** How many pages each has received. */
  private counts(slots: Audience) {
    const { sendNow, session } = this.options.exchange
    return this.ask(slots, (audience) => sendNow({ _tag: "Poll", session, poll: this.question, audience }))
  }

  /** Sends the pages, none before its time; the rate that came of it. */
  private flood({ bytesPerSecond, count, isGlued, pageBytes }: Trial) {
    return Effect.gen({ self: this }, function* () {
      const { exchange, now } = this.options
      const datagramBytes = Limits.headerBytes + pageBytes
      const burst = Math.floor((bytesPerSecond * burstMillis) / 1000 / datagramBytes)
      const copies = Math.max(1, Math.min(burst, Math.floor(Limits.sendBytes(datagramBytes) / datagramBytes)))
      const startedMillis = now()
      for (let sent = 0; sent < count; sent += copies) {
        const pages = Math.min(copies, count - sent)
        yield* exchange.sendTrial({ first: this.pages, pages, pageBytes, isSingly: !isGlued })
        this.pages += pages
        yield* this.pause(startedMillis + (1000 * (sent + copies) * datagramBytes) / bytesPerSecond)
      }
      const seconds = (now() - startedMillis) / 1000
      return Math.min(bytesPerSecond, (count * datagramBytes) / Math.max(seconds, 0.001))
    })
  }

  private pause(untilMillis: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      const leftMillis = Math.floor(untilMillis - this.options.now())
      return leftMillis > 0 ? Effect.sleep(leftMillis) : Effect.yieldNow
    })
  }

  private longest(sizes: Sizes): Effect.Effect<ReadonlyMap<number, Longest>, TransportError> {
    return Effect.gen({ self: this }, function* () {
      const { reachedBytes, slots, tooLongBytes } = sizes
      const step = Math.ceil((tooLongBytes - reachedBytes) / mostSizes)
      this.begin()
      yield* this.climb(sizes, step, [])
      const { heard } = yield* this.ask(slots, (audience) => this.probe(0, audience))
      const found = slots.flatMap((slot) => {
        const answer = heard.get(slot)
        if (answer === undefined) return []
        const reached = Math.max(reachedBytes, answer.said)
        return [[slot, { reachedBytes: reached, tooLongBytes: Math.min(tooLongBytes, reached + step) }] as const]
      })
      return new Map(found)
    })
  }

  private begin(): void {
    this.probing = this.options.nextProbing()
    this.lengths = new Map()
  }

  private longestAnswers(slots: Audience): Effect.Effect<ReadonlyMap<number, Longest>, TransportError> {
    return Effect.gen({ self: this }, function* () {
      const tooLongBytes = Limits.longestAnswerPage
      this.begin()
      const whole = yield* this.ask(slots, (audience) => this.probe(tooLongBytes, audience))
      const others = ascending(slots.filter((slot) => !whole.heard.has(slot))).slice(0, examined)
      if (others.length === 0) return new Map<number, Longest>()
      yield* this.climb({ reachedBytes: 0, tooLongBytes }, answerStep, others)
      // an answer to this comes behind all others
      const { heard } = yield* this.ask(others, (audience) => this.probe(0, audience))
      const found = [...heard].flatMap(([slot, { said }]) => {
        const reachedBytes = this.lengths.get(slot) ?? 0
        // no answer is longer than the probe that it answers
        const isCut = reachedBytes + chanceSteps * answerStep < Math.min(tooLongBytes, said)
        return isCut ? [[slot, { reachedBytes, tooLongBytes: reachedBytes + answerStep }] as const] : []
      })
      return new Map(found)
    })
  }

  /** Sends probes of one size after the other, none before its time. */
  private climb({ reachedBytes, tooLongBytes }: Omit<Sizes, "slots">, step: number, audience: Audience) {
    return Effect.gen({ self: this }, function* () {
      let dueMillis = this.options.now()
      for (let pageBytes = reachedBytes + step; pageBytes < tooLongBytes; pageBytes += step) {
        for (let copy = 0; copy < copiesOfSize; copy++) {
          dueMillis += (1000 * (yield* this.probe(pageBytes, audience))) / sizesBytesPerSecond
          yield* this.pause(dueMillis)
        }
      }
    })
  }

  private probe(pageBytes: number, audience: Audience) {
    const { sendProbe, session } = this.options.exchange
    const { probing, question: train } = this
    return sendProbe({ _tag: "Probe", session, probing, train, isGlued: false, pageBytes, audience }, 1)
  }

  /** Asks until all have answered. */
  private ask<A>(slots: Audience, say: (audience: Audience) => Effect.Effect<A, TransportError>) {
    return Effect.gen({ self: this }, function* () {
      const heard = (this.heard = new Map<number, Heard>())
      const asked = new Map<number, number>()
      const first = (this.firstQuestion = this.question + 1)
      for (let i = 0, pause = pauseMillis; i < questions; i++, pause *= pauseGrowth) {
        const silent = ascending(slots.filter((slot) => !heard.has(slot)))
        if (silent.length === 0) break
        this.question++
        for (let at = 0; at < silent.length; at += Limits.maxSliceSlots)
          yield* say(silent.slice(at, at + Limits.maxSliceSlots))
        for (const slot of silent) asked.set(slot, i + 1)
        yield* this.answers(slots, pause)
      }
      return new Round(heard, asked, first)
    })
  }

  /** Waits until all have answered, no longer than that. */
  private answers(slots: Audience, millis: number) {
    const all = Effect.gen({ self: this }, function* () {
      while (!slots.every((slot) => this.heard.has(slot))) {
        this.answered.closeUnsafe()
        yield* this.answered.await
      }
    })
    return Effect.asVoid(Effect.timeoutOption(all, Math.round(millis)))
  }
}

/** An audience is told by its gaps, so that it ascends. */
const ascending = (slots: Audience): Audience => slots.toSorted((a, b) => a - b)

/** What came of a round of questions. */
class Round {
  readonly heard: ReadonlyMap<number, Heard>
  private readonly asked: ReadonlyMap<number, number>
  private readonly first: number

  constructor(heard: ReadonlyMap<number, Heard>, asked: ReadonlyMap<number, number>, first: number) {
    this.heard = heard
    this.asked = asked
    this.first = first
  }

  /** Of questions after the last that was answered nobody knows yet whether they will be. */
  of(slot: number): Pick<Measured, "asked" | "answered"> {
    const answered = this.heard.get(slot)?.questions
    if (answered === undefined) return { asked: this.asked.get(slot) ?? 0, answered: 0 }
    return { asked: Math.max(...answered) - this.first + 1, answered: answered.size }
  }
}
