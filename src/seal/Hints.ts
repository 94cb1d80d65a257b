/**
 * A catcher that cannot join a master lets it know, so that its user is told there as well. Anybody
 * may say so: a hint is shown, and does nothing more. [K-11]
 */

import type { Address } from "../protocol/Address.ts"
import * as Limits from "../protocol/Limits.ts"
import type * as Seal from "./Seal.ts"

/** The hints of one catcher. */
export class Hints {
  private readonly givenMillis = new Map<Address, number>()
  private readonly surroundings: Seal.Surroundings

  constructor(surroundings: Seal.Surroundings) {
    this.surroundings = surroundings
  }

  /** Gives one, but not more than one a second to an address. */
  give(to: Address, hint: () => Uint8Array): void {
    const nowMillis = this.surroundings.now()
    const before = this.givenMillis.get(to)
    if (before !== undefined && nowMillis - before < Limits.forgetMillis) return
    // of so many different masters nobody needs to know
    if (before === undefined && this.givenMillis.size >= Limits.heardMasters) return
    this.givenMillis.set(to, nowMillis)
    this.surroundings.tell(to, hint())
  }
}
