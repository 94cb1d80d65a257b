/**
 * The survey of a disk: every entry of the manifest is looked at where it would be, and nothing is
 * changed. What cannot be looked at is taken for lacking: when it comes, its failure is told.
 */

import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { targetAt } from "../../system/FakeSuper.ts"
import type { Place } from "../../system/Libc.ts"
import * as Limits from "../../protocol/Limits.ts"
import { hasBlocks } from "../../delta/Blocks.ts"
import * as Status from "../../system/Status.ts"
import * as Compare from "../../tree/Compare.ts"
import type { Entry } from "../../tree/Entry.ts"
import { keyOf, parentOf } from "../../tree/Names.ts"
import { areCarried } from "../../tree/Attributes.ts"
import type { Policy } from "../../tree/Policy.ts"
import type { Failure } from "../../wire/Message.ts"
import { changedMeanwhile } from "../Reasons.ts"
import { fail, forEntry } from "./Attempt.ts"
import * as Confinement from "./Confinement.ts"
import * as Contents from "./Contents.ts"
import * as Entries from "./Entries.ts"
import * as Similar from "./Similar.ts"
import type { Site } from "./Site.ts"
import * as Stale from "./Stale.ts"

/** Entries looked at between two turns of the event loop: a millisecond. */
const looksPerTurn = 256

/** The change of each entry; `looked` is told how many were looked at. */
export const survey = Effect.fn("Disk.survey")(function* (
  site: Site,
  entries: ReadonlyArray<Entry>,
  policy: Policy,
  looked: (entries: number) => void = () => {}
) {
  const changes = new Uint16Array(entries.length)
  const before = (yield* Clock.currentTimeMillis) - Limits.partialMillis
  const looks = new Looks(site)
  const inodes = new Float64Array(entries.length)
  let single = 0
  const sharers = new Compare.Sharers<string>()
  const look = (entry: Entry, index: number) => {
    const status = looks.at(index)
    const found = changesOf(site, looks, entry, status, policy)
    const change = hasBlocks(entry) ? Compare.withPart(found, () => hasPart(site, index, policy, before)) : found
    // a file with more names may well have two of the tree's
    if (status?.kind === "Directory" || status?.links === 1)
      inodes[single++] = status.inodeHigh * 2 ** 32 + status.inodeLow
    if (entry._tag === "File" && status?.kind === "File" && status.links > 1)
      sharers.add(Status.identityOf(status), index)
    changes[index] = site.inventory.told(index, change, changes)
    looked(index + 1)
  }
  yield* site.destination.inTurns(entries, look, looksPerTurn)
  // one of another file system may be the same
  site.hasTwins = inodes
    .subarray(0, single)
    .sort()
    .some((inode, at, sorted) => at > 0 && inode === sorted[at - 1])
  if (site.hasTwins)
    yield* site.destination.inTurns(entries, (_, index) => addTwin(site, looks, sharers, index), looksPerTurn)
  site.inventory.settle(changes, sharers)
  site.shared = sharers.shared()
  yield* Similar.find(site, entries, changes, policy)
  return changes
})

/** Is a part of the file kept? What a killed process left of it is so from now on, and what is too old goes. [Y-15] */
const hasPart = (
  { destination, inventory, partials, temporaries }: Site,
  index: number,
  policy: Policy,
  beforeMillis: number
): boolean => {
  if (inventory.refusal(index) !== undefined || policy.isDryRun) return false
  const found = Result.try(() => {
    const { path } = inventory.entries[index]
    const { directory } = destination.spot(path)
    if (temporaries.clear(directory)) Stale.clearIn(directory, beforeMillis, (spot) => partials.isFree(spot))
    return partials.has(destination.spot(path))
  })
  return Result.getOrElse(found, () => false)
}

/** Some file systems say of each of a file's names that it is the only one. Names that are alike are told when they are made. */
const addTwin = (site: Site, looks: Looks, sharers: Compare.Sharers<string>, index: number): void => {
  if (site.inventory.entries[index]._tag !== "File" || site.mayBeTwin(index)) return
  const status = looks.at(index)
  if (status?.kind === "File" && status.links === 1) sharers.add(Status.identityOf(status), index)
}

/** The change of each entry where there is no destination. */
export const ofNothing = (
  entries: ReadonlyArray<Entry>,
  policy: Policy,
  vetoed: ReadonlySet<number>,
  givesAway: boolean
): Uint16Array =>
  Uint16Array.from(entries, (entry, index) => {
    const change =
      entry._tag === "HardLink"
        ? Compare.linkChangesOf(
            { found: undefined, leaders: undefined, isLeaders: false },
            policy,
            entries[entry.leader],
            givesAway
          )
        : Compare.changesOf(entry, undefined, policy, givesAway)
    return vetoed.has(index) ? Compare.vetoed(change) : change
  })

