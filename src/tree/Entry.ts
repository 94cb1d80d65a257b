/**
 * The entries of a tree, in the order in which they are made, each with its path in bytes: names on disk are bytes. Pure.
 */

import type { Runs } from "../protocol/Words.ts"
import { carriedBytes } from "./Holes.ts"
import type { Metadata } from "./Metadata.ts"

/** Paths are relative to the destination, separated by "/"; the empty path is the destination itself (a Directory). */
export type Entry =
  | { readonly _tag: "Directory"; readonly path: Uint8Array; readonly metadata: Metadata }
  | {
      readonly _tag: "File"
      readonly path: Uint8Array
      readonly metadata: Metadata
      readonly size: number
      /** What it takes at the source, where holes make that less than its size. */
      readonly usedBytes?: number
      /** Offset and length of each run of its data, ascending and apart; what lies between them reads as zeros. [M-12] */
      readonly data?: Runs
    }
  | {
      readonly _tag: "Symlink"
      readonly path: Uint8Array
      readonly metadata: Metadata
      readonly target: Uint8Array
    }
  | { readonly _tag: "HardLink"; readonly path: Uint8Array; readonly leader: number }
  | { readonly _tag: "Fifo"; readonly path: Uint8Array; readonly metadata: Metadata }

/** What the master found no entry for: so that a catcher, too, can say what it lacks. */
export interface LeftOut {
  /** The first of those that could not be read, or vanished, each with the reason. */
  readonly lost: ReadonlyArray<{
    readonly path: Uint8Array
    readonly kind: "Unreadable" | "Changed"
    readonly reason: string
  }>
  /** How many more. */
  readonly more: number
  /** Sockets and devices, which nobody is sent. */
  readonly special: number
}

/** All of the tree was read. */
export const nothingLeftOut: LeftOut = { lost: [], more: 0, special: 0 }

/** What a tree has: hard links are files as well as links, symbolic links are links, a FIFO is neither. Bytes are those that are carried. */
export const counts = (entries: ReadonlyArray<Entry>) => {
  let files = 0
  let directories = 0
  let links = 0
  let fifos = 0
  let bytes = 0
  for (const entry of entries) {
    if (entry._tag === "File") bytes += carriedBytes(entry)
    if (entry._tag === "File" || entry._tag === "HardLink") files++
    if (entry._tag === "Directory") directories++
    if (entry._tag === "Symlink" || entry._tag === "HardLink") links++
    if (entry._tag === "Fifo") fifos++
  }
  return { files, directories, links, fifos, bytes }
}

/** Its metadata, if it has any of its own. */
export const metadataOf = (entry: Entry | undefined): Metadata | undefined =>
  entry === undefined || entry._tag === "HardLink" ? undefined : entry.metadata
