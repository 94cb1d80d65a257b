/**
 * The plan of the files that carry the contents of entries, and what a revision makes of it. Pure.
 *
 * [M-3] both ends derive the same plan from the same entries.
 * [M-8] a revision changes sizes and metadata of files alone.
 */

import * as Result from "effect/Result"
import * as Limits from "../protocol/Limits.ts"
import { isList, type Kind, type ListKind, type Runs } from "../protocol/Words.ts"
import type { Entry } from "./Entry.ts"
import * as Lacks from "./Lacks.ts"
import { type Member, memberOf } from "./Members.ts"
import { keyOf } from "./Names.ts"

/** What one four-state machine carries: the manifest (file 0), one regular file, a bundle of small ones, or a list of others. */
export interface CarriedFile {
  /** Its number on the wire; 0 is the manifest. */
  readonly file: number
  /** What it carries. */
  readonly kind: Kind
  /** Bytes of content. */
  readonly size: number
  /** A bundle's File entries, and where each begins in its content; for a single file its one entry. */
  readonly members: ReadonlyArray<Member>
}

/** Members of a bundle, for which a trailer has bits [L-3]; 0 of anything else. */
export const bundled = ({ kind, members }: CarriedFile): number => (kind === "Bundle" ? members.length : 0)

/** The plan of carried files: small ones in bundles of consecutive entries, larger ones alone. File 0 is the manifest. */
export const plan = (entries: ReadonlyArray<Entry>): ReadonlyArray<CarriedFile> => planOf(entries, entries.keys(), 1)

/** The plan of the entries that are selected: it follows the selection, which is a file of the plan itself. [Y-4] */
export const select = (entries: ReadonlyArray<Entry>, selection: Runs, file: number): ReadonlyArray<CarriedFile> =>
  planOf(entries, Lacks.each(selection), file + 1)

/** Others travel in bundles. */
export const travelsAlone = ({ data, size }: Extract<Entry, { readonly _tag: "File" }>): boolean =>
  size > Limits.smallFileBytes || data !== undefined

/** The plan of some of the entries, whose files are numbered from `firstFile`. */
const planOf = (entries: ReadonlyArray<Entry>, indices: Iterable<number>, firstFile: number) => {
  const out: Array<CarriedFile> = []
  let members: Array<Member> = []
  let size = 0
  const flush = () => {
    if (members.length === 0) return
    out.push({ file: firstFile + out.length, kind: "Bundle", size, members })
    members = []
    size = 0
  }
  for (const index of indices) {
    const entry = entries[index]
    if (entry._tag !== "File") continue
    if (travelsAlone(entry)) {
      const file = firstFile + out.length
      const member = memberOf(index, 0, entry)
      out.push({ file, kind: "Single", size: member.size, members: [member] })
      continue
    }
    if (members.length === Limits.bundleFiles || size + entry.size > Limits.bundleBytes) flush()
    members.push(memberOf(index, size, entry))
    size += entry.size
  }
  flush()
  return out
}

/**
 * The pages of a plan, as both sides count them: of files that are sent, because they carry entries that no revision carries
 * instead, and were not dropped, less those that are held from the beginning [Y-13]; and of the lists of these files.
 */
export const neededPages = (
  plan: ReadonlyArray<CarriedFile>,
  pageBytes: number,
  isSent: (file: number) => boolean,
  heldOf: (file: number, pages: number) => number
): number =>
  plan.reduce((sum, { file, kind, size }) => {
    const isNeeded = kind !== "Hashes" && kind !== "Signatures" && (isList(kind) || isSent(file))
    const pages = Math.ceil(size / pageBytes)
    return sum + (isNeeded ? pages - heldOf(file, pages) : 0)
  }, 0)

// ---- revisions ----

/** The tree after a revision: its entries, those of them that are new, and the files that the plan has for them. */
export interface Revised {
  readonly entries: ReadonlyArray<Entry>
  readonly revised: ReadonlyArray<number>
  readonly plan: ReadonlyArray<CarriedFile>
}

/**
 * [M-8] A revision lists files of the manifest, by their path, with another size and other metadata. It is a file of the plan
 * itself, and what it lists follows it there; or a reason why it does not belong to this manifest.
 */
export const revise = (
  entries: ReadonlyArray<Entry>,
  revision: ReadonlyArray<Entry>,
  file: number
): Result.Result<Revised, string> => {
  const wanted = new Map(revision.map((entry) => [keyOf(entry.path), entry]))
  const revised: Array<number> = []
  const next = entries.map((entry, index) => {
    const other = entry._tag === "File" ? wanted.get(keyOf(entry.path)) : undefined
    if (other?._tag !== "File" || !wanted.delete(keyOf(entry.path))) return entry
    revised.push(index)
    return other
  })
  if (revised.length !== revision.length) return Result.fail("a revision lists what is no file of the manifest")
  return Result.succeed({ entries: next, revised, plan: planOf(next, revised, file + 1) })
}

/** A list as a file of the plan. */
export const listFile = (kind: ListKind, file: number, size: number): CarriedFile => ({ file, kind, size, members: [] })

/** The last file of a plan that carries each of the entries; one walk for all, as a revision lists thousands. */
export const carriersOf = (
  plan: ReadonlyArray<CarriedFile>,
  entries: ReadonlySet<number>
): ReadonlyMap<number, number> => {
  const carriers = new Map<number, number>()
  for (const { file, members } of plan) {
    for (const { entry } of members) if (entries.has(entry)) carriers.set(entry, file)
  }
  return carriers
}
