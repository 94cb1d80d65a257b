/**
 * Deletes what the manifest does not have, when all has arrived. [Y-6]
 *
 * The trap: everything is reached through Confinement, no link is followed, and no mount point is
 * crossed. A name that the file system takes for one of the manifest's stays.
 */

import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Filter } from "../../filter/Filter.ts"
import * as Veto from "../../filter/Veto.ts"
import * as Status from "../../system/Status.ts"
import * as Extraneous from "../../tree/Extraneous.ts"
import { keyOf, ofKey, parentOf } from "../../tree/Names.ts"
import type { Failure } from "../../wire/Message.ts"
import type { Deleted, Deleting } from "../Store.ts"
import { fail } from "./Attempt.ts"
import * as Confinement from "./Confinement.ts"
import type { Destination, Steps } from "./Destination.ts"
import { filterIn, openDirectory, Removal } from "./Removal.ts"
import type { Site } from "./Site.ts"
import { isTemporary } from "./Temporaries.ts"

/** Deletes in every directory of the manifest that is there, but where it was refused or is kept. */
export const run = Effect.fn("Disk.delete")(function* (site: Site, deleting: Deleting) {
  const { changes, destination, forcing, inventory, veto } = site
  const staying = Extraneous.staying(inventory.entries, deleting.spared)
  const failures: Array<Failure> = []
  const limit = Veto.limitOf(veto, deleting.most)
  // some may have gone already, because something else has their directory's name
  const most = Math.min(limit.most, forcing?.most ?? Infinity)
  const removal = new Removal(destination, { ...deleting, most, veto, backups: changes.backups })
  // a directory comes after the one that it is in
  const filters = new Map<string, Filter | undefined>()
  const filterOf = (key: string): Filter | undefined => {
    if (deleting.filter === undefined) return undefined
    const above = () => (key === "" ? deleting.filter : filterOf(parentOf(key)))
    if (!filters.has(key)) filters.set(key, filterIn(destination, above(), key))
    return filters.get(key)
  }
  const directories = inventory.directories().filter((index) => isOwn(site, index, deleting.isDry))
  const clearing = function* (): Steps<void> {
    for (const index of directories) {
      const { path } = inventory.entries[index]
      const key = keyOf(path)
      const names = staying.get(key)
      yield
      if (names === undefined || changes.backups?.areIn(key) === true) continue
      removal.refused = undefined
      yield* clear(site, key, names, removal, filterOf)
      if (removal.refused !== undefined) fail(failures, index, path, removal.refused)
    }
  }
  yield* destination.inSteps(clearing())
  const vetoes = [
    ...(removal.protectedCount > 0 ? [protectedOf(removal)] : []),
    ...(removal.left > 0 && limit.isVetoed ? [Veto.leftOf(removal.left, limit)] : [])
  ]
  if (removal.left > 0 && !limit.isVetoed)
    failures.push({ entry: directories[0], reason: Veto.leftOf(removal.left, limit) })
  if (vetoes.length > 0) failures.push({ entry: directories[0], reason: vetoes.join("; "), isVetoed: true })
  const vetoed = removal.protectedCount + (limit.isVetoed ? removal.left : 0)
  return { count: removal.count, vetoed, failures } as Deleted
})

/** Is it the entry's own directory, and not that of another name which the file system cannot tell from its own? */
const isOwn = (site: Site, index: number, isForeseen: boolean): boolean => {
  if (!isForeseen) return site.directories.has(index)
  return !site.mayBeTwin(index) || Result.isSuccess(Result.try(() => site.mustBeApart(index)))
}

const protectedOf = ({ protectedCount, protectedNames }: Removal): string =>
  `not deleted, protected by the owner of this catcher (catch --protect): ${protectedNames.join(", ")}${
    protectedCount > protectedNames.length ? `, and ${protectedCount - protectedNames.length} more` : ""
  }`

function* clear(
  { destination, guard, partials }: Site,
  key: string,
  staying: ReadonlySet<string>,
  removal: Removal,
  filterOf: (key: string) => Filter | undefined
): Steps<void> {
  const found = Result.try(() => destination.tree.directory(key))
  // it was not made, or is still to be made
  if (Result.isFailure(found)) return
  const opened = removal.trying(() => {
    guard.check(key)
    return { filter: filterOf(key), reading: openDirectory(destination.tree.directory(key)) }
  })
  if (typeof opened === "boolean") return
  const listed = yield* removal.namesOf(opened.reading)
  const seen = new Set(listed.map(keyOf))
  const unseen = [...staying].filter((name) => !seen.has(name))
  const inodes = yield* inodesOf(destination, key, unseen)
  const going: Array<Buffer> = []
  for (const name of listed) {
    if (staying.has(keyOf(name)) || isBeingWritten(destination, key, name) || partials.isOwn(name)) continue
    if (inodes.size > 0) {
      yield
      if (inodes.has(inodeAt(destination, key, name))) continue
    }
    going.push(name)
  }
  yield* removal.remove(key, going, opened.filter, false)
}

/** Is it what another catcher of the destination may be at? A directory of such a name is taken for the user's. */
const isBeingWritten = (destination: Destination, key: string, name: Buffer): boolean => {
  if (!isTemporary(name)) return false
  const looked = Result.try(() => Confinement.look(Confinement.at(destination.tree.directory(key), name)))
  return Result.isFailure(looked) || looked.success?.isDirectory() !== true
}

// Where a name of the manifest is not listed, the file system may show it in another spelling.
function* inodesOf(destination: Destination, key: string, names: ReadonlyArray<string>): Steps<ReadonlySet<string>> {
  const inodes = new Set<string>()
  for (const name of names) {
    yield
    const inode = inodeAt(destination, key, ofKey(name))
    if (inode !== "") inodes.add(inode)
  }
  return inodes
}

/** Device and inode of a name; empty where there is nothing. */
const inodeAt = (destination: Destination, key: string, name: Buffer): string => {
  const stats = Result.try(() => Confinement.look(Confinement.at(destination.tree.directory(key), name)))
  if (Result.isFailure(stats) || stats.success === undefined) return ""
  return Status.inodeOf(stats.success)
}
