/**
 * Older versions of the tree, as they stand at catchers before a session with a policy: another at each, with names that the
 * tree does not have.
 *
 * Where a policy asks for `isInPlace`, the store in memory makes a file anew all the same, and has it read once more before the
 * commit: that a name has mixed content for a while, as the disk's store leaves it then, is what the first check of every session
 * forbids.
 */
import * as Result from "effect/Result"
import { hasBlocks } from "../delta/Blocks.ts"
import { destination, type Given } from "../store/Memory.ts"
import { placeOfPart } from "../store/MemorySite.ts"
import type { Volume } from "../store/Volume.ts"
import { display, keyOf, parentOf as directoryOf } from "../tree/Names.ts"
import * as Policy from "../tree/Policy.ts"
import { Dice } from "./Dice.ts"
import type { Wishes } from "./Stood.ts"
import * as Tree from "./Tree.ts"

/** A policy, and what stands at each catcher. */
interface Versions {
  readonly wishes: Wishes
  readonly stand: (catcher: number, volume: Volume) => void
  readonly telling: string
}

export const versionsOf = (dice: Dice, seed: number, tree: ReadonlyArray<Given>): Versions => {
  const daily = { ...Policy.defaults, deletes: dice.hits(0.5), forces: dice.hits(0.3), keepsNewer: dice.hits(0.1) }
  // dice of their own, so that what was found with a seed before stays there
  const own = new Dice(seed ^ 0x5c4d_d124)
  const rules = own.pick("", "", `- ${Tree.kept}\0`, `-r ${Tree.kept}\0`)
  const directories = tree.flatMap(({ entry }) => (entry._tag === "Directory" ? [entry.path] : []))
  const policy: Policy.Policy = {
    ...daily,
    onlyExisting: own.hits(0.08),
    keepsExisting: own.hits(0.08),
    compare: own.pick("Time", "Time", "Time", "Content", "Size", "Nothing"),
    windowSeconds: own.pick(0, 0, 0, -1),
    rules: Buffer.from(rules),
    deletesExcluded: own.hits(0.2),
    spared: own.hits(0.2) ? [Buffer.from(Tree.spared), ...directories.slice(-1)] : [],
    isFuzzy: new Dice(seed ^ 0x3c6e_f372).hits(0.5),
    preallocates: new Dice(seed ^ 0x9b05_688c).hits(0.2),
    isInPlace: new Dice(seed ^ 0x1f83_d9ab).hits(0.3),
    ...carriedOf(new Dice(seed ^ 0x1d87_4e0b))
  }
  const protects = rules.startsWith("-r") || (rules !== "" && !policy.deletesExcluded)
  const versionOf = (catcher: number) => {
    const alike = alikeOf(new Dice(seed * 47 + catcher), tree)
    const older = olderOf(new Dice(seed * 37 + catcher), new Dice(seed * 41 + catcher), alike)
    const named = policy.isFuzzy ? renamedOf(new Dice(seed * 59 + catcher), older) : older
    const unclear = unclearOf(new Dice(seed * 43 + catcher), named, policy)
    return Tree.attributed(new Dice(seed * 53 + catcher), unclear)
  }
  return {
    wishes: { policy, protects },
    stand: (catcher, volume) => {
      Tree.stand(volume, versionOf(catcher))
      standParts(new Dice(seed * 59 + catcher), volume, tree)
    },
    telling: `older versions stand at the catchers; the policy is ${JSON.stringify({ ...policy, rules, spared: policy.spared.map(display) })}`
  }
}

const carriedOf = (dice: Dice) => ({ carriesAttributes: dice.hits(0.5), carriesAcls: dice.hits(0.5) })

/** [Y-13] Large files of which some parts are as the source has them, there or elsewhere. */
const alikeOf = (dice: Dice, tree: ReadonlyArray<Given>): ReadonlyArray<Given> =>
  tree.map((given) => {
    const { content, entry } = given
    if (entry._tag !== "File" || content === undefined || !hasBlocks(entry) || dice.hits(0.2)) return given
    const old = alikeContent(dice, content)
    const metadata = { ...entry.metadata, mtimeSeconds: entry.metadata.mtimeSeconds - 5 }
    return { content: old, entry: { ...entry, size: old.length, metadata } }
  })

