/**
 * The master's books: what became of every carried file at every catcher, and the report that
 * follows. File 0 is the manifest; its close is the commit of the tree.
 */
import { union } from "../protocol/Runs.ts"
import * as Result from "effect/Result"
import type { Member, Roster } from "../protocol/group/Roster.ts"
import * as Limits from "../protocol/Limits.ts"
import { absent, type CatcherReport, type FailureReport, type Protected, type Report } from "../report/Report.ts"
import { type Retaken, SourceChanged, type SourceError } from "../source/Source.ts"
import { unsentOf } from "../source/Unread.ts"
import { counts, type Entry, isLinkedFile, type LeftOut, nothingLeftOut } from "../tree/Entry.ts"
import * as Compare from "../tree/Compare.ts"
import { encode as encodeHashes, type Hashes } from "../tree/Hashes.ts"
import { carriedBytes } from "../tree/Holes.ts"
import * as Lacks from "../tree/Lacks.ts"
import { encode } from "../tree/Manifest.ts"
import { display, failureAt } from "../tree/Names.ts"
import { type CarriedFile, listFile, neededPages, revise, select } from "../tree/Plan.ts"
import { keeps, type Policy } from "../tree/Policy.ts"
import { refused } from "../tree/Validate.ts"
import type { Changes, Done, ListKind, Runs, SitOutReason } from "../protocol/Words.ts"
import type { Failure } from "../wire/Message.ts"
import { type Account, agedReason, joined, newAccount, type WhyBehind } from "./Account.ts"
import * as Signature from "../delta/Signature.ts"
import { Deltas } from "./Deltas.ts"
import { Doubts } from "./Doubts.ts"
import { Roots } from "./Roots.ts"
import { type Totals, totalsOf } from "./Totals.ts"
import { UnderWay } from "./UnderWay.ts"

/** Why nobody gets an entry, and which file was to carry it. */
interface Withheld {
  readonly error: SourceError | SourceChanged
  readonly file: number
}

const sizeOf = (plan: ReadonlyArray<CarriedFile>): number => plan.reduce((sum, carried) => sum + carried.size, 0)

export class Ledger {
  /** The entries of the manifest. */
  readonly manifest: ReadonlyArray<Entry>
  /** The same, as the revisions since have it. */
  entries: ReadonlyArray<Entry>
  readonly plan: Array<CarriedFile>
  /** Things for which the scan made no entry. */
  readonly leftOut: LeftOut
  /** Revisions and selections by their file: their bytes. */
  private readonly lists = new Map<number, Uint8Array>()
  /** How the tree is brought to catchers; undefined: every file is sent. */
  readonly policy: Policy | undefined
  /** The entries that were selected so far. [Y-4] */
  private selected: Runs = []
  /** Files of the plan that are passed over where nothing of them is lacked. [Y-5] */
  private readonly passable = new Set<number>()
  /** Of entries that were revised, the file of the last revision. */
  private readonly revised = new Map<number, number>()
  /** How often an entry was taken anew. */
  private readonly retakes = new Map<number, number>()
  /** Entries that were sent from a copy that may not be what the source holds. */
  private unchecked: ReadonlyArray<number> = []
  private readonly aged = new Set<number>()
  readonly doubts = new Doubts()
  readonly deltas = new Deltas()
  readonly underWay = new UnderWay()
  private readonly accounts = new Map<number, Account>()
  /** Entries that nobody gets. */
  private readonly unsent = new Map<number, Withheld>()
  private readonly droppedFiles = new Map<number, string>()
  private planBytes: number
  private counted: Totals | undefined
  private droppedBytes = 0
  private readonly completed = new Set<number>()
  readonly roots = new Roots()
  /** Entries that every catcher refuses: they say so only when the tree is closed. */
  private readonly refused: ReadonlyMap<number, string>

  /** With a policy the plan is empty at first: selections fill it. */
  constructor(
    entries: ReadonlyArray<Entry>,
    plan: ReadonlyArray<CarriedFile>,
    leftOut: LeftOut = nothingLeftOut,
    policy?: Policy
  ) {
    this.policy = policy
    this.manifest = entries
    this.entries = entries
    this.plan = [...plan]
    this.leftOut = leftOut
    this.planBytes = sizeOf(plan)
    this.refused = refused(entries)
  }

