/**
 * Whether this program stood still just now: it was stopped, or its machine slept. Datagrams
 * that it reads after that may have come at any time since, and tell of no master that it is alive.
 * [J-4]
 */
import * as Effect from "effect/Effect"

/** How often it is looked whether the program runs. */
export const tickMillis = 250

export class Wakefulness {
  private readonly now: () => number
  private awakeMillis: number
  private stoodStillMillis: number | undefined

  constructor(now: () => number) {
    this.now = now
    this.awakeMillis = now()
  }

  /** One that looks until the scope closes. */
  static readonly make = Effect.fnUntraced(function* (now: () => number) {
    const wakefulness = new Wakefulness(now)
    yield* Effect.forkScoped(wakefulness.looking)
    return wakefulness
  })

  // Datagrams that came while we stood still are read before the next look.
  private readonly looking: Effect.Effect<never> = Effect.forever(
    Effect.andThen(
      Effect.sleep(tickMillis),
      Effect.sync(() => {
        this.stoodStillMillis = this.sinceLastLook()
        this.awakeMillis = this.now()
      })
    )
  )

  private sinceLastLook(): number | undefined {
    return this.now() - this.awakeMillis > 2 * tickMillis ? this.awakeMillis : undefined
  }

  /** Since when we stood still, if that was just now. */
  stoodStillSince(): number | undefined {
    return this.stoodStillMillis ?? this.sinceLastLook()
  }
}
