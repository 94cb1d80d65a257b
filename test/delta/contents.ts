/** Contents of chance, and their signatures as the master makes them. */
import * as Blocks from "../../src/delta/Blocks.ts"
import * as Signature from "../../src/delta/Signature.ts"
import * as Weak from "../../src/delta/Weak.ts"

export const random = (length: number, seed: number): Uint8Array => {
  let state = seed
  return Uint8Array.from({ length }, () => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) >>> 16)
}

export const signatureOf = (content: Uint8Array, blockBytes: number): Signature.Signature => {
  const { weak } = Signature.make(0, content.length, blockBytes)
  weak.forEach((_, block) => {
    const at = block * blockBytes
    weak[block] = Weak.sumOf(content, at, Math.min(blockBytes, content.length - at))
  })
  return { ...Blocks.ofContent(content, blockBytes), entry: 0, weak }
}
