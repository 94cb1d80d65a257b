/** Contents of chance, and their signatures as the master makes them. */
import * as Blocks from "../../src/delta/Blocks.ts"
import * as Signature from "../../src/delta/Signature.ts"
import * as Weak from "../../src/delta/Weak.ts"

export const random = (length: number, seed: number): Uint8Array => {
  let state = seed
  return Uint8Array.from({ length }, () => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) >>> 16)
}

/** In sub-blocks of so many bytes; without it a block has none. */
export const signatureOf = (content: Uint8Array, blockBytes: number, subBytes = blockBytes): Signature.Signature => {
  const { sums } = Signature.make(0, { size: content.length, blockBytes, subBytes })
  const signature = { ...Blocks.ofContent(content, blockBytes), ...{ entry: 0, subBytes, sums } }
  for (let block = 0; block < Blocks.countOf(signature); block++)
    Signature.sum(signature, block, (at, length) => Weak.sumOf(content, block * blockBytes + at, length))
  return signature
}
