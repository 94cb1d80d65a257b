/** Runs of numbers: [first, count, first, count, ...], ascending and apart: of pages, entries or bytes. Pure. */

import type { Runs } from "./Words.ts"

/** Puts a run behind the others, which begin before it, or makes the last one longer. */
export const push = (runs: Array<number>, first: number, count: number): void => {
  const last = runs.length - 2
  if (last >= 0 && runs[last] + runs[last + 1] >= first)
    runs[last + 1] = Math.max(runs[last + 1], first + count - runs[last])
  else runs.push(first, count)
}

/** How many numbers they are. */
export const countOf = (runs: Runs): number => {
  let count = 0
  for (let at = 1; at < runs.length; at += 2) count += runs[at]
  return count
}

/** The part of them that lies in [first, end). */
export const within = (runs: Runs, first: number, end: number): Runs => {
  const out: Array<number> = []
  for (let at = 0; at < runs.length; at += 2) {
    const from = Math.max(first, runs[at])
    const to = Math.min(end, runs[at] + runs[at + 1])
    if (from < to) out.push(from, to - from)
  }
  return out
}

/** The numbers that are in any of them. */
export const union = (all: ReadonlyArray<Runs>): Runs => {
  // those of many catchers are often the same
  const distinct = [...new Set(all)]
  if (distinct.length === 1) return distinct[0]
  const pairs: Array<readonly [first: number, count: number]> = []
  for (const runs of distinct) for (let at = 0; at < runs.length; at += 2) pairs.push([runs[at], runs[at + 1]])
  const out: Array<number> = []
  for (const [first, count] of pairs.sort((a, b) => a[0] - b[0])) push(out, first, count)
  return out
}
