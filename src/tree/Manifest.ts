/**
 * What the tree is: entries in the order in which they are made, each with its path in bytes (names on disk are bytes),
 * and the plan of the files that carry their contents over the air. Pure, and total: any bytes decode to entries or to a
 * reason.
 *
 * [M-1] an entry's parent is an earlier Directory entry, or the destination itself.
 * [M-2] a hard link's leader is an earlier File entry.
 * [M-3] both ends derive the same plan from the same entries.
 * [M-8] a revision changes sizes and metadata of files alone.
 */

import * as Result from "effect/Result"
import * as Limits from "../protocol/Limits.ts"
import type { Kind } from "../protocol/Words.ts"
import type { Member } from "./Members.ts"
import type { Metadata } from "./Metadata.ts"
import { modeMask } from "./Metadata.ts"

export type { Metadata } from "./Metadata.ts"

/** Paths are relative to the destination, separated by "/"; the empty path is the destination itself (a Directory). */
export type Entry =
  | { readonly _tag: "Directory"; readonly path: Uint8Array; readonly metadata: Metadata }
  | {
      readonly _tag: "File"
      readonly path: Uint8Array
      readonly metadata: Metadata
      readonly size: number
      /** What it takes at the source, where holes make that less than its size. */
      readonly usedBytes?: number
    }
  | {
      readonly _tag: "Symlink"
      readonly path: Uint8Array
      readonly metadata: Metadata
      readonly target: Uint8Array
    }
  | { readonly _tag: "HardLink"; readonly path: Uint8Array; readonly leader: number }
  | { readonly _tag: "Fifo"; readonly path: Uint8Array; readonly metadata: Metadata }

/** What the master found no entry for: so that a catcher, too, can say what it lacks. */
export interface LeftOut {
  /** The first of those that could not be read, or vanished, each with the reason. */
  readonly lost: ReadonlyArray<{
    readonly path: Uint8Array
    readonly kind: "Unreadable" | "Changed"
    readonly reason: string
  }>
  /** How many more. */
  readonly more: number
  /** Sockets and devices, which nobody is sent. */
  readonly special: number
}

/** All of the tree was read. */
export const nothingLeftOut: LeftOut = { lost: [], more: 0, special: 0 }

/** What one four-state machine carries: the manifest (file 0), one regular file, a bundle of small ones, or a revision. */
export interface Carried {
  /** Its number on the wire; 0 is the manifest. */
  readonly file: number
  /** What it carries. */
  readonly kind: Kind
  /** The entries it carries lie in [firstEntry, firstEntry + entryCount). */
  readonly firstEntry: number
  readonly entryCount: number
  /** Bytes of content. */
  readonly size: number
  /** A bundle's File entries, and where each begins in its content; for a single file its one entry. */
  readonly members: ReadonlyArray<Member>
}

/**
 * A path as a person reads it, and never two paths alike: a backslash is doubled, and what is not UTF-8, or cannot
 * be seen, is \xNN byte by byte. The empty path is ".".
 */
export const display = (path: Uint8Array): string => {
  const text = decoder.decode(path)
  if (text === ".") return escaped(path)
  if (!suspect.test(text)) return text === "" ? "." : text
  let out = ""
  for (const { bytes, text } of characters(path)) {
    out += text === "\\" ? "\\\\" : text !== undefined && !suspect.test(text) ? text : escaped(bytes)
  }
  return out
}

/** The bytes that `display` shows so. */
export const bytesOf = (shown: string): Uint8Array => {
  if (shown === ".") return new Uint8Array(0)
  const parts: Array<Uint8Array> = []
  let at = 0
  for (const { 0: match, 1: hex, index } of shown.matchAll(/\\(?:x([0-9a-f]{2})|\\)/g)) {
    parts.push(encoder.encode(shown.slice(at, index)), Uint8Array.of(hex === undefined ? 0x5c : parseInt(hex, 16)))
    at = index + match.length
  }
  return Buffer.concat([...parts, encoder.encode(shown.slice(at))])
}

