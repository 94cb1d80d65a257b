/**
 * What a master says: the bodies of its messages, written and read.
 */

import * as Limits from "../protocol/Limits.ts"
import { type About, nothing, type Reader, type Writer } from "./Fields.ts"
import * as Header from "./Header.ts"
import type { FromMaster, Kind, Open, Refusal } from "./Message.ts"

const kinds: ReadonlyArray<Kind> = ["Manifest", "Single", "Bundle", "Revision", "Selection", "Hashes", "Signatures"]
/** The refusals, as their numbers say. */
export const refusals: ReadonlyArray<Refusal> = ["NotListed", "NameTaken", "Full", "Started", "TooOften", "Returning"]
const noSlot = 0xffff
const eofRoot = 1
const eofCounts = 2

/** Bytes that a message has at least: a probe is as long as the page that it stands for. */
export const bytesOf = (message: FromMaster): number =>
  message._tag === "Probe" && message.pageBytes > 0 ? Limits.headerBytes + message.pageBytes : 0

/** Writes the body. */
export const put = (message: FromMaster, w: Writer): About => {
  switch (message._tag) {
    case "Announce":
      w.u16(message.pageBytes)
      w.u16(message.blockPages)
      w.u32(message.timeoutMillis)
      w.u32(message.uptimeMillis)
      w.u16(message.spreadMillis)
      w.u16(message.joined)
      w.u16(message.wanted)
      return [0, 0]
    case "Welcome":
      w.u16(message.guests.length)
      for (const guest of message.guests) {
        w.u32(guest.incarnation)
        w.u16("slot" in guest ? guest.slot : noSlot)
        w.u8("slot" in guest ? 0 : refusals.indexOf(guest.refusal))
      }
      return [0, 0]
    case "Open":
      w.u8(kinds.indexOf(message.kind))
      w.u64(message.size)
      w.u16(message.pageBytes)
      w.u32(message.members)
      w.u32(message.opening)
      putCheck(w, message)
      w.audience(message.audience)
      return [message.file, 0]
    case "Probe":
      w.u16(message.pageBytes)
      w.u8(message.isGlued ? 1 : 0)
      w.audience(message.audience)
      w.at = Math.max(w.at, bytesOf(message) - w.tailBytes)
      return [message.probing, message.train]
    case "Poll":
      w.audience(message.audience)
      return [0, message.poll]
    case "Eof":
      w.u32(message.first)
      w.u32(message.count)
      w.u8((message.root === undefined ? 0 : eofRoot) | (message.counts ? eofCounts : 0))
      if (message.root !== undefined) w.raw(message.root)
      w.audience(message.audience)
      return [message.file, message.round]
    case "Digests":
      w.u32(message.opening)
      w.u8(message.digests.length / Limits.digestBytes)
      w.raw(message.digests)
      return [message.file, message.first]
    case "Survey":
    case "Itemize":
      w.audience(message.audience)
      return [message.file, message.from]
    case "Close":
      w.audience(message.audience)
      return [message.file, message.from]
    case "Abort":
      w.reason(message.reason)
      w.audience(message.audience)
      return [message.file ?? nothing, 0]
    case "Bye":
      return [0, 0]
  }
}

/** Reads the body; undefined: the type is none of a master's. */
export const take = (type: number, session: bigint, file: number, index: number, r: Reader): FromMaster | undefined => {
  switch (type) {
    case Header.types.Announce:
      return takeAnnounce(session, r)
    case Header.types.Welcome:
      return takeWelcome(session, r)
    case Header.types.Open:
      return takeOpen(session, file, r)
    case Header.types.Probe:
      return takeProbe(session, file, index, r)
    case Header.types.Poll:
      return { _tag: "Poll", session, poll: index, audience: r.audience() }
    case Header.types.Eof:
      return takeEof(session, file, index, r)
    case Header.types.Digests:
      return takeDigests(session, file, index, r)
    case Header.types.Survey:
    case Header.types.Itemize: {
      if (file !== 0) r.bad = true
      const _tag = type === Header.types.Survey ? "Survey" : "Itemize"
      return { _tag, session, file: 0, from: index, audience: r.audience() }
    }
    case Header.types.Close:
      return { _tag: "Close", session, file, from: index, audience: r.audience() }
    case Header.types.Abort:
      return takeAbort(session, file, r)
    case Header.types.Bye:
      return { _tag: "Bye", session }
    default:
      return undefined
  }
}

