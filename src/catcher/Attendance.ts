/**
 * A catcher's attendance of one session: what it knows of the tree and of the master, what has
 * arrived, and what is not here and why. The report is made from it.
 */

import type { Signature } from "../delta/Signature.ts"
import type * as Announce from "../phase/Announce.ts"
import * as Veto from "../filter/Veto.ts"
import * as Delay from "../protocol/group/Delay.ts"
import * as Limits from "../protocol/Limits.ts"
import { type Changes, type Done, isList } from "../protocol/Words.ts"
import type { BadManifest, HookFailed } from "../report/Errors.ts"
import { seconds } from "../report/Progress.ts"
import type { CatcherReport, Protected, Report } from "../report/Report.ts"
import { displaySession } from "../session/Exchange.ts"
import type * as Answers from "../session/Answers.ts"
import type { Counts, Incoming } from "../session/Incoming.ts"
import { Probes } from "../session/Probing.ts"
import type * as Unread from "../source/Unread.ts"
import type { StoreError } from "../store/Store.ts"
import { counts, type Entry, nothingLeftOut } from "../tree/Entry.ts"
import * as Compare from "../tree/Compare.ts"
import { carriedBytes } from "../tree/Holes.ts"
import * as Lacks from "../tree/Lacks.ts"
import * as Names from "../tree/Names.ts"
import * as Plan from "../tree/Plan.ts"
import type { CarriedFile, Revised } from "../tree/Plan.ts"
import { keeps, type Policy } from "../tree/Policy.ts"
import type { Announce as Call, Failure, Missing, Open } from "../wire/Message.ts"
import type { Wakefulness } from "./Wakefulness.ts"

/** Why an entry is not here; with a `kind` where the master could not send it. */
interface Lack {
  readonly reason: string
  readonly kind?: Unread.Unsent["kind"]
}

/** A catcher's knowledge of its session. */
export class Attendance {
  readonly received: Counts = { pages: 0, parity: 0, ignored: 0 }
  readonly probes = new Probes()
  /** Of the file that was opened last. */
  pageBytes = 0
  membership: Announce.Membership | undefined
  entries: ReadonlyArray<Entry> | undefined
  plan: Array<CarriedFile> = []
  /** Of entries that were revised, the file of the last revision. */
  readonly revised = new Map<number, number>()
  /** Of the versions that are to come, by entry. [Y-13] */
  readonly signatures = new Map<number, Signature>()
  /**
   * Files that came with a signature: the pages that were held from the beginning, and of each span
   * the round that asked first.
   */
  readonly deltas = new Map<number, { readonly held: number; readonly asked: Map<number, number> }>()
  /** Files that are read before a question about them is answered, and how far. [Y-13] [F-11] */
  readonly reading = new Map<number, Answers.Read>()
  /** A revision that is to come: what it lists is not in the plan yet. */
  awaited: number | undefined
  /** Bytes of the whole tree. */
  total = 0
  /**
   * Why the tree as a whole cannot be here: its manifest cannot be read, its destination is not to
   * be used, or the owner's hook has failed.
   */
  ruin: BadManifest | HookFailed | StoreError | undefined
  /** Why nothing of the tree is taken: there is no room for it. */
  noRoom: string | undefined
  leftOut = nothingLeftOut
  /** How the tree is brought here; undefined: every file is sent. */
  policy: Policy | undefined
  /** What the survey has found; undefined: it is not done, or there is none. [Y-1] */
  found: Answers.Found | undefined
  /** How far the survey is. */
  readonly comparison: Answers.Comparison = { looked: 0, hashed: 0, toHash: 0 }
  readonly failures = new Map<number, Lack>()
  /** What the owner of this catcher refused, by entry, and why. [Y-9] */
  readonly vetoed = new Map<number, string>()
  /**
   * How many names were deleted, and how many stay because the owner refuses that; undefined: it
   * has not come to that.
   */
  deleted: { readonly count: number; readonly vetoes: number } | undefined
  /** Why these stay, at entries of directories. */
  vetoedDeletions: ReadonlyArray<Failure> = []
  /** Entries that the store refused before anything of them came. */
  private readonly refused = new Set<number>()
  /** Entries whose failure the master knows. */
  readonly said = new Set<number>()
  /** Files that have a place in the store and have not given it up. */
  readonly open = new Set<number>()
  /** Files that the master sends to nobody, and why. */
  readonly withheld = new Map<number, Lack>()
  /** Files that were committed. */
  readonly committed = new Set<number>()
  files = 0
  bytes = 0
  /**
   * The most bytes that were here at one time, as of the last tick: what was dropped again comes
   * again.
   */
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
  /** And the master may be told. [F-12] */
  isConcluded = false
  /** When the first page came: before it a master waits for others. */
  startedMillis: number | undefined
  heardMillis: number
  readonly joinedMillis: number
  /** Since when what the inbox brought is worked on; undefined while the catcher listens. */
  workingMillis: number | undefined
  /** Since when there was always something to work on, and when the catcher listened last. */
  private busySinceMillis: number
  private listenedMillis: number
  /** When the store was done with a step last. */
  private steppedMillis = -Infinity

