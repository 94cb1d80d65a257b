/**
 * Page stream, the sending side: a file's pages as a back-pressured Stream of batches. A batch is
 * one slab of a lane; the stream waits for a slab, the sender waits for the window, so nothing is
 * read faster than it leaves.
 *
 * Blocks are hashed when they first pass through memory; their hashes are the trailer, which is
 * sent as the last pages.
 *
 * In a sealed session a block is enciphered after its hash was made or compared. So one opening
 * never enciphers two contents. [E-3]
 */

import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Blocks from "../delta/Blocks.ts"
import { agrees, digest, hash } from "../content/Hash.ts"
import { Marks } from "../seal/Marks.ts"
import * as PageSeal from "../seal/PageSeal.ts"
import * as Code from "../parity/Code.ts"
import * as Wasm from "../parity/Wasm.ts"
import * as Layout from "../protocol/file/Layout.ts"
import type { BlockParity } from "../protocol/file/Planner.ts"
import * as Trailer from "../protocol/file/Trailer.ts"
import * as Limits from "../protocol/Limits.ts"
import * as Demand from "../session/Demand.ts"
import { MasterExchange } from "../session/Exchange.ts"
import type { Lane, PageBatch } from "../session/Sender.ts"
import type { SourceChanged, SourceError } from "../source/Source.ts"
import * as Header from "../wire/Header.ts"
import type { Runs } from "../wire/Message.ts"

/** A file's content at the master. */
export interface Content {
  /**
   * Stands for this content where openings are counted. It may be made before the content, which
   * the open barrier need not wait for.
   */
  readonly token: object
  readonly file: number
  readonly layout: Layout.Layout
  /**
   * Fills `into` from an offset of the content: with the same bytes each time, where it has no
   * `changed`.
   */
  readonly read: (offset: number, into: Uint8Array) => Effect.Effect<void, SourceError | SourceChanged>
  /** Are size and time of its source what they were? */
  readonly isUntouched: Effect.Effect<boolean, SourceError | SourceChanged>
  /** Is its source longer than it was? */
  readonly hasGrown: Effect.Effect<boolean, SourceError | SourceChanged>
  /**
   * The error for content that is another than it was. Undefined for content in memory, which stays
   * as it is.
   */
  readonly changed: SourceChanged | undefined
  /** Hashes of the blocks read so far, then a bundle's bits of members that could not be read. */
  readonly trailer: Uint8Array
  /** [Y-13] Only what some catcher lacks is sent: other blocks have no hash. */
  readonly isDelta?: boolean
  /** [Y-17] What it is compared with, where its layout has no trailer. */
  readonly signature: Blocks.Blocks | undefined
}

/**
 * Content that is read piece by piece. A member that is not given of `isUntouched`, `hasGrown` and
 * `changed` says that it never changes. `unread`: members of a bundle that could not be read.
 */
export const content = (
  options: Pick<Content, "file" | "layout" | "read"> &
    Partial<Pick<Content, "isUntouched" | "hasGrown" | "changed" | "signature">> & {
      readonly unread?: ReadonlyArray<number>
    }
): Content => {
  const { changed, file, layout, read, signature } = options
  const { hasGrown = Effect.succeed(false), isUntouched = Effect.succeed(true) } = options
  const trailer = new Uint8Array(layout.trailerBytes)
  for (const member of options.unread ?? []) Trailer.markUnread(layout, trailer, member)
  const checked = changed === undefined ? read : readingUntouched(read, { hasGrown, isUntouched }, changed)
  return { token: {}, file, layout, read: checked, isUntouched, hasGrown, changed, trailer, signature }
}

/**
 * [P-8] The first thing that is read must be of the file as it was opened, or of one that begins
 * and ends so and is longer. A file that was written anew before that, and is longer, could not be
 * told later from one that was only appended to.
 */
const readingUntouched = (
  read: Content["read"],
  { hasGrown, isUntouched }: Pick<Content, "hasGrown" | "isUntouched">,
  changed: SourceChanged
): Content["read"] => {
  let isFirst = true
  const isSame = Effect.gen(function* () {
    if (!(yield* isUntouched) && !(yield* hasGrown)) return yield* changed
  })
  return (offset, into) => {
    if (!isFirst) return read(offset, into)
    isFirst = false
    return Effect.andThen(read(offset, into), isSame)
  }
}

