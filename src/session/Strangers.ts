/**
 * Others of this protocol that cannot be spoken to: because of a key, a version or an address, or
 * because they do not answer. Anybody can pass for one, so all that comes of it is a line to the
 * user, once for each sender and reason.
 */

import type { Address } from "../protocol/Address.ts"
import * as Limits from "../protocol/Limits.ts"
import { hearsNothing } from "../report/Errors.ts"
import type { Refusal } from "../seal/Seal.ts"

/** A sender, and why it is refused. */
export interface Stranger {
  readonly address: Address
  readonly why: Refusal
  /** Where it says that it is. */
  readonly stated?: Address | undefined
}

/** Those that one end has met. */
export class Strangers {
  private readonly met = new Map<string, Stranger>()
  private readonly told: (stranger: Stranger) => void

  constructor(told: (stranger: Stranger) => void) {
    this.told = told
  }

  meet(address: Address, why: Refusal, stated?: Address): void {
    const key = `${why} ${address}`
    if (this.met.has(key) || this.met.size >= Limits.strangers) return
    const stranger = { address, why, stated }
    this.met.set(key, stranger)
    this.told(stranger)
  }

  all(): ReadonlyArray<Stranger> {
    return [...this.met.values()]
  }
}

/** What a catcher says of a master that it cannot join. */
export const ofMaster = ({ address, stated, why }: Stranger): string => {
  switch (why) {
    case "Insecure":
      return `the master ${address} sends in the open, and this catcher has a key: give that master the key, or this catcher --insecure`
    case "Sealed":
      return `the master ${address} seals its session, and this catcher has no key: give it --key FILE or --phrase WORDS`
    case "OtherKey":
      return `the master ${address} has another key than this catcher: copy its catcher.key here`
    case "OtherVersion":
      return `the master ${address} speaks another version of the protocol`
    case "NoAnswer":
      return `the master ${address} calls, and does not answer: that is a recording of it, or ${hearsNothing(address)}`
    case "OtherAddress":
      return `the master ${stated} is heard from ${address}, which under a seal has to be the same: let no NAT be between, or choose the interface there with --interface`
  }
}

/** What a master says of a catcher that cannot join. */
export const ofCatcher = ({ address, stated, why }: Stranger): string => {
  switch (why) {
    case "Insecure":
      return `a catcher on ${address} has no key, and this session is sealed: give it --key FILE or --phrase WORDS`
    case "Sealed":
      return `a catcher on ${address} has a key, and this session is in the open: give this master the key, or that catcher --insecure`
    case "OtherKey":
      return `a catcher on ${address} has another key than this master: copy this master's catcher.key there`
    case "OtherVersion":
      return `a catcher on ${address} speaks another version of the protocol`
    case "NoAnswer":
      return `a catcher on ${address} calls, and does not answer`
    case "OtherAddress":
      return stated === undefined
        ? `a catcher on ${address} hears this master from another address than its own, which under a seal has to be the same: let no NAT be between, or choose the interface here with --interface`
        : `the catcher ${stated} is heard from ${address}, which under a seal has to be the same: let no NAT be between, or choose the interface there with --interface`
  }
}
