/**
 * Messages to datagrams and back. Decoding is total: any bytes give a message or a WireError, nothing is thrown, and no
 * length that a datagram claims is believed before it is checked against the bytes that are there.
 *
 * [W-7] Every message ends with a checksum of all that is before it. Pages are not for this module: their hashes tell.
 */

import * as zlib from "node:zlib"
import * as Result from "effect/Result"
import * as Limits from "../protocol/Limits.ts"
import * as Header from "./Header.ts"
import type { Audience, Failure, FromCatcher, FromMaster, Kind, Message, Refusal, Runs } from "./Message.ts"

/**
 * Why a datagram cannot be read: it is no datagram of ours, its checksum is wrong, its type is
 * unknown, or its body is not that of its type.
 */
export interface WireError {
  readonly _tag: "WireError"
  readonly reason: "Foreign" | "Damaged" | "UnknownType" | "Body"
}

const foreign: WireError = { _tag: "WireError", reason: "Foreign" }
const damaged: WireError = { _tag: "WireError", reason: "Damaged" }
const unknownType: WireError = { _tag: "WireError", reason: "UnknownType" }
const badBody: WireError = { _tag: "WireError", reason: "Body" }

const kinds: ReadonlyArray<Kind> = ["Manifest", "Single", "Bundle", "Revision"]
const refusals: ReadonlyArray<Refusal> = ["NotListed", "NameTaken", "Full", "Started", "TooOften", "Returning"]
const nothing = 0xffff_ffff
const noSlot = 0xffff
const eofRoot = 1
const eofCounts = 2
const noLacks = 0xffff

// ---- writing ----

const text = new TextEncoder()
// a byte order mark is part of the text
const readText = new TextDecoder("utf-8", { ignoreBOM: true })

class Writer {
  readonly bytes: Uint8Array
  at = Limits.headerBytes

  constructor(room: number) {
    this.bytes = new Uint8Array(room)
  }
  u8(value: number) {
    this.bytes[this.at++] = value
  }
  u16(value: number) {
    Header.putU16(this.bytes, this.at, value)
    this.at += 2
  }
  u32(value: number) {
    Header.putU32(this.bytes, this.at, value)
    this.at += 4
  }
  u64(value: number) {
    this.u32(value % 0x1_0000_0000)
    this.u32(Math.floor(value / 0x1_0000_0000))
  }
  raw(bytes: Uint8Array) {
    this.bytes.set(bytes, this.at)
    this.at += bytes.length
  }
  /** A text cut at `limit` bytes of UTF-8. */
  text(value: string, limit: number) {
    const { written } = text.encodeInto(value, this.bytes.subarray(this.at + 1, this.at + 1 + limit))
    this.u8(written)
    this.at += written
  }
  reason(reason: string | undefined) {
    this.u8(reason === undefined ? 0 : 1)
    if (reason !== undefined) this.text(reason, Limits.reasonBytes)
  }
  root(root: Uint8Array | undefined) {
    this.u8(root === undefined ? 0 : 1)
    if (root !== undefined) this.raw(root)
  }
  /** A bitmap from the first slot on. */
  audience(slots: Audience) {
    const base = slots.length === 0 ? 0 : slots[0]
    const length = slots.length === 0 ? 0 : ((slots[slots.length - 1] - base) >>> 3) + 1
    this.u16(base)
    this.u16(length)
    for (const slot of slots) this.bytes[this.at + ((slot - base) >>> 3)] |= 1 << ((slot - base) & 7)
    this.at += length
  }
  finish(type: keyof typeof Header.types, session: bigint, file: number, index: number): Uint8Array {
    this.at += Limits.checksumBytes
    Header.put(this.bytes, 0, Header.types[type], this.at, Header.sessionOf(session), file, index)
    return putChecksum(this.bytes.subarray(0, this.at))
  }
}

/** Room for any message, without a tag: below the smallest MTU that IPv6 allows, so that tunnels carry it. */
const messageBytes = 1200 - Limits.tagBytes

/** Writes the checksum at the end of a datagram that is otherwise whole. */
export const putChecksum = (datagram: Uint8Array): Uint8Array => {
  const end = datagram.length - Limits.checksumBytes
  Header.putU32(datagram, end, zlib.crc32(datagram.subarray(0, end)))
  return datagram
}

