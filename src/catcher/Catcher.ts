/**
 * The catcher: join a session, then every carried file as a four-state machine in a fiber of its
 * own, until the master says bye. Nothing but the phases composed.
 */

import * as Channel from "effect/Channel"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import * as Announce from "../phase/Announce.ts"
import * as PageReceiver from "../phase/PageReceiver.ts"
import type * as FileState from "../protocol/file/FileState.ts"
import * as Planner from "../protocol/file/Planner.ts"
import * as Limits from "../protocol/Limits.ts"
import type { SitOutReason } from "../protocol/Words.ts"
import type * as Errors from "../report/Errors.ts"
import { JoinRefused, MasterTimeout, SessionAborted } from "../report/Errors.ts"
import { Progress, seconds } from "../report/Progress.ts"
import type { Report } from "../report/Report.ts"
import * as Answers from "../session/Answers.ts"
import { CatcherExchange, type CatcherProtection } from "../session/Exchange.ts"
import type { Incoming } from "../session/Incoming.ts"
import * as Monotonic from "../session/Monotonic.ts"
import * as Unsent from "../session/Unsent.ts"
import * as JoinRefusals from "../session/JoinRefusals.ts"
import * as Unread from "../source/Unread.ts"
import { Store } from "../store/Store.ts"
import { Transport } from "../transport/Transport.ts"
import * as Names from "../tree/Names.ts"
import type { Digests, FromMaster, Itemize, Poll, Probe, Survey } from "../wire/Message.ts"
import { BlockPool } from "./Assembly.ts"
import { Attendance, reportOf } from "./Attendance.ts"
import * as CatchFiles from "./Files.ts"
import { type Hooks, SessionHooks } from "./Hooks.ts"
import { ManifestFile } from "./ManifestFile.ts"
import { ReplayedInbox } from "./ReplayedInbox.ts"
import { Ruin } from "./Ruin.ts"
import { TreeFiles } from "./TreeFiles.ts"
import { whereaboutsOf } from "./Whereabouts.ts"
import * as SignOfLife from "./SignOfLife.ts"
import * as Tick from "./Tick.ts"
import { Wakefulness } from "./Wakefulness.ts"

/** A catcher's options. Only its name, `id`, has no default: see `defaults`. */
export interface Options {
  /** Its name, which no other catcher of the session may have: 1 to 128 bytes of UTF-8. */
  readonly id: string
  /** Milliseconds to wait for a master; undefined: forever. */
  readonly waitMillis: number | undefined
  /** Milliseconds of silence after which the master counts as lost. */
  readonly timeoutMillis: number
  /**
   * Blocks assembled in memory at one time, the rest goes to the store: fewer where hundreds of
   * catchers share one memory.
   */
  readonly assemblingBlocks?: number
  /** What its owner has done around each session. */
  readonly hooks?: Hooks
  /** Is told that it lives. */
  readonly beat?: Beat
}

