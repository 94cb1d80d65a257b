/**
 * A transport that follows its interface. A membership belongs to an interface's number and a socket to an address: when the
 * interface is made anew, or gets another address, both are deaf from then on, and nobody tells them. So this one looks
 * now and then, and opens the transport below anew. As long as the address is the same its port is, too, so that the other
 * side notices nothing.
 *
 * While there is no interface, what is sent is refused, and nothing arrives.
 */
import * as Channel from "effect/Channel"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { portOf } from "../protocol/Address.ts"
import * as Limits from "../protocol/Limits.ts"
import type { Place } from "../system/Interfaces.ts"
import { type Address, type Refused, type Stats, Transport, type TransportError } from "./Transport.ts"

export interface Options {
  readonly first: Place
  /** Where the interface is now; undefined: nowhere. `isHearing`: something arrives where it was. */
  readonly look: (before: Place, isHearing: boolean) => Effect.Effect<Place | undefined>
  /** Opens the transport below, on that port if it can be had; 0: on any. */
  readonly open: (at: Place, port: number) => Effect.Effect<Transport["Service"], TransportError, Scope.Scope>
}

export const layer = (options: Options): Layer.Layer<Transport, TransportError> =>
  Layer.effect(Transport, make(options))

type Service = Transport["Service"]

/** The transport below, as it is now. */
interface Below {
  readonly place: Place
  readonly service: Service
  readonly scope: Scope.Closeable
  readonly pull: Effect.Success<ReturnType<typeof pullOf>>
  isOpen: boolean
}

const pullOf = (service: Service, scope: Scope.Scope) => Channel.toPullScoped(Stream.toChannel(service.receive), scope)

const isSame = (a: Place, b: Place): boolean => a.name === b.name && a.address === b.address && a.index === b.index

const make = Effect.fnUntraced(function* (options: Options) {
  const outer = yield* Effect.scope
  const clock = yield* Clock.clockWith(Effect.succeed)
  const following = new Following(options, outer, clock, yield* openAt(options, outer, options.first, 0))
  // what cannot be opened now may be later: an address is tentative at first, a route comes after it
  yield* Effect.forkScoped(Effect.forever(Effect.ignore(following.follow)))
  return following.service
})

const openAt = Effect.fnUntraced(function* (options: Options, outer: Scope.Scope, place: Place, port: number) {
  const scope = yield* Scope.fork(outer)
  const opening = Effect.gen(function* () {
    const service = yield* options.open(place, port)
    const below: Below = { place, service, scope, pull: yield* pullOf(service, scope), isOpen: true }
    return below
  })
  return yield* opening.pipe(
    Effect.provideService(Scope.Scope, scope),
    Effect.onError(() => Scope.close(scope, Exit.void))
  )
})

class Following {
  private readonly options: Options
  private readonly outer: Scope.Scope
  private readonly clock: Clock.Clock
  private below: Below
  private readonly isThere = Latch.makeUnsafe(true)
  private isGone = false
  private heardMillis = -Infinity
  /** The address that was heard last. */
  private heardFrom: Address | undefined
  private past: Stats = { sent: 0, received: 0, dropped: 0, unanswerable: 0, refused: 0 }
  /** Refused while there was no transport below. */
  private homeless = 0
  private listeners = 0
  private ears: Scope.Closeable | undefined

  constructor(options: Options, outer: Scope.Scope, clock: Clock.Clock, below: Below) {
    this.options = options
    this.outer = outer
    this.clock = clock
    this.below = below
  }

  /** A plain object, because a transport that wraps another one spreads it. */
  get service(): Service {
    const below = () => this.below.service
    return {
      group: below().group,
      get local() {
        return below().local
      },
      get receiveBufferBytes() {
        return below().receiveBufferBytes
      },
      get glues() {
        return below().glues
      },
      send: (batch) =>
        this.sending(Math.ceil(batch.bytes.length / batch.datagramBytes), (service) => service.send(batch)),
      sendTo: (to, datagram) => this.sending(1, (service) => service.sendTo(to, datagram)),
      receive: Stream.fromPull(Effect.succeed(this.pull)),
      listen: this.listen,
      refused: () => this.refused(),
      stats: Effect.map(this.soFar, (now) => ({ ...now, refused: now.refused + this.homeless }))
    }
  }

  // ---- the way to another place ----

