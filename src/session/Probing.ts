/**
 * Probing: which page reaches every catcher. Each one that joins is sent probes of several sizes
 * before anything else, and again when it gains nothing of what it is sent. The pages of files
 * opened after that fit the narrowest path, or, where the user has fixed their size, a catcher that
 * they do not reach is told so and sent nothing.
 *
 * [N-4] a catcher that gains nothing costs the others `Limits.vainRounds` times
 * `Limits.vainRoundPages` at most.
 */

import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Reach from "../protocol/group/Reach.ts"
import type { Member } from "../protocol/group/Roster.ts"
import * as Limits from "../protocol/Limits.ts"
import type { TransportError } from "../transport/Transport.ts"
import type { Audience, Probe, ProbeOk } from "../wire/Message.ts"

/** The services and options that probing stands on. */
export interface Options {
  readonly session: bigint
  /** The largest page. */
  readonly pageBytes: number
  /** The pages have that size, however narrow a path is. */
  readonly isPageFixed: boolean
  /** Each path is looked into by itself: one that is narrow makes no page of the others smaller. */
  readonly isEachAlone?: boolean
  /** A cap, undefined for none. */
  readonly bytesPerSecond: number | undefined
  /** Does the transport glue datagrams? */
  readonly glues: boolean
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number
  /** The catchers that take part. */
  readonly present: () => ReadonlyArray<Member>
  /** Sends so many copies of a probe, glued together; the bytes that they took. */
  readonly send: (probe: Probe, copies: number) => Effect.Effect<number, TransportError>
  /** A catcher's path is known, or known to be too narrow. */
  readonly changed: () => void
  /** A remark for a person. */
  readonly note: (message: string) => void
  /** A question of that train was sent to these. */
  readonly asked?: (audience: Audience, train: number) => void
}

/** Which pages reach the catchers. */
export class Paths extends Context.Service<
  Paths,
  {
    /**
     * Of files that are opened now: what reaches every catcher of this session so far. Never grows.
     */
    readonly pageBytes: () => number
    /** The page that the session was announced with: none is larger. */
    readonly announcedBytes: () => number
    /** Has it been found out which pages reach the catcher? */
    readonly isKnown: (slot: number) => boolean
    /** Why nothing is sent to the catcher any more. */
    readonly whyOut: (slot: number) => string | undefined
    /**
     * The largest page that reaches the catcher, and whether it does glued to others; undefined:
     * unknown so far.
     */
    readonly reached: (slot: number) => { readonly pageBytes: number; readonly isGlued: boolean } | undefined
    /** Is that page too large for the path to the catcher? */
    readonly isTooLarge: (slot: number, pageBytes: number) => boolean
  }
>()("mrsync/session/Paths") {}

/** Catchers that gain nothing of what they are sent. [N-4] */
export class Trials extends Context.Service<
  Trials,
  {
    /** Has it gained nothing for so long that it is served after the others? */
    readonly isOnTrial: (slot: number) => boolean
    /** How long after its last pages it is sent more. Others may keep its link full meanwhile. */
    readonly pauseMillis: (slot: number) => number
    /** How many pages the catcher is to be sent at once; undefined: all that it lacks. */
    readonly mostPages: (slot: number) => number | undefined
    /** The catcher has answered after pages were streamed, or sent to it alone: did it gain any? */
    readonly judge: (slot: number, hasGained: boolean, were: "Streamed" | "SentAlone") => void
  }
>()("mrsync/session/Trials") {}

/** The knowledge of the paths to the catchers. */
export interface Probing {
  readonly paths: Paths["Service"]
  readonly trials: Trials["Service"]
  /** Do datagrams that are glued together reach all that are present? */
  readonly isGlued: () => boolean
  /** Whose paths are looked into, and since when: those owe answers. */
  readonly awaited: () => ReadonlyArray<readonly [slot: number, sinceMillis: number]>
  /** A catcher has joined: its path is looked into. */
  readonly onJoined: (slot: number) => void
  /** An answer to probes. */
  readonly onAnswer: (answer: ProbeOk) => void
  /** Begins a probing for a measurement; paths that are looked into begin anew in it. */
  readonly next: () => number
  /** Sends probes until it is interrupted. */
  readonly run: Effect.Effect<never, TransportError>
}

