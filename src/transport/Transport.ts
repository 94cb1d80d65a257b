/**
 * The air: datagrams to the group, datagrams to one address, datagrams that arrive. It knows nothing of the protocol
 * but that datagrams may arrive glued together (receive offload), so a consumer splits by their own lengths.
 *
 * A master sends to the group and receives what catchers send to it; a catcher receives the group and sends to the
 * master. Both are this one service.
 */

import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Address } from "../protocol/Address.ts"

export type { Address } from "../protocol/Address.ts"

/** Datagrams of `datagramBytes` each glued together; the last may be shorter. One datagram: `datagramBytes` is its length. */
export interface Batch {
  readonly bytes: Uint8Array
  readonly datagramBytes: number
  /** The kernel is given each alone, not to cut them apart: something on the way takes no glued ones. */
  readonly isSingly?: boolean
}

/** What one receive gave: one datagram, or several glued. The bytes are there until the next pull; they are no Buffer. */
export interface Received {
  readonly bytes: Uint8Array
  /** Its source, as the network says; it may be forged. */
  readonly from: Address
}

/** Datagrams since the transport was made. */
export interface Stats {
  /** Datagrams handed to the network, to the group and to single addresses. */
  readonly sent: number
  readonly received: number
  /** Datagrams lost in our own buffers, as far as the system says. */
  readonly dropped: number
  /** Datagrams that were not handed over, because their source cannot be answered. */
  readonly unanswerable: number
  /** Datagrams that the system would not take; they are not among those sent. */
  readonly refused: number
}

/** What the system would not send. */
export interface Refused {
  /** How many so far. */
  readonly datagrams: number
  /** Why it would not take the last one that was sent; undefined: it did, or it was only short of room. */
  readonly reason: string | undefined
}

/** What to tell when datagrams were lost in our own buffer for the first time. They are only late: they are sent again. */
export const overflowed = (receiveBufferBytes: number): string => {
  const lost = `datagrams were lost in the receive buffer (${Math.round(receiveBufferBytes / 1024)} KiB) and are sent again`
  return receiveBufferBytes < ampleBufferBytes && process.platform === "linux"
    ? `${lost}: "sysctl -w net.core.rmem_max=16777216" would let it be larger`
    : lost
}

/** A larger buffer does not help a catcher that loses more than this. */
const ampleBufferBytes = 8 * 1024 * 1024

/** The network below failed: a socket that cannot be opened, a send that was refused. */
export class TransportError extends Schema.TaggedError<TransportError>()("TransportError", {
  operation: Schema.String.annotateKey({ description: "what was tried" }),
  reason: Schema.String
}) {
  override get message() {
    return `${this.operation}: ${this.reason}`
  }
}

/**
 * The service. Provide it with `Datagram.layerMaster` and `Datagram.layerCatcher`, or with the ends
 * of a simulated network; one of your own implements, or wraps, these members.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import { Transport } from "mrsync"
 *
 * // tells of each datagram that is sent to one address
 * const told = Layer.effect(
 *   Transport.Transport,
 *   Effect.map(Transport.Transport, (below) => ({
 *     ...below,
 *     sendTo: (to, datagram) =>
 *       Effect.andThen(Effect.log(`${datagram.length} bytes to ${to}`), below.sendTo(to, datagram))
 *   }))
 * )
 * ```
 */
export class Transport extends Context.Service<
  Transport,
  {
    /** The group's address and port: those that speak to each other have the same. */
    readonly group: Address
    /** This end's address, to which answers come. It may change with the interface. */
    readonly local: Address
    /** The kernel's receive buffer (Linux's doubled figure is halved again): bounds the window. */
    readonly receiveBufferBytes: number
    /** Does the kernel get many datagrams in one piece, which it, or something on the way, cuts apart? */
    readonly glues: boolean
    /** To all catchers; completes when the batch's memory may be used again. */
    readonly send: (batch: Batch) => Effect.Effect<void, TransportError>
    /** Sends one datagram to one address, which came with a datagram: where the system sends nothing there, it is lost. */
    readonly sendTo: (to: Address, datagram: Uint8Array) => Effect.Effect<void, TransportError>
    /** What arrives, in batches: back-pressured, the kernel's buffer being the queue. Run it once. */
    readonly receive: Stream.Stream<ReadonlyArray<Received>, TransportError>
    /** For a master: also hear the group (another master's announcements) until the scope closes. */
    readonly listen: Effect.Effect<void, TransportError, Scope.Scope>
    /** What was not sent; a transport whose sends are never refused leaves it out. */
    readonly refused?: () => Refused
    /** As of now. */
    readonly stats: Effect.Effect<Stats>
  }
>()("mrsync/transport/Transport") {}
