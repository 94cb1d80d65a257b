/**
 * From calls that throw to failures. The disk's parts are synchronous and throw DestinationEscape, StoreError or Node's own
 * errors; here these become the error of an effect, or the failure of one entry.
 */

import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Errno from "../../system/Errno.ts"
import { display } from "../../tree/Names.ts"
import type { Failure } from "../../wire/Message.ts"
import { failureOf } from "../Reasons.ts"
import { DestinationEscape, StoreError } from "../Store.ts"

/** A thrown cause as the store's error, with the path that was worked on. A cause that is no refusal is thrown again. */
export const storeError =
  (path: Uint8Array) =>
  (cause: unknown): StoreError => {
    const { code, reason } = cause instanceof StoreError ? cause : Errno.fromCause(cause)
    return new StoreError({ path: display(path), code, reason })
  }

const errorOf =
  (path: Uint8Array) =>
  (cause: unknown): StoreError | DestinationEscape =>
    cause instanceof DestinationEscape ? cause : storeError(path)(cause)

/** Runs `body` as an effect. */
export const attempt = <A>(path: Uint8Array, body: () => A): Effect.Effect<A, StoreError | DestinationEscape> =>
  Effect.try({ try: body, catch: errorOf(path) })

/** An entry has failed because of that. A cause that is no refusal is thrown again. */
export const fail = (failures: Array<Failure>, entry: number, path: Uint8Array, cause: unknown): void =>
  void failures.push(failureOf(entry, errorOf(path)(cause)))

/** Runs `body` for one entry, whose index is told. When it throws, the entry has a failure and the others go on. */
export const forEntry = (
  failures: Array<Failure>,
  index: number,
  entry: { readonly path: Uint8Array } | undefined,
  body: () => void
): void => {
  const done = Result.try(body)
  // to make a path of a packed entry takes time
  if (Result.isFailure(done)) fail(failures, index, entry?.path ?? noPath, done.failure)
}

const noPath = new Uint8Array(0)

/** Runs `clean` when `body` throws. A failure of `clean` is dropped: the first one says why. */
export const orClean = <A>(body: () => A, clean: () => void): A => {
  const done = Result.try(body)
  if (Result.isSuccess(done)) return done.success
  Result.try(clean)
  throw done.failure
}
