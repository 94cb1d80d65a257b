/**
 * Which masters live. An announcement may have been recorded, in this session or an earlier one, so
 * that it is believed only of a master that has just answered a hail: a nonce which it has to sign.
 * What a master said before its answer is kept until then. [K-6]
 */

import type { Address } from "../protocol/Address.ts"
import { Bucket } from "../protocol/Bucket.ts"
import * as Limits from "../protocol/Limits.ts"
import * as Header from "../wire/Header.ts"
import type { Message } from "../wire/Message.ts"
import { bodyAt } from "./Box.ts"
import * as Layout from "./Layout.ts"
import * as Primitives from "./Primitives.ts"
import type * as Seal from "./Seal.ts"
import * as Signed from "./Signed.ts"

/** Bytes of a nonce. */
const nonceBytes = 16

/** The first byte of a hint that the master is heard from another address than it states. */
const otherAddress = 1

/** Why its sender cannot join: of a hail whose tag is wrong. [K-11] */
export const hinted = (datagram: Uint8Array): Seal.Refusal =>
  Header.typeOf(datagram, 0) === Header.handshakeTypes.Hail && datagram[bodyAt] === otherAddress
    ? "OtherAddress"
    : "OtherKey"

/** Any session: of that of another master nothing may be known but its address. */
export const anySession = 0n

/** A master that is hailed: the session that it announced, or `anySession`. */
interface Hailed {
  readonly address: Address
  readonly session: bigint
}

/** A hail that may still be answered. */
interface Asked {
  readonly nonce: Uint8Array
  readonly sinceMillis: number
}

interface Known extends Hailed {
  /** The latest is last. */
  readonly asked: ReadonlyArray<Asked>
  readonly hailedMillis: number
  /** Hails since the last answer, and since when. */
  readonly inVain: number
  readonly inVainSinceMillis: number
  readonly provenMillis: number | undefined
  /** Heard of it since it was hailed. */
  readonly held: Held | undefined
}

/** What a master said, and the ephemeral key that it announced. */
export interface Held {
  readonly message: Message
  readonly ephemeral: Uint8Array
}

/** The hails of one end, and their answers. */
export class Hails {
  private readonly known = new Map<string, Known>()
  /** [K-14] */
  private readonly unproven = new Bucket(Limits.unproven, Limits.unprovenPerSecond)
  private readonly master: Signed.Verifier
  private readonly macKey: Primitives.MacKey
  private readonly surroundings: Pick<Seal.Surroundings, "now" | "tell">

  constructor(
    master: Signed.Verifier,
    macKey: Primitives.MacKey,
    surroundings: Pick<Seal.Surroundings, "now" | "tell">
  ) {
    this.master = master
    this.macKey = macKey
    this.surroundings = surroundings
  }

  /** Has that master lately proved that it lives? */
  isProven(master: Hailed): boolean {
    const { provenMillis } = this.known.get(keyOf(master)) ?? {}
    return provenMillis !== undefined && this.surroundings.now() - provenMillis < Limits.forgetMillis
  }

  /** Is its word looked at? What was recorded costs no signature, but for a hail now and then. */
  isHeeded(master: Hailed): boolean {
    return this.isProven(master) || this.isDue(master)
  }

  /**
   * May its word, whose tag is right, be looked at now? A stranger may have recorded so many sessions
   * that most of them are forgotten when they come again: then that is none for a moment.
   */
  mayLookAt(master: Hailed): boolean {
    return this.isProven(master) || this.unproven.takes(this.surroundings.now())
  }

  /** Does what it said count now? Otherwise it is kept, and the master hailed, to prove that it lives. */
  believes(master: Hailed, said: Held): boolean {
    if (this.isProven(master)) return true
    if (this.isDue(master)) this.hail(master, said)
    return false
  }

  /** Does it call, and not answer? */
  isHailedInVain(master: Hailed): boolean {
    const { inVain, inVainSinceMillis } = this.known.get(keyOf(master)) ?? { inVain: 0, inVainSinceMillis: 0 }
    return inVain > Limits.joinsAlone && this.surroundings.now() - inVainSinceMillis >= Limits.calledInVainMillis
  }

