/** The program as it is called, on a network, a disk and a screen in memory. */
// the commands load these when they begin: were that to happen under virtual time, it would pass meanwhile
import "../../src/cli/Catch.ts"
import "../../src/cli/Doctor.ts"
import "../../src/cli/Send.ts"
import "../../src/cli/Simulate.ts"
import "../../src/content/Hash.ts"
import "../../src/ops/Examining.ts"
import "../../src/ops/Findings.ts"
import "../../src/ops/Observing.ts"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import { HttpServer } from "effect/http/HttpServer"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Run from "../../src/cli/Run.ts"
import { Machine } from "../../src/cli/Machine.ts"
import { Screen } from "../../src/cli/Screen.ts"
import * as Status from "../../src/cli/Status.ts"
import type { Surroundings } from "../../src/ops/Observing.ts"
import type { Choice } from "../../src/source/Choice.ts"
import { type Skipped, Source, SourceError } from "../../src/source/Source.ts"
import * as Memory from "../../src/store/Memory.ts"
import type { Where } from "../../src/store/Store.ts"
import { none, type Veto } from "../../src/filter/Veto.ts"
import { InterfaceError } from "../../src/system/Interfaces.ts"
import type * as Simulated from "../../src/transport/simulated/Network.ts"
import { recording } from "./recording.ts"

export interface Ended {
  readonly status: number
  readonly out: ReadonlyArray<string>
  readonly err: ReadonlyArray<string>
  /** The lines of --json. */
  readonly events: ReadonlyArray<any>
  /** The last of them. */
  readonly last: any
}

export interface Host {
  readonly network: Simulated.Network
  /** The name of a catcher's machine. */
  readonly name?: string
  readonly tree?: ReadonlyArray<Memory.Given>
  readonly skipped?: ReadonlyArray<Skipped>
  /** Hears what `send` chooses of its sources; then the source fails. */
  readonly chosen?: (choice: Choice | undefined, sources: ReadonlyArray<string>) => void
  readonly memory?: Memory.Memory
  /** Hears what no master may do to the destination of `catch`. */
  readonly vetoed?: (veto: Veto) => void
  /** Hears whether its store waits for the disk. */
  readonly synced?: (syncs: boolean | undefined) => void
  /** Hears whether it keeps in attributes what only root may set. */
  readonly faked?: (fakesSuper: boolean | undefined) => void
  /** Is told where a catcher keeps files in part. */
  readonly kept?: (partials: Where | undefined) => void
  /** What the system says of the machine. */
  readonly surroundings?: Surroundings
  /** When it is interrupted, as a signal does. */
  readonly stopMillis?: number
  /** When it is told to end, as by SIGTERM. */
  readonly terminatedMillis?: number
}

/** A machine on which all is well. */
export const well: Surroundings = {
  link: { multicasts: true, isWireless: false, reversePath: "Loose", bridge: undefined },
  ruleset: { nft: undefined, iptables: undefined, unread: "it is in memory" },
  offload: undefined
}

const machine = ({
  chosen,
  memory,
  name = "a",
  network,
  skipped = [],
  faked,
  kept,
  surroundings = well,
  synced,
  terminatedMillis,
  tree = [],
  vetoed
}: Host) =>
  Machine.of({
    hostName: name,
    packageDirectory: Option.some("/"),
    singleFile: "/nonexistent",
    temporaryDirectory: "/",
    homeDirectory: "/nonexistent",
    settingsDirectory: "/nonexistent",
    hasKeys: false,
    starts: Stream.never,
    reloads: Stream.never,
    manager: Effect.succeedNone,
    terminated: terminatedMillis === undefined ? Effect.never : Effect.sleep(terminatedMillis),
    network: (wanted) =>
      wanted === "nope0"
        ? Effect.fail(new InterfaceError({ reason: "no interface has the name", usable: ["eth0 (10.0.0.1)"] }))
        : Effect.succeed({ name: "eth0", address: "10.0.0.1", mtuBytes: 1500, others: ["eth1 (10.1.0.1)"] }),
    queries: () => Effect.fail("it is in memory"),
    towards: () => Effect.succeed(undefined),
    surroundings: () => Effect.succeed(surroundings),
    master: () => network.layerMaster,
    catcher: () => network.layerCatcher(name),
    lossy: () => network.layerMaster,
    source: (sources, choice) => {
      if (chosen === undefined) return Memory.sourceLayer(tree, skipped)
      chosen(choice, sources)
      return Layer.effect(Source, Effect.fail(new SourceError({ code: "ENOENT", path: "it", reason: "was chosen" })))
    },
    store: (_destination, { fakesSuper, partials, syncs, veto = none } = {}) => {
      faked?.(fakesSuper)
      synced?.(syncs)
      kept?.(partials)
      vetoed?.(veto)
      return Memory.layer(memory ?? Memory.make())
    },
    clearing: () => Effect.never,
    httpServer: () => Layer.effect(HttpServer, Effect.never),
    page: new Uint8Array(0)
  })

/** Runs `mrsync ...args`; what it prints is gathered. */
export const mrsync = Effect.fnUntraced(function* (host: Host, ...args: ReadonlyArray<string>) {
  const { said, screen } = recording()
  const running = yield* Run.run(args, { colors: false }).pipe(
    Effect.provide(
      Layer.mergeAll(
        NodeServices.layer,
        SecureRandom.layerWebCrypto,
        Layer.succeed(Machine, machine(host)),
        Layer.succeed(Screen, screen)
      )
    ),
    Effect.forkChild
  )
  if (host.stopMillis !== undefined) {
    yield* Effect.sleep(host.stopMillis)
    yield* Fiber.interrupt(running)
  }
  const exit = yield* Fiber.await(running)
  const words = Status.message(exit)
  if (words !== undefined) said.err.push(words)
  const events = said.out.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line))
  return { ...said, status: Status.of(exit), events, last: events.at(-1) } as Ended
})
