/**
 * The keys of sealed sessions, and the text of the files that hold them. A master's key signs; a catcher's key verifies what is
 * signed, and both hold the join secret. Secrets are `Redacted`: no log and no JSON shows them.
 */

import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { createHash, createPrivateKey, createPublicKey, type KeyObject } from "node:crypto"
import { rawOf, secretBytes } from "./Primitives.ts"

/** What a master holds. */
export interface MasterKeys {
  /** Ed25519, private. */
  readonly identity: KeyObject
  /** The same key's public half, raw, 32 bytes. */
  readonly publicKey: Uint8Array
  /** 32 bytes. */
  readonly joinSecret: Redacted.Redacted<Uint8Array>
}

/** What every catcher holds. It makes nobody a master. */
export interface CatcherKeys {
  /** The master's, raw, 32 bytes. */
  readonly publicKey: Uint8Array
  /** 32 bytes. */
  readonly joinSecret: Redacted.Redacted<Uint8Array>
}

/** How a session is protected: with keys, or not at all. */
export type Protection<Keys> = { readonly _tag: "Sealed"; readonly keys: Keys } | { readonly _tag: "Insecure" }

/** The keys of a file. */
export type Key =
  | { readonly _tag: "Master"; readonly keys: MasterKeys }
  | { readonly _tag: "Catcher"; readonly keys: CatcherKeys }

/** Keys that cannot be had, or cannot be used. `reason` has nothing of them. */
export class KeyError extends Schema.TaggedError<KeyError>()("KeyError", {
  path: Schema.String.annotateKey({
    description: "the file, or in words where else the key was to come from; may be empty"
  }),
  code: Schema.optional(
    Schema.String.annotateKey({ description: "the system's code, where the system refused: ENOENT" })
  ),
  reason: Schema.String
}) {
  override get message() {
    return this.path === "" ? this.reason : `${this.path}: ${this.reason}`
  }
}

/** Bytes of a seed, of a secret, and of a public key. */
export { secretBytes }

// ---- making ----

/** PKCS #8 of Ed25519 (RFC 8410): the seed follows it. */
const ed25519Prefix = Buffer.from("302e020100300506032b657004220420", "hex")

/** The keys that follow from a seed of Ed25519 and a join secret, 32 bytes each. */
export const ofSecrets = (seed: Uint8Array, joinSecret: Uint8Array): MasterKeys => {
  const identity = createPrivateKey({ key: Buffer.concat([ed25519Prefix, seed]), format: "der", type: "pkcs8" })
  const publicKey = rawOf(createPublicKey(identity))
  return { identity, publicKey, joinSecret: redacted(joinSecret) }
}

const redacted = (secret: Uint8Array) => Redacted.make(secret, { label: "join secret" })

const seedOf = (identity: KeyObject): Uint8Array =>
  identity.export({ type: "pkcs8", format: "der" }).subarray(ed25519Prefix.length)

/** Fresh keys. */
export const generate: Effect.Effect<MasterKeys, never, SecureRandom.SecureRandom> = Effect.gen(function* () {
  const random = yield* SecureRandom.SecureRandom
  return ofSecrets(yield* random.randomBytes(secretBytes), yield* random.randomBytes(secretBytes))
})

/** What the catchers of this master need. */
export const forCatchers = ({ joinSecret, publicKey }: MasterKeys): CatcherKeys => ({ publicKey, joinSecret })

// ---- the fingerprint ----

/** RFC 4648, in small letters: without 0, 1, 8 and 9, which look like others. */
const base32 = "abcdefghijklmnopqrstuvwxyz234567"
const groups = { count: 5, letters: 4 } as const

/** A public key, short enough to be compared by eye: 100 bits of its hash, as `abcd-efgh-ijkl-mnop-qrst`. */
export const fingerprint = (publicKey: Uint8Array): string => {
  const hash = createHash("sha256").update("mrsync fingerprint 1\n").update(publicKey).digest()
  const bits = [...hash].map((byte) => byte.toString(2).padStart(8, "0")).join("")
  const letterAt = (at: number) => base32[Number.parseInt(bits.slice(5 * at, 5 * at + 5), 2)]
  return Array.from({ length: groups.count }, (_, group) =>
    Array.from({ length: groups.letters }, (_, letter) => letterAt(group * groups.letters + letter)).join("")
  ).join("-")
}

// ---- text ----

const firstLine = /^mrsync (master|catcher) key, version (\d{1,9})$/
const version = 1

const fields = { Master: ["identity", "join"], Catcher: ["public", "join"] } as const
type Field = (typeof fields)[Key["_tag"]][number]
type Kind = Key["_tag"]

/** Bytes of a value's hash that follow it, so that one wrong letter is found. */
const checkBytes = 4

