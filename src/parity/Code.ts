/**
 * Parity pages for a block of data pages: a systematic Reed-Solomon code over GF(256). Any m parity pages bring back any m
 * missing data pages, and each is computed alone, so that a round can send the next ones without those before.
 *
 * Data page c stands at the point y = c of the field, parity page j at x = 255 - j; they must not meet, so a block has at
 * most `parityPages` of them. A parity page is the sum of d_c / (x + y_c): a Cauchy matrix, whose square submatrices can all
 * be inverted (Blömer and others, "An XOR-Based Erasure-Resilient Coding Scheme", 1995). It does not depend on
 * how many pages a block has: absent ones count as zero.
 *
 * A block is its bytes, page after page; its last page may be short and counts as padded with zeros. Parity pages are
 * always whole. Trap: scratch memory is shared, so calls must not be nested.
 */
import * as Field from "./Field.ts"

/** A product of a matrix and a column of pages, which is what encoding and decoding both are. */
interface Product {
  /** Coefficients, row after row: a row has one for each page of the block, then one for each of `parity`. */
  readonly matrix: Uint8Array
  readonly rows: number
  readonly pageBytes: number
  readonly block: Uint8Array
  /** Whole pages; empty for encoding. */
  readonly parity: Uint8Array
  readonly out: Uint8Array
  /** The page of `out` that a row becomes. `out` may be the block, where the coefficients of these pages are 0. */
  readonly places: ArrayLike<number>
}

/** Computes products: `reference` anywhere, `Wasm.load` where there is SIMD. */
export type Kernel = (product: Product) => void

type Decoded =
  | { readonly _tag: "Recovered" }
  /** Nothing was changed: that many more parity pages are needed. */
  | { readonly _tag: "Short"; readonly pages: number }

/** The pages of a block: at most 255, and then it has 1 parity page. */
export const pagesOf = (block: Uint8Array, pageBytes: number): number => Math.ceil(block.length / pageBytes)

/** How many parity pages a block of `pages` data pages has: their indices are below. */
export const parityPages = (pages: number): number => 256 - pages

const point = (index: number): number => 255 - index

const matrix = new Uint8Array(256 * 256)
const consecutive = Uint8Array.from({ length: 256 }, (_, i) => i)

/** Page i of `out` becomes the parity page indices[i], which is below `parityPages`. */
export const encode = (
  kernel: Kernel,
  block: Uint8Array,
  pageBytes: number,
  indices: ArrayLike<number>,
  out: Uint8Array
): void => {
  const pages = pagesOf(block, pageBytes)
  for (let row = 0, at = 0; row < indices.length; row++) {
    const x = point(indices[row])
    for (let y = 0; y < pages; y++) matrix[at++] = Field.invert(x ^ y)
  }
  kernel({ matrix, rows: indices.length, pageBytes, block, parity: none, out, places: consecutive })
}

const none = new Uint8Array(0)

// Of the pages at hand, data and then parity: their points and logarithms of V, see below.
const points = new Uint8Array(256)
const logV = new Uint8Array(256)
const isUsed = new Uint8Array(256)

/**
 * Recovers the pages `missing` (indices, each once) in their places in the block; what stands there does not matter.
 * Page i of `parity` has the index indices[i]; more than are needed are ignored, as is an index that the block does not
 * have or that came before.
 *
 * With Y the points of missing pages and X those of as many parity pages, the missing page at y is the sum, over the
 * points z of all pages at hand, of page(z) * U(y) * V(z) / (z + y), where
 * U(y) = product of (y + x) over X / product of (y + y') over the others in Y,
 * V(z) = product of (z + y') over Y / product of (z + x) over the others in X.
 * For z in X this is the inverse of a Cauchy matrix (Knuth, The Art of Computer Programming, 1.2.3, exercise 41); for the
 * data pages it is that inverse times their columns: sum of 1 / (x + z) over X, as partial fractions.
 */
export const decode = (
  kernel: Kernel,
  block: Uint8Array,
  pageBytes: number,
  missing: ArrayLike<number>,
  parity: Uint8Array,
  indices: ArrayLike<number>
): Decoded => {
  const pages = pagesOf(block, pageBytes)
  const offered = Math.min(indices.length, Math.floor(parity.length / pageBytes), parityPages(pages))
  for (let y = 0; y < pages; y++) points[y] = y
  isUsed.fill(1, 0, pages)
  for (let i = 0; i < missing.length; i++) isUsed[missing[i]] = 0
  let columns = pages
  let lacking = missing.length
  for (; columns < pages + offered && lacking > 0; columns++) {
    const x = point(indices[columns - pages])
    isUsed[columns] = x >= pages && x < 256 && !isTaken(x, pages, columns) ? 1 : 0
    points[columns] = x
    lacking -= isUsed[columns]
  }
  if (lacking > 0) return { _tag: "Short", pages: lacking }

  for (let z = 0; z < columns; z++) {
    if (isUsed[z] === 1) logV[z] = logOf(points[z], missing, pages, columns)
  }
  for (let row = 0, at = 0; row < missing.length; row++) {
    const y = missing[row]
    const logU = 255 - logOf(y, missing, pages, columns)
    for (let z = 0; z < columns; z++) {
      matrix[at++] = isUsed[z] === 0 ? 0 : Field.exp[logU + logV[z] + 255 - Field.log[points[z] ^ y]]
    }
  }
  kernel({
    matrix,
    rows: missing.length,
    pageBytes,
    block,
    parity: parity.subarray(0, (columns - pages) * pageBytes),
    out: block,
    places: missing
  })
  return recovered
}

const recovered: Decoded = { _tag: "Recovered" }

/** Whether the parity page at x is among those in use before `end`. */
const isTaken = (x: number, pages: number, end: number): boolean => {
  for (let z = pages; z < end; z++) if (isUsed[z] === 1 && points[z] === x) return true
  return false
}

/** The logarithm, below 255, of the product of (z + y) over Y / product of (z + x) over X, both without z itself. */
const logOf = (z: number, missing: ArrayLike<number>, pages: number, columns: number): number => {
  let sum = 0
  // log[0] is 0, so that a point leaves itself out
  for (let i = 0; i < missing.length; i++) sum += Field.log[z ^ missing[i]]
  for (let i = pages; i < columns; i++) if (isUsed[i] === 1) sum += 255 - Field.log[z ^ points[i]]
  return sum % 255
}

/** The kernel in plain TypeScript. */
export const reference: Kernel = ({ block, matrix, out, pageBytes, parity, places, rows }) => {
  const pages = pagesOf(block, pageBytes)
  const columns = pages + Math.floor(parity.length / pageBytes)
  for (let row = 0; row < rows; row++) {
    const to = places[row] * pageBytes
    const most = Math.min(pageBytes, out.length - to)
    out.fill(0, to, to + most)
    for (let column = 0; column < columns; column++) {
      const source = column < pages ? block : parity
      const from = (column < pages ? column : column - pages) * pageBytes
      Field.mulAdd(out, to, source, from, Math.min(most, source.length - from), matrix[row * columns + column])
    }
  }
}
