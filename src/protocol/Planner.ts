/**
 * What a round sends: pure, from the answers of one question. Today every missing page is sent again; parity is to be
 * chosen here, block by block.
 */
import type { Runs } from "../wire/Message.ts"

/** The union of several answers' runs, ascending and apart from each other. */
export const union = (answers: ReadonlyArray<Runs>): Runs => {
  if (answers.length === 1) return answers[0]
  const pairs: Array<readonly [first: number, end: number]> = []
  for (const runs of answers) {
    for (let i = 0; i < runs.length; i += 2) pairs.push([runs[i], runs[i] + runs[i + 1]])
  }
  pairs.sort((a, b) => a[0] - b[0])
  const out: Array<number> = []
  for (const [first, end] of pairs) {
    const last = out.length - 2
    const lastEnd = last < 0 ? -1 : out[last] + out[last + 1]
    if (first > lastEnd) out.push(first, end - first)
    else if (end > lastEnd) out[last + 1] = end - out[last]
  }
  return out
}

/** Pages in runs. */
export const count = (runs: Runs): number => {
  let pages = 0
  for (let i = 1; i < runs.length; i += 2) pages += runs[i]
  return pages
}
