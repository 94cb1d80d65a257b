/**
 * The manifest and its revisions at a catcher: they live in memory, say which files there are once
 * their hash agrees, and the commit of the manifest is that of the tree.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { Claimed } from "../content/Claimed.ts"
import { hasBlocks } from "../delta/Blocks.ts"
import * as Signature from "../delta/Signature.ts"
import * as Filter from "../filter/Filter.ts"
import type { Rule } from "../filter/Rule.ts"
import * as Rules from "../filter/Text.ts"
import type * as Layout from "../protocol/file/Layout.ts"
import * as Limits from "../protocol/Limits.ts"
import type { Kind } from "../protocol/Words.ts"
import { BadManifest } from "../report/Errors.ts"
import { Progress } from "../report/Progress.ts"
import type * as Answers from "../session/Answers.ts"
import { displaySession } from "../session/Exchange.ts"
import {
  type Deleted,
  type Deleting,
  DestinationEscape,
  type FileWriter,
  reasonOf,
  Store,
  StoreError
} from "../store/Store.ts"
import * as Compare from "../tree/Compare.ts"
import { counts, type Entry, isDevice, isLinkedFile } from "../tree/Entry.ts"
import * as Hashes from "../tree/Hashes.ts"
import * as Lacks from "../tree/Lacks.ts"
import * as Manifest from "../tree/Manifest.ts"
import * as Names from "../tree/Names.ts"
import * as Plan from "../tree/Plan.ts"
import { keeps, type Policy } from "../tree/Policy.ts"
import * as Room from "../tree/Room.ts"
import { refused } from "../tree/Validate.ts"
import type { TransportError } from "../transport/Transport.ts"
import type { Failure, Item, Itemize, Survey } from "../wire/Message.ts"
import { type Attendance, isComplete } from "./Attendance.ts"
import { MastersHashes } from "./MastersHashes.ts"
import type { SessionHooks } from "./Hooks.ts"
import type { Ruin } from "./Ruin.ts"

interface Options {
  /** The catcher's name. */
  readonly id: string
  readonly session: bigint
  /** Answers a question about the survey. */
  readonly tell: (question: Survey | Itemize, found: Answers.Found) => Effect.Effect<void, TransportError>
  /** Answers that it is still worked on. */
  readonly tellComparing: (question: Survey) => Effect.Effect<void, TransportError>
  /** Answers it where nothing of the tree can be here. */
  readonly refuse: (reason: string) => Effect.Effect<void, TransportError>
  /** What the owner has done around the session. */
  readonly hooks: Pick<SessionHooks, "begin" | "conclude">
}

/**
 * The filter of a receiver: its destination is the root, and files of rules in it may name no
 * others.
 */
const receiving = (rules: ReadonlyArray<Rule>, deletesExcluded: boolean): Filter.Filter =>
  Filter.make(rules, {
    ...{ side: "Receiver", root: "", deletesExcluded },
    sources: { read: () => Result.succeed(undefined), isNulSeparated: false, cvsWords: "" }
  })

/** What a survey has found, without what is to be deleted. */
const foundOf = (changes: Uint16Array, entries: ReadonlyArray<Entry>, { sendsWhole }: Policy): Answers.Found => {
  const among = (test: (word: number, entry: number) => boolean) =>
    Lacks.among(changes.length, (entry) => test(changes[entry], entry))
  return {
    entries: changes.length,
    words: changes,
    lacks: among(Compare.isLacked),
    doubts: among(Compare.isDoubted),
    olds: among((word, entry) => !sendsWhole && Compare.isOld(word) && hasBlocks(entries[entry])),
    changes: { ...Compare.countsOf(changes), deleted: 0 },
    items: []
  }
}

/** The entries that every store refuses, which none says in a dry run. */
const refusalsOf = (entries: ReadonlyArray<Entry>): ReadonlyArray<Failure> =>
  [...refused(entries)].map(([entry, reason]) => {
    const escape = new DestinationEscape({ path: Names.display(entries[entry].path), reason })
    return { entry, reason: reasonOf(escape) }
  })

const isWrong = (reason: string) => new StoreError({ code: "EPROTO", path: "", reason })

interface Services {
  readonly store: Store["Service"]
  readonly progress: Progress["Service"]
  /** Where the tree is prepared. */
  readonly scope: Scope.Scope
}

