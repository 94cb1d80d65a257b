/**
 * The walk over the sources. It finds the entries that `rsync -aH` would take from the same arguments. "dir" is the directory with its name,
 * "dir/" (and ".", "..", "dir/.") its contents. A symbolic link is itself, unless a slash follows it.
 *
 * Names are bytes, and each directory's are sorted by them, so the same tree gives the same entries.
 */

import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import * as Limits from "../protocol/Limits.ts"
import type { Entry } from "../tree/Entry.ts"
import { display } from "../tree/Names.ts"
import * as Metadata from "../tree/Metadata.ts"
import { isGone, reasonOf, sourceError } from "./Calls.ts"
import type { Skipped, SourceError } from "./Source.ts"

/** Entries looked at between two turns of the event loop: a millisecond or two. */
const entriesPerTurn = 256

/** A source argument: the path to look at, and the name its entry has; none when its contents are meant. */
export interface Argument {
  /** Ends in a slash for the contents: the system then follows a link, and refuses a path that is no directory. */
  readonly path: Buffer
  readonly name: Buffer
}

export const argument = (given: Buffer): Argument => {
  const name = given.subarray(given.lastIndexOf(0x2f) + 1)
  if (name.equals(dot) || name.equals(dots)) return { path: Buffer.concat([given, slash]), name: empty }
  return { path: given, name }
}

/** The status of a source; one that does not exist is an error. */
export const lookAt = (source: Argument): Effect.Effect<fs.BigIntStats, SourceError> =>
  Effect.try({
    try: () => fs.lstatSync(source.path, { bigint: true }),
    catch: sourceError(source.path.length === 0 ? emptyArgument : source.path)
  })

/** Where a file was found, and its status then. The path on disk is the source's, and the entry's without its name. */
export interface Found {
  readonly source: Argument
  readonly size: bigint
  readonly mtimeNs: bigint
}

export const foundOf = (source: Argument, { mtimeNs, size }: fs.BigIntStats): Found => ({ source, size, mtimeNs })

/** Something that was met on the way. */
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

export class Walk {
  readonly entries: Array<Entry> = []
  /** By index of the entry, for files. */
  readonly found: Array<Found | undefined> = []
  readonly skipped: Array<Skipped> = []
  /** The index of the entry that has a path, one character a byte. */
  private readonly taken = new Map<string, number>()
  /** The leaders of hard links, by device and inode. */
  private readonly leaders = new Map<string, number>()
  private looks = 0

  /** Takes in a source and all that is below it, depth first. A directory's names are held, never its descriptor. */
  walk(source: Argument): Effect.Effect<void, SourceError> {
    return Effect.flatMap(lookAt(source), (stats) => {
      const pending: Array<Listing> = []
      const enter = (visit: Visit) => {
        const listing = this.enter(source, visit)
        if (listing !== undefined) pending.push(listing)
      }
      enter({ path: source.path, relative: source.name, stats })
      return this.descend(pending, enter)
    })
  }

  private descend(pending: Array<Listing>, enter: (visit: Visit) => void): Effect.Effect<void> {
    const isTurn = () => ++this.looks % entriesPerTurn === 0
    const next = (listing: Listing) => this.next(listing)
    return Effect.gen(function* () {
      for (let listing = pending.at(-1); listing !== undefined; listing = pending.at(-1)) {
        if (listing.at === listing.names.length) {
          pending.pop()
          continue
        }
        if (isTurn()) yield* Effect.yieldNow
        const visit = next(listing)
        if (visit !== undefined) enter(visit)
      }
    })
  }

  /** Looks at the next name of a directory. */
  private next(listing: Listing): Visit | undefined {
    const name = listing.names[listing.at++]
    const path = below(listing.path, name)
    const relative = listing.relative.length === 0 ? name : below(listing.relative, name)
    const stats = Result.try(() => fs.lstatSync(path, { bigint: true }))
    if (Result.isSuccess(stats)) return { path, relative, stats: stats.success }
    this.lose(path, relative, stats.failure)
    return undefined
  }

