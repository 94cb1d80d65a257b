/**
 * The entries of a tree, in the order in which they are made, each with its path in bytes: names on disk are bytes. Pure.
 */

import type { Runs } from "../protocol/Words.ts"
import { carriedBytes } from "./Holes.ts"
import type { Metadata } from "./Metadata.ts"

/**
 * Paths are relative to the destination, separated by "/"; the empty path is the destination itself (a Directory). Of a manifest's
 * entries many are packed: before one is copied with `...`, `Manifest.plain` has to give it fields.
 */
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
  | { readonly _tag: "Socket"; readonly path: Uint8Array; readonly metadata: Metadata }
  | ({ readonly _tag: "CharacterDevice" } & Numbered)
  | ({ readonly _tag: "BlockDevice" } & Numbered)

interface Numbered {
  readonly path: Uint8Array
  readonly metadata: Metadata
  /** Its number: as Linux packs major and minor, from the lowest bit 8 bits of the minor, 12 of the major, 12 more of the minor. */
  readonly device: number
}

/** A name for something that is no file: a FIFO, a socket or a device. */
export type Special = Extract<Entry, { readonly _tag: "Fifo" | "Socket" | "CharacterDevice" | "BlockDevice" }>
/** A device. */
export type Device = Extract<Entry, { readonly device: number }>

/** Is it a FIFO, a socket or a device? */
export const isSpecial = (entry: Entry | undefined): entry is Special =>
  entry !== undefined && (entry._tag === "Fifo" || entry._tag === "Socket" || isDevice(entry))

/** Is it a device? */
export const isDevice = (entry: Entry | undefined): entry is Device => entry !== undefined && "device" in entry

/** The number of a device; 0 of anything else. */
export const deviceOf = (entry: Entry): number => (isDevice(entry) ? entry.device : 0)

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
  /** Entries of other types, which nobody is sent. */
  readonly special: number
}

/** All of the tree was read. */
export const nothingLeftOut: LeftOut = { lost: [], more: 0, special: 0 }

/** Is it a further name of a regular file? */
export const isLinkedFile = (entry: Entry, entries: ReadonlyArray<Entry>): boolean =>
  entry._tag === "HardLink" && entries[entry.leader]?._tag === "File"

/** What a tree has: hard links of files are files as well as links, symbolic links are links. Special: FIFOs, sockets and devices. Bytes are those that are carried. */
export const counts = (entries: ReadonlyArray<Entry>, isCounted: (entry: number) => boolean = () => true) => {
  let files = 0
  let directories = 0
  let links = 0
  let specials = 0
  let bytes = 0
  for (let index = 0; index < entries.length; index++) {
    const entry = entries[index]
    if (!isCounted(index)) continue
    if (entry._tag === "File") bytes += carriedBytes(entry)
    if (entry._tag === "File" || isLinkedFile(entry, entries)) files++
    if (entry._tag === "Directory") directories++
    if (entry._tag === "Symlink" || entry._tag === "HardLink") links++
    if (isSpecial(entry)) specials++
  }
  return { files, directories, links, specials, bytes }
}

/** Its metadata, if it has any of its own. */
export const metadataOf = (entry: Entry | undefined): Metadata | undefined =>
  entry === undefined || entry._tag === "HardLink" ? undefined : entry.metadata
