/**
 * The master: scan and gather, then the manifest and every carried file through open barrier, page
 * stream, missing rounds and close, many files at one time; at the end the close of the manifest
 * commits the tree. Nothing but the phases composed, and the books (Ledger) of what became of it.
 *
 * A catcher that joins while the session runs takes part in the files that are still to be opened,
 * and is sent the others that it lacks in a further pass.
 */

import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Announce from "../phase/Announce.ts"
import type { Repair } from "../protocol/file/Planner.ts"
import * as Roster from "../protocol/group/Roster.ts"
import * as Limits from "../protocol/Limits.ts"
import type * as Errors from "../report/Errors.ts"
import * as Foresight from "../report/Foresight.ts"
import { type Event, Progress, seconds } from "../report/Progress.ts"
import type { Report } from "../report/Report.ts"
import { displaySession, MasterExchange, type MasterProtection } from "../session/Exchange.ts"
import * as Monotonic from "../session/Monotonic.ts"
import { Announcing, Members, Paths, Sender, Session, Standing } from "../session/Session.ts"
import { type Skipped, Source, type Uncarried } from "../source/Source.ts"
import type { Transport } from "../transport/Transport.ts"
import { counts, type LeftOut } from "../tree/Entry.ts"
import { bytesOf, display, ofKey, pathAt } from "../tree/Names.ts"
import { plan } from "../tree/Plan.ts"
import type { Policy } from "../tree/Policy.ts"
import { Ledger } from "./Ledger.ts"
import { sendAll } from "./Passes.ts"
import { checkCopies } from "./Revisions.ts"
import * as Tick from "./Tick.ts"

/**
 * A master's options. Only `catchers`, or a list of `hosts`, has no default: see `defaults`.
 */
export interface Options extends Announce.Patience {
  /** Begin when this many have joined: 1 to 4096. With `hosts` it counts for nothing. */
  readonly catchers: number
  /** Begin when catchers of exactly these names have joined; others are refused. */
  readonly hosts?: ReadonlyArray<string>
  /**
   * Each element is one of `hosts` that comes no more, or has gone: it is not waited for, or lost.
   */
  readonly unreached?: Stream.Stream<{ readonly name: string; readonly reason: string }>
  /** Milliseconds of silence after which a catcher counts as lost. */
  readonly timeoutMillis: number
  /**
   * Content of a datagram in bytes, 512 to 65,467; where a path is narrower, smaller pages are
   * used.
   */
  readonly pageBytes: number
  /**
   * All pages have that size; a catcher that they do not reach is sent nothing. False where it is
   * not given.
   */
  readonly isPageFixed?: boolean
  /** Cap on the bytes that go on the air in a second; none where it is not given. */
  readonly bytesPerSecond?: number
  /**
   * How catchers' trees become like the source: `Policy.defaults` sends what they lack, as `rsync`
   * finds it. Every file is sent to everybody where it is not given.
   */
  readonly policy?: Policy
  /** How what was lost is made good; "auto" where it is not given. */
  readonly repair?: Repair
}

/**
 * A master's defaults: it waits 30 s for catchers, takes one for lost after 10 s of silence, and
 * sends pages of 1432 bytes, which is what an Ethernet frame holds.
 */
export const defaults = {
  waitMillis: Limits.defaultWaitMillis,
  timeoutMillis: Limits.defaultTimeoutMillis,
  pageBytes: Limits.defaultPageBytes,
  isPageFixed: false,
  repair: "auto"
} as const satisfies Partial<Options>

/**
 * Why there is no report: too few catchers came in time, another master uses the group, the network
 * cannot be used, or the tree cannot be read. Failures of single catchers or entries are in the
 * report instead.
 */
export type Error =
  | Errors.AnnounceTimeout
  | Errors.HostsUnreachable
  | Errors.GroupBusy
  | Errors.TransportError
  | Errors.SourceError
  | Errors.FilterError