/** A path that is looked into. */
interface Subject {
  readonly sinceMillis: number
  readonly wanted: number
  trains: number
  answers: number
  arrived: Reach.Arrived | undefined
}

/** Makes the probing of a session; it sends nothing before `run` is run. */
export const make = (options: Options): Probing => new Prober(options)

class Prober implements Probing {
  private readonly options: Options
  private pageBytes: number
  private probing = 0
  private train = 0
  private answers = 0
  private sentBytes = 0
  private readonly subjects = new Map<number, Subject>()
  /**
   * The largest page that reaches a catcher, once it is known; and those that only single datagrams
   * reach.
   */
  private readonly reached = new Map<number, number>()
  private readonly unglued = new Set<number>()
  private readonly out = new Map<number, string>()
  /** Rounds in a row that brought a catcher nothing, and when the last of them was. */
  private readonly vain = new Map<number, number>()
  private readonly vainMillis = new Map<number, number>()
  private readonly work = Latch.makeUnsafe(false)
  private readonly answered = Latch.makeUnsafe(false)

  constructor(options: Options) {
    this.options = options
    this.pageBytes = options.pageBytes
  }

  // ---- what is known ----

  readonly paths: Paths["Service"] = {
    pageBytes: () => this.pageBytes,
    announcedBytes: () => this.options.pageBytes,
    isKnown: (slot) => this.reached.has(slot),
    whyOut: (slot) => this.out.get(slot),
    reached: (slot) => {
      const pageBytes = this.reached.get(slot)
      return pageBytes === undefined ? undefined : { pageBytes, isGlued: !this.unglued.has(slot) }
    },
    isTooLarge: (slot, page) => (this.reached.get(slot) ?? Infinity) < page
  }

  readonly trials: Trials["Service"] = {
    isOnTrial: (slot) => this.vainRounds(slot) >= Limits.suspectRounds,
    pauseMillis: (slot) => this.pauseMillis(slot),
    mostPages: (slot) => {
      if (this.vainRounds(slot) === 0) return undefined
      return this.subjects.has(slot) || this.out.has(slot) ? 0 : Limits.vainRoundPages
    },
    judge: (slot, hasGained, were) => this.judge(slot, hasGained, were)
  }

  isGlued(): boolean {
    return this.unglued.size === 0 || !this.options.present().some((member) => this.unglued.has(member.slot))
  }

  awaited(): ReadonlyArray<readonly [slot: number, sinceMillis: number]> {
    return [...this.subjects].map(([slot, { sinceMillis }]) => [slot, sinceMillis] as const)
  }

  private vainRounds(slot: number): number {
    return this.vain.get(slot) ?? 0
  }

  private pauseMillis(slot: number): number {
    return Math.min(this.vainRounds(slot) * Limits.trialMillis, Limits.maxTrialMillis)
  }

  private nameOf(slot: number): string {
    return this.options.present().find((member) => member.slot === slot)?.name ?? `slot ${slot}`
  }

  // ---- what is heard ----

  onJoined(slot: number): void {
    // the slot may have been another catcher's, on another path
    for (const known of [this.reached, this.unglued, this.out, this.vain, this.vainMillis]) known.delete(slot)
    this.begin(slot, this.pageBytes)
  }

  onAnswer(answer: ProbeOk): void {
    const subject = this.subjects.get(answer.slot)
    if (subject === undefined || answer.probing !== this.probing || answer.train > this.train) return
    // no probe had that size
    const { single } = answer
    if (single > 0 && single < subject.wanted && !Reach.ladder(subject.wanted).includes(single)) return
    subject.arrived = answer
    subject.answers++
    this.answers++
    this.look(answer.slot, subject)
    if (this.subjects.size === 0) this.answered.openUnsafe()
  }

  next(): number {
    this.probing++
    for (const [slot, { sinceMillis, wanted }] of this.subjects) this.begin(slot, wanted, sinceMillis)
    return this.probing
  }

