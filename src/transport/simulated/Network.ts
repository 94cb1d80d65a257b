/**
 * A network in memory, for tests, examples and the simulator. Time is Effect's Clock and chance comes from one seed, so
 * that a session under virtual time runs the same way every time.
 *
 * Each receiver has its own luck: every datagram is lost, doubled, held back or damaged for one catcher and not for
 * another. One fiber delivers for the whole network, from a heap ordered by time. Nothing costs an Effect per datagram, and
 * a batch whose datagrams are only lost or late costs no object per datagram either: what is left of it travels in runs.
 * The trap: with a delay, nothing arrives under TestClock until the clock is adjusted.
 */

import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Scheduler } from "effect/Scheduler"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Addresses from "../../protocol/Address.ts"
import * as Limits from "../../protocol/Limits.ts"
import * as Chance from "../Chance.ts"
import { Heap } from "../Heap.ts"
import { type Address, type Batch, type Received, Transport, TransportError } from "../Transport.ts"
import { Endpoint } from "./Endpoint.ts"
import { type Arrival, type Direction, type Impairments, Link, type Mutable, type Traffic, type Way } from "./Link.ts"
import { type Burst, Losses } from "./Losses.ts"
import { bytesOf, datagramsOf, part, passing, type Piece, wireBytes } from "./Piece.ts"

export { defaultReceiveBufferBytes, leastBufferedBytes } from "./Endpoint.ts"
export type { Direction, Impairments, Traffic } from "./Link.ts"
export type { Burst } from "./Losses.ts"

/** The group of a network that is given none. */
export const defaultGroup: Address = `${Limits.defaultGroup.group}:${Limits.defaultGroup.port}`

/**
 * What a network is like; what is left out is harmless: no loss, no delay, no bound on the rate.
 */
export interface Options extends Impairments {
  /** All of its chance: the same seed, the same network. */
  readonly seed: number
  /** The group's address and port; `defaultGroup` where it is left out. */
  readonly group?: Address
  /** What an endpoint holds unread; more is dropped and counted. */
  readonly receiveBufferBytes?: number
  /** Lost at the sender, so for all receivers at once: a part of the datagrams, or bursts of them. */
  readonly lossAtSender?: number
  readonly burstAtSender?: Burst | undefined
  /** The master's link: every datagram takes its bytes' time on it, one after the other. */
  readonly bytesPerSecond?: number | undefined
  /** Datagrams arrive glued together, as segmentation offload leaves them. */
  readonly glued?: boolean
  /** Sees what is done, as it is done. An observer must not change the bytes. */
  readonly observe?: ((event: Event) => void) | undefined
}

/** What an observer is told: datagrams of `datagramBytes` each, glued, were handed to the network by an endpoint. */
export interface Event {
  readonly _tag: "Sent"
  /** Of the endpoint that sent. */
  readonly name: string
  readonly isCatcher: boolean
  /** undefined: to the group. */
  readonly to: Address | undefined
  readonly bytes: Uint8Array
  readonly datagramBytes: number
}

/** Datagrams, counted once for each receiver, but `sent` and `lostAtSender`. */
export interface Counters {
  /** Handed to the network. */
  readonly sent: number
  readonly delivered: number
  readonly lost: number
  /** Lost before the network. */
  readonly lostAtSender: number
  readonly duplicated: number
  readonly reordered: number
  readonly corrupted: number
  /** Dropped at a full receive buffer, or with too much under way. */
  readonly overflowed: number
  /** Not delivered because one end was parted from the network, or had left it. */
  readonly parted: number
}

