/**
 * What a person sees of a session. `step` folds the session's events into a view and says which lines to print for good;
 * Picture draws the view as it stands. Pure: the same for a terminal, a pipe and a test.
 */
import type * as Progress from "../report/Progress.ts"
import * as Format from "./Format.ts"
import * as Summary from "../report/Summary.ts"
import * as Words from "../report/Words.ts"

export type Role = Words.Role
export type Verbosity = "Quiet" | "Normal" | "Verbose"

export interface Line {
  readonly to: "out" | "err"
  readonly text: string
}

export type Of<Tag extends Progress.Event["_tag"]> = Extract<Progress.Event, { readonly _tag: Tag }>
/** Kinds of lines that could come by the thousand. */
type Many = "Joined" | "Refused" | "Unreachable" | "Lost" | "Failed" | "Note"

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
  told: { Joined: 0, Refused: 0, Unreachable: 0, Lost: 0, Failed: 0, Note: 0 },
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

export const step = (view: View, event: Progress.Event): Step => {
  switch (event._tag) {
    case "Served":
      return [view, served(event)]
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
      const isCounted = view.role === "Send" && event.joined <= (event.wanted ?? Infinity)
      const text = `${Words.sentence(event, view.role)}${isCounted ? `, ${numberOf(event)}` : ""}`
      const waiting = view.waiting && { ...view.waiting, joined: event.joined }
      return many({ ...view, waiting }, "Joined", "out", text)
    }
    case "Refused":
      return many(view, "Refused", "err", Words.sentence(event, view.role))
    case "Unreachable":
      return many(view, "Unreachable", "err", Words.sentence(event, view.role))
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
      // nothing is known of it before the survey
      const tenths = event.total === 0 ? 0 : Math.floor(Format.percent(event.bytes, event.total) / 10)
      const next = { ...view, tick: event, recent, tenths: Math.max(tenths, view.tenths) }
      return view.verbosity === "Verbose" && tenths > view.tenths
        ? say(next, `${tenths * 10} %: ${Format.bytes(event.bytes)} in ${Format.seconds(event.seconds)}`)
        : [next, []]
    }
    case "FileCompleted":
      return [view, view.verbosity === "Verbose" ? [{ to: "out", text: Format.safe(event.path) }] : []]
    case "Itemized":
      return [view, view.verbosity === "Quiet" ? [] : [{ to: "out", text: Words.sentence(event, view.role) }]]
    case "Foreseen":
      // the summary has it
      return [view, []]
    case "Completed":
      return [view, view.verbosity === "Verbose" ? [{ to: "out", text: Words.sentence(event, view.role) }] : []]
    case "Lost":
    case "Failed":
      return many(view, event._tag, "err", Words.sentence(event, view.role))
    case "Note":
      return view.verbosity === "Quiet" ? [view, []] : many(view, "Note", "err", Words.sentence(event, view.role))
    case "Report":
      return reported(view, event)
  }
}

/** Asked for, so that it is told with -q as well: nobody can guess the token. */
export const served = ({ metrics, page }: Of<"Served">): ReadonlyArray<Line> => [
  ...(page === undefined ? [] : [{ to: "err", text: `watch it at ${page}` } as const]),
  ...(metrics === undefined ? [] : [{ to: "err", text: `figures for Prometheus at ${metrics}` } as const])
]

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
