/**
 * What happens in a session, in the words that a person reads: the same on a terminal and on the page. Pure, and of Effect it
 * imports types alone: it is in the page as well.
 */
import type { CatcherView, Event, Limit, Looking, Tick, UnderWay } from "./Event.ts"
import * as Format from "./Format.ts"

/** The side that tells. */
export type Role = "Send" | "Catch"

type Of<Tag extends Event["_tag"]> = Extract<Event, { readonly _tag: Tag }>
/** An event that is a sentence by itself. */
type Told = Of<"Joined" | "Refused" | "Unreachable" | "Completed" | "Lost" | "Failed" | "Note" | "Itemized">

/** A state of a catcher, in a word. */
export const stateWords = {
  Receiving: "receiving",
  Slow: "behind",
  Complete: "complete",
  Limited: "limited",
  Partial: "partial",
  Lost: "lost"
} as const satisfies { readonly [State in CatcherView["state"]]: string }

/** An event as a sentence. */
export const sentence = (event: Told, role: Role): string => {
  switch (event._tag) {
    case "Joined":
      return role === "Send" ? `joined: ${whoIs(event)}` : `joined the session of ${whoIs(event)}`
    case "Refused":
      return `refused: ${whoIs(event)}: ${Format.safe(event.reason)}`
    case "Unreachable":
      return `unreachable: ${Format.name(event.id)}: ${Format.safe(event.reason)}`
    case "Completed":
      return `complete: ${nameOf(event.id)}`
    case "Lost":
      return `lost: ${whoIs(event)}: ${Format.safe(event.reason)}`
    case "Failed": {
      const where = event.catcher === undefined ? "" : `${nameOf(event.catcher)}: `
      return `failed: ${where}${Format.safe(event.path)}: ${Format.safe(event.reason)}`
    }
    case "Note":
      return `note: ${Format.safe(event.message)}`
    case "Itemized": {
      const linked =
        event.to === undefined ? "" : ` ${event.changes.startsWith("h") ? "=>" : "->"} ${Format.safe(event.to)}`
      return `${nameOf(event.catcher)} ${event.changes.padEnd(11)} ${Format.safe(event.path)}${linked}`
    }
  }
}

const rightToLeft = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/

/** A catcher's name inside of a sentence, which it does not turn round where it is written from right to left. */
const nameOf = (id: string): string => {
  const name = Format.name(id)
  return rightToLeft.test(name) ? `\u2068${name}\u2069` : name
}

const whoIs = (one: { readonly id: string; readonly address: string }): string =>
  one.id === "" || one.id === one.address ? Format.safe(one.address) : `${nameOf(one.id)} (${Format.safe(one.address)})`

/** How long it takes yet, or what is done instead of sending; `bytesPerSecond`: what the last seconds have brought. */
export const left = (tick: Tick, bytesPerSecond: number | undefined): string => {
  if (tick.phase === "Comparing") return `comparing${hashed(tick)}`
  if (tick.phase === "Finished") return "complete"
  if (tick.phase === "Finishing") return `finishing${reading(tick)}`
  if (tick.looking !== undefined) return `looking through older versions, ${looked(tick.looking)}`
  // what stands still now goes on some time, and has come so far on the average
  const rate = bytesPerSecond || (tick.seconds > 0 ? tick.bytes / tick.seconds : 0)
  const left = rate === 0 ? "-:--" : Format.clock((tick.total - tick.bytes) / rate)
  return `${left} left${tick.phase === "Repairing" ? ", repairing" : ""}`
}

const reading = ({ looking }: Tick): string => (looking === undefined ? "" : `, ${looked(looking)} copied or read`)

const looked = ({ bytes, total }: Looking): string => `${Format.bytes(bytes)} of ${Format.bytes(total)}`

const hashed = ({ hashed }: Tick): string =>
  hashed === undefined ? "" : `, ${Format.bytes(hashed.bytes)} of ${Format.bytes(hashed.total)} hashed`

