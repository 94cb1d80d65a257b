/**
 * The store's knowledge of a session's tree: the entries, which of them are refused, and which files arrived. A hard link is
 * made at the end, and only when its leader arrived.
 */

import * as Veto from "../filter/Veto.ts"
import * as Compare from "../tree/Compare.ts"
import type { Entry } from "../tree/Entry.ts"
import { display } from "../tree/Names.ts"
import { keeps, type Policy } from "../tree/Policy.ts"
import { refused } from "../tree/Validate.ts"
import { leaderless, refusal, vetoed } from "./Reasons.ts"
import { DestinationEscape, type StoreError, type Surveyed } from "./Store.ts"

type Of<Tag extends Entry["_tag"]> = Extract<Entry, { readonly _tag: Tag }>

export class Inventory {
  /** The entries as the latest revision has them. */
  entries: ReadonlyArray<Entry>
  /** As they were surveyed. */
  private readonly manifest: ReadonlyArray<Entry>
  /** Why an entry may not be made, by its index. */
  private readonly refusals: ReadonlyMap<number, string>
  /** Entries that hard links will need, and those of them that arrived. */
  private readonly leaders = new Set<number>()
  private readonly arrived = new Set<number>()
  /** Entries that the catcher's owner lets no master touch. */
  private readonly vetoed: ReadonlySet<number>

  private surveyed: Surveyed | undefined
  /** By which it is seen whether something is right still: what came by its content has its time now. */
  private comparing: Policy | undefined

  constructor(entries: ReadonlyArray<Entry>, veto: Veto.Veto) {
    this.entries = entries
    this.manifest = entries
    this.refusals = refused(entries)
    this.vetoed = Veto.entriesOf(veto, entries)
    for (const entry of entries) if (entry._tag === "HardLink") this.leaders.add(entry.leader)
  }

  /** Takes what a survey has found of these entries. */
  takeSurvey(surveyed: Surveyed): void {
    this.surveyed = surveyed
    const { policy } = surveyed
    this.comparing = policy.compare === "Content" ? { ...policy, compare: "Time" } : policy
    for (const leader of this.leaders) if (this.stays(leader) && !this.isVetoed(leader)) this.arrived.add(leader)
  }

  /** May nothing of the entry be touched, as far as the catcher's owner is concerned? */
  isVetoed(index: number): boolean {
    return this.vetoed.has(index)
  }

  /** What a survey tells of an entry's change. A hard link is as its leader, and `changes` has those of entries before. */
  told(index: number, change: number, changes: Uint16Array): number {
    if (!this.isVetoed(index)) return change
    const entry = this.entries[index]
    const isLeaders = entry._tag === "HardLink" && Compare.isVetoed(changes[entry.leader] ?? 0)
    return isLeaders ? Compare.change.Vetoed : Compare.vetoed(change)
  }

  /**
   * What a survey tells once each entry was compared: of entries that are one file at the catcher, and of hard links. One that is
   * its leader's file is so no more when that is made anew, and differs from its entry as the leader does. As rsync has it, that
   * the leader's content alone comes changes nothing of it.
   */
  settle(changes: Uint16Array, sharers: Pick<Compare.Sharers<never>, "part">): void {
    sharers.part(changes)
    this.entries.forEach((entry, index) => {
      if (entry._tag !== "HardLink" || changes[index] !== 0) return
      const leaders = changes[entry.leader] ?? 0
      const isOther = Compare.isLacked(leaders) && leaders !== Compare.change.Content
      if (isOther) changes[index] = this.told(index, leaders, changes)
    })
  }

  /** Why an entry may not be made, as an error; undefined: it may. */
  refusal(index: number): DestinationEscape | StoreError | undefined {
    const reason = this.refusals.get(index)
    if (reason !== undefined) return new DestinationEscape({ path: display(this.entries[index].path), reason })
    return this.isVetoed(index) ? vetoed() : undefined
  }

  /** The file at an index; throws when the entry is no file. */
  file(index: number): Of<"File"> {
    const entry = this.entries[index]
    if (entry?._tag === "File") return entry
    throw refusal("EINVAL", `entry ${index} of the manifest is no file`)
  }

  /** Must no catcher make the entry, because of its path? */
  isRefused(index: number): boolean {
    return this.refusals.has(index)
  }

  /** Is the entry left alone, whatever comes? */
  private isBarred(index: number): boolean {
    return this.isRefused(index) || this.isVetoed(index)
  }

