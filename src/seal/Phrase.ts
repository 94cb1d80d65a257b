/**
 * A phrase of words that stands for both key files, for an afternoon's job: the same words give the same keys at both ends. All
 * machines that know it can be the master.
 */

import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { scrypt } from "node:crypto"
import * as Keys from "./Keys.ts"
import * as Primitives from "./Primitives.ts"

/** Words of a fresh phrase: 11 bits each, 77 bits. */
export const freshWords = 7

/** Fewer than these can be guessed. */
const least = { words: 6, characters: 20 } as const
const mostCharacters = 1024

/** 2048 words, each known by its first four letters. Loaded where a phrase is made, and nowhere else. */
const wordList = Effect.promise(() => import("@scure/bip39/wordlists/english.js"))

/** A fresh phrase, with hyphens between its words, so that a shell takes it as it is. */
export const fresh: Effect.Effect<Redacted.Redacted, never, SecureRandom.SecureRandom> = Effect.gen(function* () {
  const { wordlist } = yield* wordList
  const random = yield* SecureRandom.SecureRandom
  const word = Effect.map(random.intBetween(0, wordlist.length - 1), (at) => wordlist[at])
  return made((yield* Effect.replicateEffect(word, freshWords)).join("-"))
})

const made = (phrase: string) => Redacted.make(phrase, { label: "phrase" })

/** As it counts: small letters, and one space where there are spaces, line ends or hyphens. */
export const normal = (phrase: string): string =>
  phrase
    .normalize("NFKC")
    .toLowerCase()
    .replaceAll(/[\s\p{Pd}]+/gu, " ")
    .trim()

/** Why a phrase in its normal form is refused. */
export const weaknessOf = (phrase: string): string | undefined => {
  const words = phrase === "" ? 0 : phrase.split(" ").length
  if (phrase.length > mostCharacters) return `it has more than ${mostCharacters} characters`
  if (words >= least.words && phrase.length >= least.characters) return undefined
  return `it has ${words} ${words === 1 ? "word" : "words"} and ${phrase.length} characters, and could be guessed: expected at least ${least.words} words of at least ${least.characters} characters together, better the ${freshWords} that "mrsync send" chooses where it is given no key`
}

const derivation = "mrsync phrase 1"
/** 32 MiB and about 0.1 s for each guess. */
const cost = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 * 1024 } as const

/** The keys of a phrase; `path` says in words where the phrase came from. */
export const keysOf = Effect.fn("Phrase.keysOf")(function* (phrase: Redacted.Redacted, path: string) {
  const words = normal(Redacted.value(phrase))
  const reason = weaknessOf(words)
  if (reason !== undefined) return yield* new Keys.KeyError({ path, reason })
  const master = yield* stretched(words)
  const part = (name: string) => Primitives.derive(master, new Uint8Array(0), `${derivation} ${name}`, Keys.secretBytes)
  return Keys.ofSecrets(part("identity"), part("join"))
})

const stretched = (words: string) =>
  Effect.callback<Buffer>((resume) =>
    scrypt(words, derivation, Keys.secretBytes, cost, (error, key) =>
      resume(error === null ? Effect.succeed(key) : Effect.die(error))
    )
  )
