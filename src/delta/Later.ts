/** What is held of a file, and still to be copied from an older version: whole blocks, and sub-blocks of others. [Y-18] */
import { push, within } from "../protocol/Runs.ts"
import type { Runs } from "../protocol/Words.ts"
import type { Signature } from "./Signature.ts"
import { lengthOf } from "./Stretches.ts"

export class Later {
  /** One byte a block: 1 where some of it is to be copied. */
  readonly blocks: Uint8Array
  private readonly signature: Signature
  /** Of a block that is not copied as a whole what is: offset and length of each run. */
  private readonly parts = new Map<number, Array<number>>()

  constructor(signature: Signature, blocks: Uint8Array) {
    this.signature = signature
    this.blocks = blocks
  }

  /** A part of a block that is not copied as a whole, behind those that were added before. */
  add(block: number, offset: number, length: number): void {
    const runs = this.parts.get(block) ?? []
    push(runs, offset, length)
    this.parts.set(block, runs)
    this.blocks[block] = 1
  }

  /**
   * These bytes are written meanwhile. Of a part only a sum is known, so that they may be others: it stays as they are. Are they in a
   * block that has parts?
   */
  comes(offset: number, length: number): boolean {
    const end = offset + length
    let hasParts = false
    const { blockBytes } = this.signature
    for (let block = Math.floor(offset / blockBytes); block * blockBytes < end; block++) {
      const runs = this.parts.get(block)
      if (runs === undefined) continue
      hasParts = true
      this.parts.set(block, [...within(runs, 0, offset), ...within(runs, end, Infinity)])
    }
    return hasParts
  }

  /** What of the bytes from `first` to before `end` is to be copied now. */
  within(first: number, end: number): Runs {
    const { blockBytes } = this.signature
    const last = Math.min(this.blocks.length, Math.ceil(end / blockBytes))
    return within([...this.runs(Math.floor(first / blockBytes), last)].flat(), first, end)
  }

  /** Of blocks from `from` to before `to` the bytes to be copied: offset and length of each run, as they are when it is asked for. */
  *runs(from: number, to: number): Generator<readonly [offset: number, length: number]> {
    let [first, end] = [0, 0]
    for (let block = from; block < to; block++) {
      const runs = this.blocks[block] === 1 ? this.of(block) : []
      for (let i = 0; i < runs.length; i += 2) {
        if (runs[i] !== end) {
          if (first < end) yield [first, end - first]
          first = runs[i]
        }
        end = runs[i] + runs[i + 1]
      }
    }
    if (first < end) yield [first, end - first]
  }

  private of(block: number): Runs {
    const { signature } = this
    return this.parts.get(block) ?? [block * signature.blockBytes, lengthOf(signature, block, block + 1)]
  }
}
