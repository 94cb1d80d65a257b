/**
 * What an entry of the manifest and what stands under its name at a catcher have apart: as `rsync`
 * decides it, and as its `--itemize-changes` tells it. Pure.
 */
import type { Changes } from "../protocol/Words.ts"
import * as Attributes from "./Attributes.ts"
import * as Carried from "./Carried.ts"
import { type Entry, isDevice } from "./Entry.ts"
import type { Metadata } from "./Metadata.ts"
import type { Policy } from "./Policy.ts"

/** What stands under an entry's name. */
export interface Found {
  readonly _tag: Exclude<Entry["_tag"], "HardLink"> | "Other"
  readonly metadata: Metadata
  /** Of a file, in bytes. */
  readonly size: number
  /** Of a symbolic link. */
  readonly target?: Uint8Array
  /** Of a device, its number. */
  readonly device?: number
}

/** What a status tells of it. */
export const foundOf = (
  status: Metadata & Pick<Found, "size"> & { readonly kind: Found["_tag"]; readonly ownDevice: number }
): Found => ({ _tag: status.kind, metadata: status, size: status.size, device: status.ownDevice })

/** The bits of a change; no bit: the entry is right. */
export const change = {
  /** It has to be sent, or made anew. */
  Content: 1,
  /** Nothing has its name. */
  New: 2,
  /** Something of another type has its name. */
  Kind: 4,
  Size: 8,
  Time: 16,
  Mode: 32,
  Owner: 64,
  Group: 128,
  /** It differs, and the policy keeps it. */
  Kept: 256,
  /** It differs, and the catcher's owner lets no master touch it. [Y-9] */
  Vetoed: 512,
  /** Its size is right, and only its content can tell whether it is. */
  Doubt: 1024,
  Acl: 2048,
  /** Another extended attribute. */
  Attribute: 4096,
  /** An earlier session has kept a part of it. The catcher alone knows of that. [Y-15] */
  Partial: 8192,
  /** Nothing has its name, and an older version of it may be there under another. The catcher alone knows of that, too. [Y-16] */
  Similar: 16384
} as const

/** Has such an entry to be sent, or made anew? */
export const isLacked = (word: number): boolean => (word & change.Content) !== 0

/** Is it lacked, and a file of another content there, or a part of it, or one that is like it? For an entry that is a file. */
export const isOld = (word: number): boolean =>
  isLacked(word) && ((word & ownKnowledge) !== 0 || (word & (change.New | change.Kind)) === 0)

/** Is it lacked, and nothing there that has its name? */
export const isNew = (word: number): boolean => isLacked(word) && (word & change.New) !== 0

/** The same with a part of the file that an earlier session has kept, if it may be lacked. */
export const withPart = (word: number, isKeptInPart: () => boolean): number =>
  (isLacked(word) || isDoubted(word)) && isKeptInPart() ? word | change.Partial : word

/** What a catcher alone knows. */
const ownKnowledge = change.Partial | change.Similar

/** The change as it is told. */
export const asTold = (word: number): number => word & ~ownKnowledge

/** Can only its content tell whether it is lacked? */
export const isDoubted = (word: number): boolean => (word & change.Doubt) !== 0

/** The word of an entry once that is known. */
export const resolved = (word: number, isSame: boolean): number =>
  isSame ? word & ~(change.Doubt | change.Partial) : (word & ~change.Doubt) | change.Content

/** Is it left alone, though it differs? */
export const isKept = (word: number): boolean => (word & (change.Kept | change.Vetoed)) !== 0

/** Is that because of the catcher's owner? */
export const isVetoed = (word: number): boolean => (word & change.Vetoed) !== 0

/** What becomes of a change where the catcher's owner lets no master touch the entry. */
export const vetoed = (word: number): number => (word === 0 || isKept(word) ? word : change.Vetoed)

/** `found`: undefined where nothing is. `givesAway`: the catcher may set owners, and make devices. */
export const changesOf = (
  entry: Exclude<Entry, { readonly _tag: "HardLink" }>,
  found: Found | undefined,
  policy: Policy,
  givesAway: boolean
): number => {
  const word = apart(entry, found, policy, givesAway)
  // as with rsync, devices are left to root
  return isDevice(entry) && !givesAway && word !== 0 ? change.Kept : word
}

