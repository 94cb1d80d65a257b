/**
 * The four-state catcher of one file, as a pure reducer: `step(state, event)` gives the next state and the commands
 * that its driver runs. No I/O, clock, chance or visible mutation; a batch of pages is one event of constant cost a page.
 *
 * Commands whose outcome matters (OpenStore, Verify, Compare, Commit) are answered by an event (Opened, Recognised or OpenFailed,
 * Verified or Lost, Compared, Committed), or by StoreFailed. A question that comes meanwhile is not answered twice: it is asked again anyway.
 *
 * [C-5] pages held + pages missing = all pages.
 * [C-6] DataReady is entered only with every page held and the hash agreed, or with the content recognised by its hash.
 * [C-1] a question asked again gets the same answer; its effects happen once.
 * [C-2] a duplicate or a reordered page changes nothing but the order of storing.
 * [C-3] an illegal event is answered or ignored, never thrown.
 * [C-4] parity is kept only for a block that lacks more pages than it holds parity; with the last one the block is decoded.
 * [C-8] a block that was whole and wrong takes no parity, and its pages only with their digests; what it holds is compared with
 * these, too.
 */

import * as Limits from "../Limits.ts"
import type { Failure, Runs, SitOutReason } from "../Words.ts"
import * as Layout from "./Layout.ts"
import * as PageSet from "./PageSet.ts"
import * as Spoiled from "./Spoiled.ts"

/** Payloads travel beside their indices; the reducer looks at the indices only. */
export interface PageBatch {
  /** The opening that they are of; undefined: pages of this session do not say it. */
  readonly opening?: number | undefined
  readonly indices: ArrayLike<number>
  readonly payloads: ReadonlyArray<Uint8Array>
}

/** Parity pages that arrived together: each one's block, and which of the block's parity pages it is. */
export interface ParityBatch {
  /** As of pages. */
  readonly opening?: number | undefined
  readonly blocks: ReadonlyArray<number>
  readonly indices: ReadonlyArray<number>
  readonly payloads: ReadonlyArray<Uint8Array>
}

/** The four states; what was before Idle says which answer a late question gets. */
export type State =
  /** Nothing is under way: never opened, being opened, committed, or aborted. */
  | { readonly _tag: "Idle"; readonly past: "None" | "Aborted" }
  | ({ readonly _tag: "Idle"; readonly past: "Opening" } & Coming)
  | { readonly _tag: "Idle"; readonly past: "Committed"; readonly failures: ReadonlyArray<Failure> }
  | GetData
  | { readonly _tag: "DataReady"; readonly committing: boolean; readonly from: number }
  | ({ readonly _tag: "Sick" } & SitOutReason)

/** The content that is to come. */
interface Coming {
  readonly layout: Layout.Layout
  /** Its number in the session; undefined: the `Open` did not say it. [E-1] */
  readonly opening?: number | undefined
}

/** Pages are awaited. */
export interface GetData extends Coming {
  readonly _tag: "GetData"
  /** Those held, of content and trailer. */
  readonly pages: PageSet.PageSet
  /** Parity pages held, by block, the oldest first: fewer than the block lacks. */
  readonly parity: ReadonlyMap<number, ReadonlyArray<number>>
  /** The latest question; the most pages and parity held at one, and how many rounds brought nothing. */
  readonly round: number
  readonly heldAtRound: number
  readonly stalledRounds: number
  /** Blocks that were whole and wrong; undefined: none. */
  readonly spoiled: Spoiled.Spoiled | undefined
  /** How often blocks failed their hash although their pages had their digests. */
  readonly rejected: number
  /** The question that waits for Verified. */
  readonly verifying: Eof | undefined
}

/**
 * The question after pages: what of a span is missing? With the root it is about the end of the
 * file.
 */
export interface Eof {
  readonly _tag: "Eof"
  /** Its number; the answer repeats it. */
  readonly round: number
  /** The first page asked about. */
  readonly first: number
  /** How many pages. */
  readonly count: number
  /** Set once the master has sent every page: the trailer's hash. */
  readonly root: Uint8Array | undefined
  /** How many pages a block lacks is enough. */
  readonly counts: boolean
}

/** What the pages of a block are like that was spoiled; they come after it. */
export interface Digests extends Spoiled.Told {
  readonly _tag: "Digests"
  /** The opening whose pages they are. */
  readonly opening?: number | undefined
}

