/**
 * BLAKE3 (https://github.com/BLAKE3-team/BLAKE3-specs), 32 bytes without a key, in AssemblyScript (WebAssembly SIMD). It
 * stands in where the native hash cannot be loaded. Where things lie in memory is src/store/HashWasm.ts's business.
 */

const blockBytes: u32 = 64
const chunkBytes: u32 = 1024
const chunkStart: u32 = 1
const chunkEnd: u32 = 2
const parent: u32 = 4
const root: u32 = 8

/**
 * Hashes `length` bytes at `input` to `out`. `stack` has room for the chaining values (32 bytes) of 33 subtrees, and a block
 * (64 bytes) before them.
 */
export function hash(input: usize, length: u32, out: usize, stack: usize): void {
  const block = stack
  const chunks: u32 = length <= chunkBytes ? 1 : (length - 1) / chunkBytes + 1
  let top = stack + blockBytes
  for (let i: u32 = 0; i < chunks; i++) {
    const isLast = i + 1 == chunks
    const bytes = isLast ? length - i * chunkBytes : chunkBytes
    chunk(input + i * chunkBytes, bytes, i, chunks == 1 ? root : 0, block, top)
    top += 32
    // A subtree is complete when its number of chunks is a power of two; the last chunk waits for the end.
    if (!isLast) for (let total = i + 1; (total & 1) == 0; total >>= 1) top = join(top, 0)
  }
  while (top > stack + blockBytes + 32) top = join(top, top == stack + blockBytes + 64 ? root : 0)
  memory.copy(out, stack + blockBytes, 32)
}

/** The chaining value of a chunk of up to 1024 bytes. */
function chunk(input: usize, length: u32, counter: u32, rootFlag: u32, block: usize, out: usize): void {
  initialize(out)
  const blocks: u32 = length <= blockBytes ? 1 : (length - 1) / blockBytes + 1
  for (let i: u32 = 0; i < blocks; i++) {
    const isLast = i + 1 == blocks
    const flags = (i == 0 ? chunkStart : 0) | (isLast ? chunkEnd | rootFlag : 0)
    const bytes = isLast ? length - i * blockBytes : blockBytes
    let from = input + i * blockBytes
    if (bytes < blockBytes) {
      memory.copy(block, from, bytes)
      memory.fill(block + bytes, 0, blockBytes - bytes)
      from = block
    }
    compress(out, from, counter, bytes, flags)
  }
}

/** Replaces the two topmost subtrees by one; answers the new top. */
function join(top: usize, rootFlag: u32): usize {
  const left = top - 64
  // The message of a parent is both values; what it is compressed from is the initial value, in a third place.
  initialize(top)
  compress(top, left, 0, blockBytes, parent | rootFlag)
  memory.copy(left, top, 32)
  return left + 32
}

function initialize(value: usize): void {
  v128.store(value, i32x4(0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a))
  v128.store(value, i32x4(0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19), 16)
}

/**
 * Compresses a block into the chaining value at `value`. A vector is a row of the state's four; columns are mixed at once, and
 * diagonals as columns of rows that are turned.
 */
function compress(value: usize, block: usize, counter: u32, length: u32, flags: u32): void {
  let a = v128.load(value)
  let b = v128.load(value, 16)
  let c = i32x4(0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a)
  let d = i32x4.replace_lane(i32x4.replace_lane(i32x4.splat(0), 0, counter), 2, length)
  d = i32x4.replace_lane(d, 3, flags)

  const first = v128.load(block)
  const second = v128.load(block, 16)
  const third = v128.load(block, 32)
  const fourth = v128.load(block, 48)
  // The message in the order of its use: words 0 2 4 6, then 1 3 5 7, then 8 10 12 14, then 9 11 13 15.
  let m = v128.shuffle<u32>(first, second, 0, 2, 4, 6)
  let n = v128.shuffle<u32>(first, second, 1, 3, 5, 7)
  let o = v128.shuffle<u32>(third, fourth, 0, 2, 4, 6)
  let p = v128.shuffle<u32>(third, fourth, 1, 3, 5, 7)

  for (let round = 0; round < 7; round++) {
    a = i32x4.add(i32x4.add(a, b), m)
    d = turn16(v128.xor(d, a))
    c = i32x4.add(c, d)
    b = turn(v128.xor(b, c), 12)
    a = i32x4.add(i32x4.add(a, b), n)
    d = turn8(v128.xor(d, a))
    c = i32x4.add(c, d)
    b = turn(v128.xor(b, c), 7)

    b = v128.shuffle<u32>(b, b, 1, 2, 3, 0)
    c = v128.shuffle<u32>(c, c, 2, 3, 0, 1)
    d = v128.shuffle<u32>(d, d, 3, 0, 1, 2)

    a = i32x4.add(i32x4.add(a, b), o)
    d = turn16(v128.xor(d, a))
    c = i32x4.add(c, d)
    b = turn(v128.xor(b, c), 12)
    a = i32x4.add(i32x4.add(a, b), p)
    d = turn8(v128.xor(d, a))
    c = i32x4.add(c, d)
    b = turn(v128.xor(b, c), 7)

    b = v128.shuffle<u32>(b, b, 3, 0, 1, 2)
    c = v128.shuffle<u32>(c, c, 2, 3, 0, 1)
    d = v128.shuffle<u32>(d, d, 1, 2, 3, 0)

    // The specification's permutation: 2 6 3 10 7 0 4 13 1 11 12 5 9 14 15 8.
    const nextM = v128.shuffle<u32>(m, n, 1, 5, 7, 2)
    const nextN = v128.shuffle<u32>(v128.shuffle<u32>(m, o, 3, 5, 0, 0), p, 0, 1, 2, 6)
    const nextO = v128.shuffle<u32>(v128.shuffle<u32>(n, o, 0, 6, 0, 0), p, 0, 1, 4, 7)
    const nextP = v128.shuffle<u32>(v128.shuffle<u32>(p, n, 1, 6, 0, 0), o, 0, 1, 7, 4)
    m = nextM
    n = nextN
    o = nextO
    p = nextP
  }
  v128.store(value, v128.xor(a, c))
  v128.store(value, v128.xor(b, d), 16)
}

// Rotations of 32-bit words to the right.
function turn(x: v128, bits: i32): v128 {
  return v128.or(i32x4.shr_u(x, bits), i32x4.shl(x, 32 - bits))
}

function turn16(x: v128): v128 {
  return v128.shuffle<u8>(x, x, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13)
}

function turn8(x: v128): v128 {
  return v128.shuffle<u8>(x, x, 1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12)
}
