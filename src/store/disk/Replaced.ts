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

/**
 * File systems by the number that statfs gives them: ext, XFS, Btrfs, tmpfs. Others give a file that is open another name in its
 * directory when it loses its own (NFS, FUSE).
 */
const freesUnnamed: ReadonlySet<bigint> = new Set([0xef53n, 0x58465342n, 0x9123683en, 0x01021994n])

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
    const free = () => {
      this.freed.closeUnsafe()
      this.freeing++
      fs.close(fd, () => {
        if (--this.freeing === 0) this.freed.openUnsafe()
      })
    }
    const taken = Result.try(take)
    free()
    if (Result.isFailure(taken)) throw taken.failure
  }
}

const openLarge = (spot: Spot): number | undefined => {
  const stats = Confinement.look(Confinement.pathOf(spot))
  if (stats?.isFile() !== true || stats.nlink > 1n || stats.blocks * 512n < Limits.freedBytes) return undefined
  const fd = Confinement.openToLook(spot)
  const system = Result.getOrUndefined(Result.try(() => fs.statfsSync(`/proc/self/fd/${fd}`, { bigint: true })))
  // others may need its room at once
  const hasRoom = system !== undefined && system.bavail * system.bsize >= leastFree * stats.blocks * 512n
  if (hasRoom && freesUnnamed.has(system.type)) return fd
  fs.closeSync(fd)
  return undefined
}