  private account(slot: number): Account {
    const account = this.accounts.get(slot) ?? newAccount()
    this.accounts.set(slot, account)
    return account
  }

  sitOut(file: number, satOut: ReadonlyMap<number, SitOutReason>): void {
    for (const [slot, { about, reason }] of satOut) {
      this.settle(slot, file)
      const account = this.account(slot)
      account.satOut.set(file, { about, reason })
      if (about === "Veto") for (const entry of this.entriesOf(file)) account.vetoed.set(entry, reason)
    }
  }
  missing(pages: ReadonlyMap<number, number>): void {
    for (const [slot, count] of pages) this.account(slot).missingPages += count
  }
  /** A catcher has committed the tree, and says what was done there. */
  conclude(slot: number, { bytes, files, ...changes }: Done): void {
    const account = this.account(slot)
    const { all } = this.totals()
    account.changes = Compare.believable(changes, this.entries.length)
    account.stood = { files: Math.min(files, all.files), bytes: Math.min(bytes, all.bytes) }
  }
  commit(file: number, committed: ReadonlyMap<number, ReadonlyArray<Failure>>): void {
    for (const [slot, failures] of committed) {
      const account = this.account(slot)
      if (account.committed.has(file)) continue
      this.settle(slot, file)
      account.committed.add(file)
      if (file === 0) account.finished = true
      else this.count(account, this.plan[file - 1], new Set(failures.map((failure) => failure.entry)))
      const revised = this.revised.size === 0 ? [] : this.entriesOf(file)
      for (const entry of revised) if (!this.refused.has(entry)) account.failed.delete(entry)
      for (const { entry, isVetoed, reason } of failures) {
        if (isVetoed === true) account.vetoed.set(entry, joined(account.vetoed.get(entry), reason))
        else if (!this.isWithheld(entry)) account.failed.set(entry, reason)
      }
    }
  }
  /**
   * A pass of the file has ended. A catcher that still owes it is sent it in one more,
   * `Limits.passes` times.
   */
  passed(file: number, audience: Iterable<number>): void {
    for (const slot of audience) {
      if (!this.lacks(slot, file)) continue
      const { unfinished } = this.account(slot)
      const times = (unfinished.get(file) ?? 0) + 1
      unfinished.set(file, times)
      if (times < Limits.passes) continue
      this.sitOut(file, new Map([[slot, { reason: `not complete after ${times} passes`, about: "File" }]]))
    }
  }
  /**
   * A file did not wait for these stragglers. Answers those that are stragglers for the first time.
   */
  markLate(slots: ReadonlyArray<number>): ReadonlyArray<number> {
    const first = slots.filter((slot) => !this.account(slot).late)
    for (const slot of first) this.account(slot).late = true
    return first
  }
  /** Entries that the source did not give. */
  unread({ file }: CarriedFile, entries: Iterable<number>, error: SourceError | SourceChanged): void {
    for (const entry of entries) if (!this.isSuperseded(entry, file)) this.unsent.set(entry, { error, file })
  }
  /** A file that nobody gets. */
  drop(carried: CarriedFile, error: SourceError | SourceChanged): void {
    if (!this.droppedFiles.has(carried.file)) this.droppedBytes += carried.size
    this.droppedFiles.set(carried.file, error.reason)
    this.unread(carried, this.entriesOf(carried.file), error)
  }
  /** The files that nobody gets, with the reason; not those whose entries are taken anew. */
  dropped(): ReadonlyArray<{ readonly file: number; readonly reason: string }> {
    return [...this.droppedFiles]
      .filter(([file]) => this.entriesOf(file).some((entry) => !this.isToRetake(entry)))
      .map(([file, reason]) => ({ file, reason }))
  }
  needed(pageBytes: number): number {
    const isSent = (file: number) => !this.droppedFiles.has(file) && this.entriesOf(file).length > 0
    return neededPages(this.plan, pageBytes, isSent, (file) => this.deltas.heldOf(file))
  }
  holds(slot: number, file: number): boolean {
    return this.account(slot).committed.has(file)
  }
  /** Has the file still to be sent to that catcher? */
  lacks(slot: number, file: number): boolean {
    const account = this.account(slot)
    // A catcher that has committed the tree has it as it was then, whatever is revised for those
    // that come later. One that takes no manifest is sent nothing else.
    if (file > 0 && (account.finished || account.satOut.has(0) || account.passedOver.has(file))) return false
    return !account.committed.has(file) && !account.satOut.has(file) && !this.droppedFiles.has(file)
  }
  /** A catcher can be sent a file when it holds every list before it. */
  knows(slot: number, file: number): boolean {
    for (const list of this.lists.keys()) {
      if (list < file && !this.holds(slot, list)) return false
    }
    return true
  }

