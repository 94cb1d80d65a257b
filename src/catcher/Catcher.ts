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
import * as Close from "../phase/Close.ts"
import * as PageReceiver from "../phase/PageReceiver.ts"
import type * as FileState from "../protocol/file/FileState.ts"
import * as Layout from "../protocol/file/Layout.ts"
import * as Planner from "../protocol/file/Planner.ts"
import * as Limits from "../protocol/Limits.ts"
import type * as Errors from "../report/Errors.ts"
import { BadManifest, JoinRefused, MasterTimeout, SessionAborted } from "../report/Errors.ts"
import { Progress, seconds } from "../report/Progress.ts"
import type { CatcherReport, Report } from "../report/Report.ts"
import * as Answers from "../session/Answers.ts"
import * as Monotonic from "../session/Monotonic.ts"
import { Probes } from "../session/Probing.ts"
import * as Refusal from "../session/Refusal.ts"
import * as Refusals from "../session/Refusals.ts"
import * as Unread from "../source/Unread.ts"
import { type FileWriter, Store, StoreError } from "../store/Store.ts"
import { overflowed, Transport } from "../transport/Transport.ts"
import * as Manifest from "../tree/Manifest.ts"
import * as Room from "../tree/Room.ts"
import * as Codec from "../wire/Codec.ts"
import { displaySession } from "../wire/Header.ts"
import type { Failure, FromMaster, Open, Poll, Probe } from "../wire/Message.ts"
import { BlockPool } from "./Assembly.ts"
import type * as CatchFile from "./FileFiber.ts"
import * as CatchFiles from "./Files.ts"
import * as Recognition from "./Recognition.ts"
import { tickMillis, Wakefulness } from "./Wakefulness.ts"

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
  return yield* Effect.scoped(attend(options))
})

/** Why an entry is not here; with a `kind` where the master could not send it. */
interface Lack {
  readonly reason: string
  readonly kind?: Unread.Unsent["kind"]
}

/** What this catcher knows of its session. */
class Book {
  readonly received: PageReceiver.Counts = { pages: 0, parity: 0, ignored: 0 }
  readonly probes = new Probes()
  /** Of the file that was opened last. */
  pageBytes = 0
  membership: Announce.Membership | undefined
  entries: ReadonlyArray<Manifest.Entry> | undefined
  plan: Array<Manifest.Carried> = []
  /** Of entries that were revised, the file of the last revision. */
  readonly revised = new Map<number, number>()
  /** A revision that is to come: what it lists is not in the plan yet. */
  awaited: number | undefined
  /** Bytes of the whole tree. */
  total = 0
  /** Why the tree as a whole cannot be here: its manifest cannot be read, or its destination is not to be used. */
  ruin: BadManifest | StoreError | undefined
  /** Why nothing of the tree is taken: there is no room for it. */
  noRoom: string | undefined
  leftOut = Manifest.nothingLeftOut
  readonly failures = new Map<number, Lack>()
  /** Entries whose failure the master knows. */
  readonly said = new Set<number>()
  /** Files that have a place in the store and have not given it up. */
  readonly open = new Set<number>()
  /** Files that the master sends to nobody. */
  readonly withheld = new Set<number>()
  /** Files that were committed. */
  readonly committed = new Set<number>()
  files = 0
  bytes = 0
  /** The most bytes that were here at one time, as of the last tick: what was dropped again comes again. */
  reached = 0
  missingPages = 0
  /** Datagrams lost in our own buffers, as of the last tick. */
  dropped = 0
  /** Something was opened or sent: before that, its master gathers. */
  begun = false
  /** Why the master sends us nothing more, if it has said so. */
  dismissed: string | undefined
  /** The master has ended the session well. */
  hasEnded = false
  /** The tree is committed. */
  done = false
  /** When the first page came: before it a master waits for others. */
  startedMillis: number | undefined
  heardMillis: number
  readonly joinedMillis: number
  /** Since when what the ear brought is worked on; undefined while it listens. */
  workingMillis: number | undefined

  /** Bytes of content that are here, committed or not. */
  heldBytes = (): number => 0

  /** How much older what was heard last may be: it may have come while we stood still. */
  private doubtMillis = 0

  private readonly wakefulness: Wakefulness