/** A message as a datagram, its checksum included. [W-6] */
export const encode = (message: Message): Uint8Array => {
  // a probe is as long as the page that it stands for
  const probeBytes = message._tag === "Probe" && message.pageBytes > 0 ? Limits.headerBytes + message.pageBytes : 0
  const w = new Writer(Math.max(messageBytes + Limits.checksumBytes, probeBytes))
  const { session } = message
  switch (message._tag) {
    case "Announce":
      w.u16(message.pageBytes)
      w.u16(message.blockPages)
      w.u32(message.timeoutMillis)
      w.u32(message.uptimeMillis)
      w.u16(message.spreadMillis)
      w.u16(message.joined)
      w.u16(message.wanted)
      return w.finish("Announce", session, 0, 0)
    case "Join":
      w.u32(message.incarnation)
      w.u32(message.key)
      w.u16(message.moves)
      w.u32(message.receiveBufferBytes)
      w.text(message.name, Limits.nameBytes)
      return w.finish("Join", session, 0, 0)
    case "Decline":
      w.u32(message.incarnation)
      w.u32(message.silentMillis)
      w.text(message.master, Limits.nameBytes)
      return w.finish("Decline", session, 0, 0)
    case "Welcome":
      w.u16(message.guests.length)
      for (const guest of message.guests) {
        w.u32(guest.incarnation)
        w.u16("slot" in guest ? guest.slot : noSlot)
        w.u8("slot" in guest ? 0 : refusals.indexOf(guest.refusal))
      }
      return w.finish("Welcome", session, 0, 0)
    case "Open":
      w.u8(kinds.indexOf(message.kind))
      w.u64(message.size)
      w.u16(message.pageBytes)
      w.u32(message.members)
      w.root(message.root)
      w.audience(message.audience)
      return w.finish("Open", session, message.file, 0)
    case "Probe":
      w.u16(message.pageBytes)
      w.u8(message.isGlued ? 1 : 0)
      w.audience(message.audience)
      w.at = Math.max(w.at, probeBytes - Limits.checksumBytes)
      return w.finish("Probe", session, message.probing, message.train)
    case "Poll":
      w.audience(message.audience)
      return w.finish("Poll", session, 0, message.poll)
    case "Eof":
      w.u32(message.first)
      w.u32(message.count)
      w.u8((message.root === undefined ? 0 : eofRoot) | (message.counts ? eofCounts : 0))
      if (message.root !== undefined) w.raw(message.root)
      w.audience(message.audience)
      return w.finish("Eof", session, message.file, message.round)
    case "Close":
      w.audience(message.audience)
      return w.finish("Close", session, message.file, message.from)
    case "Abort":
      w.reason(message.reason)
      w.audience(message.audience)
      return w.finish("Abort", session, message.file ?? nothing, 0)
    case "Bye":
      return w.finish("Bye", session, 0, 0)
    default:
      w.u16(message.slot)
      w.u32(message.incarnation)
      return encodeAnswer(message, w)
  }
}

type SlotAnswer = Exclude<FromCatcher, { readonly _tag: "Join" | "Decline" }>

const encodeAnswer = (message: SlotAnswer, w: Writer): Uint8Array => {
  const { session } = message
  switch (message._tag) {
    case "PollOk":
      w.u32(message.received)
      w.u32(message.dropped)
      w.u64(message.held)
      return w.finish("PollOk", session, 0, message.poll)
    case "ProbeOk":
      w.u16(message.single)
      w.u16(message.times)
      w.u16(message.glued)
      return w.finish("ProbeOk", session, message.probing, message.train)
    case "OpenOk":
      return w.finish("OpenOk", session, message.file, 0)
    case "Complete":
      w.u64(message.held)
      return w.finish("Complete", session, message.file, 0)
    case "Aborted":
      return w.finish("Aborted", session, message.file ?? nothing, 0)
    case "SitOut":
      w.text(message.reason, Limits.reasonBytes)
      return w.finish("SitOut", session, message.file, 0)
    case "Missing":
      w.u32(message.first)
      w.u32(message.count)
      w.u16(message.lacks === undefined ? noLacks : message.lacks.length)
      for (const lack of message.lacks ?? []) w.u8(lack)
      putRuns(w, message.first, message.count, message.runs)
      w.u64(message.held)
      return w.finish("Missing", session, message.file, message.round)
    case "CloseOk": {
      w.u32(message.next ?? nothing)
      w.u16(message.failures.length)
      for (const failure of message.failures) {
        w.u32(failure.entry)
        w.text(failure.reason, Limits.reasonBytes)
      }
      return w.finish("CloseOk", session, message.file, message.from)
    }
  }
}

