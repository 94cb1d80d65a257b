/**
 * Open barrier: no page of a file is sent before every catcher has said that its file is open, that
 * it holds the content already, or that it sits this file out.
 */

import * as Effect from "effect/Effect"
import * as Limits from "../protocol/Limits.ts"
import { OpenBarrierTimeout } from "../report/Errors.ts"
import { MasterExchange } from "../session/Exchange.ts"
import type { Signed } from "../protocol/file/Layout.ts"
import { Asking, type Question, Silence } from "../session/Session.ts"
import { bundled, type CarriedFile } from "../tree/Plan.ts"
import type { SitOutReason } from "../protocol/Words.ts"
import type { Audience } from "../wire/Message.ts"
import type { Content } from "./PageStream.ts"
import { further, type Looks } from "./Further.ts"

/** Why a catcher takes no part in a file, by slot. */
export type SatOut = ReadonlyMap<number, SitOutReason>

/** How the open barrier of a file ended. */
export interface Opened {
  /** Catchers that wait for its pages. */
  readonly opened: Audience
  /**
   * Catchers that hold the content already: nothing has to be sent there, and the file can be
   * closed.
   */
  readonly recognised: Audience
  /** Catchers that take no part in it, and why. */
  readonly satOut: SatOut
}

/** The content that is to come. */
export interface Coming extends Pick<Content, "token"> {
  readonly pageBytes: number
  /** Where it is known, because it was sent before. */
  readonly root?: Uint8Array | undefined
  /** Where a signature checks it. [Y-17] */
  readonly signed?: Signed | undefined
  /** May a catcher hold it already? Absent: no. */
  readonly wasSent?: boolean
  /**
   * Is told how far a catcher is with its older version [Y-13]; undefined: it has answered.
   */
  readonly looks?: Looks
}

/** Opens a file for that content. */
export const open = Effect.fn("OpenBarrier.open")(function* (
  carried: CarriedFile,
  audience: Audience,
  { looks = () => {}, pageBytes, root, signed, token, wasSent = false }: Coming
) {
  const { ask } = yield* Asking
  const { losesAnswers } = yield* Silence
  const opening = (yield* MasterExchange).openingOf(token)
  const { file, kind, size } = carried
  const members = bundled(carried)
  const satOut = new Map<number, SitOutReason>()
  const complete = new Set<number>()
  // a catcher that never heard of the manifest has nothing to answer the next questions with
  const mayAssume = kind !== "Manifest"
  const question: Question = {
    file,
    audience,
    // one that is slow is waited for, up to a time-out, one that is away is not: it is sent the
    // file later
    leavesOut: true,
    leavesOutMute: true,
    awaitsUnheard: !mayAssume,
    message: (audience) => ({
      _tag: "Open",
      file,
      kind,
      size,
      pageBytes,
      members,
      opening,
      root,
      signed,
      audience
    }),
    isFurther: further(size * Limits.reusedSizes, looks),
    accept: (slot, answer) => {
      // nobody can recognise a file that was never sent: taken for an answer, the question would go
      // on forever
      const isComplete = answer._tag === "Complete" && wasSent
      if (answer._tag === "SitOut") satOut.set(slot, answer)
      if (isComplete) complete.add(slot)
      // one that stood still may answer an earlier opening, and would ignore the pages of this one
      const isOpen = answer._tag === "OpenOk" && answer.opening === opening
      const isAnswered = isOpen || answer._tag === "SitOut" || isComplete
      if (isAnswered) looks(slot, undefined)
      return isAnswered
    }
  }
  const answered = (yield* ask(question)).toSorted((a, b) => a - b)
  if (answered.length === 0) return yield* new OpenBarrierTimeout({ file })
  // their answers are lost, so that the question has arrived
  const isAssumed = (slot: number) => !answered.includes(slot) && losesAnswers(slot)
  const assumed = mayAssume ? audience.filter(isAssumed) : []
  const opened = [...answered, ...assumed]
    .filter((slot) => !satOut.has(slot) && !complete.has(slot))
    .sort((a, b) => a - b)
  return { opened, recognised: answered.filter((slot) => complete.has(slot)), satOut } as Opened
})
