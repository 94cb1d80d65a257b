/**
 * The cryptography that seals are made of, all of it node:crypto's: Ed25519 (RFC 8032) signs, X25519
 * (RFC 7748) agrees on keys, HKDF (RFC 5869) with SHA-256 derives them, and HMAC-SHA-256 cut to 16
 * bytes authenticates. [K-1] Keys and secrets are bytes here; they are `Redacted` everywhere else.
 */

import * as crypto from "node:crypto"
import * as Result from "effect/Result"
import type { Bucket } from "../protocol/Bucket.ts"
import { tagBytes } from "../protocol/Limits.ts"
import * as Hmac from "../system/Hmac.ts"

/** Bytes of a secret, of a public key and of a nonce that nobody can guess. */
export const secretBytes = 32
/** Bytes of an authentication tag. */
export { tagBytes }
/** Bytes of a signature. */
export const signatureBytes = 64

/** Keys from a secret; `info` says what for, and each use has another. */
export const derive = (secret: Uint8Array, salt: Uint8Array, info: string | Uint8Array, length: number): Uint8Array =>
  new Uint8Array(crypto.hkdfSync("sha256", secret, salt, info, length))

/** A key of HMAC, prepared once. */
export type MacKey = Hmac.Mac

/** Prepares a key of HMAC. */
export const macKey: (bytes: Uint8Array) => MacKey = Hmac.mac

/** Writes the tag of all bytes before `end` at `end`. */
export const putTag = (key: MacKey, bytes: Uint8Array, end: number): void =>
  bytes.set(key.of(bytes, end).subarray(0, tagBytes), end)

/** Does the tag at `end` agree? Takes the same time either way, and no memory: anybody may have sent it. */
export const agrees = (key: MacKey, bytes: Uint8Array, end: number): boolean => {
  if (end + tagBytes > bytes.length) return false
  const code = key.of(bytes, end)
  let differing = 0
  for (let at = 0; at < tagBytes; at++) differing |= code[at] ^ bytes[end + at]
  return differing === 0
}

/** Enciphers or deciphers `bytes` in place with AES-256-CTR; no two of them may have one key and one `iv`. */
export const cipher = (key: Uint8Array, iv: Uint8Array, bytes: Uint8Array): void =>
  bytes.set(crypto.createCipheriv("aes-256-ctr", key, iv).update(bytes))

/** Signs with the master's identity. */
export const sign = (identity: crypto.KeyObject, bytes: Uint8Array): Uint8Array => crypto.sign(null, bytes, identity)

/** A public key with which signatures are checked. */
export interface Verifier {
  readonly raw: Uint8Array
  readonly key: crypto.KeyObject
  /** Signatures that may be wrong yet: a check costs as much as a hundred tags, and anybody with a key has the tags. */
  readonly wrong: Bucket
  readonly now: () => number
}

/** Is it the signature of those bytes? Where too many were wrong lately, none is looked at for a moment. */
export const verify = ({ key, now, raw, wrong }: Verifier, bytes: Uint8Array, signature: Uint8Array): boolean => {
  const said = Buffer.concat([raw, signature, bytes]).toString("latin1")
  if (verified.has(said)) return true
  if (!wrong.has(now())) return false
  const isRight = crypto.verify(null, bytes, key, signature)
  if (!isRight) {
    wrong.takes(now())
    return false
  }
  if (verified.size >= mostVerified) verified.clear()
  verified.add(said)
  return true
}

/**
 * Signatures found to be right lately. Catchers of one process hear the same datagrams, and a check costs
 * a hundred times as much as the look-up: simulations of hundreds of catchers live by it.
 */
const verified = new Set<string>()
const mostVerified = 64

/** A public key as node:crypto has it; undefined: these bytes are none. */
export const publicKeyOf = (curve: "Ed25519" | "X25519", raw: Uint8Array): crypto.KeyObject | undefined => {
  const key = { kty: "OKP", crv: curve, x: Buffer.from(raw).toString("base64url") }
  return Result.getOrUndefined(Result.try(() => crypto.createPublicKey({ key, format: "jwk" })))
}

/**
 * The bytes of a public key, which end its structure (RFC 8410). Not from a JWK: Node 20 makes one
 * under a lock, and waits for that forever when memory is collected meanwhile.
 */
export const rawOf = (publicKey: crypto.KeyObject): Uint8Array =>
  new Uint8Array(publicKey.export({ type: "spki", format: "der" }).subarray(-secretBytes))

/** A key pair of one session, which is forgotten with it. */
export interface Ephemeral {
  readonly privateKey: crypto.KeyObject
  readonly publicKey: Uint8Array
}

/** Draws one. */
export const ephemeral = (): Ephemeral => {
  const { privateKey, publicKey } = crypto.generateKeyPairSync("x25519")
  return { privateKey, publicKey: rawOf(publicKey) }
}

/** The secret that both ends come to; undefined: the other end's key is none. */
export const agree = ({ privateKey }: Ephemeral, theirs: Uint8Array): Uint8Array | undefined => {
  const publicKey = publicKeyOf("X25519", theirs)
  if (publicKey === undefined) return undefined
  // a point of small order gives no secret, and is refused
  return Result.getOrUndefined(Result.try(() => new Uint8Array(crypto.diffieHellman({ privateKey, publicKey }))))
}

/** Bytes by chance. */
export const random = (length: number): Uint8Array => new Uint8Array(crypto.randomBytes(length))