  /** Bytes of content that are here, committed or not. */
  heldBytes = (): number => 0
  /** Entries that the store is done with. */
  workedEntries = (): number => 0

  /** How much older what was heard last may be: it may have come while we stood still, or late. */
  private doubtMillis = 0
  private delay: Delay.Delay | undefined

  private readonly wakefulness: Wakefulness

  constructor(nowMillis: number, wakefulness: Wakefulness) {
    this.wakefulness = wakefulness
    this.heardMillis = nowMillis
    this.joinedMillis = nowMillis
    this.busySinceMillis = nowMillis
    this.listenedMillis = nowMillis
    // the welcome, too, may have come long ago
    this.isHeard(nowMillis)
  }
  /** Another master that calls while ours is silent: since when, and when it was heard last. */
  private caller: { readonly session: bigint; readonly sinceMillis: number; readonly delay: Delay.Delay } | undefined
  /** The session was left for that master's. */
  isReplaced = false

  /** `received`: page datagrams. */
  counts(received: number): Answers.Counts {
    return { received, dropped: this.dropped, held: this.heldBytes(), worked: this.workedEntries() }
  }

  /** A file is read, and so far; undefined: it has been. */
  reads(file: number, read: Answers.Read | undefined): void {
    if (read === undefined) this.reading.delete(file)
    else this.reading.set(file, read)
  }