/** Content that is in memory: the manifest, a bundle. */
export const inMemory = (
  file: number,
  layout: Layout.Layout,
  bytes: Uint8Array,
  unread: ReadonlyArray<number> = []
): Content =>
  content({
    file,
    layout,
    unread,
    read: (offset, into) => Effect.sync(() => into.set(bytes.subarray(offset, offset + into.length)))
  })

/** The hash that the last question carries. */
export const root = ({ layout, trailer }: Content): Uint8Array => layout.signed?.hash ?? hash(trailer)

/**
 * [P-8] Once every page was sent: is it what the source held when it was opened? What has become
 * longer may only have been appended to, so then all that was sent is read again and compared.
 */
export const settle = Effect.fn("PageStream.settle")(function* (content: Content) {
  const { changed, layout } = content
  if (changed === undefined || (yield* content.isUntouched)) return
  if (!(yield* content.hasGrown)) return yield* changed
  // [Y-17] each byte was compared as it was read
  if (content.signature !== undefined) return
  yield* eachBlock(content, 0, layout.blocks, (block, bytes) =>
    confirm(content, Layout.blockSpan(layout, block)[0], bytes)
  )
})

/** Reads blocks one after the other, with turns for others in between. */
const eachBlock = Effect.fnUntraced(function* <E, R>(
  content: Content,
  from: number,
  end: number,
  use: (block: number, bytes: Uint8Array) => Effect.Effect<void, E, R>
) {
  const { layout } = content
  const piece = new Uint8Array(Math.min(layout.size, layout.blockPages * layout.pageBytes))
  for (let block = from; block < end; block++) {
    const part = piece.subarray(0, Layout.blockBytes(layout, block))
    yield* content.read(block * piece.length, part)
    yield* use(block, part)
    yield* Effect.yieldNow
  }
})

/**
 * [Y-13] Hashes the blocks of a span that are not read to be sent: some catcher may lack them, and
 * has not said so.
 */
export const hashSpan = Effect.fn("PageStream.hashSpan")(function* (content: Content, [first, count]: Span) {
  const { layout, trailer } = content
  const [from, end] = Layout.blocksOf(layout, first, count)
  yield* eachBlock(content, from, end, (block, bytes) =>
    Effect.sync(() => trailer.set(hash(bytes), Trailer.hashAt(block)))
  )
})

// A block that is another now must not go out under its old hash: it would be wrong forever.
// `first`: the page that the piece begins with, of a block, or of a block of the signature.
const confirm = (content: Content, first: number, piece: Uint8Array): Effect.Effect<void, SourceChanged> => {
  const { changed, layout, signature, trailer } = content
  if (changed === undefined) return Effect.void
  const isSame =
    signature === undefined
      ? agrees(piece, Trailer.hashOf(trailer, Layout.blockOf(layout, first)))
      : Blocks.areContent(signature, (first * layout.pageBytes) / signature.blockBytes, piece)
  return isSame ? Effect.void : Effect.fail(changed)
}

/** Pages that are repaired together: the first, and how many. */
export type Span = readonly [first: number, count: number]

/** The spans of a file's pages, which are streamed and repaired one by one. */
export const spans = (layout: Layout.Layout): ReadonlyArray<Span> =>
  Array.from({ length: Math.ceil(layout.pages / layout.spanPages) }, (_, span) => {
    const first = span * layout.spanPages
    return [first, Math.min(layout.spanPages, layout.pages - first)] as const
  })

/**
 * The pages of runs, from the content and the trailer, as batches of a lane. `hashing`: they are
 * read for the first time in a pass, and their blocks hashed. `digested`: before these pages the
 * digests of their blocks are told. The stream ends early when there is no demand left.
 */
export const pages = (
  content: Content,
  runs: Runs,
  lane: Lane,
  hashing = false,
  demand = Demand.always,
  digested: Runs = []
) =>
  Stream.unwrap(
    Effect.map(MasterExchange, (exchange) => {
      const cursor = new Cursor(content, runs, new Sealing(exchange, content, "Page"), demand, digested)
      return Stream.unfold(cursor, (cursor) => next(cursor, lane, hashing)).pipe(
        // what was taken and not carried, because we were interrupted or could not read
        Stream.ensuring(Effect.suspend(() => (cursor.slab === undefined ? Effect.void : lane.giveBack(cursor.slab))))
      )
    })
  )

/**
 * Streams every span of the content once, in order, or of each span what `wantedOf` says. When one
 * was handed over, `repair` begins its rounds, while the next ones stream; the last span's are for
 * the end of the file. Ends early when there is no demand left.
 */
