/** A diagnosis as a person reads it: what was seen, then the findings, and last whether a session would work. Pure. */
import { kib } from "../ops/Findings.ts"
import * as Rates from "../ops/Rates.ts"
import type { Crowd, Diagnosis, Finding, Firewall, Here, There } from "../report/Diagnosis.ts"
import * as Format from "./Format.ts"

/** All that there is to say. */
export const lines = ({ crowd, findings, here }: Diagnosis): ReadonlyArray<string> => [
  `this machine: ${here.interface} (${here.address}), group ${here.group}`,
  ...facts(here),
  ...(crowd === undefined ? [] : crowded(crowd)),
  "",
  ...findings.flatMap(told),
  verdict(findings, crowd)
]

const nameColumns = 20

const fact = (name: string, value: string): string => `  ${Format.pad(name, nameColumns)} ${Format.safe(value)}`

const facts = (here: Here): ReadonlyArray<string> => [
  fact("MTU", `${here.mtuBytes} bytes`),
  fact("multicast flag", word(here.multicasts, "set", "not set")),
  fact("hears itself", word(here.hearsItself, "yes", "no")),
  fact("receive buffer", kib(here.receiveBufferBytes)),
  fact("segmentation offload", here.offload ?? "yes"),
  fact("firewall", here.unread === undefined ? wallOf(here) : "could not be read"),
  fact("another master", here.otherMaster ?? "none heard"),
  fact("other interfaces", here.others.length === 0 ? "none" : here.others.join(", "))
]

const word = (is: boolean | undefined, yes: string, no: string): string =>
  is === undefined ? "unknown" : is ? yes : no

const walls = { Passes: "passes", MayDrop: "may be dropped", Drops: "is dropped" } as const

const beyond = ({ longerThan }: Firewall): string => (longerThan === undefined ? "" : ` beyond ${longerThan} bytes`)

const wallOf = ({ answersIn, groupIn, groupOut }: Here): string =>
  (
    [
      ["what comes from masters", groupIn],
      ["what comes from catchers", answersIn],
      ["what goes to the group", groupOut]
    ] as const
  )
    .flatMap(([what, of]) => (of === undefined ? [] : [`${what} ${walls[of.verdict]}${beyond(of)}`]))
    .join(", ")

// ---- the catchers ----

/** Catchers that are listed; of more there are only the findings. */
const listed = 40

const crowded = (crowd: Crowd): ReadonlyArray<string> => {
  const { catchers, queries, unheardQueries } = crowd
  const asked =
    queries === undefined
      ? `cannot be heard (${unheardQueries})`
      : `${queries.count} in ${Math.round(queries.seconds)} s`
  const source = queries?.from === undefined ? "" : `, the last from ${queries.from}`
  const rows = catchers.slice(0, listed).map(rowOf)
  return [
    "",
    `${Format.plural(catchers.length, "catcher")} joined within ${Format.seconds(crowd.waitedMillis / 1000)}`,
    fact("IGMP queries", `${asked}${source}`),
    ...(rows.length === 0 ? [] : table([head, ...rows])),
    ...(catchers.length > listed ? [`  ... and ${catchers.length - listed} more`] : [])
  ]
}

const head = ["", "", "packets", "lost", "takes", "answers", "buffer"]

const rowOf = (catcher: There): ReadonlyArray<string> => {
  const { address, answered, asked, id, packetBytes, receiveBufferBytes } = catcher
  const found = Rates.taken(catcher.steps)
  return [
    Format.name(id),
    Format.safe(address),
    `${packetBytes} B`,
    found === undefined ? "?" : `${(found.lost * 100).toFixed(1)} %`,
    found === undefined ? "?" : `${Format.rate(found.bytesPerSecond)}${found.isAll ? "" : "+"}`,
    `${answered}/${asked}`,
    kib(receiveBufferBytes)
  ]
}

const table = (rows: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => Format.width(row[column]))))
  return rows.map((row) =>
    `  ${row.map((cell, column) => (column < 2 ? Format.pad(cell, widths[column]) : cell.padStart(widths[column]))).join("  ")}`.trimEnd()
  )
}

// ---- the findings ----

const marks = { Stops: "STOPS", Hinders: "hinders", Note: "note" } as const

const told = ({ means, mend, seen, severity }: Finding): ReadonlyArray<string> => [
  `${Format.pad(marks[severity], 8)} ${Format.safe(seen)}`,
  `         ${Format.safe(means)}`,
  ...(mend === undefined ? [] : [`         -> ${Format.safe(mend)}`]),
  ""
]

const verdict = (findings: ReadonlyArray<Finding>, crowd: Crowd | undefined): string => {
  if (findings.some(({ severity }) => severity === "Stops")) return "A session would not work."
  return crowd === undefined
    ? `Nothing on this machine would stop a session. With --catchers N the network is looked at as well.`
    : "A session would work."
}