/** A sign of life. */
export interface Beat {
  /** Milliseconds from one to the next. */
  readonly everyMillis: number
  /**
   * Called while the catcher goes on, and not once it has worked on one thing for a time-out.
   * `isAttending`: it is in a session.
   */
  readonly tell: (isAttending: boolean) => void
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
 * or fell silent, or the network, the store or the manifest is of no use. Failures of single
 * entries are in the report instead.
 */
export type Error =
  | Errors.MasterTimeout
  | Errors.JoinRefused
  | Errors.SessionAborted
  | Errors.BadManifest
  | Errors.HookFailed
  | Errors.TransportError
  | Errors.StoreError

/**
 * One session: it joins the first that calls, and ends when the master says bye. The last event
 * that it publishes is the report, also when it fails or is interrupted; without a session there is
 * none.
 *
 * A catcher takes part in pipelines of one's own that send a tree as `Master.run` does: first file
 * 0, the manifest (`Manifest.encode`), then the files of `Plan.plan`, and last the close of file 0.
 * A pipeline without a manifest needs a catcher that is composed of `Announce.join`,
 * `PageReceiver.events` and `CatchFiles`: examples/receiver.ts is one, with files in memory.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { Catcher, Datagram, Disk, Exchange, Keys, Progress } from "mrsync"
 *
 * const report = (keys: Keys.CatcherKeys) => Catcher.run({ ...Catcher.defaults, id: "c1" }).pipe(
 *   Effect.provide([
 *     Datagram.layerCatcher({ ...Datagram.defaults, interface: "10.0.0.2" }),
 *     Exchange.CatcherProtection.sealed(keys),
 *     Disk.layer("/srv/photos"),
 *     Progress.Progress.layer
 *   ])
 * )
 * ```
 */
export const run = Effect.fn("Catcher.run")(function* (
  options: Options
): Effect.fn.Return<Report, Error, Transport | CatcherProtection | Store | Progress> {
  return yield* Effect.scoped(Effect.provide(attend(options), CatcherExchange.layer))
})

/**
 * A stream's pull for one fiber at a time. Stream.toPull's takes a permit and provides a context at
 * every pull, for which there is no use here.
 */
const pullOf = <A, E>(stream: Stream.Stream<A, E>) =>
  Effect.flatMap(Effect.scope, (scope) => Channel.toPullScoped(Stream.toChannel(stream), scope))

/** A catcher's state from its start to its report. */
interface Services {
  readonly transport: Transport["Service"]
  readonly exchange: CatcherExchange["Service"]
  readonly progress: Progress["Service"]
  readonly now: () => number
  readonly wakefulness: Wakefulness
  readonly hooks: SessionHooks
  readonly reportOf: (attendance: Attendance) => Report
}

const attend = Effect.fnUntraced(function* (options: Options) {
  const now = yield* Monotonic.millis
  const wakefulness = yield* Wakefulness.make(now)
  const exchange = yield* CatcherExchange
  const transport = yield* Transport
  const progress = yield* Progress
  const reportHere = (attendance: Attendance) =>
    reportOf({ id: options.id, ...exchange.protection }, transport.local, attendance, now())
  const hooks = new SessionHooks(options.hooks ?? {}, { progress, scope: yield* Effect.scope, reportOf: reportHere })
  const services = { transport, exchange, progress, now, wakefulness, hooks, reportOf: reportHere }
  yield* Effect.forkScoped(Unsent.telling)
  const visitor = new Visitor(options, services, yield* pullOf(exchange.receive))
  if (options.beat !== undefined) yield* Effect.forkScoped(visitor.beating(options.beat))
  const report = Effect.sync(() => visitor.report())
  return yield* visitor.visits.pipe(
    // [J-8] a master need not wait for a catcher that is stopped
    Effect.onInterrupt(() => visitor.leave),
    // [F-12] also when the session breaks off
    Effect.onExit(() => hooks.conclude),
    Effect.onError(() => (visitor.attendance.membership === undefined ? Effect.void : report)),
    Effect.andThen(report)
  )
})

/** A catcher, which may join one session after the other until it has attended one. */
class Visitor {
  attendance: Attendance
  /** The catcher has joined the session that it looked for last. */
  private isIn = false
  private joinsLeft = Limits.incarnations - 1
  private readonly options: Options
  private readonly services: Services
  private readonly replayed: ReplayedInbox

  constructor(options: Options, services: Services, pull: ConstructorParameters<typeof ReplayedInbox>[0]["pull"]) {
    const { now, wakefulness } = services
    this.options = options
    this.services = services
    this.attendance = new Attendance(now(), wakefulness)
    this.replayed = new ReplayedInbox({
      pull,
      listens: () => this.attendance.listens(now()),
      works: () => this.attendance.works(now())
    })
  }

  report(): Report {
    const report = this.services.reportOf(this.attendance)
    this.services.progress.publish(report)
    return report
  }

  /** Signs of life, as long as what it does gets on. */
  beating({ everyMillis, tell }: Beat): Effect.Effect<never> {
    const beat = Effect.sync(() => {
      const isStuck = this.attendance.stuckMillis(this.services.now()) >= this.options.timeoutMillis
      if (!isStuck) tell(this.isIn)
    })
    return Effect.forever(Effect.andThen(beat, Effect.sleep(everyMillis)))
  }

  readonly leave = Effect.suspend(() => {
    const { isConcluded, membership } = this.attendance
    if (membership === undefined || isConcluded) return Effect.void
    const { incarnation, master, session, slot } = membership
    return this.services.exchange.tell(master, { _tag: "Aborted", session, slot, incarnation, file: undefined })
  })