/** The outcome of Verify. */
interface Verified extends Spoiled.Verdict {
  readonly _tag: "Verified"
}

/** The outcome of Verify where pages, as runs, are not what they were held for: they are missing again. [Y-18] */
interface Lost {
  readonly _tag: "Lost"
  readonly pages: Runs
}

/** The outcome of Compare: pages that are others than the master's. They are missing again. */
interface Compared {
  readonly _tag: "Compared"
  readonly wrong: ReadonlyArray<number>
}

/** Events of a file: questions of the master, pages, and outcomes of commands. */
export type Event =
  /** The root, where the master knows it already: what stands there may be the content. */
  | ({ readonly _tag: "Open"; readonly root?: Uint8Array | undefined } & Coming)
  /** `held`: pages that the file has already, as runs; absent: none. */
  | { readonly _tag: "Opened"; readonly held?: Runs }
  /** Nothing was opened: the content stands there, and has the root. */
  | { readonly _tag: "Recognised" }
  | ({ readonly _tag: "OpenFailed" } & SitOutReason)
  /** `digests`: of the payloads of pages that `awaitsDigest`. */
  | { readonly _tag: "Pages"; readonly batch: PageBatch; readonly digests?: ReadonlyArray<Uint8Array | undefined> }
  | { readonly _tag: "Parity"; readonly batch: ParityBatch }
  | Digests
  | Eof
  | Verified
  | Lost
  | Compared
  | ({ readonly _tag: "StoreFailed" } & SitOutReason)
  | { readonly _tag: "Close"; readonly from: number }
  | { readonly _tag: "Committed"; readonly failures: ReadonlyArray<Failure> }
  | { readonly _tag: "Abort" }

/** Answers to the master. */
export type Answer =
  | { readonly _tag: "OpenOk"; readonly opening: number }
  | ({ readonly _tag: "SitOut" } & SitOutReason)
  | {
      readonly _tag: "Missing"
      readonly round: number
      readonly first: number
      readonly count: number
      readonly lacks: ReadonlyArray<number> | undefined
      readonly runs: Runs
      readonly spoiled: boolean
    }
  | { readonly _tag: "Complete" }
  | { readonly _tag: "CloseOk"; readonly from: number; readonly failures: ReadonlyArray<Failure> }
  | { readonly _tag: "Aborted" }

/** Commands to the driver, in order. */
export type Command =
  | ({ readonly _tag: "OpenStore"; readonly root: Uint8Array | undefined } & Coming)
  /** Store the pages at these positions of the batch (undefined: all). */
  | { readonly _tag: "StorePages"; readonly batch: PageBatch; readonly fresh: ReadonlyArray<number> | undefined }
  /** Keep these parity pages of the batch. */
  | { readonly _tag: "KeepParity"; readonly batch: ParityBatch; readonly fresh: ReadonlyArray<number> }
  /** Make the missing pages of a block from the parity kept for it. */
  | { readonly _tag: "Recover"; readonly block: number; readonly missing: Runs }
  | { readonly _tag: "DropParity"; readonly block: number }
  /** Do the hashes agree? Of what disagrees the first page is missing again, and the others are doubted. [C-8] */
  | { readonly _tag: "Verify"; readonly root: Uint8Array }
  /** Have the pages held, as runs, their digests? Those that have not are missing again. */
  | ({ readonly _tag: "Compare"; readonly held: Runs } & Spoiled.Told)
  | { readonly _tag: "Commit" }
  | { readonly _tag: "Discard" }
  | { readonly _tag: "Answer"; readonly answer: Answer }

/** A file that was never heard of. */
export const initial: State = { _tag: "Idle", past: "None" }

type Step = readonly [State, ReadonlyArray<Command>]

const none: ReadonlyArray<Command> = []
const stay = (state: State): Step => [state, none]
const answer = (answer: Answer): Command => ({ _tag: "Answer", answer })
const openOk = ({ opening = 0 }: Coming) => answer({ _tag: "OpenOk", opening })
const complete = answer({ _tag: "Complete" })
const aborted = answer({ _tag: "Aborted" })
const closeOk = (failures: ReadonlyArray<Failure>, from: number) =>
  answer({ _tag: "CloseOk", from, failures: failures.filter((failure) => failure.entry >= from) })

