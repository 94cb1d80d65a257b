/**
 * A master's end of the seal. What it says to everybody (Announce, Bye) is in the clear, what it
 * says to its group is enciphered, and it signs all but polls: its catchers have the group's key,
 * and none of them may speak for it. A welcome gives each guest the secret of the session under the
 * keys that the two share.
 */

import * as Redacted from "effect/Redacted"
import type { Address } from "../protocol/Address.ts"
import { Bucket } from "../protocol/Bucket.ts"
import * as Limits from "../protocol/Limits.ts"
import * as Header from "../wire/Header.ts"
import type { FromMaster, Join, Message, Welcome } from "../wire/Message.ts"
import { bodyAt, type Box, numberOf, putNumber, slotOf } from "./Box.ts"
import { anySession, HailAnswers, Hails, hinted } from "./Hails.ts"
import type { MasterKeys } from "./Keys.ts"
import * as Introduction from "./Introduction.ts"
import * as Layout from "./Layout.ts"
import * as Pair from "./Pair.ts"
import * as Primitives from "./Primitives.ts"
import type * as Seal from "./Seal.ts"
import * as Signed from "./Signed.ts"
import * as Welcomes from "./Welcomes.ts"

/** A master's seal for the session with that id and that secret. */
export const make = (
  keys: MasterKeys,
  session: bigint,
  secret: Uint8Array,
  surroundings: Seal.Surroundings
): Seal.MasterSeal => new MasterSeal(keys, session, secret, surroundings)

interface Guest extends Pair.Pair {
  /** The incarnations that it has joined as. */
  readonly incarnations: Set<number>
  /** That of its latest join: what comes from elsewhere is not its own. */
  address: Address
}

class MasterSeal implements Seal.MasterSeal {
  private numbered = 0
  private readonly signer: Signed.Signer
  private readonly verifier: Signed.Verifier
  private readonly joinSecret: Uint8Array
  private readonly guestKey: Primitives.MacKey
  private readonly group: Box
  private readonly ephemeral = Primitives.ephemeral()
  private readonly hails: Hails
  private readonly hailAnswers: HailAnswers
  /** [K-9] */
  private readonly handshakes = new Bucket(Limits.handshakes, Limits.handshakesPerSecond)
  /** By the catcher's ephemeral key, the oldest first. */
  private readonly guests = new Map<string, Guest>()
  private readonly byIncarnation = new Map<number, Guest>()
  private readonly bySlot = new Map<number, Guest>()
  private readonly session: bigint
  private readonly secret: Uint8Array
  private readonly surroundings: Seal.Surroundings

  constructor(keys: MasterKeys, session: bigint, secret: Uint8Array, surroundings: Seal.Surroundings) {
    this.session = session
    this.secret = secret
    this.surroundings = surroundings
    this.signer = { identity: keys.identity, group: surroundings.group }
    this.verifier = Signed.verifierOf(keys.publicKey, surroundings.group, surroundings.now)
    this.joinSecret = Redacted.value(keys.joinSecret)
    this.guestKey = Pair.guestKey(this.joinSecret, surroundings.group)
    this.group = Pair.groupBox(secret, session)
    this.hails = new Hails(this.verifier, this.guestKey, surroundings)
    this.hailAnswers = new HailAnswers(session, this.signer, this.guestKey)
  }

  seal(message: FromMaster): ReadonlyArray<Uint8Array> {
    switch (message._tag) {
      case "Announce":
        return [this.toAll(message, Introduction.make(this.ephemeral.publicKey, this.surroundings.local()))]
      case "Bye":
        return [this.toAll(message, none)]
      case "Welcome":
        return this.welcome(message)
      default:
        return [this.toGroup(message)]
    }
  }

  private numberTo(datagram: Uint8Array): void {
    putNumber(datagram, 0, this.numbered++)
  }

