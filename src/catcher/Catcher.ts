/**
 * The catcher: join a session, then every carried file as a four-state machine in a fiber of its own, until the master
 * says bye. Nothing but the phases composed. It speaks only when asked.
 */

import * as Channel from "effect/Channel"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Pull from "effect/Pull"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { Claimed } from "../content/Claimed.ts"
import * as Announce from "../phase/Announce.ts"
import * as PageReceiver from "../phase/PageReceiver.ts"
import type * as FileState from "../protocol/file/FileState.ts"
import * as Layout from "../protocol/file/Layout.ts"
import * as Planner from "../protocol/file/Planner.ts"
import * as Limits from "../protocol/Limits.ts"
import type * as Errors from "../report/Errors.ts"
import { BadManifest, JoinRefused, MasterTimeout, SessionAborted } from "../report/Errors.ts"
import { Progress } from "../report/Progress.ts"
import type { Report } from "../report/Report.ts"
import * as Answers from "../session/Answers.ts"
import { CatcherExchange, displaySession } from "../session/Exchange.ts"
import type { Inbox, Incoming } from "../session/Incoming.ts"
import * as Monotonic from "../session/Monotonic.ts"
import * as Refusal from "../session/Refusal.ts"
import * as Refusals from "../session/Refusals.ts"
import * as Unread from "../source/Unread.ts"
import { type FileWriter, Store, StoreError } from "../store/Store.ts"
import { Transport } from "../transport/Transport.ts"
import { counts, type Entry } from "../tree/Entry.ts"
import * as Manifest from "../tree/Manifest.ts"
import * as Names from "../tree/Names.ts"
import * as Plan from "../tree/Plan.ts"
import type { Carried } from "../tree/Plan.ts"
import * as Room from "../tree/Room.ts"
import type { Failure, FromMaster, Poll, Probe } from "../wire/Message.ts"
import { BlockPool } from "./Assembly.ts"
import { Attendance, isComplete, reportOf } from "./Attendance.ts"
import type * as CatchFile from "./FileFiber.ts"
import * as CatchFiles from "./Files.ts"
import * as Recognition from "./Recognition.ts"
import { whereaboutsOf } from "./Whereabouts.ts"
import * as Tick from "./Tick.ts"
import { Wakefulness } from "./Wakefulness.ts"

/** What a catcher is to do. Only its name, `id`, has no default: see `defaults`. */
export interface Options {
  /** Its name, which no other catcher of the session may have: 1 to 128 bytes of UTF-8. */
  readonly id: string
  /** Milliseconds to wait for a master; undefined: for ever. */
  readonly waitMillis: number | undefined
  /** Milliseconds of silence after which the master counts as lost. */
  readonly timeoutMillis: number
  /** Blocks assembled in memory at one time, the rest goes to the store: fewer where hundreds of catchers share one memory. */
  readonly assemblingBlocks?: number
}

/**
 * A catcher's defaults: it waits 30 s for a master, and takes it for lost after 10 s of silence.
 */
export const defaults = {
  waitMillis: Limits.defaultWaitMillis,
  timeoutMillis: Limits.defaultTimeoutMillis
} as const satisfies Partial<Options>

/**
 * Why the session did not end well here: no master was heard, it refused us, it gave the session up
 * or fell silent, or the network, the store or the manifest is of no use. What fails for single
 * entries is in the report instead.
 */
export type Error =
  | Errors.MasterTimeout
  | Errors.JoinRefused
  | Errors.SessionAborted
  | Errors.BadManifest
  | Errors.TransportError
  | Errors.StoreError

/**
 * One session: it joins the first that calls, and ends when the master says bye. The last event
 * that it publishes is the report, also when it fails or is interrupted; without a session there is
 * none.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { Catcher, Datagram, Disk, Progress } from "mrsync"
 *
 * const report = Catcher.run({ ...Catcher.defaults, id: "c1" }).pipe(
 *   Effect.provide([
 *     Datagram.layerCatcher({ ...Datagram.defaults, interface: "10.0.0.2" }),
 *     Disk.layer("/srv/photos"),
 *     Progress.Progress.layer
 *   ])
 * )
 * ```
 */