/** One event: the next state, and the commands that it asks for. Never throws. [C-3] */
export const step = (state: State, event: Event): Step => {
  if (event._tag === "Abort") return abort(state)
  switch (state._tag) {
    case "Idle":
      return idle(state, event)
    case "GetData":
      return getData(state, event)
    case "DataReady":
      return dataReady(state, event)
    case "Sick":
      return isQuestion(event) ? [state, [answer(satOut(state))]] : stay(state)
  }
}

const isQuestion = (event: Event) => event._tag === "Open" || event._tag === "Eof" || event._tag === "Close"

const ready: Step = [{ _tag: "DataReady", committing: false, from: 0 }, [complete]]

/** Out of this file; the store drops what it has, and the reason answers every further question. */
const sick = (why: SitOutReason): Step => [
  { _tag: "Sick", reason: why.reason, about: why.about },
  [{ _tag: "Discard" }, answer(satOut(why))]
]

const satOut = ({ about, reason }: SitOutReason): Answer => ({ _tag: "SitOut", reason, about })

/** For a reason of the file's own. */
const giveUp = (reason: string): Step => sick({ reason, about: "File" })

const abort = (state: State): Step =>
  state._tag === "Idle" && state.past !== "Opening"
    ? [state, [aborted]]
    : [{ _tag: "Idle", past: "Aborted" }, [{ _tag: "Discard" }, aborted]]

const idle = (state: Extract<State, { _tag: "Idle" }>, event: Event): Step => {
  switch (event._tag) {
    case "Open":
      if (state.past === "Opening") return stay(state)
      if (state.past === "Committed") return [state, [complete]]
      if (event.layout.pages > Limits.maxPages) return giveUp(`it has more than ${Limits.maxPages} pages`)
      if (event.layout.blocks > Limits.maxBlocks) return giveUp(`it has more than ${Limits.maxBlocks} blocks`)
      return [
        { _tag: "Idle", past: "Opening", layout: event.layout, opening: event.opening },
        [{ _tag: "OpenStore", layout: event.layout, opening: event.opening, root: event.root }]
      ]
    case "Opened": {
      if (state.past !== "Opening") return stay(state)
      const { layout, opening } = state
      // nothing to carry: complete at once
      if (layout.pages === 0) return ready
      const pages = heldOf(layout, event.held ?? [])
      const counters = { round: -1, heldAtRound: pages.held, stalledRounds: 0, rejected: 0 }
      const nothing = { parity: new Map(), spoiled: undefined, verifying: undefined }
      return [{ _tag: "GetData", layout, opening, pages, ...counters, ...nothing }, [openOk(state)]]
    }
    case "Recognised":
      return state.past === "Opening" ? ready : stay(state)
    case "OpenFailed":
    case "StoreFailed":
      return state.past === "Opening" ? sick(event) : stay(state)
    case "Eof":
    case "Close":
      if (state.past === "Opening") return stay(state)
      // one whose question at the barrier was lost has nothing of it either
      if (state.past !== "Committed") return [state, [aborted]]
      return [state, [event._tag === "Eof" ? complete : closeOk(state.failures, event.from)]]
    default:
      return stay(state)
  }
}

const heldOf = (layout: Layout.Layout, held: Runs): PageSet.PageSet => {
  let pages = PageSet.empty(layout.pages)
  for (let i = 0; i < held.length; i += 2) pages = PageSet.fill(pages, held[i], held[i + 1])
  return pages
}

const getData = (state: GetData, event: Event): Step => {
  switch (event._tag) {
    case "Open": {
      if (isLate(state, event)) return stay(state)
      if (isSame(state, event)) return [state, [openOk(state)]]
      // other pages from now on: what is held of the former ones is of no use [N-3] [E-1]
      const [opening, commands] = idle({ _tag: "Idle", past: "Aborted" }, event)
      return [opening, [{ _tag: "Discard" }, ...commands]]
    }
    case "Pages":
      if (isOfOther(state, event.batch)) return stay(state)
      return state.spoiled === undefined
        ? takePages(state, event.batch)
        : takeDigested(state, state.spoiled, event.batch, event.digests ?? [])
    case "Parity":
      return isOfOther(state, event.batch) ? stay(state) : keepParity(state, event.batch)
    case "Digests":
      return state.spoiled === undefined || isOfOther(state, event) ? stay(state) : told(state, state.spoiled, event)
    case "Compared":
      return stay(state.verifying === undefined ? compared(state, event) : state)
    case "Eof":
      return eof(state, event)
    case "Verified":
      return verified(state, event)
    case "Lost":
      return lost(state, event)
    case "StoreFailed":
      return sick(event)
    default:
      return stay(state)
  }
}

