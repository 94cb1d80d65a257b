/**
 * The inner loop of parity, in AssemblyScript (WebAssembly SIMD): output rows as sums of pages times coefficients, over
 * GF(256). Where things lie in memory is src/parity/Wasm.ts's business; this holds no state and checks nothing.
 *
 * A product of a byte is the product of its low nibble plus that of its high nibble, and a table of 16 products is one
 * vector: so a swizzle multiplies 16 bytes. The method is from Plank, Greenan and Miller, "Screaming Fast Galois Field
 * Arithmetic Using Intel SIMD Instructions", FAST 2013.
 */

/**
 * out row r = sum over c < columns of matrix[r * columns + c] * page c.
 *
 * Pages lie at pages + c * pageBytes, rows at out + r * outBytes; outBytes is pageBytes rounded up to 32. Up to 31 bytes
 * behind the last page are read and make no difference. `tables` holds 32 bytes for each of the 256 coefficients: its
 * products with 0..15, then those with 0x00, 0x10..0xf0.
 */
export function multiply(
  tables: usize,
  matrix: usize,
  rows: usize,
  columns: usize,
  pages: usize,
  pageBytes: usize,
  out: usize,
  outBytes: usize
): void {
  while (rows >= 4) {
    pass<u32>(tables, matrix, columns, pages, pageBytes, out, outBytes)
    matrix += 4 * columns
    out += 4 * outBytes
    rows -= 4
  }
  if (rows >= 2) {
    pass<u16>(tables, matrix, columns, pages, pageBytes, out, outBytes)
    matrix += 2 * columns
    out += 2 * outBytes
    rows -= 2
  }
  if (rows > 0) pass<u8>(tables, matrix, columns, pages, pageBytes, out, outBytes)
}

// One pass over the pages makes sizeof<Rows>() rows: types are what AssemblyScript specialises a function by. The sums of
// 32 bytes of each row stay in registers until every page was added.
function pass<Rows>(
  tables: usize,
  matrix: usize,
  columns: usize,
  pages: usize,
  pageBytes: usize,
  out: usize,
  outBytes: usize
): void {
  const nibble = i8x16.splat(15)
  for (let at: usize = 0; at < pageBytes; at += 32) {
    let a0 = i8x16.splat(0)
    let a1 = a0
    let b0 = a0
    let b1 = a0
    let c0 = a0
    let c1 = a0
    let d0 = a0
    let d1 = a0
    let page = pages + at
    const end = matrix + columns
    for (let coefficient = matrix; coefficient < end; coefficient++) {
      const first = v128.load(page)
      const second = v128.load(page, 16)
      const low0 = v128.and(first, nibble)
      const low1 = v128.and(second, nibble)
      const high0 = i8x16.shr_u(first, 4)
      const high1 = i8x16.shr_u(second, 4)
      let table = tables + ((<usize>load<u8>(coefficient)) << 5)
      let low = v128.load(table)
      let high = v128.load(table, 16)
      a0 = v128.xor(a0, v128.xor(i8x16.swizzle(low, low0), i8x16.swizzle(high, high0)))
      a1 = v128.xor(a1, v128.xor(i8x16.swizzle(low, low1), i8x16.swizzle(high, high1)))
      if (sizeof<Rows>() > 1) {
        table = tables + ((<usize>load<u8>(coefficient + columns)) << 5)
        low = v128.load(table)
        high = v128.load(table, 16)
        b0 = v128.xor(b0, v128.xor(i8x16.swizzle(low, low0), i8x16.swizzle(high, high0)))
        b1 = v128.xor(b1, v128.xor(i8x16.swizzle(low, low1), i8x16.swizzle(high, high1)))
      }
      if (sizeof<Rows>() > 2) {
        table = tables + ((<usize>load<u8>(coefficient + 2 * columns)) << 5)
        low = v128.load(table)
        high = v128.load(table, 16)
        c0 = v128.xor(c0, v128.xor(i8x16.swizzle(low, low0), i8x16.swizzle(high, high0)))
        c1 = v128.xor(c1, v128.xor(i8x16.swizzle(low, low1), i8x16.swizzle(high, high1)))
        table = tables + ((<usize>load<u8>(coefficient + 3 * columns)) << 5)
        low = v128.load(table)
        high = v128.load(table, 16)
        d0 = v128.xor(d0, v128.xor(i8x16.swizzle(low, low0), i8x16.swizzle(high, high0)))
        d1 = v128.xor(d1, v128.xor(i8x16.swizzle(low, low1), i8x16.swizzle(high, high1)))
      }
      page += pageBytes
    }
    const to = out + at
    v128.store(to, a0)
    v128.store(to, a1, 16)
    if (sizeof<Rows>() > 1) {
      v128.store(to + outBytes, b0)
      v128.store(to + outBytes, b1, 16)
    }
    if (sizeof<Rows>() > 2) {
      v128.store(to + 2 * outBytes, c0)
      v128.store(to + 2 * outBytes, c1, 16)
      v128.store(to + 3 * outBytes, d0)
      v128.store(to + 3 * outBytes, d1, 16)
    }
  }
}
