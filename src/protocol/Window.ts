/**
 * Pace: how many bytes may be on their way. Pure. Ackers answer polls that travel inside the data, so an answer says
 * that everything sent before its poll has been taken.
 *
 * Two windows, both from the rate at which the slowest acker takes: the network's, `rate * (minRtt + queueingMillis)`, which
 * keeps a link full and its queue short, and which random loss does not shrink; and the slowest acker's, larger by what it
 * takes in `lagMillis`, because a busy machine answers late what the network has brought long ago. The fastest acker
 * says what the network has brought. Neither exceeds what the smallest receive buffer takes, so that the kernel of a busy
 * catcher drops nothing.
 *
 * sent - the most acknowledged of the bounding ackers is on the network; sent - the least acknowledged is how far
 * the slowest lags.
 * an acker that is silent for `ackerPatienceMillis` while another answers does not bound; answering, it does again.
 * few ackers for which the others wait most of the time do not bound for a while: the group would be four times as fast.
 */
import * as Limits from "./Limits.ts"

interface Asked {
  readonly poll: number
  readonly sentBytes: number
  readonly atMillis: number
  readonly acked: Acked
}

/** What the slowest acker has taken: when it was asked, and when it said so. */
interface Acked {
  readonly bytes: number
  readonly askedMillis: number
  readonly heardMillis: number
}

export interface Acker {
  readonly slot: number
  readonly ackedBytes: number
  readonly heardMillis: number
  readonly minRttMillis: number
  /** On the master's own machine: what it has taken says nothing of the network. */
  readonly isLocal: boolean
  /** The poll that asked it last, and since when it owes an answer to a poll; undefined: it owes none. */
  readonly askedPoll: number
  readonly owesMillis: number | undefined
  /** How long the others have waited for it, and since when that is counted. */
  readonly heldMillis: number
  readonly countedMillis: number
  /** Until when it does not bound, and how often it came to that. */
  readonly benchedMillis: number
  readonly benches: number
}

export interface Window {
  /** The most that may be on the network. */
  readonly bytes: number
  /** The most that the slowest acker may lag. */
  readonly lagBytes: number
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
  readonly acked: Acked
  /** The best rate of each of the last stretches of time, bytes a millisecond. */
  readonly rates: ReadonlyArray<number>
  /** When the latest of them began. */
  readonly stretchBeganMillis: number
}

const keptPolls = 128
/** Remembered for a third of a second or more: a catcher that commits a bundle stalls its answers, and the link is as fast after it. */
const keptRates = 64
const stretchMillis = 5
/** A sample of more than this, and of more than some round trips, says nothing of the path's rate. */
const pauseMillis = 200
const pauseRtts = 4

/** `receiveBufferBytes`: the smallest among the catchers, as their systems state it. */
export const make = (receiveBufferBytes: number): Window => ({
  bytes: Limits.minWindowBytes,
  lagBytes: Limits.minWindowBytes,
  limitBytes: limitOf(receiveBufferBytes),
  sentBytes: 0,
  nextPoll: 1,
  asked: [],
  ackers: [],
  minRttMillis: Number.POSITIVE_INFINITY,
  rttMillis: undefined,
  acked: { bytes: 0, askedMillis: 0, heardMillis: 0 },
  rates: [],
  stretchBeganMillis: Number.NEGATIVE_INFINITY
})

// A Linux buffer of n stated bytes holds 2n of kernel memory, and a 1.5 KB datagram takes up to 2.3 KB of it: about 1.2 n.
const limitOf = (receiveBufferBytes: number): number =>
  Math.max(Limits.batchBytes, Math.min(Limits.maxWindowBytes, receiveBufferBytes))

/** The catchers that are to clock the window from now on. New ones count as having all that was sent so far. */
export const setAckers = (
  self: Window,
  slots: ReadonlyArray<number>,
  nowMillis: number,
  isLocal: (slot: number) => boolean = () => false
): Window => ({
  ...self,
  ackers: slots.map(
    (slot) =>
      self.ackers.find((acker) => acker.slot === slot) ?? {
        slot,
        ackedBytes: self.sentBytes,
        heardMillis: nowMillis,
        minRttMillis: Number.POSITIVE_INFINITY,
        isLocal: isLocal(slot),
        askedPoll: 0,
        owesMillis: undefined,
        heldMillis: 0,
        countedMillis: nowMillis,
        benchedMillis: nowMillis,
        benches: 0
      }
  )
})

export const limit = (self: Window, receiveBufferBytes: number): Window => {
  const limitBytes = limitOf(receiveBufferBytes)
  return {
    ...self,
    limitBytes,
    bytes: Math.min(self.bytes, limitBytes),
    lagBytes: Math.min(self.lagBytes, limitBytes)
  }
}

