/**
 * A large file that is written where it stands: it needs no room twice, and all its names change. Until it is whole it is of mixed
 * content, and the next session mends it. [F-11]
 */

import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import { reuse, type Reusing } from "../../delta/Reuse.ts"
import * as Limits from "../../protocol/Limits.ts"
import * as Descriptor from "../../system/Descriptor.ts"
import * as Errno from "../../system/Errno.ts"
import * as Status from "../../system/Status.ts"
import { fileBytes, isInside, type Member } from "../../tree/Members.ts"
import type { CarriedFile } from "../../tree/Plan.ts"
import { writesInPlace } from "../../tree/Policy.ts"
import type { Failure } from "../../wire/Message.ts"
import { holding } from "../Held.ts"
import { changedMeanwhile, outside, refusal } from "../Reasons.ts"
import { type FileWriter, StoreError } from "../Store.ts"
import { attempt, fail, forEntry, storeError } from "./Attempt.ts"
import type { Spot } from "./Confinement.ts"
import * as Confinement from "./Confinement.ts"
import * as Mtime from "./Mtime.ts"
import { reserve } from "./Reserve.ts"
import type { Site } from "./Site.ts"
import * as Sync from "./Sync.ts"
import { oldOf, throughHoles, withOld } from "./Through.ts"
import * as Zeros from "./Zeros.ts"

/** The file that stands there, opened to be written; undefined: it is to be made anew beside its name. */
const openStanding = (site: Site, index: number) => {
  const { describe, destination, inventory, user, veto } = site
  const { policy } = describe
  if (!writesInPlace(policy) || site.shared.has(index)) return undefined
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
  const { metadata } = inventory.file(index)
  const descriptor = Descriptor.make(opened.success)
  const otherSeconds = otherTime(metadata.mtimeSeconds, policy.windowSeconds)
  return { descriptor, spot, stats, tree, metadata, otherSeconds, isMixed: false, isDescribed: false }
}

/** A time that is not taken for the source's, nor for a newer one: 0, or a day before that. In seconds. */
const otherTime = (sourceSeconds: number, windowSeconds: number): number => {
  const apart = 86_400 + Math.max(0, windowSeconds)
  return sourceSeconds > apart ? 0 : sourceSeconds - apart
}

/** Something else has the name by now. */
const isElse: ReadonlySet<string> = new Set(["ENOENT", "ELOOP", "ENXIO"])

type Standing = NonNullable<ReturnType<typeof openStanding>>

/** It gets its length, its holes, and its room where that is asked for; one that has no room is as long as it was. */
const prepare = Effect.fnUntraced(function* (site: Site, file: Standing, member: Member) {
  const { descriptor, stats } = file
  const size = fileBytes(member)
  const change = (change: () => void) => Effect.try({ try: change, catch: (cause) => cause as NodeJS.ErrnoException })
  file.isMixed = stats.size < size || member.extent !== undefined
  if (stats.size < size) yield* change(() => fs.ftruncateSync(descriptor.fd, size))
  // where the source has holes there are zeros from now on
  yield* Zeros.clear(site.libc, descriptor, member.extent)
  // XFS wants all of the range free, also what has its blocks already
  const from = member.extent === undefined && stats.blocks * 512 >= stats.size ? Math.min(stats.size, size) : 0
  const undo = change(() => {
    fs.ftruncateSync(descriptor.fd, stats.size)
    if (member.extent !== undefined) return
    fs.futimesSync(descriptor.fd, stats.atime, stats.mtime)
    file.isMixed = false
  })
  yield* Effect.onError(reserve(site, descriptor.fd, from, size), () => Effect.ignore(undo))
})

/** Writes a file where it stands; undefined: it is to be made anew. */
export const open = Effect.fnUntraced(function* (site: Site, carried: CarriedFile, reusing?: Reusing) {
  const [member] = carried.members
  const index = member.entry
  const path = site.inventory.entries[index]?.path ?? new Uint8Array(0)
  const file = yield* Effect.acquireRelease(
    attempt(path, () => site.destination.persistently(() => openStanding(site, index))),
    (file) => (file === undefined ? Effect.void : letGo(file))
  )
  if (file === undefined) return undefined
  const { descriptor, stats } = file
  const failed = storeError(path)
  const size = fileBytes(member)
  yield* prepare(site, file, member).pipe(Effect.mapError(failed))
  const { read, write } = throughHoles(descriptor, member)
  const looking = Effect.try({ try: () => fs.fstatSync(descriptor.fd, { bigint: true }), catch: failed })
  const writer: FileWriter = {
    write: (offset, bytes) =>
      Effect.suspend(() => {
        if (!isInside(carried.size, offset, bytes.length)) return Effect.fail(failed(outside()))
        file.isMixed = true
        return Effect.mapError(write(offset, bytes), (cause) => mixed(failed(cause)))
      }),
    // somebody else may have cut it off
    read: (offset, into) =>
      Effect.flatMap(Effect.mapError(read(offset, into), failed), (count) =>
        count < into.length ? Effect.fail(failed(changedMeanwhile())) : Effect.void
      ),
    commit: Effect.fnUntraced(function* (skip, isRight = Effect.succeed(true)) {
      yield* site.destination.stands
      if (skip(0)) return []
      for (let look = 0; look < Limits.looksAtStanding; look++) {
        const { failures, isNamed } = yield* settle(site, index, file, size)
        if (!isNamed) return failures
        const before = yield* looking
        yield* pastTick(before)
        const isWhole = (yield* isRight) && (yield* Effect.mapError(hasItsHoles(site, descriptor, member), failed))
        if (!isWhole) break
        // a write gives it another time
        if (!isSame(before, yield* looking)) continue
        file.isMixed = false
        forEntry(failures, index, { path }, () => site.place(index, () => arrive(site, index, file)))
        return failures
      }
      return yield* failed(changedMeanwhile())
    })
  }
  if (reusing === undefined) return writer
  const old = { ...oldOf(descriptor, stats.size, member), isOwn: true }
  const reused = yield* withOld(
    () => keptOf(site, file.spot, member),
    (kept) => reuse(reusing, kept === undefined ? [old] : [old, kept], writer.write)
  )
  // nothing is copied later: what stands there is the file itself
  return yield* holding(writer, reusing, reused)
})