const takePages = (state: GetData, batch: PageBatch): Step => {
  const { fresh, set } = PageSet.add(state.pages, batch.indices)
  if (set === state.pages) return stay(state)
  const store: Command = { _tag: "StorePages", batch, fresh }
  const next = { ...state, pages: set }
  return state.parity.size === 0 ? [next, [store]] : recover(next, blocksOf(next, batch.indices), [store])
}

/** Is that page missing, and taken only with the digest that is known of it? Then its payload has to be hashed. */
export const awaitsDigest = ({ pages, spoiled }: GetData, page: number): boolean =>
  spoiled !== undefined && Spoiled.digestOf(spoiled, page) !== undefined && !PageSet.has(pages, page)

const takeDigested = (
  state: GetData,
  spoiled: Spoiled.Spoiled,
  { indices, opening, payloads }: PageBatch,
  digests: ReadonlyArray<Uint8Array | undefined>
): Step => {
  const taken = payloads.map((_, i) => i).filter((i) => Spoiled.takes(spoiled, indices[i], digests[i]))
  if (taken.length === 0) return stay(state)
  const batch = { opening, indices: taken.map((i) => indices[i]), payloads: taken.map((i) => payloads[i]) }
  const [next, commands] = takePages(state, batch)
  if (next._tag !== "GetData" || next === state) return [next, commands]
  return [{ ...next, spoiled: Spoiled.forget(spoiled, next.pages) }, commands]
}

// What was held before the digests came may be the master's, and mostly is. [C-8]
const told = (state: GetData, before: Spoiled.Spoiled, { digests, first }: Digests): Step => {
  const spoiled = Spoiled.keep(before, state.pages, { first, digests })
  if (spoiled === before) return stay(state)
  const next = { ...state, spoiled }
  const held = PageSet.heldIn(state.pages, ...Layout.digestSpan(state.layout, first))
  if (held.length === 0 || !spoiled.digests.has(first)) return stay(next)
  return [next, [{ _tag: "Compare", first, digests, held }]]
}

const compared = (state: GetData, { wrong }: Compared): GetData => {
  let { pages } = state
  for (const page of wrong) pages = PageSet.remove(pages, page, 1)
  // what was no page of the file's is no progress, and its loss no stall
  return { ...state, pages, heldAtRound: Math.min(state.heldAtRound, pages.held) }
}

// Openings count up: this one was over before that of the file began.
const isLate = ({ opening = 0 }: GetData, open: Coming): boolean => (open.opening ?? 0) < opening

const isSame = ({ layout, opening }: GetData, open: Coming): boolean =>
  open.opening === opening &&
  open.layout.pageBytes === layout.pageBytes &&
  (open.layout.signed === undefined) === (layout.signed === undefined)

const isOfOther = ({ opening }: GetData, batch: PageBatch | ParityBatch | Digests): boolean =>
  batch.opening !== undefined && batch.opening !== opening

const blocksOf = ({ layout }: GetData, pages: ArrayLike<number>): ReadonlySet<number> => {
  const out = new Set<number>()
  for (let i = 0; i < pages.length; i++) out.add(Layout.blockOf(layout, pages[i]))
  return out
}

const lackingOf = ({ layout, pages }: GetData, block: number): number =>
  PageSet.lacking(pages, ...Layout.blockSpan(layout, block))

// Decodes those of the blocks that hold as much parity as they lack pages. [C-4]
const recover = (state: GetData, blocks: Iterable<number>, before: ReadonlyArray<Command>): Step => {
  const commands = [...before]
  const parity = new Map(state.parity)
  let { pages } = state
  for (const block of blocks) {
    const held = parity.get(block)
    if (held === undefined) continue
    const lacking = lackingOf(state, block)
    if (lacking > held.length) continue
    parity.delete(block)
    const span = Layout.blockSpan(state.layout, block)
    if (lacking === 0) commands.push({ _tag: "DropParity", block })
    else commands.push({ _tag: "Recover", block, missing: PageSet.missing(pages, ...span) })
    pages = PageSet.fill(pages, ...span)
  }
  return [{ ...state, pages, parity }, commands]
}

