/** `mrsync push`: starts a catcher on each host over ssh, with a key for this session alone, and sends. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import type * as Handover from "../ops/Handover.ts"
import * as Hosts from "../ops/Hosts.ts"
import * as Install from "../ops/Install.ts"
import * as Launch from "../ops/Launch.ts"
import * as RemoteShell from "../ops/RemoteShell.ts"
import * as Limits from "../protocol/Limits.ts"
import { HostsUnreachable } from "../report/Errors.ts"
import type { CatcherReport } from "../report/Report.ts"
import * as Keys from "../seal/Keys.ts"
import * as Header from "../wire/Header.ts"
import * as HostList from "./HostList.ts"
import { Machine } from "./Machine.ts"
import * as Parse from "./Parse.ts"
import * as Send from "./Send.ts"
import * as Session from "./Session.ts"
import { UsageError } from "./Status.ts"
import * as Version from "./Version.ts"

export interface Input extends Send.Sending {
  readonly group: Parse.Group | undefined
  readonly hosts: string | undefined
  readonly all: boolean
  readonly rsh: string
  readonly fanout: number
  readonly connectMillis: number
  readonly remoteProgram: string | undefined
  readonly install: boolean
}

const usage = (reason: string) => new UsageError({ command: "push", reason })

/** What is wrong with the options that it shares with `send` is told as of `push`. */
export const push = (input: Input) =>
  Effect.catchTag(pushing(input), "UsageError", ({ reason }) => Effect.fail(usage(reason)))

const pushing = Effect.fn("cli.push")(function* (input: Input) {
  const { destination, hosts, sources } = yield* aimOf(input)
  const shell = yield* Effect.fromResult(
    Result.mapError(RemoteShell.parse(input.rsh), (reason) => usage(`--rsh "${input.rsh}": ${reason}`))
  )
  const [why] = hosts.flatMap((host) => Hosts.whyUnreachable(host) ?? RemoteShell.whyNot(shell, host) ?? [])
  if (why !== undefined) return yield* usage(why)
  if (input.all && (input.atLeast !== undefined || input.atMostMillis !== undefined))
    return yield* usage("--all contradicts --at-least and --at-most: with it every host is waited for")
  if (input.install && input.remoteProgram !== undefined)
    return yield* usage("--install contradicts --remote-program: it brings the program, and knows where that is")
  if (input.remoteProgram?.trim() === "")
    return yield* usage("--remote-program is empty: expected a program, for example 'sudo mrsync'")
  const prepared = yield* Send.prepare({ ...input, sources })
  const gathering = yield* Effect.fromResult(Send.gatheringOf(patienceOf(input, hosts.length), namesOf(hosts)))
  const group = input.group ?? (yield* anyGroup)
  const keys = yield* Keys.generate
  const { stdinIsTerminal } = yield* Stdio.Stdio
  const asks = hosts.length === 1 && (yield* stdinIsTerminal)
  const { connectMillis, fanout, timeoutMillis, transport } = input
  const started = input.install ? yield* installed : { program: input.remoteProgram ?? "mrsync" }
  const here = { version: Version.version, protocol: Header.version }

  const session = Effect.gen(function* () {
    const fleet = yield* Launch.launch(hosts, { ...started, shell, connectMillis, asks, fanout, here })
    const hello = yield* fleet.first
    if (hello === undefined) return yield* allFailed(fleet, hosts.length, gathering.atLeast)
    const network = yield* networkOf(input.network, hello, hosts.length)
    const pageBytes = yield* Send.pageOf(input, network)
    const patience = yield* waitFrom(gathering.waitMillis)
    const key = Redacted.make(Keys.printCatcher(Keys.forCatchers(keys)))
    const shared = { key, ...group, transport, destination, master: network.address, timeoutMillis }
    yield* fleet.tell((name) => ({ ...shared, name, waitMillis: patience() }))
    const protection = { _tag: "Sealed", keys } as const
    const ready = { ...prepared, gathering, group, network, pageBytes, protection, unreached: fleet.failures }
    const report = yield* Send.conduct({ ...input, sources }, ready, Effect.void)
    // those have heard how it ended, and end by themselves
    const present = report.catchers.filter(({ state }) => !deaf.has(state)).map(({ id }) => id)
    yield* Effect.timeoutOption(fleet.ended(new Set(present)), timeoutMillis)
    yield* Session.settle(report)
  })
  return yield* Effect.scoped(session)
})

