/**
 * A network in memory, for tests and examples. Time is Effect's Clock and chance comes from one seed, so that a session
 * under TestClock runs the same way every time.
 *
 * Each receiver has its own luck: every datagram is lost, doubled, held back or damaged for one catcher and not for
 * another. One fiber delivers for the whole network, from a heap ordered by time; nothing costs an Effect per datagram.
 * The trap: with a delay, nothing arrives under TestClock until the clock is adjusted.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Chance from "./Chance.ts"
import { type Address, type Batch, type Received, Transport, TransportError } from "./Transport.ts"

/** What the network does to datagrams. Probabilities go from 0 to 1, and each receiver is rolled for by itself. */
export interface Impairments {
  readonly loss?: number
  readonly duplicate?: number
  /** Held back by `holdMillis`, so that later ones pass. */
  readonly reorder?: number
  /** One bit of it flipped. */
  readonly corrupt?: number
  readonly delayMillis?: number
  /** Up to so many whole milliseconds are added, to each datagram by itself: datagrams may pass each other. */
  readonly jitterMillis?: number
}

export interface Options extends Impairments {
  readonly seed: number
  /** What an endpoint holds unread; more is dropped and counted. */
  readonly receiveBufferBytes?: number
}

/** Datagrams, counted once for each receiver, but `sent`. */
export interface Counters {
  readonly sent: number
  readonly delivered: number
  readonly lost: number
  readonly duplicated: number
  readonly reordered: number
  readonly corrupted: number
  /** Dropped at a full receive buffer, or with too much under way. */
  readonly overflowed: number
  /** Not delivered because one end was parted from the network, or had left it. */
  readonly parted: number
}

export interface Network {
  /** A master, named "master". */
  readonly layerMaster: Layer.Layer<Transport>
  /** One more master. */
  readonly layerMasterNamed: (name: string) => Layer.Layer<Transport>
  /** A catcher. Built again under the same name it is a restarted one: another address. */
  readonly layerCatcher: (name: string) => Layer.Layer<Transport>
  /** Parts the endpoint of that name from the network: what it sends and what is under way to it is gone. */
  readonly partition: (name: string) => Effect.Effect<void>
  readonly unpartition: (name: string) => Effect.Effect<void>
  /** Changes what the network does from now on; what is left out stays as it is. */
  readonly impair: (impairments: Impairments) => Effect.Effect<void>
  readonly counters: Effect.Effect<Counters>
}

/** How long a datagram is held back that others shall pass. */
export const holdMillis = 2
/** A receive buffer like that of a tuned Linux machine. */
export const defaultReceiveBufferBytes = 4 * 1024 * 1024
/** The least that one datagram takes of a receive buffer, whatever its length: the kernel's bookkeeping costs as well. */
export const leastBufferedBytes = 256
/** Arrivals under way in the whole network at one time; a sender without a window meets it. */
export const maxArrivals = 1 << 20

/** A network, whose delivery ends with the scope. */
export const make = Effect.fn("Simulated.make")(function* (
  options: Options
): Effect.fn.Return<Network, never, Scope.Scope> {
  const clock = yield* Clock.clockWith(Effect.succeed)
  const network = new Air(options, () => clock.currentTimeMillisUnsafe())
  yield* Effect.forkScoped(deliver(network), { startImmediately: true })
  const layerOf = (name: string, isCatcher: boolean) =>
    Layer.effect(
      Transport,
      Effect.map(
        Effect.acquireRelease(
          Effect.sync(() => network.attach(name, isCatcher)),
          (endpoint) => Effect.sync(() => network.detach(endpoint))
        ),
        (endpoint) => transportOf(network, endpoint)
      )
    )
  return {
    layerMaster: layerOf("master", false),
    layerMasterNamed: (name) => layerOf(name, false),
    layerCatcher: (name) => layerOf(name, true),
    partition: (name) => Effect.sync(() => void network.parted.add(name)),
    unpartition: (name) => Effect.sync(() => void network.parted.delete(name)),
    impair: (impairments) => Effect.sync(() => void Object.assign(network.options, impairments)),
    counters: Effect.sync(() => ({ ...network.counters }))
  }
})