export class ManifestFile {
  private readonly attendance: Attendance
  private readonly ruin: Ruin
  private readonly options: Options
  private readonly services: Services
  /** The manifest and its revisions while they arrive. */
  private readonly arriving = new Map<number, Claimed>()
  /** The contents at the master, as far as they are needed. */
  private readonly hashed = new MastersHashes()
  /** Bytes of signatures that are taken yet. */
  private signaturesLeft = Limits.signatureBytes
  /** A question about the survey that is not answered yet. */
  private asked: Survey | Itemize | undefined
  /** What may be deleted here, by the master's rules; undefined: everything. */
  private filter: Filter.Filter | undefined
  private prepared: Effect.Effect<void, StoreError> = Effect.void
  /** Directories and the like are made while the first bundles come; what needs them waits. */
  readonly whenPrepared: Effect.Effect<void, StoreError> = Effect.suspend(() => this.prepared)

  constructor(attendance: Attendance, ruin: Ruin, options: Options, services: Services) {
    this.attendance = attendance
    this.ruin = ruin
    this.options = options
    this.services = services
  }

  static readonly make = Effect.fnUntraced(function* (attendance: Attendance, ruin: Ruin, options: Options) {
    const services = { store: yield* Store, progress: yield* Progress, scope: yield* Effect.scope }
    return new ManifestFile(attendance, ruin, options, services)
  })

  open(layout: Layout.Layout): Effect.Effect<FileWriter, StoreError> {
    return Effect.gen({ self: this }, function* () {
      const { attendance, ruin } = this
      const { store } = this.services
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
      const finish = Effect.gen({ self: this }, function* () {
        const isDryRun = attendance.policy?.isDryRun === true
        this.settle(isDryRun ? [] : [...(yield* this.deleteOthers), ...(yield* store.finish)])
        yield* this.options.hooks.conclude
        return this.conclude()
      })
      return this.inMemory(0, layout, () => Effect.andThen(this.prepared, ruin.ruining(finish)))
    })
  }

  /** A file that is kept in memory. */
  inMemory(file: number, layout: Layout.Layout, commit: FileWriter["commit"]): FileWriter {
    // its size is a claim until it is here
    const bytes = new Claimed(layout.size)
    this.arriving.set(file, bytes)
    return {
      write: (offset, from) => Effect.sync(() => bytes.put(from, offset)),
      read: (offset, into) => Effect.sync(() => bytes.read(offset, into)),
      commit
    }
  }

  private readonly deleteOthers: Effect.Effect<ReadonlyArray<Failure>, StoreError> = Effect.gen(
    { self: this },
    function* () {
      const { attendance } = this
      if (attendance.policy?.deletes !== true) return []
      const { count, failures, vetoed } = yield* this.deleted(this.deleting(attendance.policy), true)
      attendance.deleted = { count, vetoes: vetoed }
      attendance.vetoedDeletions = failures.filter(({ isVetoed }) => isVetoed === true)
      return failures.filter(({ isVetoed }) => isVetoed !== true)
    }
  )

  /** [Y-6] Why nothing may be deleted, if so. `isEnd`: nothing more is to arrive. */
  private whyKept(isEnd: boolean): string | undefined {
    const { failures, leftOut, policy } = this.attendance
    // the paths of these are not known, and could not be spared
    if (leftOut.more > 0) return `the master could not read ${leftOut.more} more of its source than it can name`
    const isUnread = leftOut.lost.length > 0 || [...failures.values()].some(({ kind }) => kind !== undefined)
    const hint = "(--ignore-errors deletes all the same)"
    if (policy?.ignoresErrors === true) return undefined
    if (isUnread) return `the master could not read all of its source ${hint}`
    return isEnd && !this.attendance.hasArrived() ? `not every file has arrived ${hint}` : undefined
  }

  private deleting({ mostDeleted, spared }: Policy): Deleting {
    const { lost } = this.attendance.leftOut
    return {
      isDry: false,
      spared: [...spared, ...lost.map(({ path }) => path)],
      most: mostDeleted ?? Infinity,
      ...this.sparing
    }
  }

  /** [Y-6] Deletes; what must not be deleted now is one failure, at the topmost directory. */
  private deleted(deleting: Deleting, isEnd: boolean): Effect.Effect<Deleted, StoreError> {
    const { store } = this.services
    const why = this.whyKept(isEnd)
    if (why === undefined) return store.deleteOthers(deleting)
    const { told: _, ...counting } = { ...deleting, isDry: true, most: Infinity }
    return Effect.map(store.deleteOthers(counting), ({ count }) => ({
      ...{ count: 0, vetoed: 0 },
      failures: count === 0 ? [] : [this.keptFailure(count, why)]
    }))
  }

