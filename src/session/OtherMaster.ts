/**
 * Another master on the group: of two that gather, the younger waits until the elder ends or is not
 * heard any more. [J-4]
 */
import type * as Latch from "effect/Latch"
import type { Address } from "../protocol/Address.ts"

export class OtherMaster {
  private readonly now: () => number
  private readonly changed: Latch.Latch
  private known: { readonly address: Address; readonly untilMillis: number } | undefined

  /** `changed` opens when what is known of it changes. */
  constructor(now: () => number, changed: Latch.Latch) {
    this.now = now
    this.changed = changed
  }

  /** The group is that master's for so long, if nothing more is heard of it. */
  onHeard(address: Address, lastsMillis: number): void {
    const untilMillis = this.now() + lastsMillis
    if (lastsMillis <= 0 || (this.known !== undefined && this.known.untilMillis >= untilMillis)) return
    this.known = { address, untilMillis }
    this.changed.openUnsafe()
  }

  /** The other master has ended. */
  forgets(address: Address): void {
    if (this.known?.address !== address) return
    this.known = undefined
    this.changed.openUnsafe()
  }

  current(): { readonly address: Address; readonly leftMillis: number } | undefined {
    if (this.known === undefined || this.known.untilMillis <= this.now()) return undefined
    return { address: this.known.address, leftMillis: this.known.untilMillis - this.now() }
  }
}
