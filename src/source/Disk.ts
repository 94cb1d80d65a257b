/**
 * The source on a disk. Walk finds the entries; here their files are opened, read and, when they changed, copied.
 *
 * A file counts as the one that was scanned as long as size and mtime are the same, as with rsync: another mode, a new link
 * or another inode number is no other content. Within one tick of the file system's clock (some milliseconds) a change of
 * the same length goes unseen here.
 */

import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as fs from "node:fs"
import * as Limits from "../protocol/Limits.ts"
import * as Descriptor from "../system/Descriptor.ts"
import * as Errno from "../system/Errno.ts"
import type { FileCalls } from "../system/FileCalls.ts"
import * as FakeSuper from "../system/FakeSuper.ts"
import { type Calls, filesOf, Libc } from "../system/Libc.ts"
import * as Status from "../system/Status.ts"
import type { Entry } from "../tree/Entry.ts"
import { areCarried } from "../tree/Attributes.ts"
import { display, keyOf } from "../tree/Names.ts"
import type { Member } from "../tree/Members.ts"
import { partOf } from "../tree/Members.ts"
import { Carried, carriedBytes, type Extent } from "../tree/Holes.ts"
import * as Wished from "../tree/Wished.ts"
import * as Attributes from "./Attributes.ts"
import { changedAt, endless, failure, looking, openAt, readWhole, whenFree } from "./Calls.ts"
import { type Choice, everything } from "./Choice.ts"
import * as Copies from "./Copies.ts"
import { Budget } from "./Holes.ts"
import { pruned } from "./Prune.ts"
import type { Retaken, SourceFile } from "./Source.ts"
import { Source, SourceChanged, SourceError } from "./Source.ts"
import { argument, type Argument, lookAt, type Place, Walk } from "./Walk.ts"

/** Files read whole between two turns of the event loop. */
const filesPerTurn = 32

/**
 * A source of the given files and directories, first to last, or of what is chosen of them; one that does not exist fails the
 * layer, and the scan. Copies of large files that changed take `copyBytes` at one time.
 */
export const layer = (
  sources: ReadonlyArray<string | Uint8Array>,
  choice = everything,
  copyBytes = Limits.copyBytes
): Layer.Layer<Source, SourceError> =>
  Layer.effect(
    Source,
    make(
      sources.map((source) => argument(Buffer.from(source as string))),
      choice,
      copyBytes
    )
  )

const make = Effect.fn("DiskSource.make")(function* (
  sources: ReadonlyArray<Argument>,
  choice: Choice,
  copyBytes: number
) {
  const libc = choice.fakesSuper ? Option.map(yield* Libc, FakeSuper.seen) : yield* Libc
  const look = looking(libc)
  for (const source of sources) yield* lookAt(source, choice, look)
  if ((areCarried(choice) || choice.fakesSuper) && Option.getOrUndefined(libc)?.attributes === undefined) {
    const refusal = Errno.refusal("ENOSYS", "extended attributes can be read on Linux alone, with the package koffi")
    return yield* new SourceError({ path: display(sources[0]?.path ?? Buffer.alloc(0)), ...refusal })
  }
  const files = new Files(yield* Effect.scope, copyBytes, choice, libc)

  const scan = Effect.gen(function* () {
    const walk = new Walk(choice, look, new Budget(libc), new Attributes.Reader(libc, choice))
    for (const source of sources) yield* walk.walk(source)
    const { entries, places } = choice.prunesEmpty ? pruned(walk) : walk
    files.begin(entries, places)
    const { uncarried } = walk.attributes
    return { entries, skipped: walk.skipped, spared: walk.spared, ...(uncarried === undefined ? {} : { uncarried }) }
  }).pipe(Effect.withSpan("DiskSource.scan"))

  // One bundle after the other: read in turns, all of them would be ready as late as the last.
  const reading = Semaphore.makeUnsafe(1)
  return Source.of({
    scan,
    open: (entry) => open(files, entry),
    readMembers: (members, into) => reading.withPermit(readMembers(files, members, into)),
    retake: (wanted) => retake(files, wanted),
    isCurrent: (entry) => isCurrent(files, entry)
  })
})

type Failed = SourceError | SourceChanged

/** What a file was when it was found. */
interface Found extends Place {
  readonly time: Status.Time
  /** Its size, and where it has data. */
  readonly extent: Extent
}

interface Located {
  readonly path: Buffer
  readonly found: Found
}

