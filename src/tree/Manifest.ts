/**
 * What the tree is, as bytes: the content of file 0. Pure, and total: any bytes decode to entries or to a reason.
 */

import * as Result from "effect/Result"
import * as Limits from "../protocol/Limits.ts"
import { type Entry, type LeftOut, nothingLeftOut } from "./Entry.ts"
import type { Metadata } from "./Metadata.ts"
import { modeMask } from "./Metadata.ts"

const encoder = new TextEncoder()
// a byte order mark is a part of the text
const decoder = new TextDecoder("utf-8", { ignoreBOM: true })

const tags = ["Directory", "File", "Symlink", "HardLink", "Fifo"] as const
/** Of a File with holes. */
const sparseTag = tags.length
const version = 1

const kinds = ["Unreadable", "Changed"] as const

/** The manifest as the content of file 0. */
export const encode = (entries: ReadonlyArray<Entry>, leftOut = nothingLeftOut): Uint8Array => {
  const lost = leftOut.lost.slice(0, Limits.leftOutEntries).map(({ kind, path, reason }) => ({
    ...{
      kind,
      path: path.subarray(0, Limits.pathBytes),
      reason: encoder.encode(reason).subarray(0, Limits.reasonBytes)
    }
  }))
  let bytes = 20
  for (const { path, reason } of lost) bytes += 5 + path.length + reason.length
  for (const entry of entries) bytes += 64 + entry.path.length + (entry._tag === "Symlink" ? entry.target.length : 0)
  const out = new Uint8Array(bytes)
  const view = new DataView(out.buffer)
  let at = 0
  const u8 = (n: number) => void view.setUint8(at++, n)
  const u16 = (n: number) => ((at += 2), view.setUint16(at - 2, n, true))
  const u32 = (n: number) => ((at += 4), view.setUint32(at - 4, n, true))
  const u64 = (n: number) => ((at += 8), view.setBigInt64(at - 8, BigInt(n), true))
  const data = (data: Uint8Array) => {
    u16(data.length)
    out.set(data, at)
    at += data.length
  }
  u32(version)
  u32(entries.length)
  for (const entry of entries) {
    const isSparse = entry._tag === "File" && entry.usedBytes !== undefined
    u8(isSparse ? sparseTag : tags.indexOf(entry._tag))
    data(entry.path)
    if (entry._tag === "HardLink") {
      u32(entry.leader)
      continue
    }
    u16(entry.metadata.mode)
    u32(entry.metadata.uid)
    u32(entry.metadata.gid)
    u64(entry.metadata.mtimeSeconds)
    u32(entry.metadata.mtimeNanos)
    if (entry._tag === "File") u64(entry.size)
    if (entry._tag === "File" && entry.usedBytes !== undefined) u64(entry.usedBytes)
    if (entry._tag === "Symlink") data(entry.target)
  }
  u32(leftOut.special)
  u32(leftOut.more + leftOut.lost.length - lost.length)
  u32(lost.length)
  for (const { kind, path, reason } of lost) {
    u8(kinds.indexOf(kind))
    data(path)
    data(reason)
  }
  return out.subarray(0, at)
}

/** The entries, or what is wrong with the bytes. Paths are not judged here: see `refused`. */
export const decode = (bytes: Uint8Array): Result.Result<ReadonlyArray<Entry>, string> =>
  Result.map(decodeTree(bytes), ({ entries }) => entries)

/** The same with what was left out. */
export const decodeTree = (
  bytes: Uint8Array
): Result.Result<{ readonly entries: ReadonlyArray<Entry>; readonly leftOut: LeftOut }, string> => {
  const reader = new Reader(bytes)
  const entries = reader.entries()
  const leftOut = reader.leftOut()
  const wrong = reader.end()
  return wrong === undefined ? Result.succeed({ entries, leftOut }) : Result.fail(wrong)
}

