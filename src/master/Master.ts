/**
 * The master: scan and gather, then the manifest and every carried file through open barrier, page stream, missing rounds
 * and close, many files at one time; at the end the close of the manifest commits the tree. Nothing but the phases
 * composed, and the books (Ledger) of what became of it.
 *
 * A catcher that joins while the session runs takes part in the files that are still to be opened, and is sent the others
 * that it lacks in a further pass.
 */

import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Semaphore from "effect/Semaphore"
import * as Bundles from "../content/Bundles.ts"
import * as Announce from "../phase/Announce.ts"
import * as Close from "../phase/Close.ts"
import * as PageStream from "../phase/PageStream.ts"
import * as Layout from "../protocol/file/Layout.ts"
import type { Repair } from "../protocol/file/Planner.ts"
import * as Roster from "../protocol/group/Roster.ts"
import * as Limits from "../protocol/Limits.ts"
import type * as Errors from "../report/Errors.ts"
import { Progress, seconds } from "../report/Progress.ts"
import type { Report } from "../report/Report.ts"
import { displaySession } from "../session/Exchange.ts"
import * as Monotonic from "../session/Monotonic.ts"
import * as Session from "../session/Session.ts"
import { type Skipped, Source } from "../source/Source.ts"
import type { Transport } from "../transport/Transport.ts"
import { counts, type LeftOut } from "../tree/Entry.ts"
import { encode } from "../tree/Manifest.ts"
import { bytesOf, display, pathAt } from "../tree/Names.ts"
import { type Carried, plan } from "../tree/Plan.ts"
import type { Audience } from "../wire/Message.ts"
import * as Content from "./Content.ts"
import { Delivery } from "./Delivery.ts"
import { agedReason, Ledger } from "./Ledger.ts"
import * as Tick from "./Tick.ts"

/**
 * What a master is to do. Only `catchers`, or a list of `hosts`, has no default: see `defaults`.
 */