  /** We are in a session of that master. */
  joins(membership: Announce.Joined): void {
    this.membership = membership
    this.delay = membership.delay
    this.doubt(membership.delay.lateMillis)
  }
  /** Something of the master's is heard, which is a sign of its life, or may be a recording. */
  onHeard(
    incoming: Exclude<Incoming, { readonly _tag: "OtherMaster" }>,
    isSignOfLife: boolean,
    nowMillis: number
  ): void {
    if (incoming._tag === "Message" && incoming.message._tag === "Announce")
      this.delay = Delay.heard(this.delay, incoming.message.uptimeMillis, nowMillis)
    if (isSignOfLife) this.isHeard(nowMillis)
  }
  private isHeard(nowMillis: number): void {
    this.heardMillis = nowMillis
    this.doubtMillis = nowMillis - (this.wakefulness.stoodStillSince() ?? nowMillis)
    this.doubt(this.delay?.lateMillis ?? 0)
  }
  /** What was heard last is at least so much older. */
  private doubt(lateMillis: number): void {
    this.doubtMillis = Math.max(this.doubtMillis, lateMillis)
  }
  /**
   * We stood still, and heard nobody: that is no silence of the master's. Nor was the master heard
   * meanwhile.
   */
  stoodStill(nowMillis: number): void {
    this.doubtMillis += nowMillis - this.heardMillis
    this.heardMillis = nowMillis
  }
  /** How long ago the master was heard, as another one may believe it. */
  surelySilentMillis(nowMillis: number): number {
    // anybody may announce what seems to be late: longer than the time-out no living master is
    // silent
    const doubtMillis = Math.min(this.doubtMillis, this.membership?.timeoutMillis ?? Infinity)
    return Math.min(Math.floor(this.silentMillis(nowMillis) + doubtMillis), 0xffff_ffff)
  }
  silentMillis(nowMillis: number): number {
    return Math.max(0, (this.workingMillis ?? nowMillis) - this.heardMillis)
  }
  /**
   * [J-12] Another master calls. Is ours dead? One announcement alone may be that of a master which
   * has not heard ours yet.
   */
  isLeftFor({ session, uptimeMillis }: Call, nowMillis: number): boolean {
    const before = this.caller?.session === session ? this.caller : undefined
    const isSame = before !== undefined && nowMillis - before.delay.heardMillis < callGapMillis
    const sinceMillis = isSame && before.sinceMillis > this.heardMillis ? before.sinceMillis : nowMillis
    const delay = Delay.heard(before?.delay, uptimeMillis, nowMillis)
    // what was heard of our master before came as late as the call before, and was sent before a
    // late call was
    if (before !== undefined) this.doubtMillis += Delay.shownMillis(before.delay, delay)
    this.doubt(delay.lateMillis - this.silentMillis(nowMillis))
    this.caller = { session, sinceMillis, delay }
    this.isReplaced =
      this.silentMillis(nowMillis) >= Limits.leaveMillis && nowMillis - sinceMillis >= Limits.announceMillis / 2
    return this.isReplaced
  }
  /**
   * Time spent writing is not silence of the master. Datagrams of other masters do not break the
   * silence.
   */
  listens(nowMillis: number): void {
    const worked = nowMillis - (this.workingMillis ?? nowMillis)
    this.heardMillis = Math.min(nowMillis, this.heardMillis + worked)
    this.workingMillis = undefined
    this.listenedMillis = nowMillis
  }
  /** Something has arrived, and is worked on. */
  works(nowMillis: number): void {
    if (nowMillis - this.listenedMillis >= 1) this.busySinceMillis = nowMillis
    this.workingMillis = nowMillis
  }
  /**
   * For how long there was always something to work on: what was asked since may wait behind it.
   */
  busyMillis(nowMillis: number): number {
    return this.workingMillis === undefined ? 0 : nowMillis - this.busySinceMillis
  }
  /** The store is done with a step of what is worked on. */
  steps(nowMillis: number): void {
    this.steppedMillis = nowMillis
  }
  /**
   * For how long it has worked on one step. What came last may be all that the receive buffer
   * holds, and takes a slow store many steps.
   */
  stuckMillis(nowMillis: number): number {
    return nowMillis - Math.max(this.workingMillis ?? nowMillis, this.steppedMillis)
  }
  seconds(nowMillis: number): number {
    return seconds(nowMillis - (this.startedMillis ?? nowMillis))
  }
  /**
   * Entries that the store cannot make, or must not: no revision of them can be made either. [M-4]
   */
  refuse(failures: ReadonlyArray<Failure>): void {
    this.fail(failures)
    for (const { entry } of failures) this.refused.add(entry)
  }
  fail(failures: Iterable<Failure>): void {
    for (const { entry, isVetoed, reason } of failures) {
      if (isVetoed === true) this.vetoed.set(entry, reason)
      else if (!this.failures.has(entry)) this.failures.set(entry, { reason })
    }
  }
  /** What the survey has found that the owner refuses. */
  veto(words: Uint16Array): void {
    words.forEach((word, entry) => {
      if (Compare.isVetoed(word)) this.vetoed.set(entry, Veto.reason)
    })
  }
  /**
   * What the owner refused, as it is told: deletions, and entries, but none in a directory that is
   * told, and no more than the limit.
   */
  get vetoes(): ReadonlyArray<Failure> {
    const { entries = [], vetoed, vetoedDeletions } = this
    const directories = new Set<string>()
    const told: Array<Failure> = []
    for (const [entry, reason] of [...vetoed].sort((a, b) => a[0] - b[0])) {
      const key = Names.keyOf(entries[entry]?.path ?? new Uint8Array(0))
      const isTold = directories.has(Names.parentOf(key))
      if (entries[entry]?._tag === "Directory") directories.add(key)
      if (!isTold && told.length < Limits.vetoedEntries) told.push({ entry, reason, isVetoed: true })
    }
    return [...told, ...vetoedDeletions].sort((a, b) => a.entry - b.entry)
  }
  /** Is the entry not here, or not as the source has it? */
  isAmiss(entry: number): boolean {
    return this.failures.has(entry) || this.vetoed.has(entry)
  }
  /** The same, and what stands here. */
  whatIsDone(): Done | undefined {
    const changes = this.changes()
    return changes === undefined ? undefined : { ...changes, files: this.files, bytes: this.bytes }
  }
  /** What was changed here until now; undefined: it was not asked what it lacks. */
  changes(): Changes | undefined {
    const { deleted, found } = this
    if (found === undefined || this.policy?.isDryRun === true) return found?.changes
    const { words } = found
    const arrived = new Set([...this.committed].flatMap((file) => this.entriesOf(file)))
    const counts = Compare.countsOf(words.map((word, entry) => this.changeOf(entry, word, arrived)))
    const { count = 0, vetoes = 0 } = deleted ?? {}
    return { ...counts, deleted: count, vetoed: counts.vetoed + vetoes }
  }
  /** What was changed of an entry, of which the survey has found this. `arrived`: what has come. */
  private changeOf(entry: number, word: number, arrived: ReadonlySet<number>): number {
    if (this.vetoed.has(entry)) return Compare.change.Vetoed
    // as most are
    if (word === 0 && !this.revised.has(entry)) return 0
    const tag = this.entries?.[entry]?._tag
    const isAwaited = tag === "HardLink" ? !this.done : tag === "File" && this.isLacked(entry) && !arrived.has(entry)
    if (this.failures.has(entry) || (isAwaited && !Compare.isKept(word))) return 0
    // what was right has come anew, in a revision
    return this.revised.has(entry) && !Compare.isLacked(word) ? Compare.change.Content : word
  }
  /** Entries that will not be here, as the master knows. */
  drop(entries: ReadonlyArray<number>, lack: Lack): void {
    for (const entry of entries) {
      if (!this.failures.has(entry)) this.failures.set(entry, lack)
      this.said.add(entry)
    }
  }
  /** Is it still to be found out what is lacked here? */
  get isComparing(): boolean {
    const { found, policy } = this
    return policy !== undefined && (found === undefined || found.doubts.length > 0)
  }
  /** What stands here is among `files` and `bytes`: a revision may come before that. */
  private hasCounted = false
  /** Counts what the survey has found here, once that is described. */
  countStanding(): void {
    this.hasCounted = true
    this.entries?.forEach((entry, index) => {
      if (entry._tag !== "File" || this.isAmiss(index) || this.isLacked(index)) return
      if (Compare.isKept(this.found?.words[index] ?? 0)) return
      this.files++
      this.bytes += carriedBytes(entry)
    })
  }
  /** Has an entry to come, as far as it is known? [Y-5] */
  isLacked(entry: number): boolean {
    if (this.found === undefined || Lacks.has(this.found.lacks, entry)) return true
    return this.revised.has(entry) && !keeps(this.policy)
  }
  /** The entries that a file carries for us, and no later one does. */
  entriesOf(file: number): ReadonlyArray<number> {
    return (this.plan[file - 1]?.members ?? [])
      .map(({ entry }) => entry)
      .filter((entry) => (this.revised.get(entry) ?? 0) <= file && this.isLacked(entry))
  }
  /** Is every file here that was lacked, but for those that no catcher may make? */
  hasArrived(): boolean {
    const isAwaited = (entry: number) =>
      this.entries?.[entry]?._tag === "File" && this.isLacked(entry) && !this.refused.has(entry)
    const owed = this.plan.filter(({ file }) => !this.committed.has(file)).flatMap(({ file }) => this.entriesOf(file))
    return ![...this.uncarried(), ...owed, ...this.failures.keys()].some(isAwaited)
  }
  /** Files that are lacked, and that no file of the plan carries: the master never sent them. */
  uncarried(): ReadonlyArray<number> {
    const { entries = [], policy } = this
    const { lacks } = this.found ?? {}
    if (policy === undefined || policy.isDryRun) return []
    const carried = new Set(this.plan.flatMap(({ members }) => members.map(({ entry }) => entry)))
    return [...Lacks.each(lacks ?? [0, entries.length])].filter(
      (entry) => entries[entry]?._tag === "File" && !carried.has(entry)
    )
  }
  /**
   * [M-8] [Y-4] A revision or a selection has the number after the last of the plan, and comes when
   * the one before it is here.
   */
  expect({ file, kind, size }: Open): void {
    const isNext = this.entries !== undefined && file === this.plan.length + 1
    if (!isList(kind) || !isNext || this.awaited !== undefined || size > Limits.manifestBytes) return
    this.awaited = file
    this.plan.push(Plan.listFile(kind, file, size))
  }
  /** What a selection lists is in the plan. What was given up before is told already. */
  select(selected: ReadonlyArray<CarriedFile>): void {
    this.plan.push(...selected)
    this.awaited = undefined
    for (const { file } of selected) {
      const lack = this.withheld.get(file)
      if (lack !== undefined) this.drop(this.entriesOf(file), lack)
    }
  }
  /** Counts what is asked for again. */
  misses(file: number, { first, round }: Pick<Missing, "first" | "round">, pages: number): void {
    const asked = this.deltas.get(file)?.asked
    if (asked !== undefined && !asked.has(first)) asked.set(first, round)
    if (asked?.get(first) !== round) this.missingPages += pages
  }
  /** The master sends a file to nobody; it may be in no plan of ours yet. */
  giveUp(file: number, lack: Lack): void {
    this.withheld.set(file, lack)
    this.drop(this.entriesOf(file), lack)
  }
  revise(file: number, { entries, plan, revised }: Revised): void {
    const carriers = Plan.carriersOf(this.plan, new Set(revised))
    for (const entry of revised) {
      this.signatures.delete(entry)
      const [before, after] = [this.entries?.[entry], entries[entry]]
      if (before?._tag !== "File" || after._tag !== "File") continue
      this.total += carriedBytes(after) - carriedBytes(before)
      // did it stand here, or was it committed with the file that carried it so far?
      const carrier = carriers.get(entry)
      const stands = !this.isLacked(entry)
      const isCounted = stands ? this.hasCounted : carrier !== undefined && this.committed.has(carrier)
      if (stands && keeps(this.policy)) {
        // one that is kept was not counted
        if (isCounted && !Compare.isKept(this.found?.words[entry] ?? 0))
          this.bytes += carriedBytes(after) - carriedBytes(before)
      } else if (isCounted && !this.isAmiss(entry)) {
        this.files--
        this.bytes -= carriedBytes(before)
      }
      this.revised.set(entry, file)
      this.said.delete(entry)
      if (!this.refused.has(entry)) this.failures.delete(entry)
    }
    this.entries = entries
    this.plan.push(...plan)
    this.awaited = undefined
  }
  pathOf(entry: number): string {
    const found = this.entries?.[entry]
    return found === undefined ? "" : Names.display(found.path)
  }
}

