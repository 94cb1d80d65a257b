/**
 * What a person sees of a session. `step` folds the session's events into a view and says which lines to print for good;
 * `picture` draws the view as it stands. Pure: the same for a terminal, a pipe and a test.
 */
import type * as Progress from "../Progress.ts"
import * as Limits from "../protocol/Limits.ts"
import * as Format from "./Format.ts"
import * as Summary from "./Summary.ts"

export type Role = "Send" | "Catch"
export type Verbosity = "Quiet" | "Normal" | "Verbose"

export interface Line {
  readonly to: "out" | "err"
  readonly text: string
}

type Of<Tag extends Progress.Event["_tag"]> = Extract<Progress.Event, { readonly _tag: Tag }>
/** Kinds of lines that could come by the thousand. */
type Many = "Joined" | "Refused" | "Lost" | "Failed" | "Note"

export interface View {
  readonly role: Role
  readonly verbosity: Verbosity
  /** The group and interface, for people. */
  readonly where: string
  /** Can Enter be typed, to begin with those here? */
  readonly hasKeys: boolean
  readonly waiting: { readonly joined: number; readonly wanted: number } | undefined
  readonly started: Of<"Started"> | undefined
  readonly tick: Of<"Tick"> | undefined
  /** Ticks of the last seconds, oldest first: the rate. */
  readonly recent: ReadonlyArray<{ readonly seconds: number; readonly bytes: number }>
  readonly told: { readonly [K in Many]: number }
  /** The last tenth of the way that was told. */
  readonly tenths: number
}

export const initial = (options: {
  readonly role: Role
  readonly verbosity: Verbosity
  readonly where: string
  readonly hasKeys?: boolean
}): View => ({
  hasKeys: false,
  ...options,
  waiting: undefined,
  started: undefined,
  tick: undefined,
  recent: [],
  told: { Joined: 0, Refused: 0, Lost: 0, Failed: 0, Note: 0 },
  tenths: 0
})

/** Lines of one kind before the rest is only counted (all with -v). */
const linesOfAKind = 20
/** The same with -q: the last line says how many there were. */
const quietLinesOfAKind = 3
const recentSeconds = 5
const recentTicks = 64

type Step = readonly [View, ReadonlyArray<Line>]

export const step = (view: View, event: Progress.Event): Step => {
  switch (event._tag) {
    case "Scanned":
      return say(view, `${contents(event)} to send`)
    case "Waiting": {
      const next = { ...view, waiting: event }
      if (view.waiting !== undefined) return [next, []]
      return view.role === "Send"
        ? say(next, `waiting on ${view.where} for ${wantedOf(event)}`)
        : say(next, `waiting on ${view.where} for a master`)
    }
    case "Joined": {
      const who = whoIs(event)
      const text =
        view.role === "Send"
          ? `joined: ${who}${event.joined <= event.wanted ? `, ${numberOf(event)}` : ""}`
          : `joined the session of ${who}`
      return many({ ...view, waiting: { joined: event.joined, wanted: event.wanted } }, "Joined", "out", text)
    }
    case "Refused":
      return many(view, "Refused", "err", `refused: ${whoIs(event)}: ${Format.safe(event.reason)}`)
    case "Started": {
      const next = { ...view, started: event }
      // Its files are those on the air, bundles among them: a number that nobody else knows.
      const what = Format.bytes(event.bytes)
      return say(
        next,
        view.role === "Send"
          ? `session ${event.session}: sending ${what} to ${Format.plural(event.catchers, "catcher")}`
          : `session ${event.session}: receiving ${what}`
      )
    }
    case "Tick": {
      const from = event.seconds - recentSeconds
      const recent = [...view.recent.filter((tick) => tick.seconds >= from), event].slice(-recentTicks)
      const tenths = Math.floor(Format.percent(event.bytes, event.total) / 10)
      const next = { ...view, tick: event, recent, tenths: Math.max(tenths, view.tenths) }
      return view.verbosity === "Verbose" && tenths > view.tenths
        ? say(next, `${tenths * 10} %: ${Format.bytes(event.bytes)} in ${Format.seconds(event.seconds)}`)
        : [next, []]
    }
    case "Lost":
      return many(view, "Lost", "err", `lost: ${whoIs(event)}: ${Format.safe(event.reason)}`)
    case "Failed": {
      const where = event.catcher === undefined ? "" : `${Format.name(event.catcher)}: `
      return many(view, "Failed", "err", `failed: ${where}${Format.safe(event.path)}: ${Format.safe(event.reason)}`)
    }
    case "Note":
      return view.verbosity === "Quiet" ? [view, []] : many(view, "Note", "err", `note: ${Format.safe(event.message)}`)
    case "Report": {
      // A session that never began ends with an error that says it all.
      if (view.started === undefined) return [view, []]
      const quiet = view.verbosity === "Quiet"
      const lines = Summary.lines(event, view.role, view.verbosity === "Verbose").map((text): Line => ({
        to: "out",
        text
      }))
      return [view, quiet ? [] : lines]
    }
  }
}

const say = (view: View, text: string): Step => [view, view.verbosity === "Quiet" ? [] : [{ to: "out", text }]]

const many = (view: View, kind: Many, to: "out" | "err", text: string): Step => {
  const told = view.told[kind] + 1
  const next = { ...view, told: { ...view.told, [kind]: told } }
  // Good news is not told with -q; bad news is.
  if (to === "out" && view.verbosity === "Quiet") return [next, []]
  const bound = view.verbosity === "Quiet" ? quietLinesOfAKind : linesOfAKind
  if (view.verbosity === "Verbose" || told <= bound) return [next, [{ to, text }]]
  return [next, told === bound + 1 ? [{ to, text: "... and more (all of them with -v)" }] : []]
}

