/**
 * The room on a disk, before anything is made there. Paths are taken as they are: a link that leads elsewhere can only make
 * the disk seem to have more room, and then the tree is tried.
 */

import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import type { Entry } from "../../tree/Entry.ts"
import { types } from "./FileSystems.ts"
import * as Room from "../../tree/Room.ts"
import { keyOf, ofKey } from "../../tree/Names.ts"

/** Entries looked at between two turns of the event loop. */
const entriesPerTurn = 128

/** File systems that keep content as it is. */
const plainTypes: ReadonlySet<number> = new Set([types.ext, types.xfs, types.tmpfs, types.fat, types.exfat])

/** File systems that let two files share their blocks, or may. */
const sharing: ReadonlySet<number> = new Set([types.xfs, types.btrfs])

/** `leftoverBytes` says how much the files take in a directory that are removed, or used, when the tree comes. */
export const shortage = Effect.fn("DiskRoom.shortage")(function* (
  destination: Buffer,
  entries: ReadonlyArray<Entry>,
  leftoverBytes: (directory: Buffer) => number,
  replacing: Room.Replacing = "Anew"
) {
  const space = spaceAt(destination)
  // nothing need be looked at for a tree that fits beside what is there
  const asNew = () => entries.map((entry) => ({ entry, standing: undefined }))
  const fits = space !== undefined && Room.shortageOf(asNew(), space, replacing) === undefined
  if (space === undefined || (fits && !hasMounts(destination))) return Option.none()
  const volumes = yield* volumesOf(destination, entries)
  let unsure: Room.Shortage | undefined
  for (const { at, directories, needs } of volumes) {
    const space = spaceAt(at)
    if (space === undefined) continue
    const lacks = Room.shortageOf(needs, space, replacing)
    if (lacks === undefined) continue
    const { freeBytes } = space
    const left = lacks.of === "bytes" ? [...directories].reduce((sum, path) => sum + leftoverBytes(ofKey(path)), 0) : 0
    const after = freeBytes === undefined ? space : { ...space, freeBytes: freeBytes + left }
    const found = Room.shortageOf(needs, after, replacing)
    if (found?.isSure === true) return Option.some(found)
    unsure ??= found
  }
  return Option.fromUndefinedOr(unsure)
})

interface Part {
  /** A directory there. */
  readonly at: Buffer
  readonly needs: Array<Room.Need>
  /** Where files come, one character a byte. */
  readonly directories: Set<string>
}

/** The entries by the file system on which each of them will be. */
const volumesOf = Effect.fnUntraced(function* (destination: Buffer, entries: ReadonlyArray<Entry>) {
  const parts = new Map<bigint, Part>()
  const top = destination.toString("latin1")
  const devices = new Map<string, bigint>()
  const root = look(destination)
  if (root !== undefined) devices.set(top, fs.statSync(destination, { bigint: true }).dev)
  for (const [index, entry] of entries.entries()) {
    if (index % entriesPerTurn === 0) yield* Effect.yieldNow
    if (entry.path.length === 0) continue
    const path = `${top}/${keyOf(entry.path)}`
    const parent = path.slice(0, path.lastIndexOf("/"))
    const device = devices.get(parent)
    // an entry that will be refused
    if (device === undefined) continue
    const found = look(ofKey(path))
    const isMount = entry._tag === "Directory" && found?.isDirectory() === true
    if (entry._tag === "Directory") devices.set(path, isMount ? found.dev : device)
    const part = parts.get(device) ?? { at: ofKey(parent), needs: [], directories: new Set() }
    parts.set(device, part)
    const standing = found === undefined ? undefined : standingOf(found)
    part.needs.push({ entry, standing })
    if (entry._tag === "File") part.directories.add(parent)
  }
  return [...parts.values()]
})

const standingOf = (stats: fs.BigIntStats): Room.Standing =>
  stats.isFile()
    ? { size: Number(stats.size), bytes: Number(stats.blocks) * 512 }
    : // another type makes way
      { size: -1, bytes: 0 }

const look = (path: Buffer): fs.BigIntStats | undefined =>
  Result.getOrUndefined(Result.try(() => fs.lstatSync(path, { bigint: true, throwIfNoEntry: false })))

/** The space that is free for us; undefined: the system does not say. */
const spaceAt = (directory: Buffer): Room.Space | undefined => {
  const stats = Result.getOrUndefined(Result.try(() => fs.statfsSync(directory, { bigint: true })))
  if (stats === undefined) return undefined
  const blockBytes = Number(stats.bsize)
  const keepsBytes = plainTypes.has(Number(stats.type))
  // a part is kept for root
  const free = process.geteuid?.() === 0 ? stats.bfree : stats.bavail
  return {
    // a size of 0 is none, as of a tmpfs without a limit, or one that is made as it is needed
    freeBytes: stats.blocks === 0n ? undefined : Number(free) * blockBytes,
    freeInodes: stats.files === 0n ? undefined : Number(stats.ffree),
    blockBytes: keepsBytes && blockBytes > 0 ? blockBytes : 1,
    keepsBytes,
    sharesBlocks: sharing.has(Number(stats.type))
  }
}

/** Is something mounted below a directory? Where the system does not say: no. */
const hasMounts = (directory: Buffer): boolean => {
  const listed = Result.try(() => {
    const top = fs.realpathSync.native(directory, { encoding: "buffer" }).toString("latin1")
    if (top === "/") return false
    const lines = fs.readFileSync("/proc/self/mountinfo", "latin1").split("\n")
    return lines.some((line) => unescaped(line.split(" ")[4] ?? "").startsWith(`${top}/`))
  })
  return Result.getOrElse(listed, () => false)
}

/** The kernel writes a blank in a path as \040. */
const unescaped = (path: string): string =>
  path.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)))
