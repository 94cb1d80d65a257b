/**
 * Measuring: how many datagrams of one size arrive at each catcher, at one rate. The
 * datagrams are probes, like those that find out which page reaches a catcher. Each catcher counts
 * what arrives, and is asked at the end, again and again where no answer comes.
 */

import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Limits from "../protocol/Limits.ts"
import type { TransportError } from "../transport/Transport.ts"
import type { Audience, Probe, ProbeOk } from "../wire/Message.ts"

/** A trial: `count` datagrams with pages of that size, so many bytes in a second. */
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
  /** Datagrams that arrived; undefined: the catcher did not answer. */
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

/** Measures the way to catchers. */
export class Measuring extends Context.Service<
  Measuring,
  {
    /** Sends the datagrams of a trial, and asks what arrived. One trial at a time. */
    readonly measure: (trial: Trial) => Effect.Effect<Outcome, TransportError>
  }
>()("mrsync/session/Measuring") {}

interface Options {
  readonly session: bigint
  readonly now: () => number
  readonly send: (probe: Probe, copies: number) => Effect.Effect<number, TransportError>
  /** The number of the next probing: what arrived in earlier ones is forgotten at the catchers. */
  readonly nextProbing: () => number
}

/** Times that a question is asked, and the first pause after it; the pauses grow. */
const questions = 6
const pauseMillis = 50
const pauseGrowth = 1.7
/** Datagrams that are sent at once take this time at the wanted rate: short queues take them. */
const burstMillis = 2

/** An answer that counts how many arrived. */
interface Heard {
  readonly arrived: number
  readonly trains: Set<number>
}

export class Measurer {
  private readonly options: Options
  private probing = -1
  private train = 0
  private pageBytes = 0
  private heard = new Map<number, Heard>()
  private readonly answered = Latch.makeUnsafe(false)

  constructor(options: Options) {
    this.options = options
  }

  service(): Measuring["Service"] {
    return { measure: (trial) => this.measure(trial) }
  }

  onAnswer({ probing, single, slot, times, train }: ProbeOk): void {
    if (probing !== this.probing || train < 1 || train > this.train) return
    const before = this.heard.get(slot)
    const arrived = single === this.pageBytes ? times : 0
    const trains = (before?.trains ?? new Set<number>()).add(train)
    // the answer to an earlier question may come later
    this.heard.set(slot, { arrived: Math.max(arrived, before?.arrived ?? 0), trains })
    this.answered.openUnsafe()
  }

  private measure(trial: Trial): Effect.Effect<Outcome, TransportError> {
    return Effect.gen({ self: this }, function* () {
      this.probing = this.options.nextProbing()
      this.train = 0
      this.pageBytes = trial.pageBytes
      this.heard = new Map()
      const bytesPerSecond = yield* this.flood(trial)
      const asked = yield* this.ask(trial.slots)
      const measured = trial.slots.map((slot) => [slot, this.measured(trial, asked.get(slot) ?? 0, slot)] as const)
      return { bytesPerSecond, bySlot: new Map(measured) }
    })
  }

  /** Of questions after the last that was answered nobody knows yet whether they will be. */
  private measured({ count }: Trial, asked: number, slot: number): Measured {
    const heard = this.heard.get(slot)
    if (heard === undefined) return { arrived: undefined, asked, answered: 0 }
    const { arrived, trains } = heard
    return { arrived: Math.min(arrived, count), asked: Math.max(...trains), answered: trains.size }
  }

  private say(probe: Pick<Probe, "pageBytes" | "audience">, copies: number) {
    const { options, probing, train } = this
    return options.send({ _tag: "Probe", session: options.session, probing, train, isGlued: false, ...probe }, copies)
  }

  /** Sends the datagrams, none before its time; the rate that came of it. */
  private flood({ bytesPerSecond, count, isGlued, pageBytes }: Trial) {
    return Effect.gen({ self: this }, function* () {
      const { now } = this.options
      const datagramBytes = Limits.headerBytes + pageBytes
      const burst = Math.floor((bytesPerSecond * burstMillis) / 1000 / datagramBytes)
      const glued = Math.min(burst, Math.floor(Limits.sendBytes(datagramBytes) / datagramBytes))
      const copies = isGlued ? Math.max(1, glued) : 1
      const startedMillis = now()
      for (let sent = 0; sent < count; sent += copies) {
        yield* this.say({ pageBytes, audience: [] }, Math.min(copies, count - sent))
        const dueMillis = startedMillis + (1000 * (sent + copies) * datagramBytes) / bytesPerSecond
        const leftMillis = Math.floor(dueMillis - now())
        yield* leftMillis > 0 ? Effect.sleep(leftMillis) : Effect.yieldNow
      }
      const seconds = (now() - startedMillis) / 1000
      return Math.min(bytesPerSecond, (count * datagramBytes) / Math.max(seconds, 0.001))
    })
  }

  /** Asks until all have answered; how often each was asked. */
  private ask(slots: Audience) {
    return Effect.gen({ self: this }, function* () {
      const asked = new Map<number, number>()
      for (let i = 0, pause = pauseMillis; i < questions; i++, pause *= pauseGrowth) {
        // an audience is told by its gaps, so that it ascends
        const silent = slots.filter((slot) => !this.heard.has(slot)).toSorted((a, b) => a - b)
        if (silent.length === 0) break
        this.train++
        for (let at = 0; at < silent.length; at += Limits.maxSliceSlots) {
          const audience = silent.slice(at, at + Limits.maxSliceSlots)
          yield* this.say({ pageBytes: 0, audience }, 1)
        }
        for (const slot of silent) asked.set(slot, (asked.get(slot) ?? 0) + 1)
        yield* this.answers(slots, pause)
      }
      return asked
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
