/** Which blocks of a file are right, as far as it is known. */

import { Claimed } from "../content/Claimed.ts"
import { hash } from "../content/Hash.ts"
import * as Blocks from "../delta/Blocks.ts"
import * as Layout from "../protocol/file/Layout.ts"
import * as Trailer from "../protocol/file/Trailer.ts"

/** What a file's content is compared with. */
export interface Check {
  /** Pages that the file has already, and of which hashes have shown what they are. */
  readonly hold: (first: number, end: number) => void
  /** Need nothing of the block be hashed? */
  readonly isProven: (block: number) => boolean
  /** What these pages, which come, have a part of has to be hashed. */
  readonly doubt: (first: number, end: number) => void
  /**
   * The parts of a block that have to be hashed: where each begins in the content, and its length.
   */
  readonly inDoubt: (block: number) => Iterable<readonly [at: number, length: number]>
  /** This is the content of such a part. */
  readonly judge: (at: number, content: Uint8Array) => void
  /** Call when every page is held. */
  readonly isRight: (block: number) => boolean
  /** All of which a hash is known has to be hashed once more. Call when every page is held. */
  readonly doubtAll: () => void
}

/** By the hashes of blocks, which come as the trailer. */
export class ByTrailer implements Check {
  private readonly layout: Layout.Layout
  private readonly trailer: Claimed
  /** Hashes of the blocks that are whole. */
  private readonly hashes: Claimed
  /** Blocks that need no hash. */
  private readonly proven = new Set<number>()

  constructor(layout: Layout.Layout, trailer: Claimed) {
    this.layout = layout
    this.trailer = trailer
    this.hashes = new Claimed(Trailer.hashAt(layout.blocks))
  }
  hold(first: number, end: number): void {
    const [from, to] = Layout.blocksOf(this.layout, first, end - first)
    for (let block = from; block < to; block++) {
      const [start, count] = Layout.blockSpan(this.layout, block)
      if (first <= start && start + count <= end) this.proven.add(block)
    }
  }
  isProven(block: number): boolean {
    return this.proven.has(block)
  }
  doubt(): void {}
  *inDoubt(block: number): Generator<readonly [at: number, length: number]> {
    if (this.proven.has(block)) return
    const { blockPages, pageBytes } = this.layout
    yield [block * blockPages * pageBytes, Layout.blockBytes(this.layout, block)]
  }
  judge(at: number, content: Uint8Array): void {
    const { blockPages, pageBytes } = this.layout
    this.hashes.put(hash(content), Trailer.hashAt(at / (blockPages * pageBytes)))
  }
  isRight(block: number): boolean {
    if (this.proven.has(block)) return true
    const told = Trailer.hashOf(this.trailer.whole(), block)
    return Buffer.compare(Trailer.hashOf(this.hashes.whole(), block), told) === 0
  }
  doubtAll(): void {
    const isTold = (block: number) => Trailer.hashOf(this.trailer.whole(), block).some((byte) => byte !== 0)
    // one that was not sent has no hash there [Y-13]
    for (const block of this.proven) if (isTold(block)) this.proven.delete(block)
  }
}

/**
 * By the signature. [Y-17] A block of pages holds whole blocks of that, and each of them is hashed
 * of which a page has come.
 */
export class BySignature implements Check {
  private readonly signature: Blocks.Blocks
  private readonly layout: Layout.Layout
  /** Pages of one of its blocks. */
  private readonly step: number
  /** One byte a block of the signature: 1 where it is right. */
  private readonly right: Uint8Array

  constructor(layout: Layout.Layout, signature: Blocks.Blocks) {
    this.signature = signature
    this.layout = layout
    this.step = signature.blockBytes / layout.pageBytes
    this.right = new Uint8Array(Blocks.countOf(signature))
  }
  hold(first: number, end: number): void {
    const last = end >= this.layout.dataPages ? this.right.length : Math.floor(end / this.step)
    this.right.fill(1, Math.ceil(first / this.step), last)
  }
  doubt(first: number, end: number): void {
    this.right.fill(0, Math.floor(first / this.step), Math.ceil(end / this.step))
  }
  *inDoubt(block: number): Generator<readonly [at: number, length: number]> {
    const each = this.layout.blockPages / this.step
    const end = Math.min((block + 1) * each, this.right.length)
    for (let i = block * each; i < end; i++)
      if (this.right[i] === 0) yield [i * this.signature.blockBytes, Blocks.lengthOf(this.signature, i)]
  }
  judge(at: number, content: Uint8Array): void {
    const i = at / this.signature.blockBytes
    if (Blocks.agrees(this.signature, i, hash(content))) this.right[i] = 1
  }
  isProven(block: number): boolean {
    return this.inDoubt(block).next().done === true
  }
  isRight(block: number): boolean {
    return this.isProven(block)
  }
  doubtAll(): void {
    this.right.fill(0)
  }
}
