/** `mrsync simulate`: the real master and catchers on a network in memory, under virtual time, and what a roll-out costs. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Progress } from "../report/Progress.ts"
import type { Repair } from "../protocol/file/Planner.ts"
import type { Report } from "../report/Report.ts"
import type { Fate } from "../report/RollOut.ts"
import { exitStatus } from "../report/Report.ts"
import * as Forecast from "../simulate/Forecast.ts"
import { SourceError } from "../source/Source.ts"
import * as Simulated from "../transport/simulated/Network.ts"
import * as Format from "./Format.ts"
import * as Hashing from "./Hashing.ts"
import * as LastLine from "./LastLine.ts"
import * as Parse from "./Parse.ts"
import { Screen } from "./Screen.ts"
import * as Session from "./Session.ts"
import { Incomplete, UsageError } from "./Status.ts"
import * as Watching from "./Watching.ts"

export interface Input {
  readonly catchers: number
  readonly sizeBytes: number
  readonly pageBytes: number
  readonly lossPercent: number
  readonly bytesPerSecond: number
  readonly delayMillis: number
  readonly seed: number
  readonly slow: number
  /** Of a bad link; undefined: Parse's, or, where its rate is given, that of the others. */
  readonly slowLossPercent: number | undefined
  readonly slowBytesPerSecond: number | undefined
  readonly crash: number
  readonly repair: Repair
  readonly web: Parse.Listening | undefined
  readonly speed: number | undefined
  readonly verbose: boolean
  readonly json: boolean
}

/** Catchers in the table before it becomes a summary (all with -v). */
const listed = 20

export const simulate = Effect.fn("cli.simulate")(function* (input: Input) {
  const { catchers, crash, slow } = input
  if (slow + crash > catchers) {
    return yield* new UsageError({
      command: "simulate",
      reason: `--slow ${slow} and --crash ${crash} are ${slow + crash} catchers, and there are ${catchers}: give more --catchers`
    })
  }
  if (slow === 0 && (input.slowBytesPerSecond ?? input.slowLossPercent) !== undefined) {
    return yield* new UsageError({
      command: "simulate",
      reason: "--slow-rate and --slow-loss are of bad links, and there are none: give --slow K"
    })
  }
  if (input.web === undefined && input.speed !== undefined) {
    return yield* new UsageError({
      command: "simulate",
      reason: "--speed is how fast --web shows it: without a page it takes as long as it must"
    })
  }
  yield* Session.logged("Normal")(Hashing.check((refusal) => new SourceError(refusal)))
  const screen = yield* Screen
  if (!input.json) for (const line of heading(input)) screen.print("out", line)
  const options = { ...input, loss: input.lossPercent / 100, slowLoss: badLossPercent(input) / 100 }
  const forecast = yield* input.web === undefined
    ? Effect.raceFirst(Forecast.make(options), telling(screen, input))
    : watched(options, input)
  const keep = yield* LastLine.Keeper
  if (input.json) keep(summary(input, forecast))
  else for (const line of lines(input, forecast)) screen.print("out", line)
  if (forecast.isStuck) {
    return yield* new Incomplete({
      status: exitStatus.partial,
      reason: "the session did not end: too much is lost, or the rate is too low for what is asked"
    })
  }
  if (forecast.master?._tag === "Failure") return yield* forecast.master
  if (forecast.report !== undefined) return yield* Session.settle(forecast.report)
})

/** The same for a page to watch: it begins when one is open, and goes on at the speed that was asked for. */
const watched = (options: Forecast.Options, input: Input) =>
  Effect.suspend(() => {
    const isOpen = Deferred.makeUnsafe<void>()
    const about = {
      role: "Send",
      where: heading(input).join("; "),
      onWatched: () => void Deferred.doneUnsafe(isOpen, Effect.void)
    } as const
    const page = Watching.layer({ web: input.web, metrics: undefined }, about)
    const simulating = Effect.gen(function* () {
      const progress = yield* Progress
      yield* Deferred.await(isOpen)
      return yield* Forecast.make({ ...options, watched: { speed: input.speed ?? 1, tell: progress.publish } })
    })
    return Effect.provide(
      simulating,
      Layer.provideMerge(page, Layer.provideMerge(Watching.told(input.json), Layer.fresh(Progress.layer)))
    )
  })

/** What a page that arrives costs, and a catcher beside its pages: seconds of a core, measured. */
const pageSeconds = 2e-6
const catcherSeconds = 6e-3

const estimateSeconds = ({ catchers, pageBytes, sizeBytes }: Input): number =>
  catchers * (Math.ceil(sizeBytes / pageBytes) * pageSeconds + catcherSeconds)

/** What takes longer than this is told how far it is, so often. */
const patienceSeconds = 10
const noteSeconds = 30

/** How long a long simulation is at it; never ends. */
const telling = Effect.fnUntraced(function* (screen: Screen["Service"], input: Input) {
  const estimate = estimateSeconds(input)
  if (estimate < patienceSeconds) return yield* Effect.never
  for (let seconds = 0; ; seconds += noteSeconds) {
    screen.print("err", `simulating takes ${Format.clock(estimate)} or more: ${Format.clock(seconds)} so far`)
    yield* Effect.sleep(noteSeconds * 1000)
  }
})

