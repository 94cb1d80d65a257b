/** No seal: every message in the open, with a checksum. [W-7] */

import * as Result from "effect/Result"
import * as Codec from "../wire/Codec.ts"
import * as Header from "../wire/Header.ts"
import type { Message } from "../wire/Message.ts"
import { Hints } from "./Hints.ts"
import type * as Seal from "./Seal.ts"

const openAt = (bytes: Uint8Array, at: number): Message | undefined => Result.getOrUndefined(Codec.decode(bytes, at))

/** A master's end. */
export const master = (surroundings: Seal.Surroundings): Seal.MasterSeal => ({
  seal: (message) => [Codec.encode(message)],
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
  return {
    seal: (message) => Codec.encode(message),
    unanswered: () => [],
    secretOf: () => undefined,
    open: (bytes, at, from) => {
      if (Header.isSealed(bytes, at) && Header.typeOf(bytes, at) === Header.types.Announce) {
        surroundings.onRefused(from, "Sealed")
        hints.give(from, () => openHint(Header.sessionAt(bytes, at)))
      }
      return openAt(bytes, at)
    }
  }
}

/** A datagram that says nothing but that a catcher is here which has no key. */
const openHint = (session: bigint): Uint8Array =>
  Codec.encode({ _tag: "Decline", session, incarnation: 0, silentMillis: 0, master: "" })
