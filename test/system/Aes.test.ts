/** AES-256-CTR: both ways of it are the standard's, from any byte of the stream on. */
import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import { createRequire } from "node:module"
import * as Aes from "../../src/system/Aes.ts"

const bytesOf = (hex: string) => new Uint8Array(Buffer.from(hex, "hex"))

// NIST SP 800-38A, F.5.5
const key = bytesOf("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
const iv = bytesOf("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff")
const plain = bytesOf(
  "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51" +
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)
const enciphered = bytesOf(
  "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5" +
    "2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6"
)

const native = Aes.load()
const ways: ReadonlyArray<readonly [string, Aes.Make]> = [
  ["by node:crypto", Aes.portable],
  ...Option.toArray(Option.map(native, (make) => ["by OpenSSL", make] as const))
]

const applied = (make: Aes.Make, counter: Uint8Array, offset: number, bytes: Uint8Array) => {
  const out = bytes.slice()
  make(key).apply(counter, offset, out)
  return out
}

describe.for(ways)("%s", ([, make]) => {
  it("gives NIST's vectors, and takes them back", () => {
    assert.deepStrictEqual(applied(make, iv, 0, plain), enciphered)
    assert.deepStrictEqual(applied(make, iv, 0, enciphered), plain)
  })

  it("gives the same from any byte on, for any length", () => {
    const cipher = make(key)
    for (let from = 0; from <= 40; from++) {
      for (let end = from; end <= plain.length; end++) {
        const part = plain.slice(from, end)
        cipher.apply(iv, from, part)
        assert.deepStrictEqual(part, enciphered.subarray(from, end), `${from} to ${end}`)
      }
    }
  })

  it("works in place: nothing beside the bytes is touched", () => {
    const memory = new Uint8Array(100).fill(7)
    memory.set(plain, 18)
    make(key).apply(iv, 0, memory.subarray(18, 18 + plain.length))
    assert.deepStrictEqual(memory.subarray(18, 18 + plain.length), enciphered)
    assert.isTrue(memory.every((byte, at) => byte === 7 || (at >= 18 && at < 18 + plain.length)))
  })

  it("counts over a carry, and over pieces", () => {
    const last = bytesOf("000000000000000000000000fffffffe")
    const stream = applied(make, last, 0, new Uint8Array(70_000))
    const two = bytesOf("00000000000000000000000100000000")
    assert.deepStrictEqual(stream.subarray(32), applied(make, two, 0, new Uint8Array(70_000 - 32)))
    assert.deepStrictEqual(stream.subarray(16_389), applied(make, last, 16_389, new Uint8Array(70_000 - 16_389)))
    // a file of 2^40 bytes has a counter beyond 32 bits
    const far = applied(make, new Uint8Array(16), 16 * 2 ** 36 + 3, new Uint8Array(40))
    const begun = bytesOf("00000000000000000000001000000000")
    assert.deepStrictEqual(far, applied(make, begun, 3, new Uint8Array(40)))
  })

  it("keys do not mix", () => {
    const other = make(key.map((byte) => byte ^ 1))
    const [one, two] = [make(key), new Uint8Array(32)]
    other.apply(iv, 0, two)
    assert.deepStrictEqual(
      applied(() => one, iv, 0, plain),
      enciphered
    )
    assert.notDeepEqual(
      two,
      applied(() => one, iv, 0, new Uint8Array(32))
    )
  })
})

describe("OpenSSL in this process", () => {
  const require = createRequire(import.meta.url)
  const koffi = () => require("koffi") as typeof import("koffi")

  it.skipIf(Option.isNone(native))("agrees with node:crypto, whatever the length", () => {
    const [fast, slow] = [Option.getOrThrow(native)(key), Aes.portable(key)]
    const bytes = new Uint8Array(200_000).map((_, at) => at * 7)
    for (const offset of [0, 1, 15, 16, 1432, 183_295]) {
      for (const length of [0, 1, 15, 17, 1432, 16_384, 16_385, 183_296]) {
        const [a, b] = [bytes.slice(0, length), bytes.slice(0, length)]
        fast.apply(iv, offset, a)
        slow.apply(iv, offset, b)
        assert.isTrue(Buffer.compare(a, b) === 0, `${offset}, ${length}`)
      }
    }
  })

  it("is left alone where koffi is missing", () => {
    const missing = () => {
      throw new Error("Cannot find module 'koffi'")
    }
    assert.isTrue(Option.isNone(Aes.load(missing)))
  })

  it.skipIf(Option.isNone(native))("is left alone where Node does not export it", () => {
    const load = () => {
      const library = koffi().load(null)
      return { func: (declared: string) => library.func(declared.replaceAll("EVP_", "NOT_EVP_")) }
    }
    assert.isTrue(Option.isNone(Aes.load(() => ({ ...koffi(), load }))))
  })
})
