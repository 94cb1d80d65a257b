/**
 * The path to one acker, its machine included: how fast it delivers, how long a round trip takes, how much may queue on it. Pure.
 *
 * A sample is what arrived between the last answer before a poll was sent and that poll's own answer: a round trip and more.
 * It lasted as long as the answers were apart, or their polls if that is longer, so that answers which come late and
 * together do not look like a fast path (as BBR measures: draft-cheng-iccrg-delivery-rate-estimation). What arrived, the
 * catcher has counted: a queue that overflows looks to the window like a fast one.
 */

import * as Limits from "../Limits.ts"
import * as Queueing from "./Queueing.ts"

/** An acker's last answer: everything that had been sent before its poll was delivered or is lost. */
interface Mark {
  readonly sentBytes: number
  readonly sentPages: number
  /** Page datagrams that had arrived there, modulo 2^32; undefined: it never said. */
  readonly received: number | undefined
  /** When the poll was sent, and when its answer came. */
  readonly askedMillis: number
  readonly heardMillis: number
}

interface Rate {
  readonly bytesPerMilli: number
  readonly stretch: number
}

interface Trial {
  readonly beganMillis: number
  readonly sent: number
  readonly received: number
  readonly isWaitedFor: boolean
}

const trialFrom = (beganMillis: number): Trial => ({ beganMillis, sent: 0, received: 0, isWaitedFor: true })

/** The knowledge of the path to one acker. */
export interface DeliveryRate {
  readonly mark: Mark
  readonly minRttMillis: number
  /** The best rate of the stretches that are remembered first, then the best of those after it, and so on. */
  readonly rates: ReadonlyArray<Rate>
  /** The current stretch of time, and when it began. */
  readonly stretch: number
  readonly stretchBeganMillis: number
  readonly queueing: Queueing.Queueing
  /** Of the pages sent in the last whole trial, what arrived. */
  readonly share: number
  /** Has a whole trial been judged? */
  readonly isTried: boolean
  /** The most that a sample has seen on its way. */
  readonly provenBytes: number
  /** Pages sent and arrived since the queueing changed; was it waited for all the while? */
  readonly trial: Trial
}

const stretchMillis = 5
/** Rates are remembered for a third of a second: a catcher that commits a bundle stalls its answers, and the link is as fast after it. */
const keptStretches = 64
/** However long nothing was heard, it counts as so many stretches: a pause says nothing of the path. */
const pauseStretches = 8
/** A window of this many round trips, and of the queueing: loss at random does not let it shrink from one to the next. */
const roundTrips = 1.5

/** Floor for `share`: an acker that receives less is excluded from the window, so that no larger correction is needed. */
const leastShare = 1 / Limits.exclusionTimes

/** A path of which nothing is known. */
export const make = (sentBytes: number, sentPages: number, nowMillis: number): DeliveryRate => ({
  mark: {
    sentBytes,
    sentPages,
    received: sentPages === 0 ? 0 : undefined,
    askedMillis: nowMillis,
    heardMillis: nowMillis
  },
  minRttMillis: Number.POSITIVE_INFINITY,
  rates: [],
  stretch: 0,
  stretchBeganMillis: Number.NEGATIVE_INFINITY,
  queueing: Queueing.start,
  share: 1,
  isTried: false,
  provenBytes: 0,
  trial: trialFrom(nowMillis)
})

/** Bytes a millisecond that it takes; undefined before the first sample. */
export const rate = (self: DeliveryRate): number | undefined => self.rates[0]?.bytesPerMilli

/**
 * What may be in flight at its rate, for round trips of that length and so much queueing; undefined before the first sample. What is
 * lost at random, whatever the pace, is sent beside what arrives: it shall not let the window shrink from one round trip to the next.
 */
export const flightBytes = (self: DeliveryRate, rttMillis: number, queueingMillis: number): number | undefined => {
  const taken = rate(self)
  if (taken === undefined) return undefined
  const roundMillis = Number.isFinite(rttMillis) ? rttMillis : 0
  const { cause, trying } = self.queueing
  // less is tried without it, or it would hide what that brings
  const sentMillis =
    cause === "random" && trying !== "less" ? (roundMillis * 1.1) / Math.max(self.share, leastShare) : 0
  const flight = taken * Math.max(roundMillis * roundTrips + queueingMillis, sentMillis)
  // a link that has stood idle takes its first bytes faster than it goes on (a token bucket): at first no rate is believed for more
  // than twice what was tried
  return Math.max(floorBytes(self), self.isTried ? flight : Math.min(flight, 2 * self.provenBytes))
}

/** Is its queue shorter than what the window may cause? */
export const isShallow = (self: DeliveryRate): boolean => self.queueing.millis < Limits.queueingMillis