/** A network that runs: layers for its ends, and what can be done to it meanwhile. */
export interface Network {
  /** A master, named "master". */
  readonly layerMaster: Layer.Layer<Transport>
  /** One more master. */
  readonly layerMasterNamed: (name: string) => Layer.Layer<Transport>
  /** A catcher. Built again under the same name it is a restarted one: another port. */
  readonly layerCatcher: (name: string) => Layer.Layer<Transport>
  /** Takes the endpoints of that name off the network without a word, as a crash does. */
  readonly detach: (name: string) => Effect.Effect<void>
  /** Parts an endpoint from the network, in both directions or one: what is under way there is gone as well. */
  readonly partition: (name: string, cut?: ReadonlyArray<Direction>) => Effect.Effect<void>
  /** It is whole again. */
  readonly unpartition: (name: string) => Effect.Effect<void>
  /** The endpoint's link stands still: what comes to it or from it waits, `clogBytes` at most, and arrives when it flows again. */
  readonly clog: (name: string) => Effect.Effect<void>
  /** The link flows again. */
  readonly unclog: (name: string) => Effect.Effect<void>
  /** Changes what the network does from now on; what is left out stays as it is. */
  readonly impair: (impairments: Impairments) => Effect.Effect<void>
  /** Changes what one catcher's link does, in one direction, beside what the network does. */
  readonly impairLink: (name: string, direction: Direction, impairments: Impairments) => Effect.Effect<void>
  /** Sends a datagram with a forged source address to the endpoint of that name; an observer may do so, too. */
  readonly forge: (from: Address, to: string, datagram: Uint8Array) => void
  /** Gives the endpoint of that name another address, as a network that is left for another one does. */
  readonly readdress: (name: string) => Effect.Effect<void>
  /** Where the endpoint of that name is now. */
  readonly addressOf: (name: string) => Address | undefined
  /** What became of the datagrams so far. */
  readonly counters: Effect.Effect<Counters>
  /** The same by the name of the endpoint. */
  readonly traffic: Effect.Effect<ReadonlyMap<string, Traffic>>
}

/** How long a datagram is held back that others shall pass. */
const holdMillis = 2
/** Arrivals under way in the whole network at one time; a sender without a window meets it. */
const maxArrivals = 1 << 20
/** What a link that stands still holds back: a switch's memory for one port. */
const clogBytes = 2 * 1024 * 1024
/** What waits in front of the master's link before a send does: a socket's send buffer. */
const sendBufferBytes = 256 * 1024
/** What leaves a shaped link within this time arrives together: receivers are woken by the batch, as interrupts are. */
const togetherMillis = 2

/** What is due this soon is due: a clock's sums of fractions never meet exactly. */
const dueMillis = 0.001

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
    detach: (name) =>
      Effect.sync(() => network.endpoints.filter((it) => it.name === name).forEach((it) => network.detach(it))),
    partition: (name, cut = ["Group", "Answers"]) => Effect.sync(() => void (network.linkOf(name).parted = cut)),
    unpartition: (name) => Effect.sync(() => void (network.linkOf(name).parted = [])),
    clog: (name) => Effect.sync(() => void (network.linkOf(name).clogged ??= [])),
    unclog: (name) => Effect.sync(() => network.unclog(name)),
    impair: (impairments) => Effect.sync(() => network.impair(impairments)),
    impairLink: (name, direction, impairments) =>
      Effect.sync(() => network.linkOf(name)[direction].impair(network.options, impairments)),
    readdress: (name) =>
      Effect.sync(() => network.endpoints.filter((it) => it.name === name).forEach((it) => network.readdress(it))),
    forge: (from, to, datagram) => network.forge(from, to, datagram),
    addressOf: (name) => network.endpoints.find((it) => it.name === name)?.address,
    counters: Effect.sync(() => ({ ...network.counters })),
    traffic: Effect.sync(() => new Map([...network.links].map(([name, link]) => [name, { ...link.traffic }])))
  }
})

/** Pieces that leave the sender at one time. */
interface Departure {
  readonly at: number
  readonly pieces: ReadonlyArray<Piece>
}

/** All that is on the network, and what is under way. */
class Air {
  readonly options: Mutable<Options>
  readonly chance: Chance.Chance
  readonly counters: Mutable<Counters> = {
    sent: 0,
    delivered: 0,
    lost: 0,
    lostAtSender: 0,
    duplicated: 0,
    reordered: 0,
    corrupted: 0,
    overflowed: 0,
    parted: 0
  }
  readonly endpoints: Array<Endpoint> = []
  readonly byAddress = new Map<Address, Endpoint>()
  readonly links = new Map<string, Link>()
  readonly arrivals = new Heap<Arrival>((a, b) => a.at < b.at || (a.at === b.at && a.order < b.order))
  readonly now: () => number
  private readonly atSender: Losses
  /** When the master's link has sent all that it was given. */
  private idleAt = 0
  attached = 0
  /** The host's number of each name. */
  private readonly hosts = new Map<string, number>()
  order = 0
  /** Wakes the delivery when it waits for something to be under way, or for something later than `wakeBefore`. */
  wake: (() => void) | undefined
  wakeBefore = Infinity