/** What sets the pace, and why; empty where nothing is known of it. */
export const pace = ({ limit, looking, phase }: Pick<Tick, "limit" | "looking" | "phase">): string => {
  if (limit === undefined || phase === "Finished") return ""
  if (looking !== undefined && phase === "Finishing")
    return "catchers copy what they had of large files, or read these once more"
  if (looking !== undefined) return "catchers look through their older versions of large files"
  const awaited = limit.by === "Work" && limit.catchers.length > 0
  if (phase === "Comparing" && !awaited) return "catchers compare what they have with the source"
  if (phase === "Finishing" && !awaited) return "catchers put what they have in its place"
  const waited = `(${Math.round(limit.share * 100)} % of the time)`
  switch (limit.by) {
    case "Rate":
      return `--bwlimit sets the pace ${waited}`
    case "Catchers":
      return `the others wait for ${named(limit)}${because(limit)} ${waited}`
    case "Network":
      return limit.catchers.length === 0
        ? `the network sets the pace: it carries no more ${waited}`
        : `the way to ${named(limit)} sets the pace${because(limit)} ${waited}`
    case "Work":
      if (limit.catchers.length > 0) return `an answer of ${named(limit)} is waited for${because(limit)} ${waited}`
      return phase === "Repairing"
        ? `it is asked what is still missing ${waited}`
        : `nothing waits to be sent: files are read and opened ${waited}`
    case "Master":
      return "this machine and its link set the pace: it sends as fast as it can"
  }
}

const named = ({ catchers, more }: Limit): string =>
  [...catchers.map(nameOf), ...(more > 0 ? [`${Format.count(more)} more`] : [])].join(", ")

const because = ({ why }: Limit): string => (why === undefined ? "" : `: ${why}`)

/** For what a catcher waits. */
export const waitsFor = (one: Pick<CatcherView, "state" | "straggled" | "looking" | "bytes">, tick: Tick): string => {
  switch (one.state) {
    case "Slow":
      return one.straggled === undefined ? "is served after the others" : `${one.straggled}: is served after the others`
    case "Receiving":
      if (tick.phase === "Comparing") return "compares with the source"
      if (one.looking !== undefined) return `${looksInto(tick)}: ${looked(one.looking)}`
      if (one.bytes >= tick.total) return "waits for the end of the files"
      return tick.phase === "Sending" ? "waits for pages" : "waits for what it misses"
    case "Complete":
      return "has everything"
    case "Limited":
      return "has all that its owner allows"
    case "Partial":
      return "has all that it could get"
    case "Lost":
      return "is lost"
  }
}

const looksInto = ({ phase }: Tick): string =>
  phase === "Finishing"
    ? "copies what it had of a large file, or reads that once more"
    : "looks through its older version"

const stages = {
  Opening: "catchers open it",
  Streaming: "is sent",
  Finishing: "what is missing is sent again",
  Closing: "catchers close it",
  Waiting: "only those behind lack it"
} as const satisfies { readonly [State in UnderWay["state"]]: string }

/** A file on its way, and what is done with it. */
export const underWay = ({
  bytes,
  files,
  path,
  state
}: UnderWay): { readonly what: string; readonly stage: string } => {
  const more = files > 1 ? ` and ${Format.plural(files - 1, "more", "more")}` : ""
  const what = path === "" ? "the list of files" : `${Format.safe(path)}${more}`
  return { what: `${what}, ${Format.bytes(bytes)}`, stage: stages[state] }
}

/** So many names that one sentence can hold. */
const namedBehind = 3

/** The catchers that are behind, the furthest first; empty where there are none. */
export const behind = (tick: Tick): string => {
  const slow = tick.catchers.filter((one) => one.state === "Slow").sort((a, b) => a.bytes - b.bytes)
  if (slow.length === 0) return ""
  const names = slow.slice(0, namedBehind).map((one) => {
    const why = one.straggled === undefined ? "" : `, ${one.straggled}`
    return `${nameOf(one.id)} (${Format.percent(one.bytes, tick.total)} %${why})`
  })
  if (slow.length > names.length) names.push("...")
  return `${Format.count(slow.length)} behind: ${names.join(", ")}`
}
