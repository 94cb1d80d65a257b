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
import { targetAt } from "../system/FakeSuper.ts"
import * as Status from "../system/Status.ts"
import type { Entry } from "../tree/Entry.ts"
import { Packing } from "../tree/Manifest.ts"
import { display, keyOf, ofKey, isUnfinished } from "../tree/Names.ts"
import * as Wished from "../tree/Wished.ts"
import type * as Attributes from "./Attributes.ts"
import { isGone, type Look, reasonOf, sourceError } from "./Calls.ts"
import { type Choice, errorOf, filtersOf, readRules } from "./Choice.ts"
import type { Budget } from "./Holes.ts"
import * as Named from "./Named.ts"
import type { FilterError, Skipped, SourceError } from "./Source.ts"
import { isUnsafe } from "./Unsafe.ts"

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
export const lookAt = (source: Argument, choice: Choice, look: Look): Effect.Effect<Looked, SourceError> =>
  Effect.try({
    try: () => lookedAt(look, keyOf(source.path), keyOf(source.name), choice),
    catch: sourceError(source.path.length === 0 ? emptyArgument : source.path)
  })

/** Where a file was found. */
export interface Place {
  /** Its path on disk is the source's, and the entry's without the source's name. */
  readonly source: Argument
  /** The path on disk, where a symbolic link was followed to it. */
  readonly real: Buffer | undefined
}

interface Looked {
  readonly status: Status.Status
  /** Where a symbolic link led to. */
  readonly real: Buffer | undefined
}

const lookedAt = (look: Look, path: string, relative: string, choice: Choice): Looked => {
  const status = look(path)
  return status.kind === "Symlink" && isFollowed(path, relative, choice)
    ? { status: followed(path), real: fs.realpathSync.native(ofKey(path), { encoding: "buffer" }) }
    : { status, real: undefined }
}

const isFollowed = (path: string, relative: string, { followsLinks, followsUnsafe }: Choice): boolean =>
  (followsLinks || (followsUnsafe && isUnsafe(keyOf(targetAt(ofKey(path))), relative))) && isLink(path)

/** The system follows no file that stands for one. */
const isLink = (path: string): boolean => fs.lstatSync(ofKey(path)).isSymbolicLink()

/** The status of what a path leads to. */
const followed = (path: string): Status.Status => Status.ofStats(fs.statSync(ofKey(path), { bigint: true }))

/** Something that was met on the way. Its paths are one character a byte. */
interface Visit extends Looked {
  readonly path: string
  readonly relative: string
  /** Made of the rules above it; undefined: there are none. */
  readonly filter: Filter | undefined
  /** Levels below it that are taken as well. */
  readonly levels: number
}

/** A directory whose entries are being visited; its filter is that of what is in it. */
interface Listing extends Visit {
  readonly names: ReadonlyArray<string>
  at: number
}

/** The way through one source. */
interface Tour {
  readonly place: Place
  /** The file system of the source. */
  readonly device: number
  /** The directories that have been entered and not been left. */
  readonly open: Array<Listing>
}

type Failed = SourceError | FilterError

export class Walk {
  readonly entries: Array<Entry> = []
  private readonly packing = new Packing()
  /** By index of the entry, for files. Those of a source have one, but for links that were followed. */
  readonly places: Array<Place | undefined> = []
  readonly skipped: Array<Skipped> = []
  private readonly sparedSoFar: Array<string> = []
  /** Directories on the way to a named path, and those of which the names were taken, one character a byte. */
  private readonly passed = new Set<string>()
  private readonly listed = new Set<string>()
  readonly choice: Choice
  /** The index of the entry that has a path, one character a byte, where one may be met again. */
  private taken: Map<string, number> | undefined
  /** The leaders of hard links, by device and inode. */
  readonly leaders = new Map<string, number>()
  private readonly look: Look
  readonly holes: Budget
  readonly attributes: Attributes.Reader
  private looks = 0

  constructor(choice: Choice, look: Look, holes: Budget, attributes: Attributes.Reader) {
    this.choice = choice
    this.look = look
    this.holes = holes
    this.attributes = attributes
  }