/** Reads until something is wrong; from then on whatever it reads is 0 or empty. */
class Reader {
  private readonly bytes: Uint8Array
  private readonly view: DataView
  private at = 0
  private read = 0
  private wrong: string | undefined

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  private room(n: number): boolean {
    if (this.at + n > this.bytes.length) this.fail(`ends at byte ${this.bytes.length} inside entry ${this.read}`)
    return this.wrong === undefined
  }
  private fail(words: string): void {
    this.wrong ??= `it ${words}`
  }
  private u8 = () => (this.room(1) ? this.view.getUint8(this.at++) : 0)
  private u16 = () => (this.room(2) ? this.view.getUint16((this.at += 2) - 2, true) : 0)
  private u32 = () => (this.room(4) ? this.view.getUint32((this.at += 4) - 4, true) : 0)
  private whole(least: number): number {
    const n = this.room(8) ? Number(this.view.getBigInt64((this.at += 8) - 8, true)) : 0
    if (!(Number.isSafeInteger(n) && n >= least)) this.fail(`has the number ${n} in entry ${this.read}`)
    return n
  }
  private data(most: number): Uint8Array {
    const length = this.u16()
    if (length > most) this.fail(`has a path or a reason of ${length} bytes in entry ${this.read}`)
    return this.room(length) ? this.bytes.subarray(this.at, (this.at += length)) : empty
  }
  private metadata(): Metadata {
    const mode = this.u16() & modeMask
    const uid = this.u32()
    const gid = this.u32()
    const mtimeSeconds = this.whole(-Number.MAX_SAFE_INTEGER)
    const mtimeNanos = this.u32()
    if (mtimeNanos > 999_999_999) this.fail(`has ${mtimeNanos} nanoseconds in entry ${this.read}`)
    return { mode, uid, gid, mtimeSeconds, mtimeNanos }
  }

  entries(): ReadonlyArray<Entry> {
    const out: Array<Entry> = []
    if (this.u32() !== version) this.fail("is of another version")
    const count = this.u32()
    if (count > Limits.manifestEntries) this.fail(`has ${count} entries`)
    while (this.wrong === undefined && out.length < count) {
      const entry = this.entry()
      if (entry !== undefined) out.push(entry)
      this.read = out.length
    }
    return out
  }

  private entry(): Entry | undefined {
    const number = this.u8()
    const tag = number === sparseTag ? "File" : tags[number]
    const path = this.data(Limits.pathBytes)
    switch (tag) {
      case "HardLink":
        return { _tag: tag, path, leader: this.u32() }
      case "Directory":
      case "Fifo":
        return { _tag: tag, path, metadata: this.metadata() }
      case "File":
        return {
          ...{ _tag: tag, path, metadata: this.metadata(), size: this.whole(0) },
          ...(number === sparseTag ? { usedBytes: this.whole(0) } : {})
        }
      case "Symlink":
        return { _tag: tag, path, metadata: this.metadata(), target: this.data(Limits.pathBytes) }
      default:
        this.fail(`has entry ${this.read} of an unknown type`)
        return undefined
    }
  }

  leftOut(): LeftOut {
    const special = this.u32()
    const more = this.u32()
    const count = this.u32()
    if (count > Limits.leftOutEntries) this.fail(`names ${count} entries that were left out`)
    const lost: Array<LeftOut["lost"][number]> = []
    while (this.wrong === undefined && lost.length < count) {
      const kind = kinds[this.u8()]
      const path = this.data(Limits.pathBytes)
      const reason = decoder.decode(this.data(Limits.reasonBytes))
      if (kind === undefined) this.fail("leaves something out for an unknown reason")
      else lost.push({ path, kind, reason })
    }
    return { lost, more, special }
  }

  /** What is wrong, if anything is. */
  end(): string | undefined {
    if (this.wrong === undefined && this.at !== this.bytes.length)
      this.fail(`goes on for ${this.bytes.length - this.at} bytes after its end`)
    return this.wrong
  }
}

const empty = new Uint8Array(0)
