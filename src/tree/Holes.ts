/**
 * Files with holes: the runs of their data, and the content that is carried of them, which is these runs one after the other.
 * What lies between the runs reads as zeros, is carried by nothing, and is a hole again at a destination. Pure. [M-12]
 */

import { countOf, push } from "../protocol/Runs.ts"
import type { Runs } from "../protocol/Words.ts"

/** A file as it is laid out: without runs all of it is data. */
export interface Extent {
  readonly size: number
  /** Offset and length of each run of data, ascending and apart. */
  readonly data?: Runs
}

/** Bytes of content that are carried of a file. */
export const carriedBytes = ({ data, size }: Extent): number => (data === undefined ? size : countOf(data))

/** What is wrong with the runs of a file of that size; undefined: nothing. */
export const wrong = (size: number, data: Runs): string | undefined => {
  if (data.length === 0) return "no run of data"
  let end = -1
  for (let at = 0; at < data.length; at += 2) {
    const [offset, length] = [data[at], data[at + 1]]
    if (offset <= end) return "overlapping or unsorted runs of data"
    if (length === 0) return "an empty run of data"
    // no sum that is not exact
    if (length > size - offset) return "a run of data beyond its size"
    end = offset + length
  }
  return undefined
}

/**
 * The runs as a manifest has them: rounded outwards to whole blocks, and no more than `most`, for which the smallest gaps count
 * as data. Undefined: it has no holes.
 */
export const bounded = (size: number, seen: Runs, most: number): Runs | undefined => {
  // a file that is carried alone has a page: of nothing but a hole that of its first block
  const rounded: Array<number> = seen.length === 0 ? [0, Math.min(blockBytes, size)] : []
  for (let at = 0; at < seen.length; at += 2) {
    const first = Math.floor(seen[at] / blockBytes) * blockBytes
    const end = Math.min(size, Math.ceil((seen[at] + seen[at + 1]) / blockBytes) * blockBytes)
    if (end > first) push(rounded, first, end - first)
  }
  const runs = withoutGaps(rounded, most)
  return runs.length === 2 && runs[1] === size ? undefined : runs
}

/** At most so many runs: the largest of the gaps stay. */
const withoutGaps = (runs: Runs, most: number): Runs => {
  const count = runs.length / 2
  if (count <= most) return runs
  const gapBefore = (run: number) => runs[2 * run] - runs[2 * run - 2] - runs[2 * run - 1]
  const gaps = Array.from({ length: count - 1 }, (_, i) => i + 1).toSorted((a, b) => gapBefore(b) - gapBefore(a))
  const kept = new Set(gaps.slice(0, most - 1))
  const out = [runs[0], runs[1]]
  for (let run = 1; run < count; run++) {
    const [first, length] = [runs[2 * run], runs[2 * run + 1]]
    if (kept.has(run)) out.push(first, length)
    else out[out.length - 1] = first + length - out[out.length - 2]
  }
  return out
}

/** The block of most file systems. */
const blockBytes = 4096

/** The gaps between the runs, as runs themselves: what must read as zeros. */
export const gaps = ({ data, size }: Extent): Runs => {
  if (data === undefined) return []
  const out: Array<number> = []
  let end = 0
  for (let at = 0; at < data.length; at += 2) {
    if (data[at] > end) out.push(end, data[at] - end)
    end = data[at] + data[at + 1]
  }
  if (size > end) out.push(end, size - end)
  return out
}

/** A part of a range of the carried content, and where it lies in the file. */
export interface Piece {
  readonly at: number
  /** Its bytes, as a view of `bytes`. */
  readonly bytes: Uint8Array
}

/** The way from offsets of the carried content to those of the file. */
export class Carried {
  readonly size: number
  private readonly data: Runs
  /** Where each run begins in the carried content. */
  private readonly starts: ReadonlyArray<number>

  constructor(extent: Extent) {
    this.data = extent.data ?? [0, extent.size]
    const starts: Array<number> = []
    let size = 0
    for (let at = 1; at < this.data.length; at += 2) {
      starts.push(size)
      size += this.data[at]
    }
    this.starts = starts
    this.size = size
  }

  /** Cuts a range of the carried content, which begins at `offset` and fills `bytes`, at the ends of the runs. */
  *pieces(offset: number, bytes: Uint8Array): Generator<Piece> {
    for (let run = this.runAt(offset), done = 0; done < bytes.length && run < this.starts.length; run++) {
      const skipped = offset + done - this.starts[run]
      const length = Math.min(this.data[2 * run + 1] - skipped, bytes.length - done)
      yield { at: this.data[2 * run] + skipped, bytes: bytes.subarray(done, done + length) }
      done += length
    }
  }

  /** Bytes of the carried content that lie before an offset of the file. */
  before(offset: number): number {
    const run = this.data.findIndex((at, i) => i % 2 === 0 && at + this.data[i + 1] > offset)
    return run < 0 ? this.size : this.starts[run / 2] + Math.max(0, offset - this.data[run])
  }

  /** The last run that begins at an offset, or before it. */
  private runAt(offset: number): number {
    let low = 0
    let high = this.starts.length
    while (low + 1 < high) {
      const middle = (low + high) >>> 1
      if (this.starts[middle] <= offset) low = middle
      else high = middle
    }
    return low
  }
}

/** The carried content of a file in memory; undefined where there is more than zeros between the runs. */
export const carriedOf = (content: Uint8Array, extent: Extent): Uint8Array | undefined => {
  if (extent.data === undefined) return content
  if (content.length !== extent.size) return undefined
  const between = gaps(extent)
  for (let at = 0; at < between.length; at += 2)
    if (!isZero(content.subarray(between[at], between[at] + between[at + 1]))) return undefined
  const carried = new Carried(extent)
  const out = new Uint8Array(carried.size)
  for (const { at, bytes } of carried.pieces(0, out)) bytes.set(content.subarray(at, at + bytes.length))
  return out
}

const zeros = new Uint8Array(64 * 1024)

export const isZero = (bytes: Uint8Array): boolean => {
  if (bytes.length === 0) return true
  if (bytes[0] !== 0 || bytes[bytes.length - 1] !== 0) return false
  for (let from = 0; from < bytes.length; from += zeros.length) {
    const part = bytes.subarray(from, from + zeros.length)
    if (Buffer.compare(part, zeros.subarray(0, part.length)) !== 0) return false
  }
  return true
}
