/**
 * A view as a terminal shows it, drawn again and again, and as one line, said every so often where nothing can be drawn. What
 * does not fit is left out, the least important first; how long it takes yet stays. Pure.
 */
import type * as Progress from "../report/Progress.ts"
import * as Words from "../report/Words.ts"
import * as Format from "./Format.ts"
import { numberOf, type Of, type Step, type View } from "./View.ts"

/** With more catchers than this, only the slowest have a line, as far as two thirds of the rows reach. */
const catcherLines = 10
const barColumns = 30
const leastBarColumns = 8

export const picture = (
  view: View,
  size: { readonly columns: number; readonly rows: number }
): ReadonlyArray<string> => {
  const columns = Math.max(1, size.columns - 1)
  const slowest = Math.max(1, Math.floor((size.rows * 2) / 3) - 2)
  const lines =
    view.tick === undefined
      ? [firstThatFits(before(view), columns), ...whoIsMissing(view, columns)]
      : [bar(view, view.tick, columns), paceOf(view.tick), ...catchers(view.tick, slowest)]
  // One row stays for the cursor: a picture taller than the terminal could not be drawn over.
  return lines
    .filter((line) => line !== "")
    .slice(0, Math.max(1, size.rows - 1))
    .map((line) => Format.fit(line, columns))
}

/** Milliseconds between two lines that say how it stands: rarer the longer it takes. */
const saysEvery = (passedMillis: number): number =>
  passedMillis < 60_000 ? 10_000 : passedMillis < 600_000 ? 60_000 : 600_000

/** What is said at that time, where nothing can be drawn. */
export const beat = (view: View): Step => {
  const passedMillis = view.nowMillis - (view.startedMillis ?? view.nowMillis)
  const isForever = view.started === undefined && view.waiting !== undefined && view.waiting.untilMillis === undefined
  if (isForever) return [view, []]
  if (view.nowMillis - view.saidMillis < saysEvery(passedMillis)) return [view, []]
  const text =
    view.tick === undefined
      ? before(view)[0]
      : [howFar(view, view.tick), Words.behind(view.tick), Words.pace(view.tick)]
          .filter((part) => part !== "")
          .join("; ")
  const missing = view.tick === undefined ? missingOf(view) : ""
  const line = [text, missing].filter((part) => part !== "").join("; ")
  return [{ ...view, saidMillis: view.nowMillis }, line === "" ? [] : [{ to: "out", text: line }]]
}

const firstThatFits = (texts: ReadonlyArray<string>, columns: number): string =>
  texts.find((text) => Format.width(text) <= columns) ?? texts[texts.length - 1] ?? ""

// ---- before the session ----

/** The same in fewer and fewer words. */
const before = (view: View): ReadonlyArray<string> => {
  const isMaster = view.role === "Send"
  if (view.started !== undefined) return [isMaster ? "sending the list of files" : "receiving the list of files"]
  const { waiting } = view
  if (waiting === undefined) return isMaster ? ["reading the tree"] : []
  if (!isMaster && waiting.joined > 0) return ["joined: the master waits for more catchers", "joined"]
  const leftMillis = waiting.untilMillis === undefined ? undefined : waiting.untilMillis - view.nowMillis
  const left = leftMillis === undefined ? "" : `${Format.clock(leftMillis / 1000)} left`
  const number = `${numberOf(waiting)} joined`
  const texts = isMaster
    ? [[`waiting on ${view.where}: ${number}`, left], [`waiting: ${number}`, left], [number, left], [left]]
    : [[`waiting on ${view.where} for a master`, left], ["waiting for a master", left], [left]]
  return texts.map((parts) => parts.filter((part) => part !== "").join(", "))
}

const missingOf = ({ started, waiting }: View): string => {
  if (started !== undefined || waiting === undefined || waiting.absent.length === 0) return ""
  const more = (waiting.wanted ?? 0) - waiting.joined - waiting.absent.length
  return `missing: ${waiting.absent.map(Format.name).join(", ")}${more > 0 ? ` and ${Format.count(more)} more` : ""}`
}

const whoIsMissing = (view: View, columns: number): ReadonlyArray<string> => [
  Format.fit(missingOf(view), columns),
  view.hasKeys && view.started === undefined && view.waiting !== undefined
    ? firstThatFits(["Enter begins with those that have joined", "Enter begins"], columns)
    : ""
]

// ---- how far ----

/** Growth per second over the last seconds; undefined before there are two ticks. */
const growth = ({ recent }: View, of: "bytes" | "sentBytes"): number | undefined => {
  const first = recent[0]
  const last = recent[recent.length - 1]
  return first === undefined || last.seconds <= first.seconds
    ? undefined
    : Math.max(0, last[of] - first[of]) / (last.seconds - first.seconds)
}