/**
 * One session, from the call for catchers to the last words. Once it has begun the last event is
 * the report, also when it fails or is interrupted.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { Datagram, DiskSource, Exchange, Keys, Master, Progress } from "mrsync"
 *
 * const report = (keys: Keys.MasterKeys) => Master.run({ ...Master.defaults, catchers: 12 }).pipe(
 *   Effect.provide([
 *     Datagram.layerMaster({ ...Datagram.defaults, interface: "10.0.0.1" }),
 *     Exchange.MasterProtection.sealed(keys),
 *     DiskSource.layer(["photos/"]),
 *     Progress.Progress.layer
 *   ])
 * )
 * ```
 */
export const run = Effect.fn("Master.run")(function* (
  options: Options
): Effect.fn.Return<Report, Error, Transport | MasterProtection | Source | Progress> {
  const layer = Session.layer({ ...options, wanted: wantedOf(options) })
  return yield* Effect.provide(Effect.scoped(conduct(options)), layer)
})

/** The session so far: the ledger of the last scan, and since when it runs. */
interface State {
  ledger: Ledger
  /** Counted from the beginning, not from the waiting for catchers. */
  startedMillis: number
  hasBegun: boolean
}

const conduct = Effect.fnUntraced(function* (options: Options) {
  const session = yield* Session
  const progress = yield* Progress
  const startedMillis = yield* Clock.currentTimeMillis
  const state: State = { ledger: new Ledger([], []), startedMillis, hasBegun: false }
  const { bytesPerSecond } = options
  const reported = Effect.map(reporting(state), (found) => {
    const report = found.isDryRun === true ? Foresight.foretold(found, bytesPerSecond) : found
    if (report.isDryRun === true) Foresight.each(report, bytesPerSecond).forEach(progress.publish)
    progress.publish(report)
    return report
  })
  return yield* Effect.raceFirst(passes(options, state), session.run).pipe(
    Effect.andThen(reported),
    // before it has begun there is nothing to report but the error
    Effect.onError(() => (state.hasBegun ? reported : Effect.void))
  )
})

/** From the call for catchers to the last words. */
const passes = (options: Options, state: State) =>
  Effect.gen(function* () {
    const { lastWords } = yield* Announcing
    const { unreached } = yield* Members
    const failing = options.unreached ?? Stream.empty
    yield* Effect.forkScoped(Stream.runForEach(failing, ({ name, reason }) => unreached(name, reason)))
    yield* scanAndGather(
      yield* scanning(state, options.policy),
      Announce.gather({ ...options, wanted: wantedOf(options) })
    )
    yield* begin(state)
    const { ledger, startedMillis } = state
    yield* Effect.forkScoped(Tick.ticking(ledger, startedMillis))
    yield* sendAll(ledger, options.repair)
    yield* checkCopies(ledger)
    yield* lastWords({ _tag: "Bye" })
  }).pipe(Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : sayWhy(exit.cause))))

const wantedOf = ({ catchers, hosts }: Options): number => hosts?.length ?? catchers

/**
 * The scan of the tree, and what is told of it; a second one tells nothing that it finds once more.
 */
const scanning = Effect.fnUntraced(function* (state: State, policy: Policy | undefined) {
  const source = yield* Source
  const progress = yield* Progress
  const told = new Set<string>()
  const tell = (key: string, event: Event) => {
    if (!told.has(key)) progress.publish(event)
    told.add(key)
  }
  return Effect.map(source.scan, ({ entries, skipped, spared, uncarried }) => {
    if (uncarried !== undefined) {
      const message = noticeOf(uncarried)
      tell(message, { _tag: "Note", message })
    }
    for (const skip of skipped) tell(`${skip.path}: ${skip.reason}`, skippedEvent(skip))
    const found = counts(entries)
    tell(JSON.stringify(found), { _tag: "Scanned", ...found })
    const files = policy === undefined ? plan(entries) : []
    state.ledger = new Ledger(entries, files, leftOutOf(skipped), policy && { ...policy, spared })
  })
})

