/**
 * Pace: how many bytes may be on their way. Pure. Ackers answer polls that travel inside the data, so an answer says
 * that everything sent before its poll has been taken, or is lost.
 *
 * Two amounts are bounded:
 *   inFlight   = sentBytes - max(ackedBytes of the bounding ackers), by the network's window;
 *   lag(acker) = sentBytes - ackedBytes(acker), by that acker's window.
 *
 * The network's window comes from the rate of the slowest acker, and keeps a link full and its queue short. An acker's own
 * is longer, because a busy machine answers late what the network has brought long ago. None exceeds what the smallest receive
 * buffer takes, so that the kernel of a busy catcher drops nothing.
 */

import * as Limits from "../Limits.ts"
import { type Acker, rateOf, remote } from "./Acker.ts"
import * as DeliveryRate from "./DeliveryRate.ts"
import { type Ackers, bounding, lately, wasExcluded } from "./Exclusion.ts"

/** A poll that went out. */
interface Asked {
  readonly poll: number
  readonly sentBytes: number
  readonly sentPages: number
  readonly atMillis: number
  /** The window then. */
  readonly fullBytes: number
  /** The ackers that the others waited for then, by their slots. */
  readonly awaited: ReadonlyArray<number>
  /** The ackers as they were then. */
  readonly ackers: ReadonlyArray<Acker>
}

/** How much may be on its way, and why. Never changed: each function gives a new one. */
export interface Window extends Ackers {
  /** The receive buffers' bound. */
  readonly limitBytes: number
  /** Bytes of pages sent so far. */
  readonly sentBytes: number
  readonly sentPages: number
  /** The number of the poll to come. */
  readonly nextPoll: number
  /** Recent polls, oldest first. */
  readonly asked: ReadonlyArray<Asked>
  /** The usual round trip, queueing and a busy catcher included; undefined before the first answer. */
  readonly rttMillis: number | undefined
}

/** A sample of more than this, and of more than some round trips, says nothing of the path's rate. */
const longMillis = 200
const longRtts = 4
/** Of what arrives at the best: with less, a path loses more than the network does. */
const clearShare = 0.9

