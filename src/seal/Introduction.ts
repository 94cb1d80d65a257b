/**
 * What each end says of itself in the clear when it begins a conversation, 80 bytes of an
 * announcement or a join:
 *
 * ```
 *  0 32  its ephemeral key
 * 32 48  its address as text, then zeros
 * ```
 *
 * What authenticates the datagram covers the address as well, so that nobody can say it from
 * elsewhere. [K-7]
 */

import * as Addresses from "../protocol/Address.ts"
import { secretBytes } from "./Primitives.ts"

/** Room for the text of an address, of version 6 and with its port. */
const addressBytes = 48

/** Bytes of all of it. */
export const bytes = secretBytes + addressBytes

/** Introduces an end with that ephemeral key and that address. */
export const make = (ephemeral: Uint8Array, address: Addresses.Address): Uint8Array => {
  const introduction = new Uint8Array(bytes)
  introduction.set(ephemeral)
  introduction.set(Buffer.from(address, "latin1").subarray(0, addressBytes), secretBytes)
  return introduction
}

/** The ephemeral key of the introduction at `at`. */
export const ephemeralAt = (datagram: Uint8Array, at: number): Uint8Array => datagram.slice(at, at + secretBytes)

/** The address that it states, which is shown to people; undefined: it states none. */
export const addressAt = (datagram: Uint8Array, at: number): Addresses.Address | undefined => {
  const text = Buffer.from(datagram.subarray(at + secretBytes, at + bytes))
    .toString("latin1")
    .replace(/\0+$/, "")
  return Addresses.parse(text) === undefined ? undefined : text
}
