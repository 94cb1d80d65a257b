/**
 * Hashes of the contents of some entries of a manifest: 32 bytes for each, zeros where the content could not be read. As the content of
 * a list they are what a selection is, each run with the hashes of its entries after it. Pure.
 */
import * as Result from "effect/Result"
import * as Limits from "../protocol/Limits.ts"
import type { Runs } from "../protocol/Words.ts"
import * as Lacks from "./Lacks.ts"

const hashBytes = Limits.hashBytes

export class Hashes {
  readonly runs: Runs
  /** Of all entries of the runs, one after the other. */
  readonly bytes: Uint8Array
  /** How many entries are in the runs before each. */
  private readonly before: ReadonlyArray<number>

  constructor(runs: Runs, bytes?: Uint8Array) {
    this.runs = runs
    const before: Array<number> = []
    let entries = 0
    for (let at = 0; at < runs.length; at += 2) {
      before.push(entries)
      entries += runs[at + 1]
    }
    this.before = before
    this.bytes = bytes ?? new Uint8Array(entries * hashBytes)
  }

  /** The entry's position among all of them; -1: it is none of them. */
  positionOf(entry: number): number {
    const { before, runs } = this
    const run = Lacks.runOf(runs, entry)
    return run < 0 ? -1 : before[run] + entry - runs[2 * run]
  }

  has(entry: number): boolean {
    return this.positionOf(entry) >= 0
  }

  put(entry: number, hash: Uint8Array): void {
    const position = this.positionOf(entry)
    if (position >= 0) this.bytes.set(hash, position * hashBytes)
  }

  /** Undefined: it is none of them, or its content could not be read. */
  get(entry: number): Uint8Array | undefined {
    const position = this.positionOf(entry)
    if (position < 0) return undefined
    const hash = this.bytes.subarray(position * hashBytes, (position + 1) * hashBytes)
    return hash.every((byte) => byte === 0) ? undefined : hash
  }
}

/** Have both a content of that entry, and the same? */
export const agree = (a: Hashes, b: Hashes, entry: number): boolean => {
  const [one, other] = [a.get(entry), b.get(entry)]
  return one !== undefined && other !== undefined && Buffer.compare(one, other) === 0
}

export const encode = ({ bytes: hashes, runs }: Hashes): Uint8Array => {
  const bytes = new Uint8Array(4 * runs.length + hashes.length)
  const view = new DataView(bytes.buffer)
  let [at, done, end] = [0, 0, 0]
  for (let run = 0; run < runs.length; run += 2) {
    const length = runs[run + 1] * hashBytes
    view.setUint32(at, runs[run] - end, true)
    view.setUint32(at + 4, runs[run + 1], true)
    bytes.set(hashes.subarray(done, done + length), at + 8)
    at += 8 + length
    done += length
    end = runs[run] + runs[run + 1]
  }
  return bytes
}

/** Those of a manifest of so many entries, or what is wrong with the bytes. */
export const decode = (bytes: Uint8Array, entries: number): Result.Result<Hashes, string> => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const runs: Array<number> = []
  const hashes: Array<Uint8Array> = []
  let end = 0
  for (let at = 0; at < bytes.length;) {
    if (at + 8 > bytes.length) return Result.fail(`hashes that end after ${bytes.length} bytes`)
    const first = end + view.getUint32(at, true)
    const count = view.getUint32(at + 4, true)
    end = first + count
    if (count === 0 || end > entries) return Result.fail(`hashes of the entries ${first} to ${end} of ${entries}`)
    if (count * hashBytes > bytes.length - at - 8) return Result.fail(`hashes that end after ${bytes.length} bytes`)
    runs.push(first, count)
    hashes.push(bytes.subarray(at + 8, at + 8 + count * hashBytes))
    at += 8 + count * hashBytes
  }
  return Result.succeed(new Hashes(runs, Buffer.concat(hashes)))
}
