/** What a master signs, and how it is checked: all that stands in the clear before the signature. [K-4] */

import type * as crypto from "node:crypto"
import type { Address } from "../protocol/Address.ts"
import { Bucket } from "../protocol/Bucket.ts"
import * as Limits from "../protocol/Limits.ts"
import * as Header from "../wire/Header.ts"
import type { Message } from "../wire/Message.ts"
import * as Introduction from "./Introduction.ts"
import * as Layout from "./Layout.ts"
import * as Primitives from "./Primitives.ts"

/**
 * A master's identity, and the group to which it speaks. What it signs names the group, so that
 * nobody can carry it to another one. [K-13]
 */
export interface Signer {
  readonly identity: crypto.KeyObject
  readonly group: Address
}

/** A master's public key, and the group on which it is heard. */
export interface Verifier extends Primitives.Verifier {
  readonly group: Address
}

/** That of a public key; a key file has been checked to hold one. */
export const verifierOf = (raw: Uint8Array, group: Address, now: () => number): Verifier => {
  const key = Primitives.publicKeyOf("Ed25519", raw)
  if (key === undefined) throw new Error("no public key of Ed25519")
  const wrong = new Bucket(Limits.wrongSignatures, Limits.wrongSignaturesPerSecond)
  return { raw, key, group, wrong, now }
}

/** The text of a signature: for what it is, to which group, and what. */
const textOf = (purpose: "says" | "lives", group: Address, said: Uint8Array): Uint8Array =>
  Buffer.concat([Buffer.from(`mrsync ${Header.version} ${purpose} ${group} `), said])

/** Signs something for that purpose. */
export const sign = ({ group, identity }: Signer, purpose: "says" | "lives", said: Uint8Array): Uint8Array =>
  Primitives.sign(identity, textOf(purpose, group, said))

/** Did the master sign it, for that purpose? */
export const verify = (master: Verifier, purpose: "says" | "lives", said: Uint8Array, signature: Uint8Array): boolean =>
  Primitives.verify(master, textOf(purpose, master.group, said), signature)

/** Signs all before `at`, and puts the signature there. */
export const putSignature = (signer: Signer, datagram: Uint8Array, at: number): void =>
  datagram.set(sign(signer, "says", datagram.subarray(0, at)), at)

/** Is the signature at `at` the master's? */
export const isSigned = (master: Verifier, datagram: Uint8Array, at: number): boolean =>
  verify(master, "says", datagram.subarray(0, at), datagram.subarray(at, at + Primitives.signatureBytes))

/**
 * Bytes of the signature that a message to the group has. A poll has none: they are many, and one that a
 * hostile catcher forges is answered, and changes nothing else.
 */
export const bytesOf = (type: number): number => (type === Header.types.Poll ? 0 : Primitives.signatureBytes)

const addedOf = (type: number): number => (type === Header.types.Announce ? Introduction.bytes : 0)

const introductionAt = (datagram: Uint8Array): number =>
  datagram.length - Primitives.tagBytes - Primitives.signatureBytes - Introduction.bytes

/** From where an announcement says that it comes; undefined: it does not. [K-7] */
export const statedBy = (datagram: Uint8Array): Address | undefined =>
  introductionAt(datagram) < Layout.leastBytes ? undefined : Introduction.addressAt(datagram, introductionAt(datagram))

/** What a master says to everybody: an announcement with its ephemeral key, or a bye. */
interface ToAll {
  readonly message: Message
  readonly ephemeral: Uint8Array
}

/** Reads it, its tag being right; undefined: its signature is wrong, or it is no such message. */
export const openToAll = (master: Verifier, datagram: Uint8Array): ToAll | undefined => {
  const signatureAt = datagram.length - Primitives.tagBytes - Primitives.signatureBytes
  const addedAt = signatureAt - addedOf(Header.typeOf(datagram, 0))
  if (addedAt < Layout.leastBytes || !isSigned(master, datagram, signatureAt)) return undefined
  const message = Layout.readBack(datagram, datagram.length - Primitives.tagBytes - addedAt)
  if (message?._tag !== "Announce" && message?._tag !== "Bye") return undefined
  return { message, ephemeral: Introduction.ephemeralAt(datagram, addedAt) }
}