// Few runs as pairs of 16 bits (gap, length), many as a bitmap: whichever is shorter.
const putRuns = (w: Writer, first: number, count: number, runs: Runs) => {
  const bitmapBytes = Math.ceil(count / 8)
  if (runs.length * 2 < bitmapBytes) {
    w.u8(0)
    w.u16(runs.length / 2)
    for (let i = 0, at = first; i < runs.length; i += 2) {
      w.u16(runs[i] - at)
      w.u16(runs[i + 1])
      at = runs[i] + runs[i + 1]
    }
    return
  }
  w.u8(1)
  for (let i = 0; i < runs.length; i += 2) {
    for (let bit = runs[i] - first, end = bit + runs[i + 1]; bit < end; bit++) {
      w.bytes[w.at + (bit >>> 3)] |= 1 << (bit & 7)
    }
  }
  w.at += bitmapBytes
}

/** As many failures as one answer holds, and where to ask on. */
export const fitFailures = (
  failures: ReadonlyArray<Failure>
): { readonly failures: ReadonlyArray<Failure>; readonly next: number | undefined } => {
  let bytes = Limits.headerBytes + 16
  for (let i = 0; i < failures.length; i++) {
    bytes += 5 + Limits.reasonBytes
    if (bytes > messageBytes) return { failures: failures.slice(0, i), next: failures[i].entry }
  }
  return { failures, next: undefined }
}

// ---- reading ----

/** Reads fields one after the other; past the end it gives zeros and remembers that it is `bad`. */
class Reader {
  bad = false
  private at = 0
  private readonly bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }
  private take(length: number): number {
    const at = this.at
    if (at + length > this.bytes.length) this.bad = true
    else this.at += length
    return at
  }
  u8(): number {
    const at = this.take(1)
    return this.bad ? 0 : this.bytes[at]
  }
  u16(): number {
    const at = this.take(2)
    return this.bad ? 0 : Header.u16(this.bytes, at)
  }
  u32(): number {
    const at = this.take(4)
    return this.bad ? 0 : Header.u32(this.bytes, at)
  }
  u64(): number {
    const value = this.u32() + this.u32() * 0x1_0000_0000
    if (!Number.isSafeInteger(value)) this.bad = true
    return this.bad ? 0 : value
  }
  /** A copy, because the datagram's memory is used again. */
  raw(length: number): Uint8Array {
    const at = this.take(length)
    return this.bad ? new Uint8Array(0) : this.bytes.slice(at, at + length)
  }
  /** Does something follow that may be left out? */
  private follows(): boolean {
    const form = this.u8()
    if (form > 1) this.bad = true
    return form === 1
  }
  reason(): string | undefined {
    return this.follows() ? this.text(Limits.reasonBytes) : undefined
  }
  root(): Uint8Array | undefined {
    return this.follows() ? this.raw(Limits.hashBytes) : undefined
  }
  text(limit: number): string {
    const length = this.u8()
    if (length > limit) this.bad = true
    return readText.decode(this.raw(length))
  }
  member<A>(of: ReadonlyArray<A>): A {
    const index = this.u8()
    if (index >= of.length) this.bad = true
    return of[this.bad ? 0 : index]
  }
  audience(): Audience {
    const base = this.u16()
    const bitmap = this.raw(this.u16())
    if (base + bitmap.length * 8 > Limits.slots + 8) this.bad = true
    const out: Array<number> = []
    if (this.bad) return out
    for (let i = 0; i < bitmap.length * 8; i++) if ((bitmap[i >>> 3] & (1 << (i & 7))) !== 0) out.push(base + i)
    // the last byte may reach beyond the last slot, its bits may not
    if (out.length > 0 && out[out.length - 1] >= Limits.slots) this.bad = true
    return out
  }
  end(): boolean {
    return !this.bad && this.at === this.bytes.length
  }
  /** Passes over what fills a body up to its length. */
  padding(bodyBytes: number) {
    if (this.at < bodyBytes) this.take(bodyBytes - this.at)
  }
}