  /** Has the refusal of an entry to be told, because no survey has? */
  isToldFirst(index: number): boolean {
    return this.isRefused(index) || (this.isVetoed(index) && this.surveyed === undefined)
  }

  /** The change that the survey has found of an entry; where there was none, all have to come. */
  changeOf(index: number): number {
    return this.surveyed?.changes[index] ?? Compare.change.Content
  }

  /** Is nothing known to have its name? */
  isNew(index: number): boolean {
    return this.surveyed === undefined || Compare.isNew(this.changeOf(index))
  }

  /** Does it stand there already, or does the policy leave it alone? */
  stays(index: number): boolean {
    return !Compare.isLacked(this.changeOf(index))
  }

  /**
   * Is there something to be done for an entry before any content comes? Files are made when they come, hard links in the end;
   * what stands there already is left alone, or only described. Directories get their metadata at the end.
   */
  isMadeFirst(index: number): boolean {
    const change = this.changeOf(index)
    if (Compare.isKept(change) || this.isBarred(index)) return false
    switch (this.entries[index]._tag) {
      case "Directory":
        return true
      case "File":
        // what is revised comes anew
        return change !== 0 && !Compare.isLacked(change) && this.asCompared(index) === this.manifest[index]
      case "HardLink":
        return false
      default:
        return change !== 0
    }
  }

  /** The indices of entries that pass a test. */
  indices(test: (entry: Entry, index: number) => boolean): ReadonlyArray<number> {
    return this.entries.flatMap((entry, index) => (test(entry, index) ? [index] : []))
  }

  /** Hard links that may be made: also those that were right, because their leader may have come anew. One that is kept does not. */
  hardLinks(): ReadonlyArray<number> {
    const isKept = (index: number) => Compare.isKept(this.changeOf(index))
    return this.indices((entry, index) => {
      if (entry._tag !== "HardLink" || this.isBarred(index) || isKept(index)) return false
      return this.changeOf(index) !== 0 || !isKept(entry.leader)
    })
  }

  /** Directories of the tree that may have names beyond it. */
  directories(): ReadonlyArray<number> {
    const isOpen = (index: number) => !this.isBarred(index) && !Compare.isKept(this.changeOf(index))
    return this.indices((entry, index) => entry._tag === "Directory" && isOpen(index))
  }

  /** Has the survey found what is neither a directory nor a hard link right, so that it must be so in the end? */
  isUnchanged(index: number): boolean {
    const { _tag } = this.entries[index]
    const change = this.changeOf(index)
    const isOther = _tag === "Directory" || _tag === "HardLink"
    return !isOther && !Compare.isLacked(change) && !Compare.isKept(change) && !this.isBarred(index)
  }

  /** Is this the manifest that it is of? Revisions may have come since. */
  isOf(manifest: ReadonlyArray<Entry>): boolean {
    return this.manifest === manifest
  }

  /** [Y-5] What stands there is to be as this entry: where the policy keeps anything, a revision brings nothing new to it. */
  asCompared(index: number): Entry {
    return (keeps(this.comparing) ? this.manifest : this.entries)[index]
  }

  /** Is it no longer what its entry says, as the survey compared it? */
  isOther(index: number, found: Compare.Found | undefined): boolean {
    const entry = this.asCompared(index)
    if (this.comparing === undefined || entry._tag === "HardLink") return false
    const change = Compare.changesOf(entry, found, this.comparing, true)
    return Compare.isLacked(change) || Compare.isDoubted(change)
  }

  /** Is its metadata another than its entry's, as far as the policy carries it? `isRoot`: the catcher sets owners. */
  isMisdescribed(index: number, found: Compare.Found | undefined, isRoot: boolean): boolean {
    const entry = this.asCompared(index)
    if (this.comparing === undefined || entry._tag === "HardLink") return false
    return Compare.isDescribed(Compare.changesOf(entry, found, this.comparing, isRoot))
  }

  /** What the entry is has its final name. */
  arrive(index: number): void {
    if (this.leaders.has(index)) this.arrived.add(index)
  }

  /** What stood there was right, and is not any more. */
  lose(index: number): void {
    this.arrived.delete(index)
  }

  /** The entry that a hard link is another name of; throws when that did not arrive. */
  leaderOf(link: Of<"HardLink">): Entry {
    const leader = this.entries[link.leader]
    if (this.arrived.has(link.leader)) return leader
    throw leaderless(leader.path)
  }
}
