/**
 * What a person sees of a session. `step` folds the session's events into a view and says which lines to print for good;
 * Picture draws the view as it stands. Pure: the same for a terminal, a pipe and a test.
 */
import type * as Progress from "../report/Progress.ts"
import * as Format from "./Format.ts"
import * as Summary from "./Summary.ts"

export type Role = "Send" | "Catch"
export type Verbosity = "Quiet" | "Normal" | "Verbose"

export interface Line {
  readonly to: "out" | "err"
  readonly text: string
}

export type Of<Tag extends Progress.Event["_tag"]> = Extract<Progress.Event, { readonly _tag: Tag }>
/** Kinds of lines that could come by the thousand. */
type Many = "Joined" | "Refused" | "Lost" | "Failed" | "Note"

export interface View {
  readonly role: Role
  readonly verbosity: Verbosity
  /** The group and interface, for people. */
  readonly where: string
  /** Can Enter be typed, to begin with those here? */
  readonly hasKeys: boolean
  /** By a clock that only goes on, as of the last event. */
  readonly nowMillis: number
  /** When it began, and when Picture's `beat` has said last how it stands. */
  readonly startedMillis: number | undefined
  readonly saidMillis: number
  readonly waiting:
    | {
        readonly joined: number
        readonly wanted: number | undefined
        readonly absent: ReadonlyArray<string>
        /** undefined: forever. */
        readonly untilMillis: number | undefined
      }
    | undefined
  readonly started: Of<"Started"> | undefined
  readonly tick: Of<"Tick"> | undefined
  /** Ticks of the last seconds, oldest first: the rate. */
  readonly recent: ReadonlyArray<Pick<Of<"Tick">, "seconds" | "bytes" | "sentBytes">>
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
  nowMillis: 0,
  startedMillis: undefined,
  saidMillis: 0,
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

/** The view at another time. */
export const at = (view: View, nowMillis: number): View =>
  view.startedMillis === undefined
    ? { ...view, nowMillis, startedMillis: nowMillis, saidMillis: nowMillis }
    : { ...view, nowMillis }

export type Step = readonly [View, ReadonlyArray<Line>]

/** A change, as rsync has it, after the catcher's name. */
const itemized = ({ catcher, changes, path, to }: Extract<Progress.Event, { readonly _tag: "Itemized" }>): string => {
  const linked = to === undefined ? "" : ` ${changes.startsWith("h") ? "=>" : "->"} ${Format.safe(to)}`
  return `${Format.name(catcher)} ${changes.padEnd(11)} ${Format.safe(path)}${linked}`
}

export const step = (view: View, event: Progress.Event): Step => {
  switch (event._tag) {
    case "Scanned":
      return say(view, `${contents(event)} to send`)
    case "Waiting": {
      const { absent = [], joined = 0, leftSeconds, wanted } = event
      const untilMillis = leftSeconds === undefined ? undefined : view.nowMillis + leftSeconds * 1000
      const next = { ...view, waiting: { absent, joined, untilMillis, wanted } }
      if (view.waiting !== undefined) return [next, []]
      return view.role === "Send"
        ? say(next, `waiting on ${view.where} for ${wantedOf(event)}`)
        : say(next, `waiting on ${view.where} for a master`)
    }
    case "Joined": {
      const who = whoIs(event)
      const text =
        view.role === "Send"
          ? `joined: ${who}${event.joined <= (event.wanted ?? Infinity) ? `, ${numberOf(event)}` : ""}`
          : `joined the session of ${who}`
      const waiting = view.waiting && { ...view.waiting, joined: event.joined }
      return many({ ...view, waiting }, "Joined", "out", text)
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
    case "FileCompleted":
      return [view, view.verbosity === "Verbose" ? [{ to: "out", text: Format.safe(event.path) }] : []]
    case "Itemized":
      return [view, view.verbosity === "Quiet" ? [] : [{ to: "out", text: itemized(event) }]]
    case "Foreseen":
      // the summary has it
      return [view, []]
    case "Completed":
      return [view, view.verbosity === "Verbose" ? [{ to: "out", text: `complete: ${Format.name(event.id)}` }] : []]
    case "Lost":
      return many(view, "Lost", "err", `lost: ${whoIs(event)}: ${Format.safe(event.reason)}`)
    case "Failed": {
      const where = event.catcher === undefined ? "" : `${Format.name(event.catcher)}: `
      return many(view, "Failed", "err", `failed: ${where}${Format.safe(event.path)}: ${Format.safe(event.reason)}`)
    }
    case "Note":
      return view.verbosity === "Quiet" ? [view, []] : many(view, "Note", "err", `note: ${Format.safe(event.message)}`)
    case "Report":
      return reported(view, event)
  }
}

const reported = (view: View, report: Extract<Progress.Event, { readonly _tag: "Report" }>): Step => {
  // A session that never began ends with an error that says it all.
  if (view.started === undefined || view.verbosity === "Quiet") return [view, []]
  const lines = Summary.lines(report, view.role, view.verbosity === "Verbose")
  return [view, lines.map((text): Line => ({ to: "out", text }))]
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

const contents = (tree: Extract<Progress.Event, { readonly _tag: "Scanned" }>): string =>
  [...Summary.counted(tree), Format.bytes(tree.bytes)].join(", ")

/** "3 of 12", or "3", where as many are waited for as come. */
export const numberOf = ({
  joined,
  wanted
}: {
  readonly joined: number
  readonly wanted?: number | undefined
}): string => (wanted === undefined ? String(joined) : `${joined} of ${wanted}`)

const wantedOf = ({ wanted }: { readonly wanted?: number }): string =>
  wanted === undefined ? "catchers" : Format.plural(wanted, "catcher")

const whoIs = (who: { readonly id: string; readonly address: string }): string =>
  who.id === "" || who.id === who.address
    ? Format.safe(who.address)
    : `${Format.name(who.id)} (${Format.safe(who.address)})`