const checkOf = (kind: Kind, field: Field, value: Uint8Array): Buffer =>
  createHash("sha256").update(`mrsync ${kind} ${field}\n`).update(value).digest().subarray(0, checkBytes)

const fieldLine = (kind: Kind, field: Field, value: Uint8Array): string =>
  `${field}: ${Buffer.concat([value, checkOf(kind, field, value)]).toString("base64")}`

/** The text of the file `master.key`. It has the secrets in the open. */
export const printMaster = (keys: MasterKeys): string =>
  [
    `mrsync master key, version ${version}`,
    "# Keep this file on the master, and secret. The catchers need catcher.key, and never this one.",
    `# fingerprint: ${fingerprint(keys.publicKey)}`,
    fieldLine("Master", "identity", seedOf(keys.identity)),
    fieldLine("Master", "join", Redacted.value(keys.joinSecret)),
    ""
  ].join("\n")

/** The text of the file `catcher.key`. It has the join secret in the open. */
export const printCatcher = (keys: CatcherKeys): string =>
  [
    `mrsync catcher key, version ${version}`,
    "# Copy this file to every catcher, and keep it secret: it lets a machine join, and read what is sent.",
    `# fingerprint of the master: ${fingerprint(keys.publicKey)}`,
    fieldLine("Catcher", "public", keys.publicKey),
    fieldLine("Catcher", "join", Redacted.value(keys.joinSecret)),
    ""
  ].join("\n")

/** Reads the text of a key file. A failure says which line is wrong, and repeats nothing of what stands there. */
export const parse = (text: string): Result.Result<Key, string> => {
  const [first, ...lines] = text.split("\n").map((line) => line.trim())
  return Result.flatMap(kindOf(first), (kind) =>
    Result.map(fieldsOf(kind, lines), (value): Key => {
      const joinSecret = value.get("join")!
      return kind === "Master"
        ? { _tag: kind, keys: ofSecrets(value.get("identity")!, joinSecret) }
        : { _tag: kind, keys: { publicKey: value.get("public")!, joinSecret: redacted(joinSecret) } }
    })
  )
}

const kindOf = (line: string): Result.Result<Kind, string> => {
  const match = firstLine.exec(line)
  if (match === null) {
    return Result.fail(`line 1: this is no key file: expected "mrsync master key, version ${version}", or catcher`)
  }
  return Number(match[2]) === version
    ? Result.succeed(match[1] === "master" ? "Master" : "Catcher")
    : Result.fail(`line 1: a key file of version ${match[2]}, and this mrsync reads version ${version}`)
}

/** The values of all fields of a kind; `lines` begins at the second one. */
const fieldsOf = (kind: Kind, lines: ReadonlyArray<string>): Result.Result<ReadonlyMap<Field, Uint8Array>, string> => {
  const found = new Map<Field, Uint8Array>()
  for (const [at, line] of lines.entries()) {
    if (line === "" || line.startsWith("#")) continue
    const [name, coded, ...rest] = line.split(/: */)
    const where = `line ${at + 2}`
    const field = fields[kind].find((one) => one === name)
    if (field === undefined || coded === undefined || rest.length > 0) {
      return Result.fail(`${where}: expected ${fields[kind].map((one) => `"${one}: ..."`).join(" or ")}, or a comment`)
    }
    if (found.has(field)) return Result.fail(`${where}: "${field}" stands here a second time`)
    const value = valueOf(kind, field, coded)
    if (value === undefined) {
      return Result.fail(`${where}: the value of "${field}" is damaged: take the file anew from where it was copied`)
    }
    found.set(field, value)
  }
  const missing = fields[kind].find((field) => !found.has(field))
  return missing === undefined ? Result.succeed(found) : Result.fail(`the line "${missing}: ..." is missing`)
}

const valueOf = (kind: Kind, field: Field, coded: string): Uint8Array | undefined => {
  const bytes = Buffer.from(coded, "base64")
  const value = Uint8Array.from(bytes.subarray(0, secretBytes))
  const isWhole =
    bytes.length === secretBytes + checkBytes &&
    bytes.toString("base64") === coded &&
    bytes.subarray(secretBytes).equals(checkOf(kind, field, value))
  return isWhole ? value : undefined
}

/** A master's keys, or why these are none. */
export const masterOf = (key: Key): Result.Result<MasterKeys, string> =>
  key._tag === "Master"
    ? Result.succeed(key.keys)
    : Result.fail("this is a catcher's key, and a master needs master.key, which keygen wrote beside it")

/** A catcher's keys, or why these are none. */
export const catcherOf = (key: Key): Result.Result<CatcherKeys, string> =>
  key._tag === "Catcher"
    ? Result.succeed(key.keys)
    : Result.fail(
        "this is a master's key, and a catcher needs catcher.key, which keygen wrote beside it; no catcher should have master.key"
      )