  private keptFailure(count: number, why: string): Failure {
    const entry = (this.attendance.entries ?? []).findIndex(({ _tag }) => _tag === "Directory")
    return { entry, reason: `${count === 1 ? "1 name was" : `${count} names were`} not deleted: ${why}` }
  }

  /** What may go here. */
  private get sparing(): Pick<Deleting, "filter"> {
    return this.filter === undefined ? {} : { filter: this.filter }
  }

  /** The tree is committed: its outcome is known. */
  private settle(failures: ReadonlyArray<Failure>): void {
    const { attendance } = this
    // given up before we came, while we were away, or because we missed pages for too long: nobody
    // has told us
    const reason = "the master did not send it"
    for (const { file } of attendance.plan) {
      const own = attendance.committed.has(file) ? [] : attendance.entriesOf(file)
      if (own.some((entry) => !attendance.failures.has(entry))) attendance.withheld.set(file, { reason })
      attendance.drop(own, { reason })
    }
    attendance.fail(attendance.uncarried().map((entry) => ({ entry, reason })))
    attendance.fail(failures)
    attendance.done = true
    attendance.entries?.forEach((entry, index, entries) => {
      if (isLinkedFile(entry, entries) && !attendance.isAmiss(index)) attendance.files++
    })
  }

  /** The failures that the answers to earlier questions have not said. */
  private conclude(): ReadonlyArray<Failure> {
    const { attendance } = this
    attendance.isConcluded = true
    if (isComplete(attendance)) this.services.progress.publish({ _tag: "Completed", id: this.options.id })
    const failed = [...attendance.failures]
      .filter(([entry]) => !attendance.said.has(entry))
      .map(([entry, { reason }]): Failure => ({ entry, reason }))
    return [...failed, ...attendance.vetoes]
  }

  /**
   * [M-8] [Y-4] Its hash agrees, so it is the master's; what it lists is in the plan from now on.
   */
  takeList(file: number): Effect.Effect<void, StoreError> {
    return Effect.gen({ self: this }, function* () {
      const { arriving, attendance } = this
      if (attendance.awaited !== file) return
      const bytes = (arriving.get(file) ?? new Claimed(0)).whole()
      yield* this.take(file, attendance.plan[file - 1]?.kind, bytes)
      arriving.delete(file)
    })
  }

  private take(file: number, kind: Kind | undefined, bytes: Uint8Array): Effect.Effect<void, StoreError> {
    switch (kind) {
      case "Selection":
        return this.select(file, bytes)
      case "Hashes":
        return this.takeHashes(bytes)
      case "Signatures":
        return this.takeSignatures(bytes)
      default:
        return this.revise(file, bytes)
    }
  }

  private takeHashes(bytes: Uint8Array): Effect.Effect<void, StoreError> {
    const { entries = [] } = this.attendance
    const taken = Result.flatMap(Hashes.decode(bytes, entries.length), (hashes) => {
      const wrong = this.hashed.take(hashes)
      return wrong === undefined ? Result.void : Result.fail(wrong)
    })
    return Effect.mapBoth(Effect.fromResult(taken), {
      onFailure: isWrong,
      // no file follows it
      onSuccess: () => this.attendance.select([])
    })
  }

  private takeSignatures(bytes: Uint8Array): Effect.Effect<void, StoreError> {
    const { attendance } = this
    const decoded = Signature.decode(bytes, attendance.entries ?? [], this.signaturesLeft)
    this.signaturesLeft -= bytes.length
    return Effect.mapBoth(Effect.fromResult(decoded), {
      onFailure: isWrong,
      onSuccess: (signatures) => {
        for (const signature of signatures) attendance.signatures.set(signature.entry, signature)
        attendance.select([])
      }
    })
  }

  private select(file: number, bytes: Uint8Array): Effect.Effect<void, StoreError> {
    const { entries = [] } = this.attendance
    return Effect.mapBoth(Effect.fromResult(Lacks.decode(bytes, entries.length)), {
      onFailure: isWrong,
      onSuccess: (selection) => this.attendance.select(Plan.select(entries, selection, file))
    })
  }

  private revise(file: number, bytes: Uint8Array): Effect.Effect<void, StoreError> {
    return Effect.gen({ self: this }, function* () {
      const { attendance } = this
      const decoded = Manifest.decode(bytes)
      const revised = Result.flatMap(decoded, (revision) => Plan.revise(attendance.entries ?? [], revision, file))
      if (Result.isFailure(revised)) return yield* isWrong(revised.failure)
      yield* this.services.store.revise(revised.success.entries)
      attendance.revise(file, revised.success)
    })
  }

