/**
 * Page stream, the receiving side: what arrives as a Stream of events, the pages of one file
 * gathered into one batch, in the order of arrival.
 */

import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Membership } from "../session/Answers.ts"
import { CatcherExchange } from "../session/Exchange.ts"
import { type Counts, Gatherer, type Inbox, type Incoming } from "../session/Incoming.ts"
import { Openings } from "../session/Openings.ts"

export type { Counts, Inbox, Incoming } from "../session/Incoming.ts"

/**
 * The events of a session, from the inbox on which it was joined; those of one pull together.
 * `counts` is kept up to date.
 */
export const events = (
  inbox: Inbox,
  membership: Membership,
  counts: Counts
): Stream.Stream<Incoming, Effect.Error<Inbox>, CatcherExchange> =>
  Stream.fromPull(
    Effect.map(CatcherExchange, (exchange) => {
      const openings = new Openings(membership)
      const pull: Effect.Effect<Arr.NonEmptyReadonlyArray<Incoming>, Effect.Error<Inbox>> = Effect.flatMap(
        inbox,
        (batches) => {
          const gatherer = new Gatherer(exchange, membership, counts, openings)
          for (const batch of batches) for (const received of batch) gatherer.take(received)
          const incoming = gatherer.finish()
          return Arr.isReadonlyArrayNonEmpty(incoming) ? Effect.succeed(incoming) : pull
        }
      )
      return pull
    })
  )
