/**
 * Missing rounds: ask what is missing, send that again or parity for it, until nobody misses
 * anything. Rounds of a span run while later spans stream; the last rounds, which carry the root,
 * end with every catcher complete, out, lost, or so far behind the others that it is to be repaired
 * after them.
 *
 * a round is asked only after all that was sent for the round before has left.
 */

import * as Effect from "effect/Effect"
import * as Layout from "../protocol/file/Layout.ts"
import * as Planner from "../protocol/file/Planner.ts"
import * as Limits from "../protocol/Limits.ts"
import { union } from "../protocol/Runs.ts"
import { RoundsExhausted } from "../report/Errors.ts"
import type { Demand } from "../session/Demand.ts"
import type { Lane } from "../session/Sender.ts"
import { Asking, type FileAnswer, Lanes, Members, Paths, Silence, Trials } from "../session/Session.ts"
import type { SitOutReason } from "../protocol/Words.ts"
import type { Audience, Missing } from "../wire/Message.ts"
import { further, type Looks } from "./Further.ts"
import type { SatOut } from "./OpenBarrier.ts"
import * as PageStream from "./PageStream.ts"

/**
 * The memory of one file's rounds: their number, which only ever grows, and the parity that was
 * sent.
 */
export class Repairs {
  readonly repair: Planner.Repair
  /** False for a catcher that sits the file out, in whichever phase it said so. */
  readonly wants: (slot: number) => boolean
  /** Of a catcher that copies what it holds. [Y-18] */
  readonly looks: Looks
  private readonly layout: Layout.Layout
  private lastRound = 0
  /**
   * Rounds with the root, for whomever: a straggler that is left for later again and again has no
   * more of them than others.
   */
  lastRounds = 0
  private wantsLists = false
  // made when the first parity is
  private sentParity: Uint8Array | undefined

  constructor(
    layout: Layout.Layout,
    repair: Planner.Repair = "auto",
    wants: (slot: number) => boolean = () => true,
    looks: Looks = () => {}
  ) {
    this.layout = layout
    this.repair = repair
    this.wants = wants
    this.looks = looks
  }
  nextRound(): number {
    return ++this.lastRound
  }
  readonly sent = (block: number): number => this.sentParity?.[block] ?? 0
  sending({ parity, wantsLists }: Planner.Plan): void {
    this.wantsLists ||= wantsLists
    this.sentParity ??= new Uint8Array(this.layout.blocks)
    for (const { block, count, first } of parity) this.sentParity[block] = first + count
  }
  /** Are counts asked for? They lead to parity, lists to either. */
  asksCounts(catchers: number): boolean {
    const isWorthIt = this.repair === "parity" || (this.repair === "auto" && catchers > Limits.listingCatchers)
    return isWorthIt && !this.wantsLists
  }
}

/** How the rounds of a file, or of one span of it, ended. */
export interface Repaired {
  /** Catchers that hold all that was asked about. */
  readonly complete: Audience
  /** Catchers that gave the file up, and why. */
  readonly satOut: SatOut
  /** Stragglers: they still miss something. */
  readonly late: Audience
  /**
   * Catchers that pages of this file's size do not reach: they need it opened anew with smaller
   * ones, or nothing more.
   */
  readonly unfit: Audience
  /** Pages asked for again, by slot. */
  readonly missingPages: ReadonlyMap<number, number>
}

interface Rounds {
  readonly content: PageStream.Content
  readonly repairs: Repairs
  readonly audience: Audience
  readonly lane: Lane
  readonly first: number
  readonly count: number
  readonly root: Uint8Array | undefined
  /** How long a round waits for an answer; without it as long as the session does. */
  readonly patienceMillis: number | undefined
}

/**
 * Repairs one span while the file still streams, on the lane for repairs or on `lane`. A catcher
 * that is slow to answer, or far behind, is left to the last rounds.
 */
