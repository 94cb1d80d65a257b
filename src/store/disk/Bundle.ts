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
      forEntry(failures, member.entry, inventory.entries[member.entry], body)
    if (site.syncs) yield* placeSynced(site, members, content, each)
    else yield* site.destination.inTurns(members, (member) => each(member, () => place(site, member, content)))
    return failures
  })

  return BundleWriter.make(content, commit)
})

/** A small file that is to be made. */
interface Small {
  readonly entry: number
  readonly metadata: Metadata
  readonly path: Uint8Array
  readonly content: Uint8Array
}

/** What a member is to be. Throws where there is none of its content, or it may not be made. */
const smallOf = ({ inventory }: Site, member: Member, content: Uint8Array): Small => {
  const { entry, offset, size } = member
  const { metadata, path } = inventory.file(entry)
  const refused = inventory.refusal(entry)
  if (refused !== undefined) throw refused
  if (!isInside(content.length, offset, size)) throw outside()
  return { entry, metadata, path, content: partOf(content, member) }
}

const place = (site: Site, member: Member, content: Uint8Array): void => {
  const { destination, inventory } = site
  const small = smallOf(site, member, content)
  // nothing else runs before it has its own name
  const described = site.place(member.entry, () => name(site, write(site, small, destination.spot(small.path))))
  inventory.arrive(member.entry)
  if (Result.isFailure(described)) throw described.failure
}

/** A small file that has not its own name yet. */
interface Written {
  readonly small: Small
  readonly spot: Spot
  /** Its temporary name; undefined: it has none. */
  readonly at: Spot | undefined
  readonly fd: number
  /** How its metadata was set. */
  readonly described: Result.Result<void, unknown>
}

/** Removes it again. */
const remove = ({ at, fd }: Pick<Written, "at" | "fd">): void => {
  Result.try(() => fs.closeSync(fd))
  if (at !== undefined) fs.unlinkSync(Confinement.pathOf(at))
}

/** Writes a small file that has no name, or a temporary one where it takes the place of another or the file system has no such files. */
const write = (site: Site, small: Small, spot: Spot): Written => {
  const { describe, destination, inventory, temporaries } = site
  const { content, entry, metadata } = small
  const own = describe.ownAt(spot)
  const { tree } = destination
  const nameless = inventory.isNew(entry) ? tree.nameless(spot.directory, describe.creationMode(metadata)) : undefined
  const { at, made: fd } =
    nameless === undefined
      ? temporaries.make(spot, ({ directory, name }) => tree.create(directory, name))
      : { at: undefined, made: nameless.fd }
  return orClean(
    () => {
      for (let done = 0; done < content.length;) done += fs.writeSync(fd, content, done, content.length - done, done)
      const described = Result.try(() => describe.file(fd, metadata, own, nameless?.inherited))
      return { small, spot, at, fd, described }
    },
    () => remove({ at, fd })
  )
}

/** Gives it its own name. Answers how its metadata was set. */
const name = (site: Site, written: Written): Written["described"] => {
  const { changes, destination, syncs } = site
  const { at, fd, small, spot } = written
  if (at !== undefined) return rename(site, written, at)
  const named = Result.try(() => changes.name(fd, spot))
  fs.closeSync(fd)
  if (Result.isSuccess(named)) return written.described
  if (destination.tree.hasNameless(spot.directory)) throw named.failure
  // no file can be given a name there, which the first one has shown
  const again = write(site, small, spot)
  if (syncs)
    orClean(
      () => fs.fdatasyncSync(again.fd),
      () => remove(again)
    )
  return name(site, again)
}

const rename = ({ changes, destination }: Site, written: Written, at: Spot): Written["described"] =>
  // what is replaced may be kept in another directory
  destination.holding(at.directory, () => {
    orClean(
      () => {
        // a write that a server refuses may be found only by this
        fs.closeSync(written.fd)
        changes.moveOver(at, written.spot.name)
      },
      () => fs.unlinkSync(Confinement.pathOf(at))
    )
    return written.described
  })

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
    const small = smallOf(site, member, content)
    site.mustBeApart(member.entry)
    destination.persistently(() => {
      const spot = destination.spot(small.path)
      files.set(member, write(site, small, spot))
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
      return name(site, written)
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
