/**
 * A catcher's end of the seal. It believes what the master has signed, of a session whose master has
 * answered a hail; it answers under the keys that the two share, which its join begins.
 */

import * as Redacted from "effect/Redacted"
import type { Address } from "../protocol/Address.ts"
import * as Limits from "../protocol/Limits.ts"
import * as Header from "../wire/Header.ts"
import type { FromCatcher, Message } from "../wire/Message.ts"
import { bodyAt, type Box, numberOf, putNumber } from "./Box.ts"
import { Hails, type Held } from "./Hails.ts"
import { Hints } from "./Hints.ts"
import type { CatcherKeys } from "./Keys.ts"
import * as Introduction from "./Introduction.ts"
import * as Layout from "./Layout.ts"
import * as Pair from "./Pair.ts"
import * as Primitives from "./Primitives.ts"
import { Replay } from "./Replay.ts"
import type * as Seal from "./Seal.ts"
import * as Signed from "./Signed.ts"
import * as Welcomes from "./Welcomes.ts"

/** A catcher's seal, for whatever sessions it joins. */
export const make = (keys: CatcherKeys, surroundings: Seal.Surroundings): Seal.CatcherSeal =>
  new CatcherSeal(keys, surroundings)

/** A session whose master is known. */
interface Session {
  readonly pair: Pair.Pair
  /** From where its master has proved that it lives: what comes from elsewhere is not the master's. */
  address: Address
  /** Our own ephemeral key in it. */
  readonly catcher: Uint8Array
  readonly incarnations: Set<number>
  /** What was taken of the master's datagrams, and of its polls, which carry no signature. */
  readonly heard: Replay
  readonly polls: Set<string>
  /** Datagrams that we have sealed. */
  numbered: number
  /** When it was known last that its master lives. */
  heardMillis: number
  /** Once we were taken in. */
  secret: Uint8Array | undefined
  group: Box | undefined
}

class CatcherSeal implements Seal.CatcherSeal {
  private readonly master: Signed.Verifier
  private readonly joinSecret: Uint8Array
  private readonly guestKey: Primitives.MacKey
  private readonly hails: Hails
  private readonly hints: Hints
  /** The one that came first is first. */
  private readonly sessions = new Map<bigint, Session>()
  private readonly surroundings: Seal.Surroundings

  constructor(keys: CatcherKeys, surroundings: Seal.Surroundings) {
    this.surroundings = surroundings
    this.master = Signed.verifierOf(keys.publicKey, surroundings.group, surroundings.now)
    this.joinSecret = Redacted.value(keys.joinSecret)
    this.guestKey = Pair.guestKey(this.joinSecret, surroundings.group)
    this.hails = new Hails(this.master, this.guestKey, surroundings)
    this.hints = new Hints(surroundings)
  }

  unanswered() {
    return this.hails.unanswered()
  }

  isAlive(id: bigint): boolean {
    const session = this.sessions.get(id)
    return session !== undefined && this.isHeard(session)
  }

  secretOf(id: bigint): Uint8Array | undefined {
    return this.sessions.get(id)?.secret
  }

  seal(message: FromCatcher): Uint8Array | undefined {
    if (message._tag === "Decline") {
      const { datagram, end } = Layout.layOut(message, 0)
      Primitives.putTag(this.guestKey, datagram, end)
      return datagram
    }
    const session = this.sessions.get(message.session)
    if (session === undefined) return undefined
    if (message._tag === "Join") {
      session.incarnations.add(message.incarnation)
      const introduction = Introduction.make(session.catcher, this.surroundings.local())
      return Welcomes.sealJoin(message, session.numbered++, introduction, session.pair, this.guestKey)
    }
    const { datagram, end } = Layout.layOut(message, 0)
    putNumber(datagram, message.slot, session.numbered++)
    session.pair.answers.seal(datagram, bodyAt, end)
    return datagram
  }

