/** Phrases: fresh ones, those that are refused, and the keys that all forms of one give. */
import { assert, describe, it } from "@effect/vitest"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Keys from "../../src/seal/Keys.ts"
import * as Phrase from "../../src/seal/Phrase.ts"

const known = "legal winner thank year wave sausage worth"
const keysOf = (phrase: string) => Phrase.keysOf(Redacted.make(phrase), "--phrase")
const refusal = (phrase: string) => Effect.map(Effect.flip(keysOf(phrase)), ({ message }) => message)
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")

/** The words that bytes of chance give: each word takes seven. */
const freshFrom = (bytes: number) =>
  Effect.map(Phrase.fresh, Redacted.value).pipe(
    Effect.provideService(
      SecureRandom.SecureRandom,
      SecureRandom.make((size) => new Uint8Array(size).fill(bytes))
    )
  )

describe("a fresh phrase", () => {
  it.effect("has seven words of the list, from its first to its last", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* freshFrom(0), Array.from({ length: 7 }, () => "abandon").join("-"))
      assert.strictEqual(yield* freshFrom(255), Array.from({ length: 7 }, () => "zoo").join("-"))
    })
  )

  it.effect("is another each time, and never too weak", () =>
    Effect.gen(function* () {
      const phrases = yield* Effect.replicateEffect(Phrase.fresh, 200)
      const words = phrases.flatMap((phrase) => Redacted.value(phrase).split("-"))
      assert.strictEqual(words.length, 200 * Phrase.freshWords)
      // of 1400 draws from 2048 words about 1013 are different
      assert.isAbove(new Set(words).size, 900)
      assert.strictEqual(new Set(phrases.map(Redacted.value)).size, 200)
      yield* Phrase.keysOf(phrases[0], "")
    }).pipe(Effect.provide(SecureRandom.layerWebCrypto))
  )

  it.effect("does not show in what is printed", () =>
    Effect.gen(function* () {
      const phrase = yield* Phrase.fresh
      assert.deepStrictEqual(
        [String(phrase), JSON.stringify({ phrase })],
        ["<redacted:phrase>", '{"phrase":"<redacted:phrase>"}']
      )
    }).pipe(Effect.provide(SecureRandom.layerWebCrypto))
  )
})

describe("the keys of a phrase", () => {
  // The same by Python's hashlib.scrypt, and HKDF by hand.
  it.effect("are these", () =>
    Effect.gen(function* () {
      const keys = yield* keysOf(known)
      assert.strictEqual(
        hex(Redacted.value(keys.joinSecret)),
        "1b7238a2924a143075789e00fdaadf4e6dcc1312ff291a38f33fda98cbdea4ac"
      )
      assert.strictEqual(keys.identity.export({ format: "jwk" }).d, "29a6TFb2l9GlO7prZ1MtjR5CIvcuPoegZfA_ybmav_8")
      assert.strictEqual(Keys.fingerprint(keys.publicKey), "cfe6-euom-obqi-pxhi-27kh")
    })
  )

  it.effect("are the same however it is typed", () =>
    Effect.gen(function* () {
      const expected = yield* keysOf(known)
      for (const typed of [
        known.replaceAll(" ", "-"),
        `  ${known.toUpperCase()}\n`,
        known.replaceAll(" ", " \t- "),
        known.replaceAll(" ", "\u2013"),
        known.replaceAll(" ", "\u00a0")
      ]) {
        assert.strictEqual(Phrase.normal(typed), known)
      }
      assert.deepStrictEqual((yield* keysOf(known.toUpperCase().replaceAll(" ", "-"))).publicKey, expected.publicKey)
      const other = yield* keysOf(known.replace("worth", "worthy"))
      assert.notDeepEqual(other.publicKey, expected.publicKey)
      assert.notDeepEqual(Redacted.value(other.joinSecret), Redacted.value(expected.joinSecret))
    })
  )

  it.effect("are none of one that can be guessed", () =>
    Effect.gen(function* () {
      const because = (words: string, characters: number) =>
        `--phrase: it has ${words} and ${characters} characters, and could be guessed: expected at least 6 words of at least 20 characters together, better the 7 that "mrsync send" chooses where it is given no key`
      assert.strictEqual(yield* refusal(""), because("0 words", 0))
      assert.strictEqual(yield* refusal("   - "), because("0 words", 0))
      assert.strictEqual(yield* refusal("correcthorsebatterystaple"), because("1 word", 25))
      assert.strictEqual(yield* refusal("Legal winner thank year wave"), because("5 words", 28))
      assert.strictEqual(yield* refusal("a b c d e f g h i j"), because("10 words", 19))
      yield* keysOf("a b c d e f g h i jk")
      assert.strictEqual(yield* refusal(`${known} ${"x".repeat(1024)}`), "--phrase: it has more than 1024 characters")
    })
  )
})

describe("the normal form", () => {
  it.prop("of a normal form is itself, and has single spaces", { text: Schema.String }, ({ text }) => {
    const normal = Phrase.normal(text)
    assert.strictEqual(Phrase.normal(normal), normal)
    assert.notMatch(normal, /^\s|\s$|\s\s|-/u)
  })
})
