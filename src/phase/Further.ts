/**
 * A catcher that reads a whole file before it answers is waited for as long as it gets on. [Y-13]
 */

import * as Limits from "../protocol/Limits.ts"
import type { Question } from "../session/Session.ts"
import type { Comparing } from "../wire/Message.ts"
import { parts } from "./Survey.ts"

type Looked = Pick<Comparing, "hashed" | "toHash">

/**
 * Is a catcher further with a file of that size than when it was asked last? `looks` is told how
 * far it is.
 */
export const further = (
  size: number,
  looks: (slot: number, looked: Looked) => void = () => {}
): NonNullable<Question["isFurther"]> => {
  const read = new Map<number, number>()
  return (slot, answer) => {
    if (answer._tag !== "Comparing") return false
    const part = readParts(answer, size)
    if (part <= (read.get(slot) ?? -1)) return false
    read.set(slot, part)
    looks(slot, answer)
    return true
  }
}

/** In parts of the whole, or of so many bytes where these are less. */
const readParts = ({ hashed, toHash }: Looked, size: number): number =>
  Math.max(parts(hashed, toHash), Math.floor(Math.min(hashed, toHash, size * Limits.reusedSizes) / Limits.reusedBytes))
