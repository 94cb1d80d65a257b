/**
 * Puts the pages of one file together. A block is assembled in memory, hashed while it is there and
 * written in one piece, or in as many as what was held before leaves room for; when more blocks are
 * begun than the pool has buffers, the oldest is written to the file, and read back for its hash
 * once its last page has come. The content of a bundle is assembled where it stays. Parity is kept
 * beside the blocks until it is enough to decode one. A block that is whole and wrong stays where
 * it is, and its pages are compared there with their digests.
 *
 * In a sealed session pages and parity are of enciphered blocks. [E-3] A block in memory is
 * deciphered when it is whole; in the file, and where it is hashed, everything is plain.
 *
 * One fiber uses an assembly; the pool is shared by the files of a catcher.
 */

import * as Effect from "effect/Effect"
import { Claimed } from "../content/Claimed.ts"
import { agrees, digest } from "../content/Hash.ts"
import * as Code from "../parity/Code.ts"
import * as Wasm from "../parity/Wasm.ts"
import type { PageBatch, ParityBatch } from "../protocol/file/FileState.ts"
import * as Layout from "../protocol/file/Layout.ts"
import * as Spoiled from "../protocol/file/Spoiled.ts"
import * as Trailer from "../protocol/file/Trailer.ts"
import * as Limits from "../protocol/Limits.ts"
import { trailerBlock } from "../seal/PageSeal.ts"
import type { FileWriter, StoreError } from "../store/Store.ts"
import type { Runs } from "../wire/Message.ts"
import { BySignature, ByTrailer, type Check } from "./Check.ts"

/** Memory for one block. */
export interface BlockBuffer {
  readonly bytes: Uint8Array
  /** One byte a page: 1 where it is in `bytes`. */
  readonly held: Uint8Array
}

/** Block buffers, made on first use and used again. */
export class BlockPool {
  /** What was handed back last, to a pool of any catcher in the process. */
  private static spare = new Uint8Array(0)
  private readonly free: Array<BlockBuffer> = []
  private made = 0
  private readonly blockBytes: number
  private readonly limit: number
  constructor(blockBytes: number, limit: number = Limits.assemblingBlocks) {
    this.blockBytes = blockBytes
    const affordable = Math.floor(Limits.assemblingBytes / blockBytes)
    this.limit = Math.min(limit, Math.max(Limits.leastAssemblingBlocks, affordable))
  }
  take(): BlockBuffer | undefined {
    if (this.free.length > 0) return this.free.pop()
    if (this.made >= this.limit) return undefined
    this.made++
    return { bytes: new Uint8Array(this.blockBytes), held: new Uint8Array(Limits.blockPages) }
  }
  give(buffer: BlockBuffer): void {
    buffer.held.fill(0)
    this.free.push(buffer)
  }
  /**
   * Memory for a look at one block, beyond the limit. Made anew for each of thousands of blocks it
   * would cost more than the look.
   */
  lend(): Uint8Array<ArrayBuffer> {
    const { spare } = BlockPool
    BlockPool.spare = new Uint8Array(0)
    return spare.length === this.blockBytes ? spare : new Uint8Array(this.blockBytes)
  }
  handBack(lent: Uint8Array<ArrayBuffer>): void {
    BlockPool.spare = lent
  }
}

/** Enciphers or deciphers in place: bytes that stand at `offset` in the block. */
export type Cipher = (block: number, offset: number, bytes: Uint8Array) => void

interface Assembling {
  readonly block: number
  readonly first: number
  /** Pages of the block. */
  readonly pages: number
  readonly buffer: BlockBuffer
}

/** A block's parity pages, in the order in which they came. */
interface Kept {
  readonly indices: Array<number>
  readonly pages: Array<Uint8Array>
}

/**
 * The pages of one file: in memory until a block is whole, then hashed and in its slot.
 * Use it from one fiber.
 */
export class Assembly {
  private readonly layout: Layout.Layout
  private readonly writer: FileWriter
  private readonly pool: BlockPool
  private readonly cipher: Cipher | undefined
  private readonly trailer: Claimed
  private readonly check: Check
  /** Pages held of each block. */
  private readonly counts: Uint16Array
  /** Of all blocks. */
  private held = 0
  /**
   * With a signature, one byte a block: 1 where a page has come. Of others whose pages are held in
   * part none is assembled in memory, as all of it has to be hashed.
   */
  private readonly begun: Uint8Array | undefined
  /** Blocks in memory, oldest first. */
  private readonly assembling = new Map<number, Assembling>()
  private readonly parity = new Map<number, Kept>()
  /** The one that took the last page, while it is in memory. */
  private latest: Assembling | undefined