  /** How many names would go; they become items where the policy itemizes. */
  private foreseeDeletion(policy: Policy, items: Array<Item>): Effect.Effect<Deleted, StoreError> {
    if (!policy.deletes) return Effect.succeed({ count: 0, vetoed: 0, failures: [] })
    const told = (path: Uint8Array, isDirectory: boolean) => {
      if (policy.itemizes && items.length < Limits.itemized) items.push({ _tag: "Deletion", path, isDirectory })
    }
    return this.deleted({ ...this.deleting(policy), isDry: true, told }, false)
  }

  /** The master asks what is lacked: it is answered as soon as that is known. [Y-1] */
  onSurvey(question: Survey | Itemize): Effect.Effect<void, TransportError> {
    this.asked = question
    return this.answer
  }

  private readonly answer: Effect.Effect<void, TransportError> = Effect.suspend(() => {
    const { asked, attendance } = this
    if (asked === undefined) return Effect.void
    const { found, noRoom, ruin } = attendance
    const refusal = ruin?.message ?? noRoom
    if (refusal !== undefined) return this.options.refuse(refusal)
    // once the master's hashes are here the answer is another
    if (found === undefined || (found.doubts.length > 0 && this.hashed.isComplete)) return Effect.void
    this.asked = undefined
    return this.options.tell(asked, found)
  })

  /** The answer to a question that has to wait for the comparison. [Y-8] */
  readonly comparing: Effect.Effect<void, TransportError> = Effect.suspend(() =>
    this.asked?._tag === "Survey" ? this.options.tellComparing(this.asked) : Effect.void
  )

  /** Compares what stands here with the manifest, and makes what needs no content. [Y-1] [Y-2] */
  private prepareFor(entries: ReadonlyArray<Entry>, policy: Policy): Effect.Effect<ReadonlyArray<Failure>, StoreError> {
    return Effect.gen({ self: this }, function* () {
      const { attendance } = this
      const { store } = this.services
      const answering = Effect.ignore(this.answer)
      const looked = (count: number) => void (attendance.comparison.looked = count)
      const surveying = Effect.tap(this.ruin.ruining(store.survey(entries, policy, looked)), (changes) =>
        this.makeSureOfRoom(entries, policy, (entry) => Compare.isLacked(changes[entry]))
      )
      const begun = policy.isDryRun ? Effect.void : this.begin
      const changes = yield* Effect.onError(Effect.andThen(begun, surveying), () => answering)
      yield* this.resolve(entries, changes, policy)
      const items: Array<Item> = []
      if (policy.itemizes) {
        changes.forEach((change, entry) => {
          if (change !== 0) items.push({ _tag: "Change", entry, change: Compare.asTold(change) })
        })
      }
      this.tellDevices(entries, changes, policy)
      const { count, failures: kept, vetoed } = yield* this.ruin.ruining(this.foreseeDeletion(policy, items))
      const found = foundOf(changes, entries, policy)
      const vetoes = found.changes.vetoed + vetoed
      attendance.found = { ...found, items, changes: { ...found.changes, deleted: count, vetoed: vetoes } }
      attendance.veto(changes)
      attendance.vetoedDeletions = kept.filter(({ isVetoed }) => isVetoed === true)
      yield* answering
      const failures = yield* store.prepare(entries, { policy, changes, ...this.sparing })
      if (policy.isDryRun)
        return [...refusalsOf(entries), ...failures, ...kept.filter(({ isVetoed }) => isVetoed !== true)]
      attendance.refuse(failures)
      attendance.countStanding()
      return failures
    })
  }

  /** [F-12] Nothing of the tree is touched before. */
  private readonly begin: Effect.Effect<void, StoreError> = Effect.suspend(() =>
    this.ruin.requiring(this.options.hooks.begin(this.attendance))
  )

  /** A catcher that does not run as root leaves devices out, and says so. */
  private tellDevices(entries: ReadonlyArray<Entry>, changes: Uint16Array, policy: Policy): void {
    if (keeps(policy)) return
    const left = entries.filter((entry, index) => isDevice(entry) && changes[index] === Compare.change.Kept)
    if (left.length === 0) return
    const devices = left.length === 1 ? "a device is" : `${left.length} devices are`
    const message = `${devices} left out, first ${Names.display(left[0].path)}: only root makes devices`
    this.services.progress.publish({ _tag: "Note", message })
  }

