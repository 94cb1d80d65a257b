/** How long the sender has waited, and for what: it says what sets the pace of a session. */
import type { Kind, Waits } from "../protocol/pace/Limiting.ts"

/** The sender's own account of its waits. */
export class Waiting {
  private readonly millis: Record<Kind, number> = { Rate: 0, Catchers: 0, Network: 0, Work: 0 }
  private readonly bySlot = new Map<number, number>()
  /** The wait that goes on. */
  private current: { readonly kind: Kind; readonly slots: ReadonlyArray<number>; fromMillis: number } | undefined
  private readonly now: () => number

  constructor(now: () => number) {
    this.now = now
  }

  /** A wait begins; `slots`: the catchers that are waited for. */
  begin(kind: Kind, slots: ReadonlyArray<number> = []): void {
    this.current = { kind, slots, fromMillis: this.now() }
  }

  /** It is over. */
  end(): void {
    this.settle()
    this.current = undefined
  }

  /** All waits so far, also the one that goes on. */
  readonly read = (): Waits => {
    this.settle()
    return { millis: { ...this.millis }, bySlot: new Map(this.bySlot) }
  }

  private settle(): void {
    const { current } = this
    if (current === undefined) return
    const nowMillis = this.now()
    const passed = nowMillis - current.fromMillis
    current.fromMillis = nowMillis
    this.millis[current.kind] += passed
    for (const slot of current.slots) this.bySlot.set(slot, (this.bySlot.get(slot) ?? 0) + passed)
  }
}