export const run = Effect.fn("Catcher.run")(function* (
  options: Options
): Effect.fn.Return<Report, Error, Transport | Store | Progress> {
  return yield* Effect.scoped(Effect.provide(attend(options), CatcherExchange.layer))
})

/** A stream's pull for one fiber at a time. Stream.toPull's takes a permit and provides a context at every pull, for which there is no use here. */
const pullOf = <A, E>(stream: Stream.Stream<A, E>) =>
  Effect.flatMap(Effect.scope, (scope) => Channel.toPullScoped(Stream.toChannel(stream), scope))

const attend = Effect.fnUntraced(function* (options: Options) {
  const transport = yield* Transport
  const exchange = yield* CatcherExchange
  const progress = yield* Progress
  const now = yield* Monotonic.millis
  const wakefulness = yield* Wakefulness.make(now)
  let attendance = new Attendance(now(), wakefulness)
  yield* Effect.forkScoped(Refusal.telling)
  const pull = yield* pullOf(exchange.receive)
  // What came with the welcome is heard once more: the master's first question may be among it.
  let last: Effect.Success<Inbox> = []
  let isAgain = false
  const inbox: Inbox = Effect.suspend(() => {
    if (isAgain) {
      isAgain = false
      return Effect.succeed(last)
    }
    attendance.listens(now())
    return Effect.map(
      Pull.catchDone(pull, () => Effect.never),
      (batches) => {
        attendance.workingMillis = now()
        last = batches
        return batches
      }
    )
  })

  let isIn = false
  const life = Effect.fnUntraced(function* (waitMillis: number | undefined) {
    isIn = false
    // the call for which the last session was left is heard once more
    isAgain = attendance.isReplaced
    const membership = yield* Announce.join(inbox, { name: options.id, waitMillis })
    isIn = true
    isAgain = true
    attendance = new Attendance(now(), wakefulness)
    attendance.joins(membership)
    const files = yield* filesOf(membership, attendance, options)
    yield* Effect.forkScoped(Tick.ticking(attendance, now))
    const events = yield* pullOf(PageReceiver.events(inbox, membership, attendance.received))
    const whereabouts = whereaboutsOf(membership, options.id, transport, exchange)
    const listening = Effect.gen(function* () {
      while (true) {
        for (const incoming of yield* events) {
          if (incoming._tag !== "OtherMaster") attendance.hears(incoming, now())
          if (incoming._tag === "Pages") attendance.startedMillis ??= now()
          if (isOfFiles(incoming)) attendance.begun = true
          if (incoming._tag === "Message") yield* whereabouts.heard(incoming.message)
          const goesOn =
            incoming._tag === "OtherMaster"
              ? decline(incoming, membership, attendance, now())
              : hear(incoming, membership, attendance, files, exchange)
          if (!(yield* goesOn)) return
        }
      }
    }).pipe(Pull.catchDone(() => Effect.void))
    yield* Effect.raceAllFirst([
      listening,
      watch(options, attendance, membership.master, now),
      Effect.andThen(files.join, Effect.never)
    ])
    if (attendance.dismissed !== undefined)
      progress.publish({ _tag: "Note", message: `the master sends nothing more here: ${attendance.dismissed}` })
    if (attendance.ruin !== undefined) return yield* attendance.ruin
  })

  const startedMillis = now()
  const session = Effect.gen(function* () {
    let { waitMillis } = options
    /** What is said when no session is found from now on. */
    let otherwise: Error | undefined
    for (let more = Limits.lives - 1; ;) {
      const lived = yield* Effect.result(Effect.scoped(life(waitMillis)))
      if (lived._tag === "Success") return
      const error = lived.failure
      if (!isIn) return yield* error._tag === "MasterTimeout" ? (otherwise ?? error) : error
      if ((error._tag === "JoinRefused" || attendance.isReplaced) && more-- > 0) {
        // [J-8] given up while we were out of reach, and within reach again: what was committed before is recognised. That
        // master is heard within the time-out, or its session has ended since. [J-13] So is one for which ours was left.
        if (attendance.isReplaced) yield* leave
        waitMillis = options.timeoutMillis
        otherwise = error._tag === "JoinRefused" ? ended(error) : error
      } else if (!attendance.begun && (error._tag === "SessionAborted" || error._tag === "MasterTimeout")) {
        // [J-12] its master has gathered in vain, and another one may come
        const before =
          error._tag === "SessionAborted"
            ? `the master ${error.master} gave up while it waited for catchers (${error.reason})`
            : `the master ${error.master} fell silent while it waited for catchers`
        progress.publish({ _tag: "Note", message: `${before}; waiting for another one` })
        attendance = new Attendance(now(), wakefulness)
        if (options.waitMillis !== undefined) {
          const waitedMillis = options.waitMillis
          otherwise = new MasterTimeout({ waitedMillis, before })
          waitMillis = waitedMillis - (now() - startedMillis)
          if (waitMillis <= 0) return yield* otherwise
        }
      } else return yield* error
    }
  })

  const report = Effect.sync(() => {
    const report = reportOf(options, transport.local, attendance, now())
    progress.publish(report)
    return report
  })
  // [J-9] a master need not wait for whoever is stopped
  const leave = Effect.suspend(() => {
    if (attendance.membership === undefined || attendance.done) return Effect.void
    const { incarnation, master, session, slot } = attendance.membership
    return exchange.tell(master, { _tag: "Aborted", session, slot, incarnation, file: undefined })
  })
  return yield* session.pipe(
    Effect.onInterrupt(() => leave),
    Effect.onError(() => (attendance.membership === undefined ? Effect.void : report)),
    Effect.andThen(report)
  )
})

