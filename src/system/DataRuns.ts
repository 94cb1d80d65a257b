/** Where an open file has data, and where holes. */

import * as Limits from "../protocol/Limits.ts"
import type { Runs } from "../protocol/Words.ts"
import type { Calls } from "./Libc.ts"

/**
 * Offset and length of each run of data between two offsets, as the file system tells them; of more than `Limits.seenRuns` the
 * rest counts as one run. Throws as Node's fs does.
 */
export const between = (seek: Calls["seek"], fd: number, from: number, to: number): Runs => {
  const runs: Array<number> = []
  for (let at = from; at < to;) {
    const first = seek(fd, at, "data") ?? to
    if (first >= to) break
    const isLast = runs.length === 2 * (Limits.seenRuns - 1)
    const end = isLast ? to : Math.min(to, seek(fd, first, "hole") ?? to)
    runs.push(first, end - first)
    // a file that is written to meanwhile may say anything
    at = Math.max(end, at + 1)
  }
  return runs
}
