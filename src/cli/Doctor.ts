/** `mrsync doctor`: what of this machine and its network would keep a session from working, and what mends it. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as CrowdFindings from "../ops/CrowdFindings.ts"
import * as Examining from "../ops/Examining.ts"
import * as Findings from "../ops/Findings.ts"
import { overheadBytes } from "../protocol/group/Reach.ts"
import * as Limits from "../protocol/Limits.ts"
import type { Crowd, Diagnosis, Finding, Here, Queries } from "../report/Diagnosis.ts"
import { exitStatus } from "../report/ExitStatus.ts"
import * as Exchange from "../session/Exchange.ts"
import type { Heard } from "../system/Igmp.ts"
import * as Diagnosed from "./Diagnosed.ts"
import * as HostList from "./HostList.ts"
import * as Keyring from "./Keyring.ts"
import * as LastLine from "./LastLine.ts"
import { Machine, type Network, type TransportKind } from "./Machine.ts"
import type * as Parse from "./Parse.ts"
import * as Reporter from "./Reporter.ts"
import { Screen } from "./Screen.ts"
import * as Send from "./Send.ts"
import * as Session from "./Session.ts"
import { Incomplete, UsageError } from "./Status.ts"

export interface Input extends Keyring.Given {
  readonly group: Parse.Group
  readonly network: string | undefined
  readonly transport: TransportKind
  readonly catchers: number | undefined
  readonly hosts: string | undefined
  readonly waitMillis: number | undefined
  readonly watchMillis: number
  readonly bwlimit: number | undefined
  readonly ttl: number
  readonly json: boolean
}

export const doctor = Effect.fn("cli.doctor")(function* (input: Input) {
  const machine = yield* Machine
  const keep = yield* LastLine.Keeper
  const screen = yield* Screen
  yield* Effect.fromResult(checked(input))
  const network = yield* machine.network(input.network)
  const diagnosis = yield* Session.logged("Normal")(diagnose(input, network))
  if (input.json) keep(diagnosis)
  else for (const line of Diagnosed.lines(diagnosis)) screen.print("out", line)
  const worst = diagnosis.findings.find(({ severity }) => severity === "Stops")
  if (worst !== undefined)
    return yield* new Incomplete({ status: statusOf(worst), reason: `no session would work: ${worst.seen}` })
})

const usage = (reason: string) => new UsageError({ command: "doctor", reason })

/** Are catchers waited for? */
const isWithCatchers = ({ catchers, hosts, waitMillis }: Input): boolean =>
  catchers !== undefined || hosts !== undefined || waitMillis !== undefined

const checked = (input: Input): Result.Result<void, UsageError> => {
  if (input.hosts !== undefined && input.catchers !== undefined)
    return Result.fail(usage("--hosts and --catchers contradict each other: a list of hosts is also their number"))
  return input.watchMillis > 0 && !isWithCatchers(input)
    ? Result.fail(usage("--watch needs catchers to watch: say how many with --catchers, or who with --hosts"))
    : Result.void
}

/** The exit status that says why no session would work. */
const statusOf = ({ catchers, id }: Finding): number => {
  if (id === "busy") return exitStatus.protocol
  if (["nobody", "away", "too-few"].includes(id)) return exitStatus.timeout
  return catchers === undefined ? exitStatus.socket : exitStatus.partial
}

const diagnose = Effect.fnUntraced(function* (input: Input, network: Network) {
  const here = yield* Session.observe(input, network, isWithCatchers(input) ? "Master" : "Either")
  // that session's catchers are not for us, and nothing that is said here would come back
  const isInVain = here.otherMaster !== undefined || here.unsent !== undefined
  if (!isWithCatchers(input) || isInVain) return diagnosisOf(here)
  return yield* examined(input, network).pipe(
    Effect.map((crowd) => diagnosisOf(here, crowd)),
    Effect.catchTag("GroupBusy", ({ address }) => Effect.succeed(diagnosisOf({ ...here, otherMaster: address })))
  )
})

const diagnosisOf = (here: Here, crowd?: Crowd): Diagnosis => ({
  _tag: "Diagnosis",
  here,
  ...(crowd === undefined ? {} : { crowd }),
  findings: Findings.bySeverity([
    ...Findings.ofHere(here),
    ...(crowd === undefined ? [] : CrowdFindings.ofCrowd(crowd))
  ])
})

/** The catchers that join, and meanwhile the queries of IGMP. */
const examined = Effect.fnUntraced(function* (input: Input, network: Network) {
  const machine = yield* Machine
  const { fresh, protection } = yield* Keyring.forMaster(input, input.json)
  yield* Session.warn(protection)
  const hosts = input.hosts === undefined ? undefined : yield* HostList.names("doctor", input.hosts)
  const waitMillis = input.waitMillis ?? Limits.defaultWaitMillis
  if (fresh !== undefined) yield* Send.tellPhrase(fresh, input, waitMillis)
  const isCounted = input.catchers !== undefined || hosts !== undefined
  const options: Examining.Options = {
    ...{ catchers: input.catchers, hosts, waitMillis, watchMillis: input.watchMillis },
    pageBytes: Math.min(network.mtuBytes - overheadBytes, Limits.maxPageBytes),
    bytesPerSecond: input.bwlimit ?? Infinity,
    ...(isCounted ? {} : { atMostMillis: waitMillis })
  }
  const layers = Layer.mergeAll(
    Layer.succeed(Exchange.MasterProtection, protection),
    machine.master({ ...input.group, transport: input.transport, network, follows: input.network, ttl: input.ttl }),
    Reporter.layer({
      ...{ role: "Send", where: Session.whereOf(input.group, network), verbosity: "Normal" },
      ...{ json: input.json, live: false }
    })
  )
  return yield* Effect.scoped(
    Effect.gen(function* () {
      const startedMillis = yield* Clock.currentTimeMillis
      const heard = yield* Effect.result(machine.queries(network.name))
      const crowd = yield* Effect.provide(Examining.examine(options), layers)
      const nowMillis = yield* Clock.currentTimeMillis
      return { ...crowd, ...queried(heard, (nowMillis - startedMillis) / 1000) } satisfies Crowd
    })
  )
})

const queried = (heard: Result.Result<Heard, string>, seconds: number): Pick<Crowd, "queries" | "unheardQueries"> =>
  Result.match(heard, {
    onFailure: (unheardQueries) => ({ unheardQueries }),
    onSuccess: ({ count, from }): { readonly queries: Queries } => ({ queries: { seconds, count, from } })
  })