  constructor(options: Options, now: () => number) {
    this.options = { ...options }
    this.chance = Chance.make(options.seed)
    this.now = now
    this.atSender = new Losses(this.chance, now, options.lossAtSender, options.burstAtSender)
  }

  linkOf(name: string): Link {
    let link = this.links.get(name)
    if (link === undefined) this.links.set(name, (link = new Link(this.chance, this.now, this.options)))
    return link
  }

  /** A port of its own on that name's host, which keeps its address. */
  private freshAddress(name: string): Address {
    this.attached++
    const host = this.hosts.get(name) ?? this.attached
    this.hosts.set(name, host)
    return `10.${host >> 16}.${(host >> 8) & 255}.${host & 255}:${5000 + (this.attached & 4095)}`
  }

  readdress(endpoint: Endpoint): void {
    this.byAddress.delete(endpoint.address)
    this.hosts.delete(endpoint.name)
    endpoint.address = this.freshAddress(endpoint.name)
    this.byAddress.set(endpoint.address, endpoint)
  }

  attach(name: string, isCatcher: boolean): Endpoint {
    const address = this.freshAddress(name)
    const endpoint = new Endpoint(name, address, isCatcher, this.linkOf(name), this.options.receiveBufferBytes)
    this.endpoints.push(endpoint)
    this.byAddress.set(address, endpoint)
    return endpoint
  }

  detach(endpoint: Endpoint): void {
    const at = this.endpoints.indexOf(endpoint)
    if (at >= 0) this.endpoints.splice(at, 1)
    this.byAddress.delete(endpoint.address)
    endpoint.close()
  }

  impair(impairments: Impairments): void {
    Object.assign(this.options, impairments)
    for (const link of this.links.values()) {
      link.Group.impair(this.options, {})
      link.Answers.impair(this.options, {})
    }
  }

  unclog(name: string): void {
    const { clogged } = this.linkOf(name)
    if (clogged === undefined) return
    this.linkOf(name).clogged = undefined
    for (const { from, pieces, to } of clogged) this.schedule(from, to, this.now(), pieces)
  }

  multicast(from: Endpoint, batch: Batch): void {
    const departures = this.take(from, batch, undefined)
    for (const to of this.endpoints) {
      if (to !== from && to.hearsGroup > 0) this.carry(from, to, departures)
    }
  }

  unicast(from: Endpoint, address: Address, datagram: Uint8Array): void {
    const departures = this.take(from, { bytes: datagram, datagramBytes: datagram.length }, address)
    const to = this.byAddress.get(address)
    // As on the real network: a catcher hears its group only.
    if (to !== undefined && !to.isCatcher) this.carry(from, to, departures)
  }

  forge(from: Address, name: string, datagram: Uint8Array): void {
    const to = this.endpoints.find((it) => it.name === name)
    const piece = { bytes: datagram, from, datagrams: 1, datagramBytes: Math.max(1, datagram.length) }
    const source = Addresses.parse(from)
    if (to === undefined) return
    if (source !== undefined && Addresses.isAnswerable(source)) this.schedule("", to, this.now(), [piece])
    else to.unanswerable++
  }

  /** How long a sender waits until its link has room again. */
  waitMillis(from: Endpoint): number {
    const { bytesPerSecond } = this.options
    if (from.isCatcher || bytesPerSecond === undefined) return 0
    return this.idleAt - this.now() - (sendBufferBytes / bytesPerSecond) * 1000
  }

