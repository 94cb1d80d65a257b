/**
 * Blocks that an older version has at their own place, and that were hashed before: they are held at once, and copied while the pages
 * come that it has not. [Y-18]
 */
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import type { Runs } from "../protocol/Words.ts"
import { isRead, type Known, markFound, type Old, runsOf, stretches, turnBytes, type Write } from "./Reuse.ts"
import type { Signature } from "./Signature.ts"

/** What is to be copied. */
interface Copying<E> {
  readonly signature: Signature
  readonly old: Old & { readonly known: Known }
  readonly write: Write<E>
  /** One byte a block: 1 where it is to be copied. */
  readonly blocks: Uint8Array
}

/** Is told how many bytes of how many have been copied or read. */
type Told = (done: number, total: number) => void

export class Postponed<E> {
  private readonly copying: Copying<E>
  /** One byte a block: 1 where it has not been copied yet. */
  private readonly pending: Uint8Array
  /** Blocks that are copied in one turn at most, and memory for them. */
  private readonly most: number
  private readonly memory: Uint8Array
  private readonly turn = Semaphore.makeUnsafe(1)
  private copiedBlocks = 0
  private readonly total: number
  /** The older version could not be read to its end. */
  private isCut = false
  private isEnded = false

  constructor(copying: Copying<E>) {
    const { blockBytes, size } = copying.signature
    this.copying = copying
    this.pending = copying.blocks.slice()
    this.most = Math.max(1, Math.floor(turnBytes / blockBytes))
    this.memory = new Uint8Array(Math.min(this.most * blockBytes, size))
    this.total = copying.blocks.reduce((sum, block) => sum + block, 0)
  }

  /** Copies what of these bytes has not been copied yet. */
  part(offset: number, length: number): Effect.Effect<void, E> {
    const { blockBytes } = this.copying.signature
    return this.copy(Math.floor(offset / blockBytes), Math.ceil((offset + length) / blockBytes), () => {})
  }

  /** Copies all of it. */
  all(told: Told = () => {}): Effect.Effect<void, E> {
    return this.copy(0, this.pending.length, told)
  }

  /**
   * Of what was copied those bytes that are not right: offset and length of each run. It is hashed for that, read by `read`, where
   * the older version has changed meanwhile, or could not be read. Call after `all`. The older version is closed; called again, it
   * answers nothing.
   */
  wrong(read: Old["read"], told: Told): Effect.Effect<Runs> {
    return Effect.gen({ self: this }, function* () {
      const { blocks, old, signature } = this.copying
      if (this.isEnded) return []
      const isSame = !this.isCut && (yield* old.known.isStill)
      const wrong = isSame ? blocks.map(() => 0) : yield* this.others(read, told)
      this.isEnded = true
      yield* old.close ?? Effect.void
      return runsOf(signature, wrong)
    })
  }

  /** One byte a block: 1 where what was copied has not its hash. */
  private others(read: Old["read"], told: Told): Effect.Effect<Uint8Array> {
    return Effect.gen({ self: this }, function* () {
      const { blocks, signature } = this.copying
      const { blockBytes } = signature
      const right = new Uint8Array(blocks.length)
      for (const [from, to] of this.pieces(blocks, 0, blocks.length)) {
        const content = this.contentOf(from, to)
        const wanted = Array.from({ length: to - from }, (_, i) => i)
        if (yield* isRead(read, from * blockBytes, content))
          markFound(signature, content, { own: right.subarray(from, to), wanted, first: from })
        told(to * blockBytes, blocks.length * blockBytes)
        yield* Effect.yieldNow
      }
      return blocks.map((block, i) => block & (right[i] ^ 1))
    })
  }

  private copy(first: number, end: number, told: Told): Effect.Effect<void, E> {
    const { blockBytes } = this.copying.signature
    return Effect.gen({ self: this }, function* () {
      let before = this.copiedBlocks
      for (let at = this.after(first); at < end && !this.isCut; at = this.after(at)) {
        yield* this.turn.withPermit(this.copyFrom(at, end))
        told(this.copiedBlocks * blockBytes, this.total * blockBytes)
        if (this.copiedBlocks - before < this.most) continue
        before = this.copiedBlocks
        yield* Effect.yieldNow
      }
    })
  }

  // Somebody else may have copied it meanwhile. What is not written stays to be copied.
  private copyFrom(first: number, end: number): Effect.Effect<void, E> {
    return Effect.gen({ self: this }, function* () {
      const { old, signature, write } = this.copying
      const piece = this.pieces(this.pending, first, Math.min(end, first + this.most)).next().value
      if (piece === undefined || this.isCut) return
      const [from, to] = piece
      const content = this.contentOf(from, to)
      this.isCut = !(yield* isRead(old.read, from * signature.blockBytes, content))
      if (this.isCut) return
      yield* write(from * signature.blockBytes, content)
      this.pending.fill(0, from, to)
      this.copiedBlocks += to - from
    })
  }

  /** The first block from there on that is still to be copied; their number, where there is none. */
  private after(first: number): number {
    const at = this.pending.indexOf(1, first)
    return at < 0 ? this.pending.length : at
  }

  /** Stretches of these blocks, none longer than is copied in one turn. */
  private *pieces(
    blocks: Uint8Array,
    first: number,
    end: number
  ): Generator<readonly [from: number, to: number], undefined> {
    for (const [from, to] of stretches(blocks, first, end))
      for (let at = from; at < to; at += this.most) yield [at, Math.min(to, at + this.most)]
  }

  private contentOf(from: number, to: number): Uint8Array {
    const { blockBytes, size } = this.copying.signature
    return this.memory.subarray(0, Math.min(to * blockBytes, size) - from * blockBytes)
  }
}
