/**
 * Survey: which entries of the manifest does each catcher lack? It is asked in slices, from entry
 * to entry, once the manifest is there. [Y-1]
 */

import * as Effect from "effect/Effect"
import * as Limits from "../protocol/Limits.ts"
import { type Changes, nothingChanged, type Runs } from "../protocol/Words.ts"
import { SurveyTimeout } from "../report/Errors.ts"
import type { FileAnswer } from "../session/Asking.ts"
import * as Monotonic from "../session/Monotonic.ts"
import { Asking } from "../session/Session.ts"
import * as Lacks from "../tree/Lacks.ts"
import { itemBytes } from "../wire/FromCatcher.ts"
import type { Audience, Comparing, Item, ItemizeOk, SurveyOk } from "../wire/Message.ts"

/** What a catcher lacks, and how much is to be changed there. */
export interface Survey {
  readonly lacks: Runs
  /** Entries of which only the content can tell. [Y-12] */
  readonly doubts: Runs
  /** Entries that it lacks, and of which it has an older version. [Y-13] */
  readonly olds: Runs
  readonly changes: Changes
}

/** How a survey went. */
export interface Surveyed {
  /** Of the catchers that answered to the end. */
  readonly found: ReadonlyMap<number, Survey>
  /** Those that still compare: to be asked again. */
  readonly comparing: Audience
}

/** How far each catcher is that compares for long, as it said last. */
export type Comparisons = Map<number, Comparing>

interface Options {
  readonly patienceMillis: number
  readonly progress: Comparisons
  /** Those that were found to compare for long are not waited for; none where it is not given. */
  readonly slow?: ReadonlySet<number>
  /** They hold all that they need to be in doubt of nothing: one that is has not answered. */
  readonly isSettled?: boolean
}

/**
 * Asks these catchers about a manifest of so many entries; those that still compare after so long
 * are not waited for. `progress` lasts from one survey to the next.
 */
export const survey = Effect.fn("Survey.survey")(function* (
  entries: number,
  audience: Audience,
  { isSettled = false, patienceMillis, progress, slow = new Set() }: Options
) {
  const now = yield* Monotonic.millis
  const beganMillis = now()
  const slices = new Map<number, Array<SurveyOk>>()
  const comparing = new Set(audience.filter((slot) => slow.has(slot)))
  const nextOf = (slot: number): number => {
    const last = slices.get(slot)?.at(-1)
    return last === undefined ? 0 : last.from + last.count
  }
  let asked: Audience = entries === 0 ? [] : audience
  for (let turn = 0; asked.length > 0; turn++) {
    // those that compare are asked again when the others have said all
    const done = asked.filter((slot) => !comparing.has(slot))
    const isOver = now() - beganMillis >= patienceMillis || asked.every((slot) => slow.has(slot))
    if (done.length === 0 && turn > 0 && isOver) break
    const group = done.length > 0 ? done : asked
    // those that have said least are asked first; one that does not answer is asked no more
    const from = Math.min(...group.map(nextOf))
    const those = group.filter((slot) => nextOf(slot) === from)
    const answers = yield* askFrom("Survey", from, those, (slot, answer) => {
      if (answer._tag === "Comparing") return isFurther(answer, slot, progress, entries) ? answer : undefined
      if (answer._tag !== "SurveyOk" || (isSettled && answer.doubted > 0)) return undefined
      return isFull(answer, entries) ? answer : undefined
    })
    for (const slot of those) comparing.delete(slot)
    for (const [slot, answer] of answers) {
      if (answer._tag === "Comparing") comparing.add(slot)
      else slices.set(slot, [...(slices.get(slot) ?? []), answer])
    }
    asked = asked.filter((slot) => comparing.has(slot) || (nextOf(slot) < entries && nextOf(slot) !== from))
  }
  const surveyed = audience.filter((slot) => nextOf(slot) >= entries)
  if (surveyed.length + comparing.size === 0) return yield* new SurveyTimeout()
  const found = new Map(surveyed.map((slot) => [slot, surveyOf(slices.get(slot) ?? [])]))
  return { found, comparing: [...comparing] } as Surveyed
})

