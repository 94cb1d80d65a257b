/**
 * A catcher that reads a whole file before it answers is waited for as long as it gets on. [Y-13]
 */

import * as Limits from "../protocol/Limits.ts"
import type { Question } from "../session/Session.ts"
import type { Comparing } from "../wire/Message.ts"
import { parts } from "./Survey.ts"

export type Looked = Pick<Comparing, "hashed" | "toHash">

/** Is told how far a catcher is with its own version of a file; undefined: it has answered. */
export type Looks = (slot: number, looked: Looked | undefined) => void

/**
 * Is a catcher further than when it was asked last, with as many bytes as it may have to read?
 * `looks` is told how far it is.
 */
export const further = (mostBytes: number, looks: Looks = () => {}): NonNullable<Question["isFurther"]> => {
  const read = new Map<number, number>()
  return (slot, answer) => {
    if (answer._tag !== "Comparing") return false
    const part = readParts(answer, mostBytes)
    if (part <= (read.get(slot) ?? -1)) return false
    read.set(slot, part)
    looks(slot, answer)
    return true
  }
}

/** In parts of the whole, or of so many bytes where these are less. */
const readParts = ({ hashed, toHash }: Looked, mostBytes: number): number =>
  Math.max(parts(hashed, toHash), Math.floor(Math.min(hashed, toHash, mostBytes) / Limits.reusedBytes))