export interface Options extends Announce.Patience {
  /** Begin when this many have joined: 1 to 4096. With `hosts` it counts for nothing. */
  readonly catchers: number
  /** Begin when catchers of exactly these names have joined; others are refused. */
  readonly hosts?: ReadonlyArray<string>
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
 * cannot be used, or the tree cannot be read. What fails for single catchers or entries is in the
 * report instead.
 */
export type Error = Errors.AnnounceTimeout | Errors.GroupBusy | Errors.TransportError | Errors.SourceError

/**
 * One session, from the call for catchers to the last words. Once it has begun the last event is
 * the report, also when it fails or is interrupted.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { Datagram, DiskSource, Master, Progress } from "mrsync"
 *
 * const report = Master.run({ ...Master.defaults, catchers: 12 }).pipe(
 *   Effect.provide([
 *     Datagram.layerMaster({ ...Datagram.defaults, interface: "10.0.0.1" }),
 *     DiskSource.layer(["photos/"]),
 *     Progress.Progress.layer
 *   ])
 * )
 * ```
 */
export const run = Effect.fn("Master.run")(function* (
  options: Options
): Effect.fn.Return<Report, Error, Transport | Source | Progress> {
  return yield* Effect.scoped(conduct(options))
})

const conduct = Effect.fnUntraced(function* (options: Options) {
  const progress = yield* Progress
  const source = yield* Source
  // the session's time is counted from its beginning, not from the waiting for catchers
  let startedMillis = yield* Clock.currentTimeMillis
  let ledger = new Ledger([], [])
  // what a second scan finds once more is not told again
  const told = new Set<string>()
  let hasBegun = false
  const scan = Effect.gen(function* () {
    const scanned = yield* source.scan
    for (const skip of scanned.skipped) {
      const { path, reason } = skip
      if (!told.has(`${path}: ${reason}`)) progress.publish(skippedEvent(skip))
      told.add(`${path}: ${reason}`)
    }
    const found = JSON.stringify(counts(scanned.entries))
    if (!told.has(found)) progress.publish({ _tag: "Scanned", ...counts(scanned.entries) })
    told.add(found)
    ledger = new Ledger(scanned.entries, plan(scanned.entries), leftOutOf(scanned.skipped))
  })
  const wanted = options.hosts?.length ?? options.catchers
  const session = yield* Session.make({ ...options, wanted })

  const report = Effect.map(Clock.currentTimeMillis, (nowMillis) => {
    const { pages, parity, repaired } = session.air.totals()
    const pageBytes = session.probing.pageBytes()
    const needed = ledger.needed(pageBytes)
    return ledger.report({
      session: displaySession(session.id),
      seconds: seconds(nowMillis - startedMillis),
      members: Roster.participants(session.roster()),
      hosts: session.roster().hosts,
      straggled: session.straggled,
      pages: { needed, sent: pages, repaired, parity }
    })
  })

  const passes = Effect.gen(function* () {
    yield* scanAndGather(scan, Announce.gather({ ...options, wanted }))
    startedMillis = yield* Clock.currentTimeMillis
    const { bytes, files } = counts(ledger.entries)
    const catchers = Roster.present(session.roster()).length
    hasBegun = true
    progress.publish({ _tag: "Started", session: displaySession(session.id), catchers, files, bytes })
    yield* Effect.forkScoped(Tick.ticking(ledger, startedMillis))
    yield* sendAll(ledger, options)
    yield* checkCopies(ledger)
    yield* session.lastWords({ _tag: "Bye", session: session.id })
  }).pipe(
    Effect.onExit((exit) => {
      if (Exit.isSuccess(exit)) return Effect.void
      const reason = Option.match(Cause.findErrorOption(exit.cause), {
        onNone: () => "the master was interrupted",
        onSome: (error) =>
          error._tag === "AnnounceTimeout" ? "too few catchers joined in time" : `the master gave up: ${error.message}`
      })
      return Effect.ignore(
        session.lastWords({ _tag: "Abort", session: session.id, file: undefined, reason, audience: [] })
      )
    })
  )

  const reported = Effect.tap(report, (report) => Effect.sync(() => progress.publish(report)))
  return yield* Effect.raceFirst(passes, session.run).pipe(
    Effect.andThen(reported),
    // before it has begun there is nothing to report but the error
    Effect.onError(() => (hasBegun ? reported : Effect.void)),
    Effect.provideService(Session.Session, session)
  )
})

/**
 * The tree is scanned while the catchers come, so that its faults are known at once. The gathering may take long: then the
 * tree is scanned again, because the session sends what is there when it begins. [M-6]
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

/** Passes over the tree until nobody present lacks anything, then the commit of the tree; who comes meanwhile begins it anew. */
const sendAll = Effect.fnUntraced(function* (ledger: Ledger, options: Options) {
  const session = yield* Session.Session
  const bundles = Bundles.make()
  const flight = yield* Semaphore.make(Limits.filesInFlight)
  const lateness = yield* Semaphore.make(Limits.lateFiles)
  const prepared = new Set<number>()
  const present = () =>
    Roster.present(session.roster())
      .map((member) => member.slot)
      .filter((slot) => !ledger.satOutManifest(slot))
  const { isKnown, whyOut } = session.probing
  const here = () => present().filter((slot) => !session.isAway(slot) && isKnown(slot) && whyOut(slot) === undefined)
  // one that has no room for the tree, cannot read the manifest, or has lost its destination [F-8] gets nothing else
  const progress = yield* Progress
  yield* session.onSitOut(0, (slot, reason) => {
    if (!ledger.lacks(slot, 0)) return
    ledger.sitOut(0, new Map([[slot, reason]]))
    progress.publish({ _tag: "Failed", catcher: session.roster().members[slot].name, path: ".", reason })
  })
  const newcomers = () => here().filter((slot) => !prepared.has(slot))
  const admit = Effect.gen(function* () {
    const admitted = yield* sendManifest(ledger, options, newcomers())
    for (const slot of admitted) prepared.add(slot)
    // who comes late learns why it will not get what was given up before
    yield* Effect.forEach(
      ledger.dropped(),
      ({ file, reason }) => Close.abort(file, reason, admitted, session.awayMillis),
      { concurrency: Limits.filesInFlight, discard: true }
    )
  })
  const lacking = (file: number) =>
    here().filter((slot) => prepared.has(slot) && ledger.lacks(slot, file) && ledger.knows(slot, file))

  // [N-3] a catcher that no page reaches is told so, and is done with
  const dismiss = Effect.gen(function* () {
    for (const slot of present()) {
      const why = whyOut(slot)
      if (why === undefined) continue
      ledger.sitOut(0, new Map([[slot, why]]))
      const telling = Close.abort(0, why, [slot], session.awayMillis)
      yield* Effect.forkScoped(Effect.andThen(telling, session.lose(slot, why)))
    }
  })

  // Who has the manifest and every file, and has not committed the tree; nobody while files are to be taken anew.
  const whole = () =>
    ledger.changed().length > 0
      ? []
      : here().filter(
          (slot) =>
            prepared.has(slot) && ledger.lacks(slot, 0) && !ledger.plan.some(({ file }) => ledger.lacks(slot, file))
        )

  // Is something to be taken anew for somebody? Those that have the tree keep it as it was.
  const isRevised = () => ledger.changed().length > 0 && here().some((slot) => ledger.lacks(slot, 0))

  // [J-6] who comes during a pass takes part in the files that are opened after it has the manifest
  const pass = Effect.fnUntraced(function* (todo: ReadonlyArray<Carried>) {
    const over = Deferred.makeUnsafe<void>()
    const areStragglers = here().some(session.isBenched)
    const outgoing = todo.map((carried) =>
      outgoingOf(carried, areStragglers && lacking(carried.file).every(session.isBenched))
    )
    const group = outgoing.filter(({ isLate }) => !isLate)
    const before = prepared.size
    const shared = { bundles, flight, lateness, hasNewcomers: () => prepared.size > before }
    const admitting = Effect.gen(function* () {
      while (!Deferred.isDoneUnsafe(over)) {
        session.changed.closeUnsafe()
        yield* dismiss
        if (newcomers().length > 0) yield* admit
        if (!Deferred.isDoneUnsafe(over)) yield* session.changed.await
      }
    })
    const send = (files: ReadonlyArray<Outgoing>, concurrency: number) =>
      Effect.forEach(
        files,
        ({ carried, offAir }) => sendFile(ledger, options, carried, () => lacking(carried.file), { ...shared, offAir }),
        { concurrency, discard: true }
      )
    // what only stragglers lack has an order of its own, and takes no place of the others
    const sending = Effect.all(
      [
        send(group, Limits.filesInFlight + Limits.lateFiles),
        send(
          outgoing.filter(({ isLate }) => isLate),
          Limits.lateFiles
        )
      ],
      { concurrency: 2, discard: true }
    )
    const end = Effect.sync(() => {
      Deferred.doneUnsafe(over, Effect.void)
      session.changed.openUnsafe()
    })
    const committing = Effect.gen(function* () {
      yield* areOffAir(group)
      const revisions: Array<Fiber.Fiber<void, Effect.Error<typeof sending>>> = []
      while (isRevised()) {
        for (const stage of yield* revise(
          ledger,
          here().filter((slot) => ledger.lacks(slot, 0))
        )) {
          const files = stage.map((carried) => outgoingOf(carried, false))
          const sent = yield* Effect.forkChild(send(files, Limits.filesInFlight + Limits.lateFiles))
          revisions.push(sent)
          yield* Effect.raceFirst(areOffAir(files), Effect.andThen(Fiber.join(sent), Effect.never))
        }
      }
      // those who wait for stragglers only do not wait with their tree
      yield* commitTree(ledger, whole(), session.awayMillis)
      yield* Fiber.joinAll(revisions)
    })
    const sendingAll = Effect.all([sending, committing], { concurrency: 2, discard: true })
    yield* Effect.all([Effect.ensuring(sendingAll, end), admitting], { concurrency: 2, discard: true })
  })

  while (true) {
    yield* dismiss
    const todo = ledger.plan.filter((carried) => lacking(carried.file).length > 0)
    const uncommitted = present().filter((slot) => ledger.lacks(slot, 0))
    if (newcomers().length > 0) yield* admit
    else if (todo.length > 0 || isRevised()) yield* pass(todo)
    // [O-6] who is away comes back or is lost; [J-10] who asks for a name that was taken may have been started again
    else if (session.knocking() || here().length < present().length) {
      // those that have everything need not wait with their tree
      yield* commitTree(ledger, whole(), session.awayMillis)
      yield* Effect.sleep(Limits.announceMillis)
    } else if (uncommitted.length > 0) yield* commitTree(ledger, uncommitted)
    // in the same step, or somebody would be taken in who is sent nothing
    else return session.end()
  }
})

/** A file of a pass. */
interface Outgoing {
  readonly carried: Carried
  /** Only stragglers lack it. */
  readonly isLate: boolean
  /** Done when nobody but stragglers waits for it any more. */
  readonly offAir: Deferred.Deferred<void>
}

const outgoingOf = (carried: Carried, isLate: boolean): Outgoing => ({
  carried,
  isLate,
  offAir: Deferred.makeUnsafe<void>()
})

const areOffAir = (files: ReadonlyArray<Outgoing>) =>
  Effect.forEach(files, ({ offAir }) => Deferred.await(offAir), { discard: true })

/**
 * [M-8] What changed before it was sent whole is taken as it is now. Answers what there is to be sent for it: the revision, and
 * then, to those that hold it, what it lists.
 */
const revise = Effect.fn("Master.revise")(function* (ledger: Ledger, audience: Audience) {
  const { awayMillis } = yield* Session.Session
  const source = yield* Source
  const progress = yield* Progress
  yield* checkCopies(ledger)
  const { failures, retaken } = yield* source.retake(ledger.changed())
  for (const { entry, error } of failures) {
    const file = ledger.giveUp(entry, error)
    progress.publish({ _tag: "Failed", ...pathAt(error.path), reason: error.reason })
    // it was put off, and now it is given up
    if (file !== undefined && audience.length > 0) yield* Close.abort(file, error.reason, audience, awayMillis)
  }
  const first = ledger.plan.length
  if (retaken.length > 0) ledger.revise(retaken)
  return [ledger.plan.slice(first, first + 1), ledger.plan.slice(first + 1)] as const
})

/** Of files that were sent from a copy: is that what the source still holds? */
const checkCopies = Effect.fnUntraced(function* (ledger: Ledger) {
  const source = yield* Source
  const progress = yield* Progress
  for (const entry of ledger.takeUnchecked()) {
    if (yield* source.isCurrent(entry)) continue
    ledger.age(entry)
    progress.publish({ _tag: "Note", message: `${display(ledger.entries[entry].path)} ${agedReason}` })
  }
})

/** The close of the manifest; with patience at those that answer within it. */
const commitTree = Effect.fnUntraced(function* (ledger: Ledger, audience: Audience, patienceMillis?: number) {
  if (audience.length === 0) return
  const closed = yield* Effect.catchTag(
    Close.close(0, audience, ledger.entries.length, patienceMillis),
    "CloseTimeout",
    () => Effect.undefined
  )
  if (closed === undefined) return
  const first = [...closed.committed.keys()].filter((slot) => ledger.lacks(slot, 0))
  ledger.commit(0, closed.committed)
  ledger.sitOut(0, closed.satOut)
  const { roster } = yield* Session.Session
  const progress = yield* Progress
  for (const slot of first) {
    const member = roster().members[slot]
    if (ledger.stateOf(member) === "Complete") progress.publish({ _tag: "Completed", id: member.name })
  }
})

/** The manifest goes through the same phases, but is closed last, when a catcher has all the rest. The slots that hold it now. */
const sendManifest = Effect.fnUntraced(function* (ledger: Ledger, options: Options, audience: Audience) {
  const bytes = encode(ledger.manifest, ledger.leftOut)
  const carried: Carried = {
    file: 0,
    kind: "Manifest",
    size: bytes.length,
    members: []
  }
  const content = (pageBytes: number) =>
    Effect.succeed(PageStream.inMemory(0, Layout.make({ size: bytes.length, pageBytes }), bytes))
  const prepared: Array<number> = []
  const hold = (slots: Audience) =>
    Effect.sync((): Audience => {
      prepared.push(...slots)
      return []
    })
  const delivery = new Delivery({ ledger, repair: options.repair, carried, content, close: hold })
  yield* delivery.toGroup(audience).pipe(
    Effect.andThen(delivery.toStragglers),
    Effect.catchTag(["OpenBarrierTimeout", "RoundsExhausted"], () => Effect.void),
    // content in memory does not fail
    Effect.catchTag(["SourceChanged", "SourceError"], () => Effect.void)
  )
  return prepared
})

/** Closes a file at catchers that hold all of it; those that have not answered within a barrier's time, unless it is late. */
const closeAt = Effect.fnUntraced(
  function* (ledger: Ledger, carried: Carried, lacking: () => Audience, complete: Audience, isLate: boolean) {
    const { awayMillis } = yield* Session.Session
    const patience = isLate ? undefined : awayMillis
    const closed = yield* Close.close(carried.file, complete, ledger.entries.length, patience)
    ledger.commit(carried.file, closed.committed)
    ledger.sitOut(carried.file, closed.satOut)
    if (lacking().length === 0) yield* tellCompleted(ledger, carried)
    return closed.silent
  },
  // all of these were lost; those that still lack the file are not
  Effect.catchTag("CloseTimeout", () => Effect.succeed<Audience>([]))
)

/** A pass for the stragglers comes later, and nobody waits for them now; one that is away need not be told. */
const putOff = Effect.fnUntraced(function* (file: number, late: Audience) {
  const { awayMillis, isAway } = yield* Session.Session
  const here = late.filter((slot) => !isAway(slot))
  if (here.length > 0) yield* Close.putOff(file, here, awayMillis)
})

const sendFile = Effect.fnUntraced(function* (
  ledger: Ledger,
  options: Options,
  carried: Carried,
  lacking: () => Audience,
  shared: {
    readonly bundles: Bundles.Bundles
    /** Files on the air, and files that wait for stragglers. */
    readonly flight: Semaphore.Semaphore
    readonly lateness: Semaphore.Semaphore
    /** To be done when nobody but stragglers waits for the file any more. */
    readonly offAir: Deferred.Deferred<void>
    /** Has somebody come since the pass began? */
    readonly hasNewcomers: () => boolean
  }
) {
  const { bundles, flight, hasNewcomers, lateness, offAir } = shared
  const { isBenched } = yield* Session.Session
  let audience: Audience = []
  const leavesAir = Deferred.succeed(offAir, undefined)
  const close = (complete: Audience, isLate: boolean) => closeAt(ledger, carried, lacking, complete, isLate)
  const content = (pageBytes: number) => Content.open(ledger, pageBytes, carried, bundles)
  const delivery = new Delivery({ ledger, repair: options.repair, carried, content, close })
  const delivering = Effect.suspend(() => {
    audience = lacking()
    return audience.length === 0 ? Effect.void : delivery.toGroup(audience)
  })
  // who waits for stragglers keeps no other file from the air
  const sending = Effect.gen(function* () {
    // what is for stragglers alone takes the place of nothing else, and is left for the next pass when somebody else has come
    const isForStragglers = lacking().every(isBenched)
    if (isForStragglers) yield* leavesAir
    if (isForStragglers && hasNewcomers()) return
    yield* (isForStragglers ? lateness : flight).withPermit(delivering)
    yield* leavesAir
    if (delivery.state !== "Waiting") return
    const finished = yield* lateness.withPermitsIfAvailable(1)(delivery.toStragglers)
    if (Option.isNone(finished)) yield* putOff(carried.file, delivery.stragglers())
  })
  const giveUp = (error: Errors.SourceError | Errors.SourceChanged) =>
    Effect.gen(function* () {
      // what was recognised is closed already, and stays
      const owed = new Set([...audience, ...lacking()])
      const unfinished = [...owed].filter((slot) => ledger.lacks(slot, carried.file)).sort((a, b) => a - b)
      const progress = yield* Progress
      const { path, reason } = error
      const isRetaken = ledger.isRetakable(carried.members[0].entry, error)
      if (isRetaken) {
        const event = error._tag === "SourceChanged" ? error.event : reason
        progress.publish({ _tag: "Note", message: `${path}: ${event}; it is sent once more after the others` })
      } else progress.publish({ _tag: "Failed", ...pathAt(path), reason })
      // nobody commits the tree with a part of the file beside it
      yield* Close.abort(carried.file, isRetaken ? undefined : reason, unfinished)
      ledger.drop(carried, error)
    })
  yield* Effect.scoped(sending).pipe(
    Effect.catchTag(["SourceError", "SourceChanged"], giveUp),
    // all of them were lost on the way: the books have it already
    Effect.catchTag(["OpenBarrierTimeout", "RoundsExhausted"], () => Effect.void),
    Effect.ensuring(leavesAir)
  )
  ledger.passed(carried.file, audience)
})

const tellCompleted = Effect.fnUntraced(function* (ledger: Ledger, carried: Carried) {
  if (!ledger.completes(carried.file)) return
  const progress = yield* Progress
  progress.publishFiles(() => ledger.sentPaths(carried))
})

const skippedEvent = (skipped: Skipped) =>
  skipped.kind === "Special"
    ? ({ _tag: "Note", message: `${skipped.path}: ${skipped.reason}` } as const)
    : ({ _tag: "Failed", ...pathAt(skipped.path), reason: skipped.reason } as const)

/** What the catchers are told of it. */
const leftOutOf = (skipped: ReadonlyArray<Skipped>): LeftOut => ({
  special: skipped.filter(({ isDouble, kind }) => kind === "Special" && isDouble !== true).length,
  more: 0,
  lost: skipped.flatMap(({ at, kind, path, reason }) =>
    kind === "Special"
      ? []
      : [{ path: at ?? bytesOf(path), kind: kind === "Vanished" ? "Changed" : "Unreadable", reason }]
  )
})
