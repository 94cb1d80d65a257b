/**
 * The demand for pages: the catchers that still want them. The demand is asked before pages are
 * read, and once more before they go on the air, so that nothing is read or sent for nobody. [P-7]
 */
import * as Effect from "effect/Effect"

export interface Demand {
  /** True while a catcher is left that wants the pages. Once it is false it stays so. */
  readonly isLeft: () => boolean
  /** Waits while all that are left are away; answers whether one is left. */
  readonly reached: Effect.Effect<boolean>
}

/** Of pages that are always wanted. */
export const always: Demand = { isLeft: () => true, reached: Effect.succeed(true) }