  private judge(slot: number, hasGained: boolean, were: "Streamed" | "SentAlone"): void {
    const { out, subjects, vain, vainMillis } = this
    if (hasGained) vain.delete(slot)
    if (hasGained || subjects.has(slot) || out.has(slot)) return
    // what is streamed for others at their pace shows no more than that
    if (were === "Streamed" && this.vainRounds(slot) >= Limits.suspectRounds) return
    // rounds of many files go on at one time
    const nowMillis = this.options.now()
    if (nowMillis - (vainMillis.get(slot) ?? -Infinity) < this.pauseMillis(slot)) return
    vainMillis.set(slot, nowMillis)
    const rounds = this.vainRounds(slot) + 1
    vain.set(slot, rounds)
    if (rounds % Limits.reprobeRounds === Limits.suspectRounds) this.beginAnew(slot, this.pageBytes)
    if (rounds < Limits.vainRounds) return
    out.set(slot, unreached(rounds))
    this.options.changed()
  }

  // ---- what is made of it ----

  private begin(slot: number, wanted: number, sinceMillis = this.options.now()): void {
    this.subjects.set(slot, { sinceMillis, wanted, trains: 0, answers: 0, arrived: undefined })
    this.work.openUnsafe()
  }

  /**
   * Arrivals of an earlier probing are forgotten at the catchers, so all begin again; and at once
   * with the page that they are to get: many may be behind the same narrow path.
   */
  private beginAnew(slot: number, wanted: number): void {
    this.probing++
    const most = this.options.isEachAlone === true ? Infinity : wanted
    for (const [other, subject] of this.subjects) {
      this.begin(other, Math.min(most, subject.wanted), subject.sinceMillis)
    }
    this.begin(slot, wanted)
  }

  private look(slot: number, subject: Subject): void {
    const { glues, isEachAlone, isPageFixed } = this.options
    const verdict = Reach.decide({ ...subject, glues, isKnown: this.reached.has(slot) })
    if (verdict?._tag === "Reached") this.settle(slot, subject.wanted, verdict.isGlued)
    else if (verdict?._tag === "Narrow") {
      if (isPageFixed) this.settle(slot, verdict.pageBytes, true)
      // whether pages of that size arrive glued is still to be seen
      else {
        if (isEachAlone !== true) this.fit(slot, verdict.pageBytes)
        this.beginAnew(slot, verdict.pageBytes)
      }
    }
  }

  private settle(slot: number, page: number, isGlued: boolean): void {
    const { pageBytes, unglued } = this
    const { changed, glues, isPageFixed, note } = this.options
    this.subjects.delete(slot)
    this.reached.set(slot, page)
    if (isPageFixed && page < pageBytes) this.out.set(slot, tooNarrow(pageBytes, page))
    else if (isGlued || !glues) unglued.delete(slot)
    else if (!unglued.has(slot)) {
      unglued.add(slot)
      const name = this.nameOf(slot)
      note(`${name} gets no datagrams that this kernel has glued together: each is sent alone, which is slower`)
    }
    changed()
  }

  private fit(slot: number, page: number): void {
    if (page >= this.pageBytes) return
    this.options.note(`to ${this.nameOf(slot)} ${whatPasses(this.pageBytes, page)}: pages have ${page} bytes now`)
    this.pageBytes = page
  }

  // ---- what is sent ----

  private say(probe: Pick<Probe, "pageBytes" | "isGlued" | "audience">, copies = 1) {
    const { probing, train } = this
    const { send, session } = this.options
    return Effect.map(send({ _tag: "Probe", session, probing, train, ...probe }, copies), (bytes) => {
      this.sentBytes += bytes
    })
  }

  private question(audience: Audience) {
    return Effect.suspend(() => {
      this.options.asked?.(audience, this.train)
      return this.say({ pageBytes: 0, isGlued: false, audience })
    })
  }

  private singles(wanted: number) {
    const single = (page: number) => this.say({ pageBytes: page, isGlued: false, audience: [] })
    return Effect.forEach(Reach.ladder(wanted), single, { discard: true })
  }

  private gluedOnes(page: number) {
    const { bytesPerSecond, glues, present } = this.options
    const copies = gluedCopies(page, present(), bytesPerSecond)
    return glues ? this.say({ pageBytes: page, isGlued: true, audience: [] }, copies) : Effect.void
  }