/** To be started again is of no use to a session that is over. */
const ended = ({ master, reason }: JoinRefused): JoinRefused =>
  new JoinRefused({ master, reason: `${reason}, which has ended since, or is out of reach` })

/** Is it about a file? Polls, welcomes and last words come also while a master gathers. */
const isOfFiles = (incoming: Incoming): boolean =>
  incoming._tag === "Message"
    ? incoming.message._tag === "Open" || incoming.message._tag === "Eof" || incoming.message._tag === "Close"
    : incoming._tag !== "OtherMaster"

/** Ends well when the master is gone after the commit of the tree, with MasterTimeout when it is gone before. */
const watch = Effect.fnUntraced(function* (
  options: Options,
  attendance: Attendance,
  master: string,
  now: () => number
) {
  while (true) {
    const patience = attendance.done ? Math.min(Limits.lingerMillis, options.timeoutMillis) : options.timeoutMillis
    const before = now()
    yield* Effect.sleep(patience / 4)
    // we stood still, and what was said meanwhile is still to be read
    if (now() - before > patience / 2) attendance.stoodStill(now())
    if (attendance.workingMillis !== undefined || now() - attendance.heardMillis < patience) continue
    if (attendance.done) return
    const sessionMillis = Math.round(now() - attendance.joinedMillis)
    return yield* new MasterTimeout({ master, waitedMillis: options.timeoutMillis, sessionMillis })
  }
})

