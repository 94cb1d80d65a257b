/**
 * The link of one machine: what it does to datagrams in each direction.
 */

import * as Limits from "../../protocol/Limits.ts"
import type * as Chance from "../Chance.ts"
import type { Endpoint } from "./Endpoint.ts"
import { type Burst, Losses } from "./Losses.ts"
import type { Piece } from "./Piece.ts"

/** What a link does to datagrams. Probabilities go from 0 to 1, and each receiver is rolled for by itself. */
export interface Impairments {
  /** Lost, each by itself. */
  readonly loss?: number
  /** Losses in bursts (Gilbert and Elliott). */
  readonly burst?: Burst | undefined
  /** Delivered twice. */
  readonly duplicate?: number
  /** The second of a doubled datagram comes up to so many whole milliseconds later. */
  readonly echoMillis?: number
  /** Held back by `holdMillis`, so that later ones pass. */
  readonly reorder?: number
  /** One bit of it flipped. */
  readonly corrupt?: number
  /** How long each takes, one way. */
  readonly delayMillis?: number
  /** Up to so many whole milliseconds are added, to each datagram by itself: datagrams may pass each other. */
  readonly jitterMillis?: number
  /** Packets that are longer are dropped in silence. `countsGlued`: so are glued ones that are longer together, as at a filter. */
  readonly mtuBytes?: number | undefined
  readonly countsGlued?: boolean
  /** What one link carries, and what waits before it at most; more is dropped. */
  readonly narrow?: { readonly bytesPerSecond: number; readonly queueBytes: number } | undefined
}

/** All that endpoints of one name had, over all their lives. */
export interface Traffic {
  readonly sent: number
  readonly received: number
  /** For which its receive buffer had no room. */
  readonly dropped: number
  /** The largest fill of the receive buffer. */
  readonly peakBufferBytes: number
}

/** Group: from the network to a catcher. Answers: from a catcher to the network. */
export type Direction = "Group" | "Answers"

/** Pieces that reach one endpoint at one time, in this order. */
export interface Arrival {
  readonly at: number
  /** Arrivals of one time keep the order in which they were sent. */
  readonly order: number
  readonly from: string
  readonly to: Endpoint
  readonly pieces: ReadonlyArray<Piece>
}

export type Mutable<A> = { -readonly [K in keyof A]: A[K] }

/** One direction of a link. */
export class Way {
  impairments: Impairments = {}
  delayMillis = 0
  /** Something happens to datagrams beside being lost and late. */
  isRough = false
  readonly losses: Losses
  /** When a narrow link has carried all that it took. */
  idleAt = 0
  private own: Impairments = {}

  constructor(chance: Chance.Chance, now: () => number, options: Impairments) {
    this.losses = new Losses(chance, now)
    this.impair(options, {})
  }

  impair(network: Impairments, own: Impairments): void {
    this.own = { ...this.own, ...own }
    const all: Impairments = { ...network, ...this.own }
    const { burst, corrupt = 0, delayMillis = 0, duplicate = 0, jitterMillis = 0, loss = 0, reorder = 0 } = all
    this.impairments = all
    this.delayMillis = delayMillis
    this.isRough = corrupt + duplicate + jitterMillis + reorder > 0
    this.losses.set(loss, burst)
  }

  /** How many datagrams of a piece a narrow link takes at that time. */
  queue(at: number, { bytes, datagramBytes, datagrams }: Piece): number {
    const { narrow } = this.impairments
    if (narrow === undefined) return datagrams
    const perMilli = narrow.bytesPerSecond / 1000
    const wireBytes = datagramBytes + Limits.udpHeaderBytes
    const roomBytes = narrow.queueBytes - Math.max(0, this.idleAt - at) * perMilli
    // an idle link takes one of any size
    const least = this.idleAt <= at ? 1 : 0
    const taken = Math.max(least, Math.min(datagrams, Math.floor(roomBytes / wireBytes)))
    const takenBytes = Math.min(bytes.length, taken * datagramBytes) + taken * Limits.udpHeaderBytes
    if (taken > 0) this.idleAt = Math.max(at, this.idleAt) + takenBytes / perMilli
    return taken
  }
}

/** What connects one machine, over all the lives of its endpoint. */
export class Link {
  readonly Group: Way
  readonly Answers: Way
  /** The directions that are cut; of a master, too, "Answers" is what it sends. */
  parted: ReadonlyArray<Direction> = []
  /** What waits while it stands still. */
  clogged: Array<Arrival> | undefined
  readonly traffic: Mutable<Traffic> = { sent: 0, received: 0, dropped: 0, peakBufferBytes: 0 }

  constructor(chance: Chance.Chance, now: () => number, options: Impairments) {
    this.Group = new Way(chance, now, options)
    this.Answers = new Way(chance, now, options)
  }
}
