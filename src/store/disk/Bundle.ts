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
import { entriesPerTurn } from "./Destination.ts"
import type { Site } from "./Site.ts"
import * as Sync from "./Sync.ts"
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
    // A refused entry was reported by `prepare`.
    const members = carried.members.filter(({ entry }) => free.has(entry) && !inventory.isRefused(entry))
    const each = (member: Member, body: () => void) =>
      forEntry(failures, member.entry, inventory.entries[member.entry]?.path, body)
    if (site.syncs) yield* placeSynced(site, members, content, each)
    else yield* site.destination.inTurns(members, (member) => each(member, () => place(site, member, content)))
    return failures
  })

  return BundleWriter.make(content, commit)
})

/** The content of one member, and what it is to be. Throws where there is none of it, or it may not be made. */
const memberOf = ({ inventory }: Site, member: Member, content: Uint8Array) => {
  const { metadata, path } = inventory.file(member.entry)
  const refused = inventory.refusal(member.entry)
  if (refused !== undefined) throw refused
  if (!isInside(content.length, member.offset, member.size)) throw outside()
  return { metadata, path, part: partOf(content, member) }
}

const place = (site: Site, member: Member, content: Uint8Array): void => {
  const { destination, inventory } = site
  const { metadata, part, path } = memberOf(site, member, content)
  // nothing else runs between its temporary name and its own
  const described = site.place(member.entry, () => {
    const spot = destination.spot(path)
    // what is replaced may be kept in another directory
    return destination.holding(spot.directory, () => name(site, write(site, spot, metadata, part)))
  })
  inventory.arrive(member.entry)
  if (Result.isFailure(described)) throw described.failure
}

/** A small file under its temporary name. */
interface Written {
  readonly spot: Spot
  readonly at: Spot
  readonly fd: number
  /** How its metadata was set. */
  readonly described: Result.Result<void, unknown>
}

/** Removes it again. */
const remove = ({ at, fd }: Pick<Written, "at" | "fd">): void => {
  fs.closeSync(fd)
  fs.unlinkSync(Confinement.pathOf(at))
}

/** Writes one small file under a temporary name. */
const write = (site: Site, spot: Spot, metadata: Metadata, content: Uint8Array): Written => {
  const { describe, destination, temporaries } = site
  const own = describe.ownAt(spot)
  const { at, made: fd } = temporaries.make(spot, ({ directory, name }) => destination.tree.create(directory, name))
  const file = { spot, at, fd }
  return orClean(
    () => {
      for (let done = 0; done < content.length;) done += fs.writeSync(fd, content, done, content.length - done, done)
      return { ...file, described: Result.try(() => describe.file(fd, metadata, own)) }
    },
    () => remove(file)
  )
}

/** Gives it its own name. Answers how its metadata was set. */
const name = ({ changes }: Site, written: Written): Written["described"] => {
  orClean(
    () => changes.moveOver(written.at, written.spot.name),
    () => remove(written)
  )
  fs.closeSync(written.fd)
  return written.described
}

type ForMember = (member: Member, body: () => void) => void

/** The same, and no file has its name before the disk has its content: they are waited for together. [F-9] */
const placeSynced = Effect.fnUntraced(function* (
  site: Site,
  members: ReadonlyArray<Member>,
  content: Uint8Array,
  each: ForMember
) {
  for (let first = 0; first < members.length; first += entriesPerTurn)
    yield* placeSome(site, members.slice(first, first + entriesPerTurn), content, each)
})

const placeSome = (site: Site, members: ReadonlyArray<Member>, content: Uint8Array, each: ForMember) => {
  const { destination, inventory } = site
  const files = new Map<Member, Written>()
  const { tree } = destination
  const begin = (member: Member) => {
    const { metadata, part, path } = memberOf(site, member, content)
    site.mustBeApart(member.entry)
    destination.persistently(() => {
      const spot = destination.spot(path)
      files.set(member, write(site, spot, metadata, part))
      tree.hold(spot.directory)
    })
  }
  const end = (member: Member, written: Written, synced: Result.Result<void, unknown>) => {
    if (Result.isFailure(synced)) throw synced.failure
    const described = site.apart(member.entry, () => {
      const { directory } = written.spot
      destination.still(directory)
      files.delete(member)
      tree.release(directory)
      return destination.holding(directory, () => name(site, written))
    })
    inventory.arrive(member.entry)
    if (Result.isFailure(described)) throw described.failure
  }
  const letGo = (written: Written) => {
    Result.try(() => remove(written))
    tree.release(written.spot.directory)
  }
  return Effect.gen(function* () {
    yield* destination.inTurns(members, (member) => each(member, () => begin(member)))
    const begun = [...files]
    const synced = yield* Sync.contents(begun.map(([, { fd }]) => fd))
    yield* destination.inTurns(begun, ([member, written], at) => each(member, () => end(member, written, synced[at])))
  }).pipe(Effect.ensuring(Effect.sync(() => [...files.values()].forEach(letGo))))
}
