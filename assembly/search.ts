/**
 * The inner loop of the search for moved content, in AssemblyScript: rolls a sum over bytes, and stops where it is a block's.
 * Where things lie in memory is src/delta/Wasm.ts's business; what the sum is, src/delta/Weak.ts's. This checks nothing.
 */

const factor: u32 = 0x9e3779b1
const factor2: u32 = factor * factor
const factor3: u32 = factor2 * factor
const factor4: u32 = factor3 * factor

/** The sum at the place where `find` has stopped. */
export let sum: u32 = 0

// What `find` looks sums up in: globals cost nothing, and keep its arguments few.
let filter: usize = 0
let filterShift: u32 = 0
let places: usize = 0
let placeShift: u32 = 0
let sums: usize = 0

/**
 * A sum is looked for in a filter of bits first, of which few are set, and then among the sums that begin as it does: they lie in
 * `sums`, ascending, and `places` has for each beginning where its own begin. The first 1024 bytes of the memory get the products
 * of each byte with `outFactor`.
 */
export function use(
  outFactor: u32,
  filterAt: usize,
  filterBits: u32,
  placesAt: usize,
  placeBits: u32,
  sumsAt: usize
): void {
  for (let byte: u32 = 0; byte < 256; byte++) store<u32>(byte << 2, byte * outFactor)
  filter = filterAt
  filterShift = 32 - filterBits
  places = placesAt
  placeShift = 32 - placeBits
  sums = sumsAt
}

function mayBe(h: u32, shift: u32, filter: usize): bool {
  const bit = h >> shift
  return ((load<u8>(filter + (bit >> 3)) >> (bit & 7)) & 1) !== 0
}

function isSum(h: u32): bool {
  const place = places + ((h >> placeShift) << 2)
  const stop = <usize>load<u32>(place, 4)
  for (let one = <usize>load<u32>(place); one < stop; one++) {
    if (load<u32>(sums + (one << 2)) === h) return true
  }
  return false
}

/** How the sum changes from a place to the next, but for its factor: what comes, less what leaves. */
function change(from: usize, blockBytes: usize): u32 {
  return <u32>load<u8>(from + blockBytes) - load<u32>((<usize>load<u8>(from)) << 2)
}

function stop(h: u32, at: usize): usize {
  sum = h
  return at
}

/**
 * The first place from `from` on at which `blockBytes` bytes before `end` have the sum of a block; where there is none, the place
 * after the last. A block fits in.
 */
export function find(from: usize, end: usize, blockBytes: usize): usize {
  const last = end - blockBytes
  const bits = filter
  const shift = filterShift
  let h = sumOf(from, blockBytes)
  if (mayBe(h, shift, bits) && isSum(h)) return stop(h, from)
  // Four places at a time, so that their sums do not wait for each other.
  while (from + 4 <= last) {
    const d0 = change(from, blockBytes)
    const d1 = d0 * factor + change(from + 1, blockBytes)
    const d2 = d1 * factor + change(from + 2, blockBytes)
    const d3 = d2 * factor + change(from + 3, blockBytes)
    const h1 = h * factor + d0
    const h2 = h * factor2 + d1
    const h3 = h * factor3 + d2
    const h4 = h * factor4 + d3
    if (mayBe(h1, shift, bits) && isSum(h1)) return stop(h1, from + 1)
    if (mayBe(h2, shift, bits) && isSum(h2)) return stop(h2, from + 2)
    if (mayBe(h3, shift, bits) && isSum(h3)) return stop(h3, from + 3)
    if (mayBe(h4, shift, bits) && isSum(h4)) return stop(h4, from + 4)
    h = h4
    from += 4
  }
  while (from < last) {
    h = h * factor + change(from, blockBytes)
    from++
    if (mayBe(h, shift, bits) && isSum(h)) return stop(h, from)
  }
  return last + 1
}

/** Factors by which the four sums of `sumOf` go on by 16 places, and by which parts of these count. */
const factor8: u32 = factor4 * factor4
const factor12: u32 = factor8 * factor4
const factor16: u32 = factor8 * factor8

/**
 * The sum of bytes. Four sums run side by side, each of every fourth byte; 16 bytes are taken at a time, so that their products do
 * not wait for each other.
 */
export function sumOf(data: usize, length: usize): u32 {
  const end = data + length
  let at = data
  let four = i32x4.splat(0)
  for (; at + 16 <= end; at += 16) {
    const bytes = v128.load(at)
    const low = i16x8.extend_low_i8x16_u(bytes)
    const high = i16x8.extend_high_i8x16_u(bytes)
    const first = i32x4.add(
      i32x4.mul(i32x4.extend_low_i16x8_u(low), i32x4.splat(factor12)),
      i32x4.mul(i32x4.extend_high_i16x8_u(low), i32x4.splat(factor8))
    )
    const second = i32x4.add(
      i32x4.mul(i32x4.extend_low_i16x8_u(high), i32x4.splat(factor4)),
      i32x4.extend_high_i16x8_u(high)
    )
    four = i32x4.add(i32x4.mul(four, i32x4.splat(factor16)), i32x4.add(first, second))
  }
  let h: u32 =
    <u32>i32x4.extract_lane(four, 0) * factor3 +
    <u32>i32x4.extract_lane(four, 1) * factor2 +
    <u32>i32x4.extract_lane(four, 2) * factor +
    <u32>i32x4.extract_lane(four, 3)
  for (; at < end; at++) h = h * factor + <u32>load<u8>(at)
  return h
}
