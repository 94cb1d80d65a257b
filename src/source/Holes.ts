/** Where a source file has data, as the manifest tells it: what its file system says, or nothing where it says nothing. [M-12] */

import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import * as Limits from "../protocol/Limits.ts"
import type { Runs } from "../protocol/Words.ts"
import * as DataRuns from "../system/DataRuns.ts"
import type { Calls } from "../system/Libc.ts"
import type * as Status from "../system/Status.ts"
import * as Holes from "../tree/Holes.ts"
import { readFlags } from "./Calls.ts"

/** Runs of data of one manifest. */
export class Budget {
  private left = Limits.allDataRuns
  private readonly seek: Calls["seek"] | undefined

  constructor(libc: Option.Option<Calls>) {
    this.seek = Option.getOrUndefined(libc)?.seek
  }

  /** The runs of a file that takes less room than its size, as long as it is the file that was looked at. */
  runsAt(path: Buffer, { inodeHigh, inodeLow, size }: Status.Status): Runs | undefined {
    const runs = Result.try(() => {
      const fd = fs.openSync(path, readFlags)
      try {
        const now = fs.fstatSync(fd, { bigint: true })
        const isSame = now.ino === BigInt(inodeHigh) * 2n ** 32n + BigInt(inodeLow) && now.size === BigInt(size)
        return isSame ? this.runsOf(fd, size) : undefined
      } finally {
        fs.closeSync(fd)
      }
    })
    // when it is sent, the reason is told why it cannot be read
    return Result.getOrUndefined(runs)
  }

  /** The runs of an open file. */
  runsOf(fd: number, size: number): Runs | undefined {
    const { seek } = this
    if (seek === undefined || size <= Limits.smallFileBytes) return undefined
    const seen = Result.try(() => DataRuns.between(seek, fd, 0, size))
    if (Result.isFailure(seen)) return undefined
    const runs = Holes.bounded(size, seen.success, Math.max(1, Math.min(Limits.dataRuns, this.left)))
    this.left = Math.max(0, this.left - (runs?.length ?? 0) / 2)
    return runs
  }
}