/** The files of the latest scan. */
class Files {
  private entries: ReadonlyArray<Entry> = []
  /** By index of the entry, for files. */
  private places: ReadonlyArray<Place | undefined> = []
  /** Those that were retaken, as they were found then. */
  private readonly retaken = new Map<number, Found>()
  /** The files that were retaken last. */
  readonly copies = new Map<number, Copies.Taken>()
  /** One file is copied after the other. */
  readonly copying = Semaphore.makeUnsafe(1)
  /** Bytes that the copies of one retake may take. */
  readonly copyBytes: number
  readonly choice: Choice
  readonly libc: Option.Option<Calls>
  readonly calls: FileCalls
  private readonly scope: Scope.Scope
  /** Holds the copies. */
  private copiesScope: Scope.Closeable | undefined

  constructor(scope: Scope.Scope, copyBytes: number, choice: Choice, libc: Option.Option<Calls>) {
    this.scope = scope
    this.copyBytes = copyBytes
    this.choice = choice
    this.libc = libc
    this.calls = filesOf(libc)
  }

  begin(entries: ReadonlyArray<Entry>, places: ReadonlyArray<Place | undefined>): void {
    this.entries = entries
    this.places = places
    this.retaken.clear()
  }

  retake(entry: number, before: Place, status: Status.Status, extent: Extent): void {
    this.retaken.set(entry, foundOf(before, status, extent))
  }

  /** A file of the scan: its path, and its status then. */
  at(entry: number): Result.Result<Located, SourceError> {
    const found = this.retaken.get(entry) ?? this.scanned(entry)
    if (found !== undefined) return Result.succeed({ path: found.real ?? this.pathOf(entry, found.source), found })
    const path = entry < this.entries.length ? display(this.entries[entry].path) : `entry ${entry}`
    return Result.fail(new SourceError({ path, ...Errno.refusal("EINVAL", "it is no file of the scan") }))
  }

  private scanned(index: number): Found | undefined {
    const [entry, place] = [this.entries[index], this.places[index]]
    return place === undefined || entry._tag !== "File" ? undefined : foundOf(place, entry.metadata, entry)
  }

  private pathOf(entry: number, { name, path }: Argument): Buffer {
    return Buffer.concat([path, this.entries[entry].path.subarray(name.length)])
  }

  /** Lets the copies go, and gives a scope for new ones. */
  get renewed(): Effect.Effect<Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      this.copies.clear()
      if (this.copiesScope !== undefined) yield* Scope.close(this.copiesScope, Exit.void)
      this.copiesScope = yield* Scope.fork(this.scope)
      return this.copiesScope
    })
  }
}

const foundOf = ({ real, source }: Place, time: Status.Time, extent: Extent): Found => ({ source, real, time, extent })

// Of an empty file no content can be another; the kernel's own (/proc) are empty, and made anew again and again.
const isSame = ({ extent, time }: Found, now: Status.Status): boolean =>
  now.kind === "File" && now.size === extent.size && (now.size === 0 || Status.isSameTime(now, time))

// ---- open ----

const open = Effect.fn("DiskSource.open")(function* (files: Files, entry: number) {
  const { found, path } = yield* Effect.fromResult(files.at(entry))
  const changed = changedAt(path)
  const failed = failure(path)
  const taken = files.copies.get(entry)
  if (taken?.read !== undefined) return copied(throughHoles(found, taken.read), changed, failed)
  const descriptor = yield* Effect.mapError(openAt(path), failed)
  const looking = Effect.try({ try: () => files.calls.status(descriptor.fd), catch: failed })
  // A file that was renamed over it is another one; without a name it is sent as it was, as rsync does.
  const named = Effect.try({ try: () => Status.at(path), catch: failed })
  const replaced = Effect.map(named, (other) => other?.kind === "File" && !isSame(found, other))
  const isUntouched = Effect.flatMap(looking, (now) =>
    isSame(found, now)
      ? Effect.flatMap(replaced, (isReplaced) => (isReplaced ? Effect.fail(changed) : Effect.succeed(true)))
      : Effect.succeed(false)
  )
  const ends = Effect.mapError(Copies.endsOf(descriptor.read, found.extent.size), failed)
  const before = (yield* isUntouched) ? yield* ends : taken?.ends
  const hasGrown = Effect.gen(function* () {
    const [now, other] = [yield* looking, yield* named]
    const isOther = other !== undefined && !Status.isSameFile(other, now)
    if (before === undefined || now.size <= found.extent.size || isOther) return false
    const current = yield* ends
    return current !== undefined && Buffer.compare(current, before) === 0
  })
  if (!(yield* isUntouched) && !(yield* hasGrown)) return yield* changed
  const endsEarly = Effect.flatMap(isUntouched, (untouched) => Effect.fail(untouched ? failed(endless()) : changed))
  const read = throughHoles(found, descriptor.read)
  const file: SourceFile = {
    read: (offset, into) =>
      Effect.flatMap(Effect.mapError(read(offset, into), failed), (count) =>
        count === into.length ? Effect.void : endsEarly
      ),
    ...{ isUntouched, hasGrown, changed }
  }
  return file
})