  // One that gives no answer is left in peace in the end.
  private isDue(master: Hailed): boolean {
    const known = this.known.get(keyOf(master))
    if (known === undefined) return true
    const pauseMillis = known.inVain > Limits.hailsInVain ? Limits.hailPauseMillis : Limits.hailMillis
    return this.surroundings.now() - known.hailedMillis >= pauseMillis
  }

  // In so many copies: most of what is sent there may be lost.
  private hail({ address, session }: Hailed, held: Held): void {
    const key = keyOf({ address, session })
    const nowMillis = this.surroundings.now()
    const { asked = [], inVain = 0, inVainSinceMillis = nowMillis, provenMillis } = this.known.get(key) ?? {}
    if (!this.known.has(key)) this.makeRoom()
    const nonce = Primitives.random(nonceBytes)
    this.known.set(key, {
      ...{ address, session, provenMillis, held, hailedMillis: nowMillis },
      inVain: inVain + 1,
      inVainSinceMillis: inVain === 0 ? nowMillis : inVainSinceMillis,
      asked: [...asked.filter(isAwaited(nowMillis)), { nonce, sinceMillis: nowMillis }]
    })
    const isUnheard = inVain >= Limits.joinsAlone && inVain <= Limits.hailsInVain
    const datagram = this.hailOf(session, nonce)
    for (let copies = isUnheard ? Limits.copies : 1; copies > 0; copies--) this.surroundings.tell(address, datagram)
  }

  /** A hail that asks nothing: it shows the master of a session that somebody with a key is here, and cannot join. */
  hint(session: bigint, why: Seal.Refusal): Uint8Array {
    const nonce = Primitives.random(nonceBytes)
    nonce[0] = why === "OtherAddress" ? otherAddress : 0
    const datagram = this.hailOf(session, nonce)
    // its tag is wrong on purpose: a stranger that makes catchers hail gets no hails that count
    datagram.set(Primitives.random(Primitives.tagBytes), datagram.length - Primitives.tagBytes)
    return datagram
  }

  private hailOf(session: bigint, nonce: Uint8Array): Uint8Array {
    const datagram = Layout.fields(Header.handshakeTypes.Hail, session, nonce)
    Primitives.putTag(this.macKey, datagram, datagram.length - Primitives.tagBytes)
    return datagram
  }

  /** The addresses of masters that call, and have never answered. */
  unanswered(): ReadonlyArray<Address> {
    const silent = [...this.known.values()].filter(({ provenMillis }) => provenMillis === undefined)
    return [...new Set(silent.map(({ address }) => address))]
  }

  /** An answer whose tag is right: what was kept of that master, which counts now. */
  onAnswer(datagram: Uint8Array, from: Address): Held | undefined {
    const nowMillis = this.surroundings.now()
    const signatureAt = datagram.length - Primitives.tagBytes - Primitives.signatureBytes
    const nonces = datagram.subarray(bodyAt, Math.max(bodyAt, signatureAt))
    if (nonces.length === 0 || nonces.length % nonceBytes !== 0 || nonces.length > mostNonces * nonceBytes) {
      return undefined
    }
    const session = Header.sessionAt(datagram, 0)
    const answers = ({ nonce }: Asked) => has(nonces, nonce)
    const known = [session, anySession]
      .map((session) => this.known.get(keyOf({ address: from, session })))
      .find((known) => known?.address === from && known.asked.filter(isAwaited(nowMillis)).some(answers))
    if (known === undefined) return undefined
    const signature = datagram.subarray(signatureAt, signatureAt + Primitives.signatureBytes)
    if (!Signed.verify(this.master, "lives", proofOf(session, nonces), signature)) return undefined
    // an answer is taken once, and none to an earlier hail after it
    const asked = known.asked.slice(known.asked.findLastIndex(answers) + 1)
    this.known.set(keyOf(known), { ...known, asked, provenMillis: nowMillis, inVain: 0, held: undefined })
    return known.held
  }