  /** One copy serves all receivers: the sender uses its memory again, and receivers only read. */
  private take(
    from: Endpoint,
    { bytes, datagramBytes, isSingly = false }: Batch,
    to: Address | undefined
  ): ReadonlyArray<Departure> {
    const { bytesPerSecond, glued = false, observe } = this.options
    const copy = bytes.slice()
    const stepBytes = Math.max(1, datagramBytes > 0 ? datagramBytes : copy.length)
    const datagrams = Math.max(1, Math.ceil(copy.length / stepBytes))
    from.sent += datagrams
    from.link.traffic.sent += datagrams
    this.counters.sent += datagrams
    const { isCatcher, name } = from
    observe?.({ _tag: "Sent", name, isCatcher, to, bytes: copy, datagramBytes: stepBytes })
    const whole: Piece = { bytes: copy, from: from.address, datagrams, datagramBytes: stepBytes }
    const shaped = !isCatcher && bytesPerSecond !== undefined
    const together = shaped ? Math.max(1, Math.floor((bytesPerSecond * togetherMillis) / 1000 / stepBytes)) : Infinity
    const atOnce = glued && !isSingly ? Math.min(together, Limits.sendBytes(stepBytes) / stepBytes) : 1
    const departures: Array<Departure> = []
    let pieces: Array<Piece> = []
    let leftAt = this.now()
    for (let first = 0; first < datagrams; first += atOnce) {
      const piece = datagrams <= atOnce ? whole : part(whole, first, Math.min(datagrams, first + atOnce))
      const kept = isCatcher ? [piece] : this.atSender.cut(piece)
      this.counters.lostAtSender += piece.datagrams - datagramsOf(kept)
      for (const one of kept) pieces.push(one)
      if (!shaped) continue
      this.idleAt = Math.max(this.now(), this.idleAt) + (wireBytes(piece) / bytesPerSecond) * 1000
      if (this.idleAt - leftAt < togetherMillis) continue
      leftAt = this.idleAt
      departures.push({ at: leftAt, pieces })
      pieces = []
    }
    if (pieces.length > 0) departures.push({ at: shaped ? this.idleAt : leftAt, pieces })
    return departures
  }

  private carry(from: Endpoint, to: Endpoint, departures: ReadonlyArray<Departure>): void {
    const way = to.isCatcher ? to.link.Group : from.link.Answers
    const { countsGlued = false, mtuBytes } = way.impairments
    for (const { at, pieces: whole } of departures) {
      const pieces = mtuBytes === undefined ? whole : whole.flatMap((piece) => passing(piece, mtuBytes, countsGlued))
      this.counters.lost += datagramsOf(whole) - datagramsOf(pieces)
      if (from.link.parted.includes("Answers") || to.link.parted.includes("Group")) {
        this.counters.parted += datagramsOf(pieces)
        continue
      }
      if (way.isRough) {
        this.roughly(from, to, way, at, pieces)
        continue
      }
      const kept = way.losses.cutAll(pieces)
      if (kept !== pieces) this.counters.lost += datagramsOf(pieces) - datagramsOf(kept)
      this.forward(from, to, way, at, kept)
    }
  }

  /** On a narrow link each datagram takes its time, after those before it, or finds the queue full. */
  private forward(from: Endpoint, to: Endpoint, way: Way, at: number, pieces: ReadonlyArray<Piece>): void {
    if (pieces.length === 0) return
    if (way.impairments.narrow === undefined) return this.schedule(from.name, to, at + way.delayMillis, pieces)
    // what left together by then came piece by piece, at the rate of the link before
    const { bytesPerSecond = Infinity } = from.isCatcher ? {} : this.options
    const millis = (piece: Piece) => (wireBytes(piece) / bytesPerSecond) * 1000
    let reaches = at - pieces.reduce((sum, piece) => sum + millis(piece), 0)
    for (const piece of pieces) {
      reaches += millis(piece)
      const taken = way.queue(reaches, piece)
      this.counters.overflowed += piece.datagrams - taken
      // a switch drops in silence: it is not the receiver's buffer that overflows
      if (taken > 0) this.schedule(from.name, to, way.idleAt + way.delayMillis, [part(piece, 0, taken)])
    }
  }