  /** Paths in the tree that have no entry, and directories whose content has none, or not all: they are there all the same. */
  get spared(): ReadonlyArray<Uint8Array> {
    const onTheWay = [...this.passed].filter((path) => !this.listed.has(path))
    return [...this.sparedSoFar, ...onTheWay].map(ofKey)
  }

  /** Takes in a source and all that is below it, depth first. A directory's names are held, never its descriptor. */
  walk(source: Argument): Effect.Effect<void, Failed> {
    // one source alone has each path once
    if (this.entries.length > 0 || this.choice.names !== undefined)
      this.taken ??= new Map(this.entries.map(({ path }, index) => [keyOf(path), index]))
    return Effect.flatMap(lookAt(source, this.choice, this.look), (looked) =>
      this.choice.names === undefined ? this.walkAll(source, looked) : this.walkNamed(source, looked, this.choice.names)
    )
  }

  private walkAll(source: Argument, looked: Looked): Effect.Effect<void, Failed> {
    const path = absolute(keyOf(source.path))
    const root = source.name.length === 0 ? path : resolved(`${path}/..`)
    return Effect.flatMap(this.filtersAt(root, path), ({ above, named }) => {
      const at = { path: keyOf(source.path), relative: keyOf(source.name) }
      const visit = { ...looked, ...at, filter: named, levels: Infinity }
      const tour = { place: { source, real: undefined }, device: looked.status.device, open: [] }
      return this.isWanted(visit, tour) ? this.descend({ ...visit, filter: above }, tour) : Effect.void
    })
  }

