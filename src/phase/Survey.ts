/**
 * Survey: which entries of the manifest does each catcher lack? It is asked in slices, from entry
 * to entry, once the manifest is there. [Y-1]
 */

import * as Effect from "effect/Effect"
import type { Changes, Runs } from "../protocol/Words.ts"
import { SurveyTimeout } from "../report/Errors.ts"
import { Asking } from "../session/Session.ts"
import * as Lacks from "../tree/Lacks.ts"
import type { Audience, Item, ItemizeOk, SurveyOk } from "../wire/Message.ts"

/** What a catcher lacks, and how much is to be changed there. */
export interface Survey {
  readonly lacks: Runs
  readonly changes: Changes
}

/** The surveys of the catchers that answered to the end. */
export type Surveyed = ReadonlyMap<number, Survey>

/** Asks these catchers about a manifest of so many entries. */
export const survey = Effect.fn("Survey.survey")(function* (entries: number, audience: Audience) {
  const slices = new Map<number, Array<SurveyOk>>()
  const nextOf = (slot: number): number => {
    const last = slices.get(slot)?.at(-1)
    return last === undefined ? 0 : last.from + last.count
  }
  let asked: Audience = entries === 0 ? [] : audience
  while (asked.length > 0) {
    // those that have said least are asked first; one that does not answer is asked no more
    const from = Math.min(...asked.map(nextOf))
    const those = asked.filter((slot) => nextOf(slot) === from)
    const answers = yield* askFrom("Survey", from, those, (answer) =>
      // only forwards, so that this ends
      answer._tag === "SurveyOk" && answer.count > 0 && from + answer.count <= entries ? answer : undefined
    )
    for (const [slot, answer] of answers) slices.set(slot, [...(slices.get(slot) ?? []), answer])
    asked = asked.filter((slot) => nextOf(slot) < entries && nextOf(slot) !== from)
  }
  const surveyed = audience.filter((slot) => nextOf(slot) >= entries)
  if (surveyed.length === 0) return yield* new SurveyTimeout()
  return new Map(surveyed.map((slot) => [slot, surveyOf(slices.get(slot) ?? [])])) as Surveyed
})

const surveyOf = (slices: ReadonlyArray<SurveyOk>): Survey => ({
  lacks: Lacks.joined(slices),
  changes: slices.at(-1)?.changes ?? { created: 0, updated: 0, described: 0, kept: 0, deleted: 0 }
})

/** Asks these catchers for each change, and tells of them as they come. [Y-7] */
export const itemize = Effect.fn("Survey.itemize")(function* (
  audience: Audience,
  tell: (slot: number, items: ReadonlyArray<Item>) => Effect.Effect<void>
) {
  const next = new Map(audience.map((slot) => [slot, 0]))
  while (next.size > 0) {
    const from = Math.min(...next.values())
    const asked = audience.filter((slot) => next.get(slot) === from)
    const answers = yield* askFrom("Itemize", from, asked, (answer) =>
      answer._tag === "ItemizeOk" ? answer : undefined
    )
    for (const slot of asked) {
      const { items = [], total = 0 } = answers.get(slot) ?? {}
      yield* tell(slot, items)
      next.set(slot, from + items.length)
      // only forwards, so that this ends
      if (items.length === 0 || from + items.length >= total) next.delete(slot)
    }
  }
})

/** The answers from there on; `accept` gives one that counts. One that sits out answers nothing. */
const askFrom = Effect.fnUntraced(function* <A extends SurveyOk | ItemizeOk>(
  _tag: "Survey" | "Itemize",
  from: number,
  audience: Audience,
  accept: (answer: SurveyOk | ItemizeOk) => A | undefined
) {
  const { ask } = yield* Asking
  const answers = new Map<number, A>()
  yield* ask({
    file: 0,
    audience,
    leavesOut: true,
    leavesOutMute: true,
    awaitsUnheard: true,
    message: (audience) => ({ _tag, file: 0, from, audience }),
    accept: (slot, answer) => {
      if (answer._tag === "SitOut") return true
      const isOurs = (answer._tag === "SurveyOk" || answer._tag === "ItemizeOk") && answer.from === from
      const accepted = isOurs ? accept(answer) : undefined
      if (accepted !== undefined) answers.set(slot, accepted)
      return accepted !== undefined
    }
  })
  return answers
})
