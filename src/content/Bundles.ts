/**
 * Memory for bundles, used again: a new buffer of megabytes for each makes V8 mark its whole heap every dozen of them.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Limits from "../protocol/Limits.ts"

export interface Bundles {
  /** Memory of `size` bytes until the scope closes, used again up to Limits.bundleBytes. Its bytes are arbitrary. */
  readonly take: (size: number) => Effect.Effect<Uint8Array, never, Scope.Scope>
}

export const make = (): Bundles => {
  const free: Array<Uint8Array> = []
  return {
    take: (size) =>
      size > Limits.bundleBytes
        ? Effect.sync(() => new Uint8Array(size))
        : Effect.map(
            Effect.acquireRelease(
              Effect.sync(() => free.pop() ?? new Uint8Array(Limits.bundleBytes)),
              (buffer) => Effect.sync(() => void (free.length < Limits.filesInFlight && free.push(buffer)))
            ),
            (buffer) => buffer.subarray(0, size)
          )
  }
}
