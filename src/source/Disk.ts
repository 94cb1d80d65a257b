/**
 * The source on a disk: what `rsync -aH` would take from the same arguments. "dir" is the directory with its name, "dir/"
 * (and ".", "..", "dir/.") what is in it; a symbolic link is itself, unless a slash follows it.
 *
 * Names are bytes, and each directory's are sorted by them, so the same tree gives the same entries. A file counts as the
 * one that was scanned as long as size and mtime are the same, as with rsync: another mode, a new link or another inode
 * number is no other content. Within one tick of the file system's clock (some milliseconds) a change of the same length
 * goes unseen here.
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
import { constants } from "node:os"
import * as Limits from "../protocol/Limits.ts"
import * as Descriptor from "../system/Descriptor.ts"
import * as Errno from "../system/Errno.ts"
import type { Entry } from "../tree/Manifest.ts"
import { display } from "../tree/Manifest.ts"
import type { Member } from "../tree/Members.ts"
import * as Metadata from "../tree/Metadata.ts"
import * as Copies from "./Copies.ts"
import type { Retaken, Skipped, SourceFile } from "./Source.ts"
import { Source, SourceChanged, SourceError } from "./Source.ts"

/** Entries looked at between two turns of the event loop: a millisecond or two. */
const entriesPerTurn = 256
/** Files read whole between two turns. */
const filesPerTurn = 32

/**
 * A source of the given files and directories, first to last; one that does not exist fails the layer, and the scan. Copies
 * of large files that changed take `copyBytes` at one time.
 */
export const layer = (
  sources: ReadonlyArray<string | Uint8Array>,
  copyBytes = Limits.copyBytes
): Layer.Layer<Source, SourceError> =>
  Layer.effect(
    Source,
    make(
      sources.map((source) => argument(Buffer.from(source as string))),
      copyBytes
    )
  )

/** A source argument: what to look at, and the name its entry has; none when its contents are meant. */
interface Argument {
  /** Ends in a slash for the contents: the system then follows a link, and refuses what is no directory. */
  readonly path: Buffer
  readonly name: Buffer
}

/** Where an entry was found, and what it was then. */
interface Found {
  /** The path on disk is the source's, and the entry's without the source's name. */
  readonly source: Argument
  readonly size: bigint
  readonly mtimeNs: bigint
}

const argument = (given: Buffer): Argument => {
  const name = given.subarray(given.lastIndexOf(0x2f) + 1)
  if (name.equals(dot) || name.equals(dots)) return { path: Buffer.concat([given, slash]), name: empty }
  return { path: given, name }
}