const contents = (tree: {
  readonly files: number
  readonly directories: number
  readonly links: number
  readonly bytes: number
}): string =>
  [
    Format.plural(tree.files, "file"),
    tree.directories > 0 ? Format.plural(tree.directories, "directory", "directories") : "",
    tree.links > 0 ? Format.plural(tree.links, "link") : "",
    Format.bytes(tree.bytes)
  ]
    .filter((part) => part !== "")
    .join(", ")

/** "3 of 12", or "3", where as many are waited for as come. */
const numberOf = ({ joined, wanted }: { readonly joined: number; readonly wanted: number }): string =>
  wanted < Limits.slots ? `${joined} of ${wanted}` : String(joined)

const wantedOf = ({ wanted }: { readonly wanted: number }): string =>
  wanted < Limits.slots ? Format.plural(wanted, "catcher") : "catchers"

const whoIs = (who: { readonly id: string; readonly address: string }): string =>
  who.id === "" || who.id === who.address
    ? Format.safe(who.address)
    : `${Format.name(who.id)} (${Format.safe(who.address)})`

// ---- the picture ----

/** With more catchers than this, only the slowest few have a line. */
const catcherLines = 10
const slowestLines = 5
const barColumns = 30

export const picture = (
  view: View,
  size: { readonly columns: number; readonly rows: number }
): ReadonlyArray<string> => {
  const columns = Math.max(1, size.columns - 1)
  const lines = view.tick === undefined ? before(view) : [bar(view, view.tick, columns), ...catchers(view.tick)]
  // One row stays for the cursor: a picture taller than the terminal could not be drawn over.
  return lines.slice(0, Math.max(1, size.rows - 1)).map((line) => Format.fit(line, columns))
}

const before = (view: View): ReadonlyArray<string> => {
  if (view.started !== undefined)
    return [view.role === "Send" ? "sending the list of files" : "receiving the list of files"]
  if (view.waiting === undefined) return view.role === "Send" ? ["reading the tree"] : []
  return view.role === "Send"
    ? [
        `waiting on ${view.where}: ${view.waiting.joined} of ${Format.plural(view.waiting.wanted, "catcher")} joined`,
        ...(view.hasKeys ? ["Enter begins with those that have joined"] : [])
      ]
    : [`waiting on ${view.where} for a master`]
}

/** Bytes per second over the last seconds; undefined before there are two ticks. */
export const rateOf = (view: View): number | undefined => {
  const first = view.recent[0]
  const last = view.recent[view.recent.length - 1]
  return first === undefined || last.seconds <= first.seconds
    ? undefined
    : Math.max(0, last.bytes - first.bytes) / (last.seconds - first.seconds)
}

const bar = (view: View, tick: Of<"Tick">, columns: number): string => {
  const percent = Format.percent(tick.bytes, tick.total)
  const rate = rateOf(view)
  const left =
    tick.bytes >= tick.total
      ? "finishing"
      : rate === undefined || rate === 0
        ? "-:-- left"
        : `${Format.clock((tick.total - tick.bytes) / rate)} left`
  const repaired = tick.repairedPages > 0 ? `  ${Format.plural(tick.repairedPages, "page")} repaired` : ""
  const speed = rate === undefined ? "" : `  ${Format.rate(rate).padStart(9)}`
  const numbers = `${Format.bytes(tick.bytes)} of ${Format.bytes(tick.total)}${speed}  ${left}`
  const head = `${String(percent).padStart(3)} % `
  const room = columns - Format.width(head) - Format.width(numbers) - Format.width(repaired) - 3
  if (room < 8) return `${head} ${numbers}${repaired}`
  const cells = Math.min(barColumns, room)
  const full = Math.floor((cells * percent) / 100)
  return `${head}[${"=".repeat(full)}${" ".repeat(cells - full)}] ${numbers}${repaired}`
}

const stateWords = {
  Receiving: "receiving",
  Slow: "slow",
  Complete: "complete",
  Partial: "partial",
  Lost: "lost"
} as const

const catchers = (tick: Of<"Tick">): ReadonlyArray<string> => {
  if (tick.catchers.length <= catcherLines) return tick.catchers.map(line(tick.catchers, tick.total))
  const counts = Object.entries(stateWords)
    .map(([state, word]) => [tick.catchers.filter((one) => one.state === state).length, word] as const)
    .filter(([n]) => n > 0)
    .map(([n, word]) => `${Format.count(n)} ${word}`)
  const slowest = tick.catchers
    .filter((one) => one.state === "Receiving" || one.state === "Slow")
    .sort((a, b) => a.bytes - b.bytes)
    .slice(0, slowestLines)
  return [
    `  ${Format.plural(tick.catchers.length, "catcher")}: ${counts.join(", ")}${slowest.length > 0 ? "; the slowest:" : ""}`,
    ...slowest.map(line(slowest, tick.total))
  ]
}

const nameColumns = 24

const line = (all: ReadonlyArray<Progress.CatcherView>, total: number) => {
  const widest = Math.min(nameColumns, Math.max(...all.map((one) => Format.width(Format.name(one.id)))))
  return (one: Progress.CatcherView): string => {
    const id = Format.pad(Format.fit(Format.name(one.id), widest), widest)
    const percent = `${Format.percent(one.bytes, total)} %`.padStart(5)
    return `  ${id}  ${percent}  ${stateWords[one.state].padEnd(9)}  ${Format.plural(one.files, "file")}, ${Format.bytes(one.bytes)}`
  }
}
