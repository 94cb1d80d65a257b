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
  const isThere = Latch.makeUnsafe(true)
  let heardMillis = -Infinity
  /** The address that was heard last. */
  let heardFrom: Address | undefined
  let past: Stats = { sent: 0, received: 0, dropped: 0, unanswerable: 0, refused: 0 }
  /** Refused while there was no transport below. */
  let homeless = 0
  let listeners = 0
  let ears: Scope.Closeable | undefined

  const openAt = Effect.fnUntraced(function* (place: Place, port: number) {
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

  let below = yield* openAt(options.first, 0)

  const stats = Effect.suspend(() =>
    below.isOpen ? Effect.map(below.service.stats, (now) => sum(past, now)) : Effect.succeed(past)
  )
  const hearGroup = Effect.gen(function* () {
    ears = yield* Scope.fork(below.scope)
    yield* Effect.provideService(below.service.listen, Scope.Scope, ears)
  })

  const move = Effect.fnUntraced(function* (place: Place) {
    const before = below
    if (before.isOpen) {
      past = yield* stats
      isThere.closeUnsafe()
      before.isOpen = false
      yield* Scope.close(before.scope, Exit.void)
    }
    const port = place.address === before.place.address ? portOf(before.service.local) : 0
    below = yield* Effect.catch(openAt(place, port), () => openAt(place, 0))
    if (listeners > 0) yield* hearGroup
    isThere.openUnsafe()
    // A new interface may have a new hardware address. A machine that answers us has the old one in a table for a minute; before
    // our system sends something to a neighbour it asks all for his, and so tells them ours.
    if (heardFrom !== undefined) yield* Effect.ignore(below.service.sendTo(heardFrom, Uint8Array.of(0)))
  })

  const isHearing = () => clock.currentTimeMillisUnsafe() - heardMillis < Limits.hearingMillis
  let isGone = false
  const follow = Effect.gen(function* () {
    yield* Effect.sleep(Limits.lookMillis)
    const before = below.place
    const found = yield* options.look(before, isHearing())
    if (found === undefined) {
      if (!isGone) yield* Effect.logWarning(`the interface ${before.name} (${before.address}) is gone, or down`)
      isGone = true
      return
    }
    if (!isGone && isSame(found, before)) return
    isGone = true
    yield* move(found)
    isGone = false
    yield* Effect.logWarning(`the interface is ${found.name} (${found.address}) now`)
  })
  // what cannot be opened now may be later: an address is tentative at first, a route comes after it
  yield* Effect.forkScoped(Effect.forever(Effect.ignore(follow)))

  /** What fails because it was closed meanwhile is refused. */
  const sending = (datagrams: number, send: (service: Service) => Effect.Effect<void, TransportError>) =>
    Effect.suspend(() => {
      const now = below
      const refuse = Effect.suspend(() => {
        homeless += datagrams
        return Effect.yieldNow
      })
      return now.isOpen
        ? Effect.catch(send(now.service), (error) => (now.isOpen ? Effect.fail(error) : refuse))
        : refuse
    })

  const pull: Below["pull"] = Effect.suspend(() => {
    const now = below
    return Effect.matchEffect(now.pull, {
      onSuccess: (batches) => {
        heardMillis = clock.currentTimeMillisUnsafe()
        heardFrom = batches.at(-1)?.at(-1)?.from ?? heardFrom
        return Effect.succeed(batches)
      },
      onFailure: (error) => (now.isOpen && now === below ? Effect.fail(error) : Effect.andThen(isThere.await, pull))
    })
  })

  const refused = (): Refused => {
    const { datagrams = 0, reason } = below.isOpen ? (below.service.refused?.() ?? {}) : {}
    return {
      datagrams: past.refused + homeless + datagrams,
      reason: below.isOpen ? reason : `the interface ${below.place.name} is gone, or down`
    }
  }

  return Transport.of({
    get local() {
      return below.service.local
    },
    get receiveBufferBytes() {
      return below.service.receiveBufferBytes
    },
    get glues() {
      return below.service.glues
    },
    send: (batch) => sending(Math.ceil(batch.bytes.length / batch.datagramBytes), (service) => service.send(batch)),
    sendTo: (to, datagram) => sending(1, (service) => service.sendTo(to, datagram)),
    receive: Stream.fromPull(Effect.succeed(pull)),
    listen: Effect.asVoid(
      Effect.acquireRelease(
        Effect.suspend(() => {
          listeners++
          return listeners === 1 ? Effect.onError(hearGroup, () => Effect.sync(() => listeners--)) : Effect.void
        }),
        () => Effect.suspend(() => (--listeners === 0 && ears ? Scope.close(ears, Exit.void) : Effect.void))
      )
    ),
    refused,
    stats: Effect.map(stats, (now) => ({ ...now, refused: now.refused + homeless }))
  })
})

const sum = (a: Stats, b: Stats): Stats => ({
  sent: a.sent + b.sent,
  received: a.received + b.received,
  dropped: a.dropped + b.dropped,
  unanswerable: a.unanswerable + b.unanswerable,
  refused: a.refused + b.refused
})
