/**
 * The weak sum of a block: it rolls from one place to the next in a few steps, so that blocks of a file are found wherever they have
 * moved to. It is a polynomial of the bytes, modulo 2^32 (Karp and Rabin, "Efficient randomized pattern-matching algorithms", 1987):
 * the sum of bytes b[0..n) is b[0] f^(n-1) + ... + b[n-1], f odd. Equal sums are no proof: a strong hash decides.
 */

const factor = 0x9e37_79b1
const factor2 = Math.imul(factor, factor)
const factor3 = Math.imul(factor2, factor)
const factor4 = Math.imul(factor3, factor)

/** The sum of `length` bytes from `at` on. */
export const sumOf = (bytes: Uint8Array, at: number, length: number): number => {
  const end = at + length
  let sum = 0
  // four bytes at a time, so that their products do not wait for each other
  for (; at + 4 <= end; at += 4) {
    const four =
      Math.imul(bytes[at], factor3) +
      Math.imul(bytes[at + 1], factor2) +
      Math.imul(bytes[at + 2], factor) +
      bytes[at + 3]
    sum = (Math.imul(sum, factor4) + four) | 0
  }
  for (; at < end; at++) sum = (Math.imul(sum, factor) + bytes[at]) | 0
  return sum >>> 0
}

/** By which a byte counts that leaves a block of that length when the sum goes on by one place: f^length. */
export const outFactorOf = (length: number): number => {
  let power = 1
  for (let square = factor, left = length; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) power = Math.imul(power, square)
    square = Math.imul(square, square)
  }
  return power >>> 0
}

/** The sum of bytes, and of others behind them; `outFactor`: of the length of these. */
export const join = (sum: number, behind: number, outFactor: number): number =>
  (Math.imul(sum, outFactor) + behind) >>> 0

/** The sum one place further: `out` leaves, `into` comes. */
export const roll = (sum: number, out: number, into: number, outFactor: number): number =>
  (Math.imul(sum, factor) + into - Math.imul(out, outFactor)) >>> 0