/** Bytes of pages per second on the air (a catcher: received). */
export const rateOf = (view: View): number | undefined => growth(view, "sentBytes")

const leftOf = (view: View, tick: Of<"Tick">): string => Words.left(tick, growth(view, "bytes"))

const percentOf = (tick: Of<"Tick">): string => `${String(Format.percent(tick.bytes, tick.total)).padStart(3)} %`

const speedOf = (view: View): string => {
  const rate = rateOf(view)
  return rate === undefined ? "" : `  ${Format.rate(rate).padStart(9)}`
}

/** Is it known what is lacked? Before that there is no part of it. */
const isUnknown = (tick: Of<"Tick">): boolean => tick.phase === "Comparing" && tick.total === 0

const howFar = (view: View, tick: Of<"Tick">): string => {
  if (isUnknown(tick)) return leftOf(view, tick)
  const much = `${Format.bytes(tick.bytes)} of ${Format.bytes(tick.total)}`
  return `${percentOf(tick).trim()}: ${much}${speedOf(view).replace(/^ +/, ", ")}, ${leftOf(view, tick)}`
}

const bar = (view: View, tick: Of<"Tick">, columns: number): string => {
  if (isUnknown(tick)) return leftOf(view, tick)
  const percent = percentOf(tick)
  const left = leftOf(view, tick)
  const much = `${Format.bytes(tick.bytes)} of ${Format.bytes(tick.total)}`
  const speed = speedOf(view)
  const repaired = tick.repairedPages > 0 ? `  ${Format.plural(tick.repairedPages, "page")} repaired` : ""
  const isFor = view.role === "Catch" && tick.phase === "Finished" ? "  (others are waited for)" : ""
  const beside = (text: string): number => columns - percent.length - Format.width(text) - 3
  const all = ` ${much}${speed}  ${left}${repaired}${isFor}`
  const fewer = [` ${much}${speed}  ${left}${isFor}`, ` ${much}${speed}  ${left}`, `${speed}  ${left}`, `  ${left}`]
  const numbers = beside(all) >= leastBarColumns ? all : firstThatFits(fewer, columns - percent.length)
  const room = beside(numbers)
  if (room < leastBarColumns) return `${percent}${numbers}`
  const cells = Math.min(barColumns, room)
  const full = Math.floor((cells * Format.percent(tick.bytes, tick.total)) / 100)
  return `${percent} [${"=".repeat(full)}${" ".repeat(cells - full)}]${numbers}`
}

/** What sets the pace. */
const paceOf = (tick: Of<"Tick">): string => {
  const words = Words.pace(tick)
  return words === "" ? "" : `  ${words}`
}

// ---- catchers ----

const catchers = (tick: Of<"Tick">, rows: number): ReadonlyArray<string> => {
  if (tick.catchers.length <= catcherLines) return tick.catchers.map(line(tick.catchers, tick))
  const counts = Object.entries(Words.stateWords)
    .map(([state, word]) => [tick.catchers.filter((one) => one.state === state).length, word] as const)
    .filter(([n]) => n > 0)
    .map(([n, word]) => `${Format.count(n)} ${word}`)
  const slowest = tick.catchers
    .filter((one) => one.state === "Receiving" || one.state === "Slow")
    .sort((a, b) => a.bytes - b.bytes)
    .slice(0, rows)
  return [
    `  ${Format.plural(tick.catchers.length, "catcher")}: ${counts.join(", ")}${slowest.length > 0 ? "; the slowest:" : ""}`,
    ...slowest.map(line(slowest, tick))
  ]
}

const nameColumns = 24

const line = (all: ReadonlyArray<Progress.CatcherView>, tick: Of<"Tick">) => {
  const widest = Math.min(nameColumns, Math.max(...all.map((one) => Format.width(Format.name(one.id)))))
  return (one: Progress.CatcherView): string => {
    const id = Format.pad(Format.fit(Format.name(one.id), widest), widest)
    const percent = (isUnknown(tick) ? "" : `${Format.percent(one.bytes, tick.total)} %`).padStart(5)
    const { looking } = one
    const why = one.straggled === undefined ? "" : `: ${one.straggled}`
    const state =
      looking === undefined
        ? `${Words.stateWords[one.state]}${why}`
        : `reading: ${Format.percent(looking.bytes, looking.total)} %`
    return `  ${id}  ${percent}  ${state.padEnd(9)}  ${Format.plural(one.files, "file")}, ${Format.bytes(one.bytes)}`
  }
}
