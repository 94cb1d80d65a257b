/**
 * Files of the store in memory: writers while they arrive, and files that stand there already.
 */

import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { hasBlocks } from "../delta/Blocks.ts"
import { knownBy, type Old } from "../delta/Old.ts"
import { reuse, type Reusing } from "../delta/Reuse.ts"
import * as Limits from "../protocol/Limits.ts"
import type { Entry } from "../tree/Entry.ts"
import { display } from "../tree/Names.ts"
import type { CarriedFile } from "../tree/Plan.ts"
import { writesInPlace } from "../tree/Policy.ts"
import { Carried, carriedOf } from "../tree/Holes.ts"
import { fileBytes, inFile, isInside, type Member, overlaps, partOf } from "../tree/Members.ts"
import type { Failure } from "../wire/Message.ts"
import * as BundleWriter from "./BundleWriter.ts"
import { holding } from "./Held.ts"
import { at, type MemorySite, type Operation, pathOf, placeOfPart } from "./MemorySite.ts"
import { changedMeanwhile, failureOf, notKept, outside, vetoed } from "./Reasons.ts"
import { type Existing, type FileWriter, type StoreError } from "./Store.ts"
import type { Content, File } from "./Volume.ts"

/** Opens a carried file to be written. */
export const open = Effect.fn("Memory.open")(function* (site: MemorySite, carried: CarriedFile, reusing?: Reusing) {
  if (carried.kind !== "Single" && carried.kind !== "Bundle") return yield* notKept()
  if (carried.kind === "Bundle") yield* BundleWriter.admit(carried)
  yield* site.stands
  const writer = carried.kind === "Single" ? yield* openSingle(site, carried, reusing) : openBundle(site, carried)
  yield* Effect.acquireRelease(
    Effect.sync(() => site.writers++),
    () => Effect.sync(() => site.writers--)
  )
  return writer
})

const openSingle = Effect.fnUntraced(function* (site: MemorySite, carried: CarriedFile, reusing?: Reusing) {
  const { inventory, volume } = site
  const { members, size } = carried
  const [member] = members
  const index = member.entry
  const holes = new Carried(member.extent ?? { size })
  const entry = inventory.entries[index]
  const refusal = inventory.refusal(index)
  if (refusal !== undefined) return yield* refusal
  yield* site.check("open", entry)
  yield* site.makeWay("open", entry)
  const { file, temporary } = yield* create(site, "open", entry, fileBytes(member))
  if (site.policy.preallocates) yield* site.step("open", entry, () => volume.reserve(file))
  const writer: FileWriter = {
    write: (offset, bytes) =>
      isInside(size, offset, bytes.length)
        ? Effect.andThen(
            site.check("write", entry),
            site.step("write", entry, () => {
              for (const piece of holes.pieces(offset, bytes)) {
                const written = volume.write(file, piece.at, piece.bytes)
                if (Result.isFailure(written)) return written
              }
              return Result.void
            })
          )
        : Effect.fail(at(entry, outside())),
    read: (offset, into) =>
      isInside(size, offset, into.length)
        ? Effect.sync(() => {
            for (const { at, bytes } of holes.pieces(offset, into)) file.content.read(at, bytes)
          })
        : Effect.fail(at(entry, outside())),
    commit: (skip, isRight) => {
      const committing = each(site, carried, skip, () => rename(site, index, file, temporary))
      return isRight !== undefined && isInPlace(site, entry) ? mustBe(isRight, entry, committing) : committing
    }
  }
  const olds = [placeOfPart(pathOf(entry)), site.similar.get(index) ?? pathOf(entry)].flatMap((path) => {
    const node = volume.find(path)
    return node?._tag === "File" ? [{ path, content: node.content }] : []
  })
  if (reusing === undefined || olds.length === 0) return writer
  const turn = Effect.suspend(() => site.options.turn?.("reuse") ?? Effect.void)
  const versions = olds.map(({ content, path }): Old => ({
    size: holes.before(content.size),
    read: (offset, into) =>
      Effect.andThen(
        turn,
        Effect.sync(() => {
          for (const { at, bytes } of holes.pieces(offset, into)) content.read(at, bytes)
        })
      ),
    ...(path === pathOf(entry) && knownOf(site, index, content))
  }))
  return yield* holding(writer, reusing, yield* reuse(reusing, versions, writer.write))
})

const knownOf = (site: MemorySite, index: number, content: Content): Pick<Old, "known"> => {
  const now = () => {
    const carried = carriedOf(content.bytes, site.inventory.file(index))
    return carried && site.blocksOf(index, carried)
  }
  return knownBy(now)
}

/** What a disk writes in place is made anew here, and read once more all the same. [F-11] */
const isInPlace = ({ policy, volume }: MemorySite, entry: Entry): boolean =>
  writesInPlace(policy) && volume.find(pathOf(entry))?._tag === "File"

