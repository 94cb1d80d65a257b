/**
 * What the tree is, as bytes: the content of file 0. Pure, and total: any bytes decode to entries or to a reason.
 */

import * as Result from "effect/Result"
import * as Limits from "../protocol/Limits.ts"
import type { Runs } from "../protocol/Words.ts"
import * as Attributes from "./Attributes.ts"
import { type Entry, isDevice, type LeftOut, metadataOf, nothingLeftOut } from "./Entry.ts"
import * as Holes from "./Holes.ts"
import type { Metadata } from "./Metadata.ts"
import * as Backup from "./Backup.ts"
import { modeMask } from "./Metadata.ts"
import * as Packed from "./Packed.ts"
import { compares, noWishes, type Policy, wishes } from "./Policy.ts"

export { plain } from "./Packed.ts"

const encoder = new TextEncoder()
// a byte order mark is a part of the text
const decoder = new TextDecoder("utf-8", { ignoreBOM: true })

const tags = ["Directory", "File", "Symlink", "HardLink", "Fifo", "Socket", "CharacterDevice", "BlockDevice"] as const
/** Of a File with holes. */
const sparseTag = tags.length
/** Of an entry with attributes. */
const attributed = 0x80
/** The same with its runs of data. */
const dataTag = sparseTag + 1
const version = 2
/** Before each entry: how long the rest of it is. A reader passes over fields that it does not know. [M-11] */
const lengthBytes = 4
/** After all else, where there is one. */
const policyBytes = 22
const anyNumber = 0xffff_ffff

const kinds = ["Unreadable", "Changed"] as const

/** The manifest as the content of file 0. */
export const encode = (entries: ReadonlyArray<Entry>, leftOut = nothingLeftOut, policy?: Policy): Uint8Array => {
  const lost = leftOut.lost.slice(0, Limits.leftOutEntries).map(({ kind, path, reason }) => ({
    kind,
    path: path.subarray(0, Limits.pathBytes),
    reason: encoder.encode(reason).subarray(0, Limits.reasonBytes)
  }))
  let bytes = 20 + (policy === undefined ? 0 : bytesOf(policy))
  for (const { path, reason } of lost) bytes += 5 + path.length + reason.length
  const sets = new Set<Attributes.Attributes>()
  for (const entry of entries) {
    bytes += roomOf(entry)
    const set = metadataOf(entry)?.attributes
    if (set === undefined || sets.has(set)) continue
    sets.add(set)
    bytes += 2 + 6 * set.length + Attributes.bytesOf(set)
  }
  const writer = new Writer(bytes)
  writer.u32(version)
  writer.u32(entries.length)
  for (const entry of entries) writer.entry(entry)
  writer.u32(leftOut.special)
  writer.u32(leftOut.more + leftOut.lost.length - lost.length)
  writer.u32(lost.length)
  for (const { kind, path, reason } of lost) {
    writer.u8(kinds.indexOf(kind))
    writer.data(path)
    writer.data(reason)
  }
  if (policy !== undefined) writer.policy(policy)
  return writer.written()
}

/** The room that an entry takes at most, without attributes. */
const roomOf = (entry: Entry): number => Packed.bytesOf(entry)?.length ?? 64 + entry.path.length + sizeOf(entry)

const sizeOf = (entry: Entry): number => {
  if (entry._tag === "Symlink") return entry.target.length
  return entry._tag === "File" ? 8 * (entry.data?.length ?? 0) : 0
}

const bytesOf = ({ backup, rules, spared }: Policy): number => {
  const backupBytes = backup === undefined ? 0 : 4 + backup.suffix.length + backup.directory.length
  return spared.reduce((sum, path) => sum + 2 + path.length, policyBytes + rules.length + backupBytes)
}

const fileTag = ({ data, usedBytes }: Extract<Entry, { readonly _tag: "File" }>): number => {
  if (data !== undefined) return dataTag
  return usedBytes === undefined ? tags.indexOf("File") : sparseTag
}

class Writer {
  readonly bytes: Uint8Array
  private readonly view: DataView
  private at = 0
  /** Sets of attributes that were written, and their numbers. */
  private readonly sets = new Map<Attributes.Attributes, number>()

