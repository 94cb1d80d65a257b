/**
 * Does a tree fit? The least room that it needs of a file system, against the room that is free there. Pure. [M-10]
 *
 * A catcher that refuses a tree must be sure, so all doubts are in favour of trying: a replaced file gives its room
 * back, holes of the source take none, and content that may be recognised is not written again.
 */
import * as Limits from "../protocol/Limits.ts"
import type { Entry } from "./Entry.ts"
import { carriedBytes } from "./Holes.ts"
import { travelsAlone } from "./Plan.ts"
import { type Policy, writesInPlace } from "./Policy.ts"

/** The file that has an entry's name now: its size, and the bytes that it gives back when it is replaced. */
export interface Standing {
  readonly size: number
  readonly bytes: number
}

export interface Need {
  readonly entry: Entry
  readonly standing: Standing | undefined
}

/**
 * How files are replaced: all anew; large ones with the blocks that they have in common with the older version, where the file
 * system lets them share these [Y-13]; or those that travel alone where they stand [F-11].
 */
export type Replacing = "Anew" | "Sharing" | "InPlace"

/** What a policy does. */
export const replacingOf = (policy: Policy | undefined): Replacing => {
  if (writesInPlace(policy)) return "InPlace"
  return policy === undefined || policy.sendsWhole || policy.preallocates ? "Anew" : "Sharing"
}

/** The room that is free; undefined: there is no limit. */
export interface Space {
  readonly freeBytes: number | undefined
  readonly freeInodes: number | undefined
  /** Files take whole blocks of this size. */
  readonly blockBytes: number
  /** False where content may take less than its bytes: the file system compresses, or may. */
  readonly keepsBytes: boolean
  /** May two files share their blocks? Absent: no. */
  readonly sharesBlocks?: boolean
}

export interface Shortage {
  readonly of: "bytes" | "inodes"
  readonly needs: number
  readonly has: number
  /** Nothing helps: the tree cannot be held. */
  readonly isSure: boolean
}

/** As a person reads it. */
export const describe = ({ has, needs, of }: Shortage): string =>
  `no space left on device (ENOSPC): needs ${needs}, has ${has} (${of})`

/** The room that a tree lacks; undefined: it may fit. */
export const shortageOf = (
  needs: ReadonlyArray<Need>,
  space: Space,
  replacing: Replacing = "Anew"
): Shortage | undefined => {
  const bytes = bytesNeeded(needs, space, replacing)
  if (space.freeBytes !== undefined && bytes > space.freeBytes)
    return { of: "bytes", needs: bytes, has: space.freeBytes, isSure: space.keepsBytes }
  const inodes = inodesNeeded(needs, replacing)
  return space.freeInodes !== undefined && inodes > space.freeInodes
    ? { of: "inodes", needs: inodes, has: space.freeInodes, isSure: true }
    : undefined
}

/**
 * All that is new less all that is replaced; and what one file takes alone, because it stands beside the one that it replaces,
 * after all others have given back what they can.
 */
const bytesNeeded = (needs: ReadonlyArray<Need>, space: Space, replacing: Replacing): number => {
  let total = 0
  let givenBack = 0
  let alone = 0
  for (const { entry, standing } of needs) {
    if (entry._tag !== "File") continue
    const takes = bytesOf(entry, space.blockBytes)
    const gives = standing?.bytes ?? 0
    const mayStay = standing?.size === entry.size
    total += mayStay ? Math.min(0, takes - gives) : takes - gives
    givenBack += Math.max(0, gives - takes)
    if (!mayStay && needsRoomTwice(entry, space, replacing)) alone = Math.max(alone, Math.max(takes, gives))
  }
  return Math.max(total, alone - givenBack)
}

/** Does it stand beside the one that it replaces? */
const standsBeside = (entry: FileEntry, replacing: Replacing): boolean =>
  !(replacing === "InPlace" && travelsAlone(entry))

/** With blocks of its own? */
const needsRoomTwice = (entry: FileEntry, { sharesBlocks = false }: Space, replacing: Replacing): boolean => {
  const shares = replacing === "Sharing" && sharesBlocks && carriedBytes(entry) >= Limits.deltaBytes
  return standsBeside(entry, replacing) && !shares
}

type FileEntry = Extract<Entry, { readonly _tag: "File" }>

const bytesOf = ({ size, usedBytes }: FileEntry, blockBytes: number): number =>
  usedBytes ?? Math.ceil(size / blockBytes) * blockBytes

/** New names need one each, but for hard links; a file that replaces another has one of its own until then. */
const inodesNeeded = (needs: ReadonlyArray<Need>, replacing: Replacing): number => {
  let names = 0
  let replaced = 0
  for (const { entry, standing } of needs) {
    if (entry._tag === "HardLink") continue
    if (standing === undefined) names++
    else if (entry._tag === "File" && standing.size !== entry.size && standsBeside(entry, replacing)) replaced = 1
  }
  return Math.max(names, replaced)
}
