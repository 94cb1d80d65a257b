/**
 * One file of a pass: its delivery, its place among the files on the air, and what becomes of it
 * when its source fails.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Semaphore from "effect/Semaphore"
import * as Bundles from "../content/Bundles.ts"
import * as Close from "../phase/Close.ts"
import type { Looked } from "../phase/Further.ts"
import type { Repair } from "../protocol/file/Planner.ts"
import * as Limits from "../protocol/Limits.ts"
import { isList } from "../protocol/Words.ts"
import type * as Errors from "../report/Errors.ts"
import { Progress } from "../report/Progress.ts"
import { Members, Sender, Silence, Standing } from "../session/Session.ts"
import { pathAt } from "../tree/Names.ts"
import type { CarriedFile } from "../tree/Plan.ts"
import { writesInPlace } from "../tree/Policy.ts"
import type { Audience } from "../wire/Message.ts"
import { Audiences } from "./Audiences.ts"
import { Closing } from "./Closing.ts"
import * as Content from "./Content.ts"
import { Delivery } from "./Delivery.ts"
import { HeldDeletions } from "./HeldDeletions.ts"
import { HeldUp } from "./HeldUp.ts"
import type { Checked } from "./Deltas.ts"
import type { Ledger } from "./Ledger.ts"

/** Shared by all files of a session. */
export interface Shared {
  readonly ledger: Ledger
  readonly repair: Repair | undefined
  readonly audiences: Audiences
  readonly bundles: Bundles.Bundles
  /** Files on the air, and files that wait for stragglers. */
  readonly filePermits: Semaphore.Semaphore
  readonly stragglerPermits: Semaphore.Semaphore
  /** A pass and a survey may want the same list: one list is sent at a time. */
  readonly listPermit: Semaphore.Semaphore
  readonly deletions: HeldDeletions
  readonly closing: Closing
}

export const share = Effect.fnUntraced(function* (ledger: Ledger, repair: Repair | undefined) {
  return {
    ledger,
    repair,
    audiences: yield* Audiences.make(ledger),
    bundles: Bundles.make(),
    filePermits: yield* Semaphore.make(Limits.filesInFlight),
    stragglerPermits: yield* Semaphore.make(Limits.lateFiles),
    listPermit: yield* Semaphore.make(1),
    deletions: new HeldDeletions(),
    closing: new Closing(new HeldUp((yield* Silence).awayMillis))
  } as Shared
})

/** A file of a pass. */
export interface Outgoing {
  readonly carried: CarriedFile
  /** Only stragglers lack it. */
  readonly isLate: boolean
  /** Done when nobody but stragglers waits for it any more. */
  readonly offAir: Deferred.Deferred<void>
}

export const outgoingOf = (carried: CarriedFile, isLate: boolean): Outgoing => ({
  carried,
  isLate,
  offAir: Deferred.makeUnsafe<void>()
})

/** Sends a file to those that lack it; `hasNewcomers`: a catcher has come since the pass began. */
export const sendFile = Effect.fnUntraced(function* (
  shared: Shared,
  { carried, offAir }: Outgoing,
  hasNewcomers: () => boolean
) {
  const { audiences, bundles, closing, filePermits, ledger, listPermit, repair, stragglerPermits } = shared
  const { isExcluded } = yield* Sender
  const { held } = yield* Standing
  const owed = () => audiences.owed(carried.file)
  let audience: Audience = []
  const leavesAir = Deferred.succeed(offAir, undefined)
  const close = (complete: Audience, isLate: boolean) => closeAt(shared, carried, owed, complete, isLate)
  const content = (pageBytes: number, checked?: Checked) => Content.open(ledger, pageBytes, carried, bundles, checked)
  const delivery = new Delivery({ ledger, repair, carried, content, close })
  const delivering = Effect.suspend(() => {
    const ready = closing.ready(owed(), held)
    audience = ready.audience
    const sent = audience.length === 0 ? Effect.void : delivery.toGroup(audience)
    return Effect.andThen(tellHoldingUp(closing.heldUp.firstTold(ready.holdingUp)), sent)
  })
  // a file that waits for stragglers keeps no other file from the air
  const sending = Effect.gen(function* () {
    // what is for stragglers alone takes the place of nothing else, and is left for the next pass
    // when somebody else has come
    const isForStragglers = owed().every(isExcluded)
    if (isForStragglers) yield* leavesAir
    if (isForStragglers && hasNewcomers()) return
    yield* (isForStragglers ? stragglerPermits : filePermits).withPermit(delivering)
    yield* leavesAir
    if (delivery.state !== "Waiting") return
    const finished = yield* stragglerPermits.withPermitsIfAvailable(1)(
      closing.waiting(carried.file, delivery.stragglers(), delivery.toStragglers)
    )
    if (Option.isNone(finished)) yield* putOff(carried.file, delivery.stragglers())
  })
  const whole = isList(carried.kind) ? listPermit.withPermit(sending) : sending
  yield* Effect.scoped(whole).pipe(
    Effect.catchTag(["SourceError", "SourceChanged"], (error) =>
      giveUp(ledger, carried, [...audience, ...owed()], error)
    ),
    // all of them were lost on the way: the books have it already
    Effect.catchTag(["OpenBarrierTimeout", "RoundsExhausted"], () => Effect.void),
    Effect.ensuring(leavesAir),
    Effect.ensuring(delivery.leave)
  )
  ledger.passed(carried.file, audience)
})

