/**
 * The datagrams at a catcher that has joined: they are opened here in place, and the pages of a
 * file are gathered, because each page passes. Anything that is not the master's, not of this
 * session or not to be read is counted, nothing else.
 */

import type * as Effect from "effect/Effect"
import type { PageBatch, ParityBatch } from "../protocol/file/FileState.ts"
import * as Limits from "../protocol/Limits.ts"
import type { Received, TransportError } from "../transport/Transport.ts"
import * as Header from "../wire/Header.ts"
import type { Announce, FromMaster } from "../wire/Message.ts"
import type { Membership } from "./Answers.ts"
import type { CatcherExchange } from "./Exchange.ts"
import type { Opening, Openings } from "./Openings.ts"

/** Arriving datagrams, batch by batch and unopened: the pull of an exchange's `receive`. */
export type Inbox = Effect.Effect<ReadonlyArray<ReadonlyArray<Received>>, TransportError>

/**
 * Everything that reaches a catcher: pages or parity of a file, a question or message of its
 * master, or another master's call.
 */
export type Incoming =
  | { readonly _tag: "Pages"; readonly file: number; readonly batch: PageBatch }
  | { readonly _tag: "Parity"; readonly file: number; readonly batch: ParityBatch }
  /** `pages`: page datagrams of this session that came before it. */
  | { readonly _tag: "Message"; readonly message: FromMaster; readonly pages: number }
  /** Another master calls; it is told that we are taken. */
  | { readonly _tag: "OtherMaster"; readonly announce: Announce; readonly from: string }

/** Datagrams that have arrived so far; `events` keeps the counts up to date. */
export interface Counts {
  /** Page datagrams of this session, parity included. */
  pages: number
  /** Parity pages among those. */
  parity: number
  /** Datagrams that were ignored. */
  ignored: number
}

/**
 * Views of the payloads in glued buffers: a transport fills the same memory again, and a view a
 * page costs more than the page's copy. They are of all catchers of a process, to which a simulated
 * network gives the same memory.
 */
class Views {
  private static readonly known = new WeakMap<ArrayBufferLike, Array<Uint8Array | undefined>>()
  private readonly views: Array<Uint8Array | undefined>
  private readonly bytes: Uint8Array
  /** The place in `views` of the next one. */
  private next: number

  constructor(bytes: Uint8Array) {
    const datagramBytes = Header.lengthOf(bytes, 0)
    // for a datagram alone a look-up costs as much as the view
    const isGlued = bytes.length > datagramBytes && datagramBytes >= Limits.minPageBytes
    this.views = isGlued ? Views.of(bytes.buffer) : []
    this.next = isGlued ? Math.floor(bytes.byteOffset / datagramBytes) : 0
    this.bytes = bytes
  }

  private static of(memory: ArrayBufferLike): Array<Uint8Array | undefined> {
    const known = Views.known.get(memory)
    if (known !== undefined) return known
    const most = Math.ceil(memory.byteLength / Limits.minPageBytes)
    const made: Array<Uint8Array | undefined> = Array.from({ length: most })
    Views.known.set(memory, made)
    return made
  }

  /** The body of the datagram at `at`; called for one after the other. */
  body(at: number): Uint8Array {
    const { bytes, views } = this
    const place = this.next++
    // of datagrams alone, and of more than a sound sender glues
    if (place >= views.length) return Header.bodyOf(bytes, at)
    const view = views[place]
    const isIt =
      view !== undefined &&
      view.byteOffset === bytes.byteOffset + at + Limits.headerBytes &&
      view.length === Header.lengthOf(bytes, at) - Limits.headerBytes
    return isIt ? view : (views[place] = Header.bodyOf(bytes, at))
  }
}

type Door = Pick<CatcherExchange["Service"], "onBad" | "open">

/** Takes in what arrived with one pull. */
export class Gatherer {
  private readonly out: Array<Incoming> = []
  private indices: Array<number> = []
  private payloads: Array<Uint8Array> = []
  /** The blocks of parity pages; undefined while what is gathered are pages. */
  private blocks: Array<number> | undefined
  private file = -1
  private opening: Opening | undefined
  private readonly membership: Membership
  private readonly counts: Counts
  private readonly openings: Openings
  private readonly exchange: Door

