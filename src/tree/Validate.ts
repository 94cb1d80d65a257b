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
  /** The paths so far; what is in the directories among them may follow. */
  const isParent = new Map<string, boolean>()
  entries.forEach((entry, index) => {
    const key = keyOf(entry.path)
    const isTwice = isParent.has(key)
    const reason = isTwice
      ? "the manifest names it twice"
      : (refusedPath(key, entry, isParent) ?? refusedLink(entry, index, entries, out))
    if (reason !== undefined) out.set(index, reason)
    if (!isTwice) isParent.set(key, reason === undefined && entry._tag === "Directory")
  })
  return out
}

const refusedPath = (key: string, { _tag }: Entry, isParent: ReadonlyMap<string, boolean>): string | undefined => {
  if (key === "") return _tag === "Directory" ? undefined : "the destination itself is a directory"
  const slash = key.lastIndexOf("/")
  const isBelow = slash === -1 || (slash > 0 && isParent.get(key.slice(0, slash)) === true)
  // most are: then only the name is left to be looked at
  if (isBelow && isName(key.slice(slash + 1))) return undefined
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
