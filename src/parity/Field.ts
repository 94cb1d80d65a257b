/**
 * GF(256): bytes as polynomials over GF(2), modulo x^8 + x^4 + x^3 + x^2 + 1 (0x11d), of which 2 is a generator. Sums are
 * XOR. Products are sums of logarithms, to the base 2 and modulo 255.
 */

/** 2^n for n < 768: room for sums of three logarithms without a remainder. */
export const exp = new Uint8Array(768)
/** The logarithm of 1..255; there is none of 0. */
export const log = new Uint8Array(256)

for (let n = 0, value = 1; n < 768; n++) {
  exp[n] = value
  if (n < 255) log[value] = n
  value <<= 1
  if (value > 255) value ^= 0x11d
}

export const multiply = (a: number, b: number): number => (a === 0 || b === 0 ? 0 : exp[log[a] + log[b]])

/** 1 / a, for a in 1..255. */
export const invert = (a: number): number => exp[255 - log[a]]

// The products of the coefficient that `mulAdd` was last called with.
const products = new Uint8Array(256)
let productsOf = 0

/** dst[to + i] += coefficient * src[from + i], for i < length bytes: the reference of assembly/parity.ts's inner loop. */
export const mulAdd = (
  dst: Uint8Array,
  to: number,
  src: Uint8Array,
  from: number,
  length: number,
  coefficient: number
): void => {
  if (coefficient === 0) return
  if (coefficient !== productsOf) {
    for (let byte = 0; byte < 256; byte++) products[byte] = multiply(coefficient, byte)
    productsOf = coefficient
  }
  for (let i = 0; i < length; i++) dst[to + i] ^= products[src[from + i]]
}