const make = Effect.fn("DiskSource.make")(function* (sources: ReadonlyArray<Argument>, copyBytes: number) {
  for (const source of sources) yield* lookAt(source)

  let found: Array<Found | undefined> = []
  let entries: Array<Entry> = []
  /** The files that were retaken last, and what holds their copies. */
  const copies = new Map<number, Copies.Taken>()
  const scope = yield* Effect.scope
  let copying = yield* Scope.fork(scope)

  const scan = Effect.gen(function* () {
    const skipped: Array<Skipped> = []
    // The index of what already has a path, one character a byte.
    const taken = new Map<string, number>()
    // The leaders of hard links, by device and inode.
    const leaders = new Map<string, number>()
    found = []
    entries = []
    let looks = 0

    /** Takes an entry in; answers whether to descend. */
    const take = ({ path, relative, stats }: Visit, source: Argument): boolean => {
      const skip = (kind: Skipped["kind"], reason: string) => {
        const at = kind === "Special" ? {} : { at: relative }
        skipped.push({ path: display(path), ...at, kind, reason })
        return false
      }
      if (relative.length > Limits.pathBytes) return skip("Unreadable", "its path is too long (ENAMETOOLONG)")
      const key = relative.toString("latin1")
      const other = taken.get(key)
      if (other !== undefined) {
        const isDirectory = entries[other]._tag === "Directory"
        if (stats.isDirectory() && isDirectory) return true
        // Of two directories' entries of one name the first counts, as with rsync; but a tree left out is a loss.
        if (stats.isDirectory() || isDirectory)
          return skip("Unreadable", "an earlier source has another type of entry here")
        const reason = "an earlier source has an entry here already"
        skipped.push({ path: display(path), kind: "Special", isDouble: true, reason })
        return false
      }
      const made = Result.try(() => entryOf(relative, path, stats, leaders, entries.length))
      if (Result.isFailure(made)) return skip(...lost(made.failure))
      const entry = made.success
      if (typeof entry === "string") return skip("Special", entry)
      found.push(entry._tag === "File" ? foundOf(source, stats) : undefined)
      entries.push(entry)
      taken.set(key, entries.length - 1)
      return entry._tag === "Directory"
    }

    /** What is in a directory, sorted; nothing when it may not be read, `undefined` when it is gone. */
    const list = Effect.fnUntraced(function* ({ path, relative }: Visit) {
      const listed = yield* Effect.result(readdir(path))
      if (Result.isSuccess(listed)) return listed.success.sort(Buffer.compare)
      const [kind, reason] = lost(listed.failure)
      skipped.push({ path: display(path), at: relative, kind, reason })
      return kind === "Vanished" ? undefined : []
    })

    for (const source of sources) {
      const top = yield* lookAt(source)
      const root: Visit = { path: source.path, relative: source.name, stats: top }
      // Depth first; a directory's names are held, never its descriptor.
      const pending: Array<Visit | Listing> = [root]
      while (pending.length > 0) {
        const next = pending[pending.length - 1]
        let visit: Visit
        if ("names" in next) {
          if (next.at === next.names.length) {
            pending.pop()
            continue
          }
          if (++looks % entriesPerTurn === 0) yield* Effect.yieldNow
          const name = next.names[next.at++]
          const path = below(next.path, name)
          const relative = next.relative.length === 0 ? name : below(next.relative, name)
          const stats = Result.try({ try: () => fs.lstatSync(path, { bigint: true }), catch: (cause) => cause })
          if (Result.isFailure(stats)) {
            const [kind, reason] = lost(stats.failure)
            skipped.push({ path: display(path), at: relative, kind, reason })
            continue
          }
          visit = { path, relative, stats: stats.success }
        } else {
          pending.pop()
          visit = next
        }
        // A directory is listed before it is taken in: one that vanished meanwhile is no entry.
        const names = visit.stats.isDirectory() ? yield* list(visit) : []
        if (names === undefined) continue
        if (take(visit, source)) {
          pending.push({ path: visit.path, relative: visit.relative, names, at: 0 })
        }
      }
    }
    return { entries, skipped }
  }).pipe(Effect.withSpan("DiskSource.scan"))

  const pathOf = (entry: number, { path, name }: Argument): Buffer =>
    Buffer.concat([path, entries[entry].path.subarray(name.length)])

  const foundAt = (entry: number): Effect.Effect<{ readonly path: Buffer; readonly found: Found }, SourceError> =>
    Effect.suspend(() => {
      const known = found[entry]
      if (known !== undefined) return Effect.succeed({ path: pathOf(entry, known.source), found: known })
      const path = entry < entries.length ? display(entries[entry].path) : `entry ${entry}`
      return Effect.fail(new SourceError({ path, ...Errno.refusal("EINVAL", "it is no file of the scan") }))
    })

  const open = Effect.fn("DiskSource.open")(function* (entry: number) {
    const { found, path } = yield* foundAt(entry)
    const changed = new SourceChanged({ path: display(path) })
    const failed = failure(path)
    const copy = copies.get(entry)?.read
    if (copy !== undefined) return copied(copy, changed, failed)
    const descriptor = yield* Effect.mapError(openAt(path), failed)
    const looking = Effect.try({ try: () => fs.fstatSync(descriptor.fd, { bigint: true }), catch: failed })
    // a file that was renamed over it is another one; without a name it is sent as it was, as rsync does
    const replaced = Effect.try({
      try: () => fs.lstatSync(path, { bigint: true, throwIfNoEntry: false }),
      catch: failed
    }).pipe(Effect.map((named) => named?.isFile() === true && !isSame(found, named)))
    const isUntouched = Effect.flatMap(looking, (now) =>
      isSame(found, now)
        ? Effect.flatMap(replaced, (isReplaced) => (isReplaced ? Effect.fail(changed) : Effect.succeed(true)))
        : Effect.succeed(false)
    )
    if (!(yield* isUntouched)) return yield* changed
    const endsEarly = Effect.flatMap(isUntouched, (untouched) => Effect.fail(untouched ? failed(endless()) : changed))
    const file: SourceFile = {
      read: (offset, into) =>
        Effect.flatMap(Effect.mapError(descriptor.read(offset, into), failed), (count) =>
          count === into.length ? Effect.void : endsEarly
        ),
      isUntouched,
      hasGrown: Effect.map(looking, ({ size }) => size > found.size),
      changed
    }
    return file
  })

  // One bundle after the other: read in turns, all of them would be ready as late as the last.
  const reading = Semaphore.makeUnsafe(1)
  const copyingOne = Semaphore.makeUnsafe(1)
  const readMembers: Source["Service"]["readMembers"] = (members, into) => reading.withPermit(readNow(members, into))

  const readNow = Effect.fn("DiskSource.readMembers")(function* (members: ReadonlyArray<Member>, into: Uint8Array) {
    const failures: Array<{ readonly member: number; readonly error: SourceError | SourceChanged }> = []
    for (let member = 0; member < members.length; member++) {
      if (member % filesPerTurn === filesPerTurn - 1) yield* Effect.yieldNow
      const { entry, offset, size } = members[member]
      const part = into.subarray(offset, offset + size)
      const read = yield* Effect.result(readMember(entry, part))
      if (Result.isSuccess(read)) continue
      part.fill(0)
      failures.push({ member, error: read.failure })
    }
    return failures
  })

  const readMember = (entry: number, part: Uint8Array) =>
    Effect.flatMap(foundAt(entry), ({ found, path }): Effect.Effect<void, SourceError | SourceChanged> => {
      const copy = copies.get(entry)?.read
      const isSized = found.size === BigInt(part.length)
      if (!isSized) return Effect.fail(changedAt(path))
      if (copy !== undefined) return Effect.asVoid(Effect.mapError(copy(0, part), failure(path)))
      return Effect.flatMap(Effect.try({ try: () => readWhole(path, found, part), catch: failure(path) }), (isSame) =>
        isSame ? Effect.void : Effect.fail(changedAt(path))
      )
    })

  /** Copies one file as it is now, if there is room for it. Nothing is held while a lease is waited for. */
  const retakeOne = Effect.fnUntraced(function* (entry: number, into: Scope.Scope, allowance: Copies.Allowance) {
    const { found: before, path } = yield* foundAt(entry)
    const taken = yield* whenFree(copyingOne.withPermit(copyAt(path, into, allowance))).pipe(
      Effect.mapError(failure(path))
    )
    if (taken === undefined) return yield* changedAt(path)
    if (taken === "Later") return undefined
    copies.set(entry, taken)
    found[entry] = foundOf(before.source, taken.stats)
    return { entry, metadata: Metadata.ofStatus(taken.stats), size: Number(taken.stats.size) } as Retaken
  })

  /** Those of the files, from the first, that may be copied at one time. */
  const batchOf = Effect.fnUntraced(function* (wanted: ReadonlyArray<number>) {
    let bytes = 0
    let large = 0
    for (const [at, entry] of wanted.entries()) {
      const known = yield* Effect.option(foundAt(entry))
      const look = Option.flatMap(known, ({ path }) => Result.getSuccess(Result.try(() => fs.lstatSync(path))))
      const size = Option.match(look, { onNone: () => 0, onSome: (stats) => stats.size })
      if (size > Limits.smallFileBytes) large++
      else bytes += size
      const isTooMuch = large > Limits.copiedLargeFiles || bytes > Limits.copiedBytes || at >= Limits.copiedFiles
      if (isTooMuch) return wanted.slice(0, at)
    }
    return wanted
  })

  const retake: Source["Service"]["retake"] = Effect.fn("DiskSource.retake")(function* (wanted) {
    copies.clear()
    yield* Scope.close(copying, Exit.void)
    const into = yield* Scope.fork(scope)
    copying = into
    const allowance = { bytes: copyBytes, leftBytes: copyBytes }
    const retaken: Array<Retaken> = []
    const failures: Array<{ readonly entry: number; readonly error: SourceError | SourceChanged }> = []
    yield* Effect.forEach(
      yield* batchOf(wanted),
      (entry) =>
        Effect.matchEffect(retakeOne(entry, into, allowance), {
          onFailure: (error) => Effect.sync(() => failures.push({ entry, error })),
          onSuccess: (one) => Effect.sync(() => one !== undefined && retaken.push(one))
        }),
      { concurrency: "unbounded", discard: true }
    )
    return { retaken: retaken.sort((a, b) => a.entry - b.entry), failures }
  })

  const isCurrent = Effect.fn("DiskSource.isCurrent")(
    function* (entry: number) {
      const taken = copies.get(entry)
      if (taken?.read === undefined) return true
      const { path } = yield* foundAt(entry)
      const now = yield* openAt(path)
      const { ino, size } = taken.stats
      if (fs.fstatSync(now.fd, { bigint: true }).ino !== ino) return true
      return yield* Copies.agrees(taken.read, now.read, Number(size))
      // what is not there any more has not changed since
    },
    Effect.scoped,
    Effect.orElseSucceed(() => true)
  )

  return Source.of({ scan, open, readMembers, retake, isCurrent })
})

