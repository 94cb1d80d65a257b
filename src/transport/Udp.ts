/**
 * What the UDP transports share: where they are bound, which failures of a send are no more than a lost datagram, and
 * what to say of the others.
 */
import * as Effect from "effect/Effect"
import * as Address from "../protocol/Address.ts"
import { type Refused, TransportError } from "./Transport.ts"

/** Which network, group and port. */
export interface Options {
  /** An IPv4 multicast group, e.g. 239.255.67.92. */
  readonly group: string
  readonly port: number
  /** The local IPv4 address of the interface to use. */
  readonly interface: string
  /** The port of this end's own socket, where it is free; without it any. */
  readonly ownPort?: number
  /** Routers that a datagram may pass, plus one; 0 keeps it on this machine. */
  readonly ttl: number
}

/** The group and port of the options, where it is a group of IPv4. */
export const checkGroup = (options: Options): Effect.Effect<Address.Endpoint, TransportError> => {
  const ip = Address.parseIp(options.group)
  return ip !== undefined && Address.isIp4(ip) && Address.kindOf(ip) === "Multicast"
    ? Effect.succeed({ ip, port: options.port })
    : Effect.fail(
        new TransportError({
          operation: `join ${options.group}`,
          reason: "not an IPv4 multicast group: choose one from 239.0.0.0 to 239.255.255.255 with --group"
        })
      )
}

/** The network would have lost it anyway: full queues, a link that is down, a firewall, a dead port. */
export const losses: ReadonlySet<string> = new Set([
  "ENOBUFS",
  "ENOMEM",
  "EPERM",
  "ECONNREFUSED",
  "ENETUNREACH",
  "ENETDOWN",
  "EHOSTUNREACH",
  "EHOSTDOWN",
  "ENODEV",
  "EADDRNOTAVAIL",
  "EINVAL"
])

/** What lets nothing out, in words. Others are one datagram's: a full queue, a port where nobody is. */
const hindrances: Readonly<Record<string, string>> = {
  EPERM: "this machine's firewall forbids it",
  EACCES: "this machine's firewall forbids it",
  ENETUNREACH: "no route leads there",
  EHOSTUNREACH: "no route leads there",
  ENETDOWN: "the interface is down",
  ENODEV: "the interface is gone",
  EADDRNOTAVAIL: "the interface's address is gone",
  EINVAL: "the interface's address is gone"
}

/** Counts what the system would not take, and remembers why. */
export class Refusals {
  datagrams = 0
  reason: string | undefined
  refuse(datagrams: number, code: string): void {
    this.datagrams += datagrams
    this.reason = code in hindrances ? `${hindrances[code]} (${code})` : undefined
  }
  readonly told = (): Refused => ({ datagrams: this.datagrams, reason: this.reason })
}

/** Which failures of a send are losses. */
export type Losses = Pick<ReadonlySet<string>, "has">

/** The address came with a datagram, and one datagram must not end a session: whatever the system says of it, but for the end. */
export const unicastLosses: Losses = { has: (code) => !ends.has(code) }

const ends: ReadonlySet<string> = new Set(["ERR_SOCKET_DGRAM_NOT_RUNNING", "ECANCELED"])

export const closed = (operation: string) => new TransportError({ operation, reason: "the transport was closed" })

export const codeOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "code" in error ? String(error.code) : ""

export const explain = (
  operation: string,
  error: unknown,
  options: Options,
  datagramBytes?: number
): TransportError => {
  const code = codeOf(error)
  const reason = (): string => {
    switch (code) {
      case "EADDRINUSE":
        return `UDP port ${options.port} is taken by a program that does not share it: stop that program, or choose another port with --group ADDR:PORT`
      case "EADDRNOTAVAIL":
      case "ENODEV":
        return `no interface of this machine has the address ${options.interface}: choose one with --interface`
      case "EACCES":
        return `not allowed: ports below 1024 need privileges (choose another with --group ADDR:PORT), and a firewall may forbid ${options.group}`
      case "EMSGSIZE":
        return `a datagram of ${datagramBytes} bytes is too long for this network: use smaller pages, or raise the interface's MTU`
      case "EMFILE":
      case "ENFILE":
        return "too many open files: raise the limit with ulimit -n"
      case "ERR_SOCKET_DGRAM_NOT_RUNNING":
      case "ECANCELED":
        return "the transport was closed"
      default:
        return error instanceof Error ? error.message : String(error)
    }
  }
  return new TransportError({ operation, reason: reason() })
}