/** A shown path in base64 where it is not UTF-8, so that a program need not know the escapes. */
export const base64Of = (shown: string): string | undefined => {
  if (!shown.includes("\\x")) return undefined
  const bytes = bytesOf(shown)
  return Result.isFailure(Result.try(() => strict.decode(bytes))) ? Buffer.from(bytes).toString("base64") : undefined
}

/** What failed at a path as it is shown, as a report has it. */
export const failureAt = <More extends object>(path: string, reason: string, more?: More) => {
  const pathBytes = base64Of(path)
  return { path, ...(pathBytes === undefined ? {} : { pathBytes }), reason, ...(more ?? ({} as More)) }
}

// Control characters, and others that cannot be seen or turn a line around (but for those that join letters and
// emoji); what stands for a byte that is none of UTF-8; the escapes' own backslash.
const suspect = /[\p{Cc}\p{Zl}\p{Zp}\ufffd\\]|(?!\u200c|\u200d|[\u{e0020}-\u{e007f}])\p{Cf}/u

const escaped = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("")

const encoder = new TextEncoder()
// what looks like a byte order mark is a part of the name
const decoder = new TextDecoder("utf-8", { ignoreBOM: true })
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

// Walks UTF-8 character by character; `text` is undefined where a byte begins none.
function* characters(path: Uint8Array) {
  for (let at = 0; at < path.length;) {
    const lead = path[at]
    const length = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc2 ? 2 : 1
    const bytes = path.subarray(at, at + length)
    // An error for each byte would cost a hundred times as much.
    const text = decoder.decode(bytes)
    const isNone = text.includes("\ufffd")
    yield isNone ? { bytes: path.subarray(at, at + 1), text: undefined } : { bytes, text }
    at += isNone ? 1 : length
  }
}

// ---- plan ----

/** The plan of carried files: small ones in bundles of consecutive entries, larger ones alone. File 0 is the manifest. */
export const plan = (entries: ReadonlyArray<Entry>): ReadonlyArray<Carried> => planOf(entries, entries.keys(), 1)

/** The plan of some of the entries, whose files are numbered from `firstFile`. */
const planOf = (entries: ReadonlyArray<Entry>, indices: Iterable<number>, firstFile: number) => {
  const out: Array<Carried> = []
  let members: Array<Member> = []
  let size = 0
  const flush = () => {
    if (members.length === 0) return
    const firstEntry = members[0].entry
    const entryCount = members[members.length - 1].entry - firstEntry + 1
    out.push({ file: firstFile + out.length, kind: "Bundle", firstEntry, entryCount, size, members })
    members = []
    size = 0
  }
  for (const index of indices) {
    const entry = entries[index]
    if (entry._tag !== "File") continue
    if (entry.size > Limits.smallFileBytes) {
      const file = firstFile + out.length
      const members = [{ entry: index, offset: 0, size: entry.size }]
      out.push({ file, kind: "Single", firstEntry: index, entryCount: 1, size: entry.size, members })
      continue
    }
    if (members.length === Limits.bundleFiles || size + entry.size > Limits.bundleBytes) flush()
    members.push({ entry: index, offset: size, size: entry.size })
    size += entry.size
  }
  flush()
  return out
}

/**
 * The pages of a plan, as both sides count them: of files that are sent, because they carry entries that no revision carries
 * instead, and were not dropped; and of the revisions themselves.
 */
export const neededPages = (
  plan: ReadonlyArray<Carried>,
  pageBytes: number,
  isSent: (file: number) => boolean
): number =>
  plan.reduce(
    (sum, { file, kind, size }) => sum + (kind === "Revision" || isSent(file) ? Math.ceil(size / pageBytes) : 0),
    0
  )

// ---- revisions ----

/** The tree after a revision: its entries, those of them that are new, and the files that the plan has for them. */
export interface Revised {
  readonly entries: ReadonlyArray<Entry>
  readonly revised: ReadonlyArray<number>
  readonly plan: ReadonlyArray<Carried>
}

/**
 * [M-8] A revision lists files of the manifest, by their path, with another size and other metadata. It is a file of the plan
 * itself, and what it lists follows it there; or a reason why it does not belong to this manifest.
 */
