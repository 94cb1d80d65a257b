/**
 * Probing: which page reaches every catcher. Each one that joins is sent probes of several sizes before anything else, and again
 * when it gains nothing of what it is sent. The pages of files opened after that fit the narrowest path, or, where the user has
 * fixed their size, a catcher that they do not reach is told so and sent nothing.
 *
 * [N-4] a catcher that gains nothing costs the others `Limits.vainRounds` times `Limits.vainRoundPages` at most.
 */

import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Reach from "../protocol/group/Reach.ts"
import type { Member } from "../protocol/group/Roster.ts"
import * as Limits from "../protocol/Limits.ts"
import type { TransportError } from "../transport/Transport.ts"
import type { Audience, Probe, ProbeOk } from "../wire/Message.ts"

/** What the probing of a session stands on. */
export interface Options {
  readonly session: bigint
  /** The largest page. */
  readonly pageBytes: number
  /** The pages have that size, whatever reaches whom. */
  readonly isPageFixed: boolean
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
    /** Of files that are opened now: what reaches every catcher of this session so far. Never grows. */
    readonly pageBytes: () => number
    /** Has it been found out which pages reach the catcher? */
    readonly isKnown: (slot: number) => boolean
    /** Why nothing is sent to the catcher any more. */
    readonly whyOut: (slot: number) => string | undefined
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

/** What is known of the paths to the catchers. */
export interface Probing {
  readonly paths: Paths["Service"]
  readonly trials: Trials["Service"]
  /** Do datagrams that are glued together reach all who are present? */
  readonly isGlued: () => boolean
  /** Whose paths are looked into, and since when: those owe answers. */
  readonly awaited: () => ReadonlyArray<readonly [slot: number, sinceMillis: number]>
  /** A catcher has joined: its path is looked into. */
  readonly joined: (slot: number) => void
  /** An answer to probes. */
  readonly heard: (answer: ProbeOk) => void
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
export const make = (options: Options): Probing => {
  const { changed, glues, isPageFixed, present, session } = options
  let pageBytes = options.pageBytes
  let probing = 0
  let train = 0
  let answers = 0
  let sentBytes = 0
  const subjects = new Map<number, Subject>()
  /** The largest page that reaches a catcher, once it is known; and those that only single datagrams reach. */
  const reached = new Map<number, number>()
  const unglued = new Set<number>()
  const out = new Map<number, string>()
  /** Rounds in a row that brought a catcher nothing, and when the last of them was. */
  const vain = new Map<number, number>()
  const vainMillis = new Map<number, number>()
  const work = Latch.makeUnsafe(false)
  const answered = Latch.makeUnsafe(false)

  const begin = (slot: number, wanted: number, sinceMillis = options.now()) => {
    subjects.set(slot, { sinceMillis, wanted, trains: 0, answers: 0, arrived: undefined })
    work.openUnsafe()
  }
  // What arrived of an earlier probing is forgotten at the catchers, so all begin again; and at once with the page that they are
  // to get: many may be behind the same narrow path.
  const beginAnew = (slot: number, wanted: number) => {
    probing++
    for (const [other, subject] of subjects) begin(other, Math.min(wanted, subject.wanted), subject.sinceMillis)
    begin(slot, wanted)
  }
  const pauseMillis = (slot: number) => Math.min((vain.get(slot) ?? 0) * Limits.trialMillis, Limits.maxTrialMillis)
  const nameOf = (slot: number) => present().find((member) => member.slot === slot)?.name ?? `slot ${slot}`

  const settle = (slot: number, page: number, isGlued: boolean) => {
    subjects.delete(slot)
    reached.set(slot, page)
    if (isPageFixed && page < pageBytes) out.set(slot, tooNarrow(pageBytes, page))
    else if (isGlued || !glues) unglued.delete(slot)
    else if (!unglued.has(slot)) {
      unglued.add(slot)
      options.note(
        `${nameOf(slot)} gets no datagrams that this kernel has glued together: each is sent alone, which is slower`
      )
    }
    changed()
  }
  const fit = (slot: number, page: number) => {
    if (page >= pageBytes) return
    options.note(`to ${nameOf(slot)} ${whatPasses(pageBytes, page)}: pages have ${page} bytes now`)
    pageBytes = page
  }
  const look = (slot: number, subject: Subject) => {
    const { wanted } = subject
    const verdict = Reach.decide({ ...subject, glues, isKnown: reached.has(slot) })
    if (verdict?._tag === "Reached") settle(slot, wanted, verdict.isGlued)
    else if (verdict?._tag === "Narrow") {
      if (isPageFixed) settle(slot, verdict.pageBytes, true)
      // whether pages of that size arrive glued is still to be seen
      else {
        fit(slot, verdict.pageBytes)
        beginAnew(slot, verdict.pageBytes)
      }
    }
  }

  const say = (probe: Omit<Probe, "_tag" | "session" | "probing" | "train">, copies = 1) =>
    Effect.map(options.send({ _tag: "Probe", session, probing, train, ...probe }, copies), (bytes) => {
      sentBytes += bytes
    })
  const question = (audience: Audience) =>
    Effect.suspend(() => {
      options.asked?.(audience, train)
      return say({ pageBytes: 0, isGlued: false, audience })
    })
  const singles = (wanted: number) =>
    Effect.forEach(Reach.ladder(wanted), (page) => say({ pageBytes: page, isGlued: false, audience: [] }), {
      discard: true
    })
  const gluedOnes = (page: number) => {
    const copies = gluedCopies(page, present(), options.bytesPerSecond)
    return glues ? say({ pageBytes: page, isGlued: true, audience: [] }, copies) : Effect.void
  }

  /** One of each size, alone and glued, between two questions: the first brings what the train before has shown. */
  const sendTrain = Effect.fnUntraced(function* (audience: Audience) {
    train++
    const asked = audience.flatMap((slot) => subjects.get(slot) ?? [])
    const sizes = [...new Set(asked.map(({ wanted }) => wanted))].sort((a, b) => b - a)
    if (asked.some(({ trains }) => trains > 0)) yield* question(audience)
    for (const subject of asked) subject.trains++
    const parts = [singles(sizes[0]), Effect.forEach(sizes, gluedOnes, { discard: true })]
    yield* Effect.forEach(train % 2 === 0 ? parts.reverse() : parts, (part) => part, { discard: true })
    yield* question(audience)
  })

  const probe = Effect.gen(function* () {
    let pause = Limits.probeMillis
    while (subjects.size > 0) {
      const here = new Set(present().map((member) => member.slot))
      for (const slot of subjects.keys()) if (!here.has(slot)) subjects.delete(slot)
      // asked last is asked again last
      const audience = [...subjects.keys()].slice(0, Limits.maxSliceSlots)
      for (const slot of audience) {
        const subject = subjects.get(slot)!
        subjects.delete(slot)
        subjects.set(slot, subject)
      }
      if (audience.length === 0) break
      answered.closeUnsafe()
      const before = answers
      const beforeBytes = sentBytes
      yield* sendTrain(audience.sort((a, b) => a - b))
      // at the rate that the user allows
      const trainMillis = (1000 * (sentBytes - beforeBytes)) / (options.bytesPerSecond ?? Infinity)
      yield* Effect.timeoutOption(answered.await, Math.max(pause, trainMillis))
      pause = answers > before ? Limits.probeMillis : Math.min(pause * 1.5, Limits.maxProbeMillis)
      // a catcher that says nothing is not waited for
      for (const [slot, subject] of [...subjects]) if (subject.arrived === undefined) look(slot, subject)
    }
  })

  const paths: Paths["Service"] = {
    pageBytes: () => pageBytes,
    isKnown: (slot) => reached.has(slot),
    whyOut: (slot) => out.get(slot),
    isTooLarge: (slot, page) => (reached.get(slot) ?? Infinity) < page
  }
  const trials: Trials["Service"] = {
    isOnTrial: (slot) => (vain.get(slot) ?? 0) >= Limits.suspectRounds,
    pauseMillis,
    mostPages: (slot) =>
      (vain.get(slot) ?? 0) === 0 ? undefined : subjects.has(slot) || out.has(slot) ? 0 : Limits.vainRoundPages,
    judge: (slot, hasGained, were) => {
      if (hasGained) vain.delete(slot)
      if (hasGained || subjects.has(slot) || out.has(slot)) return
      // what is streamed for others at their pace shows no more than that
      if (were === "Streamed" && (vain.get(slot) ?? 0) >= Limits.suspectRounds) return
      // rounds of many files go on at one time
      const nowMillis = options.now()
      if (nowMillis - (vainMillis.get(slot) ?? -Infinity) < pauseMillis(slot)) return
      vainMillis.set(slot, nowMillis)
      const rounds = (vain.get(slot) ?? 0) + 1
      vain.set(slot, rounds)
      if (rounds % Limits.reprobeRounds === Limits.suspectRounds) beginAnew(slot, pageBytes)
      if (rounds < Limits.vainRounds) return
      out.set(slot, unreached(rounds))
      changed()
    }
  }
  return {
    paths,
    trials,
    isGlued: () => unglued.size === 0 || !present().some((member) => unglued.has(member.slot)),
    awaited: () => [...subjects].map(([slot, { sinceMillis }]) => [slot, sinceMillis] as const),
    joined: (slot) => {
      // the slot may have been another catcher's, on another path
      for (const known of [reached, unglued, out, vain, vainMillis]) known.delete(slot)
      begin(slot, pageBytes)
    },
    heard: (answer) => {
      const subject = subjects.get(answer.slot)
      if (subject === undefined || answer.probing !== probing || answer.train > train) return
      // no probe had that size
      const { single } = answer
      if (single > 0 && single < subject.wanted && !Reach.ladder(subject.wanted).includes(single)) return
      subject.arrived = answer
      subject.answers++
      answers++
      look(answer.slot, subject)
      if (subjects.size === 0) answered.openUnsafe()
    },
    run: Effect.forever(
      Effect.suspend(() => {
        work.closeUnsafe()
        return Effect.andThen(probe, work.await)
      })
    )
  }
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

/** What has arrived of the probes, at a catcher. */
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
