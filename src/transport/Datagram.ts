/**
 * Plain UDP multicast: one datagram a system call, on every system that Node runs on.
 *
 * A master holds one socket; it sends to the group from it, and answers come to it. A catcher holds two: one bound to
 * the group's port, which all catchers of a machine share, and one of its own for its answers.
 *
 * Both directions go through Effect's own `DatagramSocket`, but for whole batches (see `sendGlued`). It takes datagrams
 * from the kernel as they come: those that nobody reads wait in a queue of `Limits.socketDatagrams`, and beyond that are
 * dropped and counted.
 */

import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import type * as DatagramSocket from "effect/socket/DatagramSocket"
import * as Stream from "effect/Stream"
import * as NodeDatagramSocket from "@effect/platform-node/NodeDatagramSocket"
import * as Dgram from "node:dgram"
import * as Addresses from "../protocol/Address.ts"
import * as Limits from "../protocol/Limits.ts"
import * as KernelDrops from "../system/KernelDrops.ts"
import { type Address, type Batch, type Received, Transport, TransportError } from "./Transport.ts"
import {
  checkGroup,
  closed,
  codeOf,
  explain,
  losses,
  type Losses,
  type Options,
  Refusals,
  unicastLosses
} from "./Udp.ts"

export type { Options } from "./Udp.ts"

/** Where a session is, where nothing is said: group 239.255.67.92, port 8888, no router passed. */
export const defaults = { ...Limits.defaultGroup, ttl: Limits.defaultTtl } as const satisfies Partial<Options>

/** A master's end: sends to the group, receives what is sent to it. */
export const layerMaster = (options: Options): Layer.Layer<Transport, TransportError> =>
  Layer.effect(Transport, makeMaster(options))

/** A catcher's end: receives the group, answers from a socket of its own. */
export const layerCatcher = (options: Options): Layer.Layer<Transport, TransportError> =>
  Layer.effect(Transport, makeCatcher(options))

const makeMaster = Effect.fn("Datagram.master")(function* (options: Options) {
  const to = yield* checkGroup(options)
  const socket = yield* openOwn(options, Limits.socketDatagrams)
  const sender = new Sender(socket, options, to)
  const counters = { received: 0, unanswerable: 0, dropped: 0 }

  // Answers and what `listen` hears meet here. It is short: the sockets' own queues are the long ones.
  const inbox = yield* Queue.bounded<ReadonlyArray<Received>, TransportError>(Limits.inboxBatches)
  yield* Effect.addFinalizer(() => Queue.fail(inbox, closed("receive")))
  const pump = (from: Open) => {
    const pull = pullOf(from, socket.local, counters)
    return Effect.forever(Effect.flatMap(pull, ([batch]) => Queue.offer(inbox, batch))).pipe(
      Effect.catch((error) => Queue.fail(inbox, error)),
      Effect.forkScoped({ startImmediately: true })
    )
  }
  yield* pump(socket)

  const listeners = new Set<Open>()
  return Transport.of({
    group: Addresses.print(to),
    local: socket.local,
    receiveBufferBytes: socket.receiveBufferBytes,
    glues: false,
    send: sender.send,
    sendTo: sender.sendTo,
    refused: sender.refusals.told,
    receive: Stream.fromQueue(inbox),
    listen: Effect.gen(function* () {
      const group = yield* openGroup(options)
      yield* Effect.acquireRelease(
        Effect.sync(() => listeners.add(group)),
        () =>
          Effect.sync(() => {
            listeners.delete(group)
            counters.dropped += group.dropped()
          })
      )
      yield* pump(group)
    }).pipe(Effect.withSpan("Datagram.listen")),
    stats: Effect.sync(() => {
      let dropped = counters.dropped + socket.dropped()
      for (const group of listeners) dropped += group.dropped()
      const { received, unanswerable } = counters
      return { sent: sender.sent, received, dropped, unanswerable, refused: sender.refusals.datagrams }
    })
  })
})

const makeCatcher = Effect.fn("Datagram.catcher")(function* (options: Options) {
  const to = yield* checkGroup(options)
  const group = yield* openGroup(options)
  // A master speaks by multicast only, so nobody reads this socket; a queue of one keeps strangers from filling it.
  const own = yield* openOwn(options, 1)
  const sender = new Sender(own, options, to)
  const counters = { received: 0, unanswerable: 0 }
  const pull = pullOf(group, own.local, counters)
  return Transport.of({
    group: Addresses.print(to),
    local: own.local,
    receiveBufferBytes: group.receiveBufferBytes,
    glues: false,
    send: sender.send,
    sendTo: sender.sendTo,
    refused: sender.refusals.told,
    receive: Stream.fromPull(Effect.succeed(pull)),
    listen: Effect.void,
    stats: Effect.sync(() => ({
      sent: sender.sent,
      ...counters,
      dropped: group.dropped(),
      refused: sender.refusals.datagrams
    }))
  })
})

