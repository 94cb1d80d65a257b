/**
 * The one sender that owns the air. Pages queue in three lanes, repairs before new pages, and those
 * for stragglers when there is nothing else; they leave when the window has room. Polls for the
 * ackers travel among them, so that answers clock the sending and no timer paces the hot path
 * (except for a bandwidth limit). Questions do not come here: they go out at once, outside the
 * window.
 *
 * A lane owns a few slabs: a sender takes one, fills it with glued page datagrams and hands it
 * over, and waits when none is free. That is all the buffering there is.
 */

import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import * as Limits from "../protocol/Limits.ts"
import * as Exclusion from "../protocol/pace/Exclusion.ts"
import type { Waits } from "../protocol/pace/Limiting.ts"
import * as Polls from "../protocol/pace/Polls.ts"
import * as Window from "../protocol/pace/Window.ts"
import { type Refused, Transport, type TransportError } from "../transport/Transport.ts"
import type { Audience } from "../wire/Message.ts"
import { MasterExchange } from "./Exchange.ts"
import * as Monotonic from "./Monotonic.ts"
import { RateLimit } from "./RateLimit.ts"
import { Waiting } from "./Waits.ts"

/** Glued page datagrams in a lane's slab; `bytes` is the part that is filled. */
export interface PageBatch {
  readonly slab: Uint8Array
  readonly bytes: number
  readonly datagramBytes: number
  /** Pages for the first time, pages again because some are missing, or parity because some are. */
  readonly kind: "First" | "Again" | "Parity"
  /** False once nobody wants the pages: what has not left by then is dropped. */
  readonly isWanted: () => boolean
}

type Work =
  | { readonly _tag: "Batch"; readonly batch: PageBatch }
  | { readonly _tag: "Marker"; readonly passed: Deferred.Deferred<void> }

/**
 * A queue of batches on their way to the air. Slabs, which are few, hold back a sender that is
 * faster than the network.
 */
export interface Lane {
  /**
   * An empty slab; waits while all are under way. `hold` is told in the same step, so that no
   * interruption loses it.
   */
  readonly slab: (hold: (slab: Uint8Array) => void) => Effect.Effect<void>
  /** Hands a batch over. Its slab goes back to the lane once it is sent. */
  readonly carry: (batch: PageBatch) => Effect.Effect<void>
  /** Gives back a slab; one that was carried is not the giver's any more, and nothing happens. */
  readonly giveBack: (slab: Uint8Array) => Effect.Effect<void>
  /** Completes when all that was handed over before has been sent. */
  readonly drained: Effect.Effect<void>
}

/** Everything that went on the air since the session began. */
export interface Totals {
  /** Page datagrams on the air, repairs and parity included. */
  readonly pages: number
  /** Those that were sent because some were missing: pages again, and parity. */
  readonly repaired: number
  /** Parity pages among those. */
  readonly parity: number
  /** Bytes of page datagrams. */
  readonly bytes: number
}

/** The lanes of a session, on which pages go to the group. */
export class Lanes extends Context.Service<
  Lanes,
  {
    /** First pages, but the manifest's. */
    readonly fresh: Lane
    /** Missing pages, and the manifest; goes before `fresh`. */
    readonly repair: Lane
    /** All that is only for stragglers; goes when nothing else waits. */
    readonly straggler: Lane
  }
>()("mrsync/session/Lanes") {}

/** The sender of a session, and its pace. */
export class Sender extends Context.Service<
  Sender,
  {
    /**
     * Until the scope closes, pages are sent for these catchers. The pace is the stragglers' when
     * no others are served.
     */
    readonly serving: (audience: Audience) => Effect.Effect<void, never, Scope.Scope>
    /** Does the window not wait for that catcher, because it would wait most of the time? */
    readonly isExcluded: (slot: number) => boolean
    /** Everything that was sent, as of now. */
    readonly totals: () => Totals
    /** As of now. */
    readonly window: () => Window.Window
    /** How long it has waited, and for what. */
    readonly waits: () => Waits
  }
>()("mrsync/session/Sender") {}

/** The pace: it is set by the ackers and their answers. */
export interface Pace extends Pick<Sender["Service"], "totals" | "window"> {
  /**
   * The catchers that clock the window, the smallest receive buffer among all, and which are on
   * this machine.
   */
  readonly setAckers: (
    slots: Audience,
    receiveBufferBytes: number,
    isLocal?: (slot: number) => boolean
  ) => Effect.Effect<void>
  /** An acker's answer to a poll. */
  readonly onAnswer: (answer: { readonly slot: number; readonly poll: number; readonly received: number }) => void
  /** Are most of that catcher's answers lost from now on? */
  readonly setUnheard: (slot: number, isUnheard: boolean) => void
}