export const sent = (self: Window, bytes: number, nowMillis: number): Window => ({
  ...self,
  sentBytes: self.sentBytes + bytes,
  // nothing was on its way: what was acknowledged long ago is no beginning of a measure
  acked:
    self.acked.bytes === self.sentBytes
      ? { bytes: self.sentBytes, askedMillis: nowMillis, heardMillis: nowMillis }
      : self.acked
})

/**
 * Whom the next poll asks: a share of the ackers in turn, so that the answers do not grow with the group, and all that lag.
 * The network's window needs an answer of anybody, the other one of the slowest.
 */
export const askedNext = (self: Window, nowMillis: number): ReadonlyArray<number> => {
  const shares = Math.ceil(self.ackers.length / Limits.polledAckers)
  const closes = Math.max(0, Math.min(self.lagBytes / 2, self.limitBytes - Limits.batchBytes))
  const lags = self.sentBytes - closes
  return self.ackers
    .filter(
      (acker, i) =>
        i % shares === self.nextPoll % shares || (acker.ackedBytes < lags && acker.benchedMillis <= nowMillis)
    )
    .map((acker) => acker.slot)
}

/** A poll went out to `slots`; its number is the old `nextPoll`. */
export const polled = (self: Window, slots: ReadonlyArray<number>, nowMillis: number): Window => ({
  ...self,
  nextPoll: (self.nextPoll + 1) >>> 0,
  ackers: self.ackers.map((acker) =>
    slots.includes(acker.slot)
      ? { ...acker, askedPoll: self.nextPoll, owesMillis: acker.owesMillis ?? nowMillis }
      : acker
  ),
  asked: [
    ...self.asked.slice(1 - keptPolls),
    { poll: self.nextPoll, sentBytes: self.sentBytes, atMillis: nowMillis, acked: self.acked }
  ]
})

/** Bytes sent since the last poll. */
export const sinceLastPoll = (self: Window): number =>
  self.sentBytes - (self.asked.length === 0 ? 0 : self.asked[self.asked.length - 1].sentBytes)

/** An acker answered a poll. Answers to polls that are no longer known, or from others, change nothing. */
export const answered = (self: Window, slot: number, poll: number, nowMillis: number): Window => {
  const asked = self.asked.find((asked) => asked.poll === poll)
  const before = self.ackers.find((acker) => acker.slot === slot)
  if (asked === undefined || before === undefined) return self
  const sampleMillis = Math.max(0, nowMillis - asked.atMillis)
  const acker = {
    ...before,
    ackedBytes: Math.max(before.ackedBytes, asked.sentBytes),
    heardMillis: nowMillis,
    minRttMillis: Math.min(before.minRttMillis, sampleMillis),
    // an answer that comes late, after that to a later poll, begins no new debt
    owesMillis: before.askedPoll === poll || before.owesMillis === undefined ? undefined : nowMillis
  }
  const ackers = self.ackers.map((other) => (other.slot === slot ? acker : other))
  const minRttMillis = Math.min(self.minRttMillis, sampleMillis)
  // the classical smoothing of round trips (RFC 6298)
  const rttMillis = self.rttMillis === undefined ? sampleMillis : self.rttMillis + (sampleMillis - self.rttMillis) / 8
  return paced({ ...self, ackers, minRttMillis, rttMillis }, asked, nowMillis)
}

// Measures the slowest bounding acker's progress and sets the window by it. A sample is what was taken between the last
// answer before the poll was sent and the poll's own answer: a round trip and more. It lasted as long as the answers were
// apart, or their polls if that is longer, so that answers which come late and together do not look like a fast path
// (as BBR measures: draft-cheng-iccrg-delivery-rate-estimation).
const paced = (self: Window, asked: Asked, nowMillis: number): Window => {
  const acked = ackedBytes(self, nowMillis)
  if (acked <= self.acked.bytes) return self
  const progressed = { ...self, acked: { bytes: acked, askedMillis: asked.atMillis, heardMillis: nowMillis } }
  const millis = Math.max(nowMillis - asked.acked.heardMillis, asked.atMillis - asked.acked.askedMillis)
  if (millis <= 0 || millis > Math.max(pauseMillis, pauseRtts * (self.rttMillis ?? 0))) return progressed
  const rate = (acked - asked.acked.bytes) / millis
  // little was on its way (a barrier, a slow source): the path may be faster than that, not slower
  const flying = asked.sentBytes - asked.acked.bytes
  if (flying < self.bytes / 2 && self.rates.some((known) => known >= rate)) return progressed
  const isNew = nowMillis - self.stretchBeganMillis >= stretchMillis
  const latest = isNew ? rate : Math.max(rate, self.rates.at(-1) ?? 0)
  const rates = [...(isNew ? self.rates.slice(1 - keptRates) : self.rates.slice(0, -1)), latest]
  const best = Math.max(...rates)
  const aim = Math.max(Limits.minWindowBytes, best * (self.minRttMillis + Limits.queueingMillis))
  const bytes = Math.min(self.limitBytes, aim)
  // the slowest acker may also be the farthest
  let farther = 0
  for (const { minRttMillis } of self.ackers) {
    if (Number.isFinite(minRttMillis)) farther = Math.max(farther, minRttMillis - self.minRttMillis)
  }
  const lagBytes = Math.min(self.limitBytes, aim + best * (farther + Limits.lagMillis))
  return { ...progressed, rates, bytes, lagBytes, stretchBeganMillis: isNew ? nowMillis : self.stretchBeganMillis }
}