/** Another master calls: it is told that we are taken, unless ours is dead. Answers whether the session goes on. */
const decline = Effect.fnUntraced(function* (
  { announce, from }: Extract<Incoming, { readonly _tag: "OtherMaster" }>,
  { incarnation, master }: Announce.Membership,
  attendance: Attendance,
  nowMillis: number
) {
  const isLeft = attendance.isLeftFor(announce, nowMillis)
  const silentMillis = attendance.surelySilentMillis(nowMillis)
  if (isLeft) {
    if (attendance.done) return false
    const progress = yield* Progress
    const message = `the master ${master} has been silent for ${silentMillis / 1000} s, and another one (${from}) calls: joining that`
    progress.publish({ _tag: "Note", message })
    return yield* new MasterTimeout({ master, waitedMillis: silentMillis })
  }
  const { tell } = yield* CatcherExchange
  yield* tell(from, { _tag: "Decline", session: announce.session, incarnation, silentMillis, master })
  return true
})

/** What is done with each event; answers whether the session goes on. */
const hear = (
  incoming: Exclude<Incoming, { readonly _tag: "OtherMaster" }>,
  membership: Announce.Membership,
  attendance: Attendance,
  files: CatchFiles.CatchFiles,
  exchange: CatcherExchange["Service"]
): Effect.Effect<boolean, Error> => {
  const { master } = membership
  switch (incoming._tag) {
    case "Pages":
      return Effect.as(files.pages(incoming.file, incoming.batch), true)
    case "Parity":
      return Effect.as(files.parity(incoming.file, incoming.batch), true)
    case "Message": {
      const { message, pages } = incoming
      if (message._tag !== "Poll" && message._tag !== "Probe")
        return answerTo(message, membership, attendance, files, exchange)
      const answer =
        message._tag === "Poll"
          ? Answers.toPoll(message, pages, attendance.dropped, attendance.heldBytes, membership)
          : Answers.toProbe(message, attendance.probes, membership)
      return answer === undefined ? Effect.succeed(true) : Effect.as(exchange.answer(master, answer), true)
    }
  }
}

const answerTo = Effect.fnUntraced(function* (
  message: Exclude<FromMaster, Poll | Probe>,
  membership: Announce.Membership,
  attendance: Attendance,
  files: CatchFiles.CatchFiles,
  exchange: CatcherExchange["Service"]
) {
  const { master } = membership
  switch (message._tag) {
    case "Bye":
      attendance.hasEnded = true
      return false
    case "Abort":
      // the tree is ours, whatever becomes of the others
      if (message.file === undefined && attendance.done) return false
      if (message.file === undefined) return yield* new SessionAborted({ master, reason: message.reason })
      // [N-3] nothing more is sent to us
      if (message.file === 0 && message.reason !== undefined && message.audience.includes(membership.slot)) {
        attendance.dismissed = message.reason
        yield* exchange.answer(master, Answers.toQuestion({ _tag: "Aborted" }, 0, membership, 0))
        return false
      }
      // what is only put off is opened again
      if (message.reason !== undefined && message.audience.includes(membership.slot)) {
        attendance.withheld.add(message.file)
        attendance.drop(attendance.entriesOf(message.file), Unread.ofReason(message.reason))
      }
      break
    case "Welcome":
      for (const guest of message.guests) {
        // a refusal from before we had a slot may come late
        const isLost = "refusal" in guest && guest.refusal === "Started"
        if (guest.incarnation === membership.incarnation && isLost) {
          if (attendance.done) return false
          return yield* new JoinRefused({ master, reason: Refusals.words[guest.refusal] })
        }
      }
  }
  if (message._tag === "Open") attendance.expect(message)
  const asked = Answers.eventOf(message, membership)
  // the manifest's plan says which files there are; before it there is only the manifest
  if (asked !== undefined && asked.file <= attendance.plan.length) yield* files.question(asked.file, asked.event)
  return true
})