  // ---- what catchers lack [Y-1] ----

  /** A catcher has answered the survey: what it does not lack stands there. */
  surveyed(slot: number, { changes, lacks }: { readonly lacks: Runs; readonly changes: Changes }): void {
    const account = this.account(slot)
    account.lacks = lacks
    account.changes = Compare.believable(changes, this.entries.length)
    const { bytes, files } = this.totals().standing(lacks)
    account.files += files
    account.bytes += bytes
    for (const file of this.passable) this.passOver(account, this.plan[file - 1])
  }
  // The survey has found the entry right, and it has not changed since.
  private isSame({ lacks }: Account, entry: number): boolean {
    return lacks !== undefined && !Lacks.has(lacks, entry) && this.isLasting(entry)
  }
  private isLasting(entry: number): boolean {
    return keeps(this.policy) || !this.revised.has(entry)
  }
  private totals(): Totals {
    if (this.counted?.entries === this.entries) return this.counted
    return (this.counted = totalsOf(this.entries, (entry) => this.isLasting(entry) && !this.refused.has(entry)))
  }
  // [Y-5] A file of which nothing is lacked need not be sent there.
  private passOver(account: Account, { file, members, size }: CarriedFile): void {
    const { lacks } = account
    if (lacks === undefined || members.some(({ entry }) => Lacks.has(lacks, entry))) return
    account.passedOver.add(file)
    account.settledBytes += size
  }
  private sendable(entries: Runs): Runs {
    return Lacks.only(entries, (entry) => !this.isWithheld(entry))
  }
  private lacked(): Runs {
    return union([...this.accounts.values()].flatMap(({ lacks }) => (lacks === undefined ? [] : [lacks])))
  }
  /** Does nobody know yet what it lacks? */
  get isComparing(): boolean {
    return this.policy !== undefined && ![...this.accounts.values()].some(({ lacks }) => lacks !== undefined)
  }
  isSurveyed(slot: number): boolean {
    return this.account(slot).lacks !== undefined
  }
  /** May the file's content be hashed? What was taken anew is another file than the manifest's. */
  isHashable(entry: number): boolean {
    return this.manifest[entry]?._tag === "File" && !this.revised.has(entry) && !this.refused.has(entry)
  }
  addHashes(hashes: Hashes): void {
    this.doubts.list(hashes.runs)
    this.addList("Hashes", this.plan.length + 1, encodeHashes(hashes), [])
  }
  /** Does it hold every list that there is? */
  holdsLists(slot: number): boolean {
    return this.knows(slot, Infinity)
  }
  isListFile(file: number): boolean {
    return this.lists.has(file)
  }
  /** The lists in the plan. */
  listFiles(): ReadonlyArray<CarriedFile> {
    return [...this.lists.keys()].map((file) => this.plan[file - 1])
  }
  /** [Y-4] What is lacked, and was not selected before, becomes files of the plan. */
  select(): void {
    const selection = Lacks.only(this.lacked(), (entry) => this.isSelectable(entry))
    if (selection.length === 0) return
    const file = this.plan.length + 1
    const plan = select(this.entries, selection, file)
    this.selected = union([this.selected, selection])
    this.addList("Selection", file, Lacks.encode(selection), plan)
    this.deltas.select(plan)
  }
  isSelectable(entry: number): boolean {
    return this.entries[entry]?._tag === "File" && !this.refused.has(entry) && !Lacks.has(this.selected, entry)
  }
  /** Answers the list. */
  addSignatures(signatures: ReadonlyArray<Signature.Signature>): CarriedFile {
    const file = this.plan.length + 1
    const bytes = Signature.encode(signatures)
    this.deltas.sign(file, Signature.blocksIn(bytes))
    return this.addList("Signatures", file, bytes, [])
  }

