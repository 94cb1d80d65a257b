/** The weak sums of blocks that are looked for, so that those of a sum are found at once. Pure. */

/** Sums in ascending order, with the block of each. */
export interface Index {
  readonly blockBytes: number
  /** A bit for each beginning of a sum: most are 0, and say that no block has such a sum. */
  readonly filter: Uint8Array
  /** So many of a sum's first bits say which bit of the filter is its own. */
  readonly filterBits: number
  /** For each beginning of a sum where the sums begin that begin so; one more for the end. */
  readonly places: Uint32Array
  readonly placeBits: number
  readonly sums: Uint32Array
  /** Of each sum; of blocks with the same content the first. */
  readonly blocks: Uint32Array
  /** All blocks with the same content, by the first, where there are more. */
  readonly twins: ReadonlyMap<number, ReadonlyArray<number>>
}

/** As many bits of the filter for a sum, to the base 2: a place in 32 passes the filter by chance. */
const bitsPerSum = 5
const leastBits = 8
/** A filter of 32 KiB at most: it is looked into at every place, and has to stay in a processor's nearest memory. */
const mostFilterBits = 18

/**
 * `wanted`: the blocks that are looked for, of the ones that `weak` has sums of. `compare` gives an order of two blocks' contents, 0 where they are
 * the same.
 */
export const make = (
  weak: Uint32Array,
  wanted: Iterable<number>,
  blockBytes: number,
  compare: (a: number, b: number) => number
): Index => {
  const order = Uint32Array.from(wanted).sort((a, b) => weak[a] - weak[b] || compare(a, b) || a - b)
  const isTwin = (at: number) =>
    at > 0 && weak[order[at]] === weak[order[at - 1]] && compare(order[at], order[at - 1]) === 0
  const twins = new Map<number, Array<number>>()
  let first = 0
  const blocks = order.filter((block, at) => {
    if (!isTwin(at)) first = block
    else if (!twins.get(first)?.push(block)) twins.set(first, [first, block])
    return first === block
  })
  const sums = blocks.map((block) => weak[block])
  const placeBits = Math.max(leastBits, Math.ceil(Math.log2(sums.length + 1)))
  const places = new Uint32Array(2 ** placeBits + 1)
  for (const sum of sums) places[(sum >>> (32 - placeBits)) + 1]++
  for (let place = 1; place < places.length; place++) places[place] += places[place - 1]
  const filterBits = Math.min(mostFilterBits, placeBits + bitsPerSum)
  const filter = new Uint8Array(2 ** (filterBits - 3))
  for (const sum of sums) {
    const bit = sum >>> (32 - filterBits)
    filter[bit >>> 3] |= 1 << (bit & 7)
  }
  return { blockBytes, filter, filterBits, places, placeBits, sums, blocks, twins }
}

/** The blocks of a sum. */
export const blocksOf = ({ blocks, placeBits, places, sums }: Index, sum: number): ReadonlyArray<number> => {
  const place = sum >>> (32 - placeBits)
  const found: Array<number> = []
  for (let at = places[place]; at < places[place + 1]; at++) if (sums[at] === sum) found.push(blocks[at])
  return found
}

/** Has a block that sum? */
export const has = (index: Index, sum: number): boolean => {
  const bit = sum >>> (32 - index.filterBits)
  return (index.filter[bit >>> 3] & (1 << (bit & 7))) !== 0 && blocksOf(index, sum).length > 0
}