const alikeContent = (dice: Dice, content: Uint8Array): Uint8Array => {
  const place = () => dice.whole(0, content.length)
  const other = (most: number) => Tree.bytes(dice.whole(1, most), 80)
  switch (dice.pick("Changed", "Inserted", "Moved", "Cut", "Longer", "Touched")) {
    case "Changed": {
      const old = content.slice()
      for (let left = dice.whole(1, 20); left > 0; left--) old.set(other(5000), dice.whole(0, content.length - 5000))
      return old
    }
    case "Inserted": {
      const places = Array.from({ length: dice.whole(1, 5) }, place).toSorted((a, b) => a - b)
      const parts = [0, ...places].map((at, i) => content.subarray(at, places[i]))
      return Buffer.concat(parts.flatMap((part) => [part, other(3000)]))
    }
    case "Moved": {
      const at = place()
      return Buffer.concat([content.subarray(at), content.subarray(0, at)])
    }
    case "Cut":
      return content.subarray(0, place())
    case "Longer":
      return Buffer.concat([content, other(100_000)])
    case "Touched":
      return content
  }
}

/** [Y-16] Large files that stand under another name beside their own, in directories in which names are deleted. */
const renamedOf = (dice: Dice, version: ReadonlyArray<Given>): ReadonlyArray<Given> => {
  const directories = new Set(version.flatMap(({ entry }) => (entry._tag === "Directory" ? [keyOf(entry.path)] : [])))
  return version.map((given) => {
    const { entry } = given
    if (!hasBlocks(entry) || !directories.has(directoryOf(keyOf(entry.path))) || dice.hits(0.5)) return given
    return { ...given, entry: { ...entry, path: Buffer.concat([entry.path, Buffer.from(".1")]) } }
  })
}

/** [Y-15] What an earlier session has kept of large files: the rest of it may be anything. */
const standParts = (dice: Dice, volume: Volume, tree: ReadonlyArray<Given>): void => {
  for (const { content, entry } of tree) {
    const path = placeOfPart(`${destination}/${display(entry.path)}`)
    if (content === undefined || !hasBlocks(entry) || dice.hits(0.5) || volume.capacityBytes < Infinity) continue
    if (volume.find(parentOf(path))?._tag !== "Directory") continue
    const part = content.slice()
    part.set(dice.hits(0.5) ? Tree.bytes(100_000, 81) : new Uint8Array(100_000), dice.whole(0, part.length - 100_000))
    const arrived = part.subarray(0, dice.hits(0.3) ? part.length : dice.whole(0, part.length))
    Result.map(volume.create(path, part.length), (file) => {
      volume.write(file, 0, arrived)
      volume.close(file)
    })
  }
}

/** Most of it is as the source is, because that is the daily job. `own`: dice of what was added later. */
const olderOf = (dice: Dice, own: Dice, tree: ReadonlyArray<Given>): ReadonlyArray<Given> => {
  if (dice.hits(0.2)) return []
  const share = dice.pick(0, 0.1, 0.5)
  const leaders = new Set(tree.flatMap(({ entry }) => (entry._tag === "HardLink" ? [entry.leader] : [])))
  const out: Array<Given> = []
  const isThere = new Set<string>([destination])
  const standing = new Map<number, number>()
  tree.forEach((given, index) => {
    const { entry } = given
    const path = display(entry.path)
    // what would escape, and links, which come after their files
    if (path.includes("..") || path.startsWith("/") || entry._tag === "HardLink") return
    if (!isThere.has(parentOf(path))) return
    const mayBeOlder = dice.hits(share) && !leaders.has(index)
    const older = mayBeOlder ? olderEntry(dice, given) : given
    if (older === undefined) return
    standing.set(index, out.push(older) - 1)
    if (older.entry._tag !== "Directory") return
    const at = path === "." ? "" : `${path}/`
    isThere.add(path === "." ? destination : path)
    if (dice.hits(0.3)) out.push(Tree.file(`${at}${Tree.extraneous}`, dice.whole(0, 3000)))
    if (own.hits(0.3)) out.push(Tree.file(`${at}${Tree.kept}`, own.whole(0, 3000)))
    if (own.hits(0.15)) out.push(...oldDirectory(own, `${at}old`))
    if (own.hits(0.3)) out.push(...oldDirectory(own, `${at}${Tree.spared}`))
  })
  return [...out, ...linksOf(own, tree, isThere, standing, out)]
}