// ---------------------------------------------------------------------------------------------------------------------
// Opening
// ---------------------------------------------------------------------------------------------------------------------

/** A socket that is bound, set up and read by Effect. */
interface Open {
  readonly socket: Dgram.Socket
  readonly reader: DatagramSocket.Reader
  readonly writer: DatagramSocket.Writer
  /** Once it is, the writer would wait forever, for another reader. */
  readonly isClosed: () => boolean
  readonly local: Address
  readonly receiveBufferBytes: number
  /** Datagrams that were not read in time: in the kernel's buffer and in the reader's queue. */
  readonly dropped: () => number
}

/** The socket of one end: any free port of its interface, set up to multicast. */
const openOwn = (options: Options, capacity: number) =>
  open(options, { address: options.interface, port: options.ownPort ?? 0, share: false, capacity }, (socket) => {
    socket.setMulticastInterface(options.interface)
    socket.setMulticastTTL(options.ttl)
    // Catchers may run on the master's machine.
    socket.setMulticastLoopback(true)
  })

/**
 * The socket that hears the group. Linux gives a socket only what was sent to the address that it is bound to, so that
 * another group on the same port is not heard; other systems cannot bind to a group.
 */
const openGroup = (options: Options) => {
  const address = process.platform === "linux" ? options.group : "0.0.0.0"
  return open(options, { address, port: options.port, share: true, capacity: Limits.socketDatagrams }, (socket) =>
    socket.addMembership(options.group, options.interface)
  )
}

const open = Effect.fnUntraced(function* (
  options: Options,
  plan: { readonly address: string; readonly port: number; readonly share: boolean; readonly capacity: number },
  configure: (socket: Dgram.Socket) => void
): Effect.fn.Return<Open, TransportError, Scope.Scope> {
  const fail = (operation: string) => (error: unknown) => explain(operation, error, options)
  const before = yield* Effect.sync(KernelDrops.inodes)
  const socket = yield* Effect.acquireRelease(
    Effect.sync(() => Dgram.createSocket({ type: "udp4", reuseAddr: plan.share, lookup })),
    // Effect's reader has closed it already, unless something failed before there was a reader.
    (socket) => Effect.ignore(Effect.try(() => socket.close()))
  )
  yield* Effect.callback<void, TransportError>((resume) => {
    socket.on("error", (error) => resume(Effect.fail(fail(`bind ${plan.address}:${plan.port}`)(error))))
    socket.bind(plan.port, plan.address, () => resume(Effect.void))
  })
  const inode = yield* Effect.sync(() => KernelDrops.opened(before))
  yield* Effect.try({
    try: () => configure(socket),
    catch: fail(`join ${options.group} on ${options.interface}`)
  })
  const receiveBufferBytes = yield* Effect.sync(() => enlarge(socket))
  const adopted = yield* NodeDatagramSocket.fromSocket(Effect.succeed(socket), {
    receiveBuffer: { capacity: plan.capacity, strategy: "dropping" }
  })
  const reader = yield* Effect.mapError(adopted.reader, (error) => fail("open")(causeOf(error)))
  const writer = yield* adopted.writer
  let isClosed = false
  yield* Effect.addFinalizer(() => Effect.sync(() => (isClosed = true)))
  const { address, port } = socket.address()
  return {
    socket,
    reader,
    writer,
    isClosed: () => isClosed,
    local: `${address}:${port}`,
    receiveBufferBytes,
    dropped: () => reader.dropped() + KernelDrops.count(inode)
  }
})

// Every address is numeric: no name service is asked, and Node sends in the same turn.
const lookup = (
  host: string,
  _options: unknown,
  callback: (error: NodeJS.ErrnoException | null, address: string, family: number) => void
) => callback(null, host, 4)

/** What to ask the system for; Linux gives as much of it as net.core.rmem_max and wmem_max allow. */
const wantedBufferBytes = 64 * 1024 * 1024
/** Below this there is no point in asking: every system gives more by itself. */
const leastBufferBytes = 128 * 1024
/** What the reader's queue holds of full pages: a larger kernel buffer does not help a reader that waits, and does not compute. */
const queueBytes = Limits.socketDatagrams * Limits.defaultPageBytes