  /** Bytes of the content. */
  get size(): number {
    return this.layout.size
  }

  /** Bytes of it that are here: not of pages that a `put` has still to come to. */
  get heldBytes(): number {
    return Math.min(this.size, this.held * this.layout.pageBytes)
  }

  /** `cipher`: of the content's opening; none where content comes as it is. */
  constructor(layout: Layout.Layout, writer: FileWriter, pool: BlockPool, cipher?: Cipher) {
    this.layout = layout
    this.cipher = cipher
    this.writer = writer
    this.pool = pool
    this.trailer = new Claimed(layout.trailerBytes)
    const { signature } = writer
    this.check = signature === undefined ? new ByTrailer(layout, this.trailer) : new BySignature(layout, signature)
    this.counts = new Uint16Array(layout.blocks)
    this.begun = signature === undefined ? undefined : new Uint8Array(layout.blocks)
  }

  /**
   * The file has these pages already, as runs. A block that is whole is hashed where it stands,
   * unless hashes have shown what it is.
   * Call before the first `put`.
   */
  hold(pages: Runs): Effect.Effect<void, StoreError> {
    const { layout } = this
    const whole: Array<number> = []
    for (let i = 0; i < pages.length; i += 2) {
      const [first, end] = [pages[i], pages[i] + pages[i + 1]]
      if (this.writer.isProven === true) this.check.hold(first, end)
      const [from, to] = Layout.blocksOf(layout, first, end - first)
      for (let block = from; block < to; block++) {
        const [start, count] = Layout.blockSpan(layout, block)
        this.count(block, Math.min(start + count, end) - Math.max(start, first))
        if (this.isWhole(block) && !this.check.isProven(block)) whole.push(block)
      }
    }
    return Effect.forEach(whole, (block) => Effect.andThen(this.judgeWritten(block), Effect.yieldNow), {
      discard: true
    })
  }

  /** These pages, which were held, are not what they were taken for: they are to be put. */
  lose(pages: Runs): void {
    for (const [first, count] of pairsOf(pages))
      for (let page = first; page < first + count; page++) this.count(Layout.blockOf(this.layout, page), -1)
  }

  private count(block: number, pages: number): void {
    this.counts[block] += pages
    this.held += pages
  }

  /** Takes pages that are new; `fresh` are their positions in the batch. */
  put(batch: PageBatch, fresh: ReadonlyArray<number> | undefined): Effect.Effect<void, StoreError> {
    return this.putFrom(batch, fresh, 0)
  }

  // Runs over the pages in a plain loop, and leaves it for the few that have something to write or
  // to read.
  private putFrom(
    batch: PageBatch,
    fresh: ReadonlyArray<number> | undefined,
    from: number
  ): Effect.Effect<void, StoreError> {
    return Effect.suspend(() => {
      const length = fresh === undefined ? batch.indices.length : fresh.length
      for (let i = from; i < length; i++) {
        const at = fresh === undefined ? i : fresh[i]
        const effect = this.putPage(batch.indices[at], batch.payloads[at])
        if (effect !== undefined) return Effect.andThen(effect, this.putFrom(batch, fresh, i + 1))
      }
      return Effect.void
    })
  }

  // Most pages are copied and done; an effect is only what has to be written or read.
  private putPage(page: number, payload: Uint8Array): Effect.Effect<void, StoreError> | undefined {
    const { blockPages, dataPages } = this.layout
    if (page >= dataPages) {
      const offset = Trailer.offsetOf(this.layout, page)
      this.trailer.put(this.plain(trailerBlock, offset, payload), offset)
      return undefined
    }
    const block = Math.floor(page / blockPages)
    this.count(block, 1)
    const first = this.counts[block] === 1 || this.begun?.[block] === 0
    if (this.begun !== undefined) this.begun[block] = 1
    this.check.doubt(page, page + 1)
    if (this.latest?.block === block) return this.putAssembling(this.latest, page, payload)
    const assembling = this.assembling.get(block) ?? (first ? this.begin(block) : undefined)
    if (assembling !== undefined) return this.putAssembling(assembling, page, payload)
    if (!first || this.assembling.size === 0) return this.putSpilled(page, payload, block)
    // make room: the oldest block of this file gives up its buffer
    return Effect.andThen(
      this.spillOldest(),
      Effect.suspend(() => {
        const assembling = this.begin(block)
        return assembling === undefined
          ? this.putSpilled(page, payload, block)
          : (this.putAssembling(assembling, page, payload) ?? Effect.void)
      })
    )
  }