/** Some files of another time alone; and, where contents are compared, of another content alone. */
const unclearOf = (dice: Dice, version: ReadonlyArray<Given>, { compare }: Policy.Policy): ReadonlyArray<Given> => {
  const share = dice.pick(0, 0.2)
  return version.map((given) => {
    const { entry } = given
    if (entry._tag !== "File" || !dice.hits(share)) return given
    if (compare === "Content" && dice.hits(0.5)) return { ...given, content: Tree.bytes(entry.size, 79) }
    const mtimeSeconds = entry.metadata.mtimeSeconds - dice.pick(1, 1000)
    return { ...given, entry: { ...entry, metadata: { ...entry.metadata, mtimeSeconds } } }
  })
}

/** A directory that the tree does not have, with names that may be protected. */
const oldDirectory = (own: Dice, path: string): ReadonlyArray<Given> => [
  Tree.directory(path),
  Tree.file(`${path}/${Tree.extraneous}`, own.whole(0, 100)),
  ...(own.hits(0.5) ? [Tree.file(`${path}/${Tree.kept}`, own.whole(0, 100))] : [])
]

/** Links to their files, to others, or none; and files of which there are links may be older as well. */
const linksOf = (
  own: Dice,
  tree: ReadonlyArray<Given>,
  isThere: ReadonlySet<string>,
  standing: ReadonlyMap<number, number>,
  out: Array<Given>
): ReadonlyArray<Given> =>
  tree.flatMap(({ entry }) => {
    if (entry._tag !== "HardLink" || !isThere.has(parentOf(display(entry.path)))) return []
    const leader = standing.get(entry.leader)
    if (leader !== undefined && own.hits(0.3)) out[leader] = olderEntry(own, tree[entry.leader]) ?? out[leader]
    const files = [...standing.values()].filter((at) => out[at].entry._tag === "File")
    const [isRight, isOther] = [own.hits(0.5), own.hits(0.5)]
    if (files.length === 0 || (!isRight && !isOther)) return []
    const isLed = isRight && leader !== undefined && out[leader].entry._tag === "File"
    return [Tree.hardLink(display(entry.path), isLed ? leader : own.pick(...files))]
  })

const parentOf = (path: string): string => (path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : destination)

const olderEntry = (dice: Dice, given: Given): Given | undefined => {
  const { entry } = given
  if (entry._tag === "HardLink" || entry.path.length === 0) return given
  const path = display(entry.path)
  const metadata = { ...entry.metadata, mtimeSeconds: entry.metadata.mtimeSeconds - dice.pick(0, 0, 1, 1000, -1000) }
  switch (dice.pick("Absent", "Content", "Size", "Mode", "Kind")) {
    case "Absent":
      return undefined
    case "Content":
      if (entry._tag !== "File") return given
      return {
        entry: { ...entry, metadata: { ...metadata, mtimeSeconds: metadata.mtimeSeconds - 5 } },
        content: Tree.bytes(entry.size, 78)
      }
    case "Size": {
      const size = dice.whole(0, 5000)
      if (entry._tag !== "File" || size === entry.size) return given
      return { entry: { ...entry, size, metadata }, content: Tree.bytes(size, 78) }
    }
    case "Mode":
      // a symbolic link's own mode is none
      return entry._tag === "Symlink"
        ? given
        : { ...given, entry: { ...entry, metadata: { ...entry.metadata, mode: 0o600 } } }
    case "Kind":
      return entry._tag === "File" ? Tree.symlink(path, "nowhere") : given
  }
}
