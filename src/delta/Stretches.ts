/** Stretches of blocks: what lies side by side is read, copied and told of together. Pure. */
import type { Runs } from "../protocol/Words.ts"
import type { Signature } from "./Signature.ts"

/** Bytes that are looked through between two turns of the event loop: a few milliseconds at most. */
export const turnBytes = 1024 * 1024
/** So many blocks that do not agree are copied with those around them, rather than left out by two calls more. */
const gapBlocks = 2
/** The search ends after so many bytes in which it has found nothing. */
export const vainBytes = 64 * 1024 * 1024

/** Blocks of one turn of the event loop at most, and memory for their content. */
export const turnOf = ({ blockBytes, size }: Signature) => {
  const most = Math.max(1, Math.floor(turnBytes / blockBytes))
  return { most, memory: new Uint8Array(Math.min(most * blockBytes, size)) }
}

/** Bytes of the blocks from one to before another. */
export const lengthOf = ({ blockBytes, size }: Signature, from: number, to: number): number =>
  Math.min(to * blockBytes, size) - from * blockBytes

/**
 * Stretches of blocks, none longer than is copied in one turn, with what lies in a short gap between them: it has to come anyway.
 * Each has memory for its content, which the next one uses again.
 */
export function* copies(
  signature: Signature,
  blocks: Uint8Array,
  found?: Uint8Array
): Generator<readonly [from: number, to: number, content: Uint8Array]> {
  const { memory, most } = turnOf(signature)
  for (let from = 0; from < blocks.length; from++) {
    if (blocks[from] === 0) continue
    let to = from + 1
    for (let block = to; block < Math.min(blocks.length, from + most) && block <= to + gapBlocks; block++) {
      if (found?.[block] === 1) break
      if (blocks[block] === 1) to = block + 1
    }
    yield [from, to, memory.subarray(0, lengthOf(signature, from, to))]
    from = to - 1
  }
}

/**
 * Blocks that were found, or with `is` 0 those that were not, from `first` to before `last`: where each stretch begins, and where it ends.
 */
export function* stretches(
  found: Uint8Array,
  first: number,
  last: number,
  is = 1
): Generator<readonly [from: number, to: number]> {
  for (let block = first; block < last; block++) {
    if (found[block] !== is) continue
    const from = block
    while (block < last && found[block] === is) block++
    yield [from, block]
  }
}

export const runsOf = (signature: Signature, found: Uint8Array): Runs =>
  [...stretches(found, 0, found.length)].flatMap(([from, to]) => [
    from * signature.blockBytes,
    lengthOf(signature, from, to)
  ])