export const span = Effect.fnUntraced(function* (
  content: PageStream.Content,
  repairs: Repairs,
  audience: Audience,
  [first, count]: readonly [first: number, count: number],
  lane?: Lane
) {
  const { repair } = yield* Lanes
  const patienceMillis = Limits.spanPatienceMillis
  return yield* rounds({
    content,
    repairs,
    audience,
    lane: lane ?? repair,
    first,
    count,
    root: undefined,
    patienceMillis
  })
})

/**
 * The rounds at the end of a file: every page has been sent, the root is known. Repairs go on
 * `lane`, by default on `repair`. On the lane `straggler` a round waits for an answer as long as
 * the session does.
 */
export const finish = Effect.fn("MissingRounds.finish")(function* (
  content: PageStream.Content,
  repairs: Repairs,
  audience: Audience,
  lane?: Lane
) {
  const { repair, straggler } = yield* Lanes
  const { awayMillis } = yield* Silence
  const last = PageStream.spans(content.layout).at(-1) ?? [0, 0]
  const root = PageStream.root(content)
  const repaired = yield* rounds({
    content,
    repairs,
    audience,
    lane: lane ?? repair,
    first: last[0],
    count: last[1],
    root,
    patienceMillis: lane === straggler ? undefined : awayMillis
  })
  const { complete, late, satOut, unfit } = repaired
  if (complete.length + satOut.size + late.length + unfit.length === 0) {
    return yield* new RoundsExhausted({ file: content.file })
  }
  return repaired
})

/**
 * [Y-13] The pages of a span that these catchers lack before any was sent. One that does not answer
 * in time is left to the rounds; where none does, all of them.
 */
export const lacked = Effect.fn("MissingRounds.lacked")(function* (
  content: PageStream.Content,
  repairs: Repairs,
  audience: Audience,
  [first, count]: PageStream.Span
) {
  const { repair } = yield* Lanes
  const patienceMillis = Limits.spanPatienceMillis
  const about = { content, repairs, audience, lane: repair, first, count, root: undefined, patienceMillis }
  const asked = audience.filter(repairs.wants)
  const { answers } = yield* askRound(about, asked, false, true)
  const missing = [...answers.values()].flatMap((answer) => (answer._tag === "Missing" ? [answer.runs] : []))
  // they may lack what no other does
  const isHashed = content.signature !== undefined
  if (!isHashed && missing.length < asked.length) yield* PageStream.hashSpan(content, [first, count])
  return missing.length === 0 ? [first, count] : union(missing)
})

/** The sum of the rounds' answers. */
class Tally {
  readonly complete: Array<number> = []
  readonly satOut = new Map<number, SitOutReason>()
  readonly missingPages = new Map<number, number>()
  /** Pages that each lacked when it was asked last. */
  readonly lacking = new Map<number, number>()

  /**
   * Takes the answers of a round in; those of catchers that still miss something. `hasRoot`: it is
   * one of the last rounds.
   */
  take(answers: ReadonlyMap<number, FileAnswer>, hasRoot: boolean): Map<number, Missing> {
    const { complete, lacking, missingPages, satOut } = this
    const missing = new Map<number, Missing>()
    for (const [slot, answer] of answers) {
      lacking.set(slot, 0)
      if (answer._tag === "Complete") complete.push(slot)
      else if (answer._tag === "SitOut") satOut.set(slot, answer)
      else if (answer._tag === "Missing") {
        const pages = Planner.lacking(answer)
        // with the root, a catcher that misses nothing yet is not complete yet
        if (pages === 0 && !hasRoot) continue
        lacking.set(slot, pages)
        missing.set(slot, answer)
        missingPages.set(slot, (missingPages.get(slot) ?? 0) + pages)
      }
    }
    return missing
  }
}