/** A sender as it is made, with its lanes and its pace. */
export interface Made {
  readonly lanes: Lanes["Service"]
  readonly sender: Sender["Service"]
  readonly pace: Pace
  /** Sends until interrupted. */
  readonly run: Effect.Effect<never, TransportError>
}

/**
 * Makes the sender of a session; it sends nothing before `run` is run. `bytesPerSecond`: a cap,
 * undefined for none. `polled` is told which slots each poll asks.
 */
export const make = (options: Options): Effect.Effect<Made, never, Transport | MasterExchange> =>
  Effect.gen(function* () {
    const { receiveBufferBytes, refused } = yield* Transport
    const exchange = yield* MasterExchange
    const now = yield* Monotonic.millis
    const pacer = new Pacer(now, receiveBufferBytes)
    const work = Latch.makeUnsafe(false)
    const queued = () => {
      work.openUnsafe()
      // what waits for room on the stragglers' lane steps aside
      pacer.room.openUnsafe()
    }
    const slabBytes = () => Window.slabBytes(pacer.window, now())
    const fresh = yield* makeLane(queued, slabBytes)
    const repair = yield* makeLane(queued, slabBytes)
    const straggler = yield* makeLane(queued, slabBytes)
    const lanes = { fresh, repair, straggler }
    const sending = new Sending(options, { exchange, lanes, now, pacer, refused, work })
    const told = { totals: () => sending.totals, window: () => pacer.window }
    const pace: Pace = {
      ...told,
      setAckers: (slots, bufferBytes, isLocal) => Effect.sync(() => pacer.setAckers(slots, bufferBytes, isLocal)),
      onAnswer: (answer) => pacer.onAnswer(answer),
      setUnheard: (slot, isUnheard) => pacer.setUnheard(slot, isUnheard)
    }
    const serving: Sender["Service"]["serving"] = (audience) => pacer.serving(audience)
    const isExcluded = (slot: number) => pacer.isExcluded(slot)
    const waits = sending.waits.read
    return { lanes, sender: { ...told, serving, isExcluded, waits }, pace, run: sending.run }
  })

interface Options {
  readonly bytesPerSecond: number | undefined
  /** Do glued datagrams reach all catchers? */
  readonly isGlued?: () => boolean
  readonly polled?: (audience: Audience, poll: number) => void
}

/** The window, and the catchers for which it is kept. */
class Pacer {
  window: Window.Window
  /** Opens when the window may have room. */
  readonly room = Latch.makeUnsafe(false)
  private readonly now: () => number
  /** How often each is served now. */
  private readonly served = new Map<number, number>()

  constructor(now: () => number, receiveBufferBytes: number) {
    this.now = now
    this.window = Window.make(receiveBufferBytes)
  }

  setAckers(slots: Audience, receiveBufferBytes: number, isLocal: ((slot: number) => boolean) | undefined): void {
    this.window = Window.setAckers(Window.limit(this.window, receiveBufferBytes), slots, this.now(), isLocal)
    this.room.openUnsafe()
  }

  onAnswer(answer: Parameters<Pace["onAnswer"]>[0]): void {
    this.window = Window.answered(this.window, answer, this.now())
    this.room.openUnsafe()
  }

  setUnheard(slot: number, isUnheard: boolean): void {
    this.window = Window.setUnheard(this.window, slot, isUnheard)
    this.room.openUnsafe()
  }

  serving(audience: Audience): Effect.Effect<void, never, Scope.Scope> {
    return Effect.asVoid(
      Effect.acquireRelease(
        Effect.sync(() => this.serve(audience, 1)),
        () => Effect.sync(() => this.serve(audience, -1))
      )
    )
  }

  private serve(audience: Audience, times: number): void {
    const { served } = this
    for (const slot of audience) {
      const left = (served.get(slot) ?? 0) + times
      if (left > 0) served.set(slot, left)
      else served.delete(slot)
    }
  }

  isExcluded(slot: number): boolean {
    return Exclusion.isExcluded(this.window, slot, this.now())
  }

  /** Is there nobody to be faster for? Then the pace is the stragglers'. */
  isForStragglers(): boolean {
    for (const slot of this.served.keys()) if (!this.isExcluded(slot)) return false
    return this.served.size > 0
  }

  /** Those that the window waits for; none when nobody else is served. */
  holders(batchBytes: number): ReadonlyArray<number> {
    const slots = Window.delaying(this.window, batchBytes, this.now())
    if (slots.length === 0 || this.served.size === 0) return slots
    for (const slot of this.served.keys()) if (!slots.includes(slot)) return slots
    return []
  }
}