const keepParity = (state: GetData, batch: ParityBatch): Step => {
  const { layout } = state
  const parity = new Map(state.parity)
  const fresh: Array<number> = []
  batch.blocks.forEach((block, at) => {
    const index = batch.indices[at]
    const before = parity.get(block) ?? []
    if (block >= layout.blocks || index >= Layout.parityPages(layout, block) || before.includes(index)) return
    if (before.length >= lackingOf(state, block)) return
    // with one that is injected, too, the block would be wrong again
    if (state.spoiled !== undefined && Spoiled.has(state.spoiled, block)) return
    parity.set(block, [...before, index])
    fresh.push(at)
  })
  if (fresh.length === 0) return stay(state)
  const [next, commands] = recover({ ...state, parity }, new Set(batch.blocks), [{ _tag: "KeepParity", batch, fresh }])
  return next._tag === "GetData" ? dropOldest(next, commands) : [next, commands]
}

const heldParity = (parity: GetData["parity"]): number => {
  let held = 0
  for (const indices of parity.values()) held += indices.length
  return held
}

const dropOldest = (state: GetData, commands: ReadonlyArray<Command>): Step => {
  const most = Limits.heldParityPages(state.layout.pageBytes)
  let held = heldParity(state.parity)
  if (held <= most) return [state, commands]
  const parity = new Map(state.parity)
  const dropped: Array<Command> = []
  for (const [block, indices] of state.parity) {
    if (held <= most) break
    parity.delete(block)
    held -= indices.length
    dropped.push({ _tag: "DropParity", block })
  }
  return [{ ...state, parity }, [...commands, ...dropped]]
}

const eof = (state: GetData, event: Eof): Step => {
  if (state.verifying !== undefined) return stay(state)
  if (event.root !== undefined && PageSet.isFull(state.pages)) {
    return [{ ...state, verifying: event }, [{ _tag: "Verify", root: event.root }]]
  }
  if (event.round <= state.round) return [state, [missing(state, event)]]
  const held = state.pages.held + heldParity(state.parity)
  // parity that is dropped and comes again is no progress
  // a span that is whole is asked about all the same, and nothing has to come of it
  const isOwed = event.root !== undefined || PageSet.missing(state.pages, event.first, event.count).length > 0
  if (!isOwed) return [{ ...state, round: event.round }, [missing(state, event)]]
  const stalledRounds = held <= state.heldAtRound && !PageSet.isFull(state.pages) ? state.stalledRounds + 1 : 0
  if (stalledRounds > Limits.stalledRounds) return giveUp(`no page came in ${stalledRounds} rounds`)
  const next = { ...state, round: event.round, heldAtRound: Math.max(held, state.heldAtRound), stalledRounds }
  return doubtParity(next, event)
}

// [C-8] Parity that somebody injects may take the place of the master's again and again.
const doubtParity = (state: GetData, event: Eof): Step => {
  if (state.stalledRounds < Limits.doubtedRounds || state.parity.size === 0) return [state, [missing(state, event)]]
  const { layout, pages, parity } = state
  const spoiled = Spoiled.doubted(state.spoiled, layout, pages)
  const next = { ...state, spoiled, parity: new Map(), heldAtRound: pages.held }
  const dropped = [...parity.keys()].map((block): Command => ({ _tag: "DropParity", block }))
  return [next, [...dropped, missing(next, event)]]
}

/** Missing pages of the span asked about; when there are none but the file is not whole, in the span that has the first gap. */
const missing = (state: GetData, event: Eof): Command => {
  const { layout, pages } = state
  const asked = answerAbout(state, event, event.first, Math.min(event.count, layout.spanPages))
  const whole = asked.runs.length === 0 && (asked.lacks ?? []).every((lack) => lack === 0)
  const gap = whole && event.root !== undefined ? PageSet.firstMissing(pages) : undefined
  if (gap === undefined) return answer({ ...asked, count: event.count })
  const first = Math.floor(gap / layout.spanPages) * layout.spanPages
  return answer(answerAbout(state, event, first, Math.min(layout.spanPages, layout.pages - first)))
}

