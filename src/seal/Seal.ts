/**
 * What is done with every datagram that is no page, on its way out and in: the two ends of a
 * session's seal, as its exchange uses them. `Insecure` does nothing but the codec's work.
 */

import type { Address } from "../protocol/Address.ts"
import type { FromCatcher, FromMaster, Message } from "../wire/Message.ts"

/** Why a datagram of ours is refused, as a person is told it. */
export type Refusal = "Insecure" | "Sealed" | "OtherKey" | "OtherVersion" | "OtherAddress" | "NoAnswer"

/** What a seal needs of its surroundings. */
export interface Surroundings {
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number
  /** The group's address and port. */
  readonly group: Address
  /** This end's own address. */
  readonly local: () => Address
  /** Sends a datagram of the seal's own to an address; where the system sends nothing there, it is lost. */
  readonly tell: (to: Address, datagram: Uint8Array) => void
  /** Soon sends datagrams of the seal's own to the group, which are made then. */
  readonly tellGroup: (make: () => ReadonlyArray<Uint8Array>) => void
  /**
   * A datagram of ours was refused; of one from another address than it states, that one as well.
   * Anybody can send such a datagram: tell of it, and do nothing more.
   */
  readonly onRefused: (from: Address, why: Refusal, stated?: Address) => void
}

/** A master's end. */
export interface MasterSeal {
  /** The datagrams that say it. */
  readonly seal: (message: FromMaster) => ReadonlyArray<Uint8Array>
  /** A datagram of another version of the protocol has come from there. */
  readonly onOtherVersion: (from: Address) => void
  /** The message of the datagram at `at`; undefined: there is none to heed. */
  readonly open: (bytes: Uint8Array, at: number, from: Address) => Message | undefined
}

/** A catcher's end. */
export interface CatcherSeal {
  /** The addresses of masters with our key that call, and have never answered. */
  readonly unanswered: () => ReadonlyArray<Address>
  /** Is what is heard of that session now a sign that its master lives? */
  readonly isAlive: (session: bigint) => boolean
  /** The secret of a session that has taken us in under a seal. */
  readonly secretOf: (session: bigint) => Uint8Array | undefined
  /** The datagram that says it; undefined: the master of its session is not known. */
  readonly seal: (message: FromCatcher) => Uint8Array | undefined
  /** A datagram of another version of the protocol has come from there, of that session. */
  readonly onOtherVersion: (from: Address, session: bigint) => void
  /** The message of the datagram at `at`; undefined: there is none to heed. */
  readonly open: (bytes: Uint8Array, at: number, from: Address) => Message | undefined
}