  constructor(nowMillis: number, wakefulness: Wakefulness) {
    this.wakefulness = wakefulness
    this.heardMillis = nowMillis
    this.joinedMillis = nowMillis
    // the welcome, too, may have come long ago
    this.hears(nowMillis)
  }
  /** Another master that calls while ours is silent: since when, and when it was heard last. */
  private caller: { readonly session: bigint; readonly sinceMillis: number; readonly heardMillis: number } | undefined
  /** The session was left for that master's. */
  isReplaced = false

  /** The master is heard. */
  hears(nowMillis: number): void {
    this.heardMillis = nowMillis
    this.doubtMillis = nowMillis - (this.wakefulness.stoodStillSince() ?? nowMillis)
  }
  /** We stood still, and heard nobody: that is no silence of the master's. Nor was the master heard meanwhile. */
  stoodStill(nowMillis: number): void {
    this.doubtMillis += nowMillis - this.heardMillis
    this.heardMillis = nowMillis
  }
  /** How long ago the master was heard, as another one may believe it. */
  surelySilentMillis(nowMillis: number): number {
    return Math.floor(this.silentMillis(nowMillis) + this.doubtMillis)
  }
  silentMillis(nowMillis: number): number {
    return Math.max(0, (this.workingMillis ?? nowMillis) - this.heardMillis)
  }
  /** [J-13] Another master calls. Is ours dead? One announcement alone may be that of a master which has not heard ours yet. */
  isLeftFor(session: bigint, nowMillis: number): boolean {
    const before = this.caller
    const isSame = before?.session === session && nowMillis - before.heardMillis < callGapMillis
    const sinceMillis = isSame && before.sinceMillis > this.heardMillis ? before.sinceMillis : nowMillis
    this.caller = { session, sinceMillis, heardMillis: nowMillis }
    this.isReplaced =
      this.silentMillis(nowMillis) >= Limits.leaveMillis && nowMillis - sinceMillis >= Limits.announceMillis / 2
    return this.isReplaced
  }
  /** While the store is slow nobody listens: that is no silence of the master's. What strangers say is. */
  listens(nowMillis: number): void {
    const worked = nowMillis - (this.workingMillis ?? nowMillis)
    this.heardMillis = Math.min(nowMillis, this.heardMillis + worked)
    this.workingMillis = undefined
  }
  seconds(nowMillis: number): number {
    return seconds(nowMillis - (this.startedMillis ?? nowMillis))
  }
  fail(failures: Iterable<Failure>): void {
    for (const { entry, reason } of failures) if (!this.failures.has(entry)) this.failures.set(entry, { reason })
  }
  /** Entries that will not be here, as the master knows. */
  drop(entries: ReadonlyArray<number>, lack: Lack): void {
    for (const entry of entries) {
      if (!this.failures.has(entry)) this.failures.set(entry, lack)
      this.said.add(entry)
    }
  }
  /** The entries that a file carries, and no later one does. */
  entriesOf(file: number): ReadonlyArray<number> {
    return (this.plan[file - 1]?.members ?? [])
      .map(({ entry }) => entry)
      .filter((entry) => (this.revised.get(entry) ?? 0) <= file)
  }
  /** [M-8] A revision has the number after the last of the plan, and comes when the one before it is here. */
  expect({ file, kind, size }: Open): void {
    const isNext = this.entries !== undefined && file === this.plan.length + 1
    if (kind !== "Revision" || !isNext || this.awaited !== undefined || size > Limits.manifestBytes) return
    this.awaited = file
    this.plan.push(Manifest.revisionFile(file, size))
  }
  revise(file: number, { entries, plan, revised }: Manifest.Revised): void {
    const carriers = Manifest.carriersOf(this.plan, new Set(revised))
    for (const entry of revised) {
      const [before, after] = [this.entries?.[entry], entries[entry]]
      if (before?._tag !== "File" || after._tag !== "File") continue
      this.total += after.size - before.size
      // was it committed with the file that carried it so far?
      const carrier = carriers.get(entry)
      if (carrier !== undefined && this.committed.has(carrier) && !this.failures.has(entry)) {
        this.files--
        this.bytes -= before.size
      }
      this.failures.delete(entry)
      this.said.delete(entry)
      this.revised.set(entry, file)
    }
    this.entries = entries
    this.plan.push(...plan)
    this.awaited = undefined
  }
  pathOf(entry: number): string {
    const found = this.entries?.[entry]
    return found === undefined ? "" : Manifest.display(found.path)
  }
}