  /** Datagram by datagram: what keeps its place travels together, what does not travels alone. */
  private roughly(from: Endpoint, to: Endpoint, way: Way, at: number, pieces: ReadonlyArray<Piece>): void {
    const { corrupt = 0, duplicate = 0, echoMillis = 0, jitterMillis = 0, narrow, reorder = 0 } = way.impairments
    const together: Array<Piece> = []
    for (const piece of pieces) {
      for (let i = 0; i < piece.datagrams; i++) {
        if (way.losses.next()) {
          this.counters.lost++
          continue
        }
        const datagram = piece.datagrams === 1 ? piece : part(piece, i, i + 1)
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
          if (copies === 2 && echoMillis > 0) later += Math.round(this.chance.next() * echoMillis)
          if (later === 0 || narrow !== undefined) together.push(received)
          else this.schedule(from.name, to, at + way.delayMillis + later, [received])
        }
      }
    }
    this.forward(from, to, way, at, together)
  }

  private damage(datagram: Piece): Piece {
    if (datagram.bytes.length === 0) return datagram
    const bytes = datagram.bytes.slice()
    const bit = Math.floor(this.chance.next() * bytes.length * 8)
    bytes[bit >> 3]! ^= 1 << (bit & 7)
    this.counters.corrupted++
    return { ...datagram, bytes }
  }

  private schedule(from: string, to: Endpoint, at: number, pieces: ReadonlyArray<Piece>): void {
    if (this.arrivals.size >= maxArrivals) return this.overflow(to, pieces)
    this.arrivals.push({ at, order: this.order++, from, to, pieces })
    if (at < this.wakeBefore) this.wake?.()
  }

  private overflow(to: Endpoint, pieces: ReadonlyArray<Piece>): void {
    const datagrams = datagramsOf(pieces)
    this.counters.overflowed += datagrams
    to.drop(datagrams)
  }

  /** Puts what is due into the receivers' buffers, and only then wakes them, so that each finds all of it. */
  deliverDue(): void {
    const now = this.now()
    const woken: Array<Endpoint> = []
    while (this.arrivals.size > 0 && this.arrivals.first.at <= now + dueMillis) {
      const arrival = this.arrivals.pop()
      const { from, pieces, to } = arrival
      const sender = this.links.get(from)
      if (to.closed || to.link.parted.includes("Group") || sender?.parted.includes("Answers") === true) {
        this.counters.parted += datagramsOf(pieces)
        continue
      }
      const clogged = to.link.clogged ?? sender?.clogged
      if (clogged !== undefined) {
        if (clogged.reduce((sum, held) => sum + bytesOf(held.pieces), 0) > clogBytes) this.overflow(to, pieces)
        else clogged.push(arrival)
        continue
      }
      if (to.buffer.length === 0) woken.push(to)
      const taken = to.accept(pieces)
      this.counters.delivered += taken
      this.counters.overflowed += datagramsOf(pieces) - taken
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
      if (waitMillis > dueMillis) yield* Effect.raceFirst(Effect.sleep(waitMillis), until(air, at))
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
    // the fiber may have given way to others after it looked
    if (air.arrivals.size > 0 && air.arrivals.first.at < before) return resume(Effect.void)
    air.wakeBefore = before
    air.wake = wake
    return Effect.sync(leave)
  })

const closed = (operation: string) => Effect.fail(new TransportError({ operation, reason: "the transport was closed" }))

const transportOf = (air: Air, endpoint: Endpoint): Transport["Service"] => {
  const some = Effect.callback<void>(function (this: Scheduler, resume) {
    const leave = () => {
      if (endpoint.wake === wake) endpoint.wake = undefined
    }
    // in a turn of the receiver's own: its scheduler may be one that stands still
    const dispatcher = this.makeDispatcher()
    const wake = () => {
      leave()
      dispatcher.scheduleTask(() => resume(Effect.void), 0)
    }
    // the fiber may have given way to others after it looked
    if (endpoint.buffer.length > 0 || endpoint.closed) return resume(Effect.void)
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
      const waitMillis = air.waitMillis(endpoint)
      return waitMillis > 0 ? Effect.sleep(waitMillis) : Effect.yieldNow
    })
  return {
    group: air.options.group ?? defaultGroup,
    get local() {
      return endpoint.address
    },
    receiveBufferBytes: endpoint.bufferLimitBytes,
    glues: air.options.glued ?? false,
    send: (batch) => sending("send", () => air.multicast(endpoint, batch)),
    sendTo: (to, datagram) => sending(`send to ${to}`, () => air.unicast(endpoint, to, datagram)),
    receive: Stream.fromPull(Effect.succeed(pull)),
    listen: Effect.asVoid(
      Effect.acquireRelease(
        Effect.sync(() => endpoint.hearsGroup++),
        () => Effect.sync(() => endpoint.hearsGroup--)
      )
    ),
    stats: Effect.sync(() => ({
      sent: endpoint.sent,
      received: endpoint.received,
      dropped: endpoint.dropped,
      unanswerable: endpoint.unanswerable,
      refused: 0
    }))
  }
}
