/** Trees to simulate with: entries, and content that depends on nothing but a seed. */

import * as Result from "effect/Result"
import { isSpecial } from "../tree/Entry.ts"
import { destination, type Given } from "../store/Memory.ts"
import type { Volume } from "../store/Volume.ts"
import * as Limits from "../protocol/Limits.ts"
import { bounded } from "../tree/Holes.ts"
import type { Metadata } from "../tree/Metadata.ts"
import type { Dice } from "./Dice.ts"
import { display } from "../tree/Names.ts"

const text = new TextEncoder()
const metadata: Metadata = { mode: 0o644, mtimeSeconds: 1_700_000_000, mtimeNanos: 123_456_789, uid: 0, gid: 0 }

/** Bytes that do not repeat and do not compress. */
export const bytes = (size: number, seed: number): Uint8Array => {
  const words = new Uint32Array(Math.ceil(size / 4))
  let state = Math.imul(seed + 1, 0x9e37_79b1) ^ size
  for (let i = 0; i < words.length; i++) {
    state = (state + 0x6d2b_79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    words[i] = mixed ^ (mixed >>> 14)
  }
  return new Uint8Array(words.buffer, 0, size)
}

/** A file of `size` bytes that follow from the seed. */
export const file = (path: string, size: number, seed = 1): Given => ({
  entry: { _tag: "File", path: text.encode(path), metadata, size },
  content: bytes(size, seed)
})

/**
 * The same with holes: of blocks of 4 KiB those of a seed are zeros, and no data.
 */
export const withHoles = (given: Given, seed: number): Given => {
  const { content = new Uint8Array(0), entry } = given
  if (entry._tag !== "File") return given
  const holed = content.slice()
  const data: Array<number> = []
  for (let at = 0, block = 0; at < content.length; at += blockBytes, block++) {
    const end = Math.min(at + blockBytes, content.length)
    // several in a row, as on a disk
    if (Math.imul(seed + (block >> 2), 0x9e37_79b1) >>> 30 > 0) holed.fill(0, at, end)
    else data.push(at, end - at)
  }
  const runs = bounded(content.length, data, Limits.dataRuns)
  const { data: _, ...dense } = entry
  return { ...given, entry: runs === undefined ? dense : { ...dense, data: runs }, content: holed }
}

/** Of the holes. */
const blockBytes = 4096

/** A directory; what is in it comes after it. */
export const directory = (path: string): Given => ({
  entry: { _tag: "Directory", path: text.encode(path), metadata: { ...metadata, mode: 0o755 } }
})

/** A symbolic link. */
export const symlink = (path: string, target: string): Given => ({
  entry: { _tag: "Symlink", path: text.encode(path), metadata, target: text.encode(target) }
})

/** A FIFO. */
export const fifo = (path: string): Given => ({ entry: { _tag: "Fifo", path: text.encode(path), metadata } })

/** The tree with extended attributes of some entries, in some stories. */
export const attributed = (dice: Dice, tree: ReadonlyArray<Given>): Array<Given> => {
  if (!dice.hits(0.25)) return [...tree]
  return tree.map((given): Given => (dice.hits(0.4) ? withAttributes(dice, given) : given))
}

/** An entry with others than it has. */
export const withAttributes = (dice: Dice, given: Given): Given => {
  const { entry } = given
  if (entry._tag === "HardLink") return given
  const names = ["security.capability", "system.posix_acl_access", "user.a"].filter(() => dice.hits(0.5))
  const attributes = names.map((name) => ({ name, value: Uint8Array.of(dice.whole(0, 3)) }))
  return { ...given, entry: { ...entry, metadata: { ...entry.metadata, attributes } } }
}

/** A device, and another name of it, in some stories; `at`: so many entries are before it. */
export const devices = (dice: Dice, at: number): ReadonlyArray<Given> => {
  const path = text.encode("device")
  const device = { _tag: "CharacterDevice", path, metadata, device: dice.whole(0, 0xffff) } as const
  if (!dice.hits(0.15)) return []
  return [{ entry: device }, ...(dice.hits(0.5) ? [hardLink("same device", at)] : [])]
}

/** `leader`: the index of the file that it is a link to. */
export const hardLink = (path: string, leader: number): Given => ({
  entry: { _tag: "HardLink", path: text.encode(path), leader }
})

/** The content of every file, by its path. */
export const contents = (tree: ReadonlyArray<Given>): ReadonlyMap<string, Uint8Array> =>
  new Map(
    tree.flatMap(({ content, entry }) =>
      entry._tag === "File" ? [[display(entry.path), content ?? new Uint8Array(0)] as const] : []
    )
  )

/** The name of what is kept of a file in part. */
export const partName = /(^|\/)\.([^/]*)\.mrsync-partial$/

/** A name that only older versions of a tree have. */
export const extraneous = "extraneous"

/** A name that the rules of a policy may keep from being deleted. */
export const kept = "kept"

/** A path that the source has and does not send, in some stories. */
export const spared = "spared"

/** Puts a tree on a volume, in the destination of a catcher: an older version that stands there before the session. */
export const stand = (volume: Volume, tree: ReadonlyArray<Given>): void => {
  if (volume.find(destination) === undefined) volume.mkdir(destination)
  for (const { content, entry } of tree) {
    const path = entry.path.length === 0 ? destination : `${destination}/${display(entry.path)}`
    const leader = entry._tag === "HardLink" ? tree[entry.leader].entry : undefined
    if (entry._tag === "Directory" && entry.path.length > 0) volume.mkdir(path)
    if (entry._tag === "Symlink") volume.symlink(path, display(entry.target), entry)
    if (isSpecial(entry)) volume.special(path, entry)
    if (leader !== undefined) volume.link(`${destination}/${display(leader.path)}`, path)
    if (entry._tag === "File") {
      Result.map(volume.create(path, entry.size), (file) => {
        volume.write(file, 0, content ?? new Uint8Array(0))
        volume.close(file)
      })
    }
    const node = volume.find(path)
    if (node !== undefined && leader === undefined) volume.setMetadata(node, entry)
  }
}
