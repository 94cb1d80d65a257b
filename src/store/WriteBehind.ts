/**
 * Writes that go on while the next pages are taken in: a few at a time, in the slot's scope. A failure is told by the
 * next write, or by `settled`, which waits for all of them.
 */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Limits from "../protocol/Limits.ts"
import type { Slot, StoreError } from "./Store.ts"

export interface WriteBehind {
  /** Waits for its turn, not for its end. `done` is called when the bytes may be used again, whatever became of them. */
  readonly write: (offset: number, bytes: Uint8Array, done: () => void) => Effect.Effect<void, StoreError>
  readonly settled: Effect.Effect<void, StoreError>
}

export const make = (slot: Slot): Effect.Effect<WriteBehind, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Scope.Scope
    const turns = Semaphore.makeUnsafe(Limits.writesInFlight)
    let failure: StoreError | undefined
    const check = Effect.suspend(() => (failure === undefined ? Effect.void : Effect.fail(failure)))
    return {
      write: (offset, bytes, done) =>
        Effect.gen(function* () {
          yield* turns.take(1)
          yield* Effect.forkIn(
            Effect.ensuring(
              Effect.catch(slot.write(offset, bytes), (error) => Effect.sync(() => (failure ??= error))),
              Effect.suspend(() => {
                done()
                return turns.release(1)
              })
            ),
            scope,
            { startImmediately: true }
          )
          yield* check
        }),
      settled: Effect.andThen(turns.withPermits(Limits.writesInFlight)(Effect.void), check)
    }
  })
