/**
 * What all entries come to: counted once, because there may be a million, and hundreds of catchers.
 */
import type { Runs } from "../protocol/Words.ts"
import { counts, type Entry } from "../tree/Entry.ts"
import * as Lacks from "../tree/Lacks.ts"

interface Size {
  readonly files: number
  readonly bytes: number
}

/** They hold until a revision changes the entries. */
export interface Totals {
  readonly entries: ReadonlyArray<Entry>
  readonly all: Size
  /** Regular files that stand at a catcher which lacks these entries. */
  readonly standing: (lacks: Runs) => Size
}

/** `isStandable`: may a survey have found the entry as it is now? */
export const totalsOf = (entries: ReadonlyArray<Entry>, isStandable: (entry: number) => boolean): Totals => {
  const sizeOf = (among: Runs) => Lacks.filesIn(Lacks.only(among, isStandable), entries)
  const { bytes, files } = sizeOf([0, entries.length])
  const standing = (lacks: Runs): Size => {
    const lacked = sizeOf(lacks)
    return { files: files - lacked.files, bytes: bytes - lacked.bytes }
  }
  return { entries, all: counts(entries), standing }
}
