/**
 * The files of the plan at a catcher: how each is opened or recognised in the store, and what its
 * commit means for the tree.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Blocks from "../delta/Blocks.ts"
import * as Signature from "../delta/Signature.ts"
import * as Layout from "../protocol/file/Layout.ts"
import * as Limits from "../protocol/Limits.ts"
import { countOf } from "../protocol/Runs.ts"
import { isList } from "../protocol/Words.ts"
import { Progress } from "../report/Progress.ts"
import * as Unread from "../source/Unread.ts"
import { type FileWriter, Store, StoreError } from "../store/Store.ts"
import * as Names from "../tree/Names.ts"
import * as Plan from "../tree/Plan.ts"
import type { CarriedFile } from "../tree/Plan.ts"
import type { Failure } from "../wire/Message.ts"
import type { BlockPool } from "./Assembly.ts"
import type { Attendance } from "./Attendance.ts"
import type * as CatchFile from "./FileFiber.ts"
import * as Recognition from "./Recognition.ts"
import type { Ruin } from "./Ruin.ts"

interface Options {
  /** The catcher's name. */
  readonly id: string
  readonly pool: BlockPool
  /** How long a recognition may take. */
  readonly patienceMillis: number
  /** Waits for directories and the like. */
  readonly prepared: Effect.Effect<void, StoreError>
  /** Opens a revision or a selection, which stays in memory. */
  readonly openList: (carried: CarriedFile, layout: Layout.Layout, commit: FileWriter["commit"]) => FileWriter
}

type UnreadMembers = ReadonlyMap<number, Unread.Unsent>

export class TreeFiles {
  private readonly attendance: Attendance
  private readonly ruin: Ruin
  private readonly options: Options
  private readonly services: { readonly store: Store["Service"]; readonly progress: Progress["Service"] }
  private readonly places = Semaphore.makeUnsafe(Limits.openFiles)
  private waiting = 0

  constructor(attendance: Attendance, ruin: Ruin, options: Options, services: TreeFiles["services"]) {
    this.attendance = attendance
    this.ruin = ruin
    this.options = options
    this.services = services
  }

  static readonly make = Effect.fnUntraced(function* (attendance: Attendance, ruin: Ruin, options: Options) {
    return new TreeFiles(attendance, ruin, options, { store: yield* Store, progress: yield* Progress })
  })

