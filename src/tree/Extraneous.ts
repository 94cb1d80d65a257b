/**
 * What a destination has beyond the tree: names in directories of the manifest that no entry has. Pure.
 */
import type { Entry } from "./Entry.ts"
import { keyOf } from "./Names.ts"

/**
 * The names that stay in each directory of the manifest, by its path; all as one character a byte.
 * `spared`: paths that have no entry, and stay all the same; of a directory of the manifest all that is in it stays, and it is
 * not among these.
 */
export const staying = (
  entries: ReadonlyArray<Entry>,
  spared: ReadonlyArray<Uint8Array>
): ReadonlyMap<string, ReadonlySet<string>> => {
  const names = new Map<string, Set<string>>()
  for (const { _tag, path } of entries) if (_tag === "Directory") names.set(keyOf(path), new Set())
  for (const path of [...entries.map(({ path }) => path), ...spared]) {
    const key = keyOf(path)
    // what is spared may be in directories without an entry: then the first of these stays, with all that is in it
    for (let end = key.length, isKept = false; end > 0 && !isKept;) {
      const slash = key.lastIndexOf("/", end - 1)
      const staying = names.get(key.slice(0, Math.max(slash, 0)))
      staying?.add(key.slice(slash + 1, end))
      isKept = staying !== undefined
      end = slash
    }
  }
  for (const path of spared) names.delete(keyOf(path))
  return names
}
