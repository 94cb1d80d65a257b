/**
 * Pace: how many bytes may be on their way. Pure. Ackers answer polls that travel inside the data, so an answer says
 * that everything sent before its poll has been taken; the slowest acker that still answers bounds the window.
 *
 * The window aims at what the path delivers in its shortest round trip plus a little queueing (`rate * (minRtt +
 * queueingMillis)`): a link stays full and its queue short, and random loss does not shrink it. It never exceeds what the
 * smallest receive buffer takes, so that the kernel of a busy catcher drops nothing.
 *
 * bytes on their way = sent - the least acknowledged of the bounding ackers.
 * an acker that is silent for `ackerPatienceMillis` while another answers does not bound; answering, it does again.
 */
import * as Limits from "./Limits.ts"

interface Asked {
  readonly poll: number
  readonly sentBytes: number
  readonly atMillis: number
}

export interface Acker {
  readonly slot: number
  readonly ackedBytes: number
  readonly heardMillis: number
}

export interface Window {
  /** The most that may be on its way. */
  readonly bytes: number
  /** The receive buffers' bound. */
  readonly limitBytes: number
  readonly sentBytes: number
  readonly nextPoll: number
  /** Recent polls, oldest first. */
  readonly asked: ReadonlyArray<Asked>
  readonly ackers: ReadonlyArray<Acker>
  readonly minRttMillis: number
  /** The usual round trip, queueing and a busy catcher included; undefined before the first answer. */
  readonly rttMillis: number | undefined
  /** Best rate of the last samples, bytes a millisecond. */
  readonly rates: ReadonlyArray<number>
  /** Where the current rate sample began. */
  readonly sampleBytes: number
  readonly sampleMillis: number
}

const keptPolls = 128
/** Remembered for a third of a second or more: a catcher that commits a bundle stalls its answers, and the link is as fast after it. */
const keptRates = 64
/** A rate sample is at least this long; shorter ones are mostly the clock's noise. */
const sampleMillis = 5

/** `receiveBufferBytes`: the smallest among the catchers, as their systems state it. */
export const make = (receiveBufferBytes: number): Window => ({
  bytes: Limits.minWindowBytes,
  limitBytes: limitOf(receiveBufferBytes),
  sentBytes: 0,
  nextPoll: 1,
  asked: [],
  ackers: [],
  minRttMillis: Number.POSITIVE_INFINITY,
  rttMillis: undefined,
  rates: [],
  sampleBytes: 0,
  sampleMillis: Number.NEGATIVE_INFINITY
})

// A Linux buffer of n stated bytes holds 2n of kernel memory, and a 1.5 KB datagram takes up to 2.3 KB of it: about 1.2 n.
const limitOf = (receiveBufferBytes: number): number =>
  Math.max(Limits.batchBytes, Math.min(Limits.maxWindowBytes, receiveBufferBytes))

/** The catchers that are to clock the window from now on. New ones count as having all that was sent so far. */
export const setAckers = (self: Window, slots: ReadonlyArray<number>, nowMillis: number): Window => ({
  ...self,
  ackers: slots.map(
    (slot) =>
      self.ackers.find((acker) => acker.slot === slot) ?? { slot, ackedBytes: self.sentBytes, heardMillis: nowMillis }
  )
})

export const limit = (self: Window, receiveBufferBytes: number): Window => {
  const limitBytes = limitOf(receiveBufferBytes)
  return { ...self, limitBytes, bytes: Math.min(self.bytes, limitBytes) }
}

export const sent = (self: Window, bytes: number): Window => ({ ...self, sentBytes: self.sentBytes + bytes })

/** A poll went out; its number is the old `nextPoll`. */
export const polled = (self: Window, nowMillis: number): Window => ({
  ...self,
  nextPoll: (self.nextPoll + 1) >>> 0,
  asked: [...self.asked.slice(1 - keptPolls), { poll: self.nextPoll, sentBytes: self.sentBytes, atMillis: nowMillis }]
})

