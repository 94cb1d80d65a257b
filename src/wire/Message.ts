/**
 * The messages, as the phases see them. `M>` goes from the master to the group, `C>` from a catcher to the master.
 * docs/protocol.md holds the same table with offsets.
 */

import type { Signed } from "../protocol/file/Layout.ts"
import type { Changes, Done, Failure, Item, Kind, Refusal, Runs, SitOutReason, SpanLack } from "../protocol/Words.ts"

export type { Failure, Item, Kind, Refusal, Runs } from "../protocol/Words.ts"

/** Slots (a catcher's number in the session) that are asked, in ascending order. */
export type Audience = ReadonlyArray<number>

/** M> Asks catchers to join. Repeated as long as the session lives. */
export interface Announce {
  readonly _tag: "Announce"
  readonly session: bigint
  readonly pageBytes: number
  readonly blockPages: number
  readonly timeoutMillis: number
  /** Since the master began; of two masters on a group the younger yields. */
  readonly uptimeMillis: number
  /** A catcher waits a random part of this before it joins. */
  readonly spreadMillis: number
  readonly joined: number
  readonly wanted: number
}

/** C> I am. Answer to Announce, repeated until welcomed. */
export interface Join {
  readonly _tag: "Join"
  readonly session: bigint
  /** Random for each start of a catcher: a restarted one is another. */
  readonly incarnation: number
  /** Random, and told to the master alone: it shows that a join from another address is the same catcher's. */
  readonly key: number
  /** How often its address has changed: a late copy of an earlier join moves nothing. */
  readonly moves: number
  readonly receiveBufferBytes: number
  readonly name: string
}

/** C> I am in another session, of that master. Answer to Announce. */
export interface Decline {
  readonly _tag: "Decline"
  readonly session: bigint
  readonly incarnation: number
  /** How long ago that master was heard. */
  readonly silentMillis: number
  readonly master: string
}

/** M> The catchers that were taken in, with their slots. */
export interface Welcome {
  readonly _tag: "Welcome"
  readonly session: bigint
  readonly guests: ReadonlyArray<
    | { readonly incarnation: number; readonly slot: number }
    | {
        readonly incarnation: number
        readonly refusal: Refusal
      }
  >
}

/** M> The open barrier's question. */
export interface Open {
  readonly _tag: "Open"
  readonly session: bigint
  readonly file: number
  readonly kind: Kind
  readonly size: number
  /** Of this file: what was announced, or less where a path is narrower. */
  readonly pageBytes: number
  readonly members: number
  /** The number of this content in the session: another one is other content, or the same once more. [E-1] */
  readonly opening: number
  /** BLAKE3 of the trailer, once it is known: a catcher that holds the content already can tell by it. */
  readonly root: Uint8Array | undefined
  /** Where a signature checks the content, and no root does. [Y-17] */
  readonly signed?: Signed | undefined
  readonly audience: Audience
}

/** M> How far are you? Asked inside the data stream; answers clock the window. */
export interface Poll {
  readonly _tag: "Poll"
  readonly session: bigint
  readonly poll: number
  readonly audience: Audience
}

/**
 * M> Does a page of this size arrive? The datagram is padded to the length of such a page; 0: it is not padded, and only asks.
 * Those of the audience answer with all that arrived of this probing.
 */
export interface Probe {
  readonly _tag: "Probe"
  readonly session: bigint
  /** Numbers a probing; what arrived of an earlier one is forgotten. */
  readonly probing: number
  readonly train: number
  readonly pageBytes: number
  /** Sent glued to others of its size. */
  readonly isGlued: boolean
  readonly audience: Audience
}

/**
 * M> What do you miss of this span? With the root: and is the whole file right? `counts`: how many pages of each block
 * are enough, because parity is to come.
 */
export interface Eof {
  readonly _tag: "Eof"
  readonly session: bigint
  readonly file: number
  readonly round: number
  readonly first: number
  readonly count: number
  /** BLAKE3 of the trailer; only once every page has been sent. */
  readonly root: Uint8Array | undefined
  readonly counts: boolean
  readonly audience: Audience
}

/**
 * M> What the pages of a block that was spoiled are like, before they are sent again. For all catchers, and never answered.
 * [Q-15]
 */
export interface Digests {
  readonly _tag: "Digests"
  readonly session: bigint
  readonly file: number
  /** The content whose pages they are. */
  readonly opening: number
  /** The first page; there is a digest for each page from it on. */
  readonly first: number
  /** One after the other, `Limits.digestBytes` each: how the BLAKE3 hash of the page's payload begins. */
  readonly digests: Uint8Array
}

/** M> Which entries of the manifest do you lack, from that one on? Asked once the manifest is there. [Y-1] */
export interface Survey {
  readonly _tag: "Survey"
  readonly session: bigint
  readonly file: 0
  readonly from: number
  readonly audience: Audience
}

/** M> Commit. The answer lists failures from entry `from` on. */
export interface Close {
  readonly _tag: "Close"
  readonly session: bigint
  readonly file: number
  readonly from: number
  readonly audience: Audience
}

/** M> Drop this file. Without a reason it is only put off, and will be opened again. Without a file: the session is over. */
export type Abort = {
  readonly _tag: "Abort"
  readonly session: bigint
  readonly audience: Audience
} & (
  | { readonly file: number; readonly reason: string | undefined }
  | { readonly file: undefined; readonly reason: string }
)