  /** [Y-12] Where contents tell, they are hashed here while the master hashes them. */
  private resolve(entries: ReadonlyArray<Entry>, changes: Uint16Array, policy: Policy): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      const { attendance, hashed } = this
      const doubts = Lacks.among(changes.length, (entry) => Compare.isDoubted(changes[entry]))
      hashed.expect(doubts)
      if (doubts.length === 0) return
      attendance.found = foundOf(changes, entries, policy)
      yield* Effect.ignore(this.answer)
      attendance.comparison.toHash = Lacks.filesIn(doubts, entries).bytes
      const told = (bytes: number) => void (attendance.comparison.hashed = bytes)
      const pageBytes = attendance.membership?.pageBytes ?? attendance.pageBytes
      const own = yield* this.services.store.hash(doubts, { pageBytes, told })
      yield* hashed.areHere
      for (const entry of Lacks.each(doubts))
        changes[entry] = Compare.resolved(changes[entry], hashed.agreeWith(own, entry))
      hashed.forget()
    })
  }

  private isBad(reason: string): StoreError {
    const bad = new BadManifest({ reason })
    this.attendance.ruin = bad
    return new StoreError({ code: "EPROTO", path: "", reason: bad.message })
  }

  /** [M-10] A tree that cannot be held is sat out before anything of it is here. */
  private makeSureOfRoom(
    entries: ReadonlyArray<Entry>,
    policy?: Policy,
    isLacked: (entry: number) => boolean = () => true
  ): Effect.Effect<void, StoreError> {
    return Effect.gen({ self: this }, function* () {
      // a dry run needs no room, and looking for it would make the destination
      if (policy?.isDryRun === true) return
      const { progress, store } = this.services
      const shortage = yield* store.shortage(
        entries.filter(({ _tag }, entry) => _tag === "Directory" || isLacked(entry)),
        policy
      )
      if (Option.isNone(shortage)) return
      const reason = Room.describe(shortage.value)
      if (!shortage.value.isSure) return progress.publish({ _tag: "Note", message: `the tree may not fit: ${reason}` })
      this.attendance.noRoom = reason
      progress.publish({ _tag: "Failed", path: Names.display(new Uint8Array(0)), reason })
      return yield* new StoreError({ code: "ENOSPC", path: "", reason })
    })
  }

  /** Its hash agrees: the files are known now, and what they need is made meanwhile. */
  readonly prepare: Effect.Effect<void, StoreError> = Effect.gen({ self: this }, function* () {
    const { arriving, attendance, ruin } = this
    const { progress, scope, store } = this.services
    const decoded = Manifest.decodeTree((arriving.get(0) ?? new Claimed(0)).whole())
    if (decoded._tag === "Failure") return yield* this.isBad(decoded.failure)
    const { entries, leftOut, policy } = decoded.success
    const rules = Rules.decode(policy?.rules ?? new Uint8Array(0))
    if (rules._tag === "Failure")
      return yield* this.isBad(`has a filter rule "${rules.failure.rule}": ${rules.failure.expected}`)
    if (rules.success.length > 0) this.filter = receiving(rules.success, policy?.deletesExcluded === true)
    const { bytes, files } = counts(entries)
    // no count of them would be exact
    if (bytes > Number.MAX_SAFE_INTEGER) return yield* this.isBad(`its files have ${bytes} bytes together`)
    // with a policy the survey says first what has to come
    if (policy === undefined) yield* Effect.andThen(this.begin, this.makeSureOfRoom(entries))
    const preparing = policy === undefined ? store.prepare(entries) : this.prepareFor(entries, policy)
    attendance.policy = policy
    // without a policy every file is sent: the plan is known at once
    attendance.plan = policy === undefined ? [...Plan.plan(entries)] : []
    attendance.entries = entries
    const prepared = Effect.map(preparing, (failures) => attendance.refuse(failures))
    this.prepared = Fiber.join(yield* Effect.forkIn(ruin.ruining(prepared), scope))
    attendance.leftOut = leftOut
    for (const { path, reason } of leftOut.lost) {
      progress.publish({ _tag: "Failed", ...Names.pathAt(Names.display(path)), reason })
    }
    attendance.total = bytes
    const session = displaySession(this.options.session)
    progress.publish({ _tag: "Started", session, catchers: 1, files, bytes })
  })
}