  constructor(room: number) {
    this.bytes = new Uint8Array(room)
    this.view = new DataView(this.bytes.buffer)
  }
  u8(value: number): void {
    this.view.setUint8(this.at++, value)
  }
  private u16(value: number): void {
    this.view.setUint16((this.at += 2) - 2, value, true)
  }
  u32(value: number): void {
    this.view.setUint32((this.at += 4) - 4, value, true)
  }
  // in two halves: a BigInt costs as much as all the rest of an entry
  private u64(value: number): void {
    const high = Math.floor(value / 2 ** 32)
    this.u32(value - high * 2 ** 32)
    this.u32(high)
  }
  data(data: Uint8Array): void {
    this.u16(data.length)
    this.bytes.set(data, this.at)
    this.at += data.length
  }
  hasRoom(bytes: number): boolean {
    return this.at + bytes <= this.bytes.length
  }
  /** Answers where it begins. */
  entry(entry: Entry): number {
    const first = this.at
    const packed = Packed.bytesOf(entry)
    if (packed === undefined) {
      this.at += lengthBytes
      this.fields(entry)
      this.view.setUint32(first, this.at - first - lengthBytes, true)
    } else {
      this.bytes.set(packed, first)
      this.at += packed.length
    }
    return first
  }
  private fields(entry: Entry): void {
    const set = metadataOf(entry)?.attributes
    const number = entry._tag === "File" ? fileTag(entry) : tags.indexOf(entry._tag)
    this.u8(set === undefined ? number : number | attributed)
    this.data(entry.path)
    this.own(entry)
    if (set !== undefined) this.attributes(set)
  }
  private own(entry: Entry): void {
    if (entry._tag === "HardLink") return this.u32(entry.leader)
    this.metadata(entry.metadata)
    if (entry._tag === "File") this.extent(entry)
    if (entry._tag === "Symlink") this.data(entry.target)
    if (isDevice(entry)) this.u32(entry.device)
  }
  /** [M-13] The number of a set; a new one follows. */
  private attributes(set: Attributes.Attributes): void {
    const known = this.sets.get(set)
    this.u32(known ?? this.sets.size)
    if (known !== undefined) return
    this.sets.set(set, this.sets.size)
    this.u16(set.length)
    for (const { name, value } of set) {
      this.data(Buffer.from(name, "latin1"))
      this.u32(value.length)
      this.bytes.set(value, this.at)
      this.at += value.length
    }
  }
  private extent({ data, size, usedBytes }: Extract<Entry, { readonly _tag: "File" }>): void {
    this.u64(size)
    if (usedBytes !== undefined || data !== undefined) this.u64(usedBytes ?? size)
    if (data === undefined) return
    this.u32(data.length / 2)
    for (const number of data) this.u64(number)
  }
  private metadata({ gid, mode, mtimeNanos, mtimeSeconds, uid }: Metadata): void {
    this.u16(mode)
    this.u32(uid)
    this.u32(gid)
    this.u64(mtimeSeconds)
    this.u32(mtimeNanos)
  }
  policy(policy: Policy): void {
    this.u8(compares.indexOf(policy.compare))
    this.u32(policy.windowSeconds + 1)
    this.u32(wishes.reduce((bits, wish, bit) => bits | (policy[wish] ? 1 << bit : 0), 0))
    this.u32(policy.mostDeleted ?? anyNumber)
    this.u32(policy.rules.length)
    this.bytes.set(policy.rules, this.at)
    this.at += policy.rules.length
    this.u32(policy.spared.length)
    for (const path of policy.spared) this.data(path)
    this.u8(policy.backup === undefined ? 0 : 1)
    if (policy.backup === undefined) return
    this.data(policy.backup.suffix)
    this.data(policy.backup.directory)
  }
  written(): Uint8Array {
    return this.bytes.subarray(0, this.at)
  }
}

/** Bytes of entries that are packed together. */
const packedBytes = 64 * 1024

/** Packs entries, one after the other. */
export class Packing {
  private writer = new Writer(packedBytes)
  private bytes = new Packed.Bytes(this.writer.bytes)

