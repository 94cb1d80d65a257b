/**
 * What is kept of large files in part, and was not used for too long: it is removed. Only files of the name `.NAME.mrsync-partial` are;
 * in a directory of --partial-dir there may be others.
 */

import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import * as Limits from "../../protocol/Limits.ts"
import { Libc } from "../../system/Libc.ts"
import * as Confinement from "./Confinement.ts"
import { isPartial } from "./Partials.ts"

/** Clears a destination at once, and then day after day. What cannot be read or removed stays. */
export const clearing = Effect.fn("Stale.clearing")(function* (destination: Buffer) {
  for (;;) {
    yield* Effect.ignore(clear(destination))
    yield* Effect.sleep(Limits.partialsCheckedMillis)
  }
})

/** Clears it once; answers how many files are gone. */
export const clear = Effect.fn("Stale.clear")(function* (destination: Buffer) {
  const before = (yield* Clock.currentTimeMillis) - Limits.partialMillis
  const handles = yield* Confinement.Handles
  const libc = yield* Libc
  const tree = yield* Effect.acquireRelease(
    Effect.try({ try: () => Confinement.make(destination, handles, libc), catch: (cause) => cause }),
    (tree) => Effect.sync(() => tree.close())
  )
  const waiting = [""]
  let count = 0
  for (let key = waiting.pop(); key !== undefined; key = waiting.pop()) {
    const directory = Result.getOrUndefined(Result.try(() => tree.directory(key)))
    if (directory !== undefined) {
      const { cleared, directories } = clearIn(directory, before)
      count += cleared
      if (waiting.length < Limits.waitingDirectories) waiting.push(...directories)
    }
    yield* Effect.yieldNow
  }
  return count
}, Effect.scoped)

/** Clears a directory, but for what is not free to go; answers how many files are gone, and the directories in it. */
export const clearIn = (
  directory: Confinement.Directory,
  beforeMillis: number,
  isFree: (spot: Confinement.Spot) => boolean = () => true
) => {
  const { key, prefix, self } = directory
  const listed = Result.try(() => fs.readdirSync(self, { encoding: "buffer", withFileTypes: true }))
  let cleared = 0
  const directories: Array<string> = []
  for (const one of Result.getOrElse(listed, () => [])) {
    if (one.isDirectory()) directories.push(Confinement.join(key, one.name))
    if (!one.isFile() || !isPartial(one.name) || !isFree({ directory, name: one.name })) continue
    const removed = Result.try(() => removeOld(Buffer.concat([prefix, one.name]), beforeMillis))
    if (Result.isSuccess(removed) && removed.success) cleared++
  }
  return { cleared, directories }
}

/** Removes it if it is ours, and too old; answers whether it was. */
const removeOld = (path: Buffer, beforeMillis: number): boolean => {
  const stats = Confinement.look(path)
  if (!Confinement.isOwn(stats, process.geteuid?.() ?? 0) || Number(stats.mtimeMs) >= beforeMillis) return false
  fs.unlinkSync(path)
  return true
}
