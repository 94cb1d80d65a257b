/**
 * A master's session, as services: each phase names in its type those that it needs. Their parts
 * are made in Parts, and all that a session does by itself is its `run`: it sends, hears,
 * announces, probes, and asks the silent whether they are there.
 */

import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Polls from "../protocol/pace/Polls.ts"
import type { Progress } from "../report/Progress.ts"
import type { Transport, TransportError } from "../transport/Transport.ts"
import { Announcer, Announcing } from "./Announcing.ts"
import { Asking } from "./Asking.ts"
import { MasterExchange, type MasterProtection } from "./Exchange.ts"
import { Inbox } from "./Inbox.ts"
import { Members } from "./Members.ts"
import { Measuring } from "./Measuring.ts"
import * as Parts from "./Parts.ts"
import { Paths, Trials } from "./Probing.ts"
import * as Unsent from "./Unsent.ts"
import { Lanes, Sender } from "./Sender.ts"
import { Silence, Standing, type Watched } from "./Silence.ts"

export { Announcing } from "./Announcing.ts"
export { Asking, type FileAnswer, type Question } from "./Asking.ts"
export { Measuring } from "./Measuring.ts"
export { Members, type Turned } from "./Members.ts"
export type { Options } from "./Parts.ts"
export { Paths, Trials } from "./Probing.ts"
export { Lanes, Sender } from "./Sender.ts"
export { Silence, Standing, type Straggle } from "./Silence.ts"

/** All services of a session. */
export type Services =
  | Session
  | MasterExchange
  | Members
  | Silence
  | Standing
  | Asking
  | Announcing
  | Sender
  | Lanes
  | Paths
  | Trials
  | Measuring

/** Runs beside the phases: nothing is heard or said while `run` does not run. */
export class Session extends Context.Service<
  Session,
  {
    /** The sender, the receiver and the announcements; fails when the transport does. */
    readonly run: Effect.Effect<never, TransportError>
    /** Datagrams that were none of ours, or not to be read. */
    readonly ignored: () => number
  }
>()("mrsync/session/Session") {
  /**
   * A new session on the transport, whose only reader it is; `run` has to be run beside the phases.
   */
  static readonly layer = (
    options: Parts.Options
  ): Layer.Layer<Services, never, Transport | MasterProtection | Progress> =>
    Layer.provideMerge(Layer.effectContext(make(options)), MasterExchange.layer)
}

const make = Effect.fnUntraced(function* (options: Parts.Options) {
  const parts = yield* Parts.make(options)
  const { asking, measuring, members, probing, sending, silence } = parts
  const announcer = new Announcer(parts, options)
  return Context.make(Session, yield* running(parts, announcer)).pipe(
    Context.add(Members, members.service()),
    Context.add(Silence, silence.service()),
    Context.add(Standing, silence.standing()),
    Context.add(Asking, asking.service()),
    Context.add(Announcing, announcer.service()),
    Context.add(Sender, sending.sender),
    Context.add(Lanes, sending.lanes),
    Context.add(Paths, probing.paths),
    Context.add(Trials, probing.trials),
    Context.add(Measuring, measuring.service())
  )
})

const running = Effect.fnUntraced(function* (parts: Parts.Parts, announcer: Announcer) {
  const { exchange, members, probing, sending, silence } = parts
  const telling = Effect.provideContext(Unsent.telling, yield* Effect.context<Transport | Progress>())
  const inbox = new Inbox(parts, announcer)
  // While pages flow an acker that dies is noticed here: it owes answers to polls, not to a
  // question. So is one that is probed.
  const polled = (): Watched => Polls.owing(sending.pace.window()).map(({ sinceMillis, slot }) => [slot, sinceMillis])
  const awaited = (): Watched => [...polled(), ...probing.awaited(), ...silence.areAway()]
  const run = Effect.raceAllFirst([
    sending.run,
    probing.run,
    telling,
    Effect.forever(announcer.announce),
    Effect.forever(silence.watch(awaited)),
    Effect.forever(members.lookAfterNewcomers),
    Effect.forever(members.lookAfterGuests),
    Effect.andThen(
      exchange.receive((batch) => inbox.receive(batch)),
      Effect.never
    )
  ])
  return { run, ignored: () => inbox.ignored + exchange.unreadable() }
})