/** A file that is sent from its copy. */
const copied = (
  copy: NonNullable<Copies.Taken["read"]>,
  changed: SourceChanged,
  failed: (cause: unknown) => SourceError | SourceChanged
): SourceFile => ({
  read: (offset, into) =>
    Effect.flatMap(Effect.mapError(copy(offset, into), failed), (count) =>
      count === into.length ? Effect.void : Effect.fail(changed)
    ),
  isUntouched: Effect.succeed(true),
  hasGrown: Effect.succeed(false),
  changed
})

interface Visit {
  readonly path: Buffer
  readonly relative: Buffer
  readonly stats: fs.BigIntStats
}

/** A directory whose entries are being visited. */
interface Listing {
  readonly path: Buffer
  readonly relative: Buffer
  readonly names: ReadonlyArray<Buffer>
  at: number
}

// ---- entries ----

/** The entry, or why there is none for it. */
const entryOf = (
  relative: Buffer,
  path: Buffer,
  stats: fs.BigIntStats,
  leaders: Map<string, number>,
  index: number
): Entry | string => {
  const metadata = Metadata.ofStatus(stats)
  if (stats.isDirectory()) return { _tag: "Directory", path: relative, metadata }
  if (stats.isFile()) {
    if (stats.nlink > 1n) {
      const inode = `${stats.dev}:${stats.ino}`
      const leader = leaders.get(inode)
      if (leader !== undefined) return { _tag: "HardLink", path: relative, leader }
      leaders.set(inode, index)
    }
    const size = Number(stats.size)
    const usedBytes = Number(stats.blocks) * 512
    // a bundle's members are small, and not looked at for holes
    const isSparse = size > Limits.smallFileBytes && usedBytes < size
    return { _tag: "File", path: relative, metadata, size, ...(isSparse ? { usedBytes } : {}) }
  }
  if (stats.isSymbolicLink()) {
    return { _tag: "Symlink", path: relative, metadata, target: fs.readlinkSync(path, { encoding: "buffer" }) }
  }
  if (stats.isFIFO()) return { _tag: "Fifo", path: relative, metadata }
  return stats.isSocket() ? "a socket is not sent" : "a device is not sent"
}

