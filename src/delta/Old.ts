/** Older versions of a file: how they are read, and what is known of them. */
import * as Effect from "effect/Effect"
import type * as Blocks from "./Blocks.ts"

/** An older version. */
export interface Old {
  readonly size: number
  /** Fills `into` from an offset; fails where that cannot be read. */
  readonly read: (offset: number, into: Uint8Array) => Effect.Effect<void, unknown>
  /** It is the file that is written: what is at its own place stays. */
  readonly isOwn?: boolean
  /** Reads the same where nothing is written over it, if there is such a file. */
  readonly elsewhere?: Old["read"]
  /** Its blocks, if they were hashed before, and whether it is still what was hashed. */
  readonly known?: Known
  /** It is read no more. */
  readonly close?: Effect.Effect<void>
}

/** Hashed blocks of an older version. */
export interface Known {
  readonly blocks: Blocks.Blocks
  readonly isStill: Effect.Effect<boolean>
}

/** Of an older version, by its hashed blocks as they are known now: undefined once it is another. */
export const knownBy = (now: () => Blocks.Blocks | undefined): Pick<Old, "known"> => {
  const blocks = now()
  return blocks === undefined ? {} : { known: { blocks, isStill: Effect.sync(() => now() !== undefined) } }
}

/** Writes content of the new version. */
export type Write<E> = (offset: number, bytes: Uint8Array) => Effect.Effect<void, E>

/** Can it be read there? */
export const isRead = (read: Old["read"], at: number, into: Uint8Array) => Effect.isSuccess(read(at, into))
