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
   * The marks of the pages from `first` on, as many as there is room for: two words for each, low
   * and high. `Limits.markedPages` of them at the most.
   */
  readonly marks: (opening: number, kind: Kind, first: number, into: Uint32Array) => void
}

/** The number under which the trailer is enciphered, as one block: no file has so many. [E-3] */
export const trailerBlock = 0xffff_ffff

/** The opening of pages that are no file's, whose body is enciphered by nothing. [N-5] */
export const trialOpening = 0

/** In the open: the session's id is in every page, and content is as it is. */
export const open = ({ high, low }: Header.Session): PageSeal => ({
  isSealed: false,
  apply: () => {},
  marks: (_opening, _kind, _first, into) => {
    for (let word = 0; word < into.length; word++) into[word] = word % 2 === 0 ? low : high
  }
})

/** Sealed by the secret of a session. [E-2] `make`: the cipher, the fastest that there is. */
export const sealed = (secret: Uint8Array, make: Aes.Make = Aes.cipher): PageSeal => {
  const content = make(keyOf(secret, "mrsync pages: content"))
  const marking = make(keyOf(secret, "mrsync pages: marks"))
  const [stream, unit] = [new Uint8Array(8 * Limits.markedPages + 8), new Uint8Array(16)]
  return {
    isSealed: true,
    apply: (opening, block, offset, bytes) => content.apply(counterOf(opening, block), offset, bytes),
    marks: (opening, kind, first, into) => {
      // a unit of the cipher has two marks: one alone is made with its neighbour
      const skipped = 8 * (first % 2)
      const bytes = into.length === 2 ? unit : stream.subarray(0, skipped + 4 * into.length)
      bytes.fill(0)
      marking.apply(counterOf(opening, kinds.indexOf(kind)), 8 * first - skipped, bytes)
      for (let word = 0; word < into.length; word++) into[word] = Header.u32(bytes, skipped + 4 * word)
    }
  }
}

const kinds: ReadonlyArray<Kind> = ["Page", "Parity"]

const keyOf = (secret: Uint8Array, purpose: string): Uint8Array =>
  Primitives.derive(secret, new Uint8Array(0), purpose, Limits.cipherKeyBytes)

// One for every call: a cipher takes it at once.
const counter = new Uint8Array(16)

// [E-3] A nonce, by construction: the rest of the 16 bytes counts the units of the block.
const counterOf = (opening: number, block: number): Uint8Array => {
  Header.putU32(counter, 0, opening)
  Header.putU32(counter, 4, block)
  return counter
}
