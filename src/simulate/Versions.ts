/**
 * Older versions of the tree, as they stand at catchers before a session with a policy: another at each, with names that the
 * tree does not have.
 */
import { destination, type Given } from "../store/Memory.ts"
import type { Volume } from "../store/Volume.ts"
import { display } from "../tree/Names.ts"
import * as Policy from "../tree/Policy.ts"
import { Dice } from "./Dice.ts"
import * as Tree from "./Tree.ts"

/** A policy, and what stands at each catcher. */
interface Versions {
  readonly policy: Policy.Policy
  readonly stand: (catcher: number, volume: Volume) => void
  readonly telling: string
}

export const versionsOf = (dice: Dice, seed: number, tree: ReadonlyArray<Given>): Versions => {
  const wishes = { deletes: dice.hits(0.5), forces: dice.hits(0.3), keepsNewer: dice.hits(0.1) }
  // dice of their own, so that the stories of old seeds stay
  const own = new Dice(seed * 41 + 7)
  const compare = own.hits(0.3) ? "Content" : "Time"
  const policy: Policy.Policy = { ...Policy.defaults, ...wishes, compare }
  const versionOf = (catcher: number) => {
    const older = olderOf(new Dice(seed * 37 + catcher), tree)
    return unclearOf(new Dice(seed * 43 + catcher), older, policy)
  }
  return {
    policy,
    stand: (catcher, volume) => Tree.stand(volume, versionOf(catcher)),
    telling: `older versions stand at the catchers; the policy is ${JSON.stringify(policy)}`
  }
}

/** Most of it is as the source is, because that is the daily job. */
const olderOf = (dice: Dice, tree: ReadonlyArray<Given>): ReadonlyArray<Given> => {
  if (dice.hits(0.2)) return []
  const share = dice.pick(0, 0.1, 0.5)
  const isHardLinked = new Set(tree.flatMap(({ entry }) => (entry._tag === "HardLink" ? [entry.leader] : [])))
  const out: Array<Given> = []
  const isThere = new Set<string>([destination])
  tree.forEach((given, index) => {
    const { entry } = given
    const path = display(entry.path)
    // what would escape, and links whose file may be another here
    if (path.includes("..") || path.startsWith("/") || entry._tag === "HardLink") return
    const parent = path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : destination
    if (!isThere.has(parent)) return
    const older = dice.hits(share) && !isHardLinked.has(index) ? olderEntry(dice, given) : given
    if (older === undefined) return
    out.push(older)
    if (older.entry._tag !== "Directory") return
    isThere.add(path === "." ? destination : path)
    if (dice.hits(0.3))
      out.push(Tree.file(path === "." ? Tree.extraneous : `${path}/${Tree.extraneous}`, dice.whole(0, 3000)))
  })
  return out
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
