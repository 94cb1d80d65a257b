/**
 * What the page shows of a session: its events, folded. The server folds them for those that come late, and the page folds what
 * follows, with the same function: both have the same state. Bounded, however long the session and however many its events. Pure,
 * and of Effect it imports types alone: it is in the page as well.
 */
import type { CatcherView, Event, Tick } from "./Event.ts"
import type { CatcherReport, Report } from "./Report.ts"
import { isWell } from "./ExitStatus.ts"
import * as Format from "./Format.ts"
import * as Summary from "./Summary.ts"
import * as Words from "./Words.ts"

/** One catcher: as it is in the last tick, and what was made of those before. */
export interface Row extends Omit<CatcherView, "state"> {
  readonly state: CatcherView["state"] | CatcherReport["state"]
  /** Bytes a second, of the last seconds. */
  readonly rate: number
  /** Why it is lost, or what failed there first. */
  readonly reason?: string
}

/** The sums at a time, in seconds and bytes. */
export interface Sample {
  readonly seconds: number
  readonly sentBytes: number
  /** Held by the catcher that lacks most. */
  readonly bytes: number
}

/** A line of the log. */
interface Entry {
  /** Seconds since the session began; undefined: before. */
  readonly seconds?: number
  readonly isBad: boolean
  readonly text: string
}

export interface Watched {
  readonly role: Words.Role
  /** The group and interface, for people. */
  readonly where: string
  readonly waiting?: Extract<Event, { readonly _tag: "Waiting" }>
  readonly started?: Extract<Event, { readonly _tag: "Started" }>
  /** The last one; its catchers are in `rows`. */
  readonly tick?: Tick
  readonly rows: ReadonlyArray<Row>
  readonly samples: ReadonlyArray<Sample>
  readonly log: ReadonlyArray<Entry>
  /** Entries of the log that are left out by now. */
  readonly logLeftOut: number
  readonly report?: Report
}

/** Points of the curves: beyond that every other one is left out. */
const mostSamples = 600
/** Lines of the log, and letters of a line. */
const mostEntries = 500
const mostLetters = 2000
/** Failures of a report. */
const mostFailures = 5000
/** Rates are of about so many seconds. */
const rateSeconds = 2

/** A session of which nothing has happened. */
export const initial = ({ role, where }: Pick<Watched, "role" | "where">): Watched => ({
  role,
  where,
  rows: [],
  samples: [],
  log: [],
  logLeftOut: 0
})

// ---- events on their way to the pages ----

/** Events that wait to be told together; of those that replace each other the last. */
export interface Frame {
  readonly events: ReadonlyArray<Event>
  /** Events for which there was no room. */
  readonly leftOut: number
}

/** Nothing to tell. */
export const nothing: Frame = { events: [], leftOut: 0 }

/** Events of a frame, but those that replace each other. */
const mostEvents = 200

const replaces = (event: Event): boolean => event._tag === "Tick" || event._tag === "Waiting"

/** The frame with one more event. */
export const gathered = ({ events, leftOut }: Frame, event: Event): Frame => {
  if (event._tag === "Report") return { events: [...events, cut(event)], leftOut }
  if (replaces(event)) return { events: [...events.filter(({ _tag }) => _tag !== event._tag), event], leftOut }
  return events.length < mostEvents ? { events: [...events, event], leftOut } : { events, leftOut: leftOut + 1 }
}

/** The report without the failures that are too many for a page. */
const cut = (report: Report): Report => {
  let left = mostFailures
  const some = <A>(failures: ReadonlyArray<A>): ReadonlyArray<A> => {
    const kept = failures.slice(0, left)
    left -= kept.length
    return kept
  }
  return {
    ...report,
    failures: some(report.failures),
    catchers: report.catchers.map((one) => ({
      ...one,
      failures: some(one.failures),
      ...(one.vetoed === undefined ? {} : { vetoed: some(one.vetoed) })
    }))
  }
}

// ---- the fold ----

/** The state after the events of a frame. */
export const step = (state: Watched, { events, leftOut }: Frame): Watched => {
  const next = events.reduce(onEvent, state)
  return leftOut === 0 ? next : told(next, true, `${Format.plural(leftOut, "line")} left out here: too much happened`)
}

const onEvent = (state: Watched, event: Event): Watched => {
  switch (event._tag) {
    case "Waiting":
      return { ...state, waiting: event }
    case "Started":
      return told({ ...state, started: event }, false, `session ${Format.safe(event.session)} has begun`)
    case "Tick":
      return ticked(state, event)
    case "Report":
      return reported(state, event)
    case "Joined":
      return told(joined(state, event), false, Words.sentence(event, state.role))
    case "Lost":
      return told(withReason(state, event.id, event.reason, "Lost"), true, Words.sentence(event, state.role))
    case "Failed": {
      const { catcher, reason } = event
      const next = catcher === undefined ? state : withReason(state, catcher, reason)
      return told(next, true, Words.sentence(event, state.role))
    }
    case "Unreachable":
      return told(unreached(state, event), true, Words.sentence(event, state.role))
    case "Refused":
    case "Note":
      return told(state, true, Words.sentence(event, state.role))
    case "Completed":
    case "Itemized":
      return told(state, false, Words.sentence(event, state.role))
    case "Scanned":
      return told(state, false, `${[...Summary.counted(event), Format.bytes(event.bytes)].join(", ")} to send`)
    // how much each lacks is in the report, and files that are complete are counted in the ticks
    case "Served":
    case "FileCompleted":
    case "Foreseen":
      return state
  }
}

