/**
 * What catchers have still to commit. One that takes longer for that than to receive is asked for
 * no more files beside others, which would wait for it.
 */
import * as Limits from "../protocol/Limits.ts"
import type { Audience } from "../wire/Message.ts"

/** Files whose close was asked and not answered. */
export class Closing {
  private readonly files = new Map<number, Set<number>>()

  asks(file: number, slots: Audience): void {
    for (const slot of slots) this.files.set(slot, (this.files.get(slot) ?? new Set<number>()).add(file))
  }

  answered(file: number, slots: Audience): void {
    for (const slot of slots) this.files.get(slot)?.delete(file)
  }

  /**
   * The part of an audience that a file is sent to now. Where some commit in time, those
   * that are far behind are sent it in a further pass. Where all are slow, they are waited for.
   */
  ready(audience: Audience): Audience {
    const count = (slot: number) => this.files.get(slot)?.size ?? 0
    if (!audience.some((slot) => count(slot) <= Limits.filesInFlight)) return audience
    return audience.filter((slot) => count(slot) <= Limits.filesInFlight + Limits.lateFiles)
  }
}