/** M> The session is over. */
export interface Bye {
  readonly _tag: "Bye"
  readonly session: bigint
}

interface Answer {
  readonly session: bigint
  readonly slot: number
  readonly incarnation: number
}

interface Holding extends Answer {
  /** Bytes of the tree's content that this catcher holds, committed or not. */
  readonly held: number
}

/** C> Answer to Open: the file is open here, for the pages of that opening. */
export interface OpenOk extends Answer {
  readonly _tag: "OpenOk"
  readonly file: number
  readonly opening: number
}

/** C> Answer to Open, Eof or Close, and unasked [O-7]: this catcher takes no part in this file. */
export interface SitOut extends Answer, SitOutReason {
  readonly _tag: "SitOut"
  readonly file: number
}

/**
 * C> Answer to Eof: the pages of [first, first + count) that would make the span whole, together with the parity held; none:
 * all of it is held. With `lacks` the first so many blocks of the span say only how many pages they lack, data or parity, and
 * `runs` are of the trailer. With `spoiled` it has no `lacks`, and `runs` has pages of blocks whose hash was wrong.
 */
export interface Missing extends Holding, SpanLack {
  readonly _tag: "Missing"
  readonly file: number
  readonly round: number
}

/** C> Answer to Eof: every page is held and every hash agrees. Answer to Open: so it is already. */
export interface Complete extends Holding {
  readonly _tag: "Complete"
  readonly file: number
}

/**
 * C> Answer to Survey: which of the entries [from, from + count) of the manifest this catcher lacks [Y-1], and of which of them only the
 * content can tell. `doubted`: of how many of all entries that is so. [Y-12]
 */
export interface SurveyOk extends Answer {
  readonly _tag: "SurveyOk"
  readonly file: 0
  readonly from: number
  readonly count: number
  readonly runs: Runs
  readonly doubted: number
  readonly doubts: Runs
  readonly changes: Changes
}

/**
 * C> Of a survey, every eighth of the time-out as long as it lasts: this catcher still compares. Entries that it has looked at;
 * bytes that it has hashed, and of how many. [Y-8] Of another file: it still looks through an older version. [Y-13]
 */
export interface Comparing extends Answer {
  readonly _tag: "Comparing"
  readonly file: number
  readonly from: number
  readonly looked: number
  readonly hashed: number
  readonly toHash: number
}

/** M> What is to be changed at you, from that item on? Asked where the policy itemizes. [Y-7] */
export interface Itemize {
  readonly _tag: "Itemize"
  readonly session: bigint
  readonly file: 0
  readonly from: number
  readonly audience: Audience
}

/** C> Answer to Itemize: items from that one on, of so many. */
export interface ItemizeOk extends Answer {
  readonly _tag: "ItemizeOk"
  readonly file: 0
  readonly from: number
  readonly total: number
  readonly items: ReadonlyArray<Item>
}

/** C> Answer to Close: committed. `next`: ask again from there for more failures. */
export interface CloseOk extends Answer {
  readonly _tag: "CloseOk"
  readonly file: number
  readonly from: number
  /** What was changed at the catcher, once the tree is committed; absent where it was not asked what it lacks. */
  readonly done?: Done
  readonly failures: ReadonlyArray<Failure>
  readonly next: number | undefined
}

/** C> Answer to Abort; without a file, the one thing that is said unasked: this catcher was stopped and leaves. */
export interface Aborted extends Answer {
  readonly _tag: "Aborted"
  readonly file: number | undefined
}

/** C> Answer to Bye: this catcher leaves. [F-5] */
export interface ByeOk extends Answer {
  readonly _tag: "ByeOk"
}

/**
 * C> Answer to Poll. `received`: page datagrams of this session so far; `dropped`: lost in this catcher's own buffers; `worked`: entries
 * that its store is done with, which grows as long as it gets on. All are counted modulo 2^32.
 */
export interface PollOk extends Holding {
  readonly _tag: "PollOk"
  readonly poll: number
  readonly received: number
  readonly dropped: number
  readonly worked: number
}

/**
 * C> Answer to Probe: the largest page that arrived alone, how often, and the largest that arrived glued; 0: none. `pageBytes`: it is
 * padded to the length of such a page [N-6]; 0: it is not.
 */
export interface ProbeOk extends Answer {
  readonly _tag: "ProbeOk"
  readonly probing: number
  readonly train: number
  readonly pageBytes: number
  readonly single: number
  readonly times: number
  readonly glued: number
}

/** What a master says. */
export type FromMaster =
  | Announce
  | Welcome
  | Open
  | Probe
  | Poll
  | Eof
  | Digests
  | Survey
  | Itemize
  | Close
  | Abort
  | Bye
/** What a catcher says, most of it when asked. */
export type FromCatcher =
  | Join
  | Decline
  | OpenOk
  | SitOut
  | Missing
  | Complete
  | SurveyOk
  | Comparing
  | ItemizeOk
  | CloseOk
  | Aborted
  | ByeOk
  | PollOk
  | ProbeOk
/** Every datagram but pages and parity, whose codec is Header. */
export type Message = FromMaster | FromCatcher