/** Makes both buffers as large as the system allows; returns how much may be on its way to this socket. */
const enlarge = (socket: Dgram.Socket): number => {
  atMost((bytes) => socket.setSendBufferSize(bytes))
  atMost((bytes) => socket.setRecvBufferSize(bytes))
  // Linux says twice what it was asked for, because it counts its own overhead too.
  const kernelBytes = socket.getRecvBufferSize() / (process.platform === "linux" ? 2 : 1)
  return Math.min(kernelBytes, queueBytes)
}

/** Linux takes any figure and clamps it; other systems refuse what is too much. */
const atMost = (set: (bytes: number) => void): void => {
  for (let bytes = wantedBufferBytes; bytes >= leastBufferBytes; bytes /= 2) {
    try {
      return set(bytes)
    } catch {
      // too much: try half of it
    }
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Receiving
// ---------------------------------------------------------------------------------------------------------------------

interface Counters {
  received: number
  unanswerable: number
}

/**
 * One pull gives what is queued. It yields first: a waiting reader is woken by the first datagram of a read, and after
 * one turn of the event loop the rest of that read (Node takes up to 32 at once) is there too.
 */
const pullOf = (
  from: Open,
  own: Address,
  counters: Counters
): Effect.Effect<readonly [ReadonlyArray<Received>], TransportError> => {
  const translate = translator(own, counters)
  const once = Effect.flatMap(Effect.yieldNow, () => from.reader.pull).pipe(
    Effect.mapError((error) =>
      error.reason._tag === "DatagramSocketClosedError"
        ? closed("receive")
        : new TransportError({ operation: "receive", reason: String(causeOf(error)) })
    )
  )
  const pull: Effect.Effect<readonly [ReadonlyArray<Received>], TransportError> = Effect.flatMap(once, (datagrams) => {
    const batch = translate(datagrams)
    if (batch.length === 0) return pull
    counters.received += batch.length
    return Effect.succeed([batch] as const)
  })
  return pull
}

/**
 * Gives every datagram its sender as text. Leaves out those that nobody can answer, and our own, which come back where we hear
 * the group.
 */
const translator = (own: Address, counters: Counters) => {
  let host = ""
  let port = -1
  let from = ""
  return (datagrams: ReadonlyArray<DatagramSocket.Datagram>): ReadonlyArray<Received> => {
    const batch: Array<Received> = []
    for (let i = 0; i < datagrams.length; i++) {
      const datagram = datagrams[i]!
      const raw = rawAddress(datagram)
      if (raw.port !== port || raw.host !== host) {
        host = raw.host
        port = raw.port
        from = Addresses.sourceOf(Addresses.parseIp(host), port)
      }
      if (from === "") counters.unanswerable++
      else if (from !== own) batch.push({ bytes: plain(datagram.payload), from })
    }
    return batch
  }
}

/** Node gives a Buffer, whose slices are no copies; of what is received nothing else expects that. */
const plain = ({ buffer, byteLength, byteOffset }: Uint8Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength)

/** Effect's datagrams carry the address as Node gave it; `address`, which parses it, is for those that do not. */
const rawAddress = (datagram: DatagramSocket.Datagram): DatagramSocket.BackingAddress => {
  const raw = datagram as Partial<DatagramSocket.BackingAddress>
  if (typeof raw.host === "string" && typeof raw.port === "number") return raw as DatagramSocket.BackingAddress
  return { host: NetAddress.formatIp(datagram.address.address), port: datagram.address.port }
}

// ---------------------------------------------------------------------------------------------------------------------
// Sending
// ---------------------------------------------------------------------------------------------------------------------

/** Datagrams sent before the event loop gets a turn: without one, answers would wait until the window is used up. */
const turnDatagrams = 32

class Sender {
  sent = 0
  readonly refusals = new Refusals()
  private sinceTurn = 0
  private lastTo: Address | undefined
  private lastAddress: NetAddress.InetAddress | undefined
  private readonly own: Open
  private readonly group: NetAddress.InetAddress
  private readonly options: Options

  constructor(open: Open, options: Options, group: Addresses.Endpoint) {
    this.own = open
    this.group = inetOf(group)
    this.options = options
  }

  readonly send = (batch: Batch): Effect.Effect<void, TransportError> =>
    Effect.suspend(() => {
      const { bytes } = batch
      return bytes.length > batch.datagramBytes && batch.datagramBytes > 0
        ? this.sendGlued(batch)
        : this.write([{ payload: bytes, address: this.group }], losses)
    })

  /**
   * A batch goes straight to Node's socket: Effect's writer makes an object and a callback for every datagram, which cost
   * a tenth of the rate. The first and the last datagram tell how it went; one lost in between is lost as on a network.
   */
  private sendGlued({ bytes, datagramBytes }: Batch): Effect.Effect<void, TransportError> {
    const { socket } = this.own
    const { group, port } = this.options
    const all = Math.ceil(bytes.length / datagramBytes)
    const pushed = Effect.callback<number, TransportError>((resume) => {
      if (this.own.isClosed()) return resume(Effect.fail(closed("send")))
      let failure: unknown
      const first = (error: Error | null) => (failure = error)
      const last = (error: Error | null) => {
        const told = error ?? failure
        if (told == null) {
          this.refusals.reason = undefined
          resume(Effect.succeed(all))
        } else if (losses.has(codeOf(told))) {
          this.refusals.refuse(all, codeOf(told))
          resume(Effect.succeed(0))
        } else resume(Effect.fail(explain(`send to ${group}:${port}`, told, this.options, datagramBytes)))
      }
      for (let at = 0; at < bytes.length; at += datagramBytes) {
        const length = Math.min(datagramBytes, bytes.length - at)
        const done = at + length === bytes.length ? last : at === 0 ? first : undefined
        socket.send(bytes, at, length, port, group, done)
      }
    })
    return Effect.uninterruptible(
      Effect.flatMap(pushed, (count) => {
        this.sent += count
        return this.turn(all)
      })
    )
  }

  readonly sendTo = (to: Address, datagram: Uint8Array): Effect.Effect<void, TransportError> =>
    Effect.suspend(() => {
      if (this.own.isClosed()) return Effect.fail(closed("send"))
      const address = to === this.lastTo ? this.lastAddress! : parse(to)
      if (address === undefined) {
        this.refusals.refuse(1, "")
        return Effect.void
      }
      this.lastTo = to
      this.lastAddress = address
      return this.write([{ payload: datagram, address }], unicastLosses)
    })

  /** Completes when the kernel has copied the bytes, also when interrupted: until then they must not change. */
  private write(datagrams: Parameters<DatagramSocket.Writer["writeAll"]>[0], losses: Losses) {
    if (this.own.isClosed()) return Effect.fail(closed("send"))
    const written = Effect.matchEffect(this.own.writer.writeAll(datagrams), {
      onSuccess: () => {
        this.refusals.reason = undefined
        this.sent += datagrams.length
        return this.turn(datagrams.length)
      },
      onFailure: (error) => {
        if (!losses.has(codeOf(causeOf(error)))) return Effect.fail(this.explained(error, datagrams[0]))
        // Some may have gone out: only the first failure is told.
        this.refusals.refuse(datagrams.length, codeOf(causeOf(error)))
        return this.turn(datagrams.length)
      }
    })
    return Effect.uninterruptible(written)
  }

  private turn(datagrams: number): Effect.Effect<void> {
    this.sinceTurn += datagrams
    if (this.sinceTurn < turnDatagrams) return Effect.void
    this.sinceTurn = 0
    return Effect.yieldNow
  }

  private explained(error: DatagramSocket.DatagramSocketError, first: DatagramSocket.OutgoingDatagram): TransportError {
    const to = NetAddress.formatInet(first.address as NetAddress.InetAddress)
    if (error.reason._tag === "DatagramSocketClosedError") return closed(`send to ${to}`)
    return explain(`send to ${to}`, causeOf(error), this.options, first.payload.length)
  }
}

/** An IPv4 address and a port that one can send to. */
const parse = (to: Address): NetAddress.InetAddress | undefined => {
  const endpoint = Addresses.parse(to)
  return endpoint !== undefined && Addresses.isIp4(endpoint.ip) ? inetOf(endpoint) : undefined
}

/** An address of IPv4 as Effect's sockets take it. */
const inetOf = ({ ip, port }: Addresses.Endpoint): NetAddress.InetAddress =>
  NetAddress.inetAddressUnsafe(NetAddress.ipv4FromBytesUnsafe(ip.bytes), port)

const causeOf = (error: DatagramSocket.DatagramSocketError): unknown =>
  "cause" in error.reason ? error.reason.cause : error