  constructor(exchange: Door, membership: Membership, counts: Counts, openings: Openings) {
    this.exchange = exchange
    this.membership = membership
    this.counts = counts
    this.openings = openings
  }

  take(received: Received): void {
    const { bytes, from } = received
    const ours = from === this.membership.master
    const views = new Views(bytes)
    let at = 0
    // a loop of its own: a closure for each is memory that a flood takes
    for (; at < bytes.length && Header.valid(bytes, at); at += Header.lengthOf(bytes, at)) {
      if (!ours) this.otherMaster(bytes, at, from)
      else if (Header.typeOf(bytes, at) === Header.types.Page) this.page(bytes, at, views)
      else if (Header.typeOf(bytes, at) === Header.types.Parity) this.parity(bytes, at, views)
      else this.message(bytes, at, from)
    }
    if (at >= bytes.length) return
    this.counts.ignored++
    this.exchange.onBad(received, bytes.length - at)
  }

  private page(bytes: Uint8Array, at: number, views: Views): void {
    const opening = this.openings.of(bytes, at, false)
    if (opening === undefined) {
      this.counts.ignored++
      return
    }
    this.counts.pages++
    const file = Header.fileOf(bytes, at)
    // [N-5] that it came is all that it says
    if (file === Header.noFile) return
    if (file !== this.file || opening !== this.opening || this.blocks !== undefined) this.flush()
    this.file = file
    this.opening = opening
    this.indices.push(Header.indexOf(bytes, at))
    this.payloads.push(views.body(at))
  }

  private parity(bytes: Uint8Array, at: number, views: Views): void {
    const opening = this.openings.of(bytes, at, true)
    if (opening === undefined) {
      this.counts.ignored++
      return
    }
    const file = Header.fileOf(bytes, at)
    if (file !== this.file || opening !== this.opening || this.blocks === undefined) this.flush()
    this.file = file
    this.opening = opening
    this.blocks ??= []
    this.counts.parity++
    const { block, index } = Header.parityOf(Header.indexOf(bytes, at))
    this.blocks.push(block)
    this.indices.push(index)
    this.payloads.push(views.body(at))
    this.counts.pages++
  }

  private message(bytes: Uint8Array, at: number, from: string): void {
    const message = this.exchange.open(bytes, at, from)
    if (message?.session !== this.membership.session || !fromMaster(message)) {
      this.counts.ignored++
      return
    }
    // a question comes after the pages sent before it
    this.flush()
    this.openings.heard(message)
    this.out.push({ _tag: "Message", message, pages: this.counts.pages })
  }

  private otherMaster(bytes: Uint8Array, at: number, from: string): void {
    this.counts.ignored++
    if (Header.isPageType(Header.typeOf(bytes, at))) return
    // under a seal its answer to a hail is what makes its announcement heard
    const announce = this.exchange.open(bytes, at, from)
    if (announce?._tag !== "Announce" || announce.session === this.membership.session) return
    this.out.push({ _tag: "OtherMaster", announce, from })
  }

  private flush(): void {
    if (this.indices.length === 0) return
    const { blocks, file, indices, payloads } = this
    const opening = this.opening?.number
    this.out.push(
      blocks === undefined
        ? { _tag: "Pages", file, batch: { opening, indices, payloads } }
        : { _tag: "Parity", file, batch: { opening, blocks, indices, payloads } }
    )
    this.blocks = undefined
    this.indices = []
    this.payloads = []
  }

  finish(): ReadonlyArray<Incoming> {
    this.flush()
    return this.out
  }
}

const masterTags: ReadonlySet<string> = new Set([
  "Announce",
  "Welcome",
  "Open",
  "Probe",
  "Poll",
  "Eof",
  "Digests",
  "Survey",
  "Itemize",
  "Close",
  "Abort",
  "Bye"
])
const fromMaster = (message: { readonly _tag: string }): message is FromMaster => masterTags.has(message._tag)