// ---------------------------------------------------------------------------------------------------------------------
// The air: who is there, and what is under way
// ---------------------------------------------------------------------------------------------------------------------

/** Datagrams that reach one endpoint at one time, in this order. */
interface Arrival {
  readonly at: number
  /** Arrivals of one time keep the order in which they were sent. */
  readonly order: number
  readonly from: Endpoint
  readonly to: Endpoint
  readonly datagrams: ReadonlyArray<Received>
}

type Mutable<A> = { -readonly [K in keyof A]: A[K] }

class Air {
  readonly options: Mutable<Options>
  readonly chance: Chance.Chance
  readonly counters: Mutable<Counters> = {
    sent: 0,
    delivered: 0,
    lost: 0,
    duplicated: 0,
    reordered: 0,
    corrupted: 0,
    overflowed: 0,
    parted: 0
  }
  readonly endpoints: Array<Endpoint> = []
  readonly byAddress = new Map<Address, Endpoint>()
  readonly parted = new Set<string>()
  readonly arrivals = new Heap()
  readonly now: () => number
  attached = 0
  order = 0
  /** Wakes the delivery when it waits for something to be under way, or for something later than `wakeBefore`. */
  wake: (() => void) | undefined
  wakeBefore = Infinity

  constructor(options: Options, now: () => number) {
    this.options = { ...options }
    this.chance = Chance.make(options.seed)
    this.now = now
  }

  attach(name: string, isCatcher: boolean): Endpoint {
    this.attached++
    const n = this.attached
    const address = `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}:${5000 + (n & 4095)}`
    const endpoint = new Endpoint(name, address, isCatcher, this.options.receiveBufferBytes)
    this.endpoints.push(endpoint)
    this.byAddress.set(address, endpoint)
    return endpoint
  }

  detach(endpoint: Endpoint): void {
    this.endpoints.splice(this.endpoints.indexOf(endpoint), 1)
    this.byAddress.delete(endpoint.address)
    endpoint.close()
  }

  multicast(from: Endpoint, batch: Batch): void {
    const datagrams = this.take(from, batch.bytes, batch.datagramBytes)
    for (const to of this.endpoints) {
      if (to !== from && to.hearsGroup > 0) this.carry(from, to, datagrams)
    }
  }

  unicast(from: Endpoint, address: Address, datagram: Uint8Array): void {
    const datagrams = this.take(from, datagram, datagram.length)
    const to = this.byAddress.get(address)
    // As on the real network: a catcher hears its group only.
    if (to !== undefined && !to.isCatcher) this.carry(from, to, datagrams)
  }

  /** One copy serves all receivers: the sender uses its memory again, and receivers only read. */
  private take(from: Endpoint, bytes: Uint8Array, datagramBytes: number): ReadonlyArray<Received> {
    const copy = bytes.slice()
    const datagrams: Array<Received> = []
    const stepBytes = datagramBytes > 0 ? datagramBytes : copy.length
    if (copy.length <= stepBytes) datagrams.push({ bytes: copy, from: from.address })
    else {
      for (let offset = 0; offset < copy.length; offset += stepBytes) {
        datagrams.push({ bytes: copy.subarray(offset, offset + stepBytes), from: from.address })
      }
    }
    from.sent += datagrams.length
    this.counters.sent += datagrams.length
    return datagrams
  }

