/**
 * Large files that others take the place of. To free the memory and the blocks of one takes a tenth of a second a gigabyte, in
 * the call that takes away its last name; held open it is freed by the thread pool, after its successor is complete.
 */

import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import * as Limits from "../../protocol/Limits.ts"
import type { Spot } from "./Confinement.ts"
import * as Confinement from "./Confinement.ts"
import { types } from "./FileSystems.ts"

/** Others give a file that is open another name in its directory when it loses its own (NFS, FUSE). */
const freesUnnamed: ReadonlySet<number> = new Set([types.ext, types.xfs, types.btrfs, types.tmpfs])

/** So many times a file's room has to be free, so that nobody waits for its own. */
const leastFree = 4n

export class Replaced {
  private readonly freed = Latch.makeUnsafe(true)
  private freeing = 0

  /** Waits until there is room again where files were replaced. */
  readonly settled = Effect.suspend(() => (this.freeing === 0 ? Effect.void : this.freed.await))

  /** Does something that gives what is large there another name, or none. */
  taking(spot: Spot, take: () => void): void {
    const fd = this.freeing < Limits.freedAtOnce ? Result.getOrUndefined(Result.try(() => openLarge(spot))) : undefined
    if (fd === undefined) return take()
    const taken = Result.try(take)
    this.free(fd)
    if (Result.isFailure(taken)) throw taken.failure
  }

  private free(fd: number): void {
    this.freed.closeUnsafe()
    this.freeing++
    fs.close(fd, () => {
      if (--this.freeing === 0) this.freed.openUnsafe()
    })
  }
}

const openLarge = (spot: Spot): number | undefined => {
  const stats = Confinement.look(Confinement.pathOf(spot))
  if (stats?.isFile() !== true || stats.nlink > 1n || stats.blocks * 512n < Limits.freedBytes) return undefined
  const { bavail, bsize, type } = fs.statfsSync(spot.directory.self, { bigint: true })
  // others may need its room at once
  const hasRoom = bavail * bsize >= leastFree * stats.blocks * 512n
  return hasRoom && freesUnnamed.has(Number(type)) ? Confinement.openToLook(spot) : undefined
}
