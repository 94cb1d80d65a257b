/**
 * A bundle of small files: its content comes to lie in memory, and each member is made whole when the bundle is committed.
 */

import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import type { Bundles } from "../../content/Bundles.ts"
import type { CarriedFile } from "../../tree/Plan.ts"
import type { Member } from "../../tree/Members.ts"
import { isInside, partOf } from "../../tree/Members.ts"
import type { Metadata } from "../../tree/Metadata.ts"
import type { Failure } from "../../wire/Message.ts"
import * as BundleWriter from "../BundleWriter.ts"
import { outside } from "../Reasons.ts"
import { forEntry, orClean } from "./Attempt.ts"
import type { Spot } from "./Confinement.ts"
import * as Confinement from "./Confinement.ts"
import type { Site } from "./Site.ts"
import * as Way from "./Way.ts"

export const open = Effect.fnUntraced(function* (site: Site, bundles: Bundles, carried: CarriedFile) {
  yield* BundleWriter.admit(carried)
  yield* site.destination.stands
  const content = yield* bundles.take(carried.size)

  const commit = Effect.fn("Disk.commitBundle")(function* (skip: (member: number) => boolean) {
    const failures: Array<Failure> = []
    yield* site.destination.stands
    const { inventory } = site
    const wanted = carried.members.filter((_, position) => !skip(position)).map(({ entry }) => entry)
    const free = new Set(yield* Way.clear(site, wanted, failures))
    yield* site.destination.inTurns(carried.members, (member) => {
      // A refused entry was reported by `prepare`.
      if (!free.has(member.entry) || inventory.isRefused(member.entry)) return
      forEntry(failures, member.entry, inventory.entries[member.entry]?.path, () => place(site, member, content))
    })
    return failures
  })

  return BundleWriter.make(content, commit)
})

const place = (site: Site, member: Member, content: Uint8Array): void => {
  const { destination, inventory } = site
  const { metadata, path } = inventory.file(member.entry)
  const refused = inventory.refusal(member.entry)
  if (refused !== undefined) throw refused
  if (!isInside(content.length, member.offset, member.size)) throw outside()
  const part = partOf(content, member)
  const described = site.place(member.entry, () => {
    const spot = destination.spot(path)
    // what is replaced may be kept in another directory
    return destination.holding(spot.directory, () => write(site, spot, metadata, part))
  })
  inventory.arrive(member.entry)
  if (Result.isFailure(described)) throw described.failure
}

/** Writes one small file: nothing else runs between its temporary name and its own. Answers how its metadata was set. */
const write = (site: Site, spot: Spot, metadata: Metadata, content: Uint8Array): Result.Result<void, unknown> => {
  const { changes, describe, destination, temporaries } = site
  const own = describe.ownAt(spot)
  const { at, made: fd } = temporaries.make(spot, ({ directory, name }) => destination.tree.create(directory, name))
  let described: Result.Result<void, unknown> = Result.void
  orClean(
    () => {
      try {
        for (let done = 0; done < content.length;) done += fs.writeSync(fd, content, done, content.length - done, done)
        described = Result.try(() => describe.file(fd, metadata, own))
      } finally {
        fs.closeSync(fd)
      }
      changes.moveOver(at, spot.name)
    },
    () => fs.unlinkSync(Confinement.pathOf(at))
  )
  return described
}