const heading = (input: Input): ReadonlyArray<string> => {
  const rate = `${Format.rate(input.bytesPerSecond)}, ${input.delayMillis} ms one way`
  const out = [
    `simulating ${Format.plural(input.catchers, "catcher")}: ${Format.bytes(input.sizeBytes)} at ${rate}, ${input.lossPercent} % lost, seed ${input.seed}`
  ]
  if (input.slow > 0) out.push(`${Format.plural(input.slow, "catcher")} with ${badLink(input)}`)
  if (input.crash > 0)
    out.push(
      `${Format.plural(input.crash, "catcher")} that ${input.crash === 1 ? "crashes and starts" : "crash and start"} again`
    )
  return out
}

const badLossPercent = ({ lossPercent, slowBytesPerSecond, slowLossPercent }: Input): number =>
  slowLossPercent ?? (slowBytesPerSecond === undefined ? Parse.badLossPercent : lossPercent)

const badLink = (input: Input): string => {
  const { slowBytesPerSecond } = input
  const rate = slowBytesPerSecond === undefined ? "" : `${Format.rate(slowBytesPerSecond)} and `
  return `${rate}${badLossPercent(input)} % lost`
}

const lines = (input: Input, forecast: Forecast.Forecast): ReadonlyArray<string> => {
  const { answers, dropped, pages, peakBufferBytes, peakBufferOf, queueDropped, ratio, rounds, seconds } = forecast
  const { needed, parity, repaired, sent } = pages
  const isThere = forecast.catchers.some((one) => one.seconds !== undefined)
  return [
    `pages: ${Format.count(needed)} needed, ${Format.count(sent)} sent (ratio ${ratio.toFixed(3)}), ${Format.count(repaired)} repaired, ${Format.count(parity)} parity`,
    `rounds: ${Format.count(rounds)}`,
    // where the file stands nowhere there is no rate
    `virtual time: ${Format.seconds(seconds)}${isThere ? `, ${Format.rate(input.sizeBytes / seconds)}` : ""}`,
    `master: ${Format.plural(answers, "answer")} received`,
    `receive buffers: ${Format.bytes(peakBufferBytes)} at most (${peakBufferOf}) of ${Format.bytes(Simulated.defaultReceiveBufferBytes)}, ${Format.plural(dropped, "datagram")} dropped`,
    ...(input.slowBytesPerSecond === undefined
      ? []
      : [`queues before slow links: ${Format.plural(queueDropped, "datagram")} dropped`]),
    ...arrivals(forecast.catchers),
    ...fates(forecast.catchers, input.verbose)
  ]
}

/** When the file stood at half of the catchers, and when at the last. */
const arrivals = (catchers: ReadonlyArray<Fate>): ReadonlyArray<string> => {
  const seconds = catchers.flatMap((one) => one.seconds ?? []).sort((a, b) => a - b)
  if (seconds.length === 0) return []
  const half = seconds[Math.ceil(seconds.length / 2) - 1]
  const last = seconds[seconds.length - 1]
  return [`there: at half of them after ${Format.seconds(half)}, at the last after ${Format.seconds(last)}`]
}

const fates = (catchers: ReadonlyArray<Fate>, all: boolean): ReadonlyArray<string> => {
  const shown = all || catchers.length <= listed ? catchers : catchers.filter((one) => one.state !== "Complete")
  const rows = shown
    .slice(0, all ? Infinity : listed)
    .map(({ dropped, id, missingPages, peakBufferBytes, seconds, starts, state }) => [
      id,
      state.toLowerCase(),
      seconds === undefined ? "never" : Format.seconds(seconds),
      Format.count(missingPages),
      Format.bytes(peakBufferBytes),
      Format.count(dropped),
      Format.count(starts)
    ])
  const states = (["Complete", "Partial", "Lost"] as const)
    .map((state) => [catchers.filter((one) => one.state === state).length, state.toLowerCase()] as const)
    .filter(([count]) => count > 0)
    .map(([count, state]) => `${Format.count(count)} ${state}`)
  const out = [`${Format.plural(catchers.length, "catcher")}: ${states.join(", ")}`]
  if (rows.length > 0)
    out.push(...table([["", "", "there after", "asked again", "buffer", "dropped", "starts"], ...rows]))
  if (shown.length > rows.length)
    out.push(`  ... and ${Format.count(shown.length - rows.length)} more (all of them with -v)`)
  return out
}

const table = (rows: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => Format.width(row[column]))))
  return rows.map((row) =>
    `  ${row.map((cell, column) => (column < 2 ? Format.pad(cell, widths[column]) : cell.padStart(widths[column]))).join("  ")}`.trimEnd()
  )
}

const summary = (input: Input, forecast: Forecast.Forecast): LastLine.Last => {
  const { json: _json, speed: _speed, verbose: _verbose, web: _web, ...options } = input
  const { master: _master, report, ...counted } = forecast
  const failures: Report["failures"] = report?.failures ?? []
  const slowLossPercent = input.slow > 0 ? badLossPercent(input) : undefined
  return { _tag: "Simulation", options: { ...options, slowLossPercent }, ...counted, failures }
}
