/**
 * The master's hashes of what is in doubt at a catcher, until it knows what it lacks. They come in
 * one list, and in more where catchers come late. [Y-12]
 */
import type * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import { countOf, union } from "../protocol/Runs.ts"
import type { Runs } from "../protocol/Words.ts"
import { agree, type Hashes } from "../tree/Hashes.ts"
import * as Lacks from "../tree/Lacks.ts"

export class MastersHashes {
  private lists: Array<Hashes> = []
  /** The entries of all of them. */
  private told: Runs = []
  /** What they are wanted for, as far as they have not come; undefined: that is not known yet. */
  private awaited: Runs | undefined
  private readonly complete = Latch.makeUnsafe(false)
  /** Waits until all that are wanted have come. */
  readonly areHere: Effect.Effect<void> = this.complete.await

  /** These are wanted. */
  expect(entries: Runs): void {
    this.awaited = entries
    this.look()
  }

  /**
   * Each entry's hash comes once, so that there are no more hashes than entries: answers what is
   * wrong otherwise.
   */
  take(hashes: Hashes): string | undefined {
    if (this.isComplete) return undefined
    const told = union([this.told, hashes.runs])
    if (countOf(told) < countOf(this.told) + countOf(hashes.runs)) return "the hash of an entry comes twice"
    this.told = told
    this.lists.push(hashes)
    this.look()
    return undefined
  }

  get isComplete(): boolean {
    return this.complete.isOpen()
  }

  /** Has the master a content of that entry, and is it the same? */
  agreeWith(own: Hashes, entry: number): boolean {
    return this.lists.some((list) => agree(list, own, entry))
  }

  /** No more are wanted. */
  forget(): void {
    this.lists = []
    this.told = []
    this.awaited = []
  }

  private look(): void {
    if (this.awaited === undefined) return
    const isMissing = (entry: number) => !this.lists.some((list) => list.has(entry))
    this.awaited = Lacks.only(this.awaited, isMissing)
    if (this.awaited.length === 0) this.complete.openUnsafe()
  }
}
