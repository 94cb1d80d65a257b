/**
 * What catchers lack: they are asked, what only contents can tell is hashed here as well, and what
 * any of them lacks is selected.
 */
import * as Effect from "effect/Effect"
import * as Survey from "../phase/Survey.ts"
import { Progress } from "../report/Progress.ts"
import * as Monotonic from "../session/Monotonic.ts"
import { Members, Paths, Silence } from "../session/Session.ts"
import * as Itemize from "../tree/Itemize.ts"
import type { Policy } from "../tree/Policy.ts"
import type { Audience } from "../wire/Message.ts"
import { hash } from "./Hashing.ts"
import { sign } from "./Signing.ts"
import type { Ledger } from "./Ledger.ts"
import { outgoingOf, sendFile, type Shared } from "./Sending.ts"

/**
 * [Y-1] Asks catchers that hold the manifest what they lack, and selects it. Answers those that
 * have said so, and those that still compare.
 */
export const survey = Effect.fnUntraced(function* (shared: Shared, audience: Audience) {
  const { ledger } = shared
  if (ledger.policy === undefined || audience.length === 0) return { surveyed: audience, comparing: [] }
  const { timeoutMillis } = yield* Silence
  const now = yield* Monotonic.millis
  const beganMillis = now()
  const { progress } = ledger.doubts
  // [Y-3] the others went on without these before
  const slow = new Set(progress.keys())
  const first = yield* ask(ledger, audience, { patienceMillis: timeoutMillis, progress, slow })
  const doubting = yield* settle(shared, first.found)
  const comparing = [...first.comparing]
  if (doubting.length > 0) {
    yield* tellHashes(shared, doubting)
    // [Y-3] all hash at about one time; one that takes twice as long holds up nobody
    const patienceMillis = Math.max(timeoutMillis, now() - beganMillis)
    const holding = doubting.filter((slot) => ledger.holdsLists(slot))
    const second = yield* ask(ledger, holding, { patienceMillis, progress, slow, isSettled: true })
    yield* settle(shared, second.found)
    comparing.push(...doubting.filter((slot) => !holding.includes(slot)), ...second.comparing)
  }
  const surveyed = audience.filter((slot) => ledger.isSurveyed(slot))
  if (ledger.policy.itemizes) yield* itemize(shared, ledger.policy, surveyed)
  if (!ledger.policy.isDryRun) {
    const signatures = yield* sign(ledger, (yield* Paths).announcedBytes())
    if (signatures.length > 0) ledger.addSignatures(signatures)
    ledger.select()
  }
  return { surveyed, comparing }
})

const ask = (ledger: Ledger, audience: Audience, options: Parameters<typeof Survey.survey>[2]) =>
  Effect.catchTag(Survey.survey(ledger.manifest.length, audience, options), "SurveyTimeout", () =>
    Effect.succeed<Survey.Surveyed>({ found: new Map(), comparing: [] })
  )

/** Books what was found. Answers those that are in doubt of something. */
const settle = Effect.fnUntraced(function* ({ audiences, ledger }: Shared, found: Survey.Surveyed["found"]) {
  const doubting: Array<number> = []
  for (const [slot, survey] of found) {
    if (survey.olds.length > 0) ledger.deltas.add(survey.olds)
    if (survey.doubts.length === 0) ledger.surveyed(slot, survey)
    else {
      doubting.push(slot)
      ledger.doubts.add(survey.doubts)
      audiences.doubting.add(slot)
    }
    // others are to be heard between catchers that lack a million entries
    yield* Effect.yieldNow
  }
  return doubting.toSorted((a, b) => a - b) as Audience
})

/** [Y-12] Hashes what is in doubt there, and sends the lists of it. */
const tellHashes = Effect.fnUntraced(function* (shared: Shared, doubting: Audience) {
  const { audiences, ledger } = shared
  const wanted = ledger.doubts.toHash()
  if (wanted.length > 0) ledger.addHashes(yield* hash(ledger, wanted, (yield* Paths).announcedBytes()))
  // a list is sent to those that hold the ones before it
  for (const carried of ledger.listFiles()) {
    const isOwed = audiences.owed(carried.file).some((slot) => doubting.includes(slot))
    if (isOwed) yield* sendFile(shared, outgoingOf(carried, false), () => false)
  }
})

/**
 * [Y-7] Tells what is to be changed at each. What is to go may stay after all, and is told when it
 * has gone.
 */
const itemize = Effect.fnUntraced(function* ({ deletions, ledger }: Shared, policy: Policy, audience: Audience) {
  const { roster } = yield* Members
  const progress = yield* Progress
  for (const slot of audience) deletions.take(slot)
  yield* Survey.itemize(audience, (slot, items) =>
    Effect.sync(() => {
      const catcher = roster().members[slot].name
      for (const item of items) {
        const told = Itemize.lineOf(item, ledger.manifest, policy)
        if (told === undefined) continue
        const event = { _tag: "Itemized", catcher, ...told } as const
        const isHeld = item._tag !== "Change" && !policy.isDryRun && deletions.add(slot, event)
        if (!isHeld) progress.publish(event)
      }
    })
  )
})
