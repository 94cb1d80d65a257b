/** What a master signs, and how it is checked: all that stands in the clear before the signature. [K-4] */

import type * as crypto from "node:crypto"
import type { Address } from "../protocol/Address.ts"
import * as Header from "../wire/Header.ts"
import type { Message } from "../wire/Message.ts"
import * as Layout from "./Layout.ts"
import * as Primitives from "./Primitives.ts"

/** A master's public key; a key file has been checked to hold one. */
export const publicKeyOf = (raw: Uint8Array): Primitives.Verifier => {
  const key = Primitives.publicKeyOf("Ed25519", raw)
  if (key === undefined) throw new Error("no public key of Ed25519")
  return { raw, key }
}

const signed = (datagram: Uint8Array, end: number): Uint8Array =>
  Buffer.concat([Buffer.from(`mrsync ${Header.version} says `), datagram.subarray(0, end)])

/** Signs all before `at`, and puts the signature there. */
export const putSignature = (identity: crypto.KeyObject, datagram: Uint8Array, at: number): void =>
  datagram.set(Primitives.sign(identity, signed(datagram, at)), at)

/** Is the signature at `at` the master's? */
export const isSigned = (publicKey: Primitives.Verifier, datagram: Uint8Array, at: number): boolean =>
  Primitives.verify(publicKey, signed(datagram, at), datagram.subarray(at, at + Primitives.signatureBytes))

/**
 * Bytes of the signature that a message to the group has. A poll has none: they are many, and one that a
 * hostile catcher forges is answered, and changes nothing else.
 */
export const bytesOf = (type: number): number => (type === Header.types.Poll ? 0 : Primitives.signatureBytes)

/** Room for the text of an address, of version 6 and with its port. */
const addressBytes = 48

/**
 * What an announcement adds: its master's ephemeral key, and its address, so that nobody can
 * announce a master from elsewhere.
 */
export const introduction = (ephemeral: Uint8Array, address: Address): Uint8Array => {
  const bytes = new Uint8Array(Primitives.secretBytes + addressBytes)
  bytes.set(ephemeral)
  bytes.set(Buffer.from(address, "latin1").subarray(0, addressBytes), Primitives.secretBytes)
  return bytes
}

const addedOf = (type: number): number => (type === Header.types.Announce ? Primitives.secretBytes + addressBytes : 0)

/** Does an announcement say that it comes from there? What it says may be forged. [K-7] */
export const isFrom = (datagram: Uint8Array, from: Address): boolean => {
  const end = datagram.length - Primitives.tagBytes - Primitives.signatureBytes
  const address = Buffer.from(datagram.subarray(Math.max(0, end - addressBytes), end)).toString("latin1")
  return address.replace(/\0+$/, "") === from
}

/** What a master says to everybody: an announcement with its ephemeral key, or a bye. */
interface ToAll {
  readonly message: Message
  readonly ephemeral: Uint8Array
}

/** Reads it, its tag being right; undefined: its signature is wrong, or it is no such message. */
export const openToAll = (publicKey: Primitives.Verifier, datagram: Uint8Array): ToAll | undefined => {
  const signatureAt = datagram.length - Primitives.tagBytes - Primitives.signatureBytes
  const addedAt = signatureAt - addedOf(Header.typeOf(datagram, 0))
  if (addedAt < Layout.leastBytes || !isSigned(publicKey, datagram, signatureAt)) return undefined
  const message = Layout.readBack(datagram, datagram.length - Primitives.tagBytes - addedAt)
  if (message?._tag !== "Announce" && message?._tag !== "Bye") return undefined
  return { message, ephemeral: datagram.slice(addedAt, addedAt + Primitives.secretBytes) }
}
