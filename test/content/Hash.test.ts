/** Both hashes are BLAKE3, and the same. */
import { assert, describe, it } from "@effect/vitest"
import * as Hash from "../../src/content/Hash.ts"

const { hash: standIn, stream: standInStream } = Hash.loadStandIn()

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")
const pattern = (length: number) => Uint8Array.from({ length }, (_, i) => i % 251)

// From the test vectors of BLAKE3's authors (test_vectors.json), whose input is 0, 1, ... 250, 0, ...
const golden = [
  [0, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"],
  [1, "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213"],
  [1024, "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7"],
  [102_400, "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085"]
] as const

describe("Hash", () => {
  it("the native one is used where it is there", () => {
    assert.isUndefined(Hash.missing)
    assert.isUndefined(Hash.nothing)
  })

  it.for(golden)("of %i bytes", ([length, expected]) => {
    assert.strictEqual(hex(Hash.hash(pattern(length))), expected)
    assert.strictEqual(hex(standIn(pattern(length))), expected)
  })

  it("whole and broken blocks, chunks and subtrees", () => {
    const few = Array.from({ length: 130 }, (_, i) => i * 37)
    for (const length of [...few, 64, 1025, 2048, 2049, 3072, 4097, 7168, 8192, 31_744, 183_296, 1_000_001, 5]) {
      assert.strictEqual(hex(standIn(pattern(length))), hex(Hash.hash(pattern(length))), `${length} bytes`)
    }
  })

  it("piece by piece, the same as in one", () => {
    for (const stream of [Hash.stream, standInStream]) {
      for (const length of [0, 1, 1024, 70_001]) {
        const streaming = stream()
        for (let at = 0; at < length; at += 999) streaming.update(pattern(length).subarray(at, at + 999))
        assert.strictEqual(hex(streaming.digest()), hex(Hash.hash(pattern(length))), `${length} bytes`)
      }
    }
  })

  it("bytes that lie anywhere in memory, and stay as they are", () => {
    const bytes = pattern(5000)
    for (let from = 0; from < 9; from++) {
      const part = bytes.subarray(from, from + 3000)
      assert.strictEqual(hex(standIn(part)), hex(Hash.hash(part)), `from ${from}`)
    }
    assert.deepStrictEqual(bytes, pattern(5000))
  })
})