export const streamSpans = <E, R>(
  content: Content,
  lane: Lane,
  demand: Demand.Demand,
  repair: (span: Span) => Effect.Effect<void, E, R>,
  wantedOf: (span: Span) => Effect.Effect<Runs, E, R> = Effect.succeed
) => {
  const all = spans(content.layout)
  return Stream.fromIterable(all).pipe(
    Stream.mapEffect((span) => Effect.map(wantedOf(span), (runs) => ({ runs, span })), {
      concurrency: Limits.spansAsked
    }),
    Stream.mapEffect(({ runs, span }) => Effect.as(send(content, runs, lane, true, demand), span)),
    // asked after each span, because what comes before gives them one by one
    Stream.takeWhile(demand.isLeft),
    Stream.filter((span) => span !== all.at(-1)),
    Stream.mapEffect(repair, { concurrency: Limits.spansInFlight }),
    Stream.runDrain
  )
}

/** Streams to the group; completes when the last batch was handed over, not when it was sent. */
export const send = (
  content: Content,
  runs: Runs,
  lane: Lane,
  hashing = false,
  demand = Demand.always,
  digested: Runs = []
) => Stream.runForEach(pages(content, runs, lane, hashing, demand, digested), lane.carry)

/**
 * Parity pages of blocks as batches of a lane: a block is read, its parity made, one block after
 * the other.
 */
export const parity = (content: Content, blocks: ReadonlyArray<BlockParity>, lane: Lane, demand = Demand.always) =>
  Stream.unwrap(
    Effect.map(MasterExchange, (exchange) => {
      const cursor = new ParityCursor(content, blocks, new Sealing(exchange, content, "Parity"), demand)
      return Stream.unfold(cursor, (cursor) => nextParity(cursor, lane)).pipe(
        Stream.ensuring(Effect.suspend(() => (cursor.slab === undefined ? Effect.void : lane.giveBack(cursor.slab))))
      )
    })
  )

/**
 * Streams parity to the group; completes when the last batch was handed over, not when it was sent.
 */
export const sendParity = (content: Content, blocks: ReadonlyArray<BlockParity>, lane: Lane, demand = Demand.always) =>
  Stream.runForEach(parity(content, blocks, lane, demand), lane.carry)

/** How pages of a content are sealed. */
class Sealing {
  readonly marks: Marks
  private readonly seal: PageSeal.PageSeal
  private readonly opening: number
  private readonly layout: Layout.Layout

  constructor({ openingOf, pages }: MasterExchange["Service"], { layout, token }: Content, kind: PageSeal.Kind) {
    this.seal = pages
    this.opening = openingOf(token)
    this.layout = layout
    this.marks = new Marks(pages, this.opening, kind)
  }
  /** Content of a block from that page on, in place. */
  apply(block: number, page: number, bytes: Uint8Array): void {
    const offset = (page - block * this.layout.blockPages) * this.layout.pageBytes
    this.seal.apply(this.opening, block, offset, bytes)
  }
  /** A page of the trailer. */
  trailerPage(trailer: Uint8Array, page: number): Uint8Array {
    const payload = Trailer.payload(this.layout, trailer, page)
    if (!this.seal.isSealed) return payload
    const bytes = new Uint8Array(payload)
    this.seal.apply(this.opening, PageSeal.trailerBlock, Trailer.offsetOf(this.layout, page), bytes)
    return bytes
  }
}

/**
 * Where a stream of parity is: the blocks that are left, and the parity pages made of the first of
 * them.
 */
class ParityCursor {
  readonly content: Content
  readonly sealing: Sealing
  readonly demand: Demand.Demand
  private readonly blocks: ReadonlyArray<BlockParity>
  private readonly piece: Uint8Array
  private made = new Uint8Array(0)
  slab: Uint8Array | undefined
  private at = 0
  private page = 0

