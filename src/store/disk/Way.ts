/**
 * Directories that are not empty and make way for entries which are none, where the policy forces that. They are emptied in
 * turns, before the entry takes their place; where something in one has to stay, nothing in it goes. [Y-6]
 */

import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import type { Filter } from "../../filter/Filter.ts"
import type { Limit } from "../../filter/Veto.ts"
import * as Compare from "../../tree/Compare.ts"
import type { Failure } from "../../wire/Message.ts"
import { notEmpty, refusal, vetoed } from "../Reasons.ts"
import { fail } from "./Attempt.ts"
import * as Confinement from "./Confinement.ts"
import type { Steps } from "./Destination.ts"
import { filterAt, Removal } from "./Removal.ts"
import type { Site } from "./Site.ts"

/** What may go to make way. */
export interface Forcing {
  /** Undefined: everything. */
  readonly filter: Filter | undefined
  /** How many names more. */
  most: number
  readonly limit: Limit
}

/** Empties what is in the way of these entries; answers those whose way is free. Failures are those of entries. */
export const clear = Effect.fnUntraced(function* (
  site: Site,
  indices: ReadonlyArray<number>,
  failures: Array<Failure>
) {
  const { destination, forcing, inventory } = site
  if (forcing === undefined) return indices
  const blocked = new Set<number>()
  for (const index of indices) {
    const entry = inventory.entries[index]
    if (!isWanted(site, index)) continue
    const before = failures.length
    const refused = yield* destination.inSteps(emptyOut(site, forcing, index, false))
    if (refused !== undefined) fail(failures, index, entry.path, refused)
    if (failures.length > before) blocked.add(index)
  }
  return blocked.size === 0 ? indices : indices.filter((index) => !blocked.has(index))
})

/** Of which entries would a directory keep the place? Nothing is changed. [Y-7] */
export const foresee = Effect.fnUntraced(function* (site: Site) {
  const { destination, forcing, inventory } = site
  const failures: Array<Failure> = []
  for (const [index, { path }] of inventory.entries.entries()) {
    if (!isWanted(site, index)) continue
    const refused =
      forcing === undefined
        ? Result.getOrUndefined(Result.try(() => (isFull(destination.spot(path)) ? notEmpty() : undefined)))
        : yield* destination.inSteps(emptyOut(site, forcing, index, true))
    if (refused !== undefined) fail(failures, index, path, refused)
  }
  return failures
})

/** Has something of another type the place of an entry that is no directory? */
const isWanted = ({ inventory }: Site, index: number): boolean =>
  inventory.entries[index] !== undefined &&
  inventory.entries[index]._tag !== "Directory" &&
  Compare.isLacked(inventory.changeOf(index)) &&
  (inventory.changeOf(index) & Compare.change.Kind) !== 0

/** Is it a directory with something in it, or one that cannot be read? */
export const isFull = (spot: Confinement.Spot): boolean => {
  const path = Confinement.pathOf(spot)
  if (Confinement.look(path)?.isDirectory() !== true) return false
  const directory = fs.opendirSync(path)
  const first = Result.try(() => directory.readSync())
  directory.closeSync()
  return Result.isFailure(first) || first.success !== null
}

/** Removes a directory in the place of an entry, with all in it; answers why it cannot go. */
function* emptyOut(site: Site, forcing: Forcing, index: number, isDry: boolean): Steps<unknown> {
  const { changes, destination, inventory, veto } = site
  const { path } = inventory.entries[index]
  const { name, parent } = Confinement.split(path)
  const filter = Result.try(() => filterAt(destination, forcing.filter, parent))
  if (Result.isFailure(filter)) return filter.failure
  const found = Result.try(() => Confinement.look(Confinement.pathOf(destination.spot(path))))
  if (Result.isFailure(found)) return found.failure
  if (found.success?.isDirectory() !== true) return undefined
  // it may have another name than the entry's
  const isOwn = Result.try(() => site.mustBeApart(index))
  if (Result.isFailure(isOwn)) return isOwn.failure
  // its own name is made way for, and does not count
  const removing = (isDry: boolean) =>
    new Removal(destination, { most: forcing.most + 1, isDry, veto, backups: changes.backups })
  const foreseen = removing(true)
  if (!(yield* foreseen.remove(parent, [name], filter.success, true))) return whyNot(forcing, foreseen)
  if (isDry) return void (forcing.most -= foreseen.count - 1)
  const removal = removing(false)
  const isGone = yield* removal.remove(parent, [name], filter.success, true)
  forcing.most -= isGone ? removal.count - 1 : removal.count
  return isGone ? undefined : whyNot(forcing, removal)
}

const whyNot = ({ limit }: Forcing, { left, protectedCount, refused }: Removal): unknown => {
  if (refused !== undefined) return refused
  if (protectedCount > 0) return vetoed("what is in the directory in its place is protected (catch --protect)")
  const limited = `a directory is in its place: ${limit.words}`
  if (left > 0) return limit.isVetoed ? vetoed(limited) : refusal("ENOTEMPTY", limited)
  return refusal("ENOTEMPTY", "a directory is in its place in which something must stay")
}