  private carry(from: Endpoint, to: Endpoint, datagrams: ReadonlyArray<Received>): void {
    if (this.isParted(from, to)) {
      this.counters.parted += datagrams.length
      return
    }
    const { loss = 0, duplicate = 0, reorder = 0, corrupt = 0, delayMillis = 0, jitterMillis = 0 } = this.options
    const at = this.now() + delayMillis
    if (loss + duplicate + reorder + corrupt + jitterMillis === 0) return this.schedule(from, to, at, datagrams)
    // What keeps its place travels together; what does not travels alone.
    const together: Array<Received> = []
    for (const datagram of datagrams) {
      if (this.chance.hits(loss)) {
        this.counters.lost++
        continue
      }
      let copies = 1
      if (this.chance.hits(duplicate)) {
        copies = 2
        this.counters.duplicated++
      }
      for (; copies > 0; copies--) {
        const received = this.chance.hits(corrupt) ? this.damage(datagram) : datagram
        let later = jitterMillis > 0 ? Math.round(this.chance.next() * jitterMillis) : 0
        if (this.chance.hits(reorder)) {
          later += holdMillis
          this.counters.reordered++
        }
        if (later === 0) together.push(received)
        else this.schedule(from, to, at + later, [received])
      }
    }
    if (together.length > 0) this.schedule(from, to, at, together)
  }

  private damage(datagram: Received): Received {
    if (datagram.bytes.length === 0) return datagram
    const bytes = datagram.bytes.slice()
    const bit = Math.floor(this.chance.next() * bytes.length * 8)
    bytes[bit >> 3]! ^= 1 << (bit & 7)
    this.counters.corrupted++
    return { bytes, from: datagram.from }
  }

  private schedule(from: Endpoint, to: Endpoint, at: number, datagrams: ReadonlyArray<Received>): void {
    if (this.arrivals.size >= maxArrivals) {
      this.counters.overflowed += datagrams.length
      to.dropped += datagrams.length
      return
    }
    this.arrivals.push({ at, order: this.order++, from, to, datagrams })
    if (at < this.wakeBefore) this.wake?.()
  }

  isParted(from: Endpoint, to: Endpoint): boolean {
    return this.parted.size > 0 && (this.parted.has(from.name) || this.parted.has(to.name))
  }

  /** Puts what is due into the receivers' buffers, and only then wakes them, so that each finds all of it. */
  deliverDue(): void {
    const now = this.now()
    const woken: Array<Endpoint> = []
    while (this.arrivals.size > 0 && this.arrivals.first.at <= now) {
      const { datagrams, from, to } = this.arrivals.pop()
      if (to.closed || this.isParted(from, to)) this.counters.parted += datagrams.length
      else {
        if (to.buffer.length === 0) woken.push(to)
        const taken = to.accept(datagrams)
        this.counters.delivered += taken
        this.counters.overflowed += datagrams.length - taken
      }
    }
    for (const endpoint of woken) endpoint.wake?.()
  }
}

/** Runs as long as the network: sleeps until the next arrival, or until something is sent. */
const deliver = Effect.fnUntraced(function* (air: Air) {
  while (true) {
    if (air.arrivals.size === 0) yield* until(air, Infinity)
    else {
      const { at } = air.arrivals.first
      const waitMillis = at - air.now()
      // Something sent meanwhile may be due earlier than what it sleeps for.
      if (waitMillis > 0) yield* Effect.raceFirst(Effect.sleep(Math.ceil(waitMillis)), until(air, at))
    }
    // Never inside the sender's own turn.
    yield* Effect.yieldNow
    air.deliverDue()
  }
})

/** Completes when something is scheduled before that time. */
const until = (air: Air, before: number) =>
  Effect.callback<void>((resume) => {
    const leave = () => {
      if (air.wake !== wake) return
      air.wake = undefined
      air.wakeBefore = Infinity
    }
    const wake = () => {
      leave()
      resume(Effect.void)
    }
    air.wakeBefore = before
    air.wake = wake
    return Effect.sync(leave)
  })

// ---------------------------------------------------------------------------------------------------------------------
// Endpoints
// ---------------------------------------------------------------------------------------------------------------------

class Endpoint {
  readonly name: string
  readonly address: Address
  readonly isCatcher: boolean
  readonly bufferLimitBytes: number
  /** More than 0: multicast reaches it. */
  hearsGroup: number
  buffer: Array<Received> = []
  bufferedBytes = 0
  sent = 0
  received = 0
  dropped = 0
  closed = false
  wake: (() => void) | undefined