const foundOf = (source: Argument, { mtimeNs, size }: fs.BigIntStats): Found => ({ source, size, mtimeNs })

// Of an empty file no content can be another; the kernel's own (/proc) are empty, and made anew again and again.
const isSame = (found: Found, now: fs.BigIntStats): boolean =>
  now.isFile() && now.size === found.size && (now.size === 0n || now.mtimeNs === found.mtimeNs)

// ---- the system ----

// Not blocking: what is a FIFO by now must not make the master wait for a writer.
const readFlags = fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK

const lookAt = (source: Argument): Effect.Effect<fs.BigIntStats, SourceError> =>
  Effect.try({
    try: () => fs.lstatSync(source.path, { bigint: true }),
    catch: sourceError(source.path.length === 0 ? emptyArgument : source.path)
  })

// Synchronous as the looks at the entries are: most directories are small, and a thread's answer takes longer than they do.
const readdir = (path: Buffer) =>
  Effect.try({
    try: () => fs.readdirSync(path, { encoding: "buffer" }),
    catch: (cause) => cause as NodeJS.ErrnoException
  })

const openAt = (path: Buffer) =>
  Effect.acquireRelease(
    Effect.try({
      try: () => Descriptor.make(fs.openSync(path, readFlags)),
      catch: (cause) => cause as NodeJS.ErrnoException
    }),
    (descriptor) => descriptor.close
  )

