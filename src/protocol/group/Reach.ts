/**
 * Which page reaches a catcher: pure, from what a catcher says of the probes that arrived. A path that is narrower than the
 * page looks like loss, but for one thing: smaller datagrams arrive as often as ever, and larger ones never.
 *
 * [N-1] a page is taken to reach a catcher when a probe of its size arrived, alone and glued to others.
 * [N-2] a path is narrow when a smaller probe has arrived so often that chance does not explain why no larger one has.
 */

import * as Limits from "../Limits.ts"

/** The largest probes of one probing that a catcher has received, in bytes of page; 0: none. */
export interface Arrived {
  /** The largest page that arrived in a datagram of its own, and how many such probes did. */
  readonly single: number
  readonly times: number
  /** The largest page that arrived glued to others of its size. */
  readonly glued: number
}

/** The result of the probes. */
export type Verdict =
  /** Pages of that size reach the catcher; glued to others, or only in datagrams that are sent one by one. */
  | { readonly _tag: "Reached"; readonly isGlued: boolean }
  /** No page of that size does; this one may. */
  | { readonly _tag: "Narrow"; readonly pageBytes: number }

/** The sizes of packets on networks that people use: Ethernet's frames and the tunnels through them (RFC 2516, 2784, 7348, ...). */
const packets = [9000, 4352, 1500, 1492, 1476, 1450, 1420, 1400, 1280, 1006, 576]

/** IPv4, UDP, our header, and the room for a tag. */
export const overheadBytes = Limits.udpHeaderBytes + Limits.headerBytes + Limits.tagBytes

/** The pages that are tried: the one that is wanted first, then smaller ones, each for a kind of network. */
export const ladder = (wanted: number): ReadonlyArray<number> => [
  wanted,
  ...packets
    .map((bytes) => Math.max(Limits.minPageBytes, bytes - overheadBytes))
    .filter((pageBytes) => pageBytes < wanted)
]

/** The page that is tried next to this one, and larger. */
export const nextLarger = (wanted: number, pageBytes: number): number =>
  Math.min(wanted, ...ladder(wanted).filter((tried) => tried > pageBytes))

/** So rarely would chance alone lose every larger probe, at each look. */
const chanceLevel = 0.001

// With so many of `trains` arrived (Laplace's rule of succession for the share), did chance lose all of `lost` others?
const isBeyondChance = (arrived: number, trains: number, lost: number): boolean => {
  const share = (Math.min(arrived, trains) + 1) / (trains + 2)
  return (1 - share) ** lost < chanceLevel
}

/**
 * The result of `trains` of probes (each of every size of the ladder); undefined: more are needed. Glued probes follow the
 * single ones, or go before them, by turns, so that a short queue drops either: only half of them count.
 */
export const decide = (options: {
  readonly wanted: number
  /** Does the master's transport glue datagrams at all? */
  readonly glues: boolean
  /** Has the catcher got pages of the wanted size before? Then silence says nothing, and it is not waited for. */
  readonly isKnown: boolean
  readonly trains: number
  /** How many answers have come, and what the last one said. */
  readonly answers: number
  readonly arrived: Arrived | undefined
}): Verdict | undefined => {
  const { answers, arrived, glues, isKnown, trains, wanted } = options
  const asWanted: Verdict = { _tag: "Reached", isGlued: glues }
  // a catcher that answers nothing shows nothing: it is looked at again when it gains nothing
  if (arrived === undefined) {
    return trains >= (isKnown ? Limits.probeTrains : Limits.unansweredTrains) ? asWanted : undefined
  }
  if (arrived.single >= wanted) {
    if (!glues || arrived.glued >= wanted) return asWanted
    if (isBeyondChance(arrived.times, trains, trains / 2)) return { _tag: "Reached", isGlued: false }
  } else if (arrived.single > 0 && isBeyondChance(arrived.times, trains, trains)) {
    return { _tag: "Narrow", pageBytes: arrived.single }
  }
  // nothing of any size arrives, or all of it is lost: which of them, only pages will show
  const isHopeless = arrived.single === 0 && isBeyondChance(answers, trains, trains)
  return isHopeless || trains >= Limits.probeTrains ? asWanted : undefined
}