/** Where nobody says what is data, all of a hole would have to be read. */
const hasItsHoles = ({ libc }: Site, descriptor: Descriptor.Descriptor, { extent }: Member) =>
  extent === undefined || Option.isNone(libc)
    ? Effect.succeed(true)
    : Zeros.between(libc, descriptor, extent, new Uint8Array(Limits.hashedBytes))

/** What a session that was not in place has kept of it. [Y-15] */
const keptOf = ({ partials }: Site, spot: Spot, member: Member) => {
  const fd = partials.openToRead(spot)
  if (fd === undefined) return undefined
  const descriptor = Descriptor.make(fd)
  return { ...oldOf(descriptor, fs.fstatSync(fd).size, member), close: descriptor.close }
}

/** It could not be written to its end. */
const mixed = ({ code, path, reason }: StoreError): StoreError =>
  new StoreError({ code, path, reason: `${reason}; it is of mixed content now` })

/** The clock of a file system goes in steps. A write within the same step as the last one would not be seen. */
const tickMillis = 20

const pastTick = Effect.fnUntraced(function* ({ mtimeNs }: fs.BigIntStats) {
  const age = (yield* Clock.currentTimeMillis) - Number(mtimeNs / 1_000_000n)
  if (Math.abs(age) < tickMillis) yield* Effect.sleep(tickMillis)
})

/** Has nobody written to it in between? */
const isSame = (before: fs.BigIntStats, now: fs.BigIntStats): boolean =>
  now.mtimeNs === before.mtimeNs && now.size === before.size

/**
 * All of it has come: it gets its length and its metadata, before it is looked at for the last time. What is written to it from
 * then on gives it another time, and so is seen: by that look, or by the next session. [F-11]
 */
const settle = Effect.fnUntraced(function* (site: Site, index: number, file: Standing, size: number) {
  const { descriptor } = file
  const { path } = site.inventory.file(index)
  const failures: Array<Failure> = []
  file.isMixed = true
  const cut = Result.try(() => fs.ftruncateSync(descriptor.fd, size))
  const synced = site.syncs && Result.isSuccess(cut) ? yield* Effect.result(Sync.content(descriptor.fd)) : Result.void
  let isNamed = false
  if (Result.isFailure(cut)) fail(failures, index, path, cut.failure)
  else if (Result.isFailure(synced)) fail(failures, index, path, synced.failure)
  else
    forEntry(failures, index, { path }, () =>
      site.place(index, () => {
        mustBeNamed(site, file)
        isNamed = true
        file.isDescribed = true
        site.describe.standing(descriptor.fd, file.metadata)
      })
    )
  return { failures, isNamed }
})

const ownOf = ({ destination }: Site, { spot }: Standing) => ({
  directory: destination.still(spot.directory),
  name: spot.name
})

const mustBeNamed = (site: Site, file: Standing): void => {
  if (!Confinement.isNameOf(ownOf(site, file), file.descriptor.fd))
    throw refusal("ESTALE", "it was replaced while it was received")
}

const arrive = (site: Site, index: number, file: Standing): void => {
  // it may have been replaced while it was read
  mustBeNamed(site, file)
  const own = ownOf(site, file)
  // a write that a server refuses may be found only by this
  const closed = Result.try(file.descriptor.closeNow)
  if (Result.isFailure(closed)) {
    const time = Mtime.textOf(file.otherSeconds)
    Result.try(() => fs.lutimesSync(Confinement.pathOf(own), time, time))
    throw mixed(storeError(site.inventory.file(index).path)(closed.failure))
  }
  site.inventory.arrive(index)
  site.partials.clear(own)
}

/**
 * One of mixed content gets a time that no session takes for right, or for newer. What has the source's time without us is right:
 * another catcher of the destination has completed it. A failure has nobody left to be told.
 */
const letGo = (file: Standing): Effect.Effect<void> => {
  const { descriptor, metadata, otherSeconds, spot, tree } = file
  const disown = () => {
    if (!file.isMixed) return
    const now = Status.ofStats(fs.fstatSync(descriptor.fd, { bigint: true }))
    const time = Mtime.textOf(otherSeconds)
    if (file.isDescribed || !Status.isSameTime(now, metadata)) fs.futimesSync(descriptor.fd, time, time)
  }
  return Effect.sync(() => void Result.try(disown)).pipe(
    Effect.andThen(descriptor.close),
    Effect.andThen(Effect.sync(() => tree.release(spot.directory)))
  )
}
