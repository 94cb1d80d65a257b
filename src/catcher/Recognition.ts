/**
 * Recognition: is what stands under a file's final names the content that the master has? Its
 * blocks are hashed where they stand, as the page stream hashed them when it sent them, and the
 * trailer that follows must have the root.
 *
 * [O-4] A catcher that holds a file already answers `Complete` to its `Open`, and is sent nothing.
 */

import * as Effect from "effect/Effect"
import { agrees, hash } from "../content/Hash.ts"
import * as Layout from "../protocol/file/Layout.ts"
import * as Trailer from "../protocol/file/Trailer.ts"
import * as Monotonic from "../session/Monotonic.ts"
import type { Existing } from "../store/Store.ts"
import type { BlockPool } from "./Assembly.ts"

/** The content that stands at the destination, and the root that it must have. */
export interface Options {
  readonly layout: Layout.Layout
  /** The hash of the trailer. */
  readonly root: Uint8Array
  readonly read: Existing["read"]
  readonly pool: BlockPool
  /** Reading that takes longer ends it with false, because the master waits for an answer. */
  readonly patienceMillis: number
}

/**
 * One block after the other, and others run in between. Content that cannot be read is not
 * recognised.
 */
export const recognise = Effect.fn("Recognition.recognise")(function* (options: Options) {
  const { layout, patienceMillis, pool, read, root } = options
  const now = yield* Monotonic.millis
  const began = now()
  // a bundle's bits of members that the master could not read stay 0: a catcher that lacks a member
  // has to be sent the others
  const trailer = new Uint8Array(layout.trailerBytes)
  const hashed = Effect.fnUntraced(function* (buffer: Uint8Array) {
    for (let block = 0; block < layout.blocks; block++) {
      if (now() - began > patienceMillis) return false
      const bytes = buffer.subarray(0, Layout.blockBytes(layout, block))
      yield* read(block * layout.blockPages * layout.pageBytes, bytes)
      trailer.set(hash(bytes), Trailer.hashAt(block))
      yield* Effect.yieldNow
    }
    return agrees(trailer, root)
  })
  return yield* Effect.acquireUseRelease(
    Effect.sync(() => pool.take()),
    (pooled) => hashed(pooled?.bytes ?? new Uint8Array(Layout.blockBytes(layout, 0))),
    (pooled) => Effect.sync(() => (pooled === undefined ? undefined : pool.give(pooled)))
  ).pipe(Effect.orElseSucceed(() => false))
})
