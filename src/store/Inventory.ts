/**
 * The store's knowledge of a session's tree: the entries, which of them are refused, and which files arrived. A hard link is
 * made at the end, and only when its leader arrived.
 */

import type { Entry } from "../tree/Entry.ts"
import { display } from "../tree/Names.ts"
import { refused } from "../tree/Validate.ts"
import { leaderless, refusal } from "./Reasons.ts"
import { DestinationEscape } from "./Store.ts"

type Of<Tag extends Entry["_tag"]> = Extract<Entry, { readonly _tag: Tag }>

export class Inventory {
  /** The entries as the latest revision has them. */
  entries: ReadonlyArray<Entry>
  /** Why an entry may not be made, by its index. */
  private readonly refusals: ReadonlyMap<number, string>
  /** Files that hard links will need, and those of them that arrived. */
  private readonly leaders = new Set<number>()
  private readonly arrived = new Set<number>()

  constructor(entries: ReadonlyArray<Entry>) {
    this.entries = entries
    this.refusals = refused(entries)
    for (const entry of entries) if (entry._tag === "HardLink") this.leaders.add(entry.leader)
  }

  /** Why an entry may not be made, as an error; undefined: it may. */
  refusal(index: number): DestinationEscape | undefined {
    const reason = this.refusals.get(index)
    return reason === undefined ? undefined : new DestinationEscape({ path: display(this.entries[index].path), reason })
  }

  /** The file at an index; throws when the entry is no file. */
  file(index: number): Of<"File"> {
    const entry = this.entries[index]
    if (entry?._tag === "File") return entry
    throw refusal("EINVAL", `entry ${index} of the manifest is no file`)
  }

  isRefused(index: number): boolean {
    return this.refusals.has(index)
  }

  /** The indices of entries that pass a test. */
  indices(test: (entry: Entry, index: number) => boolean): ReadonlyArray<number> {
    return this.entries.flatMap((entry, index) => (test(entry, index) ? [index] : []))
  }

  /** Hard links that may be made. */
  hardLinks(): ReadonlyArray<number> {
    return this.indices((entry, index) => entry._tag === "HardLink" && !this.isRefused(index))
  }

  /** A file has its final name. */
  arrive(index: number): void {
    if (this.leaders.has(index)) this.arrived.add(index)
  }

  /** The file that a hard link is another name of; throws when that file did not arrive. */
  leaderOf(link: Of<"HardLink">): Entry {
    const leader = this.entries[link.leader]
    if (this.arrived.has(link.leader)) return leader
    throw leaderless(leader.path)
  }
}
