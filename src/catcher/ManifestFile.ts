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
import type * as Layout from "../protocol/file/Layout.ts"
import * as Limits from "../protocol/Limits.ts"
import { BadManifest } from "../report/Errors.ts"
import { Progress } from "../report/Progress.ts"
import { displaySession } from "../session/Exchange.ts"
import { type FileWriter, Store, StoreError } from "../store/Store.ts"
import { counts, type Entry } from "../tree/Entry.ts"
import * as Manifest from "../tree/Manifest.ts"
import * as Names from "../tree/Names.ts"
import * as Plan from "../tree/Plan.ts"
import * as Room from "../tree/Room.ts"
import type { Failure } from "../wire/Message.ts"
import { type Attendance, isComplete } from "./Attendance.ts"
import type { Ruin } from "./Ruin.ts"

interface Options {
  /** The catcher's name. */
  readonly id: string
  readonly session: bigint
}

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
      const finish = Effect.map(store.finish, (failures) => this.finish(failures))
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

  /** The tree is committed: the failures that the answers to earlier questions have not said. */
  private finish(failures: ReadonlyArray<Failure>): ReadonlyArray<Failure> {
    const { attendance } = this
    // given up before we came, while we were away, or because we missed pages for too long: nobody
    // has told us
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
    if (isComplete(attendance)) this.services.progress.publish({ _tag: "Completed", id: this.options.id })
    return [...attendance.failures]
      .filter(([entry]) => !attendance.said.has(entry))
      .map(([entry, { reason }]): Failure => ({ entry, reason }))
  }

  /** [M-8] Its hash agrees, so it is the master's; what it lists is in the plan from now on. */
  revise(file: number): Effect.Effect<void, StoreError> {
    return Effect.gen({ self: this }, function* () {
      const { arriving, attendance } = this
      if (attendance.awaited !== file) return
      const decoded = Manifest.decode((arriving.get(file) ?? new Claimed(0)).whole())
      const revised = Result.flatMap(decoded, (revision) => Plan.revise(attendance.entries ?? [], revision, file))
      if (Result.isFailure(revised)) {
        return yield* new StoreError({ code: "EPROTO", path: "", reason: revised.failure })
      }
      arriving.delete(file)
      yield* this.services.store.revise(revised.success.entries)
      attendance.revise(file, revised.success)
    })
  }

  private isBad(reason: string): StoreError {
    const bad = new BadManifest({ reason })
    this.attendance.ruin = bad
    return new StoreError({ code: "EPROTO", path: "", reason: bad.message })
  }

  /** [M-10] A tree that cannot be held is sat out before anything of it is here. */
  private makeSureOfRoom(entries: ReadonlyArray<Entry>): Effect.Effect<void, StoreError> {
    return Effect.gen({ self: this }, function* () {
      const { progress, store } = this.services
      const shortage = yield* store.shortage(entries)
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
    const { entries, leftOut } = decoded.success
    const { bytes, files } = counts(entries)
    // no count of them would be exact
    if (bytes > Number.MAX_SAFE_INTEGER) return yield* this.isBad(`its files have ${bytes} bytes together`)
    yield* this.makeSureOfRoom(entries)
    const preparing = Effect.map(store.prepare(entries), (failures) => attendance.refuse(failures))
    this.prepared = Fiber.join(yield* Effect.forkIn(ruin.ruining(preparing), scope))
    attendance.plan = [...Plan.plan(entries)]
    attendance.entries = entries
    attendance.leftOut = leftOut
    for (const { path, reason } of leftOut.lost) {
      progress.publish({ _tag: "Failed", ...Names.pathAt(Names.display(path)), reason })
    }
    attendance.total = bytes
    const session = displaySession(this.options.session)
    progress.publish({ _tag: "Started", session, catchers: 1, files, bytes })
  })
}
