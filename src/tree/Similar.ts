/** Which of the files in a directory may well be an older version of one that is not there. Pure. [Y-16] */
import type { Metadata } from "./Metadata.ts"
import { keyOf, nameOf } from "./Names.ts"

/** A file that is there. */
export interface Candidate {
  /** In its directory, one character a byte. */
  readonly name: string
  readonly size: number
  readonly mtimeSeconds: number
}

/** What looks like no version is looked through for nothing. */
const leastSimilarity = 0.4

/** One of the same size and time, else that of the most similar name; of equal ones the first. */
export const best = (
  { metadata, path, size }: { readonly path: Uint8Array; readonly size: number; readonly metadata: Metadata },
  candidates: ReadonlyArray<Candidate>
): Candidate | undefined => {
  const same = candidates.find((one) => one.size === size && one.mtimeSeconds === metadata.mtimeSeconds)
  if (same !== undefined) return same
  const similarTo = similarity(keyOf(nameOf(keyOf(path))))
  let found: Candidate | undefined
  let most = 0
  for (const candidate of candidates) {
    const similar = similarTo(candidate.name)
    if (similar < leastSimilarity || similar <= most) continue
    most = similar
    found = candidate
  }
  return found
}

/** How much of two names is the same, 0 to 1: the share of pairs of neighbours that both have. */
const similarity = (name: string): ((other: string) => number) => {
  const own = new Map<string, number>()
  for (const pair of pairs(name)) own.set(pair, (own.get(pair) ?? 0) + 1)
  return (other) => {
    const left = new Map(own)
    let common = 0
    for (const pair of pairs(other)) {
      const count = left.get(pair) ?? 0
      if (count === 0) continue
      left.set(pair, count - 1)
      common++
    }
    return (2 * common) / (name.length + other.length + 2)
  }
}

/** Beginning and end count as well. */
function* pairs(name: string): Generator<string> {
  const whole = `/${name}/`
  for (let at = 0; at + 2 <= whole.length; at++) yield whole.slice(at, at + 2)
}
