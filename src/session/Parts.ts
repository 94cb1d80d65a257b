/**
 * The parts of a master's session: what each knows is its own, and each is joined here to those
 * that it tells or asks. The services that phases stand on are made of them.
 */

import * as Effect from "effect/Effect"
import { Progress } from "../report/Progress.ts"
import { Transport } from "../transport/Transport.ts"
import { Questions } from "./Asking.ts"
import { MasterExchange } from "./Exchange.ts"
import { Measurer } from "./Measuring.ts"
import { MemberList } from "./Members.ts"
import * as Monotonic from "./Monotonic.ts"
import { OtherMaster } from "./OtherMaster.ts"
import * as Probing from "./Probing.ts"
import * as Sender from "./Sender.ts"
import { SilenceWatch } from "./Silence.ts"

/** A session's options; those of `Master.run` include them. */
export interface Options {
  /** The largest page, in bytes. */
  readonly pageBytes: number
  /** No smaller page is used where a path is narrower; its catcher is sent nothing instead. */
  readonly isPageFixed?: boolean
  /** Each path is looked into by itself: one that is narrow makes no page of the others smaller. */
  readonly isEachAlone?: boolean
  /** Milliseconds of silence after which a catcher counts as lost. */
  readonly timeoutMillis: number
  /** How many catchers are all. */
  readonly wanted: number
  /** The names of all catchers that are taken in; any name, where it is not given. */
  readonly hosts?: ReadonlyArray<string>
  /** Cap on the bytes that go on the air in a second; none where it is not given. */
  readonly bytesPerSecond?: number
}

/** The parts of a session. */
export type Parts = Effect.Success<ReturnType<typeof make>>

/** The parts of a session, each joined to those that it tells or asks. */
export const make = Effect.fnUntraced(function* (options: Options) {
  const transport = yield* Transport
  const progress = yield* Progress
  const now = yield* Monotonic.millis
  const exchange = yield* MasterExchange
  const startedMillis = now()
  const { bytesPerSecond, timeoutMillis } = options
  const probing = Probing.make({
    session: exchange.session,
    pageBytes: options.pageBytes,
    isPageFixed: options.isPageFixed ?? false,
    isEachAlone: options.isEachAlone ?? false,
    bytesPerSecond,
    glues: transport.glues,
    now,
    present: () => members.present(),
    send: exchange.sendProbe,
    changed: () => members.changed.openUnsafe(),
    asked: (slots, train) => silence.losses.onAsked(slots, "probes", train, now()),
    note: (message) => progress.publish({ _tag: "Note", message })
  })
  const measuring = new Measurer({ exchange, now, nextProbing: () => probing.next() })
  const sending = yield* Sender.make({
    bytesPerSecond,
    isGlued: () => probing.isGlued(),
    polled: (slots, poll) => silence.losses.onAsked(slots, "polls", poll, now())
  })
  const shared = { exchange, timeoutMillis, now, progress, pace: sending.pace }
  const members: MemberList = new MemberList({
    ...{ ...shared, wanted: options.wanted, hosts: options.hosts },
    local: () => transport.local,
    awakeMillis: () => silence.awakeMillis,
    call: (slots) => silence.call(slots),
    callInParts: (calls) => silence.areYouThere(calls),
    onJoined: (slot) => silence.onJoined(slot),
    came: (slot) => silence.came(slot),
    proved: (slot) => {
      silence.proved(slot)
      probing.onJoined(slot)
    },
    left: (slot) => silence.left(slot),
    onLost: (slot) => silence.onLost(slot)
  })
  const mostAnswers = () => asking.mostAnswers()
  const silence: SilenceWatch = new SilenceWatch({ ...shared, members, mostAnswers })
  const { receiveBufferBytes } = transport
  const scope = yield* Effect.scope
  const asking: Questions = new Questions({ timeoutMillis, now, exchange, members, silence, receiveBufferBytes, scope })
  const other = new OtherMaster(now, members.changed)
  return { exchange, transport, now, startedMillis, probing, measuring, sending, members, silence, asking, other }
})
