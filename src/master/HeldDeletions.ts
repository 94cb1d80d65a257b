/**
 * What surveys have found that is to go at catchers, with --itemize-changes: it is told when it has
 * gone, because it may stay after all. [Y-7]
 */
import * as Limits from "../protocol/Limits.ts"
import type { Event } from "../report/Progress.ts"

type Itemized = Extract<Event, { readonly _tag: "Itemized" }>

/** Deletions of catchers that have not committed their trees: `Limits.heldDeletions` at most. */
export class HeldDeletions {
  private readonly held = new Map<number, Array<Itemized>>()
  private count = 0

  /** Is it held now? What has no room can be told at once. */
  add(slot: number, deletion: Itemized): boolean {
    if (this.count >= Limits.heldDeletions) return false
    const deletions = this.held.get(slot)
    if (deletions === undefined) this.held.set(slot, [deletion])
    else deletions.push(deletion)
    this.count++
    return true
  }

  /** Those of a catcher, which are held no more. */
  take(slot: number): ReadonlyArray<Itemized> {
    const deletions = this.held.get(slot) ?? []
    this.held.delete(slot)
    this.count -= deletions.length
    return deletions
  }
}