  /** The entry, of which no more than its bytes is kept where these say everything. */
  add(entry: Entry): Entry {
    if (!Packed.isPackable(entry)) return entry
    if (!this.writer.hasRoom(roomOf(entry))) {
      this.writer = new Writer(packedBytes)
      this.bytes = new Packed.Bytes(this.writer.bytes)
    }
    return Packed.at(this.bytes, this.writer.entry(entry), entry)
  }
}

/** The entries, or what is wrong with the bytes. Paths are not judged here: see `refused`. */
export const decode = (bytes: Uint8Array): Result.Result<ReadonlyArray<Entry>, string> =>
  Result.map(decodeTree(bytes), ({ entries }) => entries)

/** The same with what was left out, and the policy. */
export const decodeTree = (bytes: Uint8Array): Result.Result<Tree, string> => {
  const reader = new Reader(bytes)
  const entries = reader.entries()
  const leftOut = reader.leftOut()
  const policy = reader.policy()
  const wrong = reader.end()
  return wrong === undefined ? Result.succeed({ entries, leftOut, policy }) : Result.fail(wrong)
}

/** What a manifest says. */
export interface Tree {
  readonly entries: ReadonlyArray<Entry>
  readonly leftOut: LeftOut
  /** How it is brought to catchers; undefined: every file is sent. */
  readonly policy: Policy | undefined
}

/** Reads until something is wrong; from then on whatever it reads is 0 or empty. */
class Reader {
  private readonly all: Packed.Bytes
  private readonly bytes: Uint8Array
  private readonly view: DataView
  private at = 0
  /** Where the entry that is read ends, or all of it. */
  private limit: number
  private read = 0
  /** Sets of attributes so far. */
  private readonly sets: Array<Attributes.Attributes> = []
  private wrong: string | undefined

  constructor(bytes: Uint8Array) {
    this.all = new Packed.Bytes(bytes)
    this.bytes = this.all.bytes
    this.view = this.all.view
    this.limit = bytes.length
  }

