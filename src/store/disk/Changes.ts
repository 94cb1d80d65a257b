/**
 * How a name comes to have something else: made where nothing is, or made under a temporary name and renamed over what is
 * there. A reader of the destination sees the old entry or the new one, never a part.
 */

import * as Result from "effect/Result"
import * as fs from "node:fs"
import * as Errno from "../../system/Errno.ts"
import { notEmpty } from "../Reasons.ts"
import { orClean } from "./Attempt.ts"
import { type Backups, removeKept } from "./Backups.ts"
import type { Spot } from "./Confinement.ts"
import * as Confinement from "./Confinement.ts"
import type { Destination } from "./Destination.ts"
import type { Create, Temporaries } from "./Temporaries.ts"

export class Changes {
  /** What is replaced is kept there; undefined: it is gone. [Y-11] */
  backups: Backups | undefined
  private readonly destination: Destination
  private readonly temporaries: Temporaries

  constructor(destination: Destination, temporaries: Temporaries) {
    this.destination = destination
    this.temporaries = temporaries
  }

  /** Puts an entry that is no directory where `inTheWay` was seen, or nothing. */
  put(spot: Spot, inTheWay: fs.BigIntStats | undefined, create: Create<void>): void {
    if (inTheWay === undefined) create(spot)
    else this.replace(spot, create)
  }

  /** Makes an entry that is no directory in place of the one that is there now. */
  replace(spot: Spot, create: Create<void>, beside: Spot = spot): void {
    const { at } = this.temporaries.make(beside, create)
    const remove = () => fs.unlinkSync(Confinement.pathOf(at))
    this.destination.holding(spot.directory, () => {
      orClean(() => this.moveOver(at, spot.name), remove)
      // Another catcher may have linked the same file there just now: then renaming has done nothing.
      Result.try(remove)
    })
  }

  /** Gives a file without a name its own. Only where something has it the file comes under a temporary name first. */
  name(fd: number, spot: Spot): void {
    const { tree } = this.destination
    const linked = Result.try(() => tree.link(spot.directory, fd, spot.name))
    if (Result.isSuccess(linked)) return this.backups?.place(spot)
    if (Errno.codeOf(linked.failure) !== "EEXIST") throw linked.failure
    this.replace(spot, ({ directory, name }) => tree.link(directory, fd, name))
  }

  /** Makes a directory in place of something that is none. */
  replaceByDirectory(spot: Spot, create: Create<void>): void {
    const { at } = this.temporaries.make(spot, create)
    orClean(
      () =>
        this.keeping(spot, () => {
          removeKept(spot)
          this.destination.tree.rename(spot.directory, at.name, spot.name)
        }),
      () => fs.rmdirSync(Confinement.pathOf(at))
    )
  }

  /** Renames an entry that is no directory within its own. An empty directory in the way is removed, others refuse it. */
  moveOver(at: Spot, name: Buffer): void {
    const spot = { directory: at.directory, name }
    this.keeping(spot, () => this.renameOver(at, name))
    this.backups?.place(spot)
  }

  /** Does something that takes a name from what has it, and which is kept before. */
  private keeping(spot: Spot, take: () => void): void {
    const { backups } = this
    if (backups === undefined) return take()
    this.destination.holding(spot.directory, () => {
      const undo = backups.keep(spot)
      orClean(take, undo)
    })
  }

  private renameOver({ directory, name: from }: Spot, name: Buffer): void {
    const { tree } = this.destination
    const moved = Result.try(() => tree.rename(directory, from, name))
    if (Result.isSuccess(moved)) return
    if (Errno.codeOf(moved.failure) !== "EISDIR") throw moved.failure
    const removed = Result.try(() => fs.rmdirSync(Confinement.at(directory, name)))
    if (Result.isFailure(removed)) throw Errno.codeOf(removed.failure) === "ENOTEMPTY" ? notEmpty() : removed.failure
    tree.rename(directory, from, name)
  }
}