/** [Y-1] An answer tells of as many entries as it has room for, and of none that there is not. */
const isFull = ({ count, from }: SurveyOk, entries: number): boolean =>
  from + count <= entries && count >= Math.min(entries - from, Limits.surveyEntries / 2)

/** [Y-8] A catcher that gets no further has not answered, whatever it says. */
const isFurther = (now: Comparing, slot: number, progress: Comparisons, entries: number): boolean => {
  const before = progress.get(slot)
  if (before !== undefined && partOf(now, entries) <= partOf(before, entries)) return false
  progress.set(slot, now)
  return true
}

const partOf = ({ hashed, looked, toHash }: Comparing, entries: number): number =>
  parts(looked, entries) + parts(hashed, toHash)

/** How far that is, in parts of which the master counts each once. */
export const parts = (done: number, all: number): number =>
  all === 0 ? 0 : Math.floor(Limits.surveyParts * Math.min(1, done / all))

const surveyOf = (slices: ReadonlyArray<SurveyOk>): Survey => {
  const lacks = Lacks.joined(slices.map(({ runs }) => runs))
  // what is told of and not lacked is in doubt
  const told = Lacks.joined(slices.map(({ doubts }) => doubts))
  return {
    lacks,
    doubts: Lacks.only(told, (entry) => !Lacks.has(lacks, entry)),
    olds: Lacks.only(told, (entry) => Lacks.has(lacks, entry)),
    changes: slices.at(-1)?.changes ?? nothingChanged
  }
}

/** Asks these catchers for each change, and tells of them as they come. [Y-7] */
export const itemize = Effect.fn("Survey.itemize")(function* (
  audience: Audience,
  tell: (slot: number, items: ReadonlyArray<Item>) => Effect.Effect<void>
) {
  const next = new Map(audience.map((slot) => [slot, 0]))
  const told = new Map(audience.map((slot) => [slot, { answers: 0, bytes: 0 }]))
  while (next.size > 0) {
    const from = Math.min(...next.values())
    const asked = audience.filter((slot) => next.get(slot) === from)
    const answers = yield* askFrom("Itemize", from, asked, (_, answer) =>
      answer._tag === "ItemizeOk" ? answer : undefined
    )
    for (const slot of asked) {
      const { items = [], total = 0 } = answers.get(slot) ?? {}
      yield* tell(slot, items)
      next.set(slot, from + items.length)
      const so = told.get(slot) ?? { answers: 0, bytes: 0 }
      so.answers++
      for (const item of items) so.bytes += itemBytes(item)
      // only forwards, and not by small steps, so that this ends
      if (items.length === 0 || from + items.length >= total || isIdle(so)) next.delete(slot)
    }
  }
})

/** One answer may be cut before a long path; two of them together fill a datagram. */
const isIdle = ({ answers, bytes }: { readonly answers: number; readonly bytes: number }): boolean =>
  answers > Limits.itemizeAnswers + (2 * bytes) / Limits.itemsBytes

type Answer = SurveyOk | Comparing | ItemizeOk

/** The answers from there on; `accept` gives one that counts. One that sits out answers nothing. */
const askFrom = Effect.fnUntraced(function* <A extends Answer>(
  _tag: "Survey" | "Itemize",
  from: number,
  audience: Audience,
  accept: (slot: number, answer: Answer) => A | undefined
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
      const accepted = isAnswer(answer) && answer.from === from ? accept(slot, answer) : undefined
      if (accepted !== undefined) answers.set(slot, accepted)
      return accepted !== undefined
    }
  })
  return answers
})

const isAnswer = (answer: FileAnswer): answer is Answer =>
  answer._tag === "SurveyOk" || answer._tag === "Comparing" || answer._tag === "ItemizeOk"