/** A master that calls again within this time has called all the while: two of its announcements may be lost. */
const callGapMillis = 3 * Limits.announceMillis

/** A stream's pull for one fiber at a time. Stream.toPull's takes a permit and provides a context at every pull, for which there is no use here. */
const pullOf = <A, E>(stream: Stream.Stream<A, E>) =>
  Effect.flatMap(Effect.scope, (scope) => Channel.toPullScoped(Stream.toChannel(stream), scope))

const attend = Effect.fnUntraced(function* (options: Options) {
  const transport = yield* Transport
  const progress = yield* Progress
  const now = yield* Monotonic.millis
  const wakefulness = yield* Wakefulness.make(now)
  let book = new Book(now(), wakefulness)
  yield* Effect.forkScoped(Refusal.telling)
  const pull = yield* pullOf(transport.receive)
  // What came with the welcome is heard once more: the master's first question may be among it.
  let last: Effect.Success<Announce.Ear> = []
  let isAgain = false
  const ear: Announce.Ear = Effect.suspend(() => {
    if (isAgain) {
      isAgain = false
      return Effect.succeed(last)
    }
    book.listens(now())
    return Effect.map(
      Pull.catchDone(pull, () => Effect.never),
      (batches) => {
        book.workingMillis = now()
        last = batches
        return batches
      }
    )
  })

  let isIn = false
  const life = Effect.fnUntraced(function* (waitMillis: number | undefined) {
    isIn = false
    // the call for which the last session was left is heard once more
    isAgain = book.isReplaced
    const membership = yield* Announce.join(ear, { name: options.id, waitMillis })
    isIn = true
    isAgain = true
    book = new Book(now(), wakefulness)
    book.membership = membership
    const files = yield* filesOf(membership, book, options.assemblingBlocks)
    yield* Effect.forkScoped(Effect.forever(tick(book, now)))
    const events = yield* pullOf(PageReceiver.events(ear, membership, book.received))
    const whereabouts = whereaboutsOf(membership, options.id, transport)
    const listening = Effect.gen(function* () {
      while (true) {
        for (const heard of yield* events) {
          if (heard._tag !== "Stranger") book.hears(now())
          if (heard._tag === "Pages") book.startedMillis ??= now()
          if (isOfFiles(heard)) book.begun = true
          if (heard._tag === "Message") yield* whereabouts.heard(heard.message)
          const goesOn =
            heard._tag === "Stranger"
              ? decline(heard, membership, book, now())
              : hear(heard, membership, book, files, transport)
          if (!(yield* goesOn)) return
        }
      }
    }).pipe(Pull.catchDone(() => Effect.void))
    yield* Effect.raceAllFirst([
      listening,
      watch(options, book, membership.master, now),
      Effect.andThen(files.join, Effect.never)
    ])
    if (book.dismissed !== undefined)
      progress.publish({ _tag: "Note", message: `the master sends nothing more here: ${book.dismissed}` })
    if (book.ruin !== undefined) return yield* book.ruin
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
      if ((error._tag === "JoinRefused" || book.isReplaced) && more-- > 0) {
        // [J-8] given up while we were out of reach, and within reach again: what was committed before is recognised. That
        // master is heard within the time-out, or its session has ended since. [J-13] So is one for which ours was left.
        if (book.isReplaced) yield* leave
        waitMillis = options.timeoutMillis
        otherwise = error._tag === "JoinRefused" ? ended(error) : error
      } else if (!book.begun && (error._tag === "SessionAborted" || error._tag === "MasterTimeout")) {
        // [J-12] its master has gathered in vain, and another one may come
        const before =
          error._tag === "SessionAborted"
            ? `the master ${error.master} gave up while it waited for catchers (${error.reason})`
            : `the master ${error.master} fell silent while it waited for catchers`
        progress.publish({ _tag: "Note", message: `${before}; waiting for another one` })
        book = new Book(now(), wakefulness)
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
    const report = reportOf(options, transport.local, book, now())
    progress.publish(report)
    return report
  })
  // [J-9] a master need not wait for whoever is stopped
  const leave = Effect.suspend(() => {
    if (book.membership === undefined || book.done) return Effect.void
    const { incarnation, master, session, slot } = book.membership
    const message = Codec.encode({ _tag: "Aborted", session, slot, incarnation, file: undefined })
    return Effect.ignore(transport.sendTo(master, message))
  })
  return yield* session.pipe(
    Effect.onInterrupt(() => leave),
    Effect.onError(() => (book.membership === undefined ? Effect.void : report)),
    Effect.andThen(report)
  )
})

/** To be started again is of no use to a session that is over. */
const ended = ({ master, reason }: JoinRefused): JoinRefused =>
  new JoinRefused({ master, reason: `${reason}, which has ended since, or is out of reach` })

/** Is it about a file? Polls, welcomes and last words come also while a master gathers. */
const isOfFiles = (heard: PageReceiver.Heard): boolean =>
  heard._tag === "Message"
    ? heard.message._tag === "Open" || heard.message._tag === "Eof" || heard.message._tag === "Close"
    : heard._tag !== "Stranger"

/** Ends well when the master is gone after the commit of the tree, with MasterTimeout when it is gone before. */
const watch = Effect.fnUntraced(function* (options: Options, book: Book, master: string, now: () => number) {
  while (true) {
    const patience = book.done ? Math.min(Limits.lingerMillis, options.timeoutMillis) : options.timeoutMillis
    const before = now()
    yield* Effect.sleep(patience / 4)
    // we stood still, and what was said meanwhile is still to be read
    if (now() - before > patience / 2) book.stoodStill(now())
    if (book.workingMillis !== undefined || now() - book.heardMillis < patience) continue
    if (book.done) return
    const sessionMillis = Math.round(now() - book.joinedMillis)
    return yield* new MasterTimeout({ master, waitedMillis: options.timeoutMillis, sessionMillis })
  }
})

/** Another master calls: it is told that we are taken, unless ours is dead. Answers whether the session goes on. */
const decline = Effect.fnUntraced(function* (
  { announce, from }: Extract<PageReceiver.Heard, { readonly _tag: "Stranger" }>,
  { incarnation, master }: Announce.Membership,
  book: Book,
  nowMillis: number
) {
  const { session } = announce
  const silentMillis = book.surelySilentMillis(nowMillis)
  if (book.isLeftFor(session, nowMillis)) {
    if (book.done) return false
    const progress = yield* Progress
    const message = `the master ${master} has been silent for ${silentMillis / 1000} s, and another one (${from}) calls: joining that`
    progress.publish({ _tag: "Note", message })
    return yield* new MasterTimeout({ master, waitedMillis: silentMillis })
  }
  const transport = yield* Transport
  const answer = Codec.encode({ _tag: "Decline", session, incarnation, silentMillis, master })
  // [P-5] a stranger's datagram ends nothing
  yield* Effect.ignore(transport.sendTo(from, answer))
  return true
})

/**
 * [J-14] Says where we are when our address has changed, until it is known: the master takes answers from the address that it
 * knows alone.
 */
const whereaboutsOf = (membership: Announce.Joined, name: string, transport: Transport["Service"]) => {
  const { incarnation, master } = membership
  let known = membership.place
  let said = known
  const say = Effect.suspend(() => {
    said = Announce.placeAt(said, transport.local)
    return Effect.ignore(transport.sendTo(master, Announce.joinOf(transport, { ...membership, place: said }, name)))
  })
  return {
    heard: (message: FromMaster): Effect.Effect<void> => {
      if (message._tag === "Announce" && transport.local !== known.local) return say
      if (message._tag !== "Welcome" || said === known) return Effect.void
      const isKnown = message.guests.some((guest) => guest.incarnation === incarnation && "slot" in guest)
      if (isKnown) known = said
      return Effect.void
    }
  }
}

/** What is done with each event; answers whether the session goes on. */
const hear = (
  heard: Exclude<PageReceiver.Heard, { readonly _tag: "Stranger" }>,
  membership: Announce.Membership,
  book: Book,
  files: CatchFiles.CatchFiles,
  transport: Transport["Service"]
): Effect.Effect<boolean, Error> => {
  const { master } = membership
  switch (heard._tag) {
    case "Pages":
      return Effect.as(files.pages(heard.file, heard.batch), true)
    case "Parity":
      return Effect.as(files.parity(heard.file, heard.batch), true)
    case "Message": {
      const { message, pages } = heard
      if (message._tag !== "Poll" && message._tag !== "Probe")
        return answerTo(message, membership, book, files, transport)
      const answer =
        message._tag === "Poll"
          ? Answers.toPoll(message, pages, book.dropped, book.heldBytes, membership)
          : Answers.toProbe(message, book.probes, membership)
      return answer === undefined ? Effect.succeed(true) : Effect.as(transport.sendTo(master, answer), true)
    }
  }
}

const answerTo = Effect.fnUntraced(function* (
  message: Exclude<FromMaster, Poll | Probe>,
  membership: Announce.Membership,
  book: Book,
  files: CatchFiles.CatchFiles,
  transport: Transport["Service"]
) {
  const { master } = membership
  switch (message._tag) {
    case "Bye":
      book.hasEnded = true
      return false
    case "Abort":
      // the tree is ours, whatever becomes of the others
      if (message.file === undefined && book.done) return false
      if (message.file === undefined) return yield* new SessionAborted({ master, reason: message.reason })
      // [N-3] nothing more is sent to us
      if (message.file === 0 && message.reason !== Close.putOff && message.audience.includes(membership.slot)) {
        book.dismissed = message.reason
        yield* transport.sendTo(master, Answers.encode({ _tag: "Aborted" }, 0, membership, 0))
        return false
      }
      // what is only put off is opened again
      if (message.reason !== Close.putOff && message.audience.includes(membership.slot)) {
        book.withheld.add(message.file)
        book.drop(book.entriesOf(message.file), Unread.ofReason(message.reason))
      }
      break
    case "Welcome":
      for (const guest of message.guests) {
        // a refusal from before we had a slot may come late
        const isLost = "refusal" in guest && guest.refusal === "Started"
        if (guest.incarnation === membership.incarnation && isLost) {
          if (book.done) return false
          return yield* new JoinRefused({ master, reason: Refusals.words[guest.refusal] })
        }
      }
  }
  if (message._tag === "Open") book.expect(message)
  const asked = Answers.eventOf(message, membership)
  // the manifest's plan says which files there are; before it there is only the manifest
  if (asked !== undefined && asked.file <= book.plan.length) yield* files.question(asked.file, asked.event)
  return true
})

/** The files of this session: how each is opened, put to use and answered for. */
const filesOf = Effect.fnUntraced(function* (
  membership: Announce.Membership,
  book: Book,
  assemblingBlocks: number | undefined
) {
  const transport = yield* Transport
  const store = yield* Store
  const progress = yield* Progress
  const { blockPages, master, pageBytes, session } = membership
  const patienceMillis = membership.timeoutMillis * Limits.recognitionTimeouts
  const pool = new BlockPool(blockPages * pageBytes, assemblingBlocks)
  const scope = yield* Effect.scope
  // Directories and the like are made while the first bundles come; what needs them waits.
  let prepared: Effect.Effect<void, StoreError> = Effect.void

  const answer = (file: number, answer: FileState.Answer) => {
    if (answer._tag === "Missing") book.missingPages += Planner.lacking(answer)
    if (answer._tag === "SitOut") sitOut(file, answer.reason)
    return transport.sendTo(master, Answers.encode(answer, file, membership, book.heldBytes()))
  }

  const sitOut = (file: number, reason: string) => {
    // then it is no single file's fault, and was said
    if (book.ruin !== undefined) return
    const entries = book.entriesOf(file)
    if (entries.every((entry) => book.said.has(entry))) return
    book.drop(entries, { reason })
    progress.publish({ _tag: "Failed", path: book.pathOf(entries[0]), reason })
  }

  // [F-8] the tree cannot be here at all: everything is sat out at once, and that is told once
  const spoil = (error: StoreError) =>
    Effect.sync(() => {
      if (book.ruin !== undefined) return
      book.ruin = error
      progress.publish({ _tag: "Failed", path: Manifest.display(new Uint8Array(0)), reason: error.message })
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
    book.pageBytes = layout.pageBytes
    if (book.ruin?._tag === "StoreError") return yield* book.ruin
    const carried = book.plan[file - 1]
    const members = carried?.kind === "Bundle" ? carried.members.length : 0
    if (carried === undefined || carried.size !== layout.size || members !== layout.members) {
      return yield* new StoreError({ code: "EPROTO", path: "", reason: "the master's plan of files is not ours" })
    }
    if (book.open.size >= Limits.openFiles) {
      return yield* new StoreError({
        code: "EMFILE",
        path: "",
        reason: `the master has ${book.open.size} files open already`
      })
    }
    yield* Effect.acquireRelease(
      Effect.sync(() => book.open.add(file)),
      () => Effect.sync(() => book.open.delete(file))
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
    carried: Manifest.Carried,
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

  const keep = (
    carried: Manifest.Carried,
    failures: ReadonlyArray<Failure>,
    unread: ReadonlyMap<number, Unread.Unsent>
  ) => {
    book.committed.add(carried.file)
    book.fail(failures)
    for (const failure of failures) {
      book.said.add(failure.entry)
      progress.publish({ _tag: "Failed", path: book.pathOf(failure.entry), reason: failure.reason })
    }
    const failed = new Set(failures.map((failure) => failure.entry))
    const own = new Set(book.entriesOf(carried.file))
    for (const { entry, size } of carried.members) {
      const unsent = unread.get(entry)
      if (!own.has(entry)) continue
      if (unsent !== undefined) book.drop([entry], unsent)
      else if (!failed.has(entry)) {
        book.files++
        book.bytes += size
      }
    }
    const isHere = ({ entry }: { readonly entry: number }) => !book.failures.has(entry)
    const paths = () => carried.members.filter(isHere).map(({ entry }) => book.pathOf(entry))
    progress.publish({ _tag: "Completed", paths })
  }

  // The manifest lives in memory; its commit is that of the tree.
  const openManifest = Effect.fnUntraced(function* (layout: Layout.Layout) {
    book.pageBytes = layout.pageBytes
    if (book.entries !== undefined) {
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
    for (const { file } of book.plan) {
      const own = book.committed.has(file) ? [] : book.entriesOf(file)
      if (own.some((entry) => !book.failures.has(entry))) book.withheld.add(file)
      book.drop(own, { reason: "the master did not send it" })
    }
    book.fail(failures)
    book.done = true
    const failed = new Set(book.failures.keys())
    book.entries?.forEach((entry, index) => {
      if (entry._tag === "HardLink" && !failed.has(index)) book.files++
    })
    // the answers to earlier questions have said the others
    return [...book.failures]
      .filter(([entry]) => !book.said.has(entry))
      .map(([entry, { reason }]): Failure => ({ entry, reason }))
  }

  // [M-8] its hash agrees, so it is the master's; what it lists is in the plan from now on
  const revise = Effect.fnUntraced(function* (file: number) {
    if (book.awaited !== file) return
    const decoded = Manifest.decode((arriving.get(file) ?? new Claimed(0)).whole())
    const revised = Result.flatMap(decoded, (revision) => Manifest.revise(book.entries ?? [], revision, file))
    if (Result.isFailure(revised)) return yield* new StoreError({ code: "EPROTO", path: "", reason: revised.failure })
    arriving.delete(file)
    yield* store.revise(revised.success.entries)
    book.revise(file, revised.success)
  })

  // [M-10] a tree that cannot be held is sat out before anything of it is here
  const makeSureOfRoom = Effect.fnUntraced(function* (entries: ReadonlyArray<Manifest.Entry>) {
    const shortage = yield* store.shortage(entries)
    if (Option.isNone(shortage)) return
    const reason = Room.describe(shortage.value)
    if (!shortage.value.isSure) return progress.publish({ _tag: "Note", message: `the tree may not fit: ${reason}` })
    book.noRoom = reason
    progress.publish({ _tag: "Failed", path: Manifest.display(new Uint8Array(0)), reason })
    return yield* new StoreError({ code: "ENOSPC", path: "", reason })
  })

  const prepare = Effect.gen(function* () {
    const decoded = Manifest.decodeTree((arriving.get(0) ?? new Claimed(0)).whole())
    if (decoded._tag === "Failure") {
      const bad = new BadManifest({ reason: decoded.failure })
      book.ruin = bad
      return yield* new StoreError({ code: "EPROTO", path: "", reason: bad.message })
    }
    const { entries, leftOut } = decoded.success
    yield* makeSureOfRoom(entries)
    const preparing = yield* Effect.forkIn(
      ruining(Effect.map(store.prepare(entries), (failures) => book.fail(failures))),
      scope
    )
    prepared = Fiber.join(preparing)
    book.plan = [...Manifest.plan(entries)]
    book.entries = entries
    book.leftOut = leftOut
    for (const { path, reason } of leftOut.lost) {
      progress.publish({ _tag: "Failed", path: Manifest.display(path), reason })
    }
    const { bytes, files } = Manifest.counts(entries)
    book.total = bytes
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
  book.heldBytes = () => heldIn(book, files)
  return files
})

const heldIn = (book: Book, files: CatchFiles.CatchFiles): number => {
  let { bytes } = book
  for (const file of book.open) {
    const state = book.committed.has(file) ? undefined : files.stateOf(file)
    const { size } = book.plan[file - 1]
    if (state?._tag === "DataReady") bytes += size
    if (state?._tag === "GetData") bytes += Math.min(size, state.pages.held * state.layout.pageBytes)
  }
  return Math.min(bytes, book.total)
}

const reportOf = (options: Options, address: string, book: Book, nowMillis: number): Report => {
  const entries = book.entries ?? []
  const failures = failuresOf(book)
  const tree = Manifest.counts(entries)
  const session = book.membership?.session ?? 0n
  const pageBytes = book.pageBytes || (book.membership?.pageBytes ?? Limits.defaultPageBytes)
  return {
    _tag: "Report",
    session: displaySession(session),
    seconds: book.seconds(nowMillis),
    ...tree,
    pages: {
      needed: Manifest.neededPages(
        book.plan,
        pageBytes,
        (file) => !book.withheld.has(file) && book.entriesOf(file).length > 0
      ),
      sent: book.received.pages,
      repaired: book.missingPages,
      parity: book.received.parity
    },
    catchers: [
      {
        id: options.id,
        address,
        state: book.done && failures.length === 0 ? "Complete" : "Partial",
        files: book.files,
        bytes: book.bytes,
        missingPages: book.missingPages,
        failures
      }
    ],
    skipped: book.leftOut.special,
    failures: []
  }
}

/** Why a catcher has nothing of a session that has ended well. */
const tookNoPart = "the session ended before this catcher had the list of its files"

/** What is not here: what the master could not even list, and what did not arrive, by the manifest's order. */
const failuresOf = (book: Book): CatcherReport["failures"] => {
  const { failures, leftOut } = book
  const lost = leftOut.lost.map(({ kind, path, reason }) =>
    Manifest.failureAt(Manifest.display(path), reason, { kind })
  )
  const more = `the master could not read ${leftOut.more} more`
  // a hard link whose leader nobody was sent is not here for the leader's reason
  const lackOf = (index: number, own: Lack): Lack => {
    const entry = book.entries?.[index]
    const leaders = entry?._tag === "HardLink" ? failures.get(entry.leader) : undefined
    return leaders?.kind === undefined ? own : leaders
  }
  const own = [...failures]
    .sort((a, b) => a[0] - b[0])
    .map(([entry, lack]) => {
      const { kind, reason } = lackOf(entry, lack)
      return Manifest.failureAt(book.pathOf(entry), reason, kind === undefined ? {} : { kind })
    })
  const said = [book.ruin?.message, book.noRoom, book.dismissed].filter((why) => why !== undefined)
  const isLeftOut = book.hasEnded && said.length === 0 && book.entries === undefined && own.length === 0
  const whole = (isLeftOut ? [tookNoPart] : said).map((why) => Manifest.failureAt("", why))
  return [...whole, ...lost, ...(leftOut.more === 0 ? [] : [Manifest.failureAt("", more)]), ...own]
}

const tick = Effect.fnUntraced(function* (book: Book, now: () => number) {
  const progress = yield* Progress
  yield* Effect.sleep(tickMillis)
  const transport = yield* Transport
  const { dropped } = yield* transport.stats
  if (dropped > 0 && book.dropped === 0) {
    progress.publish({ _tag: "Note", message: overflowed(transport.receiveBufferBytes) })
  }
  book.dropped = dropped
  // how far it is nobody knows before the manifest
  if (book.entries === undefined) return
  const { total } = book
  book.reached = Math.max(book.reached, book.heldBytes())
  progress.publish({
    _tag: "Tick",
    seconds: book.seconds(now()),
    bytes: book.reached,
    total,
    files: book.files,
    sentBytes: book.received.pages * (book.membership?.pageBytes ?? 0),
    phase: book.done ? "Finished" : book.reached < total ? "Sending" : "Finishing",
    repairedPages: book.missingPages,
    catchers: []
  })
})