/** These are sent this file, and maybe more, in a further pass. */
const tellHoldingUp = Effect.fnUntraced(function* (slots: Audience) {
  const { roster } = yield* Members
  const progress = yield* Progress
  for (const slot of slots) {
    const message = `${roster().members[slot].name} holds up the others, and is sent further files after them`
    progress.publish({ _tag: "Note", message })
  }
})

/** The source of a file has failed: it is given up, or taken anew once the others are sent. */
const giveUp = Effect.fnUntraced(function* (
  ledger: Ledger,
  carried: CarriedFile,
  owed: Audience,
  error: Errors.SourceError | Errors.SourceChanged
) {
  // what was recognised is closed already, and stays
  const unfinished = [...new Set(owed)].filter((slot) => ledger.lacks(slot, carried.file)).sort((a, b) => a - b)
  const progress = yield* Progress
  const { path, reason } = error
  const isRetaken = ledger.isRetakable(carried.members[0].entry, error)
  if (isRetaken) {
    const event = error._tag === "SourceChanged" ? error.event : reason
    progress.publish({ _tag: "Note", message: `${path}: ${event}; it is sent once more after the others` })
  } else progress.publish({ _tag: "Failed", ...pathAt(path), reason })
  // nobody commits the tree with a part of the file beside it
  yield* Close.abort(carried.file, isRetaken ? undefined : reason, unfinished)
  ledger.drop(carried, error)
})

/** [F-11] What a catcher may read of it before the commit. */
const rereadBytes = ({ policy }: Ledger, { kind, size }: CarriedFile): number | undefined =>
  writesInPlace(policy) && kind === "Single" ? Limits.looksAtStanding * size : undefined

/** How far a catcher is with the look that it is at: it counts several as one. */
const ofThisLook = ({ hashed, toHash }: Looked): Looked => {
  const bytes = Math.max(1, Math.ceil(toHash / Limits.looksAtStanding))
  return { hashed: hashed === 0 ? 0 : ((hashed - 1) % bytes) + 1, toHash: bytes }
}

/**
 * Closes a file at catchers that hold all of it; those that have not answered within a barrier's
 * time, unless it is late.
 */
const closeAt = Effect.fnUntraced(
  function* (shared: Shared, carried: CarriedFile, owed: () => Audience, complete: Audience, isLate: boolean) {
    const { closing, ledger } = shared
    const { awayMillis } = yield* Silence
    const patienceMillis = isLate ? undefined : awayMillis
    closing.asks(carried.file, complete)
    const entries = ledger.entries.length
    const closed = yield* Close.close(carried.file, complete, {
      entries,
      patienceMillis,
      readBytes: rereadBytes(ledger, carried),
      looks: (slot, looked) => ledger.underWay.looks(carried, slot, looked && ofThisLook(looked))
    })
    closing.answered(
      carried.file,
      complete.filter((slot) => !closed.silent.includes(slot))
    )
    ledger.commit(carried.file, closed.committed)
    ledger.sitOut(carried.file, closed.satOut)
    if (owed().length === 0) yield* tellCompleted(ledger, carried)
    return closed.silent
  },
  // all of these were lost; those that still lack the file are not
  Effect.catchTag("CloseTimeout", () => Effect.succeed<Audience>([]))
)

/**
 * A pass for the stragglers comes later, and nobody waits for them now; one that is away
 * need not be told.
 */
const putOff = Effect.fnUntraced(function* (file: number, late: Audience) {
  const { awayMillis, isAway } = yield* Silence
  const reachable = late.filter((slot) => !isAway(slot))
  if (reachable.length > 0) yield* Close.putOff(file, reachable, awayMillis)
})

const tellCompleted = Effect.fnUntraced(function* (ledger: Ledger, carried: CarriedFile) {
  if (!ledger.completes(carried.file)) return
  const progress = yield* Progress
  progress.publishFiles(() => ledger.sentPaths(carried))
})
