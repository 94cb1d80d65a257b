/**
 * A datagram that the system refuses to send is lost like any other datagram, and the session goes
 * on as long as its patience lasts. But nobody would find out why, so it is told.
 */
import * as Effect from "effect/Effect"
import * as Limits from "../protocol/Limits.ts"
import { Progress } from "../report/Progress.ts"
import { Transport } from "../transport/Transport.ts"

/** Tells each reason once, when it lasts from one look to the next; never ends. */
export const telling: Effect.Effect<never, never, Transport | Progress> = Effect.gen(function* () {
  const progress = yield* Progress
  const { refused } = yield* Transport
  if (refused === undefined) return yield* Effect.never
  const told = new Set<string>()
  let before = refused()
  while (true) {
    yield* Effect.sleep(Limits.announceMillis)
    const now = refused()
    const isLasting = now.datagrams > before.datagrams && now.reason === before.reason
    before = now
    if (!isLasting || now.reason === undefined || told.has(now.reason)) continue
    told.add(now.reason)
    progress.publish({ _tag: "Note", message: `nothing leaves this machine: ${now.reason}` })
  }
})
