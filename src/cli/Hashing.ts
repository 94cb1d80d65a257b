/** Before a command hashes: can anything be hashed, and fast? */
import * as Effect from "effect/Effect"
import type * as Errno from "../system/Errno.ts"

// Loaded when a command wants it: --help hashes nothing.
const hash = Effect.promise(() => import("../content/Hash.ts"))

/** Is it told that the native hash is missing? Once is enough for a program that serves session after session. */
let isTold = false

/** Fails where there is no hash; where there is a slow one, that is told once. */
export const check = Effect.fnUntraced(function* <E>(fail: (refusal: Errno.Refusal & { readonly path: string }) => E) {
  const { missing, nothing, packageName } = yield* hash
  if (nothing !== undefined) return yield* Effect.fail(fail({ path: packageName, code: "ENOENT", reason: nothing }))
  if (missing === undefined || isTold) return
  isTold = true
  yield* Effect.logWarning(`${packageName}: ${missing}: hashing is a hundred times slower without it`)
})