/** The files of this session: how each is opened, put to use and answered for. */
const filesOf = Effect.fnUntraced(function* (
  membership: Announce.Membership,
  attendance: Attendance,
  { assemblingBlocks, id }: Options
) {
  const exchange = yield* CatcherExchange
  const store = yield* Store
  const progress = yield* Progress
  const { blockPages, master, pageBytes, session } = membership
  const patienceMillis = membership.timeoutMillis * Limits.recognitionTimeouts
  const pool = new BlockPool(blockPages * pageBytes, assemblingBlocks)
  const scope = yield* Effect.scope
  // Directories and the like are made while the first bundles come; what needs them waits.
  let prepared: Effect.Effect<void, StoreError> = Effect.void

  const answer = (file: number, answer: FileState.Answer) => {
    if (answer._tag === "Missing") attendance.missingPages += Planner.lacking(answer)
    if (answer._tag === "SitOut") sitOut(file, answer.reason)
    return exchange.answer(master, Answers.toQuestion(answer, file, membership, attendance.heldBytes()))
  }

  const sitOut = (file: number, reason: string) => {
    // then it is no single file's fault, and was said
    if (attendance.ruin !== undefined) return
    const entries = attendance.entriesOf(file)
    if (entries.every((entry) => attendance.said.has(entry))) return
    attendance.drop(entries, { reason })
    progress.publish({ _tag: "Failed", ...Names.pathAt(attendance.pathOf(entries[0])), reason })
  }

  // [F-8] the tree cannot be here at all: everything is sat out at once, and that is told once
  const spoil = (error: StoreError) =>
    Effect.sync(() => {
      if (attendance.ruin !== undefined) return
      attendance.ruin = error
      progress.publish({ _tag: "Failed", path: Names.display(new Uint8Array(0)), reason: error.message })
      files.fail(error.reason)
    })
  const ruining = <A>(effect: Effect.Effect<A, StoreError>) => Effect.tapError(effect, spoil)
  const stands = ruining(store.stands)
  const causeOf = (error: CatchFile.Refusal) =>
    Effect.match(stands, { onFailure: (cause): CatchFile.Refusal => cause, onSuccess: () => error })
  /** Where single entries failed, the destination may be why. */
  const committing = (commit: CatchFile.Commit): CatchFile.Commit =>
    Effect.tap(commit, (failures) => (failures.length === 0 ? Effect.void : stands))

  // A file is opened by our own plan; a master whose plan differs is of another version.
  const carriedOf = Effect.fnUntraced(function* (file: number, layout: Layout.Layout) {
    attendance.pageBytes = layout.pageBytes
    if (attendance.ruin?._tag === "StoreError") return yield* attendance.ruin
    const carried = attendance.plan[file - 1]
    if (carried === undefined || carried.size !== layout.size || Plan.bundled(carried) !== layout.members) {
      return yield* new StoreError({ code: "EPROTO", path: "", reason: "the master's plan of files is not ours" })
    }
    if (attendance.open.size >= Limits.openFiles) {
      return yield* new StoreError({
        code: "EMFILE",
        path: "",
        reason: `the master has ${attendance.open.size} files open already`
      })
    }
    yield* Effect.acquireRelease(
      Effect.sync(() => attendance.open.add(file)),
      () => Effect.sync(() => attendance.open.delete(file))
    )
    return carried
  })

  const openFile = Effect.fnUntraced(function* (file: number, layout: Layout.Layout) {
    const carried = yield* carriedOf(file, layout)
    if (carried.kind === "Revision") {
      return inMemory(file, layout, () =>
        Effect.sync(() => {
          keep(carried, [], new Map())
          return []
        })
      )
    }
    if (carried.kind === "Single") yield* prepared
    const opened = yield* store.open(carried)
    return {
      ...opened,
      commit: Effect.fnUntraced(function* (skip) {
        yield* prepared
        const unread = yield* unreadOf(carried, opened, skip)
        const failures = yield* committing(opened.commit(skip))
        keep(carried, failures, unread)
        return failures
      })
    } as FileWriter
  })

  // [L-3] the first byte of a member that the master could not read says why
  const unreadOf = Effect.fnUntraced(function* (
    carried: Carried,
    writer: FileWriter,
    skip: (member: number) => boolean
  ) {
    const unread = new Map<number, Unread.Unsent>()
    const mark = new Uint8Array(1)
    for (const [member, { entry, offset, size }] of carried.members.entries()) {
      if (!skip(member)) continue
      mark[0] = 0
      if (size > 0) yield* writer.read(offset, mark)
      unread.set(entry, Unread.ofMark(mark[0]))
    }
    return unread
  })

  // What cannot be looked at is opened instead, and that says why.
  const recognise = (file: number, layout: Layout.Layout, root: Uint8Array) =>
    Effect.gen(function* () {
      const carried = yield* carriedOf(file, layout)
      if (carried.kind === "Revision") return undefined
      yield* prepared
      const existing = yield* store.existing(carried)
      if (existing._tag === "None") return undefined
      const { commit, read } = existing.value
      const isIt = yield* Recognition.recognise({ layout, root, read, pool, patienceMillis })
      return isIt
        ? Effect.tap(committing(commit), (failures) => Effect.sync(() => keep(carried, failures, new Map())))
        : undefined
    }).pipe(Effect.catchTag("StoreError", () => Effect.undefined))

  const keep = (carried: Carried, failures: ReadonlyArray<Failure>, unread: ReadonlyMap<number, Unread.Unsent>) => {
    attendance.committed.add(carried.file)
    attendance.fail(failures)
    for (const failure of failures) {
      attendance.said.add(failure.entry)
      progress.publish({ _tag: "Failed", ...Names.pathAt(attendance.pathOf(failure.entry)), reason: failure.reason })
    }
    const failed = new Set(failures.map((failure) => failure.entry))
    const own = new Set(attendance.entriesOf(carried.file))
    for (const { entry, size } of carried.members) {
      const unsent = unread.get(entry)
      if (!own.has(entry)) continue
      if (unsent !== undefined) attendance.drop([entry], unsent)
      else if (!failed.has(entry)) {
        attendance.files++
        attendance.bytes += size
      }
    }
    const isHere = ({ entry }: { readonly entry: number }) => !attendance.failures.has(entry)
    progress.publishFiles(() => carried.members.filter(isHere).map(({ entry }) => attendance.pathOf(entry)), id)
  }

  // The manifest lives in memory; its commit is that of the tree.
  const openManifest = Effect.fnUntraced(function* (layout: Layout.Layout) {
    attendance.pageBytes = layout.pageBytes
    if (attendance.entries !== undefined) {
      return yield* new StoreError({ code: "EPROTO", path: "", reason: "this session's manifest is here already" })
    }
    if (layout.size > Limits.manifestBytes || layout.members > 0) {
      return yield* new StoreError({
        code: "EFBIG",
        path: "",
        reason: `a manifest of ${layout.size} bytes is too large`
      })
    }
    return inMemory(0, layout, () => Effect.andThen(prepared, ruining(Effect.map(store.finish, finish))))
  })
  /** The manifest and its revisions while they arrive. */
  const arriving = new Map<number, Claimed>()
  const inMemory = (file: number, layout: Layout.Layout, commit: FileWriter["commit"]): FileWriter => {
    // its size is a claim until it is here
    const bytes = new Claimed(layout.size)
    arriving.set(file, bytes)
    return {
      write: (offset, from) => Effect.sync(() => bytes.put(from, offset)),
      read: (offset, into) => Effect.sync(() => bytes.read(offset, into)),
      commit
    }
  }

  const finish = (failures: ReadonlyArray<Failure>) => {
    // given up before we came, while we were away, or because we missed pages for too long: nobody has told us
    for (const { file } of attendance.plan) {
      const own = attendance.committed.has(file) ? [] : attendance.entriesOf(file)
      if (own.some((entry) => !attendance.failures.has(entry))) attendance.withheld.add(file)
      attendance.drop(own, { reason: "the master did not send it" })
    }
    attendance.fail(failures)
    attendance.done = true
    const failed = new Set(attendance.failures.keys())
    attendance.entries?.forEach((entry, index) => {
      if (entry._tag === "HardLink" && !failed.has(index)) attendance.files++
    })
    if (isComplete(attendance)) progress.publish({ _tag: "Completed", id })
    // the answers to earlier questions have said the others
    return [...attendance.failures]
      .filter(([entry]) => !attendance.said.has(entry))
      .map(([entry, { reason }]): Failure => ({ entry, reason }))
  }

  // [M-8] its hash agrees, so it is the master's; what it lists is in the plan from now on
  const revise = Effect.fnUntraced(function* (file: number) {
    if (attendance.awaited !== file) return
    const decoded = Manifest.decode((arriving.get(file) ?? new Claimed(0)).whole())
    const revised = Result.flatMap(decoded, (revision) => Plan.revise(attendance.entries ?? [], revision, file))
    if (Result.isFailure(revised)) return yield* new StoreError({ code: "EPROTO", path: "", reason: revised.failure })
    arriving.delete(file)
    yield* store.revise(revised.success.entries)
    attendance.revise(file, revised.success)
  })

  // [M-10] a tree that cannot be held is sat out before anything of it is here
  const makeSureOfRoom = Effect.fnUntraced(function* (entries: ReadonlyArray<Entry>) {
    const shortage = yield* store.shortage(entries)
    if (Option.isNone(shortage)) return
    const reason = Room.describe(shortage.value)
    if (!shortage.value.isSure) return progress.publish({ _tag: "Note", message: `the tree may not fit: ${reason}` })
    attendance.noRoom = reason
    progress.publish({ _tag: "Failed", path: Names.display(new Uint8Array(0)), reason })
    return yield* new StoreError({ code: "ENOSPC", path: "", reason })
  })

  const prepare = Effect.gen(function* () {
    const decoded = Manifest.decodeTree((arriving.get(0) ?? new Claimed(0)).whole())
    if (decoded._tag === "Failure") {
      const bad = new BadManifest({ reason: decoded.failure })
      attendance.ruin = bad
      return yield* new StoreError({ code: "EPROTO", path: "", reason: bad.message })
    }
    const { entries, leftOut } = decoded.success
    yield* makeSureOfRoom(entries)
    const preparing = yield* Effect.forkIn(
      ruining(Effect.map(store.prepare(entries), (failures) => attendance.fail(failures))),
      scope
    )
    prepared = Fiber.join(preparing)
    attendance.plan = [...Plan.plan(entries)]
    attendance.entries = entries
    attendance.leftOut = leftOut
    for (const { path, reason } of leftOut.lost) {
      progress.publish({ _tag: "Failed", ...Names.pathAt(Names.display(path)), reason })
    }
    const { bytes, files } = counts(entries)
    attendance.total = bytes
    progress.publish({
      _tag: "Started",
      session: displaySession(session),
      catchers: 1,
      files,
      bytes
    })
  })

  const files = yield* CatchFiles.make((file) => ({
    pool,
    open: (layout) => (file === 0 ? openManifest(layout) : openFile(file, layout)),
    recognise: (layout, root) => (file === 0 ? Effect.undefined : recognise(file, layout, root)),
    verified: file === 0 ? prepare : revise(file),
    answer: (question) => answer(file, question),
    causeOf
  }))
  attendance.heldBytes = () => heldIn(attendance, files)
  return files
})

const heldIn = (attendance: Attendance, files: CatchFiles.CatchFiles): number => {
  let { bytes } = attendance
  for (const file of attendance.open) {
    const state = attendance.committed.has(file) ? undefined : files.stateOf(file)
    const { size } = attendance.plan[file - 1]
    if (state?._tag === "DataReady") bytes += size
    if (state?._tag === "GetData") bytes += Math.min(size, state.pages.held * state.layout.pageBytes)
  }
  return Math.min(bytes, attendance.total)
}