  private toAll(message: FromMaster, added: Uint8Array): Uint8Array {
    const { datagram, end } = Layout.layOut(message, added.length + Primitives.signatureBytes)
    this.numberTo(datagram)
    datagram.set(added, end)
    const signatureAt = end + added.length
    Signed.putSignature(this.signer, datagram, signatureAt)
    Primitives.putTag(this.guestKey, datagram, signatureAt + Primitives.signatureBytes)
    return datagram
  }

  private toGroup(message: FromMaster): Uint8Array {
    const signatureBytes = Signed.bytesOf(Header.types[message._tag])
    const { datagram, end } = Layout.layOut(message, signatureBytes)
    this.numberTo(datagram)
    if (signatureBytes > 0) Signed.putSignature(this.signer, datagram, end)
    this.group.seal(datagram, bodyAt, end + signatureBytes)
    return datagram
  }

  private welcome({ guests }: Welcome): ReadonlyArray<Uint8Array> {
    const known = guests.flatMap((guest) => {
      const pair = this.byIncarnation.get(guest.incarnation)
      if (pair !== undefined && "slot" in guest) this.bySlot.set(guest.slot, pair)
      return pair === undefined ? [] : [{ guest, box: pair.welcomes }]
    })
    const datagrams: Array<Uint8Array> = []
    for (let at = 0; at < known.length; at += Welcomes.mostGuests) {
      const part = known.slice(at, at + Welcomes.mostGuests)
      const datagram = Welcomes.layOut(this.session, part.length)
      this.numberTo(datagram)
      part.forEach(({ box, guest }, i) => Welcomes.put(datagram, i, guest, this.secret, box))
      Primitives.putTag(this.guestKey, datagram, datagram.length - Primitives.tagBytes)
      datagrams.push(datagram)
    }
    return datagrams
  }

  open(bytes: Uint8Array, at: number, from: Address): Message | undefined {
    if (!Header.isSealed(bytes, at)) {
      if (!Header.isPageType(Header.typeOf(bytes, at))) this.surroundings.onRefused(from, "Insecure")
      return undefined
    }
    const datagram = Layout.copyAt(bytes, at)
    if (datagram.length < bodyAt + Primitives.tagBytes) return undefined
    return this.isForEverybody(Header.typeOf(datagram, 0))
      ? this.openGuest(datagram, from)
      : this.openAnswer(datagram, from)
  }

  private isForEverybody(type: number): boolean {
    const { Announce, Bye, Decline, Join } = Header.types
    const { Hail, HailOk } = Header.handshakeTypes
    return [Announce, Bye, Decline, Hail, HailOk, Join].some((one) => one === type)
  }

  onOtherVersion(from: Address): void {
    this.surroundings.onRefused(from, "OtherVersion")
  }

  /** What shows that its sender has the join secret. */
  private openGuest(datagram: Uint8Array, from: Address): Message | undefined {
    const { onRefused, tellGroup } = this.surroundings
    if (!Primitives.agrees(this.guestKey, datagram, datagram.length - Primitives.tagBytes)) {
      onRefused(from, hinted(datagram))
      return undefined
    }
    switch (Header.typeOf(datagram, 0)) {
      case Header.types.Join:
        return this.openJoin(datagram, from)
      case Header.handshakeTypes.Hail: {
        if (!this.hailAnswers.isNew(datagram)) return undefined
        this.hailAnswers.take(datagram)
        tellGroup(() => this.hailAnswers.answers())
        return undefined
      }
      case Header.handshakeTypes.HailOk:
        // our own answers come back to us: we are no other master
        if (Header.sessionAt(datagram, 0) === this.session) return undefined
        return this.hails.onAnswer(datagram, from)?.message
      case Header.types.Decline:
        return this.openDecline(datagram)
      default:
        return this.openOther(datagram, from)
    }
  }

