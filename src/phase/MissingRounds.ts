/**
 * Missing rounds: ask what is missing, send that again, until nobody misses anything. Rounds of a span run while later
 * spans stream; the last rounds, which carry the root, end with every catcher complete, out, or lost.
 *
 * a round is asked only after all that was sent for the round before has left.
 */
import * as Effect from "effect/Effect"
import { RoundsExhausted } from "../Errors.ts"
import * as Limits from "../protocol/Limits.ts"
import * as Planner from "../protocol/Planner.ts"
import * as Codec from "../wire/Codec.ts"
import type { Audience, Runs } from "../wire/Message.ts"
import type { SatOut } from "./OpenBarrier.ts"
import * as PageStream from "./PageStream.ts"
import { type FileAnswer, Session } from "./Session.ts"

/** Numbers the rounds of one file; they only ever grow. */
export class RoundCounter {
  private last = 0
  next(): number {
    return ++this.last
  }
}

export interface Repaired {
  readonly complete: Audience
  readonly satOut: SatOut
  /** Pages asked for again, by slot. */
  readonly missingPages: ReadonlyMap<number, number>
}

interface Rounds {
  readonly content: PageStream.Content
  readonly counter: RoundCounter
  readonly audience: Audience
  readonly first: number
  readonly count: number
  readonly root: Uint8Array | undefined
}

/** Repairs one span while the file still streams. Who is slow to answer is left to the last rounds. */
export const span = (
  content: PageStream.Content,
  counter: RoundCounter,
  audience: Audience,
  first: number,
  count: number
) => rounds({ content, counter, audience, first, count, root: undefined })

/** The rounds at the end of a file: every page has been sent, the root is known. */
export const finish = Effect.fn("MissingRounds.finish")(function* (
  content: PageStream.Content,
  counter: RoundCounter,
  audience: Audience
) {
  const last = PageStream.spans(content.layout).at(-1) ?? [0, 0]
  const root = PageStream.root(content)
  const repaired = yield* rounds({ content, counter, audience, first: last[0], count: last[1], root })
  if (repaired.complete.length === 0 && repaired.satOut.size === 0) {
    return yield* new RoundsExhausted({ file: content.file })
  }
  return repaired
})

const rounds = Effect.fnUntraced(function* (options: Rounds) {
  const { content, counter, root } = options
  const session = yield* Session
  const repair = session.air.repair
  const complete: Array<number> = []
  const satOut = new Map<number, string>()
  const missingPages = new Map<number, number>()
  let owing: Array<number> = [...options.audience]
  for (let turn = 0; owing.length > 0 && turn < Limits.rounds; turn++) {
    const answers = yield* askRound(options, counter.next(), owing)
    const missing: Array<Runs> = []
    owing = []
    for (const [slot, answer] of answers) {
      if (answer._tag === "Complete") complete.push(slot)
      else if (answer._tag === "SitOut") satOut.set(slot, answer.reason)
      else if (answer._tag === "Missing" && (answer.runs.length > 0 || root !== undefined)) {
        owing.push(slot)
        missing.push(answer.runs)
        missingPages.set(slot, (missingPages.get(slot) ?? 0) + Planner.count(answer.runs))
      }
    }
    if (missing.length === 0) break
    yield* PageStream.send(content, Planner.union(missing), repair)
    yield* repair.drained
  }
  // at the end whoever still misses something, after so many rounds, is given up for this file
  if (root !== undefined)
    for (const slot of owing) satOut.set(slot, `still missing pages after ${Limits.rounds} rounds`)
  return { complete, satOut, missingPages } as Repaired
})

const askRound = Effect.fnUntraced(function* (options: Rounds, round: number, audience: Audience) {
  const { content, count, first, root } = options
  const session = yield* Session
  const answers = new Map<number, FileAnswer>()
  yield* session.ask({
    file: content.file,
    audience,
    ...(root === undefined ? { patienceMillis: Limits.spanPatienceMillis } : {}),
    encode: (audience) =>
      Codec.encode({
        _tag: "Eof",
        session: session.id,
        file: content.file,
        round,
        first,
        count,
        root,
        audience
      }),
    accept: (slot, answer) => {
      const ours =
        answer._tag === "SitOut" ||
        (answer._tag === "Complete" && root !== undefined) ||
        (answer._tag === "Missing" &&
          answer.round === round &&
          (root !== undefined || answer.first === first) &&
          answer.first + answer.count <= content.layout.pages)
      if (ours) answers.set(slot, answer)
      return ours
    }
  })
  return answers
})
