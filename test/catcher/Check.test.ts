/** Which blocks of a file are right. */
import { assert, describe, it } from "@effect/vitest"
import { ByTrailer } from "../../src/catcher/Check.ts"
import { Claimed } from "../../src/content/Claimed.ts"
import { hash } from "../../src/content/Hash.ts"
import * as Layout from "../../src/protocol/file/Layout.ts"
import * as Trailer from "../../src/protocol/file/Trailer.ts"

describe("a check by the trailer", () => {
  it("what is held and was not sent has no hash there: it is not looked at again [F-11] [Y-13]", () => {
    const layout = Layout.make({ size: 1000, pageBytes: 64, blockPages: 4 })
    const content = new Uint8Array(1000).fill(7)
    const trailer = new Claimed(layout.trailerBytes)
    trailer.put(new Uint8Array(layout.trailerBytes), 0)
    for (const block of [1, 2, 3])
      trailer.put(hash(content.subarray(block * 256, (block + 1) * 256)), Trailer.hashAt(block))
    const check = new ByTrailer(layout, trailer)
    check.hold(0, 8)
    for (const block of [2, 3]) check.judge(block * 256, content.subarray(block * 256, (block + 1) * 256))
    const right = () => [0, 1, 2, 3].map((block) => check.isRight(block))
    assert.deepStrictEqual(right(), [true, true, true, true])
    check.doubtAll()
    assert.deepStrictEqual(right(), [true, false, true, true])
    check.judge(256, content.subarray(256, 512))
    assert.deepStrictEqual(right(), [true, true, true, true])
  })
})
