/**
 * The entries that a catcher may not make, and why. Pure.
 *
 * [M-1] an entry's parent is an earlier Directory entry, or the destination itself.
 * [M-2] a hard link's leader is an earlier File entry.
 */

import type { Entry } from "./Entry.ts"
import { keyOf } from "./Names.ts"

/**
 * Why an entry may not be made, by its index; entries that are fine are absent. A refused directory refuses what is in it. [M-4] The
 * master and all catchers come to the same: a catcher's own policy has its place in catcher/TreeFiles.
 */
export const refused = (entries: ReadonlyArray<Entry>): ReadonlyMap<number, string> => {
  const out = new Map<number, string>()
  const directories = new Set<string>([""])
  const seen = new Set<string>()
  entries.forEach((entry, index) => {
    const reason = refusal(entry, index, entries, directories, seen, out)
    const key = keyOf(entry.path)
    if (reason !== undefined) out.set(index, reason)
    else if (entry._tag === "Directory") directories.add(key)
    seen.add(key)
  })
  return out
}

const refusal = (
  entry: Entry,
  index: number,
  entries: ReadonlyArray<Entry>,
  directories: ReadonlySet<string>,
  seen: ReadonlySet<string>,
  refusedSoFar: ReadonlyMap<number, string>
): string | undefined => {
  const key = keyOf(entry.path)
  if (seen.has(key)) return "the manifest names it twice"
  if (key === "") return entry._tag === "Directory" ? undefined : "the destination itself is a directory"
  if (key.includes("\0")) return "its path has a NUL byte"
  if (key.startsWith("/")) return "its path is absolute"
  for (const name of key.split("/")) {
    if (name === "" || name === "." || name === "..") return `its path has a component "${name}"`
  }
  const slash = key.lastIndexOf("/")
  if (slash > 0 && !directories.has(key.slice(0, slash))) return "its parent is not a directory of the manifest"
  if (entry._tag === "HardLink") {
    const leader = entry.leader < index ? entries[entry.leader] : undefined
    if (leader?._tag !== "File") return "it is a hard link to no earlier file of the manifest"
    if (refusedSoFar.has(entry.leader)) return "it is a hard link to a refused file"
  }
  if (entry._tag === "Symlink" && (entry.target.length === 0 || entry.target.includes(0))) {
    return "its link target is empty or has a NUL byte"
  }
  return undefined
}
