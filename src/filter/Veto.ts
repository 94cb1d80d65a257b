/**
 * The veto of a catcher's owner: what no master may do to the catcher's disk. Paths stay as they are, and no more than so many
 * names are deleted. Pure. [Y-9]
 */

import * as Result from "effect/Result"
import type { Entry } from "../tree/Entry.ts"
import { keyOf, parentOf } from "../tree/Names.ts"
import { type Filter, isExcluded, make as makeFilter } from "./Filter.ts"
import type { Rule } from "./Rule.ts"

/** A veto. */
export interface Veto {
  /** What it excludes no master may touch; undefined: it protects nothing. */
  readonly filter: Filter | undefined
  /** So many names may be deleted in a session. */
  readonly mostDeleted: number
}

/** The code of what is refused so: no system has it. */
export const code = "EVETO"

/** Why a protected entry is refused. */
export const reason = "protected by the owner of this catcher (catch --protect)"

/** No veto. */
export const none: Veto = { filter: undefined, mostDeleted: Infinity }

/** The veto of filter rules, whose root is the destination. Rules that are read from files of the destination are left out. */
export const make = (rules: ReadonlyArray<Rule>, mostDeleted = Infinity): Veto => {
  const own = rules.filter(({ _tag }) => _tag === "Match")
  const sources = { read: () => Result.succeed(undefined), isNulSeparated: false, cvsWords: "" }
  return {
    filter: own.length === 0 ? undefined : makeFilter(own, { side: "Receiver", root: "", sources }),
    mostDeleted
  }
}

/** How many names may be deleted, and whose limit that is, in words. */
export interface Limit {
  readonly most: number
  readonly isVetoed: boolean
  readonly words: string
}

/** The smaller limit holds: the master's, or that of the catcher's owner. */
export const limitOf = ({ mostDeleted }: Veto, mastersMost: number): Limit => {
  if (mostDeleted >= mastersMost) return { most: mastersMost, isVetoed: false, words: `--max-delete ${mastersMost}` }
  const words = `the owner of this catcher allows ${mostDeleted === 0 ? "none (catch --no-delete)" : `${mostDeleted} (catch --max-delete)`}`
  return { most: mostDeleted, isVetoed: true, words }
}

/** Why so many names more stay. */
export const leftOf = (left: number, { words }: Limit): string => `${left} more were not deleted: ${words}`

/** Does the veto name a path itself? Of a directory all that is in it is protected as well. */
export const names = ({ filter }: Veto, key: string, isDirectory: boolean): boolean =>
  filter !== undefined && key !== "" && isExcluded(filter, key, isDirectory)

/** The entries that are protected, or in a protected directory, or hard links to such a file; the topmost of them come first. */
export const entriesOf = (veto: Veto, entries: ReadonlyArray<Entry>): ReadonlySet<number> => {
  const out = new Set<number>()
  if (veto.filter === undefined) return out
  const directories = new Map<string, boolean>([["", false]])
  const isIn = (key: string): boolean => {
    const known = directories.get(key)
    if (known !== undefined) return known
    const found = isIn(parentOf(key)) || names(veto, key, true)
    directories.set(key, found)
    return found
  }
  entries.forEach((entry, index) => {
    const key = keyOf(entry.path)
    const isDirectory = entry._tag === "Directory"
    if (isDirectory ? isIn(key) : isIn(parentOf(key)) || names(veto, key, false)) out.add(index)
  })
  entries.forEach((entry, index) => {
    if (entry._tag === "HardLink" && out.has(entry.leader)) out.add(index)
  })
  return out
}