  // ---- what changed while it was sent [M-8] ----

  /** The entries that a file carries, and no later one does. */
  entriesOf(file: number): ReadonlyArray<number> {
    const members = file === 0 ? [] : this.plan[file - 1].members
    return members.map(({ entry }) => entry).filter((entry) => !this.isSuperseded(entry, file))
  }
  /** Does a later revision carry the entry instead of that file? */
  isSuperseded(entry: number, file: number): boolean {
    return (this.revised.get(entry) ?? 0) > file
  }
  /** Entries that were no longer what the manifest says, and are to be taken anew. */
  changed(): ReadonlyArray<number> {
    return [...this.unsent.keys()].filter((entry) => this.isToRetake(entry))
  }
  private isToRetake(entry: number): boolean {
    const withheld = this.unsent.get(entry)
    return withheld !== undefined && this.isRetakable(entry, withheld.error)
  }
  isRetakable(entry: number, error: SourceError | SourceChanged): boolean {
    return error instanceof SourceChanged && (this.retakes.get(entry) ?? 0) < Limits.retakes
  }
  /**
   * An entry could not be taken anew. Answers the file that nobody gets for it, if there is one.
   */
  giveUp(entry: number, error: SourceError | SourceChanged): number | undefined {
    const file = this.unsent.get(entry)?.file ?? 0
    this.retakes.set(entry, Limits.retakes)
    this.unsent.set(entry, { error, file })
    if (!this.droppedFiles.has(file)) return undefined
    this.droppedFiles.set(file, error.reason)
    return file
  }
  /** Files that were taken anew become files of the plan. Answers their list, and them. */
  revise(retaken: ReadonlyArray<Retaken>): { readonly list: CarriedFile; readonly files: ReadonlyArray<CarriedFile> } {
    const file = this.plan.length + 1
    const revision = retaken.map(({ entry, ...now }): Entry => {
      const { path } = this.entries[entry]
      return { _tag: "File", path, ...now }
    })
    const { entries, plan, revised } = Result.getOrThrow(revise(this.entries, revision, file))
    for (const entry of revised) this.keepCount(entry)
    for (const entry of revised) {
      this.unsent.delete(entry)
      this.retakes.set(entry, (this.retakes.get(entry) ?? 0) + 1)
      this.revised.set(entry, file)
      this.aged.delete(entry)
    }
    this.deltas.revise(revised)
    this.entries = entries
    this.unchecked = revised
    return { list: this.addList("Revision", file, encode(revision), plan), files: plan }
  }
  private addList(kind: ListKind, file: number, bytes: Uint8Array, plan: ReadonlyArray<CarriedFile>): CarriedFile {
    const list = listFile(kind, file, bytes.length)
    this.lists.set(file, bytes)
    this.plan.push(list, ...plan)
    this.planBytes += bytes.length + sizeOf(plan)
    // what is revised is lacked by all, but where the policy keeps anything [Y-5]
    if (kind === "Revision" && !keeps(this.policy)) return list
    for (const carried of plan) {
      this.passable.add(carried.file)
      for (const account of this.accounts.values()) this.passOver(account, carried)
    }
    return list
  }
  /** The content of a revision or a selection. */
  list(file: number): Uint8Array {
    return this.lists.get(file) ?? new Uint8Array(0)
  }
  /** The entries whose copies are to be compared with the source, once. */
  takeUnchecked(): ReadonlyArray<number> {
    const entries = this.unchecked.filter((entry) => !this.unsent.has(entry))
    this.unchecked = []
    return entries
  }
  /** An entry arrived as it was at one moment, and did not stay so. */
  age(entry: number): void {
    this.aged.add(entry)
  }

