/**
 * The pages of a session beside moving them: how a file's content is enciphered, and the words by
 * which a page shows that it is the master's. In the open the content travels as it is, and every
 * page shows the session's id.
 *
 * An *opening* is a number that counts up in a session: each content has its own, which `Open` says.
 * So no part of a key stream is ever added to two contents.
 */

import * as Limits from "../protocol/Limits.ts"
import * as Aes from "../system/Aes.ts"
import * as Header from "../wire/Header.ts"
import * as Primitives from "./Primitives.ts"

/** Pages of a kind have marks of their own. */
export type Kind = "Page" | "Parity"

/** What is done with the pages of a session. */
export interface PageSeal {
  /** Is content enciphered? In the open `apply` does nothing, and all marks are the same. */
  readonly isSealed: boolean
  /** Enciphers or deciphers in place: bytes that stand at `offset` in the block. */
  readonly apply: (opening: number, block: number, offset: number, bytes: Uint8Array) => void
  /**
   * The marks of the pages from `group * Limits.markedPages` on: two words for each, low and high.
   */
  readonly marks: (opening: number, group: number, kind: Kind) => Uint32Array
}

/** The number under which the trailer is enciphered, as one block: no file has so many. [E-3] */
export const trailerBlock = 0xffff_ffff

/** In the open: the session's id is in every page, and content is as it is. */
export const open = ({ high, low }: Header.Session): PageSeal => {
  const marks = new Uint32Array(2 * Limits.markedPages).map((_, at) => (at % 2 === 0 ? low : high))
  return { isSealed: false, apply: () => {}, marks: () => marks }
}

/** Sealed by the secret of a session. [E-2] `make`: the cipher, the fastest that there is. */
export const sealed = (secret: Uint8Array, make: Aes.Make = Aes.cipher): PageSeal => {
  const content = make(keyOf(secret, "mrsync pages: content"))
  const marking = make(keyOf(secret, "mrsync pages: marks"))
  return {
    isSealed: true,
    apply: (opening, block, offset, bytes) => content.apply(counterOf(opening, block), offset, bytes),
    marks: (opening, group, kind) => {
      const bytes = new Uint8Array(8 * Limits.markedPages)
      marking.apply(counterOf(opening, kinds.indexOf(kind)), group * bytes.length, bytes)
      return new Uint32Array(2 * Limits.markedPages).map((_, word) => Header.u32(bytes, 4 * word))
    }
  }
}

const kinds: ReadonlyArray<Kind> = ["Page", "Parity"]

const keyOf = (secret: Uint8Array, purpose: string): Uint8Array =>
  Primitives.derive(secret, new Uint8Array(0), purpose, Limits.cipherKeyBytes)

// [E-3] A nonce, by construction: the rest of the 16 bytes counts the units of the block.
const counterOf = (opening: number, block: number): Uint8Array => {
  const counter = new Uint8Array(16)
  Header.putU32(counter, 0, opening)
  Header.putU32(counter, 4, block)
  return counter
}
