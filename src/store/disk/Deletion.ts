/**
 * Deletes what the manifest does not have, when all has arrived. [Y-6]
 *
 * The trap: everything is reached through Confinement, no link is followed, and no mount point is
 * crossed. A name that the file system takes for one of the manifest's stays.
 */

import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import type { Filter } from "../../filter/Filter.ts"
import * as Extraneous from "../../tree/Extraneous.ts"
import { keyOf } from "../../tree/Names.ts"
import type { Failure } from "../../wire/Message.ts"
import type { Deleted, Deleting } from "../Store.ts"
import { forEntry } from "./Attempt.ts"
import * as Confinement from "./Confinement.ts"
import { filterIn, Removal } from "./Removal.ts"
import type { Site } from "./Site.ts"
import { isTemporary } from "./Temporaries.ts"

/** Deletes in every directory of the manifest that is there, but where it was refused or is kept. */
export const run = Effect.fn("Disk.delete")(function* (site: Site, deleting: Deleting) {
  const { destination, inventory } = site
  const staying = Extraneous.staying(inventory.entries, deleting.spared)
  const failures: Array<Failure> = []
  // some may have gone already, because something else has their directory's name
  const most = Math.min(deleting.most, site.changes.most)
  const removal = new Removal(destination, { ...deleting, most })
  // a directory comes after the one that it is in
  const filters = new Map<string, Filter | undefined>()
  const filterOf = (key: string): Filter | undefined => {
    if (deleting.filter === undefined) return undefined
    const above = () => (key === "" ? deleting.filter : filterOf(Confinement.parentOf(key)))
    if (!filters.has(key)) filters.set(key, filterIn(destination, above(), key))
    return filters.get(key)
  }
  const directories = inventory.directories()
  yield* destination.inTurns(directories, (index) => {
    const { path } = inventory.entries[index]
    const key = keyOf(path)
    const names = staying.get(key)
    if (names !== undefined)
      forEntry(failures, index, path, () => clear(site, key, names, removal, () => filterOf(key)))
  })
  const { count, left } = removal
  const reason = `${left} more were not deleted: --max-delete ${deleting.most}`
  if (left > 0) failures.push({ entry: directories[0], reason })
  return { count, failures } as Deleted
})

const clear = (
  site: Site,
  key: string,
  staying: ReadonlySet<string>,
  removal: Removal,
  filterOf: () => Filter | undefined
): void => {
  const { tree } = site.destination
  const found = Result.try(() => tree.directory(key))
  // it was not made, or is still to be made
  if (Result.isFailure(found)) return
  const directory = found.success
  const filter = filterOf()
  const listed = fs.readdirSync(directory.self, { encoding: "buffer" })
  const own = listed.filter((name) => staying.has(name.toString("latin1")))
  const inodes = inodesOf(directory, own.length < staying.size ? [...staying] : [])
  let refused: unknown
  const isShown = (name: Buffer) => inodesOf(directory, [name.toString("latin1")]).some((one) => inodes.includes(one))
  for (const name of listed) {
    if (staying.has(name.toString("latin1")) || isTemporary(name)) continue
    if (inodes.length > 0 && isShown(name)) continue
    const removed = Result.try(() => removal.remove(directory.key, name, filter, false))
    if (Result.isFailure(removed)) refused ??= removed.failure
  }
  if (refused !== undefined) throw refused
}

// Where a name of the manifest is not listed, the file system may show it in another spelling.
const inodesOf = (directory: Confinement.Directory, names: ReadonlyArray<string>): ReadonlyArray<string> =>
  names.flatMap((name) => {
    const stats = Confinement.look(Confinement.at(directory, Buffer.from(name, "latin1")))
    return stats === undefined ? [] : [inodeOf(stats)]
  })

const inodeOf = ({ dev, ino }: fs.BigIntStats): string => `${dev}:${ino}`