  /**
   * Session after session, until one ends well, or in an error after which there is no other to
   * look for.
   */
  readonly visits = Effect.gen({ self: this }, function* () {
    const startedMillis = this.services.now()
    let { waitMillis } = this.options
    /** The message where no session is found from now on. */
    let otherwise: Error | undefined
    while (true) {
      const visited = yield* Effect.result(Effect.scoped(this.visit(waitMillis)))
      // nothing is worked on any more
      this.attendance.listens(this.services.now())
      if (visited._tag === "Success") return
      const error = visited.failure
      if (!this.isIn) return yield* error._tag === "MasterTimeout" ? (otherwise ?? error) : error
      if (this.joinsAgain(error)) {
        // [J-7] given up while we were out of reach, and within reach again: what was committed
        // before is recognised. That master is heard within the time-out, or its session has ended
        // since. [J-12] So is one for which ours was left.
        if (this.attendance.isReplaced) yield* this.leave
        waitMillis = this.attendance.begun
          ? this.options.timeoutMillis
          : leftOf(this.options, this.services.now() - startedMillis)
        otherwise = error._tag === "JoinRefused" ? ended(error) : error
      } else if (!this.attendance.begun && (error._tag === "SessionAborted" || error._tag === "MasterTimeout")) {
        const before = this.looksOn(error)
        if (this.options.waitMillis === undefined) continue
        otherwise = new MasterTimeout({ waitedMillis: this.options.waitMillis, before })
        waitMillis = this.options.waitMillis - (this.services.now() - startedMillis)
        if (waitMillis <= 0) return yield* otherwise
      } else return yield* error
    }
  })

  private joinsAgain(error: Error): boolean {
    return (error._tag === "JoinRefused" || this.attendance.isReplaced) && this.joinsLeft-- > 0
  }

  /**
   * [J-11] Its master has gathered in vain, and another one may come; what there is to say of it.
   */
  private looksOn(error: Errors.SessionAborted | Errors.MasterTimeout): string {
    const { now, progress, wakefulness } = this.services
    const before =
      error._tag === "SessionAborted"
        ? `the master ${error.master} gave up while it waited for catchers (${error.reason})`
        : `the master ${error.master} fell silent while it waited for catchers`
    progress.publish({ _tag: "Note", message: `${before}; waiting for another one` })
    this.attendance = new Attendance(now(), wakefulness)
    return before
  }

  /** Joins a session, and attends it to its end. */
  private visit(waitMillis: number | undefined) {
    return Effect.gen({ self: this }, function* () {
      const { options, replayed } = this
      const { now, progress, wakefulness } = this.services
      this.isIn = false
      // the call for which the last session was left is heard once more
      replayed.replaysLast = this.attendance.isReplaced
      const membership = yield* Announce.join(replayed.inbox, { name: options.id, waitMillis })
      this.isIn = true
      // what came with the welcome, too: the master's first question may be among it
      replayed.replaysLast = true
      const attendance = new Attendance(now(), wakefulness)
      this.attendance = attendance
      attendance.joins(membership)
      const files = yield* filesOf(membership, attendance, options, this.services)
      yield* Effect.forkScoped(Tick.ticking(attendance, now))
      yield* Effect.forkScoped(SignOfLife.giving(attendance, membership, this.services.exchange, files.comparing, now))
      const received = PageReceiver.events(replayed.inbox, membership, attendance.received)
      const events = yield* pullOf(Stream.provideService(received, CatcherExchange, this.services.exchange))
      yield* Effect.raceAllFirst([
        this.listen(events, membership, files),
        watch(options, attendance, membership.master, now),
        Effect.andThen(files.join, Effect.never)
      ])
      if (attendance.dismissed !== undefined)
        progress.publish({ _tag: "Note", message: `the master sends nothing more here: ${attendance.dismissed}` })
      if (attendance.ruin !== undefined) return yield* attendance.ruin
    })
  }