/** So much is lost there that polls and answers are, too. */
export const isLossy = (self: DeliveryRate): boolean => 1 - self.share >= Limits.toleratedLoss

/** Has it been seen that it is not? */
export const isClean = (self: DeliveryRate): boolean => self.isTried && !isLossy(self)

// Where nothing shows that it is too much: a busy machine gets round to a small window as seldom as to a large one.
const floorBytes = (self: DeliveryRate): number => (isShallow(self) ? Limits.minWindowBytes : Limits.firstWindowBytes)

/** What an acker may lag: its queue, and, as long as that is none too short, what a busy machine needs to get round to it. */
export const lagBytes = (self: DeliveryRate): number | undefined => {
  const { millis } = self.queueing
  const flight = flightBytes(self, self.minRttMillis, millis)
  const lagMillis = (Limits.lagMillis * millis) / Limits.queueingMillis
  return flight === undefined ? undefined : flight + (rate(self) ?? 0) * lagMillis
}

/** Nothing was on its way: what was said long ago is no beginning of a measure. */
export const rested = (self: DeliveryRate, nowMillis: number): DeliveryRate => ({
  ...self,
  mark: { ...self.mark, askedMillis: nowMillis, heardMillis: nowMillis }
})

/**
 * An answer. `before`: what was known of this path when the poll was sent; undefined measures nothing. `fullBytes`: in flight,
 * they show what the path can; less is counted only as the best. `isWaitedFor`: the others waited for it when the poll was sent; if not,
 * what is lost says nothing of the queueing that it is allowed.
 */
export const answered = (
  self: DeliveryRate,
  mark: Mark,
  options: {
    readonly before: DeliveryRate | undefined
    readonly fullBytes: number
    readonly longestMillis: number
    readonly isWaitedFor: boolean
  }
): DeliveryRate => {
  const { before, fullBytes, isWaitedFor, longestMillis } = options
  const rttMillis = Math.max(0, mark.heardMillis - mark.askedMillis)
  const minRttMillis = Math.min(self.minRttMillis, rttMillis)
  // an answer that was overtaken by a later one
  if (mark.sentBytes < self.mark.sentBytes) return { ...self, minRttMillis }
  const heard = tried({ ...self, minRttMillis, mark }, self.mark, isWaitedFor)
  if (before?.mark.received === undefined || mark.sentPages === before.mark.sentPages) return heard
  const millis = Math.max(mark.heardMillis - before.mark.heardMillis, mark.askedMillis - before.mark.askedMillis)
  if (millis <= 0 || millis > longestMillis) return heard
  const flying = mark.sentBytes - before.mark.sentBytes
  const bytesPerMilli = (flying * arrived(before.mark, mark)) / (mark.sentPages - before.mark.sentPages) / millis
  if (flying < fullBytes / 2 && heard.rates.some((known) => known.bytesPerMilli >= bytesPerMilli)) return heard
  return sampled(heard, bytesPerMilli, flying, mark.heardMillis)
}

/** Pages of those sent between two marks. What a catcher says is not trusted to be less than all sent, or more than nothing. */
const arrived = (from: Mark, to: Mark): number =>
  Math.min(((to.received ?? 0) - (from.received ?? 0)) >>> 0, to.sentPages - from.sentPages)

const sampled = (self: DeliveryRate, bytesPerMilli: number, flying: number, nowMillis: number): DeliveryRate => {
  const passed = Math.floor((nowMillis - self.stretchBeganMillis) / stretchMillis)
  const stretch = self.stretch + Math.min(pauseStretches, passed)
  const rates = self.rates.filter(
    (known) => self.isTried && known.bytesPerMilli > bytesPerMilli && stretch - known.stretch < keptStretches
  )
  return {
    ...self,
    rates: [...rates, { bytesPerMilli, stretch }],
    provenBytes: Math.max(self.provenBytes, flying),
    stretch,
    stretchBeganMillis: passed > 0 ? nowMillis : self.stretchBeganMillis
  }
}

// Counts what arrived since the queueing was changed last, and changes it when that is enough to judge by.
const tried = (self: DeliveryRate, from: Mark, isWaitedForNow: boolean): DeliveryRate => {
  if (from.received === undefined || from.askedMillis < self.trial.beganMillis) return self
  const sent = self.trial.sent + self.mark.sentPages - from.sentPages
  const received = self.trial.received + arrived(from, self.mark)
  const isWaitedFor = self.trial.isWaitedFor && isWaitedForNow
  if (sent < Limits.trialPages) return { ...self, trial: { ...self.trial, sent, received, isWaitedFor } }
  const share = received / sent
  return {
    ...self,
    share,
    isTried: true,
    queueing: isWaitedFor ? Queueing.heard(self.queueing, share) : self.queueing,
    trial: trialFrom(self.mark.heardMillis)
  }
}