  // An entry may stand somewhere in its old size: then it is no further file when it comes again.
  private keepCount(entry: number): void {
    const old = this.entries[entry]
    const file = this.unsent.get(entry)?.file ?? 0
    if (old._tag !== "File") return
    for (const account of this.accounts.values()) {
      const { committed, leftOut, stands } = account
      const arrived = committed.has(file) && !leftOut.has(entry)
      if ((arrived || this.isSame(account, entry)) && !stands.has(entry)) stands.set(entry, carriedBytes(old))
    }
  }
  /** A catcher that has taken no manifest can be sent nothing else. */
  satOutManifest(slot: number): boolean {
    return this.whySatOut(slot, 0) !== undefined
  }
  whySatOut(slot: number, file: number): string | undefined {
    return this.account(slot).satOut.get(file)?.reason
  }

  // A hard link whose leader nobody gets is sent to nobody, for the leader's reason.
  private withheld(index: number): Withheld | undefined {
    // as it is nearly always, and each entry is asked about
    if (this.unsent.size === 0) return undefined
    const entry = this.entries[index]
    return this.unsent.get(entry?._tag === "HardLink" ? entry.leader : index)
  }
  private isWithheld(index: number): boolean {
    return this.withheld(index) !== undefined
  }

  // Counted when it is committed: what cannot be read in a later pass still stands where it
  // arrived.
  private count(account: Account, carried: CarriedFile, failed: ReadonlySet<number>): void {
    for (const { entry, size } of carried.members) {
      if (this.isSame(account, entry)) continue
      const isSuperseded = this.isSuperseded(entry, carried.file)
      if (failed.has(entry) || this.unsent.has(entry) || isSuperseded || this.refused.has(entry)) {
        account.leftOut.add(entry)
        continue
      }
      const before = account.stands.get(entry)
      if (before === undefined) account.files++
      account.bytes += size - (before ?? 0)
      if (this.revised.has(entry)) account.stands.set(entry, size)
    }
  }

  private settle(slot: number, file: number): void {
    if (file > 0 && this.lacks(slot, file)) this.account(slot).settledBytes += this.plan[file - 1].size
  }

  /** Is there a file of which not every page was sent once? */
  get isSending(): boolean {
    return this.roots.size + this.droppedFiles.size < this.plan.length
  }

  /** Bytes of all files that can be sent. */
  get total(): number {
    return this.planBytes - this.droppedBytes
  }

  /** Bytes that a catcher has still to get, when it holds so many. */
  rest(slot: number, heldBytes: number): number {
    const { bytes, settledBytes } = this.account(slot)
    const uncommitted = Math.max(0, heldBytes - bytes)
    return Math.max(0, this.total - settledBytes - uncommitted)
  }

  /** Why a catcher is behind, if it is: it was found to be, or a file did not wait for it. */
  whyBehind(slot: number, isSlow: boolean, whyBehind: WhyBehind): CatcherReport["straggled"] {
    const { late, missingPages } = this.account(slot)
    return whyBehind(slot, late || isSlow, missingPages)
  }

  /** Is the file complete at all catchers that are there, for the first time? */
  completes(file: number): boolean {
    const isFirst = !this.completed.has(file)
    this.completed.add(file)
    return isFirst
  }
  /** The paths of those of its entries that could be sent. */
  sentPaths({ members }: CarriedFile): ReadonlyArray<string> {
    return members.filter(({ entry }) => !this.unsent.has(entry)).map(({ entry }) => display(this.entries[entry].path))
  }

  /** Regular files committed so far at a catcher, their bytes, and pages that it has missed. */
  progress(slot: number): { readonly files: number; readonly bytes: number; readonly missingPages: number } {
    return this.account(slot)
  }

  /** Undefined: it is still at it. */
  stateOf(member: Member): Exclude<CatcherReport["state"], "Absent" | "Unreachable"> | undefined {
    const account = this.account(member.slot)
    // it takes no part, and may go
    if (account.satOut.has(0)) return "Partial"
    // a catcher that has the tree may go
    if (!account.finished) return member.lost === undefined ? undefined : "Lost"
    const isWhole = account.failed.size === 0 && [...account.satOut.values()].every(({ about }) => about === "Veto")
    if (!isWhole) return "Partial"
    return account.vetoed.size > 0 || (account.changes?.vetoed ?? 0) > 0 ? "Limited" : "Complete"
  }