type Read = NonNullable<Copies.Taken["read"]>

/** Reads what is carried of a file; answers how many bytes were read. */
const throughHoles = ({ extent }: Found, read: Read): Read => {
  if (extent.data === undefined) return read
  const carried = new Carried(extent)
  return (offset, into) => Descriptor.readPieces(read, carried.pieces(offset, into))
}

/** A file that is sent from its copy. */
const copied = (copy: Read, changed: SourceChanged, failed: (cause: unknown) => Failed): SourceFile => ({
  read: (offset, into) =>
    Effect.flatMap(Effect.mapError(copy(offset, into), failed), (count) =>
      count === into.length ? Effect.void : Effect.fail(changed)
    ),
  isUntouched: Effect.succeed(true),
  hasGrown: Effect.succeed(false),
  changed
})

// ---- members of a bundle ----

const readMembers = Effect.fn("DiskSource.readMembers")(function* (
  files: Files,
  members: ReadonlyArray<Member>,
  into: Uint8Array
) {
  const failures: Array<{ readonly member: number; readonly error: Failed }> = []
  for (let member = 0; member < members.length; member++) {
    if (member % filesPerTurn === filesPerTurn - 1) yield* Effect.yieldNow
    const { entry } = members[member]
    const part = partOf(into, members[member])
    const copy = files.copies.get(entry)?.read
    const read =
      copy === undefined ? readMember(files, entry, part) : yield* Effect.result(readCopy(files, entry, copy, part))
    if (Result.isSuccess(read)) continue
    part.fill(0)
    failures.push({ member, error: read.failure })
  }
  return failures
})

/** No effect: there are thousands of them, and a small file is read in less time than one takes. */
const readMember = (files: Files, entry: number, part: Uint8Array): Result.Result<void, Failed> =>
  Result.flatMap(memberAt(files, entry, part), ({ found, path }) => {
    const isStill = (now: Status.Status) => isSame(found, now)
    const read = Result.try({ try: () => readWhole(files.calls, path, part, isStill), catch: failure(path) })
    return Result.flatMap(read, (same) => (same ? Result.void : Result.fail(changedAt(path))))
  })

const readCopy = (files: Files, entry: number, copy: Read, part: Uint8Array): Effect.Effect<void, Failed> =>
  Effect.flatMap(Effect.fromResult(memberAt(files, entry, part)), ({ path }) =>
    Effect.asVoid(Effect.mapError(copy(0, part), failure(path)))
  )

const memberAt = (files: Files, entry: number, part: Uint8Array): Result.Result<Located, Failed> => {
  const at = files.at(entry)
  if (Result.isFailure(at) || at.success.found.extent.size === part.length) return at
  return Result.fail(changedAt(at.success.path))
}

// ---- files that changed ----

const retake = Effect.fn("DiskSource.retake")(function* (files: Files, wanted: ReadonlyArray<number>) {
  const into = yield* files.renewed
  const allowance = { bytes: files.copyBytes, leftBytes: files.copyBytes }
  const retaken: Array<Retaken> = []
  const failures: Array<{ readonly entry: number; readonly error: Failed }> = []
  yield* Effect.forEach(
    batchOf(files, wanted),
    (entry) =>
      Effect.matchEffect(retakeOne(files, entry, into, allowance), {
        onFailure: (error) => Effect.sync(() => failures.push({ entry, error })),
        onSuccess: (one) => Effect.sync(() => one !== undefined && retaken.push(one))
      }),
    { concurrency: "unbounded", discard: true }
  )
  return { retaken: retaken.sort((a, b) => a.entry - b.entry), failures }
})

/** Those of the files, from the first, that may be copied at one time. */
const batchOf = (files: Files, wanted: ReadonlyArray<number>): ReadonlyArray<number> => {
  let bytes = 0
  let large = 0
  for (const [at, entry] of wanted.entries()) {
    const look = Result.flatMap(files.at(entry), ({ path }) => Result.try(() => fs.lstatSync(path)))
    const size = Result.isFailure(look) ? 0 : look.success.size
    if (size > Limits.smallFileBytes) large++
    else bytes += size
    const isTooMuch = large > Limits.copiedLargeFiles || bytes > Limits.copiedBytes || at >= Limits.copiedFiles
    if (isTooMuch) return wanted.slice(0, at)
  }
  return wanted
}