  // The one that proved itself longest ago, or never, gives way.
  private makeRoom(): void {
    if (this.known.size < Limits.hailedMasters) return
    let oldest: Known | undefined
    for (const known of this.known.values()) {
      if (oldest === undefined || ageOf(known) < ageOf(oldest)) oldest = known
    }
    if (oldest !== undefined) this.known.delete(keyOf(oldest))
  }
}

const isAwaited =
  (nowMillis: number) =>
  ({ sinceMillis }: Asked): boolean =>
    nowMillis - sinceMillis < Limits.hailAnswerMillis

const ageOf = ({ hailedMillis, provenMillis }: Known): number => provenMillis ?? hailedMillis - 1e12

const keyOf = ({ address, session }: Hailed): string => (session === anySession ? address : `session ${session}`)

const has = (nonces: Uint8Array, nonce: Uint8Array): boolean => {
  for (let at = 0; at < nonces.length; at += nonceBytes) {
    if (Buffer.compare(nonces.subarray(at, at + nonceBytes), nonce) === 0) return true
  }
  return false
}

const proofOf = (session: bigint, nonces: Uint8Array): Uint8Array => Buffer.concat([Buffer.from(`${session} `), nonces])

/** Nonces that one answer signs: 1200 bytes at most [W-5]. */
const mostNonces = 64

/** Answers hails: each nonce as often as it may come, and those that come together with one signature. */
export class HailAnswers {
  /** How often each was answered. */
  private readonly answered = new Map<string, number>()
  private readonly waiting = new Map<string, Uint8Array>()
  /** Do those that wait ask for copies? */
  private copies = 1
  private readonly session: bigint
  private readonly signer: Signed.Signer
  private readonly macKey: Primitives.MacKey

  constructor(session: bigint, signer: Signed.Signer, macKey: Primitives.MacKey) {
    this.session = session
    this.signer = signer
    this.macKey = macKey
  }

  /** Is it a hail of ours that was not answered yet? Its tag is right. */
  isNew(datagram: Uint8Array): boolean {
    const session = Header.sessionAt(datagram, 0)
    const isOurs = session === this.session || session === anySession
    const isWhole = datagram.length === bodyAt + nonceBytes + Primitives.tagBytes
    const hasRoom = this.waiting.size < Limits.answeredHails
    return isOurs && isWhole && hasRoom && (this.answered.get(keyOfNonce(datagram)) ?? 0) < Limits.copies
  }

  /** Takes a hail that `isNew`. */
  take(datagram: Uint8Array): void {
    if (this.answered.size >= Limits.answeredHails) this.answered.clear()
    const key = keyOfNonce(datagram)
    const times = (this.answered.get(key) ?? 0) + 1
    this.answered.set(key, times)
    this.waiting.set(key, datagram.slice(bodyAt, bodyAt + nonceBytes))
    this.copies = Math.max(this.copies, times)
  }

  /** The answers to the hails that were taken. */
  answers(): ReadonlyArray<Uint8Array> {
    const out: Array<Uint8Array> = []
    const waiting = [...this.waiting.values()]
    const { copies } = this
    this.waiting.clear()
    this.copies = 1
    while (waiting.length > 0) {
      const nonces = Buffer.concat(waiting.splice(0, mostNonces))
      const signature = Signed.sign(this.signer, "lives", proofOf(this.session, nonces))
      const answer = Layout.fields(Header.handshakeTypes.HailOk, this.session, nonces, signature)
      Primitives.putTag(this.macKey, answer, answer.length - Primitives.tagBytes)
      for (let copy = 0; copy < copies; copy++) out.push(answer)
    }
    return out
  }
}

const keyOfNonce = (datagram: Uint8Array): string =>
  Buffer.from(datagram.subarray(bodyAt, bodyAt + nonceBytes)).toString("latin1")
