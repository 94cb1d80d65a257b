/**
 * Names of the tree that a destination may take for one another: where case does not matter, or an accent is spelt in one
 * way only. Entries that it cannot tell apart would come to lie in one place; the first keeps it, the other is a failure.
 *
 * The trap: which names are one depends on the destination, even on the directory. So the names that look alike are only
 * looked at closely, and what the file system says of them decides.
 */

import type { BigIntStats } from "node:fs"
import * as Status from "../system/Status.ts"
import type { Entry } from "../tree/Entry.ts"
import { display, keyOf, nameOf, ofKey } from "../tree/Names.ts"
import { refusal } from "./Reasons.ts"

/** A path in which nothing is left that some file system does not tell apart. */
export const fold = (path: Uint8Array): string => {
  const bytes = Buffer.from(path.buffer, path.byteOffset, path.length)
  const ascii = bytes.toString("latin1")
  const text = nonAscii.test(ascii)
    ? bytes.toString("utf8").normalize("NFKD").replace(unseen, "").toUpperCase().toLowerCase()
    : ascii.toLowerCase()
  // A dot or a blank at a name's end is not kept on file systems that came from DOS.
  return /[. ](\/|$)/.test(text) ? text.replace(/[. ]+(?=\/|$)/g, "") : text
}

const nonAscii = /[^\0-\x7f]/
const unseen = /\p{Default_Ignorable_Code_Point}/gu

export class Alike {
  private readonly entries: ReadonlyArray<Entry>
  /** For entries that look like others, by index: the entry that was put in place, by device and inode. */
  private readonly groups = new Map<number, Map<string, number>>()
  /** Directories that could not be told from others: nothing may be put into them. One character a byte, with a slash. */
  private readonly confused: Array<string> = []

  constructor(entries: ReadonlyArray<Entry>) {
    this.entries = entries
    const first = new Map<string, number>()
    entries.forEach((entry, index) => {
      // the destination itself has no name in it, also where nothing is left of another's
      if (entry.path.length === 0) return
      const folded = fold(entry.path)
      const other = first.get(folded)
      if (other === undefined) return void first.set(folded, index)
      const group = this.groups.get(other) ?? new Map<string, number>()
      this.groups.set(other, group)
      this.groups.set(index, group)
    })
  }

  /** Is there anything to be looked at for that entry? Of most trees for none. */
  concerns(index: number): boolean {
    return this.confused.length > 0 || this.groups.has(index)
  }

  /**
   * Throws when the name of an entry leads to something else of the tree. `found`: the file that the name leads to now; `names`: of
   * its directory, as the file system lists them.
   */
  check(index: number, found: BigIntStats | undefined, names: () => ReadonlyArray<Uint8Array>): void {
    const entry = this.entries[index]
    const key = keyOf(entry.path)
    const above = this.confused.find((directory) => key.startsWith(directory))
    if (above !== undefined) {
      throw notUnique(`the destination cannot tell its directory ${display(ofKey(above.slice(0, -1)))} from another`)
    }
    const group = this.groups.get(index)
    if (group === undefined || found === undefined) return
    const other = group.get(Status.inodeOf(found))
    // hard links of one file are several names of one thing
    const isOther = other !== undefined && other !== index && (found.isDirectory() || found.nlink === 1n)
    const own = nameOf(key)
    if (!isOther && names().some((name) => Buffer.compare(name, own) === 0)) return
    if (entry._tag === "Directory") this.confused.push(`${key}/`)
    throw notUnique(`the destination cannot tell its name from ${this.rival(index, other)}`)
  }

  /** The file that stands there now is the entry's. */
  placed(index: number, stats: BigIntStats | undefined): void {
    if (stats !== undefined) this.groups.get(index)?.set(Status.inodeOf(stats), index)
  }

  private rival(index: number, other: number | undefined): string {
    const placed = other ?? [...(this.groups.get(index)?.values() ?? [])].find((one) => one !== index)
    return placed === undefined ? "another that is there" : display(this.entries[placed].path)
  }
}

const notUnique = (words: string) => refusal("ENOTUNIQ", words)