  constructor(content: Content, blocks: ReadonlyArray<BlockParity>, sealing: Sealing, demand: Demand.Demand) {
    this.content = content
    this.blocks = blocks
    this.sealing = sealing
    this.demand = demand
    const { blockPages, pageBytes, size } = content.layout
    this.piece = new Uint8Array(Math.min(size, blockPages * pageBytes))
  }
  get done(): boolean {
    return this.at >= this.blocks.length
  }
  get lacks(): boolean {
    return this.page === 0
  }
  /** Makes the parity pages of the block that is next. */
  get make() {
    const { block, count, first } = this.blocks[this.at]
    const { content } = this
    const { layout, read } = content
    const piece = this.piece.subarray(0, Layout.blockBytes(layout, block))
    const reading = Effect.andThen(
      read(block * layout.blockPages * layout.pageBytes, piece),
      Effect.suspend(() => confirm(content, block * layout.blockPages, piece))
    )
    return Effect.map(reading, () => {
      this.sealing.apply(block, block * layout.blockPages, piece)
      const bytes = count * layout.pageBytes
      if (this.made.length < bytes) this.made = new Uint8Array(bytes)
      const indices = Array.from({ length: count }, (_, i) => first + i)
      Code.encode(Wasm.kernel(), piece, layout.pageBytes, indices, this.made)
    })
  }
  /** Writes the next parity datagram at `at`. */
  put(slab: Uint8Array, at: number): void {
    const { block, count, first } = this.blocks[this.at]
    const { file, layout } = this.content
    const { pageBytes } = layout
    const index = Header.parityIndex(block, first + this.page)
    const length = Limits.headerBytes + pageBytes
    Header.put(slab, at, Header.types.Parity, length, this.sealing.marks.of(index), file, index)
    slab.set(this.made.subarray(this.page * pageBytes, (this.page + 1) * pageBytes), at + Limits.headerBytes)
    this.page++
    if (this.page < count) return
    this.page = 0
    this.at++
  }
}

const nextParity = Effect.fnUntraced(function* (cursor: ParityCursor, lane: Lane) {
  if (cursor.done || !(yield* cursor.demand.reached)) return undefined
  yield* lane.slab((slab) => (cursor.slab = slab))
  const slab = cursor.slab!
  const datagramBytes = Limits.headerBytes + cursor.content.layout.pageBytes
  const most = slabBytes(slab, datagramBytes)
  let bytes = 0
  while (bytes < most && !cursor.done) {
    if (cursor.lacks) yield* cursor.make
    cursor.put(slab, bytes)
    bytes += datagramBytes
  }
  const isWanted = cursor.demand.isLeft
  return [{ slab, bytes, datagramBytes, kind: "Parity", isWanted } as PageBatch, cursor] as const
})

/** A slab holds whole kernel sends, because a rest would be a send of its own. */
const slabBytes = (slab: Uint8Array, datagramBytes: number): number => {
  const sendBytes = Limits.sendBytes(datagramBytes)
  return Math.floor(slab.length / sendBytes) * sendBytes
}

/** Where a stream of pages is: the runs that are left, and the piece of content read last. */
class Cursor {
  readonly content: Content
  readonly runs: Runs
  readonly sealing: Sealing
  readonly demand: Demand.Demand
  readonly piece: Uint8Array
  /** The whole pages of `piece`, made once. */
  private readonly views: Array<Uint8Array> = []
  /** The slab taken last. */
  slab: Uint8Array | undefined
  run = 0
  /** The page to send next. */
  page: number
  /** The pages that `piece` holds. */
  first = 0
  end = 0
  /** Digests that are still to be told, by their first page, and the blocks of their pages. */
  readonly untold: Set<number>
  readonly digestedBlocks: ReadonlySet<number>

  constructor(content: Content, runs: Runs, sealing: Sealing, demand: Demand.Demand, digested: Runs) {
    this.content = content
    this.runs = runs
    this.sealing = sealing
    this.demand = demand
    this.page = runs.length > 0 ? runs[0] : 0
    this.untold = new Set([...Layout.digestSpans(content.layout, digested)].map(([first]) => first))
    this.digestedBlocks = new Set([...this.untold].map((first) => Layout.blockOf(content.layout, first)))
    const { blockPages, pageBytes, size } = content.layout
    this.piece = new Uint8Array(Math.min(size, blockPages * pageBytes))
  }
  get done(): boolean {
    return this.run >= this.runs.length
  }
  /** Are digests to be told before this page is sent? */
  get owesDigests(): boolean {
    return this.untold.size > 0 && this.untold.has(Layout.digestSpan(this.content.layout, this.page)[0])
  }
  advance(): void {
    this.page++
    if (this.page < this.runs[this.run] + this.runs[this.run + 1]) return
    this.run += 2
    if (!this.done) this.page = this.runs[this.run]
  }
  /** Is the content of the page still to be read? */
  get lacks(): boolean {
    return this.page < this.content.layout.dataPages && (this.page < this.first || this.page >= this.end)
  }
  /** Would its page, which is of the trailer, be another one later? */
  get isEarly(): boolean {
    const { layout, trailer } = this.content
    return !Trailer.isReady(layout, trailer, this.page)
  }
  /** A page as it is on the air. */
  payloadOf(page: number): Uint8Array {
    const { layout, trailer } = this.content
    const { dataPages, pageBytes } = layout
    if (page >= dataPages) return this.sealing.trailerPage(trailer, page)
    const length = Layout.payloadBytes(layout, page)
    const at = page - this.first
    if (length < pageBytes) return this.piece.subarray(at * pageBytes, at * pageBytes + length)
    return (this.views[at] ??= this.piece.subarray(at * pageBytes, at * pageBytes + pageBytes))
  }
}