  /** Takes in the paths of a list, each with the directories on the way to it. */
  private walkNamed(source: Argument, { status }: Looked, { isRecursive, list }: NonNullable<Choice["names"]>) {
    return Effect.gen({ self: this }, function* () {
      for (const line of list) {
        const named = Named.parse(line, isRecursive)
        const top = `${keyOf(source.path)}/${named.from}`
        const filters = yield* this.filtersAt(absolute(top), absolute(top))
        const relative = named.names.join("/")
        const path = relative.length === 0 ? top : below(top, relative)
        const tour = { place: placeOf(path, relative), device: status.device, open: [] }
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
  private takeWay({ names, takesTop }: Named.Named, top: string, filter: Filter | undefined) {
    return Effect.gen({ self: this }, function* () {
      let inner = filter
      for (let count = 0; count < names.length; count++) {
        const relative = names.slice(0, count).join("/")
        const path = count === 0 ? top : below(top, relative)
        const status = Result.try(() => followed(path))
        if (Result.isFailure(status)) {
          this.lose(path, relative, status.failure)
          return undefined
        }
        const visit: Visit = { path, relative, status: status.success, real: undefined, filter: inner, levels: 0 }
        if (count > 0 || takesTop) {
          if (!this.take(visit, placeOf(path, relative))) return undefined
          this.passed.add(relative)
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
    const read = (name: string) => readRules(path, name)
    return Effect.fromResult(Result.mapError(enter(filter, relative, read), errorOf))
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
    const isKept = isUnfinished(name)
    // a catcher has finished it meanwhile
    if (isKept && Result.isFailure(Result.try(() => this.look(path)))) return undefined
    const looked = this.seen(path, relative, filter)
    if (looked === undefined) return undefined
    const { real, status } = looked
    const visit: Visit = { path, relative, status, real, filter, levels: levels - 1 }
    if (!this.isWanted(visit, tour)) return undefined
    // a directory or a link of such a name is taken for the user's own
    if (!isKept || status.kind !== "File") return visit
    this.skip(path, undefined, "Special", unfinished)
    return undefined
  }

  /** The status of a path; it is lost when there is none, but for one that is excluded. `gone`: what one that is gone counts as. */
  private seen(
    path: string,
    relative: string,
    filter: Filter | undefined,
    gone: Skipped["kind"] = "Vanished"
  ): Looked | undefined {
    const looked = Result.try(() => lookedAt(this.look, path, relative, this.choice))
    if (Result.isSuccess(looked)) return looked.success
    const isOut = (isDirectory: boolean) => filter !== undefined && isExcluded(filter, relative, isDirectory)
    if (isOut(false) || isOut(true)) return undefined
    // there is something, so it is a link that was followed
    const leadsNowhere = Result.isSuccess(Result.try(() => this.look(path)))
    if (leadsNowhere) this.skip(path, relative, "Unreadable", `a symbolic link: ${reasonOf(looked.failure)}`)
    else this.lose(path, relative, looked.failure, gone)
    return undefined
  }

  private isWanted(visit: Visit, tour: Tour): boolean {
    const { filter, relative, status } = visit
    const { maxBytes, minBytes, mounts } = this.choice
    const isDirectory = status.kind === "Directory"
    // The root of the transfer has no name that a rule could match.
    if (filter !== undefined && relative.length > 0 && isExcluded(filter, relative, isDirectory)) return false
    const isLeftOut = mounts === "LeftOut" && isDirectory && status.device !== tour.device
    const isOfSize = status.kind !== "File" || (status.size >= minBytes && status.size <= maxBytes)
    const isSent = !isLeftOut && isOfSize && this.isOfType(visit)
    if (!isSent) this.sparedSoFar.push(relative)
    return isSent
  }

  /** Are such links, FIFOs and devices sent? */
  private isOfType({ path, relative, status }: Visit): boolean {
    const { hasDevices, hasLinks, hasSpecials, leavesOutUnsafe } = this.choice
    if (status.kind === "Fifo" || status.kind === "Socket") return hasSpecials
    if (status.kind === "CharacterDevice" || status.kind === "BlockDevice") return hasDevices
    if (status.kind !== "Symlink") return true
    if (!hasLinks || !leavesOutUnsafe) return hasLinks
    // one that is gone meanwhile is no entry, whatever it was
    const target = Result.try(() => keyOf(targetAt(ofKey(path))))
    return Result.isFailure(target) || !isUnsafe(target.success, relative)
  }

  /** Takes in an entry; answers the names that are to be visited in it. */
  private enter(visit: Visit, tour: Tour): ReadonlyArray<string> {
    if (this.isAround(visit, tour)) return []
    const isDirectory = visit.status.kind === "Directory"
    const isElsewhere = this.choice.mounts !== "Entered" && visit.status.device !== tour.device
    const isEntered = isDirectory && visit.levels > 0 && !isElsewhere
    if (isDirectory && isElsewhere) this.sparedSoFar.push(visit.relative)
    // A directory is listed before it is taken in: one that vanished meanwhile is no entry.
    const names = isEntered ? this.list(visit) : []
    if (isEntered) this.listed.add(visit.relative)
    return names !== undefined && this.take(visit, tour.place) ? names : []
  }

  /** Does a symbolic link lead to a directory that it is in? There would be no end of it. */
  private isAround({ path, real, relative, status }: Visit, { open }: Tour): boolean {
    if (real === undefined || !open.some((above) => Status.isSameFile(above.status, status))) return false
    this.skip(path, relative, "Unreadable", "a symbolic link to a directory that it is in (ELOOP)")
    return true
  }

  // Synchronous as the looks are: most directories are small, and a thread's answer takes longer than they do.
  /** The names in a directory, sorted; none when it may not be read, undefined when it is gone. */
  private list({ path, relative }: Visit): ReadonlyArray<string> | undefined {
    const listed = Result.try(() => fs.readdirSync(ofKey(path), { encoding: "latin1" }))
    // by their bytes; one that changes meanwhile may list a name twice
    if (Result.isSuccess(listed)) {
      const names = listed.success.sort()
      return names.filter((name, at) => name !== names[at - 1])
    }
    this.lose(path, relative, listed.failure)
    return isGone(listed.failure) ? undefined : []
  }

  /** Takes an entry in; answers whether to descend. */
  private take(visit: Visit, place: Place): boolean {
    const { path, real, relative, status } = visit
    if (relative.length > Limits.pathBytes) {
      return this.skip(path, relative, "Unreadable", "its path is too long (ENAMETOOLONG)")
    }
    const other = this.taken?.get(relative)
    if (other !== undefined) return this.meet(visit, this.entries[other])
    const made = Result.try(() => entryOf(visit, this))
    if (Result.isFailure(made)) return this.lose(path, relative, made.failure)
    const entry = made.success
    if (typeof entry === "string") {
      this.sparedSoFar.push(relative)
      return this.skip(path, undefined, "Special", entry)
    }
    this.taken?.set(relative, this.entries.length)
    if (entry._tag !== "HardLink" && hasNames(status, this.choice))
      this.leaders.set(Status.identityOf(status), this.entries.length)
    this.places.push(entry._tag === "File" ? (real === undefined ? place : { ...place, real }) : undefined)
    this.entries.push(this.packing.add(entry))
    return entry._tag === "Directory"
  }

  /** A second source has a path: of two entries the first counts, as with rsync; but a tree left out is a loss. */
  private meet({ path, relative, status }: Visit, other: Entry): boolean {
    const areDirectories = [status.kind, other._tag].filter((type) => type === "Directory").length
    if (areDirectories === 2) return true
    if (areDirectories === 1) {
      return this.skip(path, relative, "Unreadable", "an earlier source has another type of entry here")
    }
    // A list may name a path twice.
    if (this.choice.names !== undefined) return false
    const reason = "an earlier source has an entry here already"
    this.skipped.push({ path: display(ofKey(path)), kind: "Special", isDouble: true, reason })
    return false
  }

  private lose(path: string, relative: string, cause: unknown, gone: Skipped["kind"] = "Vanished"): false {
    return this.skip(path, relative, isGone(cause) ? gone : "Unreadable", reasonOf(cause))
  }

  private skip(path: string, at: string | undefined, kind: Skipped["kind"], reason: string): false {
    const place = at === undefined ? {} : { at: ofKey(at) }
    this.skipped.push({ path: display(ofKey(path)), ...place, kind, reason })
    return false
  }
}

const unfinished = "not sent: its name is that of a file which a catcher has not finished"

/** May it have several names that are one entry and links to it? */
const hasNames = ({ kind, links }: Status.Status, { linksNames }: Choice): boolean =>
  linksNames && links > 1 && kind !== "Directory"

/** The entry, or why there is none for it. */
const entryOf = (
  { path: own, real, relative, status }: Visit,
  { attributes, choice, holes, leaders }: Pick<Walk, "attributes" | "choice" | "holes" | "leaders">
): Entry | string => {
  const path = ofKey(relative)
  const on = real === undefined ? own : keyOf(real)
  attributes.notice(on, relative, status)
  const metadata = Wished.ofStatus(choice.wished, status, attributes.at(on))
  const leader = hasNames(status, choice) ? leaders.get(Status.identityOf(status)) : undefined
  if (leader !== undefined) return { _tag: "HardLink", path, leader }
  switch (status.kind) {
    case "Directory":
    case "Fifo":
    case "Socket":
      return { _tag: status.kind, path, metadata }
    case "CharacterDevice":
    case "BlockDevice":
      return { _tag: status.kind, path, metadata, device: status.ownDevice }
    case "File": {
      const { size, usedBytes } = status
      // A bundle's members are small, and not looked at for holes.
      if (size <= Limits.smallFileBytes || usedBytes >= size) return { _tag: "File", path, metadata, size }
      const data = holes.runsAt(real ?? ofKey(own), status)
      const file = { _tag: "File", path, metadata, size, usedBytes } as const
      return data === undefined ? file : { ...file, data }
    }
    case "Symlink":
      return { _tag: "Symlink", path, metadata, target: targetAt(ofKey(own)) }
    case "Other":
      return "what is of its type is not sent"
  }
}

const below = (directory: string, name: string): string =>
  directory.endsWith("/") ? directory + name : `${directory}/${name}`

/** A path from the root. */
const absolute = (path: string): string =>
  resolved(path.startsWith("/") ? path : `${keyOf(Buffer.from(process.cwd()))}/${path}`)

const placeOf = (path: string, name: string): Place => ({
  source: { path: ofKey(path), name: ofKey(name) },
  real: undefined
})

const slash = Buffer.from("/")
const dot = Buffer.from(".")
const dots = Buffer.from("..")
const empty = Buffer.alloc(0)
const emptyArgument = Buffer.from('""')