const rounds = Effect.fnUntraced(function* (options: Rounds) {
  const { content, count, lane, repairs, root } = options
  const { missed } = yield* Members
  const { demand, leaveOut } = yield* Silence
  const paths = yield* Paths
  const trials = yield* Trials
  const tally = new Tally()
  const { complete, lacking, missingPages, satOut } = tally
  const late = new Set<number>()
  const unfit: Array<number> = []
  /** The last answers. */
  const before = new Map<number, Missing>()
  let owing: Audience = options.audience
  /** Nobody answered, and nobody is complete: now the rounds wait for one answer. */
  let isAlone = false
  // with the root an answer may be about any span
  const spans = root === undefined ? 1 : Math.max(1, PageStream.spans(content.layout).length)
  for (let turn = root === undefined ? 0 : repairs.lastRounds; turn < Limits.rounds * spans; turn++) {
    owing = owing.filter(repairs.wants)
    if (owing.length === 0) break
    if (root !== undefined) repairs.lastRounds++
    const { answers, rest } = yield* askRound(options, owing, isAlone)
    const missing = tally.take(answers, root !== undefined)
    for (const [slot, answer] of missing) {
      judge(trials, content.layout, slot, answer, before.get(slot))
      before.set(slot, answer)
    }
    // [N-4] nobody waits for a catcher that gains nothing, if others answer
    const onTrial = [...missing.keys()].filter(trials.isOnTrial)
    if (onTrial.length < answers.size) for (const slot of onTrial) late.add(slot)
    // the others do not wait for a straggler; those on trial do not count
    const gaining = new Map([...lacking].filter(([slot]) => !onTrial.includes(slot)))
    for (const slot of Planner.stragglers(gaining, count)) late.add(slot)
    for (const slot of unfitOf(paths, content.layout, missing.keys())) {
      unfit.push(slot)
      missing.delete(slot)
      late.delete(slot)
    }
    yield* missed(lacking)
    if (root !== undefined && options.patienceMillis !== undefined) {
      const othersWait = answers.size > 0 || complete.length > 0
      if (!othersWait && !isAlone) {
        isAlone = true
        continue
      }
      isAlone = false
      // others have answered, now or before: nobody waits for those that have not
      const silent = owing.filter((slot) => !answers.has(slot) && !rest.includes(slot))
      leaveOut(silent)
      if (othersWait) for (const slot of silent) late.add(slot)
    }
    const lackers = [...missing.keys()].filter((slot) => !late.has(slot))
    owing = [...lackers, ...rest]
    if (owing.length === 0) break
    const wanted = lackers.map((slot) => portion(trials, content.layout, slot, missing.get(slot)!))
    yield* send(options, wanted, demand(owing, repairs.wants))
    yield* lane.drained
    if (owing.every(trials.isOnTrial)) {
      yield* Effect.sleep(Math.max(...owing.map(trials.pauseMillis)))
    }
  }
  // a catcher that still misses something after so many rounds is given up for this file
  if (root !== undefined)
    for (const slot of owing) {
      satOut.set(slot, { reason: `still missing pages after ${Limits.rounds * spans} rounds`, about: "File" })
    }
  return { complete, satOut, late: [...late], unfit, missingPages } as Repaired
})

// Has the catcher gained a page since it answered last, or, at its first answer, some of them as
// they streamed?
const judge = (
  trials: Trials["Service"],
  layout: Layout.Layout,
  slot: number,
  answer: Missing,
  before: Missing | undefined
): void => {
  // what was spoiled had come, and once its digests have, more of it is listed [C-8]
  if (answer.spoiled)
    return trials.judge(slot, before?.spoiled !== true || !Planner.hasAll(answer.runs, before.runs), "SentAlone")
  const pages = Planner.lackingWhole(layout, answer)
  if (before === undefined) {
    const hasGained = pages <= Limits.vainRoundPages || pages < answer.count * (1 - Limits.gainedShare)
    // one that lost few of them shows nothing
    if (!hasGained || pages < answer.count / 2) trials.judge(slot, hasGained, "Streamed")
    return
  }
  const hasGained = before.first !== answer.first || pages < Planner.lackingWhole(layout, before)
  trials.judge(slot, hasGained, "SentAlone")
}

