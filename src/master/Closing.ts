/**
 * What catchers have still to commit, and what waits for stragglers. A catcher that is behind with
 * much of either is sent no more files beside others, which would wait for it.
 */
import * as Effect from "effect/Effect"
import * as Limits from "../protocol/Limits.ts"
import type { Audience } from "../wire/Message.ts"
import { HeldUp } from "./HeldUp.ts"

/** Files whose close was asked and not answered, and files that wait for stragglers. */
export class Closing {
  private readonly files = new Map<number, Set<number>>()
  /** By file: the stragglers for which it waits. */
  private readonly lagging = new Map<number, Audience>()
  /** For how long the others have waited for each. */
  readonly heldUp = new HeldUp()
  private readonly awayMillis: number

  constructor(awayMillis: number) {
    this.awayMillis = awayMillis
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
   * The part of an audience that a file is sent to now. Those that are far behind
   * others are sent it in a further pass. Where all are slow, they are waited for.
   */
  ready(audience: Audience): Audience {
    const inTime = others(audience, this.stragglers())
    return this.committing(others(inTime, this.holdingUp(inTime)))
  }

  /** Those of an audience that hold up the others. */
  holdingUp(audience: Audience): ReadonlySet<number> {
    return this.heldUp.by(audience, this.awayMillis)
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
