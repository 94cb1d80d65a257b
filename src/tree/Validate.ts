/**
 * The entries that a catcher may not make, and why. Pure.
 *
 * [M-1] an entry's parent is an earlier Directory entry, or the destination itself.
 * [M-2] a hard link's leader is an earlier entry that is neither a directory nor a hard link.
 */

import type { Entry } from "./Entry.ts"
import { keyOf } from "./Names.ts"

/**
 * Why an entry may not be made, by its index; entries that are fine are absent. A refused directory refuses what is in it. [M-4] The
 * master and all catchers come to the same: a catcher's own policy has its place in catcher/TreeFiles.
 */
export const refused = (entries: ReadonlyArray<Entry>): ReadonlyMap<number, string> => {
  const out = new Map<number, string>()
  const seen = new Seen(entries)
  entries.forEach((entry, index) => {
    const key = keyOf(entry.path)
    const slash = key.lastIndexOf("/")
    const { isTwice, parent } = seen.next(key, slash, index)
    const isBelow = slash === -1 || (slash > 0 && parent.isDirectory)
    const reason = isTwice
      ? "the manifest names it twice"
      : (refusedPath(key, entry, isBelow) ?? refusedLink(entry, index, entries, out))
    if (reason !== undefined) out.set(index, reason)
    if (!isTwice && reason === undefined && entry._tag === "Directory") seen.directory(key).isDirectory = true
  })
  return out
}

/** What may be a directory, because a path goes through it or an entry is one. */
interface Place {
  /** May entries be in it? */
  isDirectory: boolean
  /** The name in it that came last; undefined: none has. */
  last: string | undefined
}

/** The paths so far. As names mostly ascend in each directory, the last one there tells that the next is new. */
class Seen {
  private readonly entries: ReadonlyArray<Entry>
  private readonly places = new Map<string, Place>()
  /** The directory of the path before, which often is that of the next. */
  private before = ""
  private place = this.directory("")
  /** All paths, from the first one on that is not after the one before it. */
  private paths: Set<string> | undefined

  constructor(entries: ReadonlyArray<Entry>) {
    this.entries = entries
  }

  directory(key: string): Place {
    const known = this.places.get(key)
    if (known !== undefined) return known
    const place: Place = { isDirectory: false, last: undefined }
    this.places.set(key, place)
    return place
  }

  /** Takes the path of the entry at an index, whose last slash is told. */
  next(key: string, slash: number, index: number): { readonly isTwice: boolean; readonly parent: Place } {
    const length = Math.max(slash, 0)
    if (this.before.length !== length || !key.startsWith(this.before)) {
      this.before = key.slice(0, length)
      this.place = this.directory(this.before)
    }
    const parent = this.place
    const name = key.slice(slash + 1)
    const isAfter = parent.last === undefined || name > parent.last
    if (isAfter) parent.last = name
    else this.paths ??= new Set(this.entries.slice(0, index).map(({ path }) => keyOf(path)))
    const isTwice = !isAfter && this.paths?.has(key) === true
    this.paths?.add(key)
    return { isTwice, parent }
  }
}

const refusedPath = (key: string, { _tag }: Entry, isBelow: boolean): string | undefined => {
  if (key === "") return _tag === "Directory" ? undefined : "the destination itself is a directory"
  // most are: then only the name is left to be looked at
  if (isBelow && isName(key.slice(key.lastIndexOf("/") + 1))) return undefined
  if (key.includes("\0")) return "its path has a NUL byte"
  if (key.startsWith("/")) return "its path is absolute"
  const component = noName.exec(key)
  return component === null
    ? "its parent is not a directory of the manifest"
    : `its path has a component "${component[1]}"`
}

const isName = (name: string): boolean => name !== "" && name !== "." && name !== ".." && !name.includes("\0")

/** A component of a path that names nothing below it. */
const noName = /(?:^|\/)(\.{0,2})(?:\/|$)/

const refusedLink = (
  entry: Entry,
  index: number,
  entries: ReadonlyArray<Entry>,
  refusedSoFar: ReadonlyMap<number, string>
): string | undefined => {
  if (entry._tag === "HardLink") {
    const leader = entry.leader < index ? entries[entry.leader] : undefined
    if (leader === undefined || leader._tag === "Directory" || leader._tag === "HardLink")
      return "it is a hard link to no earlier file of the manifest"
    if (refusedSoFar.has(entry.leader)) return "it is a hard link to a refused file"
  }
  if (entry._tag === "Symlink" && (entry.target.length === 0 || entry.target.includes(0))) {
    return "its link target is empty or has a NUL byte"
  }
  return undefined
}
