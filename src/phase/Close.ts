/**
 * Close is the commit: metadata, rename, answer. Closing the manifest, file 0, is the commit of the
 * tree. Beside it stands the abort of a file that cannot be finished.
 */

import * as Effect from "effect/Effect"
import { CloseTimeout } from "../report/Errors.ts"
import { Asking, type FileAnswer } from "../session/Session.ts"
import type { Done, SitOutReason } from "../protocol/Words.ts"
import type { Audience, Failure } from "../wire/Message.ts"
import { further, type Looks } from "./Further.ts"
import type { SatOut } from "./OpenBarrier.ts"

/** How the commit of a file went at each catcher that was asked. */
export interface Closed {
  /** Failures of single entries, by slot; a slot that committed all has none. */
  readonly committed: ReadonlyMap<number, ReadonlyArray<Failure>>
  /** What was done at a catcher, where it has said so. */
  readonly done: ReadonlyMap<number, Done>
  /** Catchers that could not commit, and why. */
  readonly satOut: SatOut
  /** Catchers that have not answered in time, where a time was given. */
  readonly silent: Audience
}

/** What is expected of the close of a file. */
export interface Expected {
  /**
   * Of the manifest; failures beyond them, and questions that lead there, are a catcher's mistake.
   * Absent: any number.
   */
  readonly entries?: number
  /** How long an answer is waited for; absent: as long as the session does. */
  readonly patienceMillis?: number | undefined
  /** Bytes that a catcher may have to read before it answers [F-11]; absent: none. */
  readonly readBytes?: number | undefined
  /** Is told how far a catcher is with reading them; undefined: it has answered. */
  readonly looks?: Looks
}

/** Closes a file. */
export const close = Effect.fn("Close.close")(function* (file: number, audience: Audience, expected: Expected = {}) {
  const { entries = 0xffff_ffff, patienceMillis } = expected
  const silent = new Set<number>()
  const committed = new Map<number, ReadonlyArray<Failure>>()
  const done = new Map<number, Done>()
  const satOut = new Map<number, SitOutReason>()
  let more: ReadonlyArray<readonly [from: number, audience: Audience]> = [[0, audience]]
  while (more.length > 0) {
    const next = new Map<number, Array<number>>()
    for (const [from, audience] of more) {
      const answers = yield* askFrom(file, from, audience, expected)
      for (const slot of audience) if (!answers.has(slot)) silent.add(slot)
      for (const [slot, answer] of answers) {
        if (answer._tag === "SitOut") satOut.set(slot, answer)
        else if (answer._tag === "CloseOk") {
          // only forwards, and only after something was said, so that this ends
          const { next: after = 0 } = answer
          const goesOn = answer.failures.length > 0 && after > from && after < entries
          // an answer may end among the failures of one entry, which the next one tells all of
          const end = goesOn ? after : entries
          const failures = answer.failures.filter(({ entry }) => entry >= from && entry < end)
          committed.set(slot, [...(committed.get(slot) ?? []), ...failures])
          if (answer.done !== undefined) done.set(slot, answer.done)
          if (goesOn) next.set(end, [...(next.get(end) ?? []), slot])
        }
      }
    }
    more = [...next]
  }
  // asked again from the beginning, it says all of it again; a catcher that was lost in its list
  // has not said all that it lacks
  for (const slot of silent) committed.delete(slot)
  const awaited = patienceMillis === undefined ? [] : [...silent]
  if (committed.size === 0 && satOut.size === 0 && awaited.length === 0) return yield* new CloseTimeout({ file })
  return { committed, done, satOut, silent: awaited } as Closed
})

const askFrom = Effect.fnUntraced(function* (
  file: number,
  from: number,
  audience: Audience,
  { looks = () => {}, patienceMillis, readBytes }: Expected
) {
  const { ask } = yield* Asking
  const answers = new Map<number, Extract<FileAnswer, { _tag: "SitOut" | "CloseOk" | "Aborted" }>>()
  yield* ask({
    file,
    audience,
    ...(patienceMillis === undefined ? {} : { patienceMillis }),
    // what has a time of its own is asked again
    ...(patienceMillis === undefined && readBytes !== undefined ? { isFurther: further(readBytes, looks) } : {}),
    message: (audience) => ({ _tag: "Close", file, from, audience }),
    accept: (slot, answer) => {
      // a catcher that has dropped a file has committed nothing, and is sent it again in a further
      // pass; the manifest is never dropped
      const isOurs = answer._tag === "SitOut" || (answer._tag === "Aborted" && file > 0)
      if (!isOurs && !(answer._tag === "CloseOk" && answer.from === from)) return false
      answers.set(slot, answer)
      looks(slot, undefined)
      return true
    }
  })
  return answers
})

/** Has these catchers drop a file for now: it will be opened again. */
export const putOff = (file: number, audience: Audience, patienceMillis?: number) =>
  abort(file, undefined, audience, patienceMillis)

/**
 * Drops a file at these catchers; with patience at those that answer within it. Without a reason it
 * is only put off.
 */
export const abort = Effect.fn("Close.abort")(function* (
  file: number,
  reason: string | undefined,
  audience: Audience,
  patienceMillis?: number
) {
  const { ask } = yield* Asking
  yield* ask({
    file,
    audience,
    ...(patienceMillis === undefined ? {} : { patienceMillis }),
    message: (audience) => ({ _tag: "Abort", file, reason, audience }),
    accept: (_, answer) => answer._tag === "Aborted"
  })
})