/** The ackers that bound the window now, [A-8]. `stragglers`: those on the bench as well. */
export const bounding = (self: Window, nowMillis: number, stragglers = false): ReadonlyArray<Acker> => {
  const quick = stragglers ? [] : self.ackers.filter((acker) => acker.benchedMillis <= nowMillis)
  const ackers = quick.length === 0 ? self.ackers : quick
  let latest = 0
  for (const acker of ackers) latest = Math.max(latest, acker.heardMillis)
  return ackers.filter(
    ({ heardMillis, owesMillis }) =>
      owesMillis === undefined ||
      nowMillis - Math.max(heardMillis, owesMillis) < Limits.ackerPatienceMillis ||
      latest - heardMillis < Limits.ackerPatienceMillis
  )
}

/** What the slowest bounding acker has taken. */
export const ackedBytes = (self: Window, nowMillis: number): number => leastAcked(self, bounding(self, nowMillis))

const leastAcked = (self: Window, bounding: ReadonlyArray<Acker>): number =>
  bounding.reduce((least, acker) => Math.min(least, acker.ackedBytes), self.sentBytes)

/** What no bounding acker has taken; those on the master's machine are asked only when there are no others. */
const onNetwork = (self: Window, bounding: ReadonlyArray<Acker>): number => {
  if (bounding.length === 0) return 0
  let most = 0
  const remote = bounding.some((acker) => !acker.isLocal)
  for (const { ackedBytes, isLocal } of bounding) if (!remote || !isLocal) most = Math.max(most, ackedBytes)
  return self.sentBytes - most
}

/**
 * How many batches of `batchBytes` may be sent now. One always may when nothing is on its way. The last one may reach over
 * the window, but not over the receive buffers' bound: rounded down to whole batches, a window could never grow on a long path.
 */
export const room = (self: Window, batchBytes: number, nowMillis: number, stragglers = false): number => {
  const ackers = bounding(self, nowMillis, stragglers)
  const lag = self.sentBytes - leastAcked(self, ackers)
  const roomBytes = Math.min(self.bytes - onNetwork(self, ackers), self.lagBytes - lag)
  const allowed = Math.floor((self.limitBytes - lag) / batchBytes)
  return Math.max(lag === 0 ? 1 : 0, Math.min(Math.ceil(roomBytes / batchBytes), allowed))
}

/** For whom all others wait: the network's window is open, theirs is not. None when they are more than half of the group. */
export const holders = (self: Window, batchBytes: number, nowMillis: number): ReadonlyArray<number> => {
  const ackers = bounding(self, nowMillis)
  if (self.bytes - onNetwork(self, ackers) <= 0) return []
  const lags = self.sentBytes + batchBytes - Math.min(self.lagBytes + batchBytes, self.limitBytes)
  const slow = ackers.filter((acker) => acker.ackedBytes < lags)
  return slow.length * 2 <= ackers.length ? slow.map((acker) => acker.slot) : []
}

/** The others have waited for these from `fromMillis` on. */
export const held = (self: Window, slots: ReadonlyArray<number>, fromMillis: number, nowMillis: number): Window =>
  slots.length === 0
    ? self
    : {
        ...self,
        ackers: self.ackers.map((acker) =>
          slots.includes(acker.slot) ? judged(acker, nowMillis - fromMillis, nowMillis) : acker
        )
      }

const judged = (acker: Acker, millis: number, nowMillis: number): Acker => {
  const heldMillis = acker.heldMillis + millis
  const stretchMillis = nowMillis - acker.countedMillis
  if (stretchMillis < Limits.heldMillis) return { ...acker, heldMillis }
  const judged = { ...acker, heldMillis: 0, countedMillis: nowMillis }
  if (heldMillis < stretchMillis * Limits.heldShare) return judged
  const benchMillis = Math.min(Limits.maxBenchMillis, Limits.benchMillis * 2 ** acker.benches)
  return { ...judged, benchedMillis: nowMillis + benchMillis, benches: acker.benches + 1 }
}

/**
 * Poll this often: four times while the queue that the window allows drains, so that what an answer sets free does not
 * come as a burst that is the whole queue.
 */
export const pollBytes = (self: Window): number => {
  const { minRttMillis } = self
  const queueing = Number.isFinite(minRttMillis) ? Limits.queueingMillis / (minRttMillis + Limits.queueingMillis) : 1
  return Math.max(Limits.minPollBytes, (self.bytes * queueing) / 4)
}