  open(bytes: Uint8Array, at: number, from: Address): Message | undefined {
    const type = Header.typeOf(bytes, at)
    if (!Header.isSealed(bytes, at)) {
      if (type !== Header.types.Announce) return undefined
      return this.refuse(from, Header.sessionAt(bytes, at), "Insecure")
    }
    const datagram = Layout.copyAt(bytes, at)
    if (datagram.length < Layout.leastBytes + Primitives.tagBytes) return undefined
    switch (type) {
      case Header.types.Announce:
        return this.openAnnounce(datagram, from)
      case Header.handshakeTypes.HailOk:
        return this.isTagged(datagram) ? this.openAnswer(datagram, from) : undefined
      case Header.types.Welcome:
        return this.openWelcome(datagram, from)
      case Header.types.Bye:
        return this.openBye(datagram, from)
      default:
        return this.openGroup(datagram, from)
    }
  }

  onOtherVersion(from: Address, session: bigint): void {
    this.refuse(from, session, "OtherVersion")
  }

  private refuse(from: Address, session: bigint, why: Seal.Refusal, stated?: Address): undefined {
    this.surroundings.onRefused(from, why, stated)
    this.hints.give(from, () => this.hails.hint(session, why))
  }

  /** Has its sender the join secret? */
  private isTagged(datagram: Uint8Array): boolean {
    return Primitives.agrees(this.guestKey, datagram, datagram.length - Primitives.tagBytes)
  }

  // A word that comes so long after the last may have been recorded while we did not hear it. [K-12]
  private isHeard({ heardMillis }: Session): boolean {
    return this.surroundings.now() - heardMillis <= Limits.forgetMillis
  }

  /** Its master has said it, and nobody else. */
  private take(session: Session, datagram: Uint8Array): void {
    const number = numberOf(datagram)
    // what was said before may have been recorded then, and never heard here
    if (session.heard.isLatest(number) && this.isHeard(session)) session.heardMillis = this.surroundings.now()
    session.heard.take(number)
  }

  private openAnnounce(datagram: Uint8Array, from: Address): Message | undefined {
    const id = Header.sessionAt(datagram, 0)
    const session = this.sessions.get(id)
    const isOurs = session?.group !== undefined && session.address === from && this.isHeard(session)
    const master = { address: from, session: id }
    // it says what holds now: an earlier one is of no use, and may be a recording
    if (session?.heard.isLatest(numberOf(datagram)) === false) return undefined
    if (!isOurs && !this.hails.isHeeded(master)) return undefined
    if (!this.isTagged(datagram)) return this.refuse(from, id, "OtherKey")
    const stated = Signed.statedBy(datagram)
    if (stated === undefined) return undefined
    if (stated !== from) return this.refuse(from, id, "OtherAddress", stated)
    if (!isOurs && !this.hails.mayLookAt(master)) return undefined
    const opened = Signed.openToAll(this.master, datagram)
    if (opened === undefined) return undefined
    if (session !== undefined) this.take(session, datagram)
    if (isOurs) return opened.message
    if (this.hails.believes(master, opened)) return this.meets(opened, from)
    if (this.hails.isHailedInVain(master)) this.surroundings.onRefused(from, "NoAnswer")
    return undefined
  }

  // Keys are kept of masters that live: recordings take no place.
  private openAnswer(datagram: Uint8Array, from: Address): Message | undefined {
    const held = this.hails.onAnswer(datagram, from)
    return held === undefined ? undefined : this.meets(held, from)
  }

  private meets({ ephemeral, message }: Held, address: Address): Message | undefined {
    const known = this.sessions.get(message.session) ?? this.meet(message.session, ephemeral, address)
    if (known === undefined) return undefined
    known.address = address
    known.heardMillis = this.surroundings.now()
    return message
  }