interface Parts {
  readonly exchange: MasterExchange["Service"]
  readonly lanes: { readonly fresh: OwnLane; readonly repair: OwnLane; readonly straggler: OwnLane }
  readonly now: () => number
  readonly pacer: Pacer
  readonly refused: (() => Refused) | undefined
  /** Opens when a lane has something to send. */
  readonly work: Latch.Latch
}

/** Empties the lanes. */
class Sending {
  totals: Totals = { pages: 0, repaired: 0, parity: 0, bytes: 0 }
  readonly waits: Waiting
  private readonly limit: RateLimit | undefined
  private readonly options: Options
  private readonly parts: Parts

  constructor(options: Options, parts: Parts) {
    const { bytesPerSecond } = options
    this.options = options
    this.parts = parts
    this.limit = bytesPerSecond === undefined ? undefined : new RateLimit(bytesPerSecond)
    this.waits = new Waiting(parts.now)
  }

  readonly run: Effect.Effect<never, TransportError> = Effect.gen({ self: this }, function* () {
    const { lanes, work } = this.parts
    const { fresh, repair, straggler } = lanes
    while (true) {
      yield* this.sendQueued(repair)
      const lane = fresh.queued.length > 0 ? fresh : straggler
      const next = lane.queued.shift()
      if (next !== undefined) yield* this.sendNext(next, lane)
      else if (repair.queued.length === 0) {
        work.closeUnsafe()
        this.waits.begin("Work")
        yield* work.await
        this.waits.end()
      }
    }
  })

  private sendQueued(lane: OwnLane): Effect.Effect<void, TransportError> {
    return Effect.suspend(() => {
      const next = lane.queued.shift()
      return next === undefined ? Effect.void : Effect.andThen(this.sendNext(next, lane), this.sendQueued(lane))
    })
  }

  private sendNext(next: Work, lane: OwnLane): Effect.Effect<unknown, TransportError> {
    return next._tag === "Marker" ? Deferred.succeed(next.passed, undefined) : this.send(next.batch, lane)
  }

  private isForStragglers(lane: OwnLane): boolean {
    const { lanes, pacer } = this.parts
    return lane === lanes.straggler || pacer.isForStragglers()
  }

  /**
   * The loop that runs for each batch. An effect costs more than a batch's arithmetic, so that only
   * what waits or sends is one.
   */
  private readonly send = Effect.fnUntraced({ self: this }, function* (batch: PageBatch, lane: OwnLane) {
    const { lanes, now, pacer } = this.parts
    const { bytes, datagramBytes, isWanted, slab } = batch
    for (let at = 0, end = 0; at < bytes; at = end) {
      // repairs go before what is left of another lane's slab, and everything before a straggler's
      if (lane !== lanes.repair && lanes.repair.queued.length > 0) yield* this.sendQueued(lanes.repair)
      if (lane === lanes.straggler && lanes.fresh.queued.length > 0) yield* this.sendQueued(lanes.fresh)
      const batchBytes = Window.batchBytes(pacer.window, datagramBytes, now(), this.isForStragglers(lane))
      let batches = this.room(batchBytes, lane)
      if (batches === 0) batches = yield* this.waitForRoom(batchBytes, lane)
      if (!isWanted()) break
      if (batches === 0) continue
      const pollBytes = Polls.pollBytes(pacer.window, now(), this.isForStragglers(lane))
      end = Math.min(bytes, at + this.share(batches, batchBytes, pollBytes))
      yield* this.sendPart(batch, at, end)
      if (Polls.sinceLastPoll(pacer.window) >= pollBytes) yield* this.poll(lane)
      const aheadMillis = this.limit?.sent(end - at, now()) ?? 0
      if (aheadMillis > 0) yield* this.holdBack(aheadMillis)
    }
    lane.release(slab)
  })

  private room(batchBytes: number, lane: OwnLane): number {
    const { now, pacer } = this.parts
    return Window.room(pacer.window, batchBytes, now(), this.isForStragglers(lane))
  }

  private sendPart({ datagramBytes, kind, slab }: PageBatch, at: number, end: number) {
    const { exchange, now, pacer, refused } = this.parts
    const { isGlued = () => true } = this.options
    const refusedBefore = refused?.().datagrams ?? 0
    const sending = exchange.sendPages({ bytes: slab.subarray(at, end), datagramBytes, isSingly: !isGlued() })
    return Effect.map(sending, () => {
      const pages = Math.ceil((end - at) / datagramBytes)
      pacer.window = Window.sent(pacer.window, end - at, pages, now())
      // what the system refuses is lost, for the window's pace, but was not sent
      const sent = Math.max(0, pages - ((refused?.().datagrams ?? 0) - refusedBefore))
      const { totals } = this
      this.totals = {
        pages: totals.pages + sent,
        repaired: totals.repaired + (kind === "First" ? 0 : sent),
        parity: totals.parity + (kind === "Parity" ? sent : 0),
        bytes: totals.bytes + end - at
      }
    })
  }

