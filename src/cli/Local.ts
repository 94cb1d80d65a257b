/** This machine, for the program: the one place that names the layers which reach the network and the disk. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Context from "effect/Context"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Primitives from "../seal/Primitives.ts"
import { SourceError } from "../source/Source.ts"
import { StoreError } from "../store/Store.ts"
import { Transport } from "../transport/Transport.ts"
import * as Hashing from "./Hashing.ts"
import * as Journal from "./Journal.ts"
import { Machine, type TransportKind, type TransportOptions } from "./Machine.ts"
import * as Output from "./Output.ts"
import { page } from "./Page.ts"
import { Screen } from "./Screen.ts"
import * as Start from "./Start.ts"

// Loaded when a command wants them: --help needs no network.
const datagram = Effect.promise(() => import("../transport/Datagram.ts"))
const offload = Effect.promise(() => import("../transport/Offload.ts"))
const interfaces = Effect.promise(() => import("../system/Interfaces.ts"))
const igmp = Effect.promise(() => import("../system/Igmp.ts"))
const link = Effect.promise(() => import("../system/Link.ts"))
const notify = Effect.promise(() => import("../system/Notify.ts"))
const ruleset = Effect.promise(() => import("../system/Ruleset.ts"))
const following = Effect.promise(() => import("../transport/Following.ts"))
const lossy = Effect.promise(() => import("../transport/Lossy.ts"))
const header = Effect.promise(() => import("../wire/Header.ts"))
const source = Effect.promise(() => import("../source/Disk.ts"))
const stale = Effect.promise(() => import("../store/disk/Stale.ts"))
const disk = Effect.promise(() => import("../store/disk/Disk.ts"))
const http = Effect.promise(() => import("./Http.ts"))

/** One end of the transport that was asked for, on the interface that was asked for, wherever that goes. */
const end = Effect.fnUntraced(function* (layerOf: "layerMaster" | "layerCatcher", options: TransportOptions) {
  const { network, ttl } = options
  const at = yield* transport(options.transport)
  const open = (address: string, ownPort: number) =>
    at[layerOf]({ group: options.group, port: options.port, interface: address, ownPort, ttl })
  if (!("follows" in options)) return open(network.address, 0)
  const { follow, placeOf } = yield* interfaces
  const Following = yield* following
  return Following.layer({
    first: yield* placeOf(network),
    look: (before, isHearing) => follow(options.follows, before, isHearing),
    open: ({ address }, port) =>
      Effect.map(Layer.build(open(address, port)), (context) => Context.get(context, Transport))
  })
})

const transport = Effect.fnUntraced(function* (kind: TransportKind) {
  if (kind === "datagram") return yield* datagram
  const module = yield* offload
  if (kind === "offload" || (yield* module.supported)) return module
  yield* Effect.logWarning(
    "no segmentation offload here (it needs Linux and koffi): plain datagrams are several times slower"
  )
  return yield* datagram
})

const surroundings = Effect.fnUntraced(function* (name: string) {
  const { look } = yield* link
  const { read } = yield* ruleset
  const { whyNot } = yield* offload
  return { link: yield* look(name), ruleset: yield* read, offload: yield* whyNot }
})

/** As systemd says it to the services that it starts. */
const manager = Effect.gen(function* () {
  const { NOTIFY_SOCKET: socket, WATCHDOG_PID: watched = String(process.pid), WATCHDOG_USEC: micros } = process.env
  if (socket === undefined) return Option.none()
  const { open, watchdogMillisOf } = yield* notify
  const tell = open(socket)
  if (Option.isNone(tell)) {
    yield* Effect.logWarning(`the manager of services cannot be told anything at ${socket}: that needs Linux and koffi`)
  }
  const watchdogMillis = micros === undefined || watched !== String(process.pid) ? undefined : watchdogMillisOf(micros)
  return Option.map(tell, (tell) => ({ tell, watchdogMillis }))
})

const machine = (packageDirectory: Option.Option<string>): Machine["Service"] => ({
  hostName: Os.hostname(),
  packageDirectory,
  singleFile: Option.match(packageDirectory, {
    onNone: () => process.execPath,
    onSome: (directory) => Path.join(directory, "dist/binary/mrsync")
  }),
  temporaryDirectory: Os.tmpdir(),
  homeDirectory: Os.homedir(),
  settingsDirectory: "/etc",
  hasKeys: Start.hasKeys(),
  starts: Start.starts,
  terminated: Effect.callback((resume) => Effect.sync(Start.hearSignal("SIGTERM", () => resume(Effect.void)))),
  reloads: Start.reloads,
  manager,
  network: (nameOrAddress) => Effect.flatMap(interfaces, (module) => module.resolve(nameOrAddress)),
  towards: (address) => Effect.flatMap(interfaces, (module) => module.towards(address)),
  surroundings,
  queries: (name) => Effect.flatMap(igmp, ({ listen }) => listen(name)),
  master: (options) => Layer.unwrap(end("layerMaster", options)),
  catcher: (options) => Layer.unwrap(end("layerCatcher", options)),
  lossy: (options) =>
    Layer.unwrap(
      Effect.gen(function* () {
        const { layer } = yield* lossy
        const { lengthOf, valid } = yield* header
        // Datagrams that the kernel glued together are lost one by one, as on a network.
        return layer({ ...options, endOf: (bytes, at) => (valid(bytes, at) ? at + lengthOf(bytes, at) : bytes.length) })
      })
    ),
  source: (sources, choice) =>
    Layer.unwrap(
      Effect.andThen(
        Hashing.check((refusal) => new SourceError(refusal)),
        Effect.map(source, (module) => module.layer(sources, choice))
      )
    ),
  store: (destination, options) =>
    Layer.unwrap(
      Effect.andThen(
        Hashing.check((refusal) => new StoreError(refusal)),
        Effect.map(disk, (module) => module.layer(destination, options))
      )
    ),
  httpServer: (option, at) => Layer.unwrap(Effect.map(http, (module) => module.layer(option, at))),
  get page() {
    return page()
  },
  clearing: (destination) => Effect.flatMap(stale, (module) => module.clearing(Buffer.from(destination)))
})

/** Everything that the commands need; `packageDirectory` is where the program's package.json is, for a single binary nowhere. */
export const layer = (packageDirectory: Option.Option<string>) =>
  Layer.mergeAll(
    NodeServices.layer,
    // Node's own: its WebCrypto takes 2 ms to load
    Layer.succeed(SecureRandom.SecureRandom, SecureRandom.make(Primitives.random)),
    Layer.succeed(Machine, machine(packageDirectory)),
    Screen.layer({
      out: process.stdout,
      err: process.stderr,
      isJournal: {
        out: Journal.isJournal(process.stdout.fd, process.env["JOURNAL_STREAM"]),
        err: Journal.isJournal(process.stderr.fd, process.env["JOURNAL_STREAM"])
      },
      term: process.env["TERM"],
      forProgram: Output.forProgram,
      atExit: (restore) => process.once("exit", restore)
    })
  )
