/**
 * Pace: how many bytes may be on their way. Pure. Ackers answer polls that travel inside the data, so an answer says
 * that everything sent before its poll has been taken, or is lost.
 *
 * Each bounding acker has a window, from the rate at which it takes, see Path; and the network has one, from that of the
 * slowest, which keeps a link full and its queue short. That one is shorter, because a busy machine answers late what the
 * network has brought long ago; the fastest acker says what it has brought. None exceeds what the smallest receive buffer takes,
 * so that the kernel of a busy catcher drops nothing.
 *
 * sent - the most acknowledged of the bounding ackers is on the network; sent - what an acker acknowledged is how far
 * it lags.
 * an acker that is silent for `ackerPatienceMillis` while another answers does not bound; answering, it does again.
 * few ackers for which the others wait most of the time do not bound for a while, nor while the group is four times as fast.
 */

import * as Limits from "../Limits.ts"
import * as Path from "./DeliveryRate.ts"

interface Asked {
  readonly poll: number
  readonly sentBytes: number
  readonly sentPages: number
  readonly atMillis: number
  /** The window then. */
  readonly fullBytes: number
  /** The ackers as they were then. */
  readonly ackers: ReadonlyArray<Acker>
}

/** A catcher that clocks the window, and what its answers have shown. */
export interface Acker {
  readonly slot: number
  /** Of what was sent: taken by it, or lost. */
  readonly ackedBytes: number
  /** When it answered last. */
  readonly heardMillis: number
  /** How fast it takes. */
  readonly path: Path.Path
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

/** How much may be on its way, and why. Never changed: each function gives a new one. */
export interface Window {
  /** The receive buffers' bound. */
  readonly limitBytes: number
  /** Bytes of pages sent so far. */
  readonly sentBytes: number
  readonly sentPages: number
  /** The number of the poll to come. */
  readonly nextPoll: number
  /** Recent polls, oldest first. */
  readonly asked: ReadonlyArray<Asked>
  /** The catchers that clock it. */
  readonly ackers: ReadonlyArray<Acker>
  /** What half of the ackers reach, or more: of what was sent to them, and bytes a millisecond. */
  readonly half: { readonly share: number; readonly rate: number }
  /** Those that are no ackers now, and were on the bench: what is held against them holds when they are ackers again. */
  readonly former: ReadonlyArray<Acker>
  /** Catchers most of whose answers are lost: nobody waits for these. */
  readonly unheard: ReadonlySet<number>
  /** The usual round trip, queueing and a busy catcher included; undefined before the first answer. */
  readonly rttMillis: number | undefined
}

const keptPolls = 128
/** Polls that a closed window repeats at the same pause before it doubles it. */
const repeatsAlike = 4
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
  half: { share: 0, rate: 0 },
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
  const former = [...self.ackers, ...self.former].filter((acker) => acker.benches > 0 && !slots.includes(acker.slot))
  const ackers = slots.map((slot): Acker => {
    const known = self.ackers.find((acker) => acker.slot === slot)
    if (known !== undefined) return known
    const { benchedMillis = nowMillis, benches = 0 } = self.former.find((acker) => acker.slot === slot) ?? {}
    return {
      slot,
      ackedBytes: self.sentBytes,
      heardMillis: nowMillis,
      path: Path.make(self.sentBytes, self.sentPages, nowMillis),
      isLocal: isLocal(slot),
      askedPoll: 0,
      owesMillis: undefined,
      heldMillis: 0,
      countedMillis: nowMillis,
      benchedMillis,
      benches
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

const rateOf = ({ path }: Acker): number => Path.rate(path) ?? 0

/** Taken once an answer: every batch asks many times who is far behind. */
const measured = (self: Window): Window => {
  const reached = (figure: (acker: Acker) => number) =>
    self.ackers.map(figure).sort((a, b) => b - a)[Math.ceil(self.ackers.length / 2) - 1] ?? 0
  return { ...self, half: { share: reached(({ path }) => path.share), rate: reached(rateOf) } }
}

const lately = ({ ackers, former }: Window, slot: number): Acker | undefined =>
  [...ackers, ...former].find((acker) => acker.slot === slot)

/** Has that acker ever held the group up for so long that it did not bound? */
export const wasBenched = (self: Window, slot: number): boolean => (lately(self, slot)?.benches ?? 0) > 0

/** Has it been seen that little is lost there? */
export const isClean = (self: Window, slot: number): boolean => {
  const path = lately(self, slot)?.path
  return path !== undefined && Path.isClean(path)
}

/** Has too little been sent to it yet to see how much is lost there? */
export const isUntried = (self: Window, slot: number): boolean => lately(self, slot)?.path.isTried === false

/** Has it been seen that much is lost there? */
export const isLossy = (self: Window, slot: number): boolean => {
  const path = lately(self, slot)?.path
  return path !== undefined && Path.isLossy(path)
}

/** Is much lost there at any pace? */
export const losesAtAnyPace = (self: Window, slot: number): boolean => {
  const path = lately(self, slot)?.path
  return path !== undefined && Path.isLossy(path) && path.queueing.isRandom
}

/** Was it on the bench, or does it take less than half of what another takes? */
export const isSlow = (self: Window, slot: number): boolean => {
  const path = lately(self, slot)?.path
  const rate = path === undefined ? undefined : Path.rate(path)
  const isSlower = rate !== undefined && self.ackers.some((other) => rateOf(other) > 2 * rate)
  return isSlower || wasBenched(self, slot)
}

/** The smallest receive buffer among the catchers is of another size now, in bytes. */
export const limit = (self: Window, receiveBufferBytes: number): Window => ({
  ...self,
  limitBytes: limitOf(receiveBufferBytes)
})

/** So many bytes, in so many pages, have left. */
export const sent = (self: Window, bytes: number, pages: number, nowMillis: number): Window => {
  const rests = ({ path }: Acker) => path.mark.sentBytes === self.sentBytes
  return {
    ...self,
    sentBytes: self.sentBytes + bytes,
    sentPages: self.sentPages + pages,
    ackers: self.ackers.some(rests)
      ? self.ackers.map((acker) => (rests(acker) ? { ...acker, path: Path.rested(acker.path, nowMillis) } : acker))
      : self.ackers
  }
}

/**
 * Whom the next poll asks: a share of the ackers in turn, so that the answers do not grow with the group, and all that lag,
 * or whose answers are lost often. The network's window needs an answer of anybody, an acker's own one of its.
 */
export const askedNext = (self: Window, nowMillis: number, stragglers = false): ReadonlyArray<number> => {
  const shares = Math.ceil(self.ackers.length / Limits.polledAckers)
  const most = self.limitBytes - Limits.batchBytes
  const isUrgent = (acker: Acker) =>
    (stragglers || !sits(self, acker, nowMillis)) &&
    (Path.isLossy(acker.path) ||
      self.sentBytes - acker.ackedBytes > Math.max(0, Math.min(lagBytes(self, acker, nowMillis) / 2, most)))
  return self.ackers
    .filter((acker, i) => i % shares === self.nextPoll % shares || isUrgent(acker))
    .map(({ slot }) => slot)
}

/** A poll went out to `slots`; its number is the old `nextPoll`. */
export const polled = (self: Window, slots: ReadonlyArray<number>, nowMillis: number, stragglers = false): Window => ({
  ...self,
  nextPoll: (self.nextPoll + 1) >>> 0,
  ackers: self.ackers.map((acker) =>
    slots.includes(acker.slot)
      ? { ...acker, askedPoll: self.nextPoll, owesMillis: acker.owesMillis ?? nowMillis }
      : acker
  ),
  asked: [
    ...self.asked.slice(1 - keptPolls),
    {
      poll: self.nextPoll,
      sentBytes: self.sentBytes,
      sentPages: self.sentPages,
      atMillis: nowMillis,
      fullBytes: bytes(self, nowMillis, stragglers),
      ackers: self.ackers
    }
  ]
})

/** Bytes sent since the last poll. */
export const sinceLastPoll = (self: Window): number =>
  self.sentBytes - (self.asked.length === 0 ? 0 : self.asked[self.asked.length - 1].sentBytes)

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
    path: Path.answered(before.path, mark, {
      before: asked.ackers.find((acker) => acker.slot === slot)?.path,
      fullBytes: asked.fullBytes,
      longestMillis: Math.max(longMillis, longRtts * (self.rttMillis ?? 0))
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
  return ackers.reduce((least, { path }) => Math.min(least, Path.lagBytes(path) ?? least), networkBytes(self, ackers))
}

/** The shortest round trip of those that say something of the network. */
const minRttMillis = (ackers: ReadonlyArray<Acker>): number => {
  let least = Number.POSITIVE_INFINITY
  for (const { path } of remote(ackers)) least = Math.min(least, path.minRttMillis)
  return least
}

/**
 * The most that may be on the network: what the slowest takes. Those that say nothing of it are left out: on the master's own
 * machine, and at which clearly less arrives than at the best; these have windows of their own.
 */
const networkBytes = (self: Window, bounding: ReadonlyArray<Acker>): number => {
  const rttMillis = minRttMillis(bounding)
  const best = Math.max(0, ...bounding.map(({ path }) => path.share))
  const telling = remote(bounding).filter(({ path }) => path.share >= best * clearShare)
  const queueingMillis = Math.min(Limits.queueingMillis, ...telling.map(({ path }) => path.queueing.millis))
  let least: number | undefined
  for (const { path } of telling) {
    const flight = Path.flightBytes(path, rttMillis, queueingMillis)
    if (flight !== undefined) least = Math.min(least ?? flight, flight)
  }
  return Math.min(self.limitBytes, least ?? Limits.firstWindowBytes)
}

/** The most that an acker may lag; of whom nothing is known yet may as much as the network takes. */
export const lagBytes = (self: Window, { path }: Acker, nowMillis: number): number =>
  Math.min(self.limitBytes, Path.lagBytes(path) ?? bytes(self, nowMillis))

/** The ackers that bound the window now, [A-8]. `stragglers`: those on the bench as well. */
export const bounding = (self: Window, nowMillis: number, stragglers = false): ReadonlyArray<Acker> => {
  const quick = stragglers ? [] : self.ackers.filter((acker) => !sits(self, acker, nowMillis))
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

/** Is that acker one of the few for whom nobody waits? */
export const isBenched = (self: Window, slot: number, nowMillis: number): boolean =>
  self.ackers.some((acker) => acker.slot === slot && sits(self, acker, nowMillis))

const sits = (self: Window, acker: Acker, nowMillis: number): boolean => {
  if (nowMillis < acker.benchedMillis || self.unheard.has(acker.slot)) return true
  // next to nothing arrives there, whatever the pace
  if (self.half.share > acker.path.share * Limits.benchTimes) return true
  return acker.benches > 0 && self.half.rate > rateOf(acker) * Limits.benchTimes
}

/** What the slowest bounding acker has taken. */
export const ackedBytes = (self: Window, nowMillis: number): number => leastAcked(self, bounding(self, nowMillis))

const leastAcked = (self: Window, bounding: ReadonlyArray<Acker>): number =>
  bounding.reduce((least, acker) => Math.min(least, acker.ackedBytes), self.sentBytes)

/** Those on the master's machine count only where there are no others. */
const remote = (ackers: ReadonlyArray<Acker>): ReadonlyArray<Acker> => {
  if (!ackers.some((acker) => acker.isLocal)) return ackers
  const others = ackers.filter((acker) => !acker.isLocal)
  return others.length === 0 ? ackers : others
}

/** What no bounding acker has taken. */
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

/** For whom all others wait: the network's window is open, theirs is not. None when they are more than half of the group. */
export const holders = (self: Window, batchBytes: number, nowMillis: number): ReadonlyArray<number> => {
  const ackers = bounding(self, nowMillis)
  if (networkBytes(self, ackers) - onNetwork(self, ackers) <= 0) return []
  const slow = ackers.filter((acker) => {
    const may = Math.min(lagBytes(self, acker, nowMillis) + batchBytes, self.limitBytes)
    return self.sentBytes + batchBytes - acker.ackedBytes > may
  })
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
 * come as a burst that is the whole queue. At once before the first answer: with little sent it shows the true round trip.
 */
export const pollBytes = (self: Window, nowMillis: number, stragglers = false): number => {
  const rttMillis = minRttMillis(self.ackers)
  if (!Number.isFinite(rttMillis)) return 0
  const windowBytes = bytes(self, nowMillis, stragglers)
  const queueing = Limits.queueingMillis / (rttMillis + Limits.queueingMillis)
  return Math.max(Math.min(Limits.minPollBytes, windowBytes / parts(self)), (windowBytes * queueing) / 4)
}

/** Sends in a window, at least. Each wakes every catcher, so there are no more of them than the path's queue needs. */
const parts = (self: Window): number => (isShallow(self) ? 4 : 2)

/** Has a path a queue that is short? */
const isShallow = ({ ackers }: Window): boolean => ackers.some(({ path }) => Path.isShallow(path))

/**
 * How long a closed window still waits for answers before it polls again: polls and answers are lost as pages are. Long, and after
 * the last answer, where they are known not to be: each poll wakes every catcher, and a busy machine's answer is just late. Longer
 * and longer while nothing moves: an answer must come before its poll is forgotten, however far the catchers are.
 */
export const pauseMillis = (self: Window, nowMillis: number): number => {
  const polledMillis = self.asked.at(-1)?.atMillis ?? nowMillis
  const backOff = 2 ** Math.floor(repeats(self) / repeatsAlike)
  const isCalm = !isShallow(self) && self.ackers.every(({ path }) => Path.isClean(path))
  const sinceMillis = isCalm
    ? Math.max(polledMillis, ...self.ackers.map(({ heardMillis }) => heardMillis))
    : polledMillis
  const pause = isCalm ? Limits.pollMillis : questionMillis(self)
  return Math.max(0, Math.ceil(sinceMillis + Math.min(Limits.maxPollMillis, pause * backOff) - nowMillis))
}

const questionMillis = ({ rttMillis }: Window): number =>
  rttMillis === undefined ? Limits.questionMillis : Math.min(Limits.pollMillis, rttMillis + Limits.minQuestionMillis)

/** Polls before the last one since something was sent. */
const repeats = ({ asked }: Window): number => {
  let first = asked.length - 1
  while (first > 0 && asked[first - 1].sentBytes === asked[first].sentBytes) first--
  return asked.length - 1 - first
}

/** One kernel send: as large as it can be, but not more than a part of a small window. Whole datagrams, and always one. */
export const batchBytes = (self: Window, datagramBytes: number, nowMillis: number, stragglers = false): number => {
  const datagrams = Math.floor(bytes(self, nowMillis, stragglers) / parts(self) / datagramBytes)
  return Math.min(Limits.sendBytes(datagramBytes), Math.max(1, datagrams) * datagramBytes)
}
