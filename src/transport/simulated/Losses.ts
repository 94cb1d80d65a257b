/**
 * Losses on a link: single ones, and bursts.
 */

import type * as Chance from "../Chance.ts"
import { part, type Piece } from "./Piece.ts"

/** Times are means. In datagrams instead, a burst would not end on a link where few travel. */
export interface Burst {
  /** Between two bursts. */
  readonly apartMillis: number
  /** Of one burst. */
  readonly lastsMillis: number
  /** Within a burst. */
  readonly loss: number
}

/** Which datagrams are lost: gaps between losses are drawn, and not every datagram is rolled for. */
export class Losses {
  private readonly chance: Chance.Chance
  private readonly now: () => number
  private loss = 0
  private burst: Burst | undefined
  private inBurst = false
  private changesAt = Infinity
  /** Datagrams until the next loss. */
  private gap = Infinity

  constructor(chance: Chance.Chance, now: () => number, loss = 0, burst?: Burst) {
    this.chance = chance
    this.now = now
    this.set(loss, burst)
  }

  set(loss: number, burst: Burst | undefined): void {
    if (loss === this.loss && burst === this.burst) return
    this.loss = loss
    this.burst = burst
    this.inBurst = false
    this.changesAt = burst === undefined ? Infinity : this.now() + this.chance.exponential(burst.apartMillis)
    this.draw()
  }

  private draw(): void {
    this.gap = this.chance.gap(this.inBurst && this.burst !== undefined ? this.burst.loss : this.loss)
  }

  private look(): void {
    const { burst } = this
    const now = this.now()
    if (now < this.changesAt || burst === undefined) return
    while (this.changesAt <= now) {
      this.inBurst = !this.inBurst
      this.changesAt += this.chance.exponential(this.inBurst ? burst.lastsMillis : burst.apartMillis)
    }
    this.draw()
  }

  /** Of the next datagrams, how many come before one is lost, `count` at most. */
  private pass(count: number): number {
    const passed = Math.min(count, this.gap)
    this.gap -= passed
    return passed
  }

  /** Is the next one lost? */
  next(): boolean {
    this.look()
    if (this.pass(1) === 1) return false
    this.draw()
    return true
  }

  /** What is left of a piece. */
  cut(piece: Piece): ReadonlyArray<Piece> {
    this.look()
    const { datagrams } = piece
    let first = 0
    let at = this.pass(datagrams)
    if (at === datagrams) return [piece]
    const kept: Array<Piece> = []
    while (at < datagrams) {
      if (at > first) kept.push(part(piece, first, at))
      this.draw()
      first = at + 1
      at = first + this.pass(datagrams - first)
    }
    if (first < datagrams) kept.push(part(piece, first, datagrams))
    return kept
  }

  /** What is left of the pieces; themselves when nothing is lost. */
  cutAll(pieces: ReadonlyArray<Piece>): ReadonlyArray<Piece> {
    if (this.gap === Infinity && this.burst === undefined) return pieces
    let out: Array<Piece> | undefined
    pieces.forEach((piece, i) => {
      const kept = this.cut(piece)
      if (out === undefined && kept[0] === piece) return
      out ??= pieces.slice(0, i)
      out.push(...kept)
    })
    return out ?? pieces
  }
}
