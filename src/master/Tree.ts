/**
 * The tree as a whole: the manifest, which is sent first, and whose close, at the end, is the
 * commit of the tree.
 */
import * as Effect from "effect/Effect"
import * as Close from "../phase/Close.ts"
import * as PageStream from "../phase/PageStream.ts"
import * as Layout from "../protocol/file/Layout.ts"
import type { Repair } from "../protocol/file/Planner.ts"
import { Progress } from "../report/Progress.ts"
import { Members } from "../session/Session.ts"
import { encode } from "../tree/Manifest.ts"
import type { CarriedFile } from "../tree/Plan.ts"
import type { Audience } from "../wire/Message.ts"
import { Delivery } from "./Delivery.ts"
import type { Ledger } from "./Ledger.ts"
import type { Shared } from "./Sending.ts"

/**
 * The manifest goes through the same phases, but is closed last, when a catcher has all the rest.
 * The slots that hold it now.
 */
export const sendManifest = Effect.fnUntraced(function* (
  ledger: Ledger,
  repair: Repair | undefined,
  audience: Audience
) {
  const bytes = encode(ledger.manifest, ledger.leftOut, ledger.policy)
  const carried: CarriedFile = {
    file: 0,
    kind: "Manifest",
    size: bytes.length,
    members: []
  }
  const content = (pageBytes: number) =>
    Effect.succeed(PageStream.inMemory(0, Layout.make({ size: bytes.length, pageBytes }), bytes))
  const prepared: Array<number> = []
  const hold = (slots: Audience) =>
    Effect.sync((): Audience => {
      prepared.push(...slots)
      return []
    })
  const delivery = new Delivery({ ledger, repair, carried, content, close: hold })
  yield* delivery.toGroup(audience).pipe(
    Effect.andThen(delivery.toStragglers),
    Effect.catchTag(["OpenBarrierTimeout", "RoundsExhausted"], () => Effect.void),
    // content in memory does not fail
    Effect.catchTag(["SourceChanged", "SourceError"], () => Effect.void),
    Effect.ensuring(delivery.leave)
  )
  return prepared
})

/** The close of the manifest; with patience at those that answer within it. */
export const commitTree = Effect.fnUntraced(function* (
  { deletions, ledger }: Pick<Shared, "deletions" | "ledger">,
  audience: Audience,
  patienceMillis?: number
) {
  if (audience.length === 0) return
  const closed = yield* Effect.catchTag(
    Close.close(0, audience, { entries: ledger.entries.length, patienceMillis }),
    "CloseTimeout",
    () => Effect.undefined
  )
  if (closed === undefined) return
  const first = [...closed.committed.keys()].filter((slot) => ledger.lacks(slot, 0))
  ledger.commit(0, closed.committed)
  for (const [slot, done] of closed.done) if (closed.committed.has(slot)) ledger.conclude(slot, done)
  ledger.sitOut(0, closed.satOut)
  const { roster } = yield* Members
  const progress = yield* Progress
  for (const slot of first) {
    const member = roster().members[slot]
    const isAnyGone = (closed.done.get(slot)?.deleted ?? 0) > 0
    const told = deletions.take(slot)
    if (isAnyGone) told.forEach(progress.publish)
    if (ledger.stateOf(member) === "Complete") progress.publish({ _tag: "Completed", id: member.name })
  }
})
