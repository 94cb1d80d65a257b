/**
 * Changes at the source while the session runs: files that are taken anew, and copies that have
 * aged.
 */
import * as Effect from "effect/Effect"
import * as Close from "../phase/Close.ts"
import { Progress } from "../report/Progress.ts"
import { Paths, Silence } from "../session/Session.ts"
import { Source } from "../source/Source.ts"
import { display, pathAt } from "../tree/Names.ts"
import type { Audience } from "../wire/Message.ts"
import { agedReason } from "./Account.ts"
import type { Ledger } from "./Ledger.ts"
import { signRevised } from "./Signing.ts"

/**
 * [M-8] What changed before it was sent whole is taken as it is now. Answers what there is to be
 * sent for it, one after the other: the revision, the signatures of large files, and what it lists.
 */
export const revise = Effect.fn("Master.revise")(function* (ledger: Ledger, audience: Audience) {
  const { awayMillis } = yield* Silence
  const source = yield* Source
  const progress = yield* Progress
  yield* checkCopies(ledger)
  const { failures, retaken } = yield* source.retake(ledger.changed())
  for (const { entry, error } of failures) {
    const file = ledger.giveUp(entry, error)
    progress.publish({ _tag: "Failed", ...pathAt(error.path), reason: error.reason })
    // it was put off, and now it is given up
    if (file !== undefined && audience.length > 0) yield* Close.abort(file, error.reason, audience, awayMillis)
  }
  if (retaken.length === 0) return []
  const { files, list } = ledger.revise(retaken)
  // [Y-13] before the files, which come before it in the plan
  const signatures = yield* signRevised(ledger, (yield* Paths).announcedBytes(), files)
  const signed = signatures.length === 0 ? [] : [ledger.addSignatures(signatures)]
  ledger.deltas.select(files)
  return [[list], signed, files]
})

/** Of files that were sent from a copy: is that what the source still holds? */
export const checkCopies = Effect.fnUntraced(function* (ledger: Ledger) {
  const source = yield* Source
  const progress = yield* Progress
  for (const entry of ledger.takeUnchecked()) {
    if (yield* source.isCurrent(entry)) continue
    ledger.age(entry)
    progress.publish({ _tag: "Note", message: `${display(ledger.entries[entry].path)} ${agedReason}` })
  }
})
