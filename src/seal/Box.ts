/**
 * One direction of a conversation: what is said is enciphered, and authenticated together with all
 * that stands before it in the datagram (encrypt, then MAC). Each number is used once by a sender
 * with a key.
 */

import * as Header from "../wire/Header.ts"
import * as Primitives from "./Primitives.ts"

/** Bytes of the two keys of a box. */
export const boxBytes = 2 * Primitives.secretBytes

/** Where a sealed datagram has its number, 8 bytes: what the header says of file and index is enciphered. */
export const numberAt = 16
/** Where the enciphered part of most datagrams begins. */
export const bodyAt = 24

/** Writes a number of up to 48 bits, and a sender's slot before it. */
export const putNumber = (datagram: Uint8Array, slot: number, number: number): void => {
  Header.putU32(datagram, numberAt, number % 0x1_0000_0000)
  Header.putU16(datagram, numberAt + 4, Math.floor(number / 0x1_0000_0000))
  Header.putU16(datagram, numberAt + 6, slot)
}

/** The number of a sealed datagram. */
export const numberOf = (datagram: Uint8Array): number =>
  Header.u32(datagram, numberAt) + Header.u16(datagram, numberAt + 4) * 0x1_0000_0000

/** The slot before the number. */
export const slotOf = (datagram: Uint8Array): number => Header.u16(datagram, numberAt + 6)

export class Box {
  private readonly key: Uint8Array
  private readonly macKey: Primitives.MacKey
  private readonly iv = new Uint8Array(16)

  /** From `boxBytes` of key material. */
  constructor(material: Uint8Array) {
    this.key = material.slice(0, Primitives.secretBytes)
    this.macKey = Primitives.macKey(material.subarray(Primitives.secretBytes, boxBytes))
  }

  /**
   * Enciphers [from, end) in place, and puts the tag of all before `end` there. A datagram whose
   * number covers several boxes numbers these parts.
   */
  seal(datagram: Uint8Array, from: number, end: number, part = 0): void {
    Primitives.cipher(this.key, this.ivOf(datagram, part), datagram.subarray(from, end))
    Primitives.putTag(this.macKey, datagram, end)
  }

  /** Is the tag at `end` right? */
  isSealed(datagram: Uint8Array, end: number): boolean {
    return Primitives.agrees(this.macKey, datagram, end)
  }

  /** Deciphers [from, end) in place; ask `isSealed` before. */
  open(datagram: Uint8Array, from: number, end: number, part = 0): void {
    Primitives.cipher(this.key, this.ivOf(datagram, part), datagram.subarray(from, end))
  }

  // The number, then the part, then 4 bytes in which AES counts its units of 16 bytes.
  private ivOf(datagram: Uint8Array, part: number): Uint8Array {
    this.iv.set(datagram.subarray(numberAt, numberAt + 8))
    Header.putU32(this.iv, 8, part)
    return this.iv
  }
}
