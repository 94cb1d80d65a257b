/** Keys, and the text of their files: what is written is read back, and no change of it goes unseen. */
import { assert, describe, it } from "@effect/vitest"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { createPublicKey, sign, verify } from "node:crypto"
import { inspect } from "node:util"
import * as Keys from "../../src/seal/Keys.ts"
import { int } from "../protocol/generators.ts"

const secret = Schema.Array(int(0, 255)).check(Schema.isBetweenLength(Keys.secretBytes, Keys.secretBytes))
const secrets = { seed: secret, join: secret }

const counted = (from: number) => Uint8Array.from({ length: Keys.secretBytes }, (_, at) => from + at)
const known = Keys.ofSecrets(counted(0), counted(100))
const texts = { master: Keys.printMaster(known), catcher: Keys.printCatcher(Keys.forCatchers(known)) }

/** All that there is to a key, to be compared. */
const plain = ({ _tag, keys }: Keys.Key) => ({
  _tag,
  publicKey: [...keys.publicKey],
  join: [...Redacted.value(keys.joinSecret)],
  seed: "identity" in keys ? keys.identity.export({ format: "jwk" }).d : undefined
})
const parsed = (text: string) => Result.map(Keys.parse(text), plain)
const failure = (text: string) =>
  Result.match(Keys.parse(text), { onFailure: (reason) => reason, onSuccess: ({ _tag }) => _tag })