  /** Until the master has ended the session. */
  private listen(
    events: Pull.Pull<ReadonlyArray<Incoming>, Errors.TransportError>,
    membership: Announce.Joined,
    files: SessionFiles
  ) {
    const { attendance } = this
    const { exchange, now, transport } = this.services
    const whereabouts = whereaboutsOf(membership, this.options.id, transport, exchange)
    return Effect.gen(function* () {
      while (true) {
        for (const incoming of yield* events) {
          if (incoming._tag !== "OtherMaster") attendance.onHeard(incoming, exchange.isAlive(membership.session), now())
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
  }
}

/**
 * How long one that was let go before the session began looks on. One that waits forever tells
 * after the time-out what became of that session.
 */
const leftOf = ({ timeoutMillis, waitMillis = 0 }: Options, passedMillis: number): number =>
  Math.max(timeoutMillis, waitMillis - passedMillis)

/** To be started again is of no use to a session that is over. */
const ended = ({ master, reason }: JoinRefused): JoinRefused =>
  new JoinRefused({ master, reason: `${reason}, which has ended since, or is out of reach` })

/** Is it about a file? Polls, welcomes and last words come also while a master gathers. */
const isOfFiles = (incoming: Incoming): boolean =>
  incoming._tag === "Message"
    ? incoming.message._tag === "Open" ||
      incoming.message._tag === "Survey" ||
      incoming.message._tag === "Eof" ||
      incoming.message._tag === "Close"
    : incoming._tag !== "OtherMaster"

/**
 * Ends well when the master is gone after the commit of the tree, with MasterTimeout when it is
 * gone before.
 */
const watch = Effect.fnUntraced(function* (
  options: Options,
  attendance: Attendance,
  master: string,
  now: () => number
) {
  while (true) {
    const patience = attendance.isConcluded
      ? Math.min(Limits.lingerMillis, options.timeoutMillis)
      : options.timeoutMillis
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

/**
 * Another master calls: it is told that we are taken, unless ours is dead. Answers whether the
 * session goes on.
 */
const decline = Effect.fnUntraced(function* (
  { announce, from }: Extract<Incoming, { readonly _tag: "OtherMaster" }>,
  { incarnation, master }: Announce.Membership,
  attendance: Attendance,
  nowMillis: number
) {
  if (attendance.isLeftFor(announce, nowMillis)) {
    if (attendance.done) return false
    const progress = yield* Progress
    const silentMillis = attendance.silentMillis(nowMillis)
    const message = `the master ${master} has been silent for ${seconds(silentMillis)} s, and another one (${from}) calls: joining that`
    progress.publish({ _tag: "Note", message })
    return yield* new MasterTimeout({ master, waitedMillis: Math.round(silentMillis) })
  }
  const silentMillis = attendance.surelySilentMillis(nowMillis)
  const { tell } = yield* CatcherExchange
  yield* tell(from, { _tag: "Decline", session: announce.session, incarnation, silentMillis, master })
  return true
})

/** Handles one event; answers whether the session goes on. */
const hear = (
  incoming: Exclude<Incoming, { readonly _tag: "OtherMaster" }>,
  membership: Announce.Membership,
  attendance: Attendance,
  files: SessionFiles,
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
      if (message._tag === "Digests") return Effect.as(files.digests(message.file, message), true)
      if (message._tag !== "Poll" && message._tag !== "Probe")
        return answerTo(message, membership, attendance, files, exchange)
      const answer =
        message._tag === "Poll"
          ? Answers.toPoll(message, () => attendance.counts(pages), membership)
          : Answers.toProbe(message, attendance.probes, membership)
      return answer === undefined ? Effect.succeed(true) : Effect.as(exchange.answer(master, answer), true)
    }
  }
}

const answerTo = Effect.fnUntraced(function* (
  message: Exclude<FromMaster, Poll | Probe | Digests>,
  membership: Announce.Membership,
  attendance: Attendance,
  files: SessionFiles,
  exchange: CatcherExchange["Service"]
) {
  const { master } = membership
  switch (message._tag) {
    case "Bye":
      attendance.hasEnded = true
      yield* exchange.answer(master, Answers.toBye(membership))
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
        attendance.giveUp(message.file, Unread.ofReason(message.reason))
      }
      break
    case "Welcome":
      for (const guest of message.guests) {
        // other refusals are from before we had a slot; another slot says that ours is lost [J-17]
        const isLost = "refusal" in guest ? guest.refusal === "Started" : guest.slot !== membership.slot
        if (guest.incarnation === membership.incarnation && isLost) {
          if (attendance.done) return false
          return yield* new JoinRefused({ master, reason: JoinRefusals.words.Started })
        }
      }
  }
  const isSurvey = message._tag === "Survey" || message._tag === "Itemize"
  if (isSurvey && message.audience.includes(membership.slot)) yield* files.survey(message)
  if (message._tag === "Open") attendance.expect(message)
  const asked = Answers.eventOf(message, membership)
  if (asked === undefined) return true
  const { event, file } = asked
  // the manifest's plan says which files there are; before it there is only the manifest
  if (file <= attendance.plan.length) yield* files.question(file, event)
  // a revision whose opening was not heard
  else if (event._tag !== "Open" && attendance.entries !== undefined) {
    yield* exchange.answer(master, Answers.toQuestion({ _tag: "Aborted" }, file, membership, attendance.heldBytes()))
  }
  return true
})

/** The files of this session: how each is opened, put to use and answered for. */
const filesOf = Effect.fnUntraced(function* (
  membership: Announce.Membership,
  attendance: Attendance,
  { assemblingBlocks, id }: Options,
  { hooks, now }: Services
) {
  const { worked } = yield* Store
  const answering = yield* answeringOf(membership, attendance)
  const pool = new BlockPool(membership.blockPages * membership.pageBytes, assemblingBlocks)
  const ruin = yield* Ruin.make(attendance)
  const exchange = yield* CatcherExchange
  const manifest = yield* ManifestFile.make(attendance, ruin, {
    id,
    session: membership.session,
    tell: (question, found) => exchange.answer(membership.master, Answers.toSurvey(question, found, membership)),
    tellComparing: (question) =>
      exchange.answer(membership.master, Answers.comparing(question, attendance.comparison, membership)),
    refuse: (reason) => answering(0, { _tag: "SitOut", reason, about: "Tree" }),
    hooks
  })
  const tree = yield* TreeFiles.make(attendance, ruin, {
    id,
    pool,
    patienceMillis: membership.timeoutMillis * Limits.recognitionTimeouts,
    prepared: manifest.whenPrepared,
    openList: (carried, layout, commit) => manifest.inMemory(carried.file, layout, commit)
  })
  const reading = Effect.suspend(() =>
    Effect.forEach([...attendance.reading], ([file, read]) =>
      exchange.answer(membership.master, Answers.reading(file, read, membership))
    )
  )
  const files = yield* CatchFiles.make((file) => ({
    pool,
    pages: membership.pages,
    open: (layout) => (file === 0 ? manifest.open(layout) : tree.open(file, layout)),
    recognise: (layout, root) => (file === 0 ? Effect.undefined : tree.recognise(file, layout, root)),
    verified: file === 0 ? manifest.prepare : manifest.takeList(file),
    steps: () => attendance.steps(now()),
    reads: (reading) => attendance.reads(file, reading),
    answer: (question) => answering(file, question),
    causeOf: (error) => ruin.causeOf(error)
  }))
  ruin.files = files
  attendance.heldBytes = () => heldIn(attendance, files)
  attendance.workedEntries = worked
  return {
    ...files,
    survey: (question: Survey | Itemize) => manifest.onSurvey(question),
    comparing: Effect.ignore(Effect.andThen(manifest.comparing, reading))
  } as SessionFiles
})

/** The files of a session, and its survey. */
interface SessionFiles extends CatchFiles.CatchFiles {
  readonly survey: (question: Survey | Itemize) => Effect.Effect<void, Errors.TransportError>
  /** Answers a survey that lasts. */
  readonly comparing: Effect.Effect<void>
}

/** How a file's questions are answered, and what is told with that. */
const answeringOf = Effect.fnUntraced(function* (membership: Announce.Membership, attendance: Attendance) {
  const exchange = yield* CatcherExchange
  const progress = yield* Progress
  const sitOut = (file: number, { about, reason }: SitOutReason) => {
    // then it is no single file's fault, and was said
    if (attendance.ruin !== undefined) return
    const entries = attendance.entriesOf(file)
    if (about === "Veto") return attendance.fail(entries.map((entry) => ({ entry, reason, isVetoed: true })))
    if (entries.every((entry) => attendance.said.has(entry))) return
    attendance.drop(entries, { reason })
    progress.publish({ _tag: "Failed", ...Names.pathAt(attendance.pathOf(entries[0])), reason })
  }
  return (file: number, answer: FileState.Answer) => {
    if (answer._tag === "Missing") attendance.misses(file, answer, Planner.lacking(answer))
    if (answer._tag === "SitOut") sitOut(file, answer)
    const done = file === 0 && answer._tag === "CloseOk" ? attendance.whatIsDone() : undefined
    const message = Answers.toQuestion(answer, file, membership, attendance.heldBytes(), done)
    return exchange.answer(membership.master, message)
  }
})

const heldIn = (attendance: Attendance, files: CatchFiles.CatchFiles): number => {
  let { bytes } = attendance
  for (const file of attendance.open) {
    const state = attendance.committed.has(file) ? undefined : files.stateOf(file)
    const { size } = attendance.plan[file - 1]
    if (state?._tag === "DataReady") bytes += size
    if (state?._tag === "GetData") bytes += files.heldBytesOf(file)
  }
  return Math.min(bytes, attendance.total)
}