  /** Takes in an entry; answers a directory whose names are to be visited. */
  private enter(source: Argument, visit: Visit): Listing | undefined {
    // A directory is listed before it is taken in: one that vanished meanwhile is no entry.
    const names = visit.stats.isDirectory() ? this.list(visit) : []
    if (names === undefined || !this.take(visit, source)) return undefined
    return { path: visit.path, relative: visit.relative, names, at: 0 }
  }

  // Synchronous as the looks are: most directories are small, and a thread's answer takes longer than they do.
  /** The names in a directory, sorted; none when it may not be read, undefined when it is gone. */
  private list({ path, relative }: Visit): ReadonlyArray<Buffer> | undefined {
    const listed = Result.try(() => fs.readdirSync(path, { encoding: "buffer" }))
    if (Result.isSuccess(listed)) return listed.success.sort(Buffer.compare)
    this.lose(path, relative, listed.failure)
    return isGone(listed.failure) ? undefined : []
  }

  /** Takes an entry in; answers whether to descend. */
  private take({ path, relative, stats }: Visit, source: Argument): boolean {
    if (relative.length > Limits.pathBytes) {
      return this.skip(path, relative, "Unreadable", "its path is too long (ENAMETOOLONG)")
    }
    const key = relative.toString("latin1")
    const other = this.taken.get(key)
    if (other !== undefined) return this.meet({ path, relative, stats }, this.entries[other])
    const made = Result.try(() => entryOf(relative, path, stats, this.leaders, this.entries.length))
    if (Result.isFailure(made)) return this.lose(path, relative, made.failure)
    const entry = made.success
    if (typeof entry === "string") return this.skip(path, undefined, "Special", entry)
    this.taken.set(key, this.entries.length)
    this.found.push(entry._tag === "File" ? foundOf(source, stats) : undefined)
    this.entries.push(entry)
    return entry._tag === "Directory"
  }

  /** A second source has a path: of two entries the first counts, as with rsync; but a tree left out is a loss. */
  private meet({ path, relative, stats }: Visit, other: Entry): boolean {
    const isDirectory = other._tag === "Directory"
    if (stats.isDirectory() && isDirectory) return true
    if (stats.isDirectory() || isDirectory) {
      return this.skip(path, relative, "Unreadable", "an earlier source has another type of entry here")
    }
    const reason = "an earlier source has an entry here already"
    this.skipped.push({ path: display(path), kind: "Special", isDouble: true, reason })
    return false
  }

  private lose(path: Buffer, relative: Buffer, cause: unknown): false {
    return this.skip(path, relative, isGone(cause) ? "Vanished" : "Unreadable", reasonOf(cause))
  }

  private skip(path: Buffer, at: Buffer | undefined, kind: Skipped["kind"], reason: string): false {
    this.skipped.push({ path: display(path), ...(at === undefined ? {} : { at }), kind, reason })
    return false
  }
}

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
    // A bundle's members are small, and not looked at for holes.
    const isSparse = size > Limits.smallFileBytes && usedBytes < size
    return { _tag: "File", path: relative, metadata, size, ...(isSparse ? { usedBytes } : {}) }
  }
  if (stats.isSymbolicLink()) {
    return { _tag: "Symlink", path: relative, metadata, target: fs.readlinkSync(path, { encoding: "buffer" }) }
  }
  if (stats.isFIFO()) return { _tag: "Fifo", path: relative, metadata }
  return stats.isSocket() ? "a socket is not sent" : "a device is not sent"
}

const below = (directory: Buffer, name: Buffer): Buffer =>
  directory[directory.length - 1] === 0x2f ? Buffer.concat([directory, name]) : Buffer.concat([directory, slash, name])

const slash = Buffer.from("/")
const dot = Buffer.from(".")
const dots = Buffer.from("..")
const empty = Buffer.alloc(0)
const emptyArgument = Buffer.from('""')
