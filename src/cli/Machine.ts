/**
 * What the commands need of the machine they run on: a network, a file system, a place for temporary files. The layers
 * behind it are chosen at the program's edge, so that the commands run on a simulated network as well.
 */
import * as Context from "effect/Context"
import type { HttpServer } from "effect/http/HttpServer"
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Manager } from "../ops/Service.ts"
import type { Surroundings } from "../ops/Observing.ts"
import type { ServerError } from "../report/Errors.ts"
import type { Choice } from "../source/Choice.ts"
import type { Source, SourceError } from "../source/Source.ts"
import type { Options as StoreOptions } from "../store/disk/Disk.ts"
import type { Store, StoreError } from "../store/Store.ts"
import type { Heard } from "../system/Igmp.ts"
import type { InterfaceError } from "../system/Interfaces.ts"
import type { Transport, TransportError } from "../transport/Transport.ts"
import type * as Parse from "./Parse.ts"

export interface Network {
  readonly name: string
  /** Its IPv4 address. */
  readonly address: string
  readonly mtuBytes: number
  /** The machine's other interfaces, as "name (address)". */
  readonly others?: ReadonlyArray<string>
}

/** Segmentation offload, plain datagrams, or the best that this machine has. */
export const transports = ["auto", "offload", "datagram"] as const
export type TransportKind = (typeof transports)[number]

export interface TransportOptions {
  readonly transport: TransportKind
  readonly group: string
  readonly port: number
  readonly network: Network
  /** The name or address that was asked for, to be followed wherever it goes; left out: what is there stays. */
  readonly follows?: string | undefined
  readonly ttl: number
}

/** Enter on the terminal, or the signal for it. */
export type Start = "Enter" | "Signal"

export class Machine extends Context.Service<
  Machine,
  {
    readonly hostName: string
    /** Where the program is installed, with its node_modules in it or around it; a single binary has none. */
    readonly packageDirectory: Option.Option<string>
    /** The program as one file that needs nothing else, if it was built. */
    readonly singleFile: string
    readonly temporaryDirectory: string
    readonly homeDirectory: string
    /** The settings of all users. */
    readonly settingsDirectory: string
    /** Is its standard input a terminal, on which Enter may be typed? */
    readonly hasKeys: boolean
    /** Each time somebody at this machine says "go with those here". */
    readonly starts: Stream.Stream<Start>
    /** Completes when this process is told to end (SIGTERM); while somebody waits for it, that interrupts nothing. */
    readonly terminated: Effect.Effect<void>
    /** Each time this process is told to read its settings anew (SIGHUP, without a terminal that could be closed). */
    readonly reloads: Stream.Stream<void>
    /** The manager of services that has started it, if one has. */
    readonly manager: Effect.Effect<Option.Option<Manager>>
    /** The interface of a name or an address, or that of the default route. */
    readonly network: (nameOrAddress: string | undefined) => Effect.Effect<Network, InterfaceError>
    /** The address of this machine from which datagrams go to another one; undefined: no route leads there. */
    readonly towards: (address: string) => Effect.Effect<string | undefined>
    /** What the system says of an interface, of its firewall, and of segmentation offload. */
    readonly surroundings: (name: string) => Effect.Effect<Surroundings>
    /** Hears queries of IGMP on an interface until the scope closes; fails with the reason where it cannot. */
    readonly queries: (name: string) => Effect.Effect<Heard, string, Scope.Scope>
    readonly master: (options: TransportOptions) => Layer.Layer<Transport, TransportError>
    readonly catcher: (options: TransportOptions) => Layer.Layer<Transport, TransportError>
    /** Loses a part of what arrives, the same part for the same seed. */
    readonly lossy: (options: {
      readonly percent: number
      readonly seed: number
    }) => Layer.Layer<Transport, never, Transport>
    /** All of the sources, or what is chosen of them. */
    readonly source: (sources: ReadonlyArray<string>, choice?: Choice) => Layer.Layer<Source, SourceError>
    readonly store: (destination: string, options?: StoreOptions) => Layer.Layer<Store, StoreError>
    /** An HTTP server; the option says what it is for. */
    readonly httpServer: (option: string, at: Parse.Listening) => Layer.Layer<HttpServer, ServerError>
    /** The page to watch a session: HTML, compressed by gzip. */
    readonly page: Uint8Array
    /** Clears a destination now and then of what is kept in part for too long. */
    readonly clearing: (destination: string) => Effect.Effect<never>
  }
>()("mrsync/cli/Machine") {}