  constructor(name: string, address: Address, isCatcher: boolean, receiveBufferBytes = defaultReceiveBufferBytes) {
    this.name = name
    this.address = address
    this.isCatcher = isCatcher
    this.bufferLimitBytes = receiveBufferBytes
    this.hearsGroup = isCatcher ? 1 : 0
  }

  /** Returns how many found room. */
  accept(datagrams: ReadonlyArray<Received>): number {
    let taken = 0
    for (const datagram of datagrams) {
      const bytes = Math.max(datagram.bytes.length, leastBufferedBytes)
      if (this.bufferedBytes + bytes > this.bufferLimitBytes) this.dropped++
      else {
        this.bufferedBytes += bytes
        this.buffer.push(datagram)
        taken++
      }
    }
    return taken
  }

  drain(): ReadonlyArray<Received> {
    const batch = this.buffer
    this.buffer = []
    this.bufferedBytes = 0
    this.received += batch.length
    return batch
  }

  close(): void {
    this.closed = true
    this.buffer = []
    this.wake?.()
  }
}

const closed = (operation: string) => Effect.fail(new TransportError({ operation, reason: "the transport was closed" }))

const transportOf = (air: Air, endpoint: Endpoint): Transport["Service"] => {
  const some = Effect.callback<void>((resume) => {
    const leave = () => {
      if (endpoint.wake === wake) endpoint.wake = undefined
    }
    const wake = () => {
      leave()
      resume(Effect.void)
    }
    endpoint.wake = wake
    return Effect.sync(leave)
  })
  const pull: Effect.Effect<readonly [ReadonlyArray<Received>], TransportError> = Effect.suspend(() => {
    if (endpoint.closed) return closed("receive")
    if (endpoint.buffer.length > 0) return Effect.succeed([endpoint.drain()] as const)
    return Effect.andThen(some, pull)
  })
  // A turn for the delivery after each send, or a sender could fill every buffer before anybody reads.
  const sending = (operation: string, send: () => void) =>
    Effect.suspend(() => {
      if (endpoint.closed) return closed(operation)
      send()
      return Effect.yieldNow
    })
  return {
    local: endpoint.address,
    receiveBufferBytes: endpoint.bufferLimitBytes,
    send: (batch) => sending("send", () => air.multicast(endpoint, batch)),
    sendTo: (to, datagram) => sending(`send to ${to}`, () => air.unicast(endpoint, to, datagram)),
    receive: Stream.fromPull(Effect.succeed(pull)),
    listen: Effect.asVoid(
      Effect.acquireRelease(
        Effect.sync(() => endpoint.hearsGroup++),
        () => Effect.sync(() => endpoint.hearsGroup--)
      )
    ),
    stats: Effect.sync(() => ({ sent: endpoint.sent, received: endpoint.received, dropped: endpoint.dropped }))
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// What is under way, the earliest first
// ---------------------------------------------------------------------------------------------------------------------

class Heap {
  private readonly items: Array<Arrival> = []

  get size(): number {
    return this.items.length
  }

  /** Only of a heap that is not empty. */
  get first(): Arrival {
    return this.items[0]!
  }

  push(arrival: Arrival): void {
    const items = this.items
    let i = items.length
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (isBefore(items[parent]!, arrival)) break
      items[i] = items[parent]!
      i = parent
    }
    items[i] = arrival
  }

  pop(): Arrival {
    const items = this.items
    const first = items[0]!
    const last = items.pop()!
    const size = items.length
    if (size === 0) return first
    let i = 0
    while (true) {
      let child = 2 * i + 1
      if (child >= size) break
      if (child + 1 < size && isBefore(items[child + 1]!, items[child]!)) child++
      if (isBefore(last, items[child]!)) break
      items[i] = items[child]!
      i = child
    }
    items[i] = last
    return first
  }
}

const isBefore = (a: Arrival, b: Arrival): boolean => a.at < b.at || (a.at === b.at && a.order < b.order)
