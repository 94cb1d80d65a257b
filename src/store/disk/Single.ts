/**
 * A file that is carried alone: written block by block under a temporary name, and renamed when it is whole. Its temporary
 * file is removed when the scope closes before that.
 */

import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import * as Descriptor from "../../system/Descriptor.ts"
import { hasBlocks } from "../../delta/Blocks.ts"
import { knownBy, type Old } from "../../delta/Old.ts"
import { reuse, type Reusing } from "../../delta/Reuse.ts"
import * as Status from "../../system/Status.ts"
import * as Limits from "../../protocol/Limits.ts"
import type { Entry } from "../../tree/Entry.ts"
import type { CarriedFile } from "../../tree/Plan.ts"
import { fileBytes, isInside, type Member } from "../../tree/Members.ts"
import type { Failure } from "../../wire/Message.ts"
import { holding } from "../Held.ts"
import { notEmpty, outside, refusal } from "../Reasons.ts"
import type { FileWriter } from "../Store.ts"
import { attempt, fail, forEntry, orClean, storeError } from "./Attempt.ts"
import type { Spot } from "./Confinement.ts"
import * as Confinement from "./Confinement.ts"
import * as InPlace from "./InPlace.ts"
import { reserve } from "./Reserve.ts"
import type { Site } from "./Site.ts"
import { Sparse } from "./Sparse.ts"
import { oldOf, throughHoles, whole } from "./Through.ts"
import * as Sync from "./Sync.ts"
import * as Way from "./Way.ts"
import * as Zeros from "./Zeros.ts"

/** A file under its temporary name. */
interface Opened {
  readonly index: number
  readonly entry: Extract<Entry, { readonly _tag: "File" }>
  /** The final name, and the temporary one beside it. */
  readonly spot: Spot
  readonly temporary: Spot
  readonly descriptor: Descriptor.Descriptor
  /** The tree that keeps its directory open. */
  readonly tree: Confinement.Tree
  isCommitted: boolean
  /** Bytes that were written to it; its room on the disk may be reserved. */
  writtenBytes: number
  /** Is it what was kept of an earlier session? */
  readonly isResumed: boolean
  /** Has it content that nothing was written for: what was kept, or what an older version has? */
  hasContent: boolean
}

export const open = Effect.fnUntraced(function* (site: Site, carried: CarriedFile, reusing?: Reusing) {
  const inPlace = yield* InPlace.open(site, carried, reusing)
  return inPlace ?? (yield* openBeside(site, carried, reusing))
})

const openBeside = Effect.fnUntraced(function* (site: Site, carried: CarriedFile, reusing?: Reusing) {
  const { members, size } = carried
  const [member] = members
  const index = member.entry
  const path = site.inventory.entries[index]?.path ?? new Uint8Array(0)
  const file = yield* Effect.acquireRelease(
    attempt(path, () => site.destination.persistently(() => create(site, member, reusing !== undefined))),
    (file) =>
      Effect.andThen(
        file.descriptor.close,
        Effect.sync(() => discard(site, file))
      )
  )
  const { descriptor } = file
  const failed = storeError(path)
  if (file.isResumed) yield* Effect.mapError(Zeros.clear(site.libc, descriptor, member.extent), failed)
  yield* Effect.mapError(reserve(site, descriptor.fd, 0, fileBytes(member)), failed)
  const sparse = new Sparse(size)
  const { read, write } = throughHoles(descriptor, member)
  const writer: FileWriter = {
    write: (offset, bytes) =>
      Effect.suspend(() => {
        if (!isInside(size, offset, bytes.length)) return Effect.fail(failed(outside()))
        file.writtenBytes += bytes.length
        // what it has already may be anything
        const isHole = !file.hasContent && sparse.leavesOut(offset, bytes)
        return isHole ? Effect.void : Effect.mapError(write(offset, bytes), failed)
      }),
    read: (offset, into) => Effect.mapError(whole(read)(offset, into), failed),
    commit: Effect.fnUntraced(function* (skip) {
      const failures: Array<Failure> = []
      yield* site.destination.stands
      const free = skip(0) ? [] : yield* Way.clear(site, [index], failures)
      if (free.length === 0) return failures
      const synced = site.syncs ? yield* Effect.result(Sync.content(descriptor.fd)) : Result.void
      if (Result.isFailure(synced)) fail(failures, index, path, synced.failure)
      else forEntry(failures, index, { path }, () => site.place(index, () => commit(site, file)))
      return failures
    })
  }
  if (reusing === undefined) return writer
  return yield* holding(writer, reusing, yield* heldOf(site, file, member, reusing, writer))
})

/**
 * [Y-13] What was kept of it is right where it is, and what the file that stands under its name has, or one that is like it [Y-16], of it is
 * written first. Where the file system lets the two share their blocks, nothing is written for what is at its own place.
 */
