/**
 * Blocks that an older version has at their own place, and that were hashed before: they are held at once, and copied while the pages
 * come that it has not. [Y-18]
 */
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import type { Runs } from "../protocol/Words.ts"
import { isRead, type Old, type Write } from "./Old.ts"
import { markFound, type Postponed as Reused } from "./Reuse.ts"
import type { Signature } from "./Signature.ts"
import { copies, runsOf, stretches } from "./Stretches.ts"

interface Copying<E> extends Reused {
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
  /** What is copied of a part, and what comes in its place, are not written at the same time. */
  private readonly turn = Semaphore.makeUnsafe(1)

  constructor(copying: Copying<E>) {
    this.copying = copying
    this.count = copying.later.blocks.reduce((sum, block) => sum + block, 0)
  }

  /** From now on `told` is told how many bytes have been copied, and hashed where that is needed, of at most how many. */
  tells(told: (done: number, total: number) => void): void {
    this.told = told
  }

  /** Copies all of it; to be run once. */
  readonly all: Effect.Effect<void, E> = Effect.gen({ self: this }, function* () {
    const { later, old, signature, write } = this.copying
    for (const [from, to, content] of copies(signature, later.blocks)) {
      const start = from * signature.blockBytes
      this.isCut = !(yield* isRead(old.read, start, content))
      if (this.isCut) return
      // what lies between two runs may have come as pages
      for (const [at, length] of later.runs(from, to)) {
        const writing = Effect.gen(function* () {
          const still = later.within(at, at + length)
          for (let i = 0; i < still.length; i += 2)
            yield* write(still[i], content.subarray(still[i] - start, still[i] - start + still[i + 1]))
        })
        yield* this.turn.withPermits(1)(writing)
      }
      for (const [first, end] of stretches(later.blocks, from, to)) this.advance(end - first)
      this.next = to
      yield* Effect.yieldNow
    }
  })

  /** Bytes that are written meanwhile, by `writing`, are not copied over, unless hashes say that they are the same. */
  comes<E2>(offset: number, length: number, writing: Effect.Effect<void, E2>): Effect.Effect<void, E2> {
    return Effect.suspend(() =>
      this.copying.later.comes(offset, length) ? this.turn.withPermits(1)(writing) : writing
    )
  }

  /** Fills `into` as if all of it had been copied; `read` reads what has been. */
  read<E2>(offset: number, into: Uint8Array, read: Write<E2>): Effect.Effect<void, E2> {
    return Effect.gen({ self: this }, function* () {
      const { later, old, signature } = this.copying
      const pending = later.within(Math.max(offset, this.next * signature.blockBytes), offset + into.length)
      yield* read(offset, into)
      // where it cannot be read the content is wrong, and is found to be
      for (let i = 0; i < pending.length; i += 2)
        yield* isRead(old.read, pending[i], into.subarray(pending[i] - offset, pending[i] - offset + pending[i + 1]))
    })
  }

  /**
   * Of what was copied those bytes that are not right: offset and length of each run. It is hashed for that, read by `read`, where
   * the older version has changed meanwhile, or could not be read. Call after `all`. The older version is closed; called again, it
   * answers nothing.
   */
  wrong(read: Old["read"]): Effect.Effect<Runs> {
    return Effect.gen({ self: this }, function* () {
      const { later, old, signature } = this.copying
      if (this.isEnded) return []
      const isSame = !this.isCut && (yield* old.known.isStill)
      const wrong = isSame ? later.blocks.map(() => 0) : yield* this.others(read)
      this.isEnded = true
      yield* old.close ?? Effect.void
      return runsOf(signature, wrong)
    })
  }

  /** One byte a block: 1 where what was copied has not its hash. */
  private others(read: Old["read"]): Effect.Effect<Uint8Array> {
    return Effect.gen({ self: this }, function* () {
      const { later, signature } = this.copying
      const { blocks } = later
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