const apart = (
  entry: Exclude<Entry, { readonly _tag: "HardLink" }>,
  found: Found | undefined,
  policy: Policy,
  givesAway: boolean
): number => {
  const making = makingOf(entry._tag, found, policy)
  if (making !== undefined) return making
  if (found === undefined) return 0
  const { keepsExisting, keepsNewer } = policy
  if (entry._tag !== "Directory" && keepsExisting) return change.Kept
  const { _tag: tag, metadata } = entry
  const times = timeOf(metadata, found.metadata, policy)
  if (tag === "File" && keepsNewer && times < 0) return change.Kept
  const content = contentOf(entry, found, policy, times !== 0)
  return content | timeBit(tag, times, policy) | metadataOf(tag, metadata, found, policy, givesAway)
}

/** Has its metadata to be put right, whatever its content is? */
export const isDescribed = (word: number): boolean => resolved(word, true) !== 0 && !isLacked(word) && !isKept(word)

/** Entries whose files are one file here, for all that names a file by `K`. */
export class Sharers<K> {
  private readonly entries = new Map<K, Array<number>>()

  add(file: K, entry: number): void {
    const those = this.entries.get(file)
    if (those === undefined) this.entries.set(file, [entry])
    else those.push(entry)
  }

  /** Those of which others have the same file. */
  shared(): ReadonlySet<number> {
    return new Set([...this.entries.values()].filter((those) => those.length > 1).flat())
  }

  /**
   * What one of them is given the others would have as well. So one at most is described, and that only where none of the others
   * stays as it is; the rest is made anew. `words`: of all entries.
   */
  part(words: Uint16Array): void {
    for (const those of this.entries.values()) {
      const described = those.filter((entry) => isDescribed(words[entry]))
      const stays = those.some((entry) => resolved(words[entry], true) === 0 || isKept(words[entry]))
      for (const entry of stays ? described : described.slice(1)) words[entry] = resolved(words[entry], false)
    }
  }
}

/** What stands under a hard link's name. */
interface FoundLink {
  readonly found: Found | undefined
  /** Under its leader's name. */
  readonly leaders: Found | undefined
  /** Are they one file? */
  readonly isLeaders: boolean
}

/** A hard link is right when it is the file that its leader is. `leader`: the entry that both are to be as. */
export const linkChangesOf = (
  { found, isLeaders, leaders }: FoundLink,
  policy: Policy,
  leader: Entry | undefined,
  givesAway: boolean
): number => {
  if (isLeaders) return 0
  // no content comes for a leader that is kept, and that of another file is not the link's
  if (leader?._tag === "File" && isKeptOther(leader, leaders, policy)) return change.Kept
  if (isDevice(leader) && !givesAway) return change.Kept
  const tag = leader === undefined || leader._tag === "HardLink" ? "File" : leader._tag
  const making = makingOf(tag, found, policy)
  if (making !== undefined) return making
  if (policy.keepsExisting) return change.Kept
  if (found === undefined || leader?._tag !== "File") return change.Content
  const { metadata } = leader
  const times = timeOf(metadata, found.metadata, policy)
  if (policy.keepsNewer && times < 0) return change.Kept
  const size = leader.size === found.size ? 0 : change.Size
  return change.Content | size | metadataOf("File", metadata, found, policy, givesAway) | timeBit("File", times, policy)
}

/** Is it kept, and for all that is known not the file that the source has? */
const isKeptOther = (entry: Extract<Entry, { readonly _tag: "File" }>, found: Found | undefined, policy: Policy) => {
  const keepsNothing = { ...policy, keepsNewer: false, onlyExisting: false, keepsExisting: false }
  const otherwise = changesOf(entry, found, keepsNothing, false)
  return isKept(changesOf(entry, found, policy, false)) && (isLacked(otherwise) || isDoubted(otherwise))
}

/** As rsync tells types apart: a device of the other sort is another one, as is one of another number. */
const kindOf = (tag: Found["_tag"] | "HardLink"): string => {
  if (tag === "CharacterDevice" || tag === "BlockDevice") return "Device"
  return tag === "Fifo" || tag === "Socket" ? "Special" : tag
}

