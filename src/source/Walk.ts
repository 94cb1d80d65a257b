/**
 * The walk over the sources. It finds the entries that `rsync -aH` would take from the same arguments. "dir" is the directory with its name,
 * "dir/" (and ".", "..", "dir/.") its contents. A symbolic link is itself, unless a slash follows it.
 *
 * Names are bytes, and each directory's are sorted by them, so the same tree gives the same entries. A choice
 * leaves some of them out: an excluded directory is not read.
 */

import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import { enter, type Filter, isExcluded, resolved } from "../filter/Filter.ts"
import * as Limits from "../protocol/Limits.ts"
import type { Entry } from "../tree/Entry.ts"
import { display, keyOf } from "../tree/Names.ts"
import * as Wished from "../tree/Wished.ts"
import { isGone, reasonOf, sourceError } from "./Calls.ts"
import { type Choice, errorOf, filtersOf, readRules } from "./Choice.ts"
import * as Named from "./Named.ts"
import type { FilterError, Skipped, SourceError } from "./Source.ts"

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
export const lookAt = (source: Argument, { followsLinks }: Choice): Effect.Effect<Looked, SourceError> =>
  Effect.try({
    try: () => look(source.path, followsLinks),
    catch: sourceError(source.path.length === 0 ? emptyArgument : source.path)
  })

/** Where a file was found, and its status then. The path on disk is the source's, and the entry's without its name. */
export interface Found {
  readonly source: Argument
  readonly size: bigint
  readonly mtimeNs: bigint
  /** The path on disk, where a symbolic link was followed to it. */
  readonly real: Buffer | undefined
}

export const foundOf = (source: Argument, { mtimeNs, size }: fs.BigIntStats, real?: Buffer): Found => ({
  source,
  size,
  mtimeNs,
  real
})

interface Looked {
  readonly stats: fs.BigIntStats
  /** Where a symbolic link led to. */
  readonly real: Buffer | undefined
}

const look = (path: Buffer, followsLinks: boolean): Looked => {
  const stats = fs.lstatSync(path, { bigint: true })
  return followsLinks && stats.isSymbolicLink()
    ? { stats: fs.statSync(path, { bigint: true }), real: fs.realpathSync.native(path, { encoding: "buffer" }) }
    : { stats, real: undefined }
}

/** Something that was met on the way. */
interface Visit extends Looked {
  readonly path: Buffer
  readonly relative: Buffer
  /** Made of the rules above it; undefined: there are none. */
  readonly filter: Filter | undefined
  /** Levels below it that are taken as well. */
  readonly levels: number
}

/** A directory whose entries are being visited; its filter is that of what is in it. */
interface Listing extends Visit {
  readonly names: ReadonlyArray<Buffer>
  at: number
}

/** The way through one source. */
interface Tour {
  readonly source: Argument
  /** The file system of the source. */
  readonly device: bigint
  /** The directories that have been entered and not been left. */
  readonly open: Array<Listing>
}

type Failed = SourceError | FilterError

export class Walk {
  readonly entries: Array<Entry> = []
  /** By index of the entry, for files. */
  readonly found: Array<Found | undefined> = []
  readonly skipped: Array<Skipped> = []
  private readonly sparedSoFar: Array<Uint8Array> = []
  /** Directories on the way to a named path, and those of which the names were taken, one character a byte. */
  private readonly passed = new Set<string>()
  private readonly listed = new Set<string>()
  readonly choice: Choice
  /** The index of the entry that has a path, one character a byte. */
  private readonly taken = new Map<string, number>()
  /** The leaders of hard links, by device and inode. */
  readonly leaders = new Map<string, number>()
  private looks = 0

  constructor(choice: Choice) {
    this.choice = choice
  }

  /** Paths in the tree that have no entry, and directories whose content has none, or not all: they are there all the same. */
  get spared(): ReadonlyArray<Uint8Array> {
    const onTheWay = [...this.passed].filter((path) => !this.listed.has(path))
    return [...this.sparedSoFar, ...onTheWay.map((path) => Buffer.from(path, "latin1"))]
  }

  /** Takes in a source and all that is below it, depth first. A directory's names are held, never its descriptor. */
  walk(source: Argument): Effect.Effect<void, Failed> {
    return Effect.flatMap(lookAt(source, this.choice), (looked) =>
      this.choice.names === undefined ? this.walkAll(source, looked) : this.walkNamed(source, looked, this.choice.names)
    )
  }

  private walkAll(source: Argument, looked: Looked): Effect.Effect<void, Failed> {
    const path = absolute(source.path)
    const root = source.name.length === 0 ? path : resolved(`${path}/..`)
    return Effect.flatMap(this.filtersAt(root, path), ({ above, named }) => {
      const visit = { ...looked, path: source.path, relative: source.name, filter: named, levels: Infinity }
      const tour = { source, device: looked.stats.dev, open: [] }
      return this.isWanted(visit, tour) ? this.descend({ ...visit, filter: above }, tour) : Effect.void
    })
  }

