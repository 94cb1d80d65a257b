/**
 * The pages of a session beside moving them: how a file's content is enciphered, and the words by
 * which a page shows that it is the master's. In the open the content travels as it is, and every
 * page shows the session's id.
 *
 * An *opening* is a number that counts up in a session: each content has its own, which `Open` says.
 */

import * as Limits from "../protocol/Limits.ts"
import type { Session } from "../wire/Header.ts"

/** What is done with the pages of a session. */
export interface PageSeal {
  /** Is content enciphered? In the open `apply` does nothing, and all marks are the same. */
  readonly isSealed: boolean
  /** Enciphers or deciphers in place: bytes that stand at `offset` in the block. */
  readonly apply: (opening: number, block: number, offset: number, bytes: Uint8Array) => void
  /**
   * The marks of the pages from `group * Limits.markedPages` on: two words for each, low and high.
   */
  readonly marks: (opening: number, group: number, kind: "Page" | "Parity") => Uint32Array
}

/** In the open: the session's id is in every page, and content is as it is. */
export const open = ({ high, low }: Session): PageSeal => {
  const marks = new Uint32Array(2 * Limits.markedPages).map((_, at) => (at % 2 === 0 ? low : high))
  return { isSealed: false, apply: () => {}, marks: () => marks }
}