  open(file: number, layout: Layout.Layout): Effect.Effect<FileWriter, CatchFile.Refusal, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      const { openList, prepared } = this.options
      const carried = yield* this.carriedOf(file, layout)
      if (isList(carried.kind)) {
        yield* this.mustHaveRoom(carried)
        return openList(carried, layout, () =>
          Effect.sync(() => {
            this.keep(carried, [], new Map())
            return []
          })
        )
      }
      if (carried.kind === "Single") yield* prepared
      const opened = yield* this.openAsDelta(carried, layout)
      const commit: FileWriter["commit"] = (skip, isRight) => this.commit(carried, opened, skip, isRight)
      return { ...opened, commit } as FileWriter
    })
  }

  /** [Y-12] A list of hashes is held until all of them have come. */
  private mustHaveRoom({ kind, size }: CarriedFile): Effect.Effect<void, StoreError> {
    const entries = this.attendance.entries?.length ?? 0
    const most = Limits.hashListBytes(entries)
    if (kind !== "Hashes" || size <= most) return Effect.void
    const reason = `hashes of ${size} bytes are too many: ${entries} entries have ${most} bytes of them at most`
    return Effect.fail(new StoreError({ code: "EFBIG", path: "", reason }))
  }

  /**
   * [Y-13] Where the master has told the file's signature, what an older version here has of it is
   * held from the beginning.
   */
  private openAsDelta(carried: CarriedFile, layout: Layout.Layout) {
    const { attendance, services } = this
    const signature = carried.kind === "Single" ? attendance.signatures.get(carried.members[0].entry) : undefined
    if (layout.signed !== undefined && (signature === undefined || !isCheckedBy(layout, signature))) {
      const reason = "the signature that is to check it is none that the master has told"
      return Effect.fail(new StoreError({ code: "EPROTO", path: "", reason }))
    }
    if (signature === undefined) return services.store.open(carried)
    const { file } = carried
    const isChecked = layout.signed !== undefined
    const checking = isChecked ? { signature } : {}
    const told = (done: number, total: number) => attendance.reads(file, { done, total })
    // a trailer has no hash of what is not sent, which sub-blocks need
    const taking = isChecked ? signature : Signature.coarse(signature)
    return services.store.open(carried, { signature: taking, told, postpones: isChecked }).pipe(
      Effect.tap(({ held = [] }) =>
        Effect.sync(() => {
          const pages = countOf(Layout.wholePages(layout, held))
          attendance.deltas.set(file, { held: pages, asked: new Map() })
        })
      ),
      Effect.map((writer) => ({ ...writer, ...checking }) as FileWriter),
      Effect.ensuring(Effect.sync(() => attendance.reads(file, undefined)))
    )
  }

  private commit(
    carried: CarriedFile,
    opened: FileWriter,
    ...[skip, isRight]: Parameters<FileWriter["commit"]>
  ): CatchFile.Commit {
    return Effect.gen({ self: this }, function* () {
      yield* this.options.prepared
      const unread = yield* unreadOf(carried, opened, skip)
      const stands = this.standing(carried)
      const committing = opened.commit((member) => skip(member) || stands(member), isRight)
      const failures = yield* this.ruin.committing(committing)
      this.keep(carried, failures, unread)
      return failures
    })
  }

  /** [Y-5] What stands here already is left alone. */
  private standing(carried: CarriedFile): (member: number) => boolean {
    return (member) => !this.attendance.isLacked(carried.members[member].entry)
  }

  /** A file that cannot be looked at is opened instead, and the opening says why. */
  recognise(
    file: number,
    layout: Layout.Layout,
    root: Uint8Array
  ): Effect.Effect<CatchFile.Commit | undefined, never, Scope.Scope> {
    const recognising = Effect.gen({ self: this }, function* () {
      const { patienceMillis, pool, prepared } = this.options
      const carried = yield* this.carriedOf(file, layout)
      if (isList(carried.kind)) return undefined
      yield* prepared
      const existing = yield* this.services.store.existing(carried)
      if (existing._tag === "None") return undefined
      const { commit, read } = existing.value
      const isIt = yield* Recognition.recognise({ layout, root, read, pool, patienceMillis })
      return isIt
        ? Effect.tap(this.ruin.committing(commit(this.standing(carried))), (failures) =>
            Effect.sync(() => this.keep(carried, failures, new Map()))
          )
        : undefined
    })
    return Effect.catchTag(recognising, "StoreError", () => Effect.undefined)
  }

  /**
   * [F-7] A place for an open file, until its scope closes. A catcher that takes long to commit
   * files is asked to open more of them meanwhile, but never so many.
   */
  private readonly place = Effect.suspend(() => {
    if (this.waiting >= Limits.openFiles) {
      const reason = `the master wants ${this.waiting} files opened beside ${Limits.openFiles} that are open`
      return Effect.fail(new StoreError({ code: "EMFILE", path: "", reason }))
    }
    this.waiting++
    return Effect.ensuring(
      this.places.takeScoped(1),
      Effect.sync(() => this.waiting--)
    )
  })

  /** A file is opened by our own plan; a master whose plan differs is of another version. */
  private carriedOf(file: number, layout: Layout.Layout): Effect.Effect<CarriedFile, StoreError, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      const { attendance } = this
      attendance.pageBytes = layout.pageBytes
      if (attendance.ruin?._tag === "StoreError") return yield* attendance.ruin
      const carried = attendance.plan[file - 1]
      if (carried === undefined || carried.size !== layout.size || Plan.bundled(carried) !== layout.members) {
        return yield* new StoreError({ code: "EPROTO", path: "", reason: "the master's plan of files is not ours" })
      }
      yield* this.place
      yield* Effect.acquireRelease(
        Effect.sync(() => attendance.open.add(file)),
        () => Effect.sync(() => attendance.open.delete(file))
      )
      return carried
    })
  }

  /** A file is committed. */
  private keep(carried: CarriedFile, failures: ReadonlyArray<Failure>, unread: UnreadMembers): void {
    const { attendance } = this
    const { progress } = this.services
    attendance.committed.add(carried.file)
    attendance.fail(failures)
    for (const failure of failures) {
      // the master is told what the owner refused when the tree is committed, too
      if (failure.isVetoed === true) continue
      attendance.said.add(failure.entry)
      progress.publish({ _tag: "Failed", ...Names.pathAt(attendance.pathOf(failure.entry)), reason: failure.reason })
    }
    const own = new Set(attendance.entriesOf(carried.file))
    const isHere = ({ entry }: { readonly entry: number }) => !attendance.isAmiss(entry) && attendance.isLacked(entry)
    for (const member of carried.members) {
      const unsent = unread.get(member.entry)
      if (!own.has(member.entry)) continue
      if (unsent !== undefined) attendance.drop([member.entry], unsent)
      else if (isHere(member)) {
        attendance.files++
        attendance.bytes += member.size
      }
    }
    progress.publishFiles(
      () => carried.members.filter(isHere).map(({ entry }) => attendance.pathOf(entry)),
      this.options.id
    )
  }
}

/** [Y-17] Is that the signature by which a file is opened, in such blocks? */
const isCheckedBy = ({ blockPages, pageBytes, signed }: Layout.Layout, signature: Blocks.Blocks): boolean =>
  Buffer.compare(Blocks.hashOf(signature), signed?.hash ?? new Uint8Array(0)) === 0 &&
  Blocks.blockPagesOf(signature, pageBytes) === blockPages

/** [L-3] The first byte of a member that the master could not read says why. */
const unreadOf = Effect.fnUntraced(function* (
  carried: CarriedFile,
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