const answerAbout = (state: GetData, { counts, round }: Eof, first: number, count: number) => {
  const { layout, pages, parity } = state
  const [block, end] = Layout.blocksOf(layout, first, count)
  const spoiled = state.spoiled !== undefined && Spoiled.hasAny(state.spoiled, PageSet.missing(pages, first, count))
  const about = { _tag: "Missing", round, first, count, spoiled } as const
  // no parity mends what was spoiled, so that a count is of no use
  if (spoiled || !counts || end - block > Limits.spanBlocks) {
    return { ...about, lacks: undefined, runs: withoutParity(state, PageSet.missing(pages, first, count)) }
  }
  const lacks = Array.from(
    { length: end - block },
    (_, i) => lackingOf(state, block + i) - (parity.get(block + i)?.length ?? 0)
  )
  const trailer = Math.max(first, layout.dataPages)
  return { ...about, lacks, runs: PageSet.missing(pages, trailer, Math.max(0, first + count - trailer)) }
}

// A block that holds parity needs that many pages less, whichever come.
const withoutParity = ({ layout, parity }: GetData, runs: Runs): Runs => {
  if (parity.size === 0) return runs
  const spare = new Map([...parity].map(([block, indices]) => [block, indices.length]))
  const out: Array<number> = []
  for (let i = 0; i < runs.length; i += 2) {
    for (let page = runs[i], end = page + runs[i + 1]; page < end; page++) {
      const block = Layout.blockOf(layout, page)
      const left = spare.get(block) ?? 0
      if (left > 0) spare.set(block, left - 1)
      else if (out.length > 0 && out[out.length - 2] + out[out.length - 1] === page) out[out.length - 1]++
      else out.push(page, 1)
    }
  }
  return out
}

const verified = (state: GetData, event: Verified): Step => {
  const { layout, verifying } = state
  if (verifying === undefined || !PageSet.isFull(state.pages)) return stay(state)
  if (event.blocks.length === 0 && !event.trailer) return ready
  // [C-7] no stranger's pages did that
  const isAgain = state.spoiled !== undefined && Spoiled.isAgain(state.spoiled, event)
  const rejected = isAgain ? state.rejected + 1 : state.rejected
  if (rejected > Limits.rejectedHashes)
    return giveUp(`its hash was wrong ${rejected} times, with pages that were right`)
  let pages = state.pages
  // to ask for the digests of the others, which are kept until these have come
  for (const page of Spoiled.firstPages(layout, event)) pages = PageSet.remove(pages, page, 1)
  const spoiled = Spoiled.judged(state.spoiled, layout, event)
  const counters = { rejected, round: verifying.round, heldAtRound: pages.held }
  const next = { ...state, pages, spoiled, ...counters, verifying: undefined }
  return [next, [missing(next, verifying)]]
}

const lost = (state: GetData, event: Lost): Step => {
  const { verifying } = state
  if (verifying === undefined) return stay(state)
  let { pages } = state
  for (let i = 0; i < event.pages.length; i += 2) pages = PageSet.remove(pages, event.pages[i], event.pages[i + 1])
  const next = { ...state, pages, round: verifying.round, heldAtRound: pages.held, verifying: undefined }
  return [next, [missing(next, verifying)]]
}

const dataReady = (state: Extract<State, { _tag: "DataReady" }>, event: Event): Step => {
  switch (event._tag) {
    case "Open":
    case "Eof":
      return [state, [complete]]
    case "Close":
      return state.committing ? stay(state) : [{ ...state, committing: true, from: event.from }, [{ _tag: "Commit" }]]
    case "Committed":
      return state.committing
        ? [{ _tag: "Idle", past: "Committed", failures: event.failures }, [closeOk(event.failures, state.from)]]
        : stay(state)
    case "StoreFailed":
      return sick(event)
    default:
      return stay(state)
  }
}

/** The broken invariants of a state, for tests: [C-5]. */
export const invariants = (state: State): ReadonlyArray<string> => {
  if (state._tag !== "GetData") return []
  const out = [...PageSet.invariants(state.pages)]
  if (state.pages.pages !== state.layout.pages) out.push("C-5: the page set is not the layout's")
  if (state.verifying !== undefined && !PageSet.isFull(state.pages)) out.push("C-6: verifying with pages missing")
  if (state.spoiled !== undefined) out.push(...Spoiled.invariants(state.spoiled, state.pages))
  for (const [block, indices] of state.parity) {
    const lacking = lackingOf(state, block)
    if (state.spoiled !== undefined && Spoiled.has(state.spoiled, block))
      out.push(`C-8: parity of spoiled block ${block}`)
    if (indices.length >= lacking) out.push(`C-4: block ${block} lacks ${lacking} and holds ${indices.length} parity`)
  }
  return out
}