/** `receiveBufferBytes`: the smallest among the catchers, as their systems state it. */
export const make = (receiveBufferBytes: number): Window => ({
  limitBytes: limitOf(receiveBufferBytes),
  sentBytes: 0,
  sentPages: 0,
  nextPoll: 1,
  asked: [],
  ackers: [],
  median: { share: 0, rate: 0 },
  former: [],
  unheard: new Set(),
  rttMillis: undefined
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
): Window => {
  const former = [...self.ackers, ...self.former].filter((acker) => acker.exclusions > 0 && !slots.includes(acker.slot))
  const ackers = slots.map((slot): Acker => {
    const known = self.ackers.find((acker) => acker.slot === slot)
    if (known !== undefined) return known
    const { excludedUntilMillis = nowMillis, exclusions = 0 } = self.former.find((acker) => acker.slot === slot) ?? {}
    return {
      slot,
      ackedBytes: self.sentBytes,
      heardMillis: nowMillis,
      delivery: DeliveryRate.make(self.sentBytes, self.sentPages, nowMillis),
      isLocal: isLocal(slot),
      askedPoll: 0,
      askedMillis: nowMillis,
      owesMillis: undefined,
      waitedMillis: 0,
      countedFromMillis: nowMillis,
      excludedUntilMillis,
      exclusions
    }
  })
  return measured({ ...self, former, ackers })
}

/** Are most of that catcher's answers lost from now on? */
export const setUnheard = (self: Window, slot: number, isUnheard: boolean): Window => {
  const unheard = new Set(self.unheard)
  if (isUnheard) unheard.add(slot)
  else unheard.delete(slot)
  return { ...self, unheard }
}

/** Taken once an answer: every batch asks many times which ackers are far behind. */
const measured = (self: Window): Window => {
  const reached = (figure: (acker: Acker) => number) =>
    self.ackers.map(figure).sort((a, b) => b - a)[Math.ceil(self.ackers.length / 2) - 1] ?? 0
  return { ...self, median: { share: reached(({ delivery }) => delivery.share), rate: reached(rateOf) } }
}

/** Has it been seen that little is lost there? */
export const isClean = (self: Window, slot: number): boolean => {
  const delivery = lately(self, slot)?.delivery
  return delivery !== undefined && DeliveryRate.isClean(delivery)
}

/** Has too little been sent to it yet to see how much is lost there? */
export const isUntried = (self: Window, slot: number): boolean => lately(self, slot)?.delivery.isTried === false

/** Has it been seen that much is lost there? */
export const isLossy = (self: Window, slot: number): boolean => {
  const delivery = lately(self, slot)?.delivery
  return delivery !== undefined && DeliveryRate.isLossy(delivery)
}

/** Is much lost there at any pace? As long as no trial has told: yes, unless it was excluded. Then the pace was the others'. */
export const losesAtAnyPace = (self: Window, slot: number): boolean => {
  const delivery = lately(self, slot)?.delivery
  if (delivery === undefined || !DeliveryRate.isLossy(delivery)) return false
  const { cause } = delivery.queueing
  return cause === "random" || (cause === "unknown" && !wasExcluded(self, slot))
}

/** Was it excluded, or does it take less than half of what another takes? */
export const isSlow = (self: Window, slot: number): boolean => {
  const delivery = lately(self, slot)?.delivery
  const rate = delivery === undefined ? undefined : DeliveryRate.rate(delivery)
  const isSlower = rate !== undefined && self.ackers.some((other) => rateOf(other) > 2 * rate)
  return isSlower || wasExcluded(self, slot)
}

/** The smallest receive buffer among the catchers is of another size now, in bytes. */
export const limit = (self: Window, receiveBufferBytes: number): Window => ({
  ...self,
  limitBytes: limitOf(receiveBufferBytes)
})

/** May some of what was sent be on its way there still? At its rate it takes so long, from its last answer on. */
export const isComing = (self: Window, slot: number, nowMillis: number): boolean => {
  const acker = lately(self, slot)
  return acker !== undefined && (self.sentBytes - acker.ackedBytes) / rateOf(acker) > nowMillis - acker.heardMillis
}

/** So many bytes, in so many pages, have left. */
export const sent = (self: Window, bytes: number, pages: number, nowMillis: number): Window => {
  const rests = ({ delivery }: Acker) => delivery.mark.sentBytes === self.sentBytes
  return {
    ...self,
    sentBytes: self.sentBytes + bytes,
    sentPages: self.sentPages + pages,
    ackers: self.ackers.some(rests)
      ? self.ackers.map((acker) =>
          rests(acker) ? { ...acker, delivery: DeliveryRate.rested(acker.delivery, nowMillis) } : acker
        )
      : self.ackers
  }
}

/**
 * An acker answered a poll; `received`: page datagrams that it has counted. Answers to polls that are no longer known, or from
 * others, change nothing.
 */
export const answered = (
  self: Window,
  { poll, received, slot }: { readonly slot: number; readonly poll: number; readonly received: number },
  nowMillis: number
): Window => {
  const asked = self.asked.find((asked) => asked.poll === poll)
  const before = self.ackers.find((acker) => acker.slot === slot)
  if (asked === undefined || before === undefined) return self
  const sampleMillis = Math.max(0, nowMillis - asked.atMillis)
  const { atMillis: askedMillis, sentBytes, sentPages } = asked
  const mark = { sentBytes, sentPages, received, askedMillis, heardMillis: nowMillis }
  const acker = {
    ...before,
    ackedBytes: Math.max(before.ackedBytes, sentBytes),
    heardMillis: nowMillis,
    delivery: DeliveryRate.answered(before.delivery, mark, {
      before: asked.ackers.find((acker) => acker.slot === slot)?.delivery,
      fullBytes: asked.fullBytes,
      longestMillis: Math.max(longMillis, longRtts * (self.rttMillis ?? 0)),
      isWaitedFor: asked.awaited.includes(slot)
    }),
    // an answer that comes late, after that to a later poll, begins no new debt
    owesMillis: before.askedPoll === poll || before.owesMillis === undefined ? undefined : nowMillis
  }
  return measured({
    ...self,
    ackers: self.ackers.map((other) => (other.slot === slot ? acker : other)),
    // the classical smoothing of round trips (RFC 6298)
    rttMillis: self.rttMillis === undefined ? sampleMillis : self.rttMillis + (sampleMillis - self.rttMillis) / 8
  })
}

/** The most that may be sent before anybody answers: of the network's window and those of the bounding ackers the least. */
export const bytes = (self: Window, nowMillis: number, stragglers = false): number => {
  const ackers = bounding(self, nowMillis, stragglers)
  return ackers.reduce(
    (least, { delivery }) => Math.min(least, DeliveryRate.lagBytes(delivery) ?? least),
    networkBytes(self, ackers)
  )
}

/** The shortest round trip of those that say something of the network. */
export const minRttMillis = (ackers: ReadonlyArray<Acker>): number => {
  let least = Number.POSITIVE_INFINITY
  for (const { delivery } of remote(ackers)) least = Math.min(least, delivery.minRttMillis)
  return least
}

/**
 * The most that may be on the network: what the slowest takes. Those that say nothing of it are left out: on the master's own
 * machine, and at which clearly less arrives than at the best; these have windows of their own.
 */
const networkBytes = (self: Window, bounding: ReadonlyArray<Acker>): number => {
  const rttMillis = minRttMillis(bounding)
  const best = Math.max(0, ...bounding.map(({ delivery }) => delivery.share))
  const telling = remote(bounding).filter(({ delivery }) => delivery.share >= best * clearShare)
  const queueingMillis = Math.min(Limits.queueingMillis, ...telling.map(({ delivery }) => delivery.queueing.millis))
  let least: number | undefined
  for (const { delivery } of telling) {
    const flight = DeliveryRate.flightBytes(delivery, rttMillis, queueingMillis)
    if (flight !== undefined) least = Math.min(least ?? flight, flight)
  }
  return Math.min(self.limitBytes, least ?? Limits.firstWindowBytes)
}

/** The most that an acker may lag. An acker of which nothing is known yet may lag by as much as the network takes. */
export const lagBytes = (self: Window, { delivery }: Acker, nowMillis: number): number =>
  Math.min(self.limitBytes, DeliveryRate.lagBytes(delivery) ?? bytes(self, nowMillis))

/** Bytes that the slowest bounding acker has taken. */
export const ackedBytes = (self: Window, nowMillis: number): number => leastAcked(self, bounding(self, nowMillis))

const leastAcked = (self: Window, bounding: ReadonlyArray<Acker>): number =>
  bounding.reduce((least, acker) => Math.min(least, acker.ackedBytes), self.sentBytes)

/** Bytes that no bounding acker has taken. */
const onNetwork = (self: Window, bounding: ReadonlyArray<Acker>): number => {
  if (bounding.length === 0) return 0
  let most = 0
  for (const { ackedBytes } of remote(bounding)) most = Math.max(most, ackedBytes)
  return self.sentBytes - most
}

/**
 * How many batches of `batchBytes` may be sent now. One always may when nothing is on its way. The last one may reach over
 * the window, but not over the receive buffers' bound: rounded down to whole batches, a window could never grow on a long path.
 */
export const room = (self: Window, batchBytes: number, nowMillis: number, stragglers = false): number => {
  const ackers = bounding(self, nowMillis, stragglers)
  const lag = self.sentBytes - leastAcked(self, ackers)
  let roomBytes = networkBytes(self, ackers) - onNetwork(self, ackers)
  for (const acker of ackers) {
    roomBytes = Math.min(roomBytes, lagBytes(self, acker, nowMillis) - (self.sentBytes - acker.ackedBytes))
  }
  const allowed = Math.floor((self.limitBytes - lag) / batchBytes)
  return Math.max(lag === 0 ? 1 : 0, Math.min(Math.ceil(roomBytes / batchBytes), allowed))
}

/** Ackers that hold the group up: the network's window is open, theirs is not. None when they are more than half of the ackers. */
export const delaying = (self: Window, batchBytes: number, nowMillis: number): ReadonlyArray<number> => {
  const ackers = bounding(self, nowMillis)
  if (networkBytes(self, ackers) - onNetwork(self, ackers) <= 0) return []
  const slow = ackers.filter((acker) => {
    const may = Math.min(lagBytes(self, acker, nowMillis) + batchBytes, self.limitBytes)
    return self.sentBytes + batchBytes - acker.ackedBytes > may
  })
  return slow.length * 2 <= ackers.length ? slow.map((acker) => acker.slot) : []
}

/**
 * What a slab is filled with. Each is a step of the program, so that fewer are better where the air
 * takes them quickly.
 */
export const slabBytes = (self: Window, nowMillis: number): number => {
  const ackers = bounding(self, nowMillis)
  const isQuick = ackers.length > 0 && Math.min(...ackers.map(rateOf)) * Limits.slabMillis >= Limits.slabBytes
  return isQuick ? Limits.slabBytes : Limits.slabBytes / 2
}

/** Sends in a window, at least. Each wakes every catcher, so there are no more of them than the path's queue needs. */
export const parts = (self: Window): number => (isShallow(self) ? 4 : 2)

/** Has a path a queue that is short? */
export const isShallow = ({ ackers }: Window): boolean =>
  ackers.some(({ delivery }) => DeliveryRate.isShallow(delivery))

/** One kernel send: as large as it can be, but not more than a part of a small window. Whole datagrams, and always one. */
export const batchBytes = (self: Window, datagramBytes: number, nowMillis: number, stragglers = false): number => {
  const datagrams = Math.floor(bytes(self, nowMillis, stragglers) / parts(self) / datagramBytes)
  return Math.min(Limits.sendBytes(datagramBytes), Math.max(1, datagrams) * datagramBytes)
}