/** Reads the datagram at `at`; the header there must be `Header.valid`. Pages are not for this: see Header. */
export const decode = (bytes: Uint8Array, at = 0): Result.Result<Message, WireError> => {
  if (!Header.valid(bytes, at)) return Result.fail(foreign)
  const body = at + Limits.headerBytes
  const end = at + Header.lengthOf(bytes, at) - Limits.checksumBytes
  if (end < body || Header.u32(bytes, end) !== zlib.crc32(bytes.subarray(at, end))) return Result.fail(damaged)
  const session = BigInt(Header.u32(bytes, at + 8)) | (BigInt(Header.u32(bytes, at + 12)) << 32n)
  const r = new Reader(bytes.subarray(body, end))
  const type = Header.typeOf(bytes, at)
  const message =
    decodeMaster(type, session, Header.fileOf(bytes, at), Header.indexOf(bytes, at), r) ??
    decodeCatcher(type, session, Header.fileOf(bytes, at), Header.indexOf(bytes, at), r)
  if (message === undefined) return Result.fail(unknownType)
  return r.end() ? Result.succeed(message) : Result.fail(badBody)
}

const takePageBytes = (r: Reader): number => {
  const pageBytes = r.u16()
  if (pageBytes < Limits.minPageBytes || pageBytes > Limits.maxPageBytes) r.bad = true
  return pageBytes
}

const decodeMaster = (
  type: number,
  session: bigint,
  file: number,
  index: number,
  r: Reader
): FromMaster | undefined => {
  switch (type) {
    case Header.types.Announce: {
      const message: FromMaster = {
        _tag: "Announce",
        session,
        pageBytes: takePageBytes(r),
        blockPages: r.u16(),
        timeoutMillis: r.u32(),
        uptimeMillis: r.u32(),
        spreadMillis: r.u16(),
        joined: r.u16(),
        wanted: r.u16()
      }
      if (message.blockPages < 1 || message.blockPages > Limits.blockPages) r.bad = true
      return message
    }
    case Header.types.Welcome: {
      const count = r.u16()
      const guests = []
      for (let i = 0; i < count && !r.bad; i++) {
        const incarnation = r.u32()
        const slot = r.u16()
        const refusal = r.member(refusals)
        if (slot !== noSlot && slot >= Limits.slots) r.bad = true
        guests.push(slot === noSlot ? { incarnation, refusal } : { incarnation, slot })
      }
      return { _tag: "Welcome", session, guests }
    }
    case Header.types.Open:
      return {
        _tag: "Open",
        session,
        file,
        kind: r.member(kinds),
        size: r.u64(),
        pageBytes: takePageBytes(r),
        members: r.u32(),
        root: r.root(),
        audience: r.audience()
      }
    case Header.types.Probe: {
      const pageBytes = r.u16()
      const form = r.u8()
      if (form > 1 || pageBytes > Limits.maxPageBytes) r.bad = true
      const audience = r.audience()
      r.padding(pageBytes - Limits.checksumBytes)
      return { _tag: "Probe", session, probing: file, train: index, pageBytes, isGlued: form === 1, audience }
    }
    case Header.types.Poll:
      return { _tag: "Poll", session, poll: index, audience: r.audience() }
    case Header.types.Eof: {
      const first = r.u32()
      const count = r.u32()
      const flags = r.u8()
      const root = (flags & eofRoot) === 0 ? undefined : r.raw(Limits.hashBytes)
      const counts = (flags & eofCounts) !== 0
      if (count > Limits.spanPages || flags > (eofRoot | eofCounts)) r.bad = true
      return { _tag: "Eof", session, file, round: index, first, count, root, counts, audience: r.audience() }
    }
    case Header.types.Close:
      return { _tag: "Close", session, file, from: index, audience: r.audience() }
    case Header.types.Abort: {
      const reason = r.reason()
      const audience = r.audience()
      if (file !== nothing) return { _tag: "Abort", session, file, reason, audience }
      if (reason === undefined) r.bad = true
      return { _tag: "Abort", session, file: undefined, reason: reason ?? "", audience }
    }
    case Header.types.Bye:
      return { _tag: "Bye", session }
    default:
      return undefined
  }
}

