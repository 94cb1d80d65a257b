/**
 * Milliseconds of Effect's monotonic clock, read synchronously: for spans of time inside a program,
 * under TestClock too.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

export const millis: Effect.Effect<() => number> = Effect.map(
  Clock.Clock,
  (clock) => () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
)