  private isWhole(block: number): boolean {
    return this.counts[block] === Layout.blockSpan(this.layout, block)[1]
  }

  private begin(block: number): Assembling | undefined {
    const [first, pages] = Layout.blockSpan(this.layout, block)
    const buffer = this.inPlace(block, pages) ?? this.pool.take()
    if (buffer === undefined) return undefined
    const assembling = { block, first, pages, buffer }
    this.assembling.set(block, assembling)
    return assembling
  }

  /** The block's own bytes, where the file is in memory: it is not copied there then. */
  private inPlace(block: number, pages: number): BlockBuffer | undefined {
    const { memory } = this.writer
    if (memory === undefined) return undefined
    const offset = this.offset(block)
    const bytes = memory.subarray(offset, offset + Layout.blockBytes(this.layout, block))
    return { bytes, held: new Uint8Array(pages) }
  }

  private putAssembling(
    assembling: Assembling,
    page: number,
    payload: Uint8Array
  ): Effect.Effect<void, StoreError> | undefined {
    const { block, buffer, first, pages } = assembling
    this.latest = assembling
    const within = page - first
    buffer.bytes.set(payload, within * this.layout.pageBytes)
    buffer.held[within] = 1
    return this.counts[block] === pages ? this.finish(block, buffer) : undefined
  }

  // The pages that the file had from the beginning are not in the buffer.
  private finish(block: number, buffer: BlockBuffer): Effect.Effect<void, StoreError> {
    const { pageBytes } = this.layout
    const spilled = this.spill(block, buffer)
    const start = this.offset(block)
    const isHere = (at: number, length: number) =>
      !buffer.held.subarray((at - start) / pageBytes, Math.ceil((at - start + length) / pageBytes)).includes(0)
    return this.judge(block, buffer.bytes, isHere) ? spilled : Effect.andThen(spilled, this.judgeWritten(block))
  }

  private forget(block: number): void {
    this.assembling.delete(block)
    this.latest = undefined
  }

  private offset(block: number): number {
    return block * this.layout.blockPages * this.layout.pageBytes
  }

  // No buffer for this block: its pages go to the file one by one.
  private putSpilled(page: number, payload: Uint8Array, block: number): Effect.Effect<void, StoreError> {
    const offset = page * this.layout.pageBytes
    const written = this.writer.write(offset, this.plain(block, offset - this.offset(block), payload))
    return this.isWhole(block) ? Effect.andThen(written, this.judgeWritten(block)) : written
  }

  /** The content of a page. The receiver's memory stays as it is: it may be looked at again. */
  private plain(block: number, offset: number, payload: Uint8Array): Uint8Array {
    if (this.cipher === undefined) return payload
    // a slice of Node's Buffer is no copy
    const bytes = new Uint8Array(payload)
    this.cipher(block, offset, bytes)
    return bytes
  }

  private spillOldest(): Effect.Effect<void, StoreError> {
    const oldest = this.assembling.values().next().value
    return oldest === undefined ? Effect.void : this.spill(oldest.block, oldest.buffer)
  }

  /** Deciphers what is in the buffer, writes it, and gives the buffer back. */
  private spill(block: number, buffer: BlockBuffer): Effect.Effect<void, StoreError> {
    const { bytes, held } = buffer
    this.forget(block)
    const { pageBytes } = this.layout
    const limit = Layout.blockBytes(this.layout, block)
    const writes: Array<Effect.Effect<void, StoreError>> = []
    for (let first = 0; first < held.length; first++) {
      if (held[first] === 0) continue
      let end = first + 1
      while (end < held.length && held[end] === 1) end++
      const run = bytes.subarray(first * pageBytes, Math.min(end * pageBytes, limit))
      this.cipher?.(block, first * pageBytes, run)
      if (this.writer.memory === undefined) writes.push(this.writer.write(this.offset(block) + first * pageBytes, run))
      first = end
    }
    if (this.writer.memory !== undefined) return Effect.void
    return Effect.ensuring(
      Effect.forEach(writes, (write) => write, { discard: true }),
      Effect.sync(() => this.pool.give(buffer))
    )
  }

  /** Keeps parity pages; `fresh` are their positions in the batch. */
  keepParity({ blocks, indices, payloads }: ParityBatch, fresh: ReadonlyArray<number>): void {
    for (const at of fresh) {
      const kept = this.parity.get(blocks[at]) ?? { indices: [], pages: [] }
      this.parity.set(blocks[at], kept)
      kept.indices.push(indices[at])
      // the receiver's memory is used again
      kept.pages.push(payloads[at].slice())
    }
  }

