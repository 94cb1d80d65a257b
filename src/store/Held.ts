/** A file that holds what older versions have of it. [Y-13] */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { Postponed } from "../delta/Postponed.ts"
import type { Reused, Reusing } from "../delta/Reuse.ts"
import type { FileWriter } from "./Store.ts"

/**
 * The writer, which holds that. What is still to be copied is copied until the scope closes; once that has failed, so does what is
 * written. [Y-18]
 */
export const holding = Effect.fnUntraced(function* (
  writer: FileWriter,
  { signature }: Reusing,
  { held, postponed }: Reused
) {
  const proven = { ...writer, held, isProven: true } as FileWriter
  if (postponed === undefined) return proven
  const { read, write } = writer
  const postponing = new Postponed({ ...postponed, signature, write })
  const copying = yield* Effect.forkScoped(postponing.all)
  const hasFailed = () => {
    const exit = copying.pollUnsafe()
    return exit !== undefined && Exit.isFailure(exit)
  }
  return {
    ...proven,
    read: (offset, into) => postponing.read(offset, into, read),
    write: (offset, bytes) =>
      Effect.suspend(() =>
        hasFailed() ? Fiber.join(copying) : postponing.comes(offset, bytes.length, write(offset, bytes))
      ),
    settle: (told) =>
      Effect.suspend(() => {
        postponing.tells(told)
        return Effect.andThen(Fiber.join(copying), postponing.wrong(read))
      })
  } as FileWriter
})
