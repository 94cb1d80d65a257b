/**
 * UDP multicast with segmentation offload: the kernel cuts one buffer of glued datagrams apart as late as it can, often
 * never on this machine, and hands several to a receiver at once. Same datagrams on the wire as Datagram, for a fraction
 * of the system calls. Linux with koffi only; `supported` tells.
 *
 * The trap: what a pull gives lies in the socket's own memory, and is overwritten by the next pull.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Addresses from "../protocol/Address.ts"
import * as Limits from "../protocol/Limits.ts"
import * as Kernel from "../system/Sockets.ts"
import { type Address, type Batch, type Received, Transport, TransportError } from "./Transport.ts"
import { checkGroup, closed, explain, losses, type Losses, type Options, Refusals, unicastLosses } from "./Udp.ts"

/** Are the library and both socket options there? */
export const supported: Effect.Effect<boolean> = Effect.suspend(() => Effect.map(whyNot, (why) => why === undefined))

/** Why there is no offload; undefined: there is. One socket is opened on the loopback interface to see. */
export const whyNot: Effect.Effect<string | undefined> = Effect.sync(() => {
  if (process.platform !== "linux") return "this is not Linux"
  const found = kernel()
  if (Option.isNone(found)) return "koffi cannot be loaded"
  const probe = () => found.value.open({ address: "127.0.0.1", port: 0, interface: "127.0.0.1", ttl: 0 }).close()
  return Result.match(Result.try(probe), {
    onFailure: (cause) => `the kernel refuses it: ${cause instanceof Error ? cause.message : String(cause)}`,
    onSuccess: () => undefined
  })
})

let loaded: Option.Option<Kernel.Kernel> | undefined
const kernel = () => (loaded ??= Kernel.load())

/** A master's end: sends to the group, receives what is sent to it. */
export const layerMaster = (options: Options): Layer.Layer<Transport, TransportError> =>
  Layer.effect(Transport, makeMaster(options))

/** A catcher's end: receives the group, answers from a socket of its own. */
export const layerCatcher = (options: Options): Layer.Layer<Transport, TransportError> =>
  Layer.effect(Transport, makeCatcher(options))

const makeMaster = Effect.fn("Offload.master")(function* (options: Options) {
  const group = yield* checkGroup(options)
  const own = yield* openOwn(options)
  return yield* endpoint(options, group, own, own, ({ hear }) => Effect.flatMap(openGroup(options), hear))
})

const makeCatcher = Effect.fn("Offload.catcher")(function* (options: Options) {
  const group = yield* checkGroup(options)
  const heard = yield* openGroup(options)
  const own = yield* openOwn(options)
  return yield* endpoint(options, group, own, heard, () => Effect.void)
})

/** It sends from `own`, and hears `heard` from the beginning. */
const endpoint = Effect.fnUntraced(function* (
  options: Options,
  group: Addresses.Endpoint,
  own: Kernel.Socket,
  heard: Kernel.Socket,
  listen: (ears: ReturnType<typeof earsOf>) => Transport["Service"]["listen"]
) {
  const { refusals, sent, ...sender } = senderOf(own, options, Kernel.destination(group))
  const ears = earsOf(own.local)
  yield* ears.hear(heard)
  return Transport.of({
    group: Addresses.print(group),
    local: own.local,
    receiveBufferBytes: heard.receiveBufferBytes,
    glues: true,
    ...sender,
    refused: refusals.told,
    receive: Stream.fromPull(Effect.succeed(ears.pull)),
    listen: listen(ears),
    stats: Effect.sync(() => ({
      sent: sent(),
      received: ears.received(),
      dropped: heard.dropped(),
      unanswerable: ears.unanswerable(),
      refused: refusals.datagrams
    }))
  })
})

const openOwn = (options: Options) => open(options, { address: options.interface, port: options.ownPort ?? 0 })

const openGroup = (options: Options) =>
  open(options, { address: options.group, port: options.port, group: options.group })

const open = (
  options: Options,
  plan: Pick<Kernel.Plan, "address" | "port" | "group">
): Effect.Effect<Kernel.Socket, TransportError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.suspend(() =>
      Option.match(kernel(), {
        onNone: () =>
          Effect.fail(new TransportError({ operation: "offload", reason: "Linux with koffi is needed for it" })),
        onSome: (kernel) =>
          Effect.try({
            try: () => kernel.open({ ...plan, interface: options.interface, ttl: options.ttl }),
            catch: (error) => explain(`bind ${plan.address}:${plan.port}`, error, options)
          })
      })
    ),
    (socket) => Effect.sync(socket.close)
  )

/**
 * The sockets that are heard, by one pull at a time: what `own` sent itself comes back where we hear the group, and is left
 * out.
 */
