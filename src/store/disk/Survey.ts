/**
 * The survey of a disk: every entry of the manifest is looked at where it would be, and nothing is
 * changed. What cannot be looked at is taken for lacking: when it comes, its failure is told.
 */

import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import * as Compare from "../../tree/Compare.ts"
import { type Entry, metadataOf } from "../../tree/Entry.ts"
import * as Metadata from "../../tree/Metadata.ts"
import type { Policy } from "../../tree/Policy.ts"
import type { Failure } from "../../wire/Message.ts"
import { changedMeanwhile } from "../Reasons.ts"
import { forEntry } from "./Attempt.ts"
import * as Confinement from "./Confinement.ts"
import type { Site } from "./Site.ts"

/** The change of each entry. */
export const survey = Effect.fn("Disk.survey")(function* (site: Site, entries: ReadonlyArray<Entry>, policy: Policy) {
  const changes = new Uint16Array(entries.length)
  yield* site.destination.inTurns(entries, (entry, index) => {
    changes[index] = changesOf(site, entry, policy)
  })
  return changes
})

/** The change of each entry where there is no destination. */
export const ofNothing = (entries: ReadonlyArray<Entry>, policy: Policy): Uint16Array =>
  Uint16Array.from(entries, (entry) =>
    entry._tag === "HardLink"
      ? Compare.linkChangesOf(undefined, false, policy, undefined)
      : Compare.changesOf(entry, undefined, policy, false)
  )

const changesOf = (site: Site, entry: Entry, policy: Policy): number => {
  const stats = lookAt(site, entry.path)
  if (entry._tag !== "HardLink") return Compare.changesOf(entry, foundOf(site, entry, stats), policy, site.isRoot)
  const leader = site.inventory.entries[entry.leader]
  const leaders = leader === undefined ? undefined : lookAt(site, leader.path)
  const isLeaders = stats !== undefined && leaders !== undefined && Confinement.isSameFile(stats, leaders)
  return Compare.linkChangesOf(foundOf(site, entry, stats), isLeaders, policy, metadataOf(leader))
}

/** The status of what has the name; undefined: nothing has it, or it cannot be reached. */
const lookAt = ({ destination }: Site, path: Uint8Array): fs.BigIntStats | undefined =>
  Result.getOrUndefined(
    Result.try(() =>
      path.length === 0
        ? fs.statSync(destination.tree.directory("").self, { bigint: true })
        : Confinement.look(Confinement.pathOf(destination.spot(path)))
    )
  )

const foundOf = (
  { destination }: Site,
  { _tag, path }: Entry,
  stats: fs.BigIntStats | undefined
): Compare.Found | undefined => {
  if (stats === undefined) return undefined
  const found = { _tag: tagOf(stats), metadata: Metadata.ofStatus(stats), size: Number(stats.size) }
  if (_tag !== "Symlink" || found._tag !== "Symlink") return found
  const read = Result.try(() => fs.readlinkSync(Confinement.pathOf(destination.spot(path)), { encoding: "buffer" }))
  return Result.isFailure(read) ? found : { ...found, target: read.success }
}

const tagOf = (stats: fs.BigIntStats): Compare.Found["_tag"] => {
  if (stats.isFile()) return "File"
  if (stats.isDirectory()) return "Directory"
  if (stats.isSymbolicLink()) return "Symlink"
  return stats.isFIFO() ? "Fifo" : "Other"
}

/** What was right, and is not any more. */
export const recheck = Effect.fn("Disk.recheck")(function* (site: Site) {
  const { destination, inventory } = site
  const failures: Array<Failure> = []
  yield* destination.inTurns(inventory.unchanged(), (index) => {
    const entry = inventory.entries[index]
    forEntry(failures, index, entry.path, () => {
      if (inventory.isOther(index, foundOf(site, entry, lookAt(site, entry.path)))) throw changedMeanwhile()
    })
  })
  return failures
})
