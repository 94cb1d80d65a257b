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

/** Makes another content of a sub-block that has the same weak sum: some of its bytes are one more, and others one less. */
export const exchange = (page: Uint8Array): void => {
  const places = [...page.keys()].filter((place) => page[place] > 0 && page[place] < 255).slice(0, 32)
  const masks = new Uint32Array(random(4 * 400_000, 7).buffer)
  const seen = new Map<number, number>()
  for (const mask of masks) {
    const ones = new Uint8Array(page.length)
    places.forEach((place, i) => (ones[place] = (mask >>> i) & 1))
    const sum = Weak.sumOf(ones, 0, ones.length)
    const before = seen.get(sum)
    if (before !== undefined && before !== mask) {
      const own = Weak.sumOf(page, 0, page.length)
      places.forEach((place, i) => (page[place] += ((mask >>> i) & 1) - ((before >>> i) & 1)))
      if (Weak.sumOf(page, 0, page.length) !== own) throw new Error("the sum is another one")
      return
    }
    seen.set(sum, mask)
  }
  throw new Error("no two of them have one sum")
}
