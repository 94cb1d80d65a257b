/**
 * Files that stand under their final names already. They are looked at, read for their hash, and described where they
 * stand when they are the content that the master has.
 */

import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import * as Limits from "../../protocol/Limits.ts"
import * as Descriptor from "../../system/Descriptor.ts"
import type { CarriedFile } from "../../tree/Plan.ts"
import { fileBytes, inFile, overlaps } from "../../tree/Members.ts"
import type { Failure } from "../../wire/Message.ts"
import { outside, refusal } from "../Reasons.ts"
import type { Existing } from "../Store.ts"
import { attempt, forEntry } from "./Attempt.ts"
import * as Confinement from "./Confinement.ts"
import type { Steps } from "./Destination.ts"
import type { Site } from "./Site.ts"
import * as Zeros from "./Zeros.ts"

export const existing = Effect.fn("Disk.existing")(function* (site: Site, carried: CarriedFile) {
  const { destination, inventory } = site
  const found = yield* findAll(site, carried.members)
  if (found === undefined || !(yield* hasHoles(site, carried, found))) return Option.none()
  const out: Existing = {
    read: (offset, into) =>
      attempt(inventory.entries[carried.members[0].entry].path, () =>
        destination.tree.atOnce(() => read(site, carried, found, offset, into))
      ),
    commit: Effect.fnUntraced(function* (skip: (member: number) => boolean) {
      const failures: Array<Failure> = []
      yield* destination.inTurns(carried.members, ({ entry: index }, position) => {
        if (skip(position)) return
        const { metadata, path } = inventory.file(index)
        const describe = (fd: number) => {
          inventory.arrive(index)
          site.describe.standing(fd, metadata)
        }
        forEntry(failures, index, { path }, () =>
          destination.persistently(() => withFile(site, index, found[position], describe))
        )
      })
      return failures
    })
  }
  return Option.some(out)
})

/** The status of each member's file; undefined when one of them is missing or another. The first such ends the looking. */
const findAll = (site: Site, members: CarriedFile["members"]) => {
  const { destination } = site
  const looking = function* (): Steps<ReadonlyArray<fs.BigIntStats> | undefined> {
    const found: Array<fs.BigIntStats> = []
    for (const member of members) {
      const look = () => destination.persistently(() => find(site, member.entry, fileBytes(member)))
      const stats = Result.getOrUndefined(Result.try(look))
      if (stats === undefined) return undefined
      found.push(stats)
      yield
    }
    return found
  }
  return destination.inSteps(looking())
}

/** The status of a file that is what its entry says it is; undefined otherwise. */
const find = (site: Site, index: number, size: number): fs.BigIntStats | undefined => {
  const { destination, inventory, isRoot, user } = site
  if (inventory.refusal(index) !== undefined) return undefined
  const { metadata, path } = inventory.file(index)
  const found = Confinement.look(Confinement.pathOf(destination.spot(path)))
  if (found?.isFile() !== true || found.size !== BigInt(size)) return undefined
  site.apart(index, () => {})
  // Another name of it may have other metadata. An earlier owner might still have it open and write to it.
  const keepsOwner = found.uid === BigInt(user) || (isRoot && found.uid === BigInt(metadata.uid))
  return found.nlink === 1n && keepsOwner ? found : undefined
}

/** Opens the file that was found, if it is that still. */
const withFile = (site: Site, index: number, found: fs.BigIntStats, body: (fd: number) => void): void => {
  const { destination, inventory } = site
  const fd = Confinement.openToLook(destination.spot(inventory.file(index).path))
  try {
    const now = fs.fstatSync(fd, { bigint: true })
    if (!Confinement.isSameFile(now, found) || now.size !== found.size || now.mtimeNs !== found.mtimeNs) {
      throw refusal("ESTALE", "it was changed or replaced while it was looked at")
    }
    body(fd)
  } finally {
    fs.closeSync(fd)
  }
}

/** Where the source's file has holes, has the one that was found nothing but zeros? */
const hasHoles = Effect.fnUntraced(function* (
  site: Site,
  { members }: CarriedFile,
  found: ReadonlyArray<fs.BigIntStats>
) {
  const [{ entry, extent }] = members
  if (extent === undefined) return true
  const { destination, inventory } = site
  const open = Effect.acquireRelease(
    attempt(inventory.file(entry).path, () =>
      Descriptor.make(Confinement.openToLook(destination.spot(inventory.file(entry).path)))
    ),
    ({ close }) => close
  )
  return yield* open.pipe(
    Effect.flatMap((descriptor) =>
      Confinement.isSameFile(fs.fstatSync(descriptor.fd, { bigint: true }), found[0])
        ? Zeros.between(site.libc, descriptor, extent, new Uint8Array(Limits.hashedBytes))
        : Effect.succeed(false)
    ),
    Effect.scoped,
    Effect.orElseSucceed(() => false)
  )
})

/** Fills `into` from an offset of the carried content, file by file. */
const read = (
  site: Site,
  { members }: CarriedFile,
  found: ReadonlyArray<fs.BigIntStats>,
  offset: number,
  into: Uint8Array
): void => {
  for (const { from, into: piece, member, position } of overlaps(members, offset, into)) {
    const fill = (fd: number) => {
      for (const { at, bytes } of inFile(member, from, piece))
        if (Descriptor.readAll(fd, bytes, at) < bytes.length) throw outside()
    }
    site.destination.persistently(() => withFile(site, member.entry, found[position], fill))
  }
}