  /** The keys that we would share with a master that announces itself so. */
  private meet(id: bigint, master: Uint8Array, address: Address): Session | undefined {
    const own = Primitives.ephemeral()
    const { group } = this.surroundings
    const handshake = { group, session: id, master, catcher: own.publicKey }
    const pair = Pair.make(own, master, this.joinSecret, handshake)
    if (pair === undefined) return undefined
    if (this.sessions.size >= Limits.sealedSessions) this.forgetOne()
    const session: Session = {
      ...{
        pair,
        address,
        catcher: own.publicKey,
        incarnations: new Set<number>(),
        heard: new Replay(),
        polls: new Set<string>()
      },
      ...{ numbered: 0, heardMillis: this.surroundings.now(), secret: undefined, group: undefined }
    }
    this.sessions.set(id, session)
    return session
  }

  // One that we did not ask to join, which may be a recording; or that did not take us in; or the oldest.
  private forgetOne(): void {
    const sessions = [...this.sessions]
    const unasked = sessions.find(([, { incarnations }]) => incarnations.size === 0)
    const [id] = unasked ?? sessions.find(([, { group }]) => group === undefined) ?? sessions[0]
    this.sessions.delete(id)
  }

  // A number is not spent on what somebody sends again from elsewhere.
  private sessionOf(datagram: Uint8Array, from: Address): Session | undefined {
    const session = this.sessions.get(Header.sessionAt(datagram, 0))
    return session?.address === from ? session : undefined
  }

  private openWelcome(datagram: Uint8Array, from: Address): Message | undefined {
    const id = Header.sessionAt(datagram, 0)
    const session = this.sessionOf(datagram, from)
    if (session === undefined || !session.heard.isNew(numberOf(datagram)) || !this.isTagged(datagram)) return undefined
    const isOurs = (incarnation: number) => session.incarnations.has(incarnation)
    const taken = Welcomes.open(datagram, isOurs, session.pair.welcomes)
    if (taken.length === 0) return undefined
    // an entry of ours is the master's word as much as a signature is
    this.take(session, datagram)
    const { secret } = taken.find(({ secret }) => secret !== undefined) ?? {}
    if (secret !== undefined && session.group === undefined) {
      session.secret = secret
      session.group = Pair.groupBox(secret, id)
    }
    return { _tag: "Welcome", session: id, guests: taken.map(({ guest }) => guest) }
  }

  private openBye(datagram: Uint8Array, from: Address): Message | undefined {
    const session = this.sessionOf(datagram, from)
    if (session === undefined || !session.heard.isNew(numberOf(datagram)) || !this.isTagged(datagram)) return undefined
    const message = Signed.openToAll(this.master, datagram)?.message
    if (message !== undefined) this.take(session, datagram)
    return message
  }

  private openGroup(datagram: Uint8Array, from: Address): Message | undefined {
    const session = this.sessionOf(datagram, from)
    if (session?.group === undefined) return undefined
    const signatureBytes = Signed.bytesOf(Header.typeOf(datagram, 0))
    const isPoll = signatureBytes === 0
    const number = numberOf(datagram)
    const end = datagram.length - Primitives.tagBytes
    if (isPoll ? !isNewPoll(session, datagram) : !session.heard.isNew(number)) return undefined
    if (!session.group.isSealed(datagram, end)) return undefined
    session.group.open(datagram, bodyAt, end)
    if (!isPoll && !Signed.isSigned(this.master, datagram, end - signatureBytes)) return undefined
    if (isPoll) takePoll(session, datagram)
    else this.take(session, datagram)
    return Layout.readBack(datagram, signatureBytes)
  }
}

// A poll that a hostile catcher forges must not stand in the way of the true one of its number, so that
// polls are told apart by their tags as well. [K-5]
const pollKey = (datagram: Uint8Array): string =>
  Buffer.from(datagram.subarray(datagram.length - Primitives.tagBytes)).toString("latin1")

const isNewPoll = ({ heard, polls }: Session, datagram: Uint8Array): boolean =>
  heard.distanceOf(numberOf(datagram)) <= Limits.pollsRemembered && !polls.has(pollKey(datagram))

const takePoll = ({ polls }: Session, datagram: Uint8Array): void => {
  const [oldest] = polls
  if (polls.size >= Limits.pollsRemembered && oldest !== undefined) polls.delete(oldest)
  polls.add(pollKey(datagram))
}
