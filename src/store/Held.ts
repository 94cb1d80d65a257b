/** A file that holds what older versions have of it. [Y-13] */
import * as Effect from "effect/Effect"
import { Postponed } from "../delta/Postponed.ts"
import type { Reused, Reusing } from "../delta/Reuse.ts"
import type { FileWriter } from "./Store.ts"

/** The writer, which holds that. What is still to be copied is copied until the scope closes, or at once where it is read. [Y-18] */
export const holding = Effect.fnUntraced(function* (
  writer: FileWriter,
  { signature }: Reusing,
  { held, postponed }: Reused
) {
  const proven = { ...writer, held, isProven: true } as FileWriter
  if (postponed === undefined) return proven
  const { read, write } = writer
  const copying = new Postponed({ ...postponed, signature, write })
  // a failure is told when it settles
  yield* Effect.forkScoped(Effect.ignore(copying.all()))
  return {
    ...proven,
    read: (offset, into) => Effect.andThen(copying.part(offset, into.length), read(offset, into)),
    settle: (told) => Effect.andThen(copying.all(told), copying.wrong(read, told))
  } as FileWriter
})
