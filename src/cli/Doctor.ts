/** `mrsync doctor`: what of this machine and its network would keep a session from working, and what mends it. */
import * as Effect from "effect/Effect"
import * as Findings from "../ops/Findings.ts"
import type { Diagnosis, Finding, Here } from "../report/Diagnosis.ts"
import { exitStatus } from "../report/ExitStatus.ts"
import * as Format from "./Format.ts"
import * as LastLine from "./LastLine.ts"
import { Machine, type TransportKind } from "./Machine.ts"
import type * as Parse from "./Parse.ts"
import { Screen } from "./Screen.ts"
import * as Session from "./Session.ts"
import { Incomplete } from "./Status.ts"

export interface Input {
  readonly group: Parse.Group
  readonly network: string | undefined
  readonly transport: TransportKind
  readonly json: boolean
}

export const doctor = Effect.fn("cli.doctor")(function* (input: Input) {
  const machine = yield* Machine
  const keep = yield* LastLine.Keeper
  const screen = yield* Screen
  const network = yield* machine.network(input.network)
  const here = yield* Session.logged("Normal")(Session.observe(input, network, "Either"))
  const diagnosis: Diagnosis = { _tag: "Diagnosis", here, findings: Findings.ofHere(here) }
  if (input.json) keep(diagnosis)
  else for (const line of lines(diagnosis)) screen.print("out", line)
  const worst = diagnosis.findings.find(({ severity }) => severity === "Stops")
  if (worst !== undefined)
    return yield* new Incomplete({ status: statusOf(worst), reason: `no session would work: ${worst.seen}` })
})

/** The exit status that says why no session would work. */
const statusOf = ({ id }: Finding): number => (id === "busy" ? exitStatus.protocol : exitStatus.socket)

// ---- what a person sees ----

/** All that there is to say. */
const lines = ({ findings, here }: Diagnosis): ReadonlyArray<string> => [
  `this machine: ${here.interface} (${here.address}), group ${here.group}`,
  ...facts(here).map(([name, value]) => `  ${Format.pad(name, 20)} ${Format.safe(value)}`),
  "",
  ...findings.flatMap(told),
  verdict(findings)
]

const facts = (here: Here): ReadonlyArray<readonly [name: string, value: string]> => [
  ["MTU", `${here.mtuBytes} bytes`],
  ["carrier", word(here.hasCarrier, "yes", "no")],
  ["multicast flag", word(here.multicasts, "set", "not set")],
  ["hears itself", word(here.hearsItself, "yes", "no")],
  ["receive buffer", `${Math.round(here.receiveBufferBytes / 1024)} KiB`],
  ["segmentation offload", here.offload ?? "yes"],
  ["firewall", here.unread === undefined ? wallOf(here) : "could not be read"],
  ["another master", here.otherMaster ?? "none heard"],
  ["other interfaces", here.others.length === 0 ? "none" : here.others.join(", ")]
]

const word = (is: boolean | undefined, yes: string, no: string): string =>
  is === undefined ? "unknown" : is ? yes : no

const walls = { Passes: "passes", MayDrop: "may be dropped", Drops: "is dropped" } as const

const wallOf = ({ answersIn, groupIn, groupOut }: Here): string =>
  [
    ["what a master says", groupIn],
    ["answers", answersIn],
    ["what leaves", groupOut]
  ]
    .flatMap(([what, of]) =>
      of === undefined || typeof of === "string" ? [] : [`${String(what)} ${walls[of.verdict]}`]
    )
    .join(", ")

const marks = { Stops: "STOPS", Hinders: "hinders", Note: "note" } as const

const told = ({ means, mend, seen, severity }: Finding): ReadonlyArray<string> => [
  `${Format.pad(marks[severity], 8)} ${Format.safe(seen)}`,
  `         ${Format.safe(means)}`,
  ...(mend === undefined ? [] : [`         -> ${Format.safe(mend)}`]),
  ""
]

const verdict = (findings: ReadonlyArray<Finding>): string =>
  findings.some(({ severity }) => severity === "Stops")
    ? "A session would not work."
    : "Nothing on this machine would stop a session."
