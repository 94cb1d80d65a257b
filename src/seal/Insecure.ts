/** No seal: every message in the open, with a checksum. [W-7] */

import * as Result from "effect/Result"
import type { Address } from "../protocol/Address.ts"
import * as Codec from "../wire/Codec.ts"
import * as Header from "../wire/Header.ts"
import type { Message } from "../wire/Message.ts"
import { Hints } from "./Hints.ts"
import type * as Seal from "./Seal.ts"

const openAt = (bytes: Uint8Array, at: number): Message | undefined => Result.getOrUndefined(Codec.decode(bytes, at))

/** A master's end. */
export const master = (surroundings: Seal.Surroundings): Seal.MasterSeal => ({
  seal: (message) => [Codec.encode(message)],
  onOtherVersion: (from) => surroundings.onRefused(from, "OtherVersion"),
  open: (bytes, at, from) => {
    const type = Header.typeOf(bytes, at)
    if (Header.isSealed(bytes, at) && (type === Header.handshakeTypes.Hail || type === Header.types.Join)) {
      surroundings.onRefused(from, "Sealed")
    }
    return openAt(bytes, at)
  }
})

/** A catcher's end. */
export const catcher = (surroundings: Seal.Surroundings): Seal.CatcherSeal => {
  const hints = new Hints(surroundings)
  const refuse = (from: Address, session: bigint, why: Seal.Refusal): void => {
    surroundings.onRefused(from, why)
    hints.give(from, () => openHint(session))
  }
  return {
    seal: (message) => Codec.encode(message),
    unanswered: () => [],
    isAlive: () => true,
    onOtherVersion: (from, session) => refuse(from, session, "OtherVersion"),
    secretOf: () => undefined,
    open: (bytes, at, from) => {
      if (Header.isSealed(bytes, at) && Header.typeOf(bytes, at) === Header.types.Announce) {
        refuse(from, Header.sessionAt(bytes, at), "Sealed")
      }
      return openAt(bytes, at)
    }
  }
}

/** A datagram that says nothing but that a catcher is here which has no key. */
const openHint = (session: bigint): Uint8Array =>
  Codec.encode({ _tag: "Decline", session, incarnation: 0, silentMillis: 0, master: "" })