const next = Effect.fnUntraced(function* (cursor: Cursor, lane: Lane, hashing: boolean) {
  if (cursor.done || !(yield* cursor.demand.reached)) return undefined
  const { layout } = cursor.content
  yield* lane.slab((slab) => (cursor.slab = slab))
  const slab = cursor.slab!
  const datagramBytes = Limits.headerBytes + layout.pageBytes
  const most = slabBytes(slab, datagramBytes)
  let bytes = 0
  let pages = 0
  // glued datagrams are equal but for the last
  while (bytes === pages * datagramBytes && bytes < most && !cursor.done) {
    if (cursor.lacks) yield* readPiece(cursor, hashing)
    if (cursor.page >= layout.dataPages && cursor.isEarly && cursor.content.isDelta !== true)
      return yield* Effect.die(new Error("the trailer goes out after the blocks were hashed"))
    if (cursor.owesDigests) yield* tellDigests(cursor)
    const payload = cursor.payloadOf(cursor.page)
    const length = Limits.headerBytes + payload.length
    const mark = cursor.sealing.marks.of(cursor.page)
    Header.put(slab, bytes, Header.types.Page, length, mark, cursor.content.file, cursor.page)
    slab.set(payload, bytes + Limits.headerBytes)
    bytes += length
    pages++
    cursor.advance()
  }
  const kind = hashing ? "First" : "Again"
  return [{ slab, bytes, datagramBytes, kind, isWanted: cursor.demand.isLeft } as PageBatch, cursor] as const
})

// A message is sent at once, and a page waits in its lane: so they come before it.
const tellDigests = Effect.fnUntraced(function* (cursor: Cursor) {
  const { file, layout, token } = cursor.content
  const { openingOf, sendNow, session } = yield* MasterExchange
  const [first, count] = Layout.digestSpan(layout, cursor.page)
  cursor.untold.delete(first)
  const digests = new Uint8Array(count * Limits.digestBytes)
  for (let i = 0; i < count; i++) digests.set(digest(cursor.payloadOf(first + i)), i * Limits.digestBytes)
  yield* sendNow({ _tag: "Digests", session, file, opening: openingOf(token), first, digests })
})

// Reads the block of the cursor's page from that page on, as far as its run goes; whole where its
// hash is made or compared, or digests of its pages are told. Of a signed content whole blocks of
// the signature do.
const readPiece = Effect.fnUntraced(function* (cursor: Cursor, hashing: boolean) {
  const { content, page, run, runs } = cursor
  const { layout, signature } = content
  const block = Math.floor(page / layout.blockPages)
  const [blockFirst, blockCount] = Layout.blockSpan(layout, block)
  const isCompared = signature === undefined && (hashing || content.changed !== undefined)
  const isWhole = isCompared || cursor.digestedBlocks.has(block)
  const step = signature === undefined ? 1 : signature.blockBytes / layout.pageBytes
  const first = isWhole ? blockFirst : page - (page % step)
  const runEnd = Math.ceil((runs[run] + runs[run + 1]) / step) * step
  const end = isWhole ? blockFirst + blockCount : Math.min(blockFirst + blockCount, runEnd)
  const offset = first * layout.pageBytes
  const piece = cursor.piece.subarray(0, Math.min(end * layout.pageBytes, layout.size) - offset)
  yield* content.read(offset, piece)
  // content that is streamed once more is compared, like that of a repair
  const isHashed = signature !== undefined || Trailer.hasHash(content.trailer, block)
  if (hashing && !isHashed) content.trailer.set(hash(piece), Trailer.hashAt(block))
  else if (isHashed || content.isDelta !== true) yield* confirm(content, first, piece)
  cursor.sealing.apply(block, first, piece)
  cursor.first = first
  cursor.end = end
})
