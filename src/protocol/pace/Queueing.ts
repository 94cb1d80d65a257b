/**
 * How long the window may let datagrams queue on a path. Pure. A queue that is shorter than the window thinks drops what is too
 * much, and pages are lost at random, too: which of both it is only a trial tells. With less in flight the first kind of
 * loss falls, the second stays.
 *
 * when more than `toleratedLoss` of what was sent is lost, less is tried, as long as that helps; later more again.
 */

import * as Limits from "../Limits.ts"

/** The queueing that is allowed now, and where the trials stand. */
export interface Queueing {
  readonly millis: number
  /** The trial of now, and the last one that was in vain: the next time it is the other. */
  readonly trying: "nothing" | "less" | "more"
  readonly failed: "less" | "more"
  /** Whether pages were still lost with less in flight, or a queue had no room for them. */
  readonly cause: "unknown" | "random" | "queue"
  /** The share that arrived before it was tried. */
  readonly share: number
  /** Stretches until the next trial, and how many there are between two. */
  readonly rest: number
  readonly restStretches: number
}

/** The most queueing, and nothing tried yet. */
export const start: Queueing = {
  millis: Limits.queueingMillis,
  trying: "nothing",
  failed: "more",
  cause: "unknown",
  share: 1,
  rest: 0,
  restStretches: Limits.minTrialRest
}

const less = 0.5
const more = 1.25
/** What less in flight must bring to be the better choice: this many times what arrived before, or half of the loss gone. */
const clearly = 1.15

const isBetter = (share: number, before: number): boolean => share >= Math.min(before * clearly, (1 + before) / 2)

/** `share`: what has arrived of what was sent in one stretch, 0 to 1. */
export const heard = (self: Queueing, share: number): Queueing => {
  const isLossy = 1 - share >= Limits.toleratedLoss
  switch (self.trying) {
    case "less":
      // it was not for us: as before
      if (!isBetter(share, self.share)) {
        return longerRest({ ...self, millis: self.millis / less, failed: "less", cause: "random" })
      }
      return isLossy
        ? tryLess(self, share)
        : { ...settled(self, share), restStretches: Limits.minTrialRest, cause: "queue" }
    case "more":
      if (isLossy && isBetter(self.share, share))
        return longerRest({ ...self, millis: self.millis / more, failed: "more" })
      return tryMore(self, share)
    case "nothing":
      if (isLossy && isBetter(self.share, share)) return tryLess(self, share)
      if (self.rest > 0) return { ...self, rest: self.rest - 1 }
      if (isLossy && (self.failed === "more" || self.millis === Limits.queueingMillis)) return tryLess(self, share)
      return self.millis < Limits.queueingMillis ? tryMore(self, share) : { ...self, share }
  }
}

const tryLess = (self: Queueing, share: number): Queueing => {
  const millis = self.millis * less
  return millis < Limits.minQueueingMillis
    ? longerRest({ ...self, share, failed: "less" })
    : { ...self, millis, trying: "less", share }
}

const tryMore = (self: Queueing, share: number): Queueing => {
  const millis = self.millis * more
  return millis > Limits.queueingMillis
    ? { ...settled(self, share), millis: Limits.queueingMillis }
    : { ...self, millis, trying: "more", share }
}

const settled = (self: Queueing, share: number): Queueing => ({
  ...self,
  trying: "nothing",
  share,
  rest: self.restStretches
})

const longerRest = (self: Queueing): Queueing => ({
  ...settled(self, self.share),
  restStretches: Math.min(Limits.maxTrialRest, self.restStretches * 2)
})
