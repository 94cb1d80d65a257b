/** Paths as a person reads them: no two look alike. */
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import { base64Of, bytesOf, display } from "../../src/tree/Names.ts"
import { bytes } from "../store/Sandbox.ts"
import { data, whole } from "./generators.ts"

describe("display", () => {
  for (const [path, expected] of [
    ["", "."],
    ["a/b c", "a/b c"],
    ["ä/日本/🦊", "ä/日本/🦊"],
    ["new\nline", "new\\x0aline"],
    ["\x1b[31m", "\\x1b[31m"],
    ["\x7f", "\\x7f"],
    [Uint8Array.of(0xff, 0x61), "\\xffa"],
    [Uint8Array.of(0xc3, 0xa4, 0xc3), "ä\\xc3"],
    [Uint8Array.of(0xe2, 0x82), "\\xe2\\x82"],
    [bytes("\u0085"), "\\xc2\\x85"],
    ["a\\b", "a\\\\b"],
    // the four characters, and the byte
    ["\\xfe", "\\\\xfe"],
    [Uint8Array.of(0xfe), "\\xfe"],
    [".", "\\x2e"],
    ["..\n", "..\\x0a"],
    // what cannot be seen
    ["\ufeffa", "\\xef\\xbb\\xbfa"],
    ["a\u200bb", "a\\xe2\\x80\\x8bb"],
    ["a\u202eb", "a\\xe2\\x80\\xaeb"],
    ["\ufffd", "\\xef\\xbf\\xbd"],
    // joined letters and emoji stay
    ["👩‍💻", "👩‍💻"]
  ] as const) {
    it(JSON.stringify(expected), () => assert.strictEqual(display(bytes(path)), expected))
  }

  it.prop("never throws, and prints in one line", { path: data(60) }, ({ path }) => {
    assert.notMatch(display(path), /\p{Cc}/u)
  })

  // bytes of which escapes are made, and of which UTF-8 is
  const tricky = Arbitrary.map(Arbitrary.array(whole(0, 15), { maxLength: 12 }), (picks) =>
    Uint8Array.from(
      picks,
      (at) => [0x5c, 0x78, 0x66, 0x65, 0x30, 0x2e, 0x0a, 0xfe, 0xef, 0xbb, 0xbf, 0xbd, 0xe2, 0x80, 0x8b, 0xc3][at]
    )
  )

  it.prop(
    "shows no two paths alike: what is shown is one path",
    { any: data(60), tricky },
    ({ any, tricky }) => {
      for (const path of [any, tricky]) assert.deepStrictEqual(Uint8Array.from(bytesOf(display(path))), path)
    },
    { arbitrary: { runs: 500 } }
  )

  it("base64 where a path is not UTF-8", () => {
    assert.isUndefined(base64Of(display(bytes("ä\n\\xff"))))
    assert.strictEqual(base64Of(display(Uint8Array.of(0x61, 0xff))), Buffer.from([0x61, 0xff]).toString("base64"))
  })
})
