/**
 * Passes over the tree: a catcher that joins while one runs takes part in the files that are still
 * to be opened, and is sent the others that it lacks in a further pass.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Close from "../phase/Close.ts"
import type { Repair } from "../protocol/file/Planner.ts"
import * as Limits from "../protocol/Limits.ts"
import { Progress } from "../report/Progress.ts"
import { Announcing, Asking, Members, Paths, Sender, Silence } from "../session/Session.ts"
import type { CarriedFile } from "../tree/Plan.ts"
import type { Ledger } from "./Ledger.ts"
import { revise } from "./Revisions.ts"
import { type Outgoing, outgoingOf, sendFile, share, type Shared } from "./Sending.ts"
import { survey } from "./Surveying.ts"
import { commitTree, sendManifest } from "./Tree.ts"

/**
 * Passes until no catcher that is present lacks anything, then the commit of the tree; one that
 * comes meanwhile begins it anew.
 */
export const sendAll = Effect.fnUntraced(function* (ledger: Ledger, repair: Repair | undefined) {
  const { awayMillis } = yield* Silence
  const { hasRetrying } = yield* Members
  const { end } = yield* Announcing
  const shared = yield* share(ledger, repair)
  const { audiences } = shared
  yield* heedSitOuts(ledger)
  while (true) {
    yield* dismiss(shared)
    const todo = ledger.plan.filter((carried) => audiences.owed(carried.file).length > 0)
    const uncommitted = audiences.present().filter((slot) => ledger.lacks(slot, 0))
    if (audiences.newcomers().some((slot) => !audiences.asked.has(slot))) yield* admit(shared)
    else if (todo.length > 0 || audiences.areRevisionsOwed()) yield* pass(shared, todo)
    // [Y-3] one that takes long to find out what it lacks holds up nobody
    else if (audiences.newcomers().length > 0) {
      yield* commitTree(shared, audiences.holdingEverything(), awayMillis)
      yield* admit(shared)
    }
    // [O-6] a catcher that is away comes back or is lost; [J-9] one that asks for a name that was
    // taken may have been started again
    else if (hasRetrying() || audiences.reachable().length < audiences.present().length) {
      // those that have everything need not wait with their tree
      yield* commitTree(shared, audiences.holdingEverything(), awayMillis)
      yield* Effect.sleep(Limits.announceMillis)
    } else if (uncommitted.length > 0) yield* commitTree(shared, uncommitted)
    // in the same step, or a catcher would be taken in that is sent nothing
    else return end()
  }
})

/** A catcher that sits the manifest out has no part in the tree. */
const heedSitOuts = Effect.fnUntraced(function* (ledger: Ledger) {
  const { onSitOut } = yield* Asking
  const { roster } = yield* Members
  const progress = yield* Progress
  yield* onSitOut(0, (slot, why) => {
    if (!ledger.lacks(slot, 0)) return
    ledger.sitOut(0, new Map([[slot, why]]))
    progress.publish({ _tag: "Failed", catcher: roster().members[slot].name, path: ".", reason: why.reason })
  })
})

/** Sends newcomers the manifest. */
const tellNewcomers = Effect.fnUntraced(function* ({ audiences, ledger, repair }: Shared) {
  const without = audiences.newcomers().filter((slot) => !audiences.holders.has(slot))
  if (without.length === 0) return
  for (const slot of yield* sendManifest(ledger, repair, without)) audiences.holders.add(slot)
})

/**
 * [Y-3] A survey lasts as long as contents are hashed. A catcher that comes meanwhile is sent the
 * manifest at once, and compares while the others do.
 */
const tellingNewcomers = Effect.fnUntraced(function* <A, E, R>(shared: Shared, surveying: Effect.Effect<A, E, R>) {
  const { changed } = yield* Members
  const over = Deferred.makeUnsafe<void>()
  // what is begun is ended: a catcher that holds a manifest is not sent it again
  const telling = Effect.gen(function* () {
    while (!Deferred.isDoneUnsafe(over)) {
      changed.closeUnsafe()
      yield* tellNewcomers(shared)
      if (!Deferred.isDoneUnsafe(over)) yield* changed.await
    }
  })
  // and those that came are still to be asked
  const end = Effect.sync(() => {
    Deferred.doneUnsafe(over, Effect.void)
    changed.openUnsafe()
  })
  const [surveyed] = yield* Effect.all([Effect.ensuring(surveying, end), telling], { concurrency: 2 })
  return surveyed
})

/** Sends newcomers the manifest, and asks what they lack. Answers those that still compare. */
const admit = Effect.fnUntraced(function* (shared: Shared) {
  const { audiences, ledger } = shared
  const { awayMillis } = yield* Silence
  yield* tellNewcomers(shared)
  const asked = audiences.newcomers().filter((slot) => audiences.holders.has(slot))
  for (const slot of asked) audiences.asked.add(slot)
  const { comparing, surveyed } = yield* tellingNewcomers(shared, survey(shared, asked))
  for (const slot of surveyed) audiences.prepared.add(slot)
  // a catcher that comes late learns why it will not get what was given up before
  yield* Effect.forEach(ledger.dropped(), ({ file, reason }) => Close.abort(file, reason, surveyed, awayMillis), {
    concurrency: Limits.filesInFlight,
    discard: true
  })
  return comparing
})