  /**
   * The answers to a poll may all be lost, so a closed window asks again after a while. Batches
   * that may be sent; none when stragglers would be waited for although there is something else to
   * send.
   */
  private readonly waitForRoom = Effect.fnUntraced({ self: this }, function* (batchBytes: number, lane: OwnLane) {
    const { lanes, now, pacer } = this.parts
    const { fresh, repair, straggler } = lanes
    while (true) {
      const fromMillis = now()
      const batches = this.room(batchBytes, lane)
      if (batches > 0) return batches
      if (lane === straggler && repair.queued.length + fresh.queued.length > 0) return 0
      const slow = lane === straggler ? [] : pacer.holders(batchBytes)
      if (Polls.sinceLastPoll(pacer.window) > 0) yield* this.poll(lane)
      pacer.room.closeUnsafe()
      this.waits.begin(slow.length > 0 ? "Catchers" : "Network", slow)
      const answer = yield* Effect.timeoutOption(pacer.room.await, Polls.pauseMillis(pacer.window, now()))
      this.waits.end()
      pacer.window = Exclusion.waited(pacer.window, slow, fromMillis, now())
      if (answer._tag === "None") yield* this.poll(lane)
    }
  })

  /** At once goes what the window has room for, but no more than is sent between two polls. */
  private share(batches: number, batchBytes: number, pollBytes: number): number {
    return this.options.bytesPerSecond === undefined
      ? Math.min(batches, Math.max(1, Math.ceil(pollBytes / batchBytes))) * batchBytes
      : batchBytes
  }

  private poll(lane: OwnLane): Effect.Effect<void, TransportError> {
    return Effect.suspend(() => {
      const { exchange, now, pacer } = this.parts
      const stragglers = this.isForStragglers(lane)
      const audience = Polls.askedNext(pacer.window, now(), stragglers)
      const number = pacer.window.nextPoll
      pacer.window = Polls.polled(pacer.window, audience, now(), stragglers)
      this.options.polled?.(audience, number)
      return exchange.sendNow({ _tag: "Poll", session: exchange.session, poll: number, audience })
    })
  }

  private holdBack(millis: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.waits.begin("Rate")
      return Effect.map(Effect.sleep(millis), () => {
        this.waits.end()
        this.limit?.slept(this.parts.now())
      })
    })
  }
}

/** A lane as the sender sees it: its queue is bounded by its slabs. */
interface OwnLane extends Lane {
  readonly queued: Array<Work>
  readonly release: (slab: Uint8Array) => void
}

const makeLane = (onQueued: () => void, slabBytes: () => number): Effect.Effect<OwnLane> =>
  Effect.sync(() => {
    const idle = Array.from({ length: Limits.airSlabs }, () => new ArrayBuffer(Limits.slabBytes))
    // Every use of a slab is a view of its own: one that is given back long after it was carried is
    // taken from nobody.
    const held = new Set<Uint8Array>()
    const free = Latch.makeUnsafe(true)
    const queued: Array<Work> = []
    const push = (item: Work) => {
      queued.push(item)
      onQueued()
    }
    const release = (slab: Uint8Array) => {
      idle.push(slab.buffer as ArrayBuffer)
      free.openUnsafe()
    }
    const take = (hold: (slab: Uint8Array) => void): Effect.Effect<void> =>
      Effect.suspend(() => {
        const buffer = idle.pop()
        if (buffer === undefined) {
          free.closeUnsafe()
          return Effect.andThen(free.await, take(hold))
        }
        const slab = new Uint8Array(buffer, 0, slabBytes())
        held.add(slab)
        hold(slab)
        return Effect.void
      })
    return {
      queued,
      release,
      slab: take,
      carry: (batch) =>
        Effect.sync(() => {
          if (held.delete(batch.slab)) push({ _tag: "Batch", batch })
        }),
      giveBack: (slab) =>
        Effect.sync(() => {
          if (held.delete(slab)) release(slab)
        }),
      drained: Effect.suspend(() => {
        const passed = Deferred.makeUnsafe<void>()
        push({ _tag: "Marker", passed })
        return Deferred.await(passed)
      })
    }
  })