  private room(n: number): boolean {
    if (this.at + n > this.limit) {
      const isAll = this.limit === this.bytes.length
      this.fail(isAll ? `ends at byte ${this.limit} inside entry ${this.read}` : `has entry ${this.read} cut short`)
    }
    return this.wrong === undefined
  }
  private fail(words: string): void {
    this.wrong ??= `it ${words}`
  }
  private u8 = () => (this.room(1) ? this.view.getUint8(this.at++) : 0)
  private u16 = () => (this.room(2) ? this.view.getUint16((this.at += 2) - 2, true) : 0)
  private u32 = () => (this.room(4) ? this.view.getUint32((this.at += 4) - 4, true) : 0)
  private whole(least: number): number {
    const low = this.u32()
    const n = this.room(4) ? this.view.getInt32((this.at += 4) - 4, true) * 2 ** 32 + low : 0
    if (!(Number.isSafeInteger(n) && n >= least)) this.fail(`has the number ${n} in entry ${this.read}`)
    return n
  }
  private data(most: number): Uint8Array {
    const length = this.u16()
    if (length > most) this.fail(`has a path or a reason of ${length} bytes in entry ${this.read}`)
    return this.room(length) ? this.bytes.subarray(this.at, (this.at += length)) : empty
  }
  private raw(most: number, what: string): Uint8Array {
    const length = this.u32()
    if (length > most) this.fail(`has ${length} bytes of ${what}`)
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

  /** An entry of the length that it says. What stands there after the fields that are known is passed over. */
  private entry(): Entry | undefined {
    const first = this.at
    const length = this.u32()
    if (!this.room(length)) return undefined
    this.limit = this.at + length
    const entry = this.fields()
    if (this.wrong === undefined) this.at = this.limit
    this.limit = this.bytes.length
    return entry === undefined || !Packed.isPackable(entry) ? entry : Packed.at(this.all, first, entry)
  }

  private fields(): Entry | undefined {
    const first = this.u8()
    const entry = this.own(first & ~attributed)
    if ((first & attributed) === 0 || entry === undefined) return entry
    if (entry._tag === "HardLink") this.fail(`has attributes of a hard link in entry ${this.read}`)
    const attributes = this.attributes()
    return entry._tag === "HardLink" ? entry : { ...entry, metadata: { ...entry.metadata, attributes } }
  }

  /** [M-13] One of the sets so far, or the next one, which follows. */
  private attributes(): Attributes.Attributes {
    const number = this.u32()
    if (number < this.sets.length) return this.sets[number]
    if (number > this.sets.length) this.fail(`has attributes of number ${number} in entry ${this.read}`)
    const count = this.u16()
    const set: Array<Attributes.Attribute> = []
    while (this.wrong === undefined && set.length < count) {
      const name = Buffer.from(this.data(Limits.attributeNameBytes)).toString("latin1")
      set.push({ name, value: this.raw(Limits.attributeBytes, "an attribute") })
    }
    const wrong = this.wrong === undefined ? Attributes.wrong(set) : undefined
    if (wrong !== undefined) this.fail(`has ${wrong} in entry ${this.read}`)
    this.sets.push(set)
    return set
  }

  private own(number: number): Entry | undefined {
    const tag = number === sparseTag || number === dataTag ? "File" : tags[number]
    const path = this.data(Limits.pathBytes)
    switch (tag) {
      case "HardLink":
        return { _tag: tag, path, leader: this.u32() }
      case "Directory":
      case "Fifo":
      case "Socket":
        return { _tag: tag, path, metadata: this.metadata() }
      case "File":
        return this.file(number, path)
      case "Symlink":
        return { _tag: tag, path, metadata: this.metadata(), target: this.data(Limits.pathBytes) }
      case "CharacterDevice":
      case "BlockDevice":
        return { _tag: tag, path, metadata: this.metadata(), device: this.u32() }
      default:
        this.fail(`has entry ${this.read} of an unknown type`)
        return undefined
    }
  }

  private file(number: number, path: Uint8Array): Entry {
    const file = { _tag: "File", path, metadata: this.metadata(), size: this.whole(0) } as const
    if (number !== sparseTag && number !== dataTag) return file
    const sparse = { ...file, usedBytes: this.whole(0) }
    return number === sparseTag ? sparse : { ...sparse, data: this.runs(file.size) }
  }

  /** [M-12] The runs of data of a file. */
  private runs(size: number): Runs {
    const count = this.u32()
    if (count > Limits.dataRuns) this.fail(`has ${count} runs of data in entry ${this.read}`)
    const runs: Array<number> = []
    while (this.wrong === undefined && runs.length < 2 * count) runs.push(this.whole(0), this.whole(0))
    const wrong = this.wrong === undefined ? Holes.wrong(size, runs) : undefined
    if (wrong !== undefined) this.fail(`has ${wrong} in entry ${this.read}`)
    return runs
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

  policy(): Policy | undefined {
    if (this.wrong !== undefined || this.at === this.bytes.length) return undefined
    const compare = compares[this.u8()]
    const windowSeconds = this.u32() - 1
    const bits = this.u32()
    if (compare === undefined || bits >= 1 << wishes.length) this.fail("has a policy that is not known")
    const most = this.u32()
    const rules = this.raw(Limits.filterFileBytes, "rules")
    const count = this.u32()
    const spared: Array<Uint8Array> = []
    while (this.wrong === undefined && spared.length < count) spared.push(this.data(Limits.pathBytes))
    const wished = Object.fromEntries(wishes.map((wish, bit) => [wish, (bits & (1 << bit)) !== 0] as const))
    return {
      ...noWishes,
      ...wished,
      compare,
      windowSeconds,
      mostDeleted: most === anyNumber ? undefined : most,
      rules,
      spared,
      backup: this.backup()
    }
  }

  private backup(): Policy["backup"] {
    const has = this.u8()
    if (has > 1) this.fail("has a policy that is not known")
    if (has !== 1) return undefined
    const backup = { suffix: this.data(Limits.pathBytes), directory: this.data(Limits.pathBytes) }
    if (!Backup.isSound(backup)) this.fail("has backups outside of the destination")
    return backup
  }

  /** What is wrong, if anything is. */
  end(): string | undefined {
    if (this.wrong === undefined && this.at !== this.bytes.length)
      this.fail(`goes on for ${this.bytes.length - this.at} bytes after its end`)
    return this.wrong
  }
}

const empty = new Uint8Array(0)