const earsOf = (own: Address) => {
  let sockets: ReadonlyArray<Kernel.Socket> = []
  let counted = 0
  let unanswerable = 0
  let turn = 0
  /** Has the waiting pull look again. */
  let wake = () => {}

  // Each pull waits for the event loop to tell of something, so that a busy socket starves nobody.
  const readable = Effect.callback<void>((resume) => {
    const stops: Array<() => void> = []
    const stop = () => stops.forEach((stop) => stop())
    wake = () => {
      stop()
      resume(Effect.void)
    }
    for (const socket of sockets) stops.push(socket.when("readable", wake))
    // closed before we came: nothing will ever be told
    if (sockets.length === 0) wake()
    return Effect.sync(stop)
  })
  const take = (): ReadonlyArray<Received> => {
    // by turns, so that a busy socket does not hide another
    turn++
    for (let i = 0; i < sockets.length; i++) {
      const heard = sockets[(turn + i) % sockets.length].receive().filter(({ from }) => {
        if (from === "") unanswerable++
        return from !== own && from !== ""
      })
      if (heard.length > 0) return heard
    }
    return []
  }
  const pull: Effect.Effect<readonly [ReadonlyArray<Received>], TransportError> = Effect.flatMap(readable, () => {
    if (sockets.length === 0) return Effect.fail(closed("receive"))
    const heard = take()
    counted += heard.length
    return heard.length === 0 ? pull : Effect.succeed([heard])
  })
  const change = (now: ReadonlyArray<Kernel.Socket>) =>
    Effect.sync(() => {
      sockets = now
      wake()
    })

  return {
    pull,
    received: () => counted,
    unanswerable: () => unanswerable,
    /** Hears it until the scope closes. */
    hear: (socket: Kernel.Socket) =>
      Effect.asVoid(
        Effect.acquireRelease(
          Effect.suspend(() => change([...sockets, socket])),
          () => Effect.suspend(() => change(sockets.filter((one) => one !== socket)))
        )
      )
  }
}

const senderOf = (socket: Kernel.Socket, options: Options, group: Kernel.Destination) => {
  const destinations = new Map<Address, Kernel.Destination>()
  let sent = 0
  const refusals = new Refusals()
  const writable = Effect.callback<void>((resume) => Effect.sync(socket.when("writable", () => resume(Effect.void))))

  // Some interfaces take the option and refuse the datagrams (no checksum offload, tunnels): then they are sent singly.
  let glued = true

  // A plain loop over the kernel's sends, left only to wait.
  const push = (batch: Batch, to: Kernel.Destination, lost: Losses, from = 0): Effect.Effect<void, TransportError> =>
    Effect.suspend(() => {
      const { bytes, datagramBytes, isSingly } = batch
      const length = Math.max(1, glued && isSingly !== true ? Limits.sendBytes(datagramBytes) : datagramBytes)
      let at = from
      do {
        const part = bytes.subarray(at, at + length)
        const errno = socket.send(part, datagramBytes, to)
        if (errno === Kernel.errno.EAGAIN) return Effect.andThen(writable, push(batch, to, lost, at))
        const datagrams = Math.max(1, Math.ceil(part.length / Math.max(1, datagramBytes)))
        if (errno === 0) {
          sent += datagrams
          refusals.reason = undefined
        } else {
          const code = Kernel.codeOf(errno)
          // an address that is gone is refused in the same words, but also to a datagram alone
          const first = part.subarray(0, datagramBytes)
          const isOfGlue = glued && part.length > datagramBytes && refusedGlue.has(code)
          const alone = isOfGlue ? socket.send(first, datagramBytes, to) : errno
          if (alone === 0 || alone === Kernel.errno.EAGAIN) {
            glued = false
            const taken = alone === 0 ? 1 : 0
            sent += taken
            return Effect.andThen(
              Effect.logWarning("this interface refuses segmentation offload: plain datagrams from now on"),
              push(batch, to, lost, at + taken * datagramBytes)
            )
          }
          if (!lost.has(code)) {
            return Effect.fail(explain("send", Object.assign(new Error(code), { code }), options, datagramBytes))
          }
          refusals.refuse(datagrams, code)
        }
        at += length
      } while (at < bytes.length)
      return Effect.void
    })

  return {
    sent: () => sent,
    refusals,
    // a batch of many gives the event loop a turn, so that a busy sender starves no other work
    send: (batch: Batch) =>
      batch.bytes.length > batch.datagramBytes
        ? Effect.andThen(push(batch, group, losses), Effect.yieldNow)
        : push(batch, group, losses),
    sendTo: (to: Address, datagram: Uint8Array) =>
      Effect.suspend(() => {
        const known = destinations.get(to) ?? parse(to)
        if (known === undefined) return Effect.sync(() => refusals.refuse(1, ""))
        // a master speaks to few; a flood of strangers is forgotten at once
        if (destinations.size < Limits.slots) destinations.set(to, known)
        return push({ bytes: datagram, datagramBytes: datagram.length }, known, unicastLosses)
      })
  }
}

/** What the kernel answers where it cannot cut datagrams apart. */
const refusedGlue: ReadonlySet<string> = new Set(["EIO", "EINVAL", "EOPNOTSUPP"])

const parse = (to: Address): Kernel.Destination | undefined => {
  const endpoint = Addresses.parse(to)
  return endpoint !== undefined && Addresses.isIp4(endpoint.ip) ? Kernel.destination(endpoint) : undefined
}