/** Of what has to be made, because something else or nothing is there; undefined: it is there. */
const makingOf = (tag: Entry["_tag"], found: Found | undefined, policy: Policy): number | undefined => {
  if (found === undefined) return policy.onlyExisting ? change.Kept : change.Content | change.New
  if (kindOf(found._tag) === kindOf(tag)) return undefined
  return policy.keepsExisting && tag !== "Directory" ? change.Kept : change.Content | change.Kind
}

/** How much later the source's time is: 0 where the policy takes them for equal. */
const timeOf = (source: Metadata, own: Metadata, { windowSeconds }: Policy): number => {
  const seconds = source.mtimeSeconds - own.mtimeSeconds
  if (windowSeconds < 0) return seconds !== 0 ? seconds : source.mtimeNanos - own.mtimeNanos
  return Math.abs(seconds) <= windowSeconds ? 0 : seconds
}

const timeBit = (tag: Entry["_tag"], times: number, policy: Policy): number =>
  Carried.hasTime(policy, tag) && times !== 0 ? change.Time : 0

const contentOf = (entry: Entry, found: Found, { compare }: Policy, isOtherTime: boolean): number => {
  switch (entry._tag) {
    case "File": {
      if (entry.size !== found.size) return change.Content | change.Size
      if (compare === "Nothing") return change.Content
      // of an empty file no content can be another
      const isDoubted = compare === "Content" || (compare === "Time" && isOtherTime)
      return isDoubted && entry.size > 0 ? change.Doubt : 0
    }
    case "Symlink":
      return isSame(entry.target, found.target) ? 0 : change.Content
    case "CharacterDevice":
    case "BlockDevice":
      return entry._tag === found._tag && entry.device === found.device ? 0 : change.Content
    default:
      return entry._tag === found._tag ? 0 : change.Content
  }
}

const isSame = (a: Uint8Array, b: Uint8Array | undefined): boolean =>
  b !== undefined && a.length === b.length && a.every((byte, at) => byte === b[at])

const metadataOf = (tag: Entry["_tag"], metadata: Metadata, found: Found, policy: Policy, givesAway: boolean): number =>
  (Carried.isOtherMode(policy, tag, metadata.mode, found.metadata.mode) ? change.Mode : 0) |
  (givesAway && !policy.leavesOwner && metadata.uid !== found.metadata.uid ? change.Owner : 0) |
  (givesAway && !policy.leavesGroup && metadata.gid !== found.metadata.gid ? change.Group : 0) |
  attributesOf(metadata, found.metadata, policy, givesAway)

/** [Y-14] */
const attributesOf = (wanted: Metadata, found: Metadata, policy: Policy, givesAway: boolean): number => {
  if (!Attributes.areCarried(policy)) return 0
  const isCarried = Attributes.carried(policy, givesAway)
  const { removed, set } = Attributes.apart(wanted.attributes, found.attributes, isCarried)
  const names = [...removed, ...set.map(({ name }) => name)]
  const acls = names.filter(Attributes.isAcl).length
  return (acls > 0 ? change.Acl : 0) | (names.length > acls ? change.Attribute : 0)
}

/** How many entries have to be made, to be sent or made anew, and to be described; and how many are kept as they are. */
export const countsOf = (changes: Iterable<number>) => {
  const out = { created: 0, updated: 0, described: 0, kept: 0, vetoed: 0 }
  for (const word of changes) {
    if (isVetoed(word)) out.vetoed++
    else if (isKept(word)) out.kept++
    else if (word === 0) continue
    else if (!isLacked(word)) out.described++
    else if ((word & change.New) !== 0) out.created++
    else out.updated++
  }
  return out
}

/** What a catcher says that it has changed: no more entries than there are. */
export const believable = ({ deleted, vetoed, ...changes }: Changes, entries: number): Changes => {
  const within = (count: number) => Math.min(count, entries)
  const { created, described, kept, updated } = changes
  const made = { created: within(created), updated: within(updated), described: within(described) }
  return { ...made, kept: within(kept), deleted, vetoed }
}