const heldOf = Effect.fnUntraced(function* (
  site: Site,
  file: Opened,
  member: Member,
  reusing: Reusing,
  { write }: FileWriter
) {
  const own: Old = { ...oldOf(file.descriptor, fileBytes(member), member), isOwn: true }
  const kept = file.isResumed ? [own] : []
  const old = yield* Effect.acquireRelease(
    Effect.sync(() => Result.getOrUndefined(Result.try(() => standing(site, member)))),
    (old) => old?.close ?? Effect.void
  )
  if (old === undefined) return yield* reuse(reusing, kept, write)
  const isShared = !file.isResumed && (yield* shares(site, old.fd, file, member))
  const version: Old = isShared ? { ...old, isOwn: true, read: own.read, elsewhere: old.read } : old
  const reused = yield* reuse(reusing, [...kept, version], write)
  if (reused.postponed === undefined) yield* old.close
  return reused
})

/** Gives a file the blocks of an older version; false where that cannot be: then there is nothing in it. */
const shares = Effect.fnUntraced(function* ({ describe, libc }: Site, old: number, file: Opened, member: Member) {
  const clone = Option.getOrUndefined(libc)?.clone
  // room that was taken would be given back
  if (clone === undefined || describe.policy.preallocates) return false
  const { fd } = file.descriptor
  if (!(yield* Effect.isSuccess(Descriptor.waited((done) => clone(old, fd, done))))) return false
  yield* attempt(file.entry.path, () => fs.ftruncateSync(fd, fileBytes(member)))
  const clearing = Zeros.clear(libc, file.descriptor, member.extent)
  file.hasContent = yield* Effect.mapError(clearing, storeError(file.entry.path))
  return file.hasContent
})

const standing = ({ contents, destination, inventory, similar }: Site, member: Member) => {
  const index = member.entry
  const entry = inventory.file(index)
  const { directory, name } = destination.spot(entry.path)
  const descriptor = Descriptor.make(Confinement.openToLook({ directory, name: similar.get(index) ?? name }))
  const { close, fd } = descriptor
  const now = () => contents?.blocksOf(index, entry, Status.ofStats(fs.fstatSync(fd, { bigint: true })))
  const stats = fs.fstatSync(fd)
  const old = oldOf(descriptor, stats.isFile() ? stats.size : 0, member)
  return { ...old, fd, close, ...knownBy(now) }
}

/** `reuses`: what was kept of it is taken up. */
const create = (site: Site, member: Member, reuses: boolean): Opened => {
  const { destination, forcing, inventory, partials, temporaries } = site
  const index = member.entry
  const entry = inventory.file(index)
  const refused = inventory.refusal(index)
  if (refused !== undefined) throw refused
  const { tree } = destination
  const spot = destination.spot(entry.path)
  temporaries.clear(spot.directory)
  // Better said now than after the content has come.
  if (forcing === undefined && Way.isFull(spot)) throw notEmpty()
  const { at: temporary, made } = temporaries.make(spot, ({ directory, name }) => tree.create(directory, name))
  tree.hold(spot.directory)
  let fd = made
  const kept = orClean(
    () => {
      const kept = reuses ? partials.takeBack(spot, temporary) : partials.makeRoom(spot, member.size)
      if (kept !== undefined) {
        fs.closeSync(made)
        fd = kept
      }
      fs.ftruncateSync(fd, fileBytes(member))
      return kept
    },
    () => {
      fs.closeSync(fd)
      fs.unlinkSync(Confinement.pathOf(temporary))
      tree.release(spot.directory)
    }
  )
  temporaries.keep(temporary)
  const isResumed = kept !== undefined
  return {
    index,
    entry,
    spot,
    temporary,
    descriptor: Descriptor.make(fd),
    tree,
    isCommitted: false,
    writtenBytes: 0,
    isResumed,
    hasContent: isResumed
  }
}

/** Gives the content its metadata and its final name. */
const commit = ({ changes, describe, destination, inventory, replaced }: Site, file: Opened): void => {
  const { descriptor, entry, index, spot, temporary } = file
  const directory = destination.still(spot.directory)
  const from = { directory, name: temporary.name }
  if (!Confinement.isNameOf(from, descriptor.fd))
    throw refusal("ESTALE", "its temporary file was replaced while it was received")
  const own = describe.ownAt({ directory, name: spot.name })
  const described = Result.try(() => describe.file(descriptor.fd, entry.metadata, own))
  // a write that a server refuses may be found only by this
  descriptor.closeNow()
  replaced.taking({ directory, name: spot.name }, () => changes.moveOver(from, spot.name))
  file.isCommitted = true
  inventory.arrive(index)
  if (Result.isFailure(described)) throw described.failure
}

/** Removes what has not been committed, or keeps it for another session. A failure has nobody left to be told. */
const discard = ({ destination, partials, temporaries }: Site, file: Opened): void => {
  const { entry, isCommitted, isResumed, spot, temporary, tree, writtenBytes } = file
  const isLarge = hasBlocks(entry)
  const isWorth = isLarge && (isResumed || writtenBytes >= Limits.partialBytes)
  const done = () => {
    const directory = destination.tree.handles ? spot.directory : destination.tree.directory(spot.directory.key)
    const [from, own] = [temporary.name, spot.name].map((name) => ({ directory, name }))
    if (!isCommitted && !(isWorth && partials.keep(from, own, isResumed))) fs.unlinkSync(Confinement.pathOf(from))
    if (isCommitted && isLarge) partials.clear(own)
  }
  Result.try(done)
  temporaries.letGo(temporary)
  tree.release(spot.directory)
}
