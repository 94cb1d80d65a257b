/** A report as a person reads it, in a few lines. Pure. */
import { isWell } from "./ExitStatus.ts"
import type { CatcherReport, Report } from "./Report.ts"
import * as Format from "./Format.ts"

/** Catchers, and failures of one catcher, before the rest is only counted (all with -v). */
const listed = 10

export const lines = (report: Report, role: "Send" | "Catch", all: boolean): ReadonlyArray<string> => {
  const bound = all ? Number.POSITIVE_INFINITY : listed
  const out = report.isDryRun === true ? foreseen(report, role) : role === "Send" ? sent(report) : received(report)
  const incomplete = report.catchers.filter(({ state }) => !isWell(state))
  for (const one of incomplete.slice(0, bound)) {
    out.push(`  ${catcher(one, report, role)}`)
    out.push(...list(one.failures, bound, "    "))
  }
  if (incomplete.length > bound)
    out.push(`  ... and ${Format.count(incomplete.length - bound)} more (all of them with -v)`)
  for (const { changes, id, vetoed = [] } of report.catchers
    .filter(({ vetoed }) => vetoed !== undefined)
    .slice(0, bound)) {
    const whose = role === "Send" ? ` of ${Format.name(id)}` : ""
    out.push(
      `  refused by the owner${whose}: ${Format.plural(changes?.vetoed ?? vetoed.length, "entry or name", "entries and names")}`
    )
    out.push(...list(vetoed, bound, "    "))
  }
  const behind = report.catchers.filter((one) => one.straggled !== undefined && one.state !== "Lost")
  for (const one of behind.slice(0, bound)) {
    const pages = `${Format.count(one.missingPages)} pages asked for again`
    out.push(`  behind the others: ${Format.name(one.id)} (${one.straggled}, ${pages})`)
  }
  if (behind.length > bound)
    out.push(`  ... and ${Format.count(behind.length - bound)} more behind (all of them with -v)`)
  for (const [heading, failures] of [
    [role === "Send" ? "not sent to anybody:" : "not sent by the master:", unsentOf(report)],
    ["sent, and yet:", report.failures.filter(({ arrived }) => arrived === true)]
  ] as const) {
    if (failures.length > 0) out.push(heading, ...list(failures, bound, "  "))
  }
  if (report.skipped > 0)
    out.push(`skipped: ${Format.plural(report.skipped, "entry that is not sent", "entries that are not sent")}`)
  return out
}

/** What nobody has; what else failed has arrived, not as it is now. */
const unsentOf = ({ failures }: Report): Report["failures"] => failures.filter(({ arrived }) => arrived !== true)

const nothing = "nothing"

const tree = (report: Report): string => {
  if (report.files + report.directories + report.links + report.specials === 0) return nothing
  return counted(report).join(", ")
}

/** What a tree has, each as what it is; files also where there are none. */
export const counted = (tree: Pick<Report, "files" | "directories" | "links" | "specials">): ReadonlyArray<string> => [
  Format.plural(tree.files, "file"),
  ...(tree.directories > 0 ? [Format.plural(tree.directories, "directory", "directories")] : []),
  ...(tree.links > 0 ? [Format.plural(tree.links, "link")] : []),
  ...(tree.specials > 0 ? [Format.plural(tree.specials, "special file")] : [])
]

const speed = (bytes: number, seconds: number): string =>
  seconds > 0 ? `${Format.seconds(seconds)}, ${Format.rate(bytes / seconds)}` : Format.seconds(seconds)

const sent = (report: Report): Array<string> => {
  const { needed, sent } = report.pages
  const { bytes, what } = toSend(report)
  // A session that was ended early has sent a part, and its speed is that of the part. Of nothing there is no part.
  const isPart = needed > sent && bytes > 0
  const done = isPart ? bytes * (sent / needed) : bytes
  const saved = isPart ? undefined : savedOf(report)
  const seconds = saved === undefined ? speed(done, report.seconds) : Format.seconds(report.seconds)
  const much = `${Format.bytes(done)} in ${seconds}${deletedOf(report)}`
  return [
    `sent ${isPart ? `${Format.percent(sent, needed)} % of ` : ""}${what(isPart)}: ${much}`,
    ...(saved === undefined ? [] : [saved]),
    ...pagesOf(report)
  ]
}

