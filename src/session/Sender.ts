/**
 * The one sender that owns the air. Pages queue in three lanes, repairs before new pages, and those for stragglers when there
 * is nothing else; they leave when the window has room. Polls for the ackers travel among them, so that answers clock the
 * sending and no timer paces the hot path (except for a bandwidth limit). Questions do not come here: they go out at once, outside the window.
 *
 * A lane owns a few slabs: a sender takes one, fills it with glued page datagrams and hands it over, and waits when none
 * is free. That is all the buffering there is.
 */

import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import * as Limits from "../protocol/Limits.ts"
import * as Window from "../protocol/pace/Window.ts"
import { Transport, type TransportError } from "../transport/Transport.ts"
import type { Audience } from "../wire/Message.ts"
import { MasterExchange } from "./Exchange.ts"
import * as Monotonic from "./Monotonic.ts"

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
  /** An empty slab; waits while all are under way. `hold` is told in the same step, so that no interruption loses it. */
  readonly slab: (hold: (slab: Uint8Array) => void) => Effect.Effect<void>
  /** Hands a batch over. Its slab goes back to the lane once it is sent. */
  readonly carry: (batch: PageBatch) => Effect.Effect<void>
  /** Gives back a slab; one that was carried is not the giver's any more, and nothing happens. */
  readonly giveBack: (slab: Uint8Array) => Effect.Effect<void>
  /** Completes when all that was handed over before has been sent. */
  readonly drained: Effect.Effect<void>
}

/** What went on the air since the session began. */
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
    /** For pages that are sent for the first time. */
    readonly fresh: Lane
    /** For what is missing; goes before `fresh`. */
    readonly repair: Lane
    /** Repairs for stragglers; goes when nothing else waits. */
    readonly straggler: Lane
  }
>()("mrsync/session/Lanes") {}

/** The sender of a session, and its pace. */
export class Sender extends Context.Service<
  Sender,
  {
    /** Those catchers wait for what is on the air, until the scope closes: when all of them are stragglers, the pace is theirs. */
    readonly serving: (audience: Audience) => Effect.Effect<void, never, Scope.Scope>
    /** Does the window not wait for that catcher, because it would wait most of the time? */
    readonly isExcluded: (slot: number) => boolean
    /** What was sent, as of now. */
    readonly totals: () => Totals
    /** As of now. */
    readonly window: () => Window.Window
  }
>()("mrsync/session/Sender") {}