describe("keys", () => {
  it.effect("are fresh", () =>
    Effect.gen(function* () {
      const [a, b] = [yield* Keys.generate, yield* Keys.generate]
      assert.notDeepEqual(a.publicKey, b.publicKey)
      assert.notDeepEqual(Redacted.value(a.joinSecret), Redacted.value(b.joinSecret))
      assert.deepStrictEqual([a.publicKey.length, Redacted.value(a.joinSecret).length], [32, 32])
    }).pipe(Effect.provide(SecureRandom.layerWebCrypto))
  )

  it("what the private one signs the public one verifies", () => {
    const x = Buffer.from(known.publicKey).toString("base64url")
    const publicKey = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" })
    const data = Buffer.from("a page")
    assert.isTrue(verify(null, data, publicKey, sign(null, data, known.identity)))
  })

  // RFC 8032, 7.1, test 1
  it("are Ed25519 as others make it", () => {
    const seed = Buffer.from("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "hex")
    const expected = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert.strictEqual(Buffer.from(Keys.ofSecrets(seed, counted(0)).publicKey).toString("hex"), expected)
  })

  it("do not show in what is printed", () => {
    const shown = [JSON.stringify(known), inspect(known, { depth: 9 }), `${String(known.joinSecret)}`].join("\n")
    for (const [from, name] of [
      [0, "seed"],
      [100, "join secret"]
    ] as const) {
      const bytes = Buffer.from(counted(from))
      for (const form of ["base64", "base64url", "hex"] as const) assert.notInclude(shown, bytes.toString(form), name)
      assert.notInclude(shown.replaceAll(/\s/g, ""), [...bytes.subarray(0, 8)].join(","), name)
    }
  })

  it("have a fingerprint that is written down", () =>
    assert.strictEqual(Keys.fingerprint(known.publicKey), "7s2a-efwt-gdw2-3ezf-kyj2"))

  it.prop(
    "have fingerprints of five groups of four letters, and others for other keys",
    { key: secret, bit: int(0, 255) },
    ({ bit, key }) => {
      const one = Uint8Array.from(key)
      const other = one.with(bit >> 3, one[bit >> 3] ^ (1 << (bit & 7)))
      assert.match(Keys.fingerprint(one), /^[a-z2-7]{4}(-[a-z2-7]{4}){4}$/)
      assert.notStrictEqual(Keys.fingerprint(other), Keys.fingerprint(one))
    }
  )
})

describe("key files", () => {
  it.prop("are read back", secrets, ({ join, seed }) => {
    const keys = Keys.ofSecrets(Uint8Array.from(seed), Uint8Array.from(join))
    const catcher = Keys.forCatchers(keys)
    assert.deepStrictEqual(parsed(Keys.printMaster(keys)), Result.succeed(plain({ _tag: "Master", keys })))
    assert.deepStrictEqual(
      parsed(Keys.printCatcher(catcher)),
      Result.succeed(plain({ _tag: "Catcher", keys: catcher }))
    )
  })

  it("a catcher's has nothing of the private key", () =>
    assert.notInclude(texts.catcher, Buffer.from(counted(0)).toString("base64").slice(0, 20)))

  it("keep their meaning with comments, blank lines, line ends of Windows, and in another order", () => {
    const [first, ...rest] = texts.master.trim().split("\n")
    const lines = [first, "", "  # of the laboratory", ...rest.toReversed(), "\t"]
    assert.deepStrictEqual(parsed(lines.join("\r\n")), parsed(texts.master))
  })

  // A change of a comment or of white space changes nothing; any other is refused.
  const isRefused = (kind: "master" | "catcher", changed: string): boolean => {
    const result = parsed(changed)
    if (Result.isSuccess(result)) assert.deepStrictEqual(result, parsed(texts[kind]))
    else assert.match(result.failure, /^(line \d+: |the line ")/)
    return Result.isFailure(result)
  }
  for (const kind of ["master", "catcher"] as const) {
    const text = texts[kind]
    const at = int(0, text.length - 1)

    it(`no byte of a ${kind}'s can change it unseen`, () => {
      for (let at = 0; at < text.length; at++) {
        const bytes = Buffer.from(text)
        bytes[at] ^= 1 << (at & 7)
        isRefused(kind, bytes.toString())
      }
    })

    it(`each letter of the values of a ${kind}'s counts`, () => {
      for (const { index, 0: line } of text.matchAll(/^\w+: .*$/gm)) {
        for (let letter = index; letter < index + line.length; letter++) {
          const other = text[letter] === "A" ? "B" : "A"
          assert.isTrue(isRefused(kind, text.slice(0, letter) + other + text.slice(letter + 1)), `at ${letter}`)
        }
      }
    })

    it.prop(
      `nothing that takes the place of a part of a ${kind}'s changes it unseen`,
      { at, to: at, put: Schema.String },
      ({ at, put, to }) => {
        isRefused(kind, text.slice(0, at) + put + text.slice(to))
      }
    )

    const order = Schema.Array(int(0, 5)).check(Schema.isMaxLength(8))
    it.prop(`neither does another order of the lines of a ${kind}'s`, { order }, ({ order }) => {
      const lines = text.split("\n")
      isRefused(kind, order.map((line) => lines[line]).join("\n"))
    })
  }

  it.prop("anything else is none", { text: Schema.String, isBegun: Schema.Boolean }, ({ isBegun, text }) =>
    assert.isTrue(Result.isFailure(parsed(isBegun ? `mrsync master key, version 1\n${text}` : text)))
  )

  it("say which line is wrong, and nothing of what stands there", () => {
    const line = (at: number, put: string) =>
      texts.master
        .split("\n")
        .toSpliced(at - 1, 1, put)
        .join("\n")
    const expected = (at: number) => `line ${at}: expected "identity: ..." or "join: ...", or a comment`
    const damaged = (at: number, field: string) =>
      `line ${at}: the value of "${field}" is damaged: take the file anew from where it was copied`
    const values = texts.master.split("\n")
    assert.deepStrictEqual(
      [
        failure(""),
        failure(line(1, "mrsync master key, version 2")),
        failure(line(4, "SECRET")),
        failure(line(5, `joint: ${values[4].slice(6)}`)),
        failure(line(4, "identity: SECRET")),
        failure(line(5, `join: ${values[3].slice(10)}`)),
        failure(line(2, values[4])),
        failure(line(5, "# gone")),
        failure(texts.catcher.replace("catcher key", "master key"))
      ],
      [
        'line 1: this is no key file: expected "mrsync master key, version 1", or catcher',
        "line 1: a key file of version 2, and this mrsync reads version 1",
        expected(4),
        expected(5),
        damaged(4, "identity"),
        damaged(5, "join"),
        'line 5: "join" stands here a second time',
        'the line "join: ..." is missing',
        expected(4)
      ]
    )
  })

  it("of one side are not for the other, and say so", () => {
    const [master, catcher] = [texts.master, texts.catcher].map((text) => Result.getOrThrow(Keys.parse(text)))
    const wrong = <A>(result: Result.Result<A, string>) => Result.getOrThrow(Result.flip(result))
    assert.include(wrong(Keys.masterOf(catcher)), "a master needs master.key")
    assert.include(wrong(Keys.catcherOf(master)), "a catcher needs catcher.key")
    assert.isTrue(Result.isSuccess(Keys.masterOf(master)) && Result.isSuccess(Keys.catcherOf(catcher)))
  })
})