/** What went out, as rsync says it, where that is less than the tree; undefined: it is not. */
const savedOf = ({ bytes, catchers, seconds, selected, sentBytes }: Report): string | undefined => {
  if (selected === undefined || !catchers.some(({ state }) => isWell(state))) return undefined
  if (sentBytes === undefined || sentBytes === 0 || sentBytes >= bytes) return undefined
  const rate = seconds > 0 ? `, ${Format.rate(sentBytes / seconds)}` : ""
  const speedup = (bytes / sentBytes).toFixed(2)
  return `sent ${Format.bytes(sentBytes)} of pages${rate}; total size is ${Format.bytes(bytes)}, speedup is ${speedup}`
}

/** Is that the tree? Then the words are those of a copy: a hard link is one of its files, and nothing that is sent. */
const isWhole = (part: Pick<Report, "bytes" | "files">, { bytes, files }: Report): boolean =>
  part.bytes >= bytes && (part.files > 0 || files === 0)

/** What was to be sent: the tree, or the part of it that some catcher lacked. */
const toSend = (report: Report): { readonly bytes: number; readonly what: (isPart: boolean) => string } => {
  const { selected } = report
  if (selected === undefined || isWhole(selected, report))
    return { bytes: report.bytes, what: (isPart) => `${tree(report)}${isPart ? "" : unheld(report)}` }
  const files = selected.files === 0 ? nothing : Format.plural(selected.files, "file")
  const what = `${files} of ${tree(report)}`
  return { bytes: selected.bytes, what: (isPart) => (isPart ? `what was lacked (${what})` : what) }
}

/** Names that are gone, at all catchers of the report together. */
const deletedOf = ({ catchers }: Report): string => {
  const deleted = catchers.reduce((sum, { changes }) => sum + (changes?.deleted ?? 0), 0)
  return deleted === 0 ? "" : `, ${Format.count(deleted)} deleted`
}

const pagesOf = (report: Report): ReadonlyArray<string> => {
  const { needed, parity, repaired, sent } = report.pages
  const more = needed > 0 && sent > needed ? ` (${(((sent - needed) / needed) * 100).toFixed(1)} % more)` : ""
  return [
    `pages: ${Format.count(needed)} needed, ${Format.count(sent)} sent${more}, ${Format.count(repaired)} repaired, ${Format.count(parity)} parity`,
    `${Format.plural(report.catchers.length, "catcher")}: ${states(report)}`
  ]
}

/** What a dry run has found: alone, and for all together. */
const foreseen = (report: Report, role: "Send" | "Catch"): Array<string> => {
  const { catchers, foreseen, selected } = report
  const rate = foreseen?.rate
  const inTime = (bytes: number) => (rate === undefined ? "" : `, ${Format.clock(bytes / rate)}`)
  const each = catchers.flatMap(({ changes, id }) => {
    if (changes === undefined) return []
    const { bytes, created, deleted, described, files, kept, updated, vetoed } = changes
    const parts = [
      ...[`${Format.count(created)} new`, `${Format.count(updated)} changed`],
      ...(described > 0 ? [`${Format.count(described)} with other mode, owner or time`] : []),
      ...(kept > 0 ? [`${Format.count(kept)} kept`] : []),
      ...(deleted > 0 ? [`${Format.count(deleted)} to be deleted`] : []),
      ...(vetoed > 0 ? [`${Format.count(vetoed)} refused by its owner`] : [])
    ]
    const much = `${Format.plural(files, "file")}, ${Format.bytes(bytes)}${inTime(bytes)}`
    return [`  ${Format.name(id)} lacks ${much}: ${parts.join(", ")}`]
  })
  if (role === "Catch" || foreseen === undefined || selected === undefined)
    return ["dry run: nothing was changed", ...each]
  const at = rate === undefined ? " (--bwlimit RATE tells how long)" : ` at ${Format.rate(rate)}`
  const { oneByOneBytes } = foreseen
  return [
    `dry run, nothing was changed: once for all ${Format.plural(selected.files, "file")}, ${Format.bytes(selected.bytes)} at most${inTime(selected.bytes)}${at}`,
    `one by one, to ${Format.plural(catchers.length, "catcher")}: ${Format.bytes(oneByOneBytes)} at most${inTime(oneByOneBytes)}`,
    ...each
  ]
}