  /** Looks once, and moves where the interface is another one. */
  readonly follow = Effect.gen({ self: this }, function* () {
    yield* Effect.sleep(Limits.lookMillis)
    const before = this.below.place
    const isHearing = this.clock.currentTimeMillisUnsafe() - this.heardMillis < Limits.hearingMillis
    const found = yield* this.options.look(before, isHearing)
    if (found === undefined) {
      if (!this.isGone) yield* Effect.logWarning(`the interface ${before.name} (${before.address}) is gone, or down`)
      this.isGone = true
      return
    }
    if (!this.isGone && isSame(found, before)) return
    this.isGone = true
    yield* this.move(found)
    this.isGone = false
    yield* Effect.logWarning(`the interface is ${found.name} (${found.address}) now`)
  })

  private move(place: Place) {
    return Effect.gen({ self: this }, function* () {
      const before = this.below
      if (before.isOpen) {
        this.past = yield* this.soFar
        this.isThere.closeUnsafe()
        before.isOpen = false
        yield* Scope.close(before.scope, Exit.void)
      }
      const { options, outer } = this
      const port = place.address === before.place.address ? portOf(before.service.local) : 0
      this.below = yield* Effect.catch(openAt(options, outer, place, port), () => openAt(options, outer, place, 0))
      if (this.listeners > 0) yield* this.hearGroup
      this.isThere.openUnsafe()
      // A new interface may have a new hardware address. The other side has the old one in a table for a minute. Before our
      // system sends something to a neighbour it asks all for the neighbour's, and so tells them ours.
      if (this.heardFrom !== undefined) {
        yield* Effect.ignore(this.below.service.sendTo(this.heardFrom, Uint8Array.of(0)))
      }
    })
  }

  // ---- datagrams ----

  // what fails because it was closed meanwhile is refused
  private sending(datagrams: number, send: (service: Service) => Effect.Effect<void, TransportError>) {
    return Effect.suspend(() => {
      const now = this.below
      const refuse = Effect.suspend(() => {
        this.homeless += datagrams
        return Effect.yieldNow
      })
      return now.isOpen
        ? Effect.catch(send(now.service), (error) => (now.isOpen ? Effect.fail(error) : refuse))
        : refuse
    })
  }

  private readonly pull: Below["pull"] = Effect.suspend(() => {
    const now = this.below
    return Effect.matchEffect(now.pull, {
      onSuccess: (batches) => {
        this.heardMillis = this.clock.currentTimeMillisUnsafe()
        this.heardFrom = batches.at(-1)?.at(-1)?.from ?? this.heardFrom
        return Effect.succeed(batches)
      },
      onFailure: (error) =>
        now.isOpen && now === this.below ? Effect.fail(error) : Effect.andThen(this.isThere.await, this.pull)
    })
  })

  private readonly hearGroup = Effect.gen({ self: this }, function* () {
    this.ears = yield* Scope.fork(this.below.scope)
    yield* Effect.provideService(this.below.service.listen, Scope.Scope, this.ears)
  })
  private readonly listen: Service["listen"] = Effect.asVoid(
    Effect.acquireRelease(
      Effect.suspend(() => {
        this.listeners++
        return this.listeners === 1
          ? Effect.onError(this.hearGroup, () => Effect.sync(() => this.listeners--))
          : Effect.void
      }),
      () =>
        Effect.suspend(() => (--this.listeners === 0 && this.ears ? Scope.close(this.ears, Exit.void) : Effect.void))
    )
  )

  // ---- counters ----

  /** Of all transports below, without what was refused while there was none. */
  private readonly soFar = Effect.suspend(() =>
    this.below.isOpen ? Effect.map(this.below.service.stats, (now) => sum(this.past, now)) : Effect.succeed(this.past)
  )

  private refused(): Refused {
    const { isOpen, place, service } = this.below
    const { datagrams = 0, reason } = isOpen ? (service.refused?.() ?? {}) : {}
    return {
      datagrams: this.past.refused + this.homeless + datagrams,
      reason: isOpen ? reason : `the interface ${place.name} is gone, or down`
    }
  }
}

const sum = (a: Stats, b: Stats): Stats => ({
  sent: a.sent + b.sent,
  received: a.received + b.received,
  dropped: a.dropped + b.dropped,
  unanswerable: a.unanswerable + b.unanswerable,
  refused: a.refused + b.refused
})