/** The catchers are there. */
const begin = Effect.fnUntraced(function* (state: State) {
  const { session } = yield* MasterExchange
  const { roster } = yield* Members
  const progress = yield* Progress
  state.startedMillis = yield* Clock.currentTimeMillis
  state.hasBegun = true
  const { bytes, files } = counts(state.ledger.entries)
  const catchers = Roster.present(roster()).length
  progress.publish({ _tag: "Started", session: displaySession(session), catchers, files, bytes })
})

const reporting = Effect.fnUntraced(function* (state: State) {
  const { protection, session } = yield* MasterExchange
  const { roster } = yield* Members
  const { whyBehind } = yield* Standing
  const { bytes: sentBytes, pages, parity, repaired } = (yield* Sender).totals()
  const { ledger, startedMillis } = state
  const needed = ledger.needed((yield* Paths).pageBytes())
  const nowMillis = yield* Clock.currentTimeMillis
  const report = ledger.report({
    session: displaySession(session),
    protection,
    seconds: seconds(nowMillis - startedMillis),
    members: Roster.participants(roster()),
    awaited: roster(),
    whyBehind,
    pages: { needed, sent: pages, repaired, parity }
  })
  return { ...report, sentBytes }
})

/** Why the session ends without a Bye. */
const sayWhy = Effect.fnUntraced(function* (cause: Cause.Cause<Error>) {
  const { lastWords } = yield* Announcing
  const reason = Option.match(Cause.findErrorOption(cause), {
    onNone: () => "the master was interrupted",
    onSome: (error) =>
      error._tag === "AnnounceTimeout" ? "too few catchers joined in time" : `the master gave up: ${error.message}`
  })
  yield* Effect.ignore(lastWords({ _tag: "Abort", file: undefined, reason, audience: [] }))
})

/**
 * The tree is scanned while the catchers come, so that its faults are known at once. The gathering
 * may take long: then the tree is scanned again, because the session sends what is there when it
 * begins. [M-6]
 */
const scanAndGather = Effect.fnUntraced(function* <E, R, E2, R2>(
  scan: Effect.Effect<void, E, R>,
  gather: Effect.Effect<void, E2, R2>
) {
  const now = yield* Monotonic.millis
  const beganMillis = now()
  const first = yield* Effect.forkScoped(scan)
  yield* Effect.raceFirst(gather, Effect.andThen(Fiber.join(first), Effect.never))
  if (now() - beganMillis <= Limits.freshScanMillis) return yield* Fiber.join(first)
  yield* Fiber.interrupt(first)
  yield* scan
})

/** What is not carried, and how it would be. */
const noticeOf = ({ acls, capabilities, count, first, needsRoot }: Uncarried): string => {
  const what = capabilities && acls ? "capabilities or ACLs" : capabilities ? "capabilities" : "ACLs"
  const options = [...(capabilities ? [needsRoot ? "-X as root" : "-X"] : []), ...(acls ? ["-A"] : [])].join(" ")
  const [have, carry] = [
    count === 1 ? "1 entry has" : `${count} entries have`,
    capabilities && acls ? "carry" : "carries"
  ]
  return `${have} ${what}, first ${display(ofKey(first))}: ${options} ${carry} them`
}

const skippedEvent = (skipped: Skipped) =>
  skipped.kind === "Special"
    ? ({ _tag: "Note", message: `${skipped.path}: ${skipped.reason}` } as const)
    : ({ _tag: "Failed", ...pathAt(skipped.path), reason: skipped.reason } as const)

/** The entries that were left out, as the manifest tells them to catchers. */
const leftOutOf = (skipped: ReadonlyArray<Skipped>): LeftOut => ({
  special: skipped.filter(({ isDouble, kind }) => kind === "Special" && isDouble !== true).length,
  more: 0,
  lost: skipped.flatMap(({ at, kind, path, reason }) =>
    kind === "Special"
      ? []
      : [{ path: at ?? bytesOf(path), kind: kind === "Vanished" ? "Changed" : "Unreadable", reason }]
  )
})