/** Bytes sent since the last poll. */
export const sinceLastPoll = (self: Window): number =>
  self.sentBytes - (self.asked.length === 0 ? 0 : self.asked[self.asked.length - 1].sentBytes)

/** An acker answered a poll. Answers to polls that are no longer known, or from others, change nothing. */
export const answered = (self: Window, slot: number, poll: number, nowMillis: number): Window => {
  const asked = self.asked.find((asked) => asked.poll === poll)
  const before = self.ackers.find((acker) => acker.slot === slot)
  if (asked === undefined || before === undefined) return self
  const acker = { slot, ackedBytes: Math.max(before.ackedBytes, asked.sentBytes), heardMillis: nowMillis }
  const ackers = self.ackers.map((other) => (other.slot === slot ? acker : other))
  const sampleMillis = Math.max(0, nowMillis - asked.atMillis)
  const minRttMillis = Math.min(self.minRttMillis, sampleMillis)
  // the classical smoothing of round trips (RFC 6298)
  const rttMillis = self.rttMillis === undefined ? sampleMillis : self.rttMillis + (sampleMillis - self.rttMillis) / 8
  return paced({ ...self, ackers, minRttMillis, rttMillis }, nowMillis)
}

// Measures the slowest bounding acker's progress and sets the window by it.
const paced = (self: Window, nowMillis: number): Window => {
  const acked = ackedBytes(self, nowMillis)
  const millis = nowMillis - self.sampleMillis
  if (millis < sampleMillis) return self
  const sample = { sampleBytes: acked, sampleMillis: nowMillis }
  // a pause (barrier, slow source) is no measure of the path
  if (acked <= self.sampleBytes || millis > 40 * sampleMillis) return { ...self, ...sample }
  const rates = [...self.rates.slice(1 - keptRates), (acked - self.sampleBytes) / millis]
  const target = Math.max(...rates) * (self.minRttMillis + Limits.queueingMillis)
  const bytes = Math.min(self.limitBytes, Math.max(Limits.minWindowBytes, target))
  return { ...self, ...sample, rates, bytes }
}

/** The ackers that bound the window now. */
export const bounding = (self: Window, nowMillis: number): ReadonlyArray<Acker> => {
  const latest = Math.max(...self.ackers.map((acker) => acker.heardMillis))
  return self.ackers.filter(
    (acker) =>
      acker.ackedBytes >= self.sentBytes ||
      nowMillis - acker.heardMillis < Limits.ackerPatienceMillis ||
      latest - acker.heardMillis < Limits.ackerPatienceMillis
  )
}

/** What the slowest bounding acker has taken. */
export const ackedBytes = (self: Window, nowMillis: number): number =>
  bounding(self, nowMillis).reduce((least, acker) => Math.min(least, acker.ackedBytes), self.sentBytes)

/**
 * How many batches of `batchBytes` may be sent now. One always may when nothing is on its way. The last one may reach over
 * the window, but not over the receive buffers' bound: rounded down to whole batches, a window could never grow on a long path.
 */
export const room = (self: Window, batchBytes: number, nowMillis: number): number => {
  const flying = self.sentBytes - ackedBytes(self, nowMillis)
  const wanted = Math.ceil((self.bytes - flying) / batchBytes)
  const allowed = Math.floor((self.limitBytes - flying) / batchBytes)
  return Math.max(flying === 0 ? 1 : 0, Math.min(wanted, allowed))
}

/** Since when an acker owes an answer to a poll; undefined: it owes none. */
export const owesSince = (self: Window, acker: Acker): number | undefined =>
  self.asked.find((asked) => asked.sentBytes > acker.ackedBytes)?.atMillis

/** Poll this often, so that several answers are on their way within one window. */
export const pollBytes = (self: Window): number => Math.max(Limits.batchBytes / 2, self.bytes / 4)
