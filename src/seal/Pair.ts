/**
 * The keys that a master and one catcher share: from both ephemeral keys, so that each end brings
 * something fresh, from the join secret, and bound to version, group, session and roles. [K-2]
 */

import type { Address } from "../protocol/Address.ts"
import * as Header from "../wire/Header.ts"
import { Box, boxBytes } from "./Box.ts"
import * as Primitives from "./Primitives.ts"
import { Replay } from "./Replay.ts"

export interface Pair {
  /** What the catcher says to the master. */
  readonly answers: Box
  /** What the master says to this catcher alone. */
  readonly welcomes: Box
  /** The answers that the master has taken. */
  readonly heard: Replay
}

/** The public parts of a handshake. */
interface Handshake {
  readonly group: Address
  readonly session: bigint
  readonly master: Uint8Array
  readonly catcher: Uint8Array
}

/** The pair of one's own ephemeral key and the other end's; undefined: that is no key. */
export const make = (
  own: Primitives.Ephemeral,
  theirs: Uint8Array,
  joinSecret: Uint8Array,
  { catcher, group, master, session }: Handshake
): Pair | undefined => {
  const agreed = Primitives.agree(own, theirs)
  if (agreed === undefined) return undefined
  const info = Buffer.concat([Buffer.from(`mrsync ${Header.version} pair ${group} ${session} `), master, catcher])
  const material = Primitives.derive(agreed, joinSecret, info, 2 * boxBytes)
  return {
    answers: new Box(material.subarray(0, boxBytes)),
    welcomes: new Box(material.subarray(boxBytes)),
    heard: new Replay()
  }
}

/**
 * The key with which anybody shows that it has the join secret. It names the group: what was recorded
 * on another one costs no signature here. [K-13]
 */
export const guestKey = (joinSecret: Uint8Array, group: Address): Primitives.MacKey =>
  Primitives.macKey(
    Primitives.derive(joinSecret, new Uint8Array(0), `mrsync ${Header.version} guests ${group}`, Primitives.secretBytes)
  )

/** The box of everything that a master says to its group. */
export const groupBox = (secret: Uint8Array, session: bigint): Box =>
  new Box(Primitives.derive(secret, new Uint8Array(0), `mrsync ${Header.version} group ${session}`, boxBytes))
