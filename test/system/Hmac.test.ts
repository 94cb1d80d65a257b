/** HMAC-SHA-256: both ways of it are the standard's, whatever the length. */
import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import { createHmac } from "node:crypto"
import { createRequire } from "node:module"
import * as Hmac from "../../src/system/Hmac.ts"

const bytesOf = (hex: string) => new Uint8Array(Buffer.from(hex, "hex"))

// RFC 4231, test cases 1, 2, 3 and 6
const vectors = [
  ["0b".repeat(20), "4869205468657265", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"],
  [
    "4a656665",
    "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
  ],
  ["aa".repeat(20), "dd".repeat(50), "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"],
  [
    "aa".repeat(131),
    Buffer.from("Test Using Larger Than Block-Size Key - Hash Key First").toString("hex"),
    "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
  ]
] as const

const native = Hmac.load()
const ways: ReadonlyArray<readonly [string, typeof Hmac.mac]> = [
  ["by node:crypto", Hmac.portable],
  ...Option.toArray(Option.map(native, (make) => ["by OpenSSL", make] as const))
]

describe.for(ways)("%s", ([, make]) => {
  it("gives the RFC's vectors", () => {
    for (const [key, data, code] of vectors) {
      const bytes = bytesOf(`${data}ffff`)
      assert.deepStrictEqual(new Uint8Array(make(bytesOf(key)).of(bytes, bytes.length - 2)), bytesOf(code))
    }
  })

  it("is of a part of memory that others use, and keys do not mix", () => {
    const memory = new Uint8Array(3000).map((_, at) => at * 7)
    const keys = [1, 2].map((fill) => new Uint8Array(32).fill(fill))
    const macs = keys.map(make)
    for (const length of [0, 1, 63, 64, 65, 1200, 2000]) {
      for (const [i, key] of keys.entries()) {
        const expected = createHmac("sha256", key)
          .update(memory.subarray(100, 100 + length))
          .digest()
        const code = macs[i].of(memory.subarray(100), length)
        assert.strictEqual(Buffer.compare(code, expected), 0, `${length} bytes`)
      }
    }
  })
})

describe("OpenSSL in this process", () => {
  const require = createRequire(import.meta.url)
  const koffi = () => require("koffi") as typeof import("koffi")

  it.skipIf(Option.isNone(native))("reads nothing beyond the bytes", () => {
    const mac = Option.getOrThrow(native)(new Uint8Array(32))
    for (const end of [11, -1]) assert.throws(() => mac.of(new Uint8Array(10), end), RangeError)
  })

  it.skipIf(Option.isNone(native))("takes no memory for a code", () => {
    const mac = Option.getOrThrow(native)(new Uint8Array(32))
    const bytes = new Uint8Array(1200)
    const used = () => process.memoryUsage().external
    mac.of(bytes, 1200)
    const before = used()
    for (let i = 0; i < 1000; i++) mac.of(bytes, 1200)
    assert.isBelow(used() - before, 1000)
  })

  it("is left alone where koffi is missing", () => {
    const missing = () => {
      throw new Error("Cannot find module 'koffi'")
    }
    assert.isTrue(Option.isNone(Hmac.load(missing)))
  })

  it.skipIf(Option.isNone(native))("is left alone where Node does not export it", () => {
    const load = () => {
      const library = koffi().load(null)
      return { func: (declared: string) => library.func(declared.replaceAll("HMAC", "NOT_HMAC")) }
    }
    assert.isTrue(Option.isNone(Hmac.load(() => ({ ...koffi(), load }))))
  })
})