const unfitOf = (
  paths: Paths["Service"],
  { pageBytes }: Layout.Layout,
  slots: Iterable<number>
): ReadonlyArray<number> =>
  [...slots].filter((slot) => paths.isTooLarge(slot, pageBytes) || paths.whyOut(slot) !== undefined)

// The part of an answer that is sent at once: a catcher that gained nothing lately is sent a few
// pages only. [N-4]
const portion = (trials: Trials["Service"], layout: Layout.Layout, slot: number, answer: Missing): Missing => {
  const most = trials.mostPages(slot)
  return most === undefined ? answer : { ...answer, ...Planner.firstOf(layout, answer, most) }
}

/** Sends what these answers ask for; they may be about different spans. */
const send = Effect.fnUntraced(function* (
  { content, lane, repairs }: Rounds,
  answers: ReadonlyArray<Missing>,
  demand: Demand
) {
  const spans = new Map<number, Array<Missing>>()
  for (const answer of answers) spans.set(answer.first, [...(spans.get(answer.first) ?? []), answer])
  for (const [first, answers] of spans) {
    const count = Math.max(...answers.map((answer) => answer.count))
    const { layout } = content
    const plan = Planner.plan({ layout, first, count, answers, sent: repairs.sent, repair: repairs.repair })
    repairs.sending(plan)
    yield* PageStream.send(content, plan.runs, lane, false, demand, plan.digested)
    yield* PageStream.sendParity(content, plan.parity, lane, demand)
  }
})

/**
 * The answers of a round, and `rest`: catchers that are left to the next one. Nobody is
 * where lists are wanted.
 */
const askRound = Effect.fnUntraced(function* (
  options: Rounds,
  audience: Audience,
  isAlone: boolean,
  wantsLists = false
) {
  const { content, count, first, patienceMillis, repairs, root } = options
  // [Y-18] only with the root, and where a signature checks it, a catcher may have to copy before
  const looks = root === undefined || content.signature === undefined ? undefined : repairs.looks
  const { ask } = yield* Asking
  const round = repairs.nextRound()
  const counts = !wantsLists && repairs.asksCounts(audience.length)
  const answers = new Map<number, FileAnswer>()
  let rest: Audience = []
  const leavesRest = (slots: Audience) => {
    rest = slots
  }
  yield* ask({
    file: content.file,
    audience,
    ...(patienceMillis === undefined ? {} : isAlone ? { leavesOut: true } : { patienceMillis }),
    ...(wantsLists ? {} : { leavesRest }),
    ...(looks === undefined ? {} : { isFurther: further(content.layout.size * Limits.reusedSizes, looks) }),
    message: (audience) => ({
      _tag: "Eof",
      file: content.file,
      round,
      first,
      count,
      root,
      counts,
      audience
    }),
    accept: (slot, answer) => {
      const ours =
        answer._tag === "SitOut" ||
        // it has dropped the file, and is sent it again in a further pass
        (answer._tag === "Aborted" && content.file > 0) ||
        (answer._tag === "Complete" && root !== undefined) ||
        (answer._tag === "Missing" &&
          answer.round === round &&
          (root !== undefined || answer.first === first) &&
          isSound(answer, content.layout))
      if (ours) {
        answers.set(slot, answer)
        looks?.(slot, undefined)
      }
      return ours
    }
  })
  return { answers, rest }
})

/** Is it about whole blocks of this file, and does no block lack more pages than it has? */
const isSound = ({ count, first, lacks }: Missing, layout: Layout.Layout): boolean => {
  if (first + count > layout.pages) return false
  if (lacks === undefined) return true
  const [block, end] = Layout.blocksOf(layout, first, count)
  return (
    first % layout.blockPages === 0 &&
    lacks.length === end - block &&
    lacks.every((lack, i) => lack <= Layout.blockSpan(layout, block + i)[1])
  )
}