/** A root stands for content that was sent before, a signature for content that has no trailer. [Y-17] */
const checks = { none: 0, root: 1, signed: 2 }

const putCheck = (w: Writer, { root, signed }: Pick<Open, "root" | "signed">): void => {
  w.u8(signed !== undefined ? checks.signed : root !== undefined ? checks.root : checks.none)
  if (signed !== undefined) w.u16(signed.blockPages)
  const hash = signed?.hash ?? root
  if (hash !== undefined) w.raw(hash)
}

const takeCheck = (r: Reader): Pick<Open, "root" | "signed"> => {
  const form = r.u8()
  if (form > checks.signed) r.bad = true
  if (form !== checks.signed) return { root: form === checks.root ? r.raw(Limits.hashBytes) : undefined }
  const blockPages = r.u16()
  if (blockPages < 1 || blockPages > Limits.blockPages) r.bad = true
  return { root: undefined, signed: { blockPages, hash: r.raw(Limits.hashBytes) } }
}

const takeOpen = (session: bigint, file: number, r: Reader): FromMaster => {
  const message: FromMaster = {
    _tag: "Open",
    session,
    file,
    kind: r.member(kinds),
    size: r.u64(),
    pageBytes: takePageBytes(r),
    members: r.u32(),
    opening: r.u32(),
    ...takeCheck(r),
    audience: r.audience()
  }
  if (message.signed !== undefined && message.kind !== "Single") r.bad = true
  return message
}

const takeAnnounce = (session: bigint, r: Reader): FromMaster => {
  const message: FromMaster = {
    _tag: "Announce",
    session,
    pageBytes: takePageBytes(r),
    blockPages: r.u16(),
    timeoutMillis: r.u32(),
    uptimeMillis: r.u32(),
    spreadMillis: r.u16(),
    joined: r.u16(),
    wanted: r.u16()
  }
  if (message.blockPages < 1 || message.blockPages > Limits.blockPages) r.bad = true
  if (message.timeoutMillis < Limits.minTimeoutMillis) r.bad = true
  return message
}

const takeWelcome = (session: bigint, r: Reader): FromMaster => {
  const count = r.u16()
  const guests = []
  for (let i = 0; i < count && !r.bad; i++) {
    const incarnation = r.u32()
    const slot = r.u16()
    const refusal = r.member(refusals)
    if (slot !== noSlot && slot >= Limits.slots) r.bad = true
    guests.push(slot === noSlot ? { incarnation, refusal } : { incarnation, slot })
  }
  return { _tag: "Welcome", session, guests }
}

const takeProbe = (session: bigint, file: number, index: number, r: Reader): FromMaster => {
  const pageBytes = r.u16()
  const form = r.u8()
  if (form > 1 || pageBytes > Limits.maxPageBytes) r.bad = true
  const audience = r.audience()
  r.padding(pageBytes - r.tailBytes)
  return { _tag: "Probe", session, probing: file, train: index, pageBytes, isGlued: form === 1, audience }
}

const takeEof = (session: bigint, file: number, index: number, r: Reader): FromMaster => {
  const first = r.u32()
  const count = r.u32()
  const flags = r.u8()
  const root = (flags & eofRoot) === 0 ? undefined : r.raw(Limits.hashBytes)
  const counts = (flags & eofCounts) !== 0
  if (count > Limits.spanPages || flags > (eofRoot | eofCounts)) r.bad = true
  return { _tag: "Eof", session, file, round: index, first, count, root, counts, audience: r.audience() }
}

const takeDigests = (session: bigint, file: number, first: number, r: Reader): FromMaster => {
  const opening = r.u32()
  const count = r.u8()
  if (count < 1 || count > Limits.blockPages) r.bad = true
  return { _tag: "Digests", session, file, opening, first, digests: r.raw(count * Limits.digestBytes) }
}

const takeAbort = (session: bigint, file: number, r: Reader): FromMaster => {
  const reason = r.reason()
  const audience = r.audience()
  if (file !== nothing) return { _tag: "Abort", session, file, reason, audience }
  if (reason === undefined) r.bad = true
  return { _tag: "Abort", session, file: undefined, reason: reason ?? "", audience }
}

const takePageBytes = (r: Reader): number => {
  const pageBytes = r.u16()
  if (pageBytes < Limits.minPageBytes || pageBytes > Limits.maxPageBytes) r.bad = true
  return pageBytes
}
