/**
 * Polls: when the next one goes out, and which ackers it asks. Pure.
 *
 * Polls travel among the pages, so an answer says that everything sent before its poll has been taken, or is lost.
 */

import * as Limits from "../Limits.ts"
import { type Acker } from "./Acker.ts"
import * as DeliveryRate from "./DeliveryRate.ts"
import * as Exclusion from "./Exclusion.ts"
import { bytes, isShallow, lagBytes, minRttMillis, parts, type Window } from "./Window.ts"

/** Polls that are remembered: an answer to an older one says nothing. */
const keptPolls = 128
/** Polls that a closed window repeats at the same pause before it doubles it. */
const repeatsAlike = 4

/**
 * The ackers that the next poll asks: a share of the ackers in turn, so that the answers do not grow with the group, and all that lag,
 * or whose answers are lost often. The network's window needs an answer of anybody, an acker's own one of its.
 */
export const askedNext = (self: Window, nowMillis: number, stragglers = false): ReadonlyArray<number> => {
  const shares = Math.ceil(self.ackers.length / Limits.polledAckers)
  const most = self.limitBytes - Limits.batchBytes
  const isUrgent = (acker: Acker) =>
    (stragglers || !Exclusion.isOut(self, acker, nowMillis)) &&
    (DeliveryRate.isLossy(acker.delivery) ||
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
      ? { ...acker, askedPoll: self.nextPoll, askedMillis: nowMillis, owesMillis: acker.owesMillis ?? nowMillis }
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
      awaited: Exclusion.awaited(self, nowMillis, stragglers).map(({ slot }) => slot),
      ackers: self.ackers
    }
  ]
})

/** An acker that owes an answer to a poll. */
export interface Owed {
  readonly slot: number
  /** It owes an answer since then. */
  readonly sinceMillis: number
  /** When it was asked last: a poll that is lost is repeated only where something is to be sent after it. */
  readonly askedMillis: number
}

/** Ackers that owe an answer to a poll. */
export const owing = ({ ackers }: Window): ReadonlyArray<Owed> =>
  ackers.flatMap(({ askedMillis, owesMillis, slot }) =>
    owesMillis === undefined ? [] : [{ slot, sinceMillis: owesMillis, askedMillis }]
  )

/** Bytes sent since the last poll. */
export const sinceLastPoll = (self: Window): number =>
  self.sentBytes - (self.asked.length === 0 ? 0 : self.asked[self.asked.length - 1].sentBytes)

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

/**
 * How long a closed window still waits for answers before it polls again: polls and answers are lost as pages are. Long, and after
 * the last answer, where they are known not to be: each poll wakes every catcher, and a busy machine's answer is just late. Longer
 * and longer while nothing moves: an answer must come before its poll is forgotten, however far the catchers are.
 */
export const pauseMillis = (self: Window, nowMillis: number): number => {
  const polledMillis = self.asked.at(-1)?.atMillis ?? nowMillis
  const backOff = 2 ** Math.floor(repeats(self) / repeatsAlike)
  const isCalm = !isShallow(self) && self.ackers.every(({ delivery }) => DeliveryRate.isClean(delivery))
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
