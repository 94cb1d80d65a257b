/**
 * A tree without its empty directories: those in which nothing is but directories. Pure.
 */

import type { Entry } from "../tree/Entry.ts"
import { keyOf } from "../tree/Names.ts"

/** Entries, and the place of each. */
interface Scanned<Place> {
  readonly entries: ReadonlyArray<Entry>
  readonly places: ReadonlyArray<Place>
}

/** What stays; hard links lead to where their leaders are then. */
export const pruned = <Place>({ entries, places }: Scanned<Place>): Scanned<Place> => {
  const full = new Set<string>()
  for (const entry of entries) {
    if (entry._tag === "Directory") continue
    const path = keyOf(entry.path)
    for (let end = path.lastIndexOf("/"); end > 0; end = path.lastIndexOf("/", end - 1)) {
      const directory = path.slice(0, end)
      // The directories above it are in the set by then.
      if (full.has(directory)) break
      full.add(directory)
    }
    full.add("")
  }
  const kept = entries.flatMap((entry, at) => (entry._tag !== "Directory" || full.has(keyOf(entry.path)) ? [at] : []))
  const indices = new Map(kept.map((at, index) => [at, index]))
  return {
    entries: kept.map((at) => {
      const entry = entries[at]
      return entry._tag === "HardLink" ? { ...entry, leader: indices.get(entry.leader)! } : entry
    }),
    places: kept.map((at) => places[at])
  }
}