/** Copies one file as it is now, if there is room for it. Nothing is held while a lease is waited for. */
const retakeOne = Effect.fnUntraced(function* (
  files: Files,
  entry: number,
  into: Scope.Scope,
  allowance: Copies.Allowance
) {
  const { found: before, path } = yield* Effect.fromResult(files.at(entry))
  const taken = yield* Effect.mapError(copyInTime(path, files, into, allowance), failure(path))
  if (taken === undefined) return yield* changedAt(path)
  if (taken === "Later") return undefined
  const status = { ...Status.ofStats(taken.stats), ...taken.own }
  const { size } = status
  const extent = taken.data === undefined ? { size } : { size, data: taken.data }
  files.copies.set(entry, taken)
  files.retake(entry, before, status, extent)
  const attributes = Result.try(() => new Attributes.Reader(files.libc, files.choice).at(keyOf(path)))
  if (Result.isFailure(attributes)) return yield* Effect.fail(failure(path)(attributes.failure))
  return { entry, metadata: Wished.ofStatus(files.choice.wished, status, attributes.success), ...extent } as Retaken
})

/** A copy that no later change of the file has the second of: sessions compare whole seconds [Y-2]. */
const copyInTime = Effect.fnUntraced(function* (
  path: Buffer,
  files: Files,
  into: Scope.Scope,
  allowance: Copies.Allowance
) {
  for (let attempt = 1; ; attempt++) {
    const lifetime = yield* Scope.fork(into)
    const copying = Effect.suspend(() => {
      const { leftBytes } = allowance
      const copy = copyAt(path, files, lifetime, allowance)
      return Effect.map(copy, (taken) => ({ taken, bytes: leftBytes - allowance.leftBytes }))
    })
    const { bytes, taken } = yield* whenFree(files.copying.withPermit(copying))
    if (taken === undefined || taken === "Later" || taken.read === undefined) return taken
    if (attempt === Limits.copyAttempts || !(yield* hasHiddenChange(path, taken.stats))) return taken
    yield* Scope.close(lifetime, Exit.void)
    allowance.leftBytes += bytes
  }
})

/** Waits for the end of the second that a copy is of: has the file changed in it once more, by its time alone? */
const hasHiddenChange = Effect.fnUntraced(function* (path: Buffer, stats: fs.BigIntStats) {
  const { mtimeNanos, mtimeSeconds, size } = Status.ofStats(stats)
  const leftMillis = 1000 * (mtimeSeconds + 1) - (yield* Clock.currentTimeMillis)
  const waitMillis = leftMillis + Limits.fileClockMillis
  // a time to come is of another clock, or somebody's choice
  if (waitMillis <= 0 || leftMillis > 1000) return false
  yield* Effect.sleep(waitMillis)
  // what is gone by now has not changed
  const now = Result.getOrUndefined(Result.try(() => Status.at(path)))
  return now?.size === size && now.mtimeSeconds === mtimeSeconds && now.mtimeNanos !== mtimeNanos
})

/** Copies the file that has the path now; the copy lasts as long as `into`. */
const copyAt = (path: Buffer, { calls, libc }: Files, into: Scope.Scope, allowance: Copies.Allowance) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { fd } = yield* openAt(path)
      const directory = path.subarray(0, path.lastIndexOf(0x2f) + 1)
      const taken = yield* Scope.provide(Copies.take(fd, directory, allowance), into)
      if (taken === undefined || taken === "Later") return taken
      // what is kept of it is the file's own
      const { gid, kind, mode, uid } = calls.status(fd)
      if (kind !== "File") return undefined
      const { holesAt, stats } = taken
      const data = holesAt === undefined ? undefined : new Budget(libc).runsOf(holesAt, Number(stats.size))
      return { ...taken, own: { gid, mode, uid }, data }
    })
  )

const isCurrent = Effect.fn("DiskSource.isCurrent")(
  function* (files: Files, entry: number) {
    const taken = files.copies.get(entry)
    if (taken?.read === undefined) return true
    const { found, path } = yield* Effect.fromResult(files.at(entry))
    const now = yield* openAt(path)
    const size = Number(taken.stats.size)
    if (fs.fstatSync(now.fd, { bigint: true }).ino !== taken.stats.ino) return true
    if (found.extent.data === undefined) return yield* Copies.agrees(taken.read, now.read, size)
    const data = new Budget(files.libc).runsOf(now.fd, size)
    if (data?.join() !== found.extent.data.join()) return false
    const [then, current] = [throughHoles(found, taken.read), throughHoles(found, now.read)]
    return yield* Copies.agrees(then, current, carriedBytes(found.extent))
    // A file that is not there any more has not changed since.
  },
  Effect.scoped,
  Effect.orElseSucceed(() => true)
)