/** Copies what has the path now; the copy lasts as long as `into`. */
const copyAt = (path: Buffer, into: Scope.Scope, allowance: Copies.Allowance) =>
  Effect.scoped(
    Effect.flatMap(openAt(path), ({ fd }) =>
      Scope.provide(Copies.take(fd, path.subarray(0, path.lastIndexOf(0x2f) + 1), allowance), into)
    )
  )

/** Tries again as long as a lease holds the file. The first attempt has asked for it back, and the system breaks it in time. */
const whenFree = <A, R>(attempt: Effect.Effect<A, NodeJS.ErrnoException, R>) =>
  Effect.gen(function* () {
    const until = (yield* Clock.currentTimeMillis) + Limits.leaseMillis
    while (true) {
      const tried = yield* Effect.result(attempt)
      if (Result.isSuccess(tried)) return tried.success
      const isOver = (yield* Clock.currentTimeMillis) >= until
      if (!isLeased(tried.failure) || isOver) return yield* Effect.fail(tried.failure)
      yield* Effect.sleep(Limits.leasePollMillis)
    }
  })

/** Reads a file from its first byte to its last; false when it is not what it was. */
const readWhole = (path: Buffer, found: Found, into: Uint8Array): boolean => {
  const fd = fs.openSync(path, readFlags)
  let done = 0
  const read = Result.try(() => {
    for (let count = -1; done < into.length && count !== 0; done += count) {
      count = fs.readSync(fd, into, done, into.length - done, done)
    }
  })
  // Looked at after the last byte, so that this one call also covers what changed while it was read.
  const same = Result.try(() => isSame(found, fs.fstatSync(fd, { bigint: true })))
  fs.closeSync(fd)
  if (Result.isFailure(same)) throw same.failure
  // What cannot be read may be a directory by now.
  if (same.success && Result.isFailure(read)) throw read.failure
  if (same.success && done < into.length) throw endless()
  return same.success
}

const { EAGAIN, ELOOP, ENODATA, ENOENT, ENOTDIR } = constants.errno

/** A file that has always ended before its size, such as those of /sys; rsync says the same of it. */
const endless = () => Errno.toCause(ENODATA)

const gone = new Set([-ELOOP, -ENOENT, -ENOTDIR])

/** Nothing has the path any more, or something of another type. */
const isGone = (cause: unknown): boolean =>
  cause instanceof Error && "errno" in cause && typeof cause.errno === "number" && gone.has(cause.errno)

/** The open of a regular file would have to wait: for a lease that another program holds on it. */
const isLeased = (cause: unknown): boolean => cause instanceof Error && "errno" in cause && cause.errno === -EAGAIN

const lost = (cause: unknown): readonly [kind: Skipped["kind"], reason: string] => [
  isGone(cause) ? "Vanished" : "Unreadable",
  Errno.fromCause(cause).reason
]

const below = (directory: Buffer, name: Buffer): Buffer =>
  directory[directory.length - 1] === 0x2f ? Buffer.concat([directory, name]) : Buffer.concat([directory, slash, name])

const changedAt = (path: Buffer) => new SourceChanged({ path: display(path) })

const sourceError = (path: Buffer) => (cause: unknown) =>
  new SourceError({ path: display(path), ...Errno.fromCause(cause) })

// A leased file is retaken later, as a changed one is: the others need not wait for it.
const failure = (path: Buffer) => (cause: unknown) => {
  if (isLeased(cause)) return new SourceChanged({ path: display(path), isLeased: true })
  return isGone(cause) ? changedAt(path) : sourceError(path)(cause)
}

const slash = Buffer.from("/")
const dot = Buffer.from(".")
const dots = Buffer.from("..")
const empty = Buffer.alloc(0)
const emptyArgument = Buffer.from('""')