  private catcherReport(member: Member, whyBehind: WhyBehind): CatcherReport {
    const account = this.account(member.slot)
    const failures = this.failuresOf(account)
    const { bytes, files } = account.stood ?? this.standingAt(account)
    const state = this.stateOf(member) ?? "Partial"
    const lost: Array<FailureReport> = state === "Lost" ? [{ path: "", reason: member.lost ?? "" }] : []
    return {
      id: member.name,
      address: member.address,
      state,
      files,
      bytes,
      missingPages: account.missingPages,
      straggled: this.whyBehind(member.slot, false, whyBehind),
      ...this.changesOf(account),
      ...(account.vetoed.size === 0 ? {} : { vetoed: this.failuresAt(account.vetoed) }),
      failures: [...lost, ...failures]
    }
  }

  /** What was changed there: of one that has not committed the tree, what its survey found. */
  private changesOf({ changes, finished, lacks }: Account): Pick<CatcherReport, "changes"> {
    if (changes === undefined) return {}
    const foreseen = finished ? {} : { isForeseen: true as const }
    return { changes: { ...changes, ...Lacks.filesIn(lacks ?? [], this.entries), ...foreseen } }
  }

  private standingAt(account: Account): { readonly files: number; readonly bytes: number } {
    const isMade = (index: number) =>
      !account.failed.has(index) && !account.vetoed.has(index) && !this.isWithheld(index)
    const linked = this.entries.filter((entry, index) => isLinkedFile(entry, this.entries) && isMade(index))
    return { files: account.files + (account.finished ? linked.length : 0), bytes: account.bytes }
  }

  private failuresOf(account: Account): ReadonlyArray<FailureReport> {
    const failed = new Map(account.failed)
    const manifest = account.satOut.get(0)?.reason
    for (const [file, { about, reason }] of account.satOut) {
      // [F-8] said once, with the manifest
      if (about === "Veto" || (manifest !== undefined && about === "Tree")) continue
      for (const entry of this.entriesOf(file))
        if (!failed.has(entry) && !this.isSame(account, entry)) failed.set(entry, reason)
    }
    return [...(manifest === undefined ? [] : [{ path: "", reason: manifest }]), ...this.failuresAt(failed)]
  }
  private failuresAt(reasons: ReadonlyMap<number, string>): ReadonlyArray<FailureReport> {
    return [...reasons]
      .sort((a, b) => a[0] - b[0])
      .map(([index, reason]) => {
        const entry = this.entries[index]
        return failureAt(entry === undefined ? "" : display(entry.path), reason)
      })
  }

  report(options: {
    readonly session: string
    readonly protection: Protected
    readonly seconds: number
    readonly members: ReadonlyArray<Member>
    /** Awaited by name. */
    readonly awaited: Pick<Roster, "hosts" | "unreachable">
    readonly whyBehind: WhyBehind
    readonly pages: Report["pages"]
  }): Report {
    const unsent = (this.unsent.size === 0 ? [] : this.entries).flatMap(({ path }, index) => {
      const withheld = this.withheld(index)
      return withheld === undefined ? [] : [{ path, ...unsentOf(withheld.error) }]
    })
    const aged = [...this.aged].map((index) =>
      failureAt(display(this.entries[index].path), agedReason, { kind: "Changed", arrived: true } as const)
    )
    const failures = [...this.leftOut.lost, ...unsent].map(({ kind, path, reason }) =>
      failureAt(display(path), reason, { kind })
    )
    return {
      _tag: "Report",
      session: options.session,
      ...options.protection,
      seconds: options.seconds,
      ...counts(this.entries, (index) => !this.isWithheld(index)),
      pages: options.pages,
      ...(this.policy === undefined ? {} : { selected: Lacks.filesIn(this.sendable(this.lacked()), this.entries) }),
      ...(this.policy?.isDryRun === true ? { isDryRun: true } : {}),
      catchers: [
        // one that was lost and came back under its name is one catcher
        ...options.members
          .filter(
            (member, at, all) =>
              member.lost === undefined || !all.slice(at + 1).some(({ name }) => name === member.name)
          )
          .map((member) => this.catcherReport(member, options.whyBehind)),
        ...absent(new Set(options.members.map(({ name }) => name)), options.awaited)
      ],
      skipped: this.leftOut.special,
      failures: [...failures, ...aged]
    }
  }
}
