/**
 * Entries of a manifest that somebody lacks, as runs of indices: [first, count, first, count, ...],
 * ascending and apart. A selection is the same: what somebody lacks, and all are sent. Pure.
 */
import * as Result from "effect/Result"
import { push, within } from "../protocol/Runs.ts"
import type { Runs } from "../protocol/Words.ts"
import type { Entry } from "./Entry.ts"
import { carriedBytes } from "./Holes.ts"

/** The entries among the first `entries` that pass a test. */
export const among = (entries: number, test: (entry: number) => boolean): Runs => {
  const runs: Array<number> = []
  for (let entry = 0; entry < entries; entry++) if (test(entry)) push(runs, entry, 1)
  return runs
}

/** Each of the entries. */
export function* each(runs: Runs): Generator<number> {
  for (let at = 0; at < runs.length; at += 2)
    for (let entry = runs[at]; entry < runs[at] + runs[at + 1]; entry++) yield entry
}

/** Those of them that pass a test. */
export const only = (runs: Runs, test: (entry: number) => boolean): Runs => {
  const out: Array<number> = []
  for (const entry of each(runs)) if (test(entry)) push(out, entry, 1)
  return out
}

/** Which of the runs has the entry; -1: none. */
export const runOf = (runs: Runs, entry: number): number => {
  let low = 0
  let high = runs.length >>> 1
  while (low < high) {
    const middle = (low + high) >>> 1
    if (runs[2 * middle] <= entry) low = middle + 1
    else high = middle
  }
  return low > 0 && entry < runs[2 * low - 2] + runs[2 * low - 1] ? low - 1 : -1
}

/** Is the entry among them? */
export const has = (runs: Runs, entry: number): boolean => runOf(runs, entry) >= 0

/** The regular files among them, and the bytes that are carried of them. */
export const filesIn = (
  runs: Runs,
  entries: ReadonlyArray<Entry>
): { readonly files: number; readonly bytes: number } => {
  let [files, bytes] = [0, 0]
  for (const index of each(runs)) {
    const entry = entries[index]
    if (entry?._tag !== "File") continue
    files++
    bytes += carriedBytes(entry)
  }
  return { files, bytes }
}

// ---- an answer's slice ----

/** The part of an answer: of the entries [from, from + count) it says which are lacked. */
interface Slice {
  readonly from: number
  readonly count: number
  readonly runs: Runs
}

/** The slice of so many entries from one on. */
export const sliceOf = (runs: Runs, from: number, count: number): Slice => ({
  from,
  count,
  runs: within(runs, from, from + count)
})

/** Runs of slices that follow each other, put together. */
export const joined = (slices: ReadonlyArray<Runs>): Runs => {
  const out: Array<number> = []
  for (const runs of slices) for (let at = 0; at < runs.length; at += 2) push(out, runs[at], runs[at + 1])
  return out
}

// ---- a selection's bytes ----

/** As the content of a selection: for each run what lies between it and the one before, and its length. */
export const encode = (runs: Runs): Uint8Array => {
  const bytes = new Uint8Array(4 * runs.length)
  const view = new DataView(bytes.buffer)
  for (let at = 0, end = 0; at < runs.length; at += 2) {
    view.setUint32(4 * at, runs[at] - end, true)
    view.setUint32(4 * at + 4, runs[at + 1], true)
    end = runs[at] + runs[at + 1]
  }
  return bytes
}

/** The selection of a manifest of so many entries, or what is wrong with the bytes. */
export const decode = (bytes: Uint8Array, entries: number): Result.Result<Runs, string> => {
  if (bytes.length % 8 !== 0) return Result.fail(`a selection of ${bytes.length} bytes`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const runs: Array<number> = []
  let end = 0
  for (let at = 0; at < bytes.length; at += 8) {
    const first = end + view.getUint32(at, true)
    const count = view.getUint32(at + 4, true)
    end = first + count
    if (count === 0 || end > entries) return Result.fail(`a selection of the entries ${first} to ${end} of ${entries}`)
    push(runs, first, count)
  }
  return Result.succeed(runs)
}
