/**
 * What stood at a catcher before the session, and what of it has to stay as it was: by the policy's words, and without the
 * protocol's own comparison, so that its mistakes are not made twice.
 */
import { destination, type Given } from "../store/Memory.ts"
import type { Node, Volume } from "../store/Volume.ts"
import type { Entry } from "../tree/Entry.ts"
import type { Metadata } from "../tree/Metadata.ts"
import { display } from "../tree/Names.ts"
import type { Policy } from "../tree/Policy.ts"
import * as Tree from "./Tree.ts"

/**
 * Why something stays as it stood: it was right; the policy keeps it, or keeps it away; it is not in the tree, and protected or
 * not to be deleted. Of what is Described the content stays, and the metadata is put right. What somebody else has changed since is
 * Meddled: nothing is expected of it.
 */
type Stays = "Right" | "Described" | "Kept" | "Extraneous" | "Meddled"

interface Standing {
  readonly stays: Stays
  /** undefined: nothing stood there. */
  readonly node: Node | undefined
}

type Described = Exclude<Entry, { readonly _tag: "HardLink" }>

/** By a policy: that of the session, and whether its rules protect `Tree.kept`. */
export interface Wishes {
  readonly policy: Policy
  readonly protects: boolean
}

export class Stood {
  private readonly standing = new Map<string, Standing>()

  constructor(tree: ReadonlyArray<Given>, { policy, protects }: Wishes, volume: Volume) {
    const nodeOf = ({ path }: Entry) => volume.find(path.length === 0 ? destination : `${destination}/${display(path)}`)
    for (const { content = new Uint8Array(0), entry } of tree) {
      const node = nodeOf(entry)
      const leader = entry._tag === "HardLink" ? tree[entry.leader].entry : undefined
      const stays = entry._tag === "HardLink" ? undefined : staysOf(entry, content, node, policy)
      // further names of a file that is right are right as well
      const isRight =
        leader !== undefined && this.of(display(leader.path))?.stays === "Right" && node === nodeOf(leader)
      if (stays !== undefined || isRight) this.standing.set(display(entry.path), { stays: stays ?? "Right", node })
    }
    const ofTree = new Set(tree.map(({ entry }) => display(entry.path)))
    const spared = new Set(policy.spared.map((path) => display(path)))
    const top = volume.find(destination)
    for (const [name, node] of top?._tag === "Directory" ? volume.walk(top) : []) {
      if (ofTree.has(name) || Tree.partName.test(name)) continue
      const names = upwards(name).filter((one) => !ofTree.has(one))
      const isKept = protects && (name.endsWith(`/${Tree.kept}`) || name === Tree.kept)
      // all in a spared directory of the tree stays
      const isSpared = names.some((one) => spared.has(one) || spared.has(parentOf(one)))
      if (!policy.deletes || isSpared) this.standing.set(name, { stays: "Extraneous", node })
      if (policy.deletes && isKept) for (const one of names) this.standing.set(one, { stays: "Extraneous", node })
    }
  }

  /** Why nothing may be changed under a name, and what stood there; undefined: it may. */
  of(name: string): Standing | undefined {
    return this.standing.get(name)
  }

  /** Somebody else has changed it; `isDescribed`: no more than its metadata. */
  forget(name: string, isDescribed: boolean): void {
    this.standing.set(name, { stays: "Meddled", node: isDescribed ? this.of(name)?.node : undefined })
  }
}

const parentOf = (name: string): string => (name.includes("/") ? name.slice(0, name.lastIndexOf("/")) : ".")

/** A name, and the directories above it. */
const upwards = (name: string): ReadonlyArray<string> => (name === "." ? [] : [name, ...upwards(parentOf(name))])

const staysOf = (entry: Described, content: Uint8Array, node: Node | undefined, policy: Policy): Stays | undefined => {
  if (node === undefined) return policy.onlyExisting ? "Kept" : undefined
  if (policy.keepsExisting && entry._tag !== "Directory") return "Kept"
  if (node._tag !== entry._tag) return undefined
  const own = node.entry !== undefined && "metadata" in node.entry ? node.entry.metadata : undefined
  // what was made for no entry has no time to speak of
  const later = own === undefined ? -Infinity : laterBy(own, entry.metadata, policy)
  if (entry._tag === "File" && policy.keepsNewer && later > 0) return "Kept"
  if (!hasContent(entry, content, node, policy, later === 0)) return undefined
  const isAttributed = own !== undefined && attributesOf(own, policy) === attributesOf(entry.metadata, policy)
  if (own !== undefined && later === 0 && isAttributed && isDescribed(own, entry)) return "Right"
  // a link or a FIFO that is to be described may be made anew
  return entry._tag === "File" || entry._tag === "Directory" ? "Described" : undefined
}

/** Those that a policy carries, as a text. */
export const attributesOf = ({ attributes = [] }: Metadata, policy: Policy | undefined): string =>
  attributes
    .filter(({ name }) => (name.startsWith("system.") ? policy?.carriesAcls : policy?.carriesAttributes) === true)
    .map(({ name, value }) => `${name}=${value.join()}`)
    .join()

// a link's own mode is not to be set
const isDescribed = (own: Metadata, { _tag, metadata: { gid, mode, uid } }: Described): boolean =>
  own.uid === uid && own.gid === gid && (own.mode === mode || _tag === "Symlink")

const hasContent = (
  entry: Described,
  content: Uint8Array,
  node: Node,
  { compare }: Policy,
  isSameTime: boolean
): boolean => {
  if (entry._tag === "Symlink") return node._tag === "Symlink" && node.target === display(entry.target)
  if ("device" in entry) return "device" in node && node.device === entry.device
  if (entry._tag !== "File") return true
  if (compare === "Content") return node._tag === "File" && node.content.equals(content)
  const isSameSize = node._tag === "File" && node.content.size === entry.size
  return isSameSize && (compare === "Size" || (compare === "Time" && isSameTime))
}

/** By how much it is later, in seconds; 0 within the window. */
const laterBy = (own: Metadata, source: Metadata, { windowSeconds }: Policy): number => {
  const seconds = own.mtimeSeconds - source.mtimeSeconds
  if (windowSeconds < 0) return seconds + (own.mtimeNanos - source.mtimeNanos) / 1e9
  return Math.abs(seconds) <= windowSeconds ? 0 : seconds
}
