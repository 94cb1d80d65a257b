/**
 * Open barrier: no page of a file is sent before every catcher has said that its file is open, or that it sits this file
 * out.
 */
import * as Effect from "effect/Effect"
import { OpenBarrierTimeout } from "../Errors.ts"
import type { Carried } from "../Manifest.ts"
import * as Codec from "../wire/Codec.ts"
import type { Audience } from "../wire/Message.ts"
import { Session } from "./Session.ts"

/** Why a catcher takes no part in a file, by slot. */
export type SatOut = ReadonlyMap<number, string>

export interface Opened {
  readonly opened: Audience
  readonly satOut: SatOut
}

export const open = Effect.fn("OpenBarrier.open")(function* (carried: Carried, audience: Audience) {
  const session = yield* Session
  const { entryCount, file, firstEntry, kind, size } = carried
  const members = kind === "Bundle" ? carried.members.length : 0
  const satOut = new Map<number, string>()
  const answered = yield* session.ask({
    file,
    audience,
    encode: (audience) =>
      Codec.encode({
        _tag: "Open",
        session: session.id,
        file,
        kind,
        size,
        members,
        firstEntry,
        entryCount,
        audience
      }),
    accept: (slot, answer) => {
      if (answer._tag === "SitOut") satOut.set(slot, answer.reason)
      return answer._tag === "OpenOk" || answer._tag === "SitOut"
    }
  })
  if (answered.length === 0) return yield* new OpenBarrierTimeout({ file })
  return { opened: answered.filter((slot) => !satOut.has(slot)), satOut } as Opened
})