/** Looks at the entries of a manifest, in its order. */
class Looks {
  private readonly site: Site
  /** Directories of the manifest that are none here: nothing of the tree is in them. One character a byte. */
  private readonly missing = new Set<string>()

  constructor(site: Site) {
    this.site = site
  }

  /** The status of what stands where an entry would be; undefined: nothing does, or it cannot be looked at. */
  at(index: number): Status.Status | undefined {
    const { destination, inventory } = this.site
    const { _tag, path } = inventory.entries[index]
    const isOut = inventory.isRefused(index) || this.isBelowMissing(path)
    const seen = isOut ? undefined : Result.getOrUndefined(Result.try(() => destination.tree.see(path)))
    if (_tag === "Directory" && seen?.kind !== "Directory") this.missing.add(keyOf(path))
    return seen
  }

  private isBelowMissing(path: Uint8Array): boolean {
    return this.missing.size > 0 && path.length > 0 && this.missing.has(parentOf(keyOf(path)))
  }
}

const changesOf = (
  site: Site,
  looks: Looks,
  entry: Entry,
  status: Status.Status | undefined,
  policy: Policy
): number => {
  if (entry._tag !== "HardLink")
    return Compare.changesOf(entry, foundOf(site, entry, status, policy), policy, site.givesAway)
  const leader = site.inventory.entries[entry.leader]
  const leaders = leader === undefined ? undefined : looks.at(entry.leader)
  const link = {
    found: foundOf(site, entry, status),
    leaders: leader && foundOf(site, leader, leaders),
    isLeaders: status !== undefined && leaders !== undefined && Status.isSameFile(status, leaders)
  }
  return Compare.linkChangesOf(link, policy, leader, site.givesAway)
}

/** `policy`: attributes are looked at where it carries them. */
const foundOf = (
  { describe, destination }: Site,
  entry: Entry,
  status: Status.Status | undefined,
  policy?: Policy
): Compare.Found | undefined => {
  if (status === undefined) return undefined
  const plain = Compare.foundOf(status)
  if (plain._tag !== entry._tag) return plain
  const { tree } = destination
  const found =
    policy !== undefined && areCarried(policy)
      ? { ...plain, metadata: { ...status, attributes: describe.attributes.at(placeOf(tree, entry.path), policy) } }
      : plain
  if (plain._tag !== "Symlink") return found
  const read = Result.try(() => targetAt(tree.below(entry.path)))
  return Result.isFailure(read) ? found : { ...found, target: read.success }
}

const placeOf = (tree: Confinement.Tree, path: Uint8Array): Place =>
  path.length === 0 ? Confinement.placeOf(tree.root, tree) : { path: tree.below(path), follow: false }

/**
 * What was right, and is not any more. What differs in mode, owner, time or attributes alone is put right on the spot. Directories
 * are looked at because others are in them.
 */
export const recheck = Effect.fn("Disk.recheck")(function* (site: Site) {
  const { contents, describe, destination, inventory } = site
  const failures: Array<Failure> = []
  const looks = new Looks(site)
  const toHash: Array<number> = []
  const lose = (index: number) => {
    inventory.lose(index)
    fail(failures, index, inventory.entries[index].path, changedMeanwhile())
  }
  const putRight = (index: number, entry: Entry) =>
    forEntry(failures, index, entry, () => site.place(index, () => Entries.make(site, entry, index)))
  const recheck = (index: number, isHashed: boolean) => {
    const seen = looks.at(index)
    if (!inventory.isUnchanged(index)) return
    const entry = inventory.asCompared(index)
    const isByContent = contents?.covers(index, inventory.entries[index]) === true
    if (isByContent && !contents.isKnown(index, seen)) return isHashed ? lose(index) : void toHash.push(index)
    const found = foundOf(site, entry, seen, describe.policy)
    if (!isByContent && inventory.isOther(index, found)) return lose(index)
    if (!inventory.isMisdescribed(index, found, site.givesAway)) return
    putRight(index, entry)
    // it was touched again, and not described
    if (isByContent && inventory.isUnchanged(index) && !contents.isKnown(index, looks.at(index))) lose(index)
  }
  const look = ({ _tag }: Entry, index: number) => {
    if (_tag === "Directory" || inventory.isUnchanged(index)) recheck(index, false)
  }
  yield* destination.inTurns(inventory.entries, look, looksPerTurn)
  yield* Contents.hashAgain(site, toHash)
  yield* destination.inTurns(toHash, (index) => recheck(index, true), looksPerTurn)
  return failures
})