  dropParity(block: number): void {
    this.parity.delete(block)
  }

  /**
   * Makes the missing pages of a block from its parity. One that comes out wrong has the wrong
   * hash, like any other.
   */
  recover(block: number, missing: Runs): Effect.Effect<void, StoreError> {
    return Effect.suspend(() => {
      const kept = this.parity.get(block) ?? { indices: [], pages: [] }
      this.parity.delete(block)
      const [first, pages] = Layout.blockSpan(this.layout, block)
      const isNew = this.counts[block] === 0
      const isPartial = this.isPartial(block)
      this.count(block, pages - this.counts[block])
      const lost = pairsOf(missing)
      for (const [from, count] of lost) this.check.doubt(from, from + count)
      const decode = (bytes: Uint8Array) => {
        const lacking: Array<number> = []
        for (const [from, count] of lost) for (let k = 0; k < count; k++) lacking.push(from - first + k)
        Code.decode(Wasm.kernel(), bytes, this.layout.pageBytes, lacking, Buffer.concat(kept.pages), kept.indices)
      }
      const assembling = this.assembling.get(block)
      if (assembling !== undefined && !isPartial) {
        const { buffer } = assembling
        decode(buffer.bytes.subarray(0, Layout.blockBytes(this.layout, block)))
        for (const [from, count] of lost) buffer.held.fill(1, from - first, from - first + count)
        return this.finish(block, buffer)
      }
      const spilled = assembling === undefined ? Effect.void : this.spill(block, assembling.buffer)
      const recovered = this.borrowing(block, (bytes) =>
        (isNew ? Effect.void : this.writer.read(this.offset(block), bytes)).pipe(
          Effect.andThen(
            Effect.suspend(() => {
              // parity is of the enciphered block
              this.cipher?.(block, 0, bytes)
              decode(bytes)
              this.cipher?.(block, 0, bytes)
              this.judge(block, bytes)
              return this.writer.write(this.offset(block), bytes)
            })
          )
        )
      )
      return Effect.andThen(spilled, recovered)
    })
  }

  /** Does its buffer lack pages that are held? */
  private isPartial(block: number): boolean {
    const held = this.assembling.get(block)?.buffer.held
    if (held === undefined) return false
    let pages = 0
    for (const page of held) pages += page
    return pages < this.counts[block]
  }

  /** This is the content of a block, as far as it is here; is all there that is in doubt? */
  private judge(block: number, bytes: Uint8Array, isHere = (_at: number, _length: number) => true): boolean {
    const start = this.offset(block)
    let isAll = true
    for (const [at, length] of this.check.inDoubt(block)) {
      if (isHere(at, length)) this.check.judge(at, bytes.subarray(at - start, at - start + length))
      else isAll = false
    }
    return isAll
  }

  /** Memory for a block that has none of its own. */
  private borrowing<A>(
    block: number,
    use: (bytes: Uint8Array) => Effect.Effect<A, StoreError>
  ): Effect.Effect<A, StoreError> {
    return Effect.suspend(() => {
      const { pool } = this
      const pooled = pool.take()
      const lent = pooled === undefined ? pool.lend() : undefined
      const bytes = (lent ?? pooled!.bytes).subarray(0, Layout.blockBytes(this.layout, block))
      return Effect.ensuring(
        use(bytes),
        Effect.sync(() => (lent === undefined ? pool.give(pooled!) : pool.handBack(lent)))
      )
    })
  }

  /** Hashes what is in doubt of a block where it stands. */
  private judgeWritten(block: number): Effect.Effect<void, StoreError> {
    return this.borrowing(block, (bytes) => {
      const start = this.offset(block)
      const parts = [...this.check.inDoubt(block)].map(([at, length]) => {
        const part = bytes.subarray(at - start, at - start + length)
        return Effect.map(this.writer.read(at, part), () => this.check.judge(at, part))
      })
      return Effect.forEach(parts, (part) => part, { discard: true })
    })
  }

  /**
   * Every page is held: do the hashes agree? Of a block that disagrees the pages by which digests
   * are asked for are to be put again. [C-8]
   */
  verify(root: Uint8Array): Spoiled.Verdict {
    const hasTrailer = this.writer.signature === undefined
    if (hasTrailer && !agrees(this.trailer.whole(), root)) return { blocks: [], trailer: true }
    const blocks = this.wrong()
    for (const block of blocks)
      for (const _ of Spoiled.firstPages(this.layout, { blocks: [block], trailer: false })) this.count(block, -1)
    return { blocks, trailer: false }
  }