/** What sets the pace: the ackers, and their answers. */
export interface Pace extends Pick<Sender["Service"], "totals" | "window"> {
  /** The catchers that clock the window, the smallest receive buffer among all, and who is on this machine. */
  readonly setAckers: (
    slots: Audience,
    receiveBufferBytes: number,
    isLocal?: (slot: number) => boolean
  ) => Effect.Effect<void>
  /** An acker's answer to a poll. */
  readonly answered: (answer: {
    readonly slot: number
    readonly poll: number
    readonly received: number
  }) => Effect.Effect<void>
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

/** A limited sender may run ahead of its rate by this much; sleeping for less would only measure the timer. */
const burstMillis = 5

/**
 * Makes the sender of a session; it sends nothing before `run` is run. `bytesPerSecond`: a cap,
 * undefined for none. `polled` is told which slots each poll asks.
 */
export const make = (options: {
  readonly bytesPerSecond: number | undefined
  /** Do glued datagrams reach all catchers? */
  readonly isGlued?: () => boolean
  readonly polled?: (audience: Audience, poll: number) => void
}): Effect.Effect<Made, never, Transport | MasterExchange> =>
  Effect.gen(function* () {
    const transport = yield* Transport
    const exchange = yield* MasterExchange
    const now = yield* Monotonic.millis
    const { isGlued = () => true, polled = () => {} } = options
    const work = Latch.makeUnsafe(false)
    const room = Latch.makeUnsafe(false)
    const queued = () => {
      work.openUnsafe()
      // what waits for room on the stragglers' lane steps aside
      room.openUnsafe()
    }
    const fresh = yield* makeLane(queued)
    const repair = yield* makeLane(queued)
    const straggler = yield* makeLane(queued)
    let window = Window.make(transport.receiveBufferBytes)
    let totals: Totals = { pages: 0, repaired: 0, parity: 0, bytes: 0 }
    let dueMillis = 0
    /** How often each is served now. */
    const served = new Map<number, number>()

    const serve = (audience: Audience, times: number) => {
      for (const slot of audience) {
        const left = (served.get(slot) ?? 0) + times
        if (left > 0) served.set(slot, left)
        else served.delete(slot)
      }
    }
    const isOnlyFor = (isStraggler: (slot: number) => boolean): boolean => {
      for (const slot of served.keys()) if (!isStraggler(slot)) return false
      return served.size > 0
    }
    const isExcluded = (slot: number) => Window.isBenched(window, slot, now())
    /** Is there nobody to be faster for? Then the pace is the stragglers'. */
    const isForStragglers = (lane: OwnLane): boolean => lane === straggler || isOnlyFor(isExcluded)
    const holders = (batchBytes: number, lane: OwnLane): ReadonlyArray<number> => {
      const slots = lane === straggler ? [] : Window.holders(window, batchBytes, now())
      // nobody waits for them when nobody else is served
      return slots.length > 0 && isOnlyFor((slot) => slots.includes(slot)) ? [] : slots
    }

    const poll = (lane: OwnLane) =>
      Effect.suspend(() => {
        const stragglers = isForStragglers(lane)
        const audience = Window.askedNext(window, now(), stragglers)
        const number = window.nextPoll
        window = Window.polled(window, audience, now(), stragglers)
        polled(audience, number)
        return exchange.sendNow({ _tag: "Poll", session: exchange.session, poll: number, audience })
      })

    // The answers to a poll may all be lost, so a closed window asks again after a while. Batches that may be sent; none when
    // stragglers would be waited for although there is something else to send.
    const waitForRoom = Effect.fnUntraced(function* (batchBytes: number, lane: OwnLane) {
      while (true) {
        const fromMillis = now()
        const batches = Window.room(window, batchBytes, fromMillis, isForStragglers(lane))
        if (batches > 0) return batches
        if (lane === straggler && repair.queued.length + fresh.queued.length > 0) return 0
        const slow = holders(batchBytes, lane)
        if (Window.sinceLastPoll(window) > 0) yield* poll(lane)
        room.closeUnsafe()
        const answer = yield* Effect.timeoutOption(room.await, Window.pauseMillis(window, now()))
        window = Window.held(window, slow, fromMillis, now())
        if (answer._tag === "None") yield* poll(lane)
      }
    })

    const limitRate = Effect.fnUntraced(function* (bytes: number, bytesPerSecond: number) {
      dueMillis = Math.max(now(), dueMillis) + (bytes / bytesPerSecond) * 1000
      const ahead = dueMillis - now()
      if (ahead > burstMillis) yield* Effect.sleep(ahead)
    })

    // At once goes what the window has room for, but no more than is sent between two polls.
    const share = (batches: number, batchBytes: number, pollBytes: number): number =>
      options.bytesPerSecond === undefined
        ? Math.min(batches, Math.max(1, Math.ceil(pollBytes / batchBytes))) * batchBytes
        : batchBytes

    const send = Effect.fnUntraced(function* (batch: PageBatch, lane: OwnLane) {
      const { bytes, datagramBytes, isWanted, kind, slab } = batch
      for (let at = 0, end = 0; at < bytes; at = end) {
        // repairs go before what is left of another lane's slab, and everything before a straggler's
        if (lane !== repair) yield* sendQueued(repair)
        if (lane === straggler) yield* sendQueued(fresh)
        const batchBytes = Window.batchBytes(window, datagramBytes, now(), isForStragglers(lane))
        const batches = yield* waitForRoom(batchBytes, lane)
        if (!isWanted()) break
        if (batches === 0) continue
        const pollBytes = Window.pollBytes(window, now(), isForStragglers(lane))
        end = Math.min(bytes, at + share(batches, batchBytes, pollBytes))
        const refusedBefore = transport.refused?.().datagrams ?? 0
        yield* exchange.sendPages({ bytes: slab.subarray(at, end), datagramBytes, isSingly: !isGlued() })
        const pages = Math.ceil((end - at) / datagramBytes)
        window = Window.sent(window, end - at, pages, now())
        // what the system refuses is lost, for the window's pace, but was not sent
        const sent = Math.max(0, pages - ((transport.refused?.().datagrams ?? 0) - refusedBefore))
        totals = {
          pages: totals.pages + sent,
          repaired: totals.repaired + (kind === "First" ? 0 : sent),
          parity: totals.parity + (kind === "Parity" ? sent : 0),
          bytes: totals.bytes + end - at
        }
        if (Window.sinceLastPoll(window) >= pollBytes) yield* poll(lane)
        if (options.bytesPerSecond !== undefined) yield* limitRate(end - at, options.bytesPerSecond)
      }
      lane.release(slab)
    })

    const sendNext = (next: Work, lane: OwnLane): Effect.Effect<unknown, TransportError> =>
      next._tag === "Marker" ? Deferred.succeed(next.passed, undefined) : send(next.batch, lane)

    const sendQueued = (lane: OwnLane): Effect.Effect<void, TransportError> =>
      Effect.suspend(() => {
        const next = lane.queued.shift()
        return next === undefined ? Effect.void : Effect.andThen(sendNext(next, lane), sendQueued(lane))
      })

    const run = Effect.gen(function* () {
      while (true) {
        yield* sendQueued(repair)
        const lane = fresh.queued.length > 0 ? fresh : straggler
        const next = lane.queued.shift()
        if (next !== undefined) yield* sendNext(next, lane)
        else if (repair.queued.length === 0) {
          work.closeUnsafe()
          yield* work.await
        }
      }
    })

    const serving: Sender["Service"]["serving"] = (audience) =>
      Effect.asVoid(
        Effect.acquireRelease(
          Effect.sync(() => serve(audience, 1)),
          () => Effect.sync(() => serve(audience, -1))
        )
      )
    const told = { totals: () => totals, window: () => window }
    const pace: Pace = {
      ...told,
      setAckers: (slots, receiveBufferBytes, isLocal) =>
        Effect.sync(() => {
          window = Window.setAckers(Window.limit(window, receiveBufferBytes), slots, now(), isLocal)
          room.openUnsafe()
        }),
      answered: (answer) =>
        Effect.sync(() => {
          window = Window.answered(window, answer, now())
          room.openUnsafe()
        }),
      setUnheard: (slot, isUnheard) => {
        window = Window.setUnheard(window, slot, isUnheard)
        room.openUnsafe()
      }
    }
    return { lanes: { fresh, repair, straggler }, sender: { ...told, serving, isExcluded }, pace, run }
  })

/** A lane as the sender sees it: its queue is bounded by its slabs. */
interface OwnLane extends Lane {
  readonly queued: Array<Work>
  readonly release: (slab: Uint8Array) => void
}

const makeLane = (onQueued: () => void): Effect.Effect<OwnLane> =>
  Effect.sync(() => {
    const idle = Array.from({ length: Limits.airSlabs }, () => new ArrayBuffer(Limits.slabBytes))
    // Every use of a slab is a view of its own, so that who gives back what was carried long ago takes it from nobody.
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
        const slab = new Uint8Array(buffer)
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
