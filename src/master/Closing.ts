/**
 * What catchers have still to commit, and what waits for stragglers. A catcher that is behind with
 * much of either is sent no more files beside others, which would wait for it.
 */
import * as Effect from "effect/Effect"
import * as Limits from "../protocol/Limits.ts"
import type { Audience } from "../wire/Message.ts"
import type { HeldUp } from "./HeldUp.ts"

/** Files whose close was asked and not answered, and files that wait for stragglers. */
export class Closing {
  private readonly files = new Map<number, Set<number>>()
  /** By file: the stragglers for which it waits. */
  private readonly lagging = new Map<number, Audience>()
  /** For how long the others have waited for each. */
  readonly heldUp: HeldUp

  constructor(heldUp: HeldUp) {
    this.heldUp = heldUp
  }

  /** Finishes a file that waits for these stragglers only. */
  waiting<A, E, R>(file: number, slots: Audience, finish: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.acquireUseRelease(
      Effect.sync(() => this.lagging.set(file, slots)),
      () => finish,
      () => Effect.sync(() => this.lagging.delete(file))
    )
  }

  asks(file: number, slots: Audience): void {
    for (const slot of slots) this.files.set(slot, (this.files.get(slot) ?? new Set<number>()).add(file))
  }

  answered(file: number, slots: Audience): void {
    for (const slot of slots) this.files.get(slot)?.delete(file)
  }

  /**
   * The part of an audience that a file is sent to now. Those that are far behind others are
   * sent it in a further pass; `holdingUp` are those of them that hold up others. Where all
   * are slow, they are waited for. `bytesAt`: what each has got.
   */
  ready(
    audience: Audience,
    bytesAt: (slot: number) => number
  ): { readonly audience: Audience; readonly holdingUp: Audience } {
    const inTime = others(audience, this.stragglers())
    const quick = others(inTime, this.heldUp.leaveOut(audience, bytesAt))
    const holdingUp = inTime.filter((slot) => !quick.includes(slot))
    return { audience: this.committing(quick), holdingUp }
  }

  /** Those for which as many files wait as may: they would drop a further one. */
  private stragglers(): ReadonlySet<number> {
    return new Set(this.lagging.size < Limits.lateFiles ? [] : [...this.lagging.values()].flat())
  }

  private committing(audience: Audience): Audience {
    const count = (slot: number) => this.files.get(slot)?.size ?? 0
    if (!audience.some((slot) => count(slot) <= Limits.filesInFlight)) return audience
    return audience.filter((slot) => count(slot) <= Limits.filesInFlight + Limits.lateFiles)
  }
}

/** Those of an audience that are none of these; all where nobody else is. */
const others = (audience: Audience, these: ReadonlySet<number>): Audience => {
  const rest = audience.filter((slot) => !these.has(slot))
  return rest.length > 0 ? rest : audience
}
