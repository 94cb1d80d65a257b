/**
 * What only contents can tell: entries that some catcher is in doubt of, those of them that lists
 * have hashes of, and how far the hashing is. [Y-12]
 */
import type { Comparisons } from "../phase/Survey.ts"
import { union } from "../protocol/Runs.ts"
import type { Runs } from "../protocol/Words.ts"
import * as Lacks from "../tree/Lacks.ts"

/** Bytes that are hashed, of how many. */
interface Hashed {
  readonly bytes: number
  readonly total: number
}

export class Doubts {
  private doubted: Runs = []
  private listed: Runs = []
  /** How far the master is. */
  own: Hashed = { bytes: 0, total: 0 }
  /** How far each catcher is that compares for long. */
  readonly progress: Comparisons = new Map()

  /** Of these entries a catcher cannot tell without their content. */
  add(entries: Runs): void {
    this.doubted = union([this.doubted, entries])
  }

  /** Those of them of which no list has a hash. */
  toHash(): Runs {
    return Lacks.only(this.doubted, (entry) => !Lacks.has(this.listed, entry))
  }

  /** A list has hashes of these. */
  list(entries: Runs): void {
    this.listed = union([this.listed, entries])
  }

  /** How far the hashing is: here, and then at the catcher that is furthest behind. */
  hashing(compares: (slot: number) => boolean): Hashed | undefined {
    if (this.own.bytes < this.own.total) return this.own
    const catchers = [...this.progress]
      .filter(([slot, { toHash }]) => toHash > 0 && compares(slot))
      .map(([, { hashed, toHash }]): Hashed => ({ bytes: hashed, total: toHash }))
    return catchers.toSorted((a, b) => a.bytes / a.total - b.bytes / b.total)[0]
  }
}