/** A catcher of which this is told hears nothing of a session's end. */
const deaf: ReadonlySet<CatcherReport["state"]> = new Set(["Absent", "Unreachable", "Lost"])

/** What is to be sent, and where. */
const aimOf = Effect.fnUntraced(function* ({ hosts: list, sources: words }: Input) {
  const [aim = "", ...sources] = words.toReversed()
  if (sources.length === 0)
    return yield* usage(
      `SOURCE or HOSTS:DEST is missing: say what to send, and where to, for example "mrsync push DIRECTORY web[01-40]:/srv"`
    )
  const { destination, items } = yield* HostList.refusing("push", `HOSTS:DEST "${aim}"`, Hosts.split(aim))
  const named = yield* HostList.gathered("push", `HOSTS:DEST "${aim}"`, items)
  const listed = list === undefined ? [] : yield* HostList.listed("push", list)
  const distinct = yield* HostList.refusing("push", "hosts", Hosts.distinct([...named, ...listed]))
  return { destination, hosts: Hosts.named(distinct), sources: sources.toReversed() }
})

const namesOf = (hosts: ReadonlyArray<Launch.Named>): ReadonlyArray<string> => hosts.map(({ name }) => name)

/** Those that can be reached are enough, unless more are asked for; many hosts take longer to reach. */
const patienceOf = (input: Input, count: number) => ({
  catchers: undefined,
  atLeast: input.all ? count : (input.atLeast ?? 1),
  atMostMillis: input.atMostMillis,
  waitMillis: input.waitMillis ?? Limits.defaultWaitMillis + Math.ceil(count / input.fanout) * input.connectMillis
})

/** How long a catcher waits that is told now: it gives up before its master does, so that its words are in the report. */
const waitFrom = Effect.fnUntraced(function* (waitMillis: number) {
  const clock = yield* Clock.Clock
  const beganMillis = clock.currentTimeMillisUnsafe()
  return () => {
    const leftMillis = waitMillis - (clock.currentTimeMillisUnsafe() - beganMillis) - earlierMillis
    return Math.max(leastMillis, wholeMillis * Math.floor(leftMillis / wholeMillis))
  }
})

const earlierMillis = 2000
/** Its words say how long it has waited. */
const wholeMillis = 1000
const leastMillis = 1000

// ---- the program there ----

/** The command that brings the program where it is missing, and what it brings. */
const installed = Effect.gen(function* () {
  const { singleFile } = yield* Machine
  const install = yield* Effect.mapError(Install.programIn(singleFile), ({ message }) =>
    usage(`--install brings the program as one file, which "npm run build:binary" makes: ${message}`)
  )
  return { install, program: Install.commandOf(install, Version.version) }
})

// ---- the network ----

/** A group of this site's own (RFC 2365), that most probably nobody else uses. */
const anyGroup = Effect.gen(function* () {
  const [third, fourth] = [yield* Random.nextIntBetween(0, 255), yield* Random.nextIntBetween(1, 254)]
  const port = yield* Random.nextIntBetween(Limits.drawnPorts.first, Limits.drawnPorts.last)
  return { group: `239.255.${third}.${fourth}`, port } satisfies Parse.Group
})

/** The interface that was asked for, or that from which the first host was reached. Loopback reaches only this machine. */
const networkOf = Effect.fnUntraced(function* (asked: string | undefined, { from }: Handover.Hello, hosts: number) {
  const machine = yield* Machine
  const isUsable = from !== undefined && (hosts === 1 || !from.startsWith("127."))
  if (asked !== undefined || !isUsable) return yield* machine.network(asked)
  return yield* Effect.catch(machine.network(from), () => machine.network(undefined))
})

// ---- ends ----

const allFailed = Effect.fnUntraced(function* (fleet: Launch.Fleet, hosts: number, least = 1) {
  const failures = yield* Stream.runCollect(fleet.failures)
  const unreachable = failures.map(({ name, reason }) => ({ id: name, reason }))
  return yield* new HostsUnreachable({ hosts, least, unreachable })
})
