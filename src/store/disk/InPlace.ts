/**
 * A large file that is written where it stands: it needs no room twice, and all its names change. Until it is whole it is of mixed
 * content, and the next session mends it. [F-11]
 */

import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import { reuse, type Reusing } from "../../delta/Reuse.ts"
import * as Limits from "../../protocol/Limits.ts"
import * as Descriptor from "../../system/Descriptor.ts"
import * as Errno from "../../system/Errno.ts"
import { fileBytes, isInside, type Member } from "../../tree/Members.ts"
import type { CarriedFile } from "../../tree/Plan.ts"
import type { Failure } from "../../wire/Message.ts"
import { changedMeanwhile, outside, refusal } from "../Reasons.ts"
import type { FileWriter } from "../Store.ts"
import { attempt, fail, forEntry, storeError } from "./Attempt.ts"
import type { Spot } from "./Confinement.ts"
import * as Confinement from "./Confinement.ts"
import { reserve } from "./Reserve.ts"
import type { Site } from "./Site.ts"
import * as Sync from "./Sync.ts"
import { oldOf, throughHoles, whole, withOld } from "./Through.ts"
import * as Zeros from "./Zeros.ts"

/** The file that stands there, opened to be written; undefined: it is to be made anew beside its name. */
const openStanding = (site: Site, index: number) => {
  const { describe, destination, inventory, user, veto } = site
  const { policy } = describe
  // what is kept of the old one needs its room anyway
  if (!policy.isInPlace || policy.backup !== undefined || site.shared.has(index)) return undefined
  const refused = inventory.refusal(index)
  if (refused !== undefined) throw refused
  const spot = destination.spot(inventory.file(index).path)
  if (Confinement.look(Confinement.pathOf(spot))?.isFile() !== true) return undefined
  site.mustBeApart(index)
  const { tree } = destination
  // another name of it may be protected
  const isProtected = (names: number | bigint) => names > 1 && veto.filter !== undefined
  const isOurs = ({ nlink, uid }: fs.BigIntStats) => uid === BigInt(user) && !isProtected(nlink)
  const opened = Result.try(() => Confinement.openToWrite(tree, Confinement.pathOf(spot), isOurs))
  if (Result.isFailure(opened)) {
    if (isElse.has(Errno.codeOf(opened.failure) ?? "")) return undefined
    throw opened.failure
  }
  const stats = fs.fstatSync(opened.success)
  if (!stats.isFile() || isProtected(stats.nlink)) {
    fs.closeSync(opened.success)
    return undefined
  }
  tree.hold(spot.directory)
  return { descriptor: Descriptor.make(opened.success), spot, stats, tree }
}

/** What the file was like when it was looked at, since we wrote to it last: others can write to it, too. */
class Look {
  private seen: fs.BigIntStats | undefined
  private readonly fd: number

  constructor(fd: number) {
    this.fd = fd
  }
  private stats(): fs.BigIntStats {
    return fs.fstatSync(this.fd, { bigint: true })
  }
  begin(): void {
    this.seen ??= this.stats()
  }
  forget(): void {
    this.seen = undefined
  }
  isStill(): boolean {
    const { seen } = this
    if (seen === undefined) return true
    const { ctimeNs, size } = this.stats()
    return ctimeNs === seen.ctimeNs && size === seen.size
  }
}

/** Something else has the name by now. */
const isElse: ReadonlySet<string> = new Set(["ENOENT", "ELOOP", "ENXIO"])

type Standing = NonNullable<ReturnType<typeof openStanding>>

/** Writes a file where it stands; undefined: it is to be made anew. */
export const open = Effect.fnUntraced(function* (site: Site, carried: CarriedFile, reusing?: Reusing) {
  const [member] = carried.members
  const index = member.entry
  const path = site.inventory.entries[index]?.path ?? new Uint8Array(0)
  const file = yield* Effect.acquireRelease(
    attempt(path, () => site.destination.persistently(() => openStanding(site, index))),
    (file) =>
      file === undefined
        ? Effect.void
        : Effect.andThen(
            file.descriptor.close,
            Effect.sync(() => file.tree.release(file.spot.directory))
          )
  )
  if (file === undefined) return undefined
  const { descriptor, stats } = file
  const failed = storeError(path)
  const size = fileBytes(member)
  if (stats.size < size) yield* attempt(path, () => fs.ftruncateSync(descriptor.fd, size))
  // where the source has holes there are zeros from now on
  yield* Effect.mapError(Zeros.clear(site.libc, descriptor, member.extent), failed)
  yield* Effect.mapError(reserve(site, descriptor.fd, size), failed)
  const { read, write } = throughHoles(descriptor, member)
  const changed = failed(changedMeanwhile())
  const look = new Look(descriptor.fd)
  const writer: FileWriter = {
    changed,
    write: (offset, bytes) => {
      if (!isInside(carried.size, offset, bytes.length)) return Effect.fail(failed(outside()))
      look.forget()
      return Effect.mapError(write(offset, bytes), failed)
    },
    read: (offset, into) =>
      Effect.suspend(() => {
        look.begin()
        return Effect.mapError(whole(read)(offset, into), failed)
      }),
    commit: Effect.fnUntraced(function* (skip) {
      const failures: Array<Failure> = []
      yield* site.destination.stands
      if (skip(0)) return failures
      if (!(look.isStill() && (yield* hasItsHoles(site, descriptor, member)))) return yield* changed
      const cut = Result.try(() => fs.ftruncateSync(descriptor.fd, size))
      const synced =
        site.syncs && Result.isSuccess(cut) ? yield* Effect.result(Sync.content(descriptor.fd)) : Result.void
      if (Result.isFailure(cut)) fail(failures, index, path, cut.failure)
      else if (Result.isFailure(synced)) fail(failures, index, path, synced.failure)
      else forEntry(failures, index, { path }, () => site.place(index, () => commit(site, index, file)))
      return failures
    })
  }
  if (reusing === undefined) return writer
  const old = { ...oldOf(descriptor, stats.size, member), isOwn: true }
  const held = yield* withOld(
    () => keptOf(site, file.spot, member),
    (kept) => reuse(reusing, kept === undefined ? [old] : [old, kept], writer.write)
  )
  return { ...writer, held, isProven: true } as FileWriter
})

/** Where nobody says what is data, all of a hole would have to be read. */
const hasItsHoles = ({ libc }: Site, descriptor: Descriptor.Descriptor, { extent }: Member) =>
  extent === undefined || Option.isNone(libc)
    ? Effect.succeed(true)
    : Effect.orElseSucceed(Zeros.between(libc, descriptor, extent, new Uint8Array(Limits.hashedBytes)), () => false)

/** What a session that was not in place has kept of it. [Y-15] */
const keptOf = ({ partials }: Site, spot: Spot, member: Member) => {
  const fd = partials.openToRead(spot)
  if (fd === undefined) return undefined
  const descriptor = Descriptor.make(fd)
  return { ...oldOf(descriptor, fs.fstatSync(fd).size, member), close: descriptor.close }
}

/** It is whole: it gets its metadata. */
const commit = ({ describe, destination, inventory, partials }: Site, index: number, file: Standing): void => {
  const { descriptor, spot } = file
  const own = { directory: destination.still(spot.directory), name: spot.name }
  const named = Confinement.look(Confinement.pathOf(own))
  if (named === undefined || !Confinement.isSameFile(named, fs.fstatSync(descriptor.fd, { bigint: true })))
    throw refusal("ESTALE", "it was replaced while it was received")
  inventory.arrive(index)
  partials.clear(own)
  describe.standing(descriptor.fd, inventory.file(index).metadata)
}