  private wrong(): ReadonlyArray<number> {
    const blocks: Array<number> = []
    for (let block = 0; block < this.layout.blocks; block++) if (!this.check.isRight(block)) blocks.push(block)
    return blocks
  }

  /**
   * [F-11] Is what stands in the file still what has been verified? Call once all blocks are.
   * `told` is told of bytes that are read.
   */
  standsStill(told: (bytes: number) => void): Effect.Effect<boolean, StoreError> {
    return Effect.gen({ self: this }, function* () {
      this.check.doubtAll()
      for (let block = 0; block < this.layout.blocks; block++) {
        if (this.check.isProven(block)) continue
        told(Layout.blockBytes(this.layout, block))
        yield* this.borrowing(block, (bytes) =>
          Effect.map(this.writer.read(this.offset(block), bytes), () => this.judge(block, bytes))
        )
        yield* Effect.yieldNow
      }
      return this.wrong().length === 0
    })
  }

  /** The pages held that have another digest than the one told: they are to be put again. */
  compare({ digests, first }: Spoiled.Told, held: Runs): Effect.Effect<ReadonlyArray<number>, StoreError> {
    const { dataPages, pageBytes } = this.layout
    if (first >= dataPages) return Effect.sync(() => this.othersOf(first, digests, held, this.trailerFrom(first)))
    const block = Layout.blockOf(this.layout, first)
    const [start] = Layout.blockSpan(this.layout, block)
    const forget = (bytes: Uint8Array) => {
      const others = this.othersOf(first, digests, held, bytes.subarray((first - start) * pageBytes))
      this.count(block, -others.length)
      for (const page of others) this.assembling.get(block)?.buffer.held.fill(0, page - start, page - start + 1)
      return others
    }
    const assembling = this.assembling.get(block)
    const isPartial = this.isPartial(block)
    if (assembling !== undefined && !isPartial) return Effect.sync(() => forget(assembling.buffer.bytes))
    const spilled = assembling === undefined ? Effect.void : this.spill(block, assembling.buffer)
    const compared = this.borrowing(block, (bytes) => {
      const parts = pairsOf(held).map(([from, count]) => {
        const at = (from - start) * pageBytes
        return this.writer.read(this.offset(block) + at, bytes.subarray(at, at + count * pageBytes))
      })
      return Effect.map(
        Effect.forEach(parts, (part) => part, { discard: true }),
        () => {
          this.cipher?.(block, 0, bytes)
          return forget(bytes)
        }
      )
    })
    return Effect.andThen(spilled, compared)
  }

  /** The trailer from that page on, as it was on the air. */
  private trailerFrom(first: number): Uint8Array {
    const offset = Trailer.offsetOf(this.layout, first)
    const bytes = new Uint8Array(this.layout.trailerBytes - offset)
    this.trailer.read(offset, bytes)
    this.cipher?.(trailerBlock, offset, bytes)
    return bytes
  }

  /** The pages held that are not as they were told to be; `bytes` begin with the page `first`. */
  private othersOf(first: number, digests: Uint8Array, held: Runs, bytes: Uint8Array): ReadonlyArray<number> {
    const { layout } = this
    const others: Array<number> = []
    for (const [from, count] of pairsOf(held)) {
      for (let page = from; page < from + count; page++) {
        const at = (page - first) * layout.pageBytes
        const told = digests.subarray((page - first) * Limits.digestBytes, (page - first + 1) * Limits.digestBytes)
        const payload = bytes.subarray(at, at + Layout.payloadBytes(layout, page))
        if (Buffer.compare(digest(payload), told) !== 0) others.push(page)
      }
    }
    return others
  }

  /** Could the master not read this member of the bundle? */
  readonly skipped = (member: number): boolean => Trailer.isUnread(this.layout, this.trailer.whole(), member)

  /** Gives the buffers back. */
  release(): void {
    if (this.writer.memory === undefined) for (const { buffer } of this.assembling.values()) this.pool.give(buffer)
    this.assembling.clear()
    this.parity.clear()
    this.latest = undefined
  }
}

const pairsOf = (runs: Runs): ReadonlyArray<readonly [first: number, count: number]> =>
  Array.from({ length: runs.length / 2 }, (_, i) => [runs[2 * i], runs[2 * i + 1]] as const)