const decodeCatcher = (
  type: number,
  session: bigint,
  file: number,
  index: number,
  r: Reader
): FromCatcher | undefined => {
  switch (type) {
    case Header.types.Join:
      return {
        _tag: "Join",
        session,
        incarnation: r.u32(),
        key: r.u32(),
        moves: r.u16(),
        receiveBufferBytes: r.u32(),
        name: r.text(Limits.nameBytes)
      }
    case Header.types.Decline:
      return {
        _tag: "Decline",
        session,
        incarnation: r.u32(),
        silentMillis: r.u32(),
        master: r.text(Limits.nameBytes)
      }
  }
  if (!slotAnswers.has(type)) return undefined
  const who = { session, slot: r.u16(), incarnation: r.u32() }
  if (who.slot >= Limits.slots) r.bad = true
  switch (type) {
    case Header.types.PollOk:
      return { _tag: "PollOk", ...who, poll: index, received: r.u32(), dropped: r.u32(), held: r.u64() }
    case Header.types.ProbeOk:
      return { _tag: "ProbeOk", ...who, probing: file, train: index, single: r.u16(), times: r.u16(), glued: r.u16() }
    case Header.types.OpenOk:
      return { _tag: "OpenOk", ...who, file }
    case Header.types.Complete:
      return { _tag: "Complete", ...who, file, held: r.u64() }
    case Header.types.Aborted:
      return { _tag: "Aborted", ...who, file: file === nothing ? undefined : file }
    case Header.types.SitOut:
      return { _tag: "SitOut", ...who, file, reason: r.text(Limits.reasonBytes) }
    case Header.types.Missing: {
      const first = r.u32()
      const count = r.u32()
      const lacks = takeLacks(r)
      const runs = takeRuns(r, first, count)
      const held = r.u64()
      return { _tag: "Missing", ...who, file, round: index, first, count, held, lacks, runs }
    }
    default: {
      const next = r.u32()
      const length = r.u16()
      const failures = []
      for (let i = 0; i < length && !r.bad; i++) failures.push({ entry: r.u32(), reason: r.text(Limits.reasonBytes) })
      return { _tag: "CloseOk", ...who, file, from: index, failures, next: next === nothing ? undefined : next }
    }
  }
}

const slotAnswers: ReadonlySet<number> = new Set([
  Header.types.PollOk,
  Header.types.ProbeOk,
  Header.types.OpenOk,
  Header.types.Complete,
  Header.types.Aborted,
  Header.types.SitOut,
  Header.types.Missing,
  Header.types.CloseOk
])

// A block lacks no more pages than it has.
const takeLacks = (r: Reader): ReadonlyArray<number> | undefined => {
  const length = r.u16()
  if (length === noLacks) return undefined
  if (length > Limits.spanBlocks) r.bad = true
  const lacks = r.raw(length)
  if (lacks.some((lack) => lack > Limits.blockPages)) r.bad = true
  return [...lacks]
}

// Runs come out ascending, apart from each other, and inside the span, or the answer is bad.
const takeRuns = (r: Reader, first: number, count: number): Runs => {
  const out: Array<number> = []
  if (count > Limits.spanPages) r.bad = true
  const push = (page: number, length: number) => {
    if (out.length > 0 && out[out.length - 2] + out[out.length - 1] === page) out[out.length - 1] += length
    else out.push(page, length)
  }
  const form = r.u8()
  if (form > 1) r.bad = true
  if (form === 0) {
    const length = r.u16()
    let at = first
    for (let i = 0; i < length && !r.bad; i++) {
      const page = at + r.u16()
      at = page + r.u16()
      if (at > first + count || at === page) r.bad = true
      else push(page, at - page)
    }
  } else if (!r.bad) {
    const bitmap = r.raw(Math.ceil(count / 8))
    for (let i = 0; i < count && !r.bad; i++) if ((bitmap[i >>> 3] & (1 << (i & 7))) !== 0) push(first + i, 1)
  }
  return r.bad ? [] : out
}