export const revise = (
  entries: ReadonlyArray<Entry>,
  revision: ReadonlyArray<Entry>,
  file: number
): Result.Result<Revised, string> => {
  const wanted = new Map(revision.map((entry) => [keyOf(entry.path), entry]))
  const revised: Array<number> = []
  const next = entries.map((entry, index) => {
    const other = entry._tag === "File" ? wanted.get(keyOf(entry.path)) : undefined
    if (other?._tag !== "File" || !wanted.delete(keyOf(entry.path))) return entry
    revised.push(index)
    return other
  })
  if (revised.length !== revision.length) return Result.fail("a revision lists what is no file of the manifest")
  return Result.succeed({ entries: next, revised, plan: planOf(next, revised, file + 1) })
}

/** A revision as a file of the plan. */
export const revisionFile = (file: number, size: number): Carried => ({
  file,
  kind: "Revision",
  firstEntry: 0,
  entryCount: 0,
  size,
  members: []
})

/** The last file of a plan that carries each of the entries; one walk for all, as a revision lists thousands. */
export const carriersOf = (plan: ReadonlyArray<Carried>, entries: ReadonlySet<number>): ReadonlyMap<number, number> => {
  const carriers = new Map<number, number>()
  for (const { file, members } of plan) {
    for (const { entry } of members) if (entries.has(entry)) carriers.set(entry, file)
  }
  return carriers
}

// ---- checks ----

/** Why an entry may not be made, by its index; entries that are fine are absent. A refused directory refuses what is in it. */
export const refused = (entries: ReadonlyArray<Entry>): ReadonlyMap<number, string> => {
  const out = new Map<number, string>()
  const directories = new Set<string>([""])
  const seen = new Set<string>()
  entries.forEach((entry, index) => {
    const reason = refusal(entry, index, entries, directories, seen, out)
    const key = keyOf(entry.path)
    if (reason !== undefined) out.set(index, reason)
    else if (entry._tag === "Directory") directories.add(key)
    seen.add(key)
  })
  return out
}

// One character a byte, so that a path of bytes can be a Map's key.
const keyOf = (path: Uint8Array): string => Buffer.from(path.buffer, path.byteOffset, path.length).toString("latin1")

const refusal = (
  entry: Entry,
  index: number,
  entries: ReadonlyArray<Entry>,
  directories: ReadonlySet<string>,
  seen: ReadonlySet<string>,
  refusedSoFar: ReadonlyMap<number, string>
): string | undefined => {
  const key = keyOf(entry.path)
  if (seen.has(key)) return "the manifest names it twice"
  if (key === "") return entry._tag === "Directory" ? undefined : "the destination itself is a directory"
  if (key.includes("\0")) return "its path has a NUL byte"
  if (key.startsWith("/")) return "its path is absolute"
  for (const name of key.split("/")) {
    if (name === "" || name === "." || name === "..") return `its path has a component "${name}"`
  }
  const slash = key.lastIndexOf("/")
  if (slash > 0 && !directories.has(key.slice(0, slash))) return "its parent is not a directory of the manifest"
  if (entry._tag === "HardLink") {
    const leader = entry.leader < index ? entries[entry.leader] : undefined
    if (leader?._tag !== "File") return "it is a hard link to no earlier file of the manifest"
    if (refusedSoFar.has(entry.leader)) return "it is a hard link to a refused file"
  }
  if (entry._tag === "Symlink" && (entry.target.length === 0 || entry.target.includes(0))) {
    return "its link target is empty or has a NUL byte"
  }
  return undefined
}

// ---- bytes ----

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

/** What a tree has: hard links are files as well as links, symbolic links are links, a FIFO is neither. */
export const counts = (entries: ReadonlyArray<Entry>) => {
  let files = 0
  let directories = 0
  let links = 0
  let fifos = 0
  let bytes = 0
  for (const entry of entries) {
    if (entry._tag === "File") bytes += entry.size
    if (entry._tag === "File" || entry._tag === "HardLink") files++
    if (entry._tag === "Directory") directories++
    if (entry._tag === "Symlink" || entry._tag === "HardLink") links++
    if (entry._tag === "Fifo") fifos++
  }
  return { files, directories, links, fifos, bytes }
}
