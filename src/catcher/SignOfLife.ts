/**
 * A catcher that has had work without a pause for an eighth of the time-out says that it is there,
 * unasked: the polls and questions that have come since wait behind the pages that its store takes
 * slowly. One that compares for long answers the survey so. [Y-8]
 */
import * as Effect from "effect/Effect"
import * as Answers from "../session/Answers.ts"
import type { CatcherExchange } from "../session/Exchange.ts"
import type { Joined } from "../phase/Announce.ts"
import type { Attendance } from "./Attendance.ts"

/**
 * Gives a sign of life every eighth of the time-out while there is work, until the scope closes.
 * `comparing` answers a survey that lasts.
 */
export const giving = (
  attendance: Attendance,
  membership: Joined,
  exchange: CatcherExchange["Service"],
  comparing: Effect.Effect<void>,
  now: () => number
): Effect.Effect<never> => {
  const { timeoutMillis } = membership
  const everyMillis = timeoutMillis / 8
  const give = Effect.suspend(() => {
    // a store that hangs for so long is as good as dead
    const isStuck = attendance.stuckMillis(now()) >= timeoutMillis
    if (isStuck || attendance.busyMillis(now()) < everyMillis) return Effect.void
    // no window counts poll 0
    return exchange.tell(membership.master, Answers.here(0, attendance.counts(attendance.received.pages), membership))
  })
  return Effect.forever(Effect.sleep(everyMillis).pipe(Effect.andThen(comparing), Effect.andThen(give)))
}