/**
 * A master that calls again within this time has called all the while: two of its announcements may
 * be lost.
 */
const callGapMillis = 3 * Limits.announceMillis

export const reportOf = (
  options: { readonly id: string } & Protected,
  address: string,
  attendance: Attendance,
  nowMillis: number
): Report => {
  const entries = attendance.entries ?? []
  const failures = failuresOf(attendance)
  const tree = counts(entries)
  const session = attendance.membership?.session ?? 0n
  const pageBytes = attendance.pageBytes || (attendance.membership?.pageBytes ?? Limits.defaultPageBytes)
  return {
    _tag: "Report",
    session: displaySession(session),
    sealed: options.sealed,
    fingerprint: options.fingerprint,
    seconds: attendance.seconds(nowMillis),
    ...tree,
    ...(attendance.policy?.isDryRun === true ? { isDryRun: true as const } : {}),
    pages: {
      needed: Plan.neededPages(
        attendance.plan,
        pageBytes,
        (file) => !attendance.withheld.has(file) && attendance.entriesOf(file).length > 0,
        (file, pages) => Math.min(pages, attendance.deltas.get(file)?.held ?? 0)
      ),
      sent: attendance.received.pages,
      repaired: attendance.missingPages,
      parity: attendance.received.parity
    },
    catchers: [
      {
        id: options.id,
        address,
        state: stateOf(attendance, failures),
        files: attendance.files,
        bytes: attendance.bytes,
        missingPages: attendance.missingPages,
        ...changesOf(attendance),
        ...vetoedOf(attendance),
        failures
      }
    ],
    skipped: attendance.leftOut.special,
    failures: []
  }
}

