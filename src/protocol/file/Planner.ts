/**
 * What a round sends: pure, from the answers of one question. Block by block the cheaper of sending the missing pages again
 * and parity for the catcher that lacks most: parity serves everyone, whatever each has lost.
 */

import * as Limits from "../Limits.ts"
import { countOf, union, within } from "../Runs.ts"
import type { Runs, SpanLack } from "../Words.ts"
import * as Layout from "./Layout.ts"

/** How repair is chosen: by cost, or always one way as far as it goes. */
export const repairs = ["auto", "resend", "parity"] as const
/** One of `repairs`. */
export type Repair = (typeof repairs)[number]

/** One catcher's lack in a span. */
export type Lack = Pick<SpanLack, "lacks" | "runs"> & Partial<Pick<SpanLack, "spoiled">>

/** Parity pages of a block that are to be made: [first, first + count). */
export interface BlockParity {
  readonly block: number
  /** The first of its parity pages. */
  readonly first: number
  readonly count: number
}

/** How one round of a span is repaired. */
export interface Plan {
  /** Pages to send again. */
  readonly runs: Runs
  /** Those of them whose blocks may be spoiled: digests go before them. */
  readonly digested: Runs
  /** Parity to send. */
  readonly parity: ReadonlyArray<BlockParity>
  /** A block that was only counted has too little parity left: from now on lists are wanted. */
  readonly wantsLists: boolean
}

/** Making and using parity costs both ends about as much as this many pages of a block. */
const parityCostPages = 1

/** `sent`: how many parity pages of a block went out before; each round sends the next ones, so that all are of use. */
export const plan = (options: {
  readonly layout: Layout.Layout
  /** The span: whole blocks, and perhaps the trailer. */
  readonly first: number
  readonly count: number
  readonly answers: ReadonlyArray<Lack>
  readonly sent: (block: number) => number
  readonly repair: Repair
}): Plan => {
  const { count, first, layout, repair, sent } = options
  // no parity mends what is spoiled
  const digested = union(options.answers.flatMap(({ runs, spoiled }) => (spoiled === true ? [runs] : [])))
  const answers = options.answers.filter(({ spoiled }) => spoiled !== true)
  const listed = union(answers.map((answer) => answer.runs))
  const [block, end] = Layout.blocksOf(layout, first, count)
  const most = mostLacking(layout, block, end, answers)
  const wanted = pagesByBlock(layout, block, end, listed)
  const parity: Array<BlockParity> = []
  let wantsLists = false
  const resent: Array<Runs> = [digested, within(listed, layout.dataPages, layout.pages)]
  for (let i = 0; i < end - block; i++) {
    if (most[i] === 0) continue
    const [firstPage, pages] = Layout.blockSpan(layout, block + i)
    // a catcher that gave only a count may lack any of them
    const isCounted = answers.some(({ lacks }) => (lacks?.[i] ?? 0) > 0)
    const isCheaper = isCounted ? most[i] < pages : repair === "parity" || most[i] + parityCostPages < wanted[i]
    const before = sent(block + i)
    const isPossible = repair !== "resend" && before + most[i] <= Layout.parityPages(layout, block + i)
    if (isPossible && isCheaper) parity.push({ block: block + i, first: before, count: most[i] })
    else if (!isCounted) resent.push(within(listed, firstPage, firstPage + pages))
    else if (most[i] === pages) resent.push([firstPage, pages])
    else wantsLists = true
  }
  return { runs: union(resent), digested, parity, wantsLists }
}

// The lack of the catcher that lacks most of a block.
const mostLacking = (
  layout: Layout.Layout,
  block: number,
  end: number,
  answers: ReadonlyArray<Lack>
): ReadonlyArray<number> => {
  const most = Array.from({ length: end - block }, () => 0)
  for (const { lacks, runs } of answers) {
    const pages = lacks ?? pagesByBlock(layout, block, end, runs)
    for (let i = 0; i < most.length; i++) most[i] = Math.max(most[i], pages[i] ?? 0)
  }
  return most
}

const pagesByBlock = (layout: Layout.Layout, block: number, end: number, runs: Runs): ReadonlyArray<number> => {
  const pages = Array.from({ length: end - block }, () => 0)
  for (let i = 0; i < runs.length; i += 2) {
    const stop = Math.min(runs[i] + runs[i + 1], layout.dataPages)
    for (let page = runs[i]; page < stop;) {
      const at = Layout.blockOf(layout, page)
      const next = Math.min(stop, (at + 1) * layout.blockPages)
      if (at >= block && at < end) pages[at - block] += next - page
      page = next
    }
  }
  return pages
}

/** Are all pages of `others`, too, among those? */
export const hasAll = (runs: Runs, others: Runs): boolean => countOf(union([runs, others])) === countOf(runs)

/** Whole pages that an answer lacks: short ones, at the end of a file and of its trailer, pass where whole ones do not. */
export const lackingWhole = (layout: Layout.Layout, { lacks, runs }: Lack): number => {
  const pages = lacking({ lacks, runs })
  const isListed = (page: number) => {
    for (let i = 0; i < runs.length; i += 2) if (page >= runs[i] && page < runs[i] + runs[i + 1]) return true
    return false
  }
  const short = new Set([layout.dataPages - 1, layout.pages - 1])
  return (
    pages - [...short].filter((page) => isListed(page) && Layout.payloadBytes(layout, page) < layout.pageBytes).length
  )
}

/**
 * The first few of the pages that an answer lacks. Where digests go before them they are of one span of digests: those of many
 * would fill a short queue, and no page would find room in it, in whichever round.
 */
export const firstOf = (layout: Layout.Layout, { lacks, runs, spoiled }: Lack, most: number): Lack => {
  let left = most
  const take = (pages: number): number => {
    const taken = Math.min(left, pages)
    left -= taken
    return taken
  }
  const taken = lacks?.map(take)
  const out: Array<number> = []
  for (let i = 0; i < runs.length; i += 2) {
    const pages = take(runs[i + 1])
    if (pages > 0) out.push(runs[i], pages)
  }
  if (spoiled !== true || out.length === 0) return { lacks: taken, runs: out }
  const [first, count] = Layout.digestSpan(layout, out[0])
  return { lacks: taken, runs: within(out, first, first + count) }
}

/** Pages that an answer lacks. */
export const lacking = ({ lacks, runs }: Lack): number => {
  let pages = countOf(runs)
  for (const lack of lacks ?? []) pages += lack
  return pages
}

/**
 * The catchers whose repairs would hold the others back: each lacks more than `stragglerMedians` times the median and, on top
 * of that, `stragglerShare` of what was asked about (`stragglerPages` at least). Never the whole group. `lacking`: pages by slot.
 */
export const stragglers = (lacking: ReadonlyMap<number, number>, askedPages: number): ReadonlySet<number> => {
  const sorted = [...lacking.values()].sort((a, b) => a - b)
  const median = sorted[Math.floor((sorted.length - 1) / 2)] ?? 0
  const share = Math.max(Limits.stragglerPages, Limits.stragglerShare * askedPages)
  const limit = Limits.stragglerMedians * median + share
  return new Set([...lacking].filter(([, pages]) => pages > limit).map(([slot]) => slot))
}