/** What went out need not be anywhere. */
const unheld = (report: Report): string => {
  const { catchers, files } = report
  if (catchers.some(({ state }) => isWell(state)) || tree(report) === nothing) return ""
  return `, which no catcher has${files > 0 && catchers.every((one) => one.files === 0) ? "" : " whole"}`
}

const received = (report: Report): Array<string> => {
  const self = report.catchers[0]
  const arrived = arrivedOf(report)
  const { bytes } = arrived
  const files = self !== undefined && isWell(self.state) && isWhole(arrived, report) ? report.files : arrived.files
  const what = files === 0 && report.files > 0 && self?.changes !== undefined ? nothing : Format.count(files)
  const much = `${Format.bytes(bytes)} in ${speed(bytes, report.seconds)}`
  return [
    `received ${what} of ${Format.plural(report.files, "file")}: ${much}${deletedOf(report)}`,
    `pages: ${Format.count(report.pages.needed)} needed, ${Format.count(self?.missingPages ?? 0)} asked for again`
  ]
}

/** What has come in a session: not what stood here before it. */
const arrivedOf = (report: Report): { readonly files: number; readonly bytes: number } => {
  const [self] = report.catchers
  if (self?.changes === undefined || isWell(self.state)) return self?.changes ?? self ?? report
  const beyond = (of: "files" | "bytes", lacked: number) =>
    Math.min(lacked, Math.max(0, self[of] - (report[of] - lacked)))
  return { files: beyond("files", self.changes.files), bytes: beyond("bytes", self.changes.bytes) }
}

const states = (report: Report): string =>
  (["Complete", "Limited", "Partial", "Lost", "Absent", "Unreachable"] as const)
    .map((state) => [report.catchers.filter((one) => one.state === state).length, state] as const)
    .filter(([n]) => n > 0)
    .map(
      ([n, state]) =>
        `${Format.count(n)} ${state === "Complete" && unsentOf(report).length > 0 ? have(n) : state.toLowerCase()}`
    )
    .join(", ") || "none"

/** A catcher that lacks what could not be sent is not complete: it says so itself. */
const have = (n: number): string => `${n === 1 ? "has" : "have"} all that could be sent`

const catcher = (one: CatcherReport, report: Report, role: "Send" | "Catch"): string => {
  if (one.state === "Absent" || one.state === "Unreachable") return `${one.state.toLowerCase()}: ${Format.name(one.id)}`
  const who = role === "Catch" ? "" : ` ${Format.name(one.id)} (${Format.safe(one.address)})`
  return `${one.state.toLowerCase()}:${who} has ${Format.count(one.files)} of ${Format.plural(report.files, "file")}`
}

const list = (
  failures: ReadonlyArray<{ readonly path: string; readonly reason: string }>,
  bound: number,
  indent: string
): ReadonlyArray<string> => {
  const out = failures
    .slice(0, bound)
    .map((f) => `${indent}${f.path === "" ? "" : `${Format.safe(f.path)}: `}${Format.safe(f.reason)}`)
  if (failures.length > bound)
    out.push(`${indent}... and ${Format.count(failures.length - bound)} more (all of them with -v)`)
  return out
}