/** What was changed here, where there was a survey. */
const changesOf = (attendance: Attendance): Pick<CatcherReport, "changes"> => {
  const { entries = [], found } = attendance
  const changes = attendance.changes()
  return found === undefined || changes === undefined
    ? {}
    : { changes: { ...changes, ...Lacks.filesIn(found.lacks, entries) } }
}

const stateOf = ({ done, vetoes }: Attendance, failures: CatcherReport["failures"]): CatcherReport["state"] => {
  if (!done || failures.length > 0) return "Partial"
  return vetoes.length > 0 ? "Limited" : "Complete"
}

/** [Y-9] What the owner refused. */
const vetoedOf = (attendance: Attendance): Pick<CatcherReport, "vetoed"> =>
  attendance.vetoes.length === 0
    ? {}
    : {
        vetoed: attendance.vetoes.map(({ entry, reason }) => Names.failureAt(attendance.pathOf(entry), reason))
      }

/** Is the tree committed, and nothing of it missing? */
export const isComplete = (attendance: Attendance): boolean =>
  stateOf(attendance, failuresOf(attendance)) === "Complete"

/** Why a catcher has nothing of a session that has ended well. */
const tookNoPart = "the session ended before this catcher had the list of its files"

/**
 * Entries that are not here: those that the master could not even list, and those that did not
 * arrive, in the manifest's order.
 */