  /** Takes in the paths of a list, each with the directories on the way to it. */
  private walkNamed(source: Argument, { stats }: Looked, { isRecursive, list }: NonNullable<Choice["names"]>) {
    return Effect.gen({ self: this }, function* () {
      for (const line of list) {
        const named = Named.parse(line, isRecursive)
        const top = Buffer.concat([source.path, slash, Buffer.from(named.from, "latin1")])
        const filters = yield* this.filtersAt(absolute(top), absolute(top))
        const relative = Buffer.from(named.names.join("/"), "latin1")
        const path = relative.length === 0 ? top : below(top, relative)
        const tour = { source: { path, name: relative }, device: stats.dev, open: [] }
        const looked = this.seen(path, relative, filters.named, "Unreadable")
        if (looked === undefined) continue
        const visit = { ...looked, path, relative, filter: filters.named, levels: named.levels }
        if (!this.isWanted(visit, tour)) continue
        const inner = yield* this.takeWay(named, top, filters.above)
        if (inner !== undefined) yield* this.descend({ ...visit, filter: inner.filter }, tour)
      }
    })
  }

  /** Takes in the directories on the way to a named path; answers the filter in the last of them. */
  private takeWay({ names, takesTop }: Named.Named, top: Buffer, filter: Filter | undefined) {
    return Effect.gen({ self: this }, function* () {
      let inner = filter
      for (let count = 0; count < names.length; count++) {
        const relative = Buffer.from(names.slice(0, count).join("/"), "latin1")
        const path = count === 0 ? top : below(top, relative)
        const stats = Result.try(() => fs.statSync(path, { bigint: true }))
        if (Result.isFailure(stats)) {
          this.lose(path, relative, stats.failure)
          return undefined
        }
        const visit: Visit = { path, relative, stats: stats.success, real: undefined, filter: inner, levels: 0 }
        if (count > 0 || takesTop) {
          if (!this.take(visit, { path, name: relative })) return undefined
          this.passed.add(keyOf(relative))
        }
        inner = yield* this.filterIn(visit)
      }
      return { filter: inner }
    })
  }

  private filtersAt(root: string, first: string) {
    return Effect.fromResult(Result.mapError(filtersOf(this.choice, root, first), errorOf))
  }

  /** The filter of what is in a directory. */
  private filterIn({ filter, path, relative }: Visit): Effect.Effect<Filter | undefined, Failed> {
    if (filter === undefined || filter.lists.size === 0) return Effect.succeed(filter)
    const read = (name: string) => readRules(keyOf(path), name)
    return Effect.fromResult(Result.mapError(enter(filter, keyOf(relative), read), errorOf))
  }

  /** Takes in what was met first, and all that is below it. */
  private descend(first: Visit, tour: Tour): Effect.Effect<void, Failed> {
    const isTurn = () => ++this.looks % entriesPerTurn === 0
    return Effect.gen({ self: this }, function* () {
      let visit: Visit | undefined = first
      do {
        const names = visit === undefined ? [] : this.enter(visit, tour)
        if (visit !== undefined && names.length > 0) {
          tour.open.push({ ...visit, filter: yield* this.filterIn(visit), names, at: 0 })
        }
        if (isTurn()) yield* Effect.yieldNow
        visit = this.next(tour)
      } while (tour.open.length > 0)
    })
  }

  /** Looks at the next name of the innermost directory, which is left after its last one. */
  private next(tour: Tour): Visit | undefined {
    const listing = tour.open.at(-1)
    if (listing === undefined || listing.at === listing.names.length) return void tour.open.pop()
    const name = listing.names[listing.at++]
    const path = below(listing.path, name)
    const relative = listing.relative.length === 0 ? name : below(listing.relative, name)
    const { filter, levels } = listing
    const looked = this.seen(path, relative, filter)
    if (looked === undefined) return undefined
    const { real, stats } = looked
    const visit: Visit = { path, relative, stats, real, filter, levels: levels - 1 }
    return this.isWanted(visit, tour) ? visit : undefined
  }

  /** The status of a path; it is lost when there is none, but for one that is excluded. `gone`: what one that is gone counts as. */
  private seen(
    path: Buffer,
    relative: Buffer,
    filter: Filter | undefined,
    gone: Skipped["kind"] = "Vanished"
  ): Looked | undefined {
    const { followsLinks } = this.choice
    const looked = Result.try(() => look(path, followsLinks))
    if (Result.isSuccess(looked)) return looked.success
    const isOut = (isDirectory: boolean) => filter !== undefined && isExcluded(filter, keyOf(relative), isDirectory)
    if (isOut(false) || isOut(true)) return undefined
    const leadsNowhere = followsLinks && Result.isSuccess(Result.try(() => fs.lstatSync(path)))
    if (leadsNowhere) this.skip(path, relative, "Unreadable", `a symbolic link: ${reasonOf(looked.failure)}`)
    else this.lose(path, relative, looked.failure, gone)
    return undefined
  }