  /**
   * One of each size, alone and glued, between two questions: the first brings what the train
   * before has shown.
   */
  private sendTrain(audience: Audience): Effect.Effect<void, TransportError> {
    return Effect.gen({ self: this }, function* () {
      this.train++
      const asked = audience.flatMap((slot) => this.subjects.get(slot) ?? [])
      const sizes = [...new Set(asked.map(({ wanted }) => wanted))].sort((a, b) => b - a)
      if (asked.some(({ trains }) => trains > 0)) yield* this.question(audience)
      for (const subject of asked) subject.trains++
      const parts = [this.singles(sizes[0]), Effect.forEach(sizes, (page) => this.gluedOnes(page), { discard: true })]
      yield* Effect.forEach(this.train % 2 === 0 ? parts.reverse() : parts, (part) => part, { discard: true })
      yield* this.question(audience)
    })
  }

  /** Those that are looked into and still there; asked last is asked again last. */
  private nextAudience(): Array<number> {
    const { subjects } = this
    const here = new Set(this.options.present().map((member) => member.slot))
    for (const slot of subjects.keys()) if (!here.has(slot)) subjects.delete(slot)
    const audience = [...subjects.keys()].slice(0, Limits.maxSliceSlots)
    for (const slot of audience) {
      const subject = subjects.get(slot)!
      subjects.delete(slot)
      subjects.set(slot, subject)
    }
    return audience.sort((a, b) => a - b)
  }

  private readonly probe = Effect.gen({ self: this }, function* () {
    const { answered, subjects } = this
    const { bytesPerSecond = Infinity } = this.options
    let pause = Limits.probeMillis
    while (subjects.size > 0) {
      const audience = this.nextAudience()
      if (audience.length === 0) break
      answered.closeUnsafe()
      const before = this.answers
      const beforeBytes = this.sentBytes
      yield* this.sendTrain(audience)
      // at the rate that the user allows
      const trainMillis = (1000 * (this.sentBytes - beforeBytes)) / bytesPerSecond
      yield* Effect.timeoutOption(answered.await, Math.max(pause, trainMillis))
      pause = this.answers > before ? Limits.probeMillis : Math.min(pause * 1.5, Limits.maxProbeMillis)
      // a catcher that says nothing is not waited for
      for (const [slot, subject] of [...subjects]) if (subject.arrived === undefined) this.look(slot, subject)
    }
  })

  readonly run: Effect.Effect<never, TransportError> = Effect.forever(
    Effect.suspend(() => {
      this.work.closeUnsafe()
      return Effect.andThen(this.probe, this.work.await)
    })
  )
}

/** So many probes with a page of that size are glued together. */
const gluedCopies = (page: number, present: ReadonlyArray<Member>, bytesPerSecond = Infinity): number => {
  const datagramBytes = Limits.headerBytes + page
  const buffers = present.map((member) => member.receiveBufferBytes / 8)
  const mostBytes = Math.min(Limits.sendBytes(datagramBytes), bytesPerSecond / 20, ...buffers)
  return Math.max(2, Math.min(Limits.gluedProbes, Math.floor(mostBytes / datagramBytes)))
}

/** The length of the IPv4 packet of a page. */
const packet = (pageBytes: number): number => pageBytes + Limits.headerBytes + Limits.udpHeaderBytes

/** Nobody has tried what is between. */
const whatPasses = (pageBytes: number, reached: number): string =>
  `packets of ${packet(reached)} bytes pass, of ${packet(Reach.nextLarger(pageBytes, reached))} bytes they do not`

const tooNarrow = (pageBytes: number, reached: number): string =>
  `polls arrive and pages of ${pageBytes} bytes do not: ${whatPasses(pageBytes, reached)}; send with --page-size ${reached}, or leave the size to mrsync`

const unreached = (rounds: number): string =>
  `polls arrive and pages do not: it gained nothing in ${rounds} rounds; something on the way drops them`

/** The probes that have arrived at a catcher. */
export class Probes {
  private probing = -1
  private single = 0
  private times = 0
  private glued = 0

  /** Takes a probe in; the answer, where it asks that slot. */
  take({ audience, isGlued, pageBytes, probing, train }: Probe, slot: number) {
    if (probing < this.probing) return undefined
    if (probing > this.probing) Object.assign(this, { probing, single: 0, times: 0, glued: 0 })
    if (isGlued) this.glued = Math.max(this.glued, pageBytes)
    else if (pageBytes > this.single) [this.single, this.times] = [pageBytes, 1]
    else if (pageBytes === this.single && pageBytes > 0) this.times++
    if (!audience.includes(slot)) return undefined
    const { glued, single, times } = this
    return { probing, train, single, times, glued } as const
  }
}