const told = (state: Watched, isBad: boolean, text: string): Watched => {
  const seconds = state.tick?.seconds ?? (state.started === undefined ? undefined : 0)
  const entry: Entry = { isBad, text: text.slice(0, mostLetters), ...(seconds === undefined ? {} : { seconds }) }
  const log = [...state.log, entry].slice(-mostEntries)
  return { ...state, log, logLeftOut: state.logLeftOut + state.log.length + 1 - log.length }
}

const joined = (state: Watched, { address, id }: Extract<Event, { readonly _tag: "Joined" }>): Watched => {
  // a session that runs tells of it in its next tick
  if (state.role === "Catch" || state.tick !== undefined) return state
  const others = state.rows.filter((row) => row.id !== id)
  return { ...state, rows: [...others, { id, address, state: "Receiving", files: 0, bytes: 0, rate: 0 }] }
}

/** A host that no catcher could be started on is in no tick, and stays among the rows until it joins after all. */
const unreached = (state: Watched, { id, reason }: Extract<Event, { readonly _tag: "Unreachable" }>): Watched => {
  const row: Row = { id, address: "", state: "Unreachable", files: 0, bytes: 0, rate: 0, reason }
  return { ...state, rows: [...state.rows.filter((one) => one.id !== id), row] }
}

const withReason = (state: Watched, id: string, reason: string, becomes?: Row["state"]): Watched => ({
  ...state,
  rows: state.rows.map((row) =>
    row.id === id ? { ...row, state: becomes ?? row.state, reason: becomes ? reason : (row.reason ?? reason) } : row
  )
})

const ticked = (state: Watched, event: Tick): Watched => {
  const { catchers, ...tick } = event
  const known = new Map(state.rows.map((row) => [row.id, row]))
  const present = new Set(catchers.map(({ id }) => id))
  const passed = state.tick === undefined ? 0 : event.seconds - state.tick.seconds
  return {
    ...state,
    tick: { ...tick, catchers: [] },
    rows: [
      ...catchers.map((one) => rowOf(one, known.get(one.id), passed)),
      ...state.rows.filter((row) => row.state === "Unreachable" && !present.has(row.id))
    ],
    samples: sampled(state.samples, { seconds: event.seconds, sentBytes: event.sentBytes, bytes: event.bytes })
  }
}

const rowOf = (one: CatcherView, before: Row | undefined, passed: number): Row => {
  const reason = before?.reason === undefined ? {} : { reason: before.reason }
  if (before === undefined || passed <= 0) return { ...one, rate: before?.rate ?? 0, ...reason }
  const now = Math.max(0, one.bytes - before.bytes) / passed
  const weight = 1 - Math.exp(-passed / rateSeconds)
  return { ...one, rate: before.rate + (now - before.rate) * weight, ...reason }
}

const sampled = (samples: ReadonlyArray<Sample>, sample: Sample): ReadonlyArray<Sample> => {
  const last = samples.at(-1)
  if (last !== undefined && sample.seconds <= last.seconds) return samples
  const all = [...samples, sample]
  return all.length <= mostSamples ? all : all.filter((_, at) => at % 2 === 0 || at === all.length - 1)
}

const reported = (state: Watched, report: Report): Watched => {
  const known = new Map(state.rows.map((row) => [row.id, row]))
  const rows = report.catchers.map((one): Row => {
    const { address, bytes, files, id, missingPages, state, straggled } = one
    const reason = known.get(id)?.reason ?? one.failures[0]?.reason
    return {
      ...{ id, address, state, files, bytes, missingPages, rate: 0 },
      ...(straggled === undefined ? {} : { straggled }),
      ...(reason === undefined ? {} : { reason })
    }
  })
  return { ...state, report, samples: withEnd(state, report), rows: state.role === "Send" ? rows : state.rows }
}

/** What came after the last tick. A page is as long as those before. */
const withEnd = ({ samples, tick }: Watched, { catchers, pages, seconds }: Report): Watched["samples"] => {
  if (tick === undefined) return samples
  const isComplete = catchers.every(({ state }) => isWell(state))
  const { bytes, pages: sentPages = 0, sentBytes, total } = tick
  const sent = sentPages === 0 ? sentBytes : sentBytes * Math.max(1, pages.sent / sentPages)
  return sampled(samples, { seconds, sentBytes: sent, bytes: isComplete ? total : bytes })
}