  // Another master of ours: believed once it has answered a hail.
  private openOther(datagram: Uint8Array, from: Address): Message | undefined {
    const master = { address: from, session: Header.sessionAt(datagram, 0) }
    if (master.session === this.session || !this.hails.isHeeded(master)) return undefined
    if (Header.typeOf(datagram, 0) === Header.types.Announce && Signed.statedBy(datagram) !== from) return undefined
    if (!this.hails.mayLookAt(master)) return undefined
    const message = Signed.openToAll(this.verifier, datagram)?.message
    if (message === undefined || (message._tag === "Bye" && !this.hails.isProven(master))) return undefined
    return this.hails.believes(master, { message, ephemeral: none }) ? message : undefined
  }

  // It says that another master has the group, which has to show that itself.
  private openDecline(datagram: Uint8Array): Message | undefined {
    const message = Layout.readBack(datagram, 0)
    if (message?._tag !== "Decline" || message.session !== this.session) return undefined
    const master = { address: message.master, session: anySession }
    if (!this.hails.mayLookAt(master)) return undefined
    return this.hails.believes(master, { message, ephemeral: none }) ? message : undefined
  }

  private openJoin(datagram: Uint8Array, from: Address): Message | undefined {
    if (Header.sessionAt(datagram, 0) !== this.session) return undefined
    const stated = Welcomes.statedBy(datagram)
    if (stated === undefined) return undefined
    if (stated !== from) {
      this.surroundings.onRefused(from, "OtherAddress", stated)
      return undefined
    }
    const guest = this.guestOf(Welcomes.ephemeralOf(datagram), from)
    if (guest === undefined) return undefined
    const isLatest = guest.heard.isLatest(numberOf(datagram))
    const message = Welcomes.openJoin(datagram, guest)
    if (message?._tag !== "Join" || !this.binds(message, guest)) return undefined
    if (isLatest) guest.address = from
    return message
  }

  /** An incarnation is of the catcher that came with it first. [K-8] */
  private binds({ incarnation }: Join, guest: Guest): boolean {
    const bound = this.byIncarnation.get(incarnation)
    if (bound !== undefined) return bound === guest
    if (guest.incarnations.size >= Limits.incarnations) return false
    // the first was paid for with its handshake
    if (guest.incarnations.size > 0 && !this.handshakes.takes(this.surroundings.now())) return false
    guest.incarnations.add(incarnation)
    this.byIncarnation.set(incarnation, guest)
    return true
  }

  private guestOf(catcher: Uint8Array, address: Address): Guest | undefined {
    const key = Buffer.from(catcher).toString("latin1")
    const known = this.guests.get(key)
    if (known !== undefined) return known
    if (!this.handshakes.takes(this.surroundings.now())) return undefined
    const { ephemeral, joinSecret, session } = this
    const { group } = this.surroundings
    const pair = Pair.make(ephemeral, catcher, joinSecret, { group, session, master: ephemeral.publicKey, catcher })
    if (pair === undefined) return undefined
    if (this.guests.size >= Limits.pairs) this.forgetOldest()
    const guest = { ...pair, address, incarnations: new Set<number>() }
    this.guests.set(key, guest)
    return guest
  }

  // Of the handshakes that led to no slot.
  private forgetOldest(): void {
    const seated = new Set(this.bySlot.values())
    for (const [key, guest] of this.guests) {
      if (seated.has(guest)) continue
      this.guests.delete(key)
      for (const incarnation of guest.incarnations) this.byIncarnation.delete(incarnation)
      return
    }
  }

  private openAnswer(datagram: Uint8Array, from: Address): Message | undefined {
    const guest = this.bySlot.get(slotOf(datagram))
    const end = datagram.length - Primitives.tagBytes
    const number = numberOf(datagram)
    // a number is not spent on what somebody sends again from elsewhere
    if (guest?.address !== from || !guest.heard.isNew(number) || !guest.answers.isSealed(datagram, end))
      return undefined
    guest.heard.take(number)
    guest.answers.open(datagram, bodyAt, end)
    const message = Layout.readBack(datagram, 0)
    if (message === undefined || !("slot" in message) || message.session !== this.session) return undefined
    const isOwn = message.slot === slotOf(datagram) && this.byIncarnation.get(message.incarnation) === guest
    return isOwn ? message : undefined
  }
}

const none = new Uint8Array(0)
