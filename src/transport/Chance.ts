/**
 * Chance from a seed: the same seed gives the same numbers on every machine. It is synchronous, because a simulated
 * network draws several numbers a datagram.
 */

export interface Chance {
  /** A number from 0 up to and without 1. */
  readonly next: () => number
  /** True with a probability from 0 to 1. A probability of 0 draws no number. */
  readonly hits: (probability: number) => boolean
  /** How often a probability misses before it hits: Infinity at 0, which draws no number. */
  readonly gap: (probability: number) => number
  /** A time between two events that have no memory, of that mean. */
  readonly exponential: (mean: number) => number
}

/** The generator is sfc32, whose state of 128 bits passes PractRand; its first numbers are thrown away to mix the seed. */
export const make = (seed: number): Chance => {
  let a = seed | 0
  let b = Math.floor(seed / 0x1_0000_0000) | 0
  let c = 0x9e3779b9 | 0
  let counter = 1
  const next = () => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (c << 21) | (c >>> 11)
    c = (c + sum) | 0
    return (sum >>> 0) / 0x1_0000_0000
  }
  for (let i = 0; i < 15; i++) next()
  return {
    next,
    exponential: (mean) => -mean * Math.log(1 - next()),
    hits: (probability) => probability > 0 && next() < probability,
    gap: (probability) =>
      probability <= 0 ? Infinity : probability >= 1 ? 0 : Math.floor(Math.log(1 - next()) / Math.log(1 - probability))
  }
}