const mustBe = <A>(isRight: Effect.Effect<boolean, StoreError>, entry: Entry, then: Effect.Effect<A, StoreError>) =>
  Effect.flatMap(isRight, (right) => (right ? then : Effect.fail(at(entry, changedMeanwhile()))))

// As on a disk, a bundle's content is in memory until it is committed.
const openBundle = (site: MemorySite, carried: CarriedFile): FileWriter => {
  const content = new Uint8Array(carried.size)
  const commit = Effect.fnUntraced(function* (member: Member) {
    const entry = site.inventory.entries[member.entry]
    const { file, temporary } = yield* create(site, "commit", entry, member.size)
    yield* site.step("commit", entry, () => site.volume.write(file, 0, partOf(content, member)))
    yield* rename(site, member.entry, file, temporary)
  }, Effect.scoped)
  return BundleWriter.make(content, (skip) => each(site, carried, skip, commit))
}

/** A new file under a temporary name. It is removed when its scope closes before it has its own. */
const create = Effect.fnUntraced(function* (site: MemorySite, operation: Operation, entry: Entry, size: number) {
  const { options, volume } = site
  const temporary = volume.temporaryName(pathOf(entry))
  const expected = () => options.known?.(display(entry.path))
  const file = yield* Effect.acquireRelease(
    site.step(operation, entry, () => volume.create(temporary, size, expected())),
    (file) =>
      Effect.sync(() => {
        volume.close(file)
        const isKept = hasBlocks(entry) && file.content.usedBytes >= Limits.partialBytes
        if (isKept && volume.find(temporary) !== undefined) volume.rename(temporary, placeOfPart(pathOf(entry)))
        else volume.unlink(temporary)
      })
  )
  return { file, temporary }
})

const rename = Effect.fnUntraced(function* (site: MemorySite, index: number, file: File, temporary: string) {
  const { inventory, volume } = site
  const entry = inventory.entries[index]
  yield* site.check("commit", entry)
  yield* site.makeWay("commit", entry)
  volume.setMetadata(file, site.described(entry))
  yield* site.step("commit", entry, () => site.replace(temporary, entry))
  inventory.arrive(index)
  if (hasBlocks(entry)) volume.unlink(placeOfPart(pathOf(entry)))
})

/** Commits member by member; the failures are those of single entries. */
const each = Effect.fnUntraced(function* (
  site: MemorySite,
  carried: CarriedFile,
  skip: (member: number) => boolean,
  commit: (member: Member) => Effect.Effect<void, StoreError>
) {
  const failures: Array<Failure> = []
  yield* site.stands
  for (const [position, member] of carried.members.entries()) {
    const isVetoed = site.inventory.isVetoed(member.entry)
    if (skip(position) || site.inventory.isRefused(member.entry)) continue
    const done = yield* Effect.result(isVetoed ? Effect.fail(vetoed()) : commit(member))
    if (Result.isFailure(done)) failures.push(failureOf(member.entry, done.failure))
  }
  return failures
})

/** The files that stand there already, where each member has one of its size. */
export const existing = (site: MemorySite, carried: CarriedFile) =>
  Effect.sync(() => {
    const files = carried.members.flatMap((member) => standing(site, member) ?? [])
    if (files.length < carried.members.length) return Option.none()
    const found: Existing = {
      read: (offset, into) =>
        Effect.sync(() => {
          for (const piece of overlaps(carried.members, offset, into)) {
            const { content } = files[piece.position]
            for (const { at, bytes } of inFile(piece.member, piece.from, piece.into)) content.read(at, bytes)
          }
        }),
      commit: (skip) => each(site, carried, skip, ({ entry }) => describe(site, entry))
    }
    return Option.some(found)
  })

const standing = ({ inventory, volume }: MemorySite, member: Member): File | undefined => {
  const { entry: index, extent } = member
  const entry = inventory.entries[index]
  const node = entry === undefined || inventory.refusal(index) !== undefined ? undefined : volume.find(pathOf(entry))
  if (node?._tag !== "File" || node.content.size !== fileBytes(member) || node.names.size !== 1) return undefined
  const isRightBetween = extent === undefined || carriedOf(node.content.bytes, extent) !== undefined
  return isRightBetween ? node : undefined
}

const describe = Effect.fnUntraced(function* (site: MemorySite, index: number) {
  const { inventory, volume } = site
  const entry = inventory.entries[index]
  yield* site.check("commit", entry)
  yield* site.step("commit", entry, () => Result.void)
  const node = volume.find(pathOf(entry))
  if (node !== undefined) volume.setMetadata(node, site.described(entry))
  inventory.arrive(index)
  site.recognised.add(pathOf(entry))
})