const failuresOf = (attendance: Attendance): CatcherReport["failures"] => {
  const { failures, leftOut } = attendance
  const lost = leftOut.lost.map(({ kind, path, reason }) => Names.failureAt(Names.display(path), reason, { kind }))
  const more = `the master could not read ${leftOut.more} more`
  // a hard link whose leader nobody was sent is not here for the leader's reason
  const lackOf = (index: number, own: Lack): Lack => {
    const entry = attendance.entries?.[index]
    const leaders = entry?._tag === "HardLink" ? failures.get(entry.leader) : undefined
    return leaders?.kind === undefined ? own : leaders
  }
  const own = [...failures]
    .sort((a, b) => a[0] - b[0])
    .map(([entry, lack]) => {
      const { kind, reason } = lackOf(entry, lack)
      return Names.failureAt(attendance.pathOf(entry), reason, kind === undefined ? {} : { kind })
    })
  const said = [attendance.ruin?.message, attendance.noRoom, attendance.dismissed].filter((why) => why !== undefined)
  const isLeftOut = attendance.hasEnded && said.length === 0 && attendance.entries === undefined && own.length === 0
  const whole = (isLeftOut ? [tookNoPart] : said).map((why) => Names.failureAt("", why))
  return [...whole, ...lost, ...(leftOut.more === 0 ? [] : [Names.failureAt("", more)]), ...own]
}
