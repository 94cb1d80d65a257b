/**
 * The fields that bodies are made of, written and read one after the other.
 */

import * as Limits from "../protocol/Limits.ts"
import * as Header from "./Header.ts"
import type { Audience } from "./Message.ts"

/** What a message is about, as its header says it. */
export type About = readonly [file: number, index: number]

/** No file, no entry. */
export const nothing = 0xffff_ffff

const text = new TextEncoder()
// a byte order mark is part of the text
const readText = new TextDecoder("utf-8", { ignoreBOM: true })

/**
 * Writes fields one after the other, after the header that `finish` puts before them, and before a
 * tail of so many bytes: a checksum, or what a seal adds.
 */
export class Writer {
  readonly bytes: Uint8Array
  readonly tailBytes: number
  at = Limits.headerBytes

  constructor(room: number, tailBytes: number) {
    this.bytes = new Uint8Array(room)
    this.tailBytes = tailBytes
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
  /** A bitmap from the first slot on. */
  audience(slots: Audience) {
    const base = slots.length === 0 ? 0 : slots[0]
    const length = slots.length === 0 ? 0 : ((slots[slots.length - 1] - base) >>> 3) + 1
    this.u16(base)
    this.u16(length)
    for (const slot of slots) this.bytes[this.at + ((slot - base) >>> 3)] |= 1 << ((slot - base) & 7)
    this.at += length
  }
  /** The datagram, its header written, with room for its tail. */
  finish(type: keyof typeof Header.types, session: bigint, [file, index]: About): Uint8Array {
    this.at += this.tailBytes
    Header.put(this.bytes, 0, Header.types[type], this.at, Header.sessionOf(session), file, index)
    return this.bytes.subarray(0, this.at)
  }
}

/**
 * Reads fields one after the other; past the end it gives zeros and remembers that it is `bad`.
 * `tailBytes` followed the fields in their datagram.
 */
export class Reader {
  bad = false
  readonly tailBytes: number
  private at = 0
  private readonly bytes: Uint8Array

  constructor(bytes: Uint8Array, tailBytes: number) {
    this.bytes = bytes
    this.tailBytes = tailBytes
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