/** [N-3] A catcher that no page reaches is told so, and is done with. */
const dismiss = Effect.fnUntraced(function* ({ audiences, ledger }: Shared) {
  const { awayMillis } = yield* Silence
  const { lose } = yield* Members
  const { whyOut } = yield* Paths
  for (const slot of audiences.present()) {
    const why = whyOut(slot)
    if (why === undefined) continue
    ledger.sitOut(0, new Map([[slot, { reason: why, about: "Tree" }]]))
    const telling = Close.abort(0, why, [slot], awayMillis)
    yield* Effect.forkScoped(Effect.andThen(telling, lose(slot, why)))
  }
})

const areOffAir = (files: ReadonlyArray<Outgoing>) =>
  Effect.forEach(files, ({ offAir }) => Deferred.await(offAir), { discard: true })

const groupFiles = Limits.filesInFlight + Limits.lateFiles

/**
 * [J-6] A catcher that comes during a pass takes part in the files that are opened after it has the
 * manifest.
 */
const pass = Effect.fnUntraced(function* (shared: Shared, todo: ReadonlyArray<CarriedFile>) {
  const { audiences } = shared
  const { changed } = yield* Members
  const { isExcluded } = yield* Sender
  const over = Deferred.makeUnsafe<void>()
  const areStragglers = audiences.reachable().some(isExcluded)
  const outgoing = todo.map((carried) =>
    outgoingOf(carried, areStragglers && audiences.owed(carried.file).every(isExcluded))
  )
  const group = outgoing.filter(({ isLate }) => !isLate)
  const stragglers = outgoing.filter(({ isLate }) => isLate)
  const before = audiences.prepared.size
  const hasNewcomers = () => audiences.prepared.size > before
  const send = (files: ReadonlyArray<Outgoing>, concurrency: number) =>
    Effect.forEach(files, (file) => sendFile(shared, file, hasNewcomers), { concurrency, discard: true })
  // what only stragglers lack has an order of its own, and takes no place of the others
  const sending = Effect.all([send(group, groupFiles), send(stragglers, Limits.lateFiles)], {
    concurrency: 2,
    discard: true
  })
  const end = Effect.sync(() => {
    Deferred.doneUnsafe(over, Effect.void)
    changed.openUnsafe()
  })
  const committing = Effect.andThen(
    areOffAir(group),
    commitPass(shared, (files) => send(files, groupFiles))
  )
  const sendingAll = Effect.raceFirst(
    Effect.all([sending, committing], { concurrency: 2, discard: true }),
    watchHeldUp(shared)
  )
  yield* Effect.all([Effect.ensuring(sendingAll, end), admitUntil(shared, over)], { concurrency: 2, discard: true })
})

/** Counts how long the others wait for each catcher, while nothing is sent. */
const watchHeldUp = Effect.fnUntraced(function* ({ closing }: Shared) {
  const { holdingUp } = yield* Asking
  const { waits } = yield* Sender
  closing.heldUp.begin()
  let fromMillis = yield* Clock.currentTimeMillis
  let idleMillis = waits().millis.Work
  while (true) {
    yield* Effect.sleep(Limits.waitedMillis)
    const [nowMillis, nowIdle] = [yield* Clock.currentTimeMillis, waits().millis.Work]
    closing.heldUp.add(nowMillis - fromMillis, nowIdle - idleMillis, holdingUp(Limits.waitedMillis))
    fromMillis = nowMillis
    idleMillis = nowIdle
  }
})

/** Admits newcomers while a pass goes on. */
const admitUntil = Effect.fnUntraced(function* (shared: Shared, over: Deferred.Deferred<void>) {
  const { changed } = yield* Members
  while (!Deferred.isDoneUnsafe(over)) {
    changed.closeUnsafe()
    yield* dismiss(shared)
    const comparing = shared.audiences.newcomers().length > 0 ? yield* admit(shared) : []
    if (comparing.length === 0 && !Deferred.isDoneUnsafe(over)) yield* changed.await
  }
})

/**
 * The end of a pass for those that wait for no straggler: what changed is taken anew, and then they
 * commit the tree.
 */
const commitPass = Effect.fnUntraced(function* <E, R>(
  shared: Shared,
  send: (files: ReadonlyArray<Outgoing>) => Effect.Effect<void, E, R>
) {
  const { audiences, ledger } = shared
  const { awayMillis } = yield* Silence
  const revisions: Array<Fiber.Fiber<void, E>> = []
  while (audiences.areRevisionsOwed()) {
    const uncommitted = audiences.reachable().filter((slot) => ledger.lacks(slot, 0))
    for (const stage of yield* revise(ledger, uncommitted)) {
      const files = stage.map((carried) => outgoingOf(carried, false))
      const sent = yield* Effect.forkChild(send(files))
      revisions.push(sent)
      yield* Effect.raceFirst(areOffAir(files), Effect.andThen(Fiber.join(sent), Effect.never))
    }
  }
  // catchers that wait for stragglers only do not wait with their tree
  yield* commitTree(shared, audiences.holdingEverything(), awayMillis)
  yield* Fiber.joinAll(revisions)
})