  private isWanted({ filter, relative, stats }: Visit, tour: Tour): boolean {
    const { maxBytes, minBytes, mounts } = this.choice
    const isDirectory = stats.isDirectory()
    // The root of the transfer has no name that a rule could match.
    if (filter !== undefined && relative.length > 0 && isExcluded(filter, keyOf(relative), isDirectory)) return false
    const isLeftOut = mounts === "LeftOut" && isDirectory && stats.dev !== tour.device
    const isOfSize = !stats.isFile() || (stats.size >= minBytes && stats.size <= maxBytes)
    if (isLeftOut || !isOfSize) this.sparedSoFar.push(relative)
    return !isLeftOut && isOfSize
  }

  /** Takes in an entry; answers the names that are to be visited in it. */
  private enter(visit: Visit, tour: Tour): ReadonlyArray<Buffer> {
    if (this.isAround(visit, tour)) return []
    const isElsewhere = this.choice.mounts !== "Entered" && visit.stats.dev !== tour.device
    const isEntered = visit.stats.isDirectory() && visit.levels > 0 && !isElsewhere
    if (visit.stats.isDirectory() && isElsewhere) this.sparedSoFar.push(visit.relative)
    // A directory is listed before it is taken in: one that vanished meanwhile is no entry.
    const names = isEntered ? this.list(visit) : []
    if (isEntered) this.listed.add(keyOf(visit.relative))
    return names !== undefined && this.take(visit, tour.source) ? names : []
  }

  /** Does a symbolic link lead to a directory that it is in? There would be no end of it. */
  private isAround({ path, real, relative, stats: { dev, ino } }: Visit, { open }: Tour): boolean {
    if (real === undefined || !open.some(({ stats }) => stats.ino === ino && stats.dev === dev)) return false
    this.skip(path, relative, "Unreadable", "a symbolic link to a directory that it is in (ELOOP)")
    return true
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
  private take({ path, real, relative, stats }: Visit, source: Argument): boolean {
    if (relative.length > Limits.pathBytes) {
      return this.skip(path, relative, "Unreadable", "its path is too long (ENAMETOOLONG)")
    }
    const key = keyOf(relative)
    const other = this.taken.get(key)
    if (other !== undefined) return this.meet({ path, relative, stats }, this.entries[other])
    const made = Result.try(() => entryOf(relative, path, stats, this))
    if (Result.isFailure(made)) return this.lose(path, relative, made.failure)
    const entry = made.success
    if (typeof entry === "string") {
      this.sparedSoFar.push(relative)
      return this.skip(path, undefined, "Special", entry)
    }
    this.taken.set(key, this.entries.length)
    this.found.push(entry._tag === "File" ? foundOf(source, stats, real) : undefined)
    this.entries.push(entry)
    return entry._tag === "Directory"
  }

  /** A second source has a path: of two entries the first counts, as with rsync; but a tree left out is a loss. */
  private meet({ path, relative, stats }: Pick<Visit, "path" | "relative" | "stats">, other: Entry): boolean {
    const isDirectory = other._tag === "Directory"
    if (stats.isDirectory() && isDirectory) return true
    if (stats.isDirectory() || isDirectory) {
      return this.skip(path, relative, "Unreadable", "an earlier source has another type of entry here")
    }
    // A list may name a path twice.
    if (this.choice.names !== undefined) return false
    const reason = "an earlier source has an entry here already"
    this.skipped.push({ path: display(path), kind: "Special", isDouble: true, reason })
    return false
  }

  private lose(path: Buffer, relative: Buffer, cause: unknown, gone: Skipped["kind"] = "Vanished"): false {
    return this.skip(path, relative, isGone(cause) ? gone : "Unreadable", reasonOf(cause))
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
  { choice, entries, leaders }: Walk
): Entry | string => {
  const metadata = Wished.ofStatus(choice.wished, stats)
  if (stats.isDirectory()) return { _tag: "Directory", path: relative, metadata }
  if (stats.isFile()) {
    if (stats.nlink > 1n) {
      const inode = `${stats.dev}:${stats.ino}`
      const leader = leaders.get(inode)
      if (leader !== undefined) return { _tag: "HardLink", path: relative, leader }
      leaders.set(inode, entries.length)
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

/** A path from the root, one character a byte. */
const absolute = (path: Buffer): string => {
  const key = keyOf(path)
  return resolved(key.startsWith("/") ? key : `${keyOf(Buffer.from(process.cwd()))}/${key}`)
}

const slash = Buffer.from("/")
const dot = Buffer.from(".")
const dots = Buffer.from("..")
const empty = Buffer.alloc(0)
const emptyArgument = Buffer.from('""')
