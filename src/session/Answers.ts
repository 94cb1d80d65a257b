/**
 * Between the wire and a catcher's reducers: what a question of the master asks of a file, and the
 * messages that answer.
 */

import { countOf, union } from "../protocol/Runs.ts"
import type { PageSeal } from "../seal/PageSeal.ts"
import type * as FileState from "../protocol/file/FileState.ts"
import * as Layout from "../protocol/file/Layout.ts"
import type { Address } from "../protocol/Address.ts"
import * as Limits from "../protocol/Limits.ts"
import type { Changes, Done, Runs } from "../protocol/Words.ts"
import * as Lacks from "../tree/Lacks.ts"
import type {
  ByeOk,
  Comparing,
  FromCatcher,
  FromMaster,
  Item,
  Itemize,
  ItemizeOk,
  Poll,
  PollOk,
  Probe,
  ProbeOk,
  Survey,
  SurveyOk
} from "../wire/Message.ts"
import type { Probes } from "./Probing.ts"

/** A catcher's place in a session. */
export interface Membership {
  readonly session: bigint
  /** This catcher's number in it. */
  readonly slot: number
  /** Names this life of the catcher. */
  readonly incarnation: number
  /** Where answers go. */
  readonly master: Address
  /** The largest page of the session. */
  readonly pageBytes: number
  /** Pages of a block. */
  readonly blockPages: number
  /** The master's time-out. */
  readonly timeoutMillis: number
  /** How pages of the session are marked, and their content enciphered. */
  readonly pages: PageSeal
}

/**
 * The event of a file's reducer that a message is, when it is a question about a file and asks us.
 */
export const eventOf = (
  message: FromMaster,
  membership: Membership
): { readonly file: number; readonly event: FileState.Event } | undefined => {
  if (!("file" in message) || message.file === undefined || message._tag === "Digests") return undefined
  if (message._tag === "Survey" || message._tag === "Itemize") return undefined
  if (!message.audience.includes(membership.slot)) return undefined
  const { file } = message
  if (message._tag !== "Open") return { file, event: message }
  const { blockPages } = membership
  const { opening, pageBytes, root, signed } = message
  // memory is kept for pages and blocks of the size that was announced
  if (pageBytes > membership.pageBytes || (signed?.blockPages ?? 0) > blockPages) return undefined
  const layout = Layout.make({ ...message, blockPages })
  return { file, event: { _tag: "Open", layout, opening, root } }
}

/**
 * A reducer's answer as a message; `held`: bytes of content that are here; `done`: what was
 * done, of the tree.
 */
export const toQuestion = (
  answer: FileState.Answer,
  file: number,
  membership: Membership,
  held: number,
  done?: Done
): FromCatcher => {
  const { incarnation, session, slot } = membership
  const sender = { session, slot, incarnation, file, held }
  if (answer._tag !== "CloseOk") return { ...answer, ...sender }
  return { ...answer, ...sender, next: undefined, ...(done === undefined ? {} : { done }) }
}

/** What a survey has found at a catcher. */
export interface Found {
  /** How many entries the manifest has. */
  readonly entries: number
  /** For each of them the bits of `Compare.change`. */
  readonly words: Uint16Array
  readonly lacks: Runs
  /** Those of which only the content can tell. */
  readonly doubts: Runs
  /** Those that are lacked, and large, and of which an older version is here. [Y-13] */
  readonly olds: Runs
  readonly changes: Changes
  /** Where the policy itemizes: see `Message.Item`. */
  readonly items: ReadonlyArray<Item>
}

/** [F-5] The answer to the end of the session. */
export const toBye = ({ incarnation, session, slot }: Membership): ByeOk => ({
  _tag: "ByeOk",
  session,
  slot,
  incarnation
})

/** The answer to a question about the survey. [Y-1] [Y-7] */
export const toSurvey = (
  question: Survey | Itemize,
  found: Found,
  { incarnation, session, slot }: Membership
): SurveyOk | ItemizeOk => {
  const { _tag, from } = question
  const sender = { session, slot, incarnation, file: 0, from } as const
  if (_tag === "Survey") return { _tag: "SurveyOk", ...sender, changes: found.changes, ...sliceOf(found, from) }
  const items = found.items.slice(from, from + Limits.itemsAnswered)
  return { _tag: "ItemizeOk", ...sender, total: found.items.length, items }
}

/** The entries from one on that one datagram has room for. */
const sliceOf = ({ doubts, entries, lacks, olds }: Found, from: number) => {
  const told = union([doubts, olds])
  const most = told.length === 0 ? Limits.surveyEntries : Limits.surveyEntries / 2
  const count = Math.max(0, Math.min(entries - from, most))
  return {
    ...Lacks.sliceOf(lacks, from, count),
    doubted: countOf(doubts),
    doubts: Lacks.sliceOf(told, from, count).runs
  }
}

/** How far the comparison is. */
export interface Comparison {
  /** Entries that were looked at. */
  looked: number
  /** Bytes that were hashed, and of how many. */
  hashed: number
  toHash: number
}

/** The answer to a survey that lasts. [Y-8] */
export const comparing = (
  { from }: Survey,
  { hashed, looked, toHash }: Comparison,
  { incarnation, session, slot }: Membership
): Comparing => ({ _tag: "Comparing", session, slot, incarnation, file: 0, from, looked, hashed, toHash })

/** So many bytes of a file have been read, of how many. */
export interface Read {
  readonly done: number
  readonly total: number
}

/**
 * The answer to the open of a file whose older version is looked through [Y-13], and to the close
 * of one that is read once more [F-11].
 */
export const reading = (
  file: number,
  { done, total }: Read,
  { incarnation, session, slot }: Membership
): Comparing => ({
  ...{ _tag: "Comparing", session, slot, incarnation, file },
  ...{ from: 0, looked: 0, hashed: done, toHash: total }
})

/** The answer to a probe that asks us. */
export const toProbe = (probe: Probe, probes: Probes, membership: Membership): ProbeOk | undefined => {
  const { incarnation, session, slot } = membership
  const arrived = probes.take(probe, slot)
  if (arrived === undefined) return undefined
  // [N-6]
  const pageBytes = Math.min(probe.pageBytes, Limits.longestAnswerPage)
  return { _tag: "ProbeOk", session, slot, incarnation, pageBytes, ...arrived }
}

/** What a catcher has counted in its session. */
export type Counts = Pick<PollOk, "received" | "dropped" | "held" | "worked">

/** A catcher is here: the answer to a poll of that number. */
export const here = (
  poll: number,
  { dropped, held, received, worked }: Counts,
  { incarnation, session, slot }: Membership
): PollOk => {
  const counts = { received: received >>> 0, dropped: dropped >>> 0, held, worked: worked >>> 0 }
  return { _tag: "PollOk", session, slot, incarnation, poll, ...counts }
}

/** The answer to a poll, if it asks us. */
export const toPoll = ({ audience, poll }: Poll, counts: () => Counts, membership: Membership): PollOk | undefined =>
  audience.includes(membership.slot) ? here(poll, counts(), membership) : undefined
