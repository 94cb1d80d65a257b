/**
 * Blocks that an older version has at their own place, and that were hashed before: they are held at once, and copied while the pages
 * come that it has not. [Y-18]
 */
import * as Effect from "effect/Effect"
import type { Runs } from "../protocol/Words.ts"
import { copies, isRead, type Later, lengthOf, markFound, type Old, runsOf, stretches, type Write } from "./Reuse.ts"
import type { Signature } from "./Signature.ts"

interface Copying<E> extends Later {
  readonly signature: Signature
  readonly write: Write<E>
}

/** One fiber copies them, and others may read meanwhile. */
export class Postponed<E> {
  private readonly copying: Copying<E>
  /** Blocks before this one are copied. */
  private next = 0
  /** The older version could not be read to its end. */
  private isCut = false
  private isEnded = false
  private told: (done: number, total: number) => void = () => {}
  private doneBlocks = 0
  private readonly count: number

  constructor(copying: Copying<E>) {
    this.copying = copying
    this.count = copying.blocks.reduce((sum, block) => sum + block, 0)
  }

  /** From now on `told` is told how many bytes have been copied, and hashed where that is needed, of at most how many. */
  tells(told: (done: number, total: number) => void): void {
    this.told = told
  }

  /** Copies all of it; to be run once. */
  readonly all: Effect.Effect<void, E> = Effect.gen({ self: this }, function* () {
    const { blocks, old, signature, write } = this.copying
    const { blockBytes } = signature
    for (const [from, to, content] of copies(signature, blocks)) {
      this.isCut = !(yield* isRead(old.read, from * blockBytes, content))
      if (this.isCut) return
      // what lies between two stretches may have come as pages
      for (const [first, end] of stretches(blocks, from, to)) {
        const at = (first - from) * blockBytes
        yield* write(first * blockBytes, content.subarray(at, at + lengthOf(signature, first, end)))
        this.advance(end - first)
      }
      this.next = to
      yield* Effect.yieldNow
    }
  })

  /** Fills `into` as if all of it had been copied; `read` reads what has been. */
  read<E2>(offset: number, into: Uint8Array, read: Write<E2>): Effect.Effect<void, E2> {
    return Effect.gen({ self: this }, function* () {
      const { blocks, old, signature } = this.copying
      const { blockBytes } = signature
      const end = Math.min(blocks.length, Math.ceil((offset + into.length) / blockBytes))
      const pending = [...stretches(blocks, Math.max(this.next, Math.floor(offset / blockBytes)), end)]
      yield* read(offset, into)
      for (const [from, to] of pending) {
        const at = Math.max(offset, from * blockBytes)
        // where it cannot be read the content is wrong, and is found to be
        yield* isRead(old.read, at, into.subarray(at - offset, to * blockBytes - offset))
      }
    })
  }

  /**
   * Of what was copied those bytes that are not right: offset and length of each run. It is hashed for that, read by `read`, where
   * the older version has changed meanwhile, or could not be read. Call after `all`. The older version is closed; called again, it
   * answers nothing.
   */
  wrong(read: Old["read"]): Effect.Effect<Runs> {
    return Effect.gen({ self: this }, function* () {
      const { blocks, old, signature } = this.copying
      if (this.isEnded) return []
      const isSame = !this.isCut && (yield* old.known.isStill)
      const wrong = isSame ? blocks.map(() => 0) : yield* this.others(read)
      this.isEnded = true
      yield* old.close ?? Effect.void
      return runsOf(signature, wrong)
    })
  }

  /** One byte a block: 1 where what was copied has not its hash. */
  private others(read: Old["read"]): Effect.Effect<Uint8Array> {
    return Effect.gen({ self: this }, function* () {
      const { blocks, signature } = this.copying
      const right = new Uint8Array(blocks.length)
      for (const [from, to, content] of copies(signature, blocks)) {
        const wanted = Array.from({ length: to - from }, (_, i) => i)
        if (yield* isRead(read, from * signature.blockBytes, content))
          markFound(signature, content, { own: right.subarray(from, to), wanted, first: from })
        for (const [first, end] of stretches(blocks, from, to)) this.advance(end - first)
        yield* Effect.yieldNow
      }
      return blocks.map((block, i) => block & (right[i] ^ 1))
    })
  }

  private advance(blocks: number): void {
    const { blockBytes } = this.copying.signature
    this.doneBlocks += blocks
    this.told(this.doneBlocks * blockBytes, 2 * this.count * blockBytes)
  }
}
