/** `mrsync send`: a master over this machine's network and disk. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Fs from "node:fs/promises"
import { SourceError } from "../Errors.ts"
import * as Master from "../Master.ts"
import type { Repair } from "../protocol/Planner.ts"
import * as Errno from "../store/Errno.ts"
import { Machine, type TransportKind } from "./Machine.ts"
import * as Parse from "./Parse.ts"
import * as Reporter from "./Reporter.ts"
import * as Session from "./Session.ts"
import { UsageError } from "./Status.ts"

export interface Input extends Session.Talk {
  readonly group: Parse.Group
  readonly network: string | undefined
  readonly transport: TransportKind
  readonly timeoutMillis: number
  readonly catchers: number | undefined
  readonly hosts: Parse.Hosts | undefined
  readonly waitMillis: number
  readonly partial: boolean
  readonly bwlimit: number | undefined
  readonly repair: Repair
  readonly pageBytes: number | undefined
  readonly ttl: number
  readonly sources: ReadonlyArray<string>
}

const usage = (reason: string) => new UsageError({ command: "send", reason })

export const send = Effect.fn("cli.send")(function* (input: Input) {
  const machine = yield* Machine
  const verbosity = yield* Effect.fromResult(Session.verbosityOf("send", input))
  if (input.hosts !== undefined && input.catchers !== undefined) {
    return yield* usage("--hosts and --catchers contradict each other: a list of hosts is also their number")
  }
  if (input.sources.includes("")) return yield* usage('SOURCE is empty: to send the directory you are in, say "."')
  const hosts = yield* hostsOf(input.hosts)
  const network = yield* machine.network(input.network)
  const pageBytes = yield* Effect.fromResult(
    Result.mapError(Parse.pageFor(input.pageBytes, network), (reason) => usage(`--page-size: ${reason}`))
  )

  const options: Master.Options = {
    catchers: hosts?.length ?? input.catchers ?? 1,
    ...(hosts === undefined ? {} : { hosts }),
    waitMillis: input.waitMillis,
    partial: input.partial,
    timeoutMillis: input.timeoutMillis,
    pageBytes,
    repair: input.repair,
    ...(input.bwlimit === undefined ? {} : { bytesPerSecond: input.bwlimit })
  }
  const report = yield* Master.run(options).pipe(
    Effect.provide(
      Layer.mergeAll(
        machine.master({ ...input.group, transport: input.transport, interface: network.address, ttl: input.ttl }),
        machine.source(input.sources),
        Reporter.layer({
          role: "Send",
          where: Session.whereOf(input.group, network),
          verbosity,
          json: input.json,
          live: !input.noProgress
        })
      )
    ),
    Session.logged(verbosity)
  )
  yield* Session.settle(report)
})

const hostsOf = Effect.fnUntraced(function* (hosts: Parse.Hosts | undefined) {
  if (hosts === undefined || !("file" in hosts)) return hosts
  const name = `@${hosts.file}`
  const content = yield* Effect.tryPromise({
    try: () => Fs.readFile(hosts.file, "utf8"),
    catch: (cause) => new SourceError({ path: name, ...Errno.fromCause(cause) })
  })
  return yield* Effect.fromResult(
    Result.mapError(Parse.hostsFile(content), (reason) => usage(`--hosts "${name}": ${reason}`))
  )
})
