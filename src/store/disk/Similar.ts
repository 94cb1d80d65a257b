/** Older versions of large files under other names in the same directory: files that stand there and are like what is lacked. [Y-16] */

import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import { hasBlocks } from "../../delta/Blocks.ts"
import * as Veto from "../../filter/Veto.ts"
import * as Limits from "../../protocol/Limits.ts"
import * as Status from "../../system/Status.ts"
import * as Compare from "../../tree/Compare.ts"
import type { Entry } from "../../tree/Entry.ts"
import { isUnfinished, keyOf } from "../../tree/Names.ts"
import type { Policy } from "../../tree/Policy.ts"
import * as Similar from "../../tree/Similar.ts"
import * as Confinement from "./Confinement.ts"
import type { Site } from "./Site.ts"

/** Looks for them, and marks their entries; the site keeps their names. */
export const find = Effect.fnUntraced(function* (
  site: Site,
  entries: ReadonlyArray<Entry>,
  changes: Uint16Array,
  policy: Policy
) {
  if (!policy.isFuzzy || policy.sendsWhole) return
  const lacked = site.inventory.indices((entry, index) => Compare.isNew(changes[index]) && hasBlocks(entry))
  let latest: { readonly parent: string; readonly candidates: ReadonlyArray<Similar.Candidate> } | undefined
  const look = (index: number) => {
    const entry = entries[index]
    if (entry._tag !== "File") return
    const { parent } = Confinement.split(entry.path)
    // a directory's entries mostly follow each other
    if (latest?.parent !== parent) latest = { parent, candidates: candidatesIn(site, parent) }
    const similar = Similar.best(entry, latest.candidates)
    if (similar === undefined) return
    site.similar.set(index, Buffer.from(similar.name, "latin1"))
    changes[index] |= Compare.change.Similar
  }
  yield* site.destination.inTurns(lacked, look, filesPerTurn)
})

/** Files looked for between two turns of the event loop: a few milliseconds. */
const filesPerTurn = 8

/** The large files of a directory, of so many names; none where it is not there or cannot be read. */
const candidatesIn = ({ destination, veto }: Site, parent: string): ReadonlyArray<Similar.Candidate> => {
  const listed = Result.try(() => {
    const directory = destination.tree.directory(parent)
    const names = fs
      .readdirSync(directory.self, { encoding: "buffer", withFileTypes: true })
      .flatMap((one) => (one.isFile() && !isUnfinished(keyOf(one.name)) ? [one.name] : []))
      .slice(0, Limits.similarNames)
    return names.flatMap((name): ReadonlyArray<Similar.Candidate> => {
      // what no master may touch, none is to learn of
      if (Veto.names(veto, Confinement.join(parent, name), false)) return []
      const stats = Confinement.look(Confinement.at(directory, name))
      if (stats?.isFile() !== true || stats.size < BigInt(Limits.deltaBytes)) return []
      const { mtimeSeconds, size } = Status.ofStats(stats)
      return [{ name: keyOf(name), size, mtimeSeconds }]
    })
  })
  return Result.getOrElse(listed, () => [])
}
