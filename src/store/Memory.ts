/**
 * A store and a source in memory, for tests and simulated sessions: the same rules as on a disk, a tree to look at
 * afterwards, and faults on demand. The store writes to a volume as the disk's does: a file that arrives has a temporary
 * name until it is whole, and a rename gives it its own.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { Catcher, MemoryStore } from "mrsync"
 *
 * const memory = MemoryStore.make({ capacityBytes: 1024 })
 * const session = Catcher.run({ ...Catcher.defaults, id: "c1" }).pipe(Effect.provide(MemoryStore.layer(memory)))
 * // afterwards: memory.tree.get("dir/file")?.content
 * ```
 */

import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { mayDelete } from "../filter/Filter.ts"
import * as Veto from "../filter/Veto.ts"
import * as Backup from "../tree/Backup.ts"
import * as Compare from "../tree/Compare.ts"
import { hash } from "../content/Hash.ts"
import * as Blocks from "../delta/Blocks.ts"
import * as Limits from "../protocol/Limits.ts"
import type { Runs } from "../protocol/Words.ts"
import type { Entry, Special } from "../tree/Entry.ts"
import * as Extraneous from "../tree/Extraneous.ts"
import { Hashes } from "../tree/Hashes.ts"
import { carriedOf } from "../tree/Holes.ts"
import * as Lacks from "../tree/Lacks.ts"
import { bytesOf, display, keyOf, ofKey, parentOf } from "../tree/Names.ts"
import * as Metadata from "../tree/Metadata.ts"
import * as Similar from "../tree/Similar.ts"
import type { Policy } from "../tree/Policy.ts"
import * as Room from "../tree/Room.ts"
import type { Failure } from "../wire/Message.ts"
import { at, below, destination, MemorySite, type Options, pathOf, placeOfPart, put, type Stage } from "./MemorySite.ts"
import * as Writers from "./MemoryWriters.ts"
import { changedMeanwhile, failureOf, notEmpty } from "./Reasons.ts"
import { type DestinationEscape, type Deleted, type Deleting, Store, type StoreError, type Surveyed } from "./Store.ts"
import type { Node, Volume } from "./Volume.ts"

export { destination, type Faults, type Operation, type Options } from "./MemorySite.ts"

/** An entry that was made; files and hard links have content. */
export interface Made {
  readonly entry: Entry
  readonly content: Uint8Array | undefined
}

/** A store in memory, and what can be seen of it. */
export interface Memory {
  /** The entries in the destination, by path as `Names.display` writes it. Each look at it makes it anew. */
  readonly tree: ReadonlyMap<string, Made>
  /** Files that are open to be written now. */
  readonly writers: () => number
  readonly volume: Volume
  /** Has a session begun to use the destination, or committed the tree there? */
  readonly stage: () => Stage
  /** Files of the session that stood there and were recognised, by their paths on the volume. [O-4] */
  readonly recognised: ReadonlySet<string>
  readonly store: Store["Service"]
}

/** The store as a service. */
export const layer = (memory: Memory): Layer.Layer<Store> => Layer.succeed(Store, memory.store)

/** Makes an empty destination, on a new volume where none is given. */
export const make = (options: Options = {}): Memory => {
  const site = new MemorySite(options)
  return {
    get tree() {
      return treeOf(site.volume)
    },
    writers: () => site.writers,
    volume: site.volume,
    stage: () => site.stage,
    recognised: site.recognised,
    store: Store.of({
      shortage: (entries) => Effect.sync(() => Option.fromUndefinedOr(shortage(site, entries))),
      survey: (entries, policy, looked) => survey(site, entries, policy, looked),
      hash: (files, hashing) => hashAll(site, files, hashing),
      prepare: (entries, surveyed) => prepare(site, entries, surveyed),
      revise: (entries) => Effect.sync(() => void (site.inventory.entries = entries)),
      open: (carried, reusing) => Writers.open(site, carried, reusing),
      existing: (carried) => Writers.existing(site, carried),
      deleteOthers: (deleting) => Effect.andThen(site.stands, remove(site, deleting)),
      finish: finish(site),
      worked: () => site.worked,
      stands: site.stands
    })
  }
}

const shortage = ({ options, volume }: MemorySite, entries: ReadonlyArray<Entry>): Room.Shortage | undefined => {
  if (options.tellsRoom !== true) return undefined
  const freeBytes = Math.max(0, volume.capacityBytes - volume.usedBytes)
  const found = Room.shortageOf(
    entries.map((entry) => ({ entry, standing: standingOf(volume.find(pathOf(entry))) })),
    { freeBytes, freeInodes: undefined, blockBytes: 1, keepsBytes: true }
  )
  volume.wasFull ||= found !== undefined
  return found
}

const standingOf = (node: Node | undefined): Room.Standing | undefined => {
  if (node === undefined) return undefined
  return node._tag === "File" ? { size: node.content.size, bytes: node.content.usedBytes } : { size: -1, bytes: 0 }
}

const survey = Effect.fn("Memory.survey")(function* (
  site: MemorySite,
  entries: ReadonlyArray<Entry>,
  policy: Policy,
  looked: (entries: number) => void = () => {}
) {
  site.begin(entries)
  const nodeOf = (index: number) =>
    entries[index] === undefined ? undefined : site.volume.find(pathOf(entries[index]))
  const changeOf = (entry: Entry, index: number) => {
    const node = nodeOf(index)
    if (entry._tag !== "HardLink") return Compare.changesOf(entry, foundOf(node), policy, isRoot)
    const leaders = nodeOf(entry.leader)
    const link = { found: foundOf(node), leaders: foundOf(leaders), isLeaders: node !== undefined && node === leaders }
    return Compare.linkChangesOf(link, policy, entries[entry.leader], isRoot)
  }
  const { isRoot = true } = site.options
  const changes = new Uint16Array(entries.length)
  const sharers = new Compare.Sharers<Node>()
  for (const [index, entry] of entries.entries()) {
    if (site.options.turn !== undefined) yield* site.options.turn("survey")
    const node = entry._tag === "File" ? nodeOf(index) : undefined
    if (node !== undefined) sharers.add(node, index)
    const change = changeOf(entry, index)
    const isKept = () => !policy.isDryRun && site.volume.find(placeOfPart(pathOf(entry)))?._tag === "File"
    const own = Blocks.hasBlocks(entry) ? Compare.withPart(change, isKept) : change
    changes[index] = site.inventory.told(index, own, changes)
    looked(index + 1)
  }
  site.inventory.settle(changes, sharers)
  if (policy.isFuzzy && !policy.sendsWhole) findSimilar(site, entries, changes)
  yield* Effect.yieldNow
  return changes
})

/** [Y-16] Older versions of large files that stand under other names. */
const findSimilar = ({ similar, veto, volume }: MemorySite, entries: ReadonlyArray<Entry>, changes: Uint16Array) => {
  for (const [index, entry] of entries.entries()) {
    if (entry._tag !== "File" || !Compare.isNew(changes[index]) || !Blocks.hasBlocks(entry)) continue
    const parent = parentOf(keyOf(entry.path))
    const at = parent === "" ? destination : `${destination}/${display(ofKey(parent))}`
    const directory = volume.find(at)
    if (directory?._tag !== "Directory") continue
    const best = Similar.best(
      entry,
      [...directory.entries].flatMap(([name, node]) => {
        const isIn = node._tag === "File" && node.content.size >= Limits.deltaBytes && !name.includes(".mrsync-")
        if (!isIn || Veto.names(veto, `${parent === "" ? "" : `${parent}/`}${keyOf(bytesOf(name))}`, false)) return []
        const { mtimeSeconds } = foundOf(node)?.metadata ?? Metadata.unset
        return [{ name, size: node.content.size, mtimeSeconds }]
      })
    )
    if (best === undefined) continue
    similar.set(index, `${at}/${best.name}`)
    changes[index] |= Compare.change.Similar
  }
}

const hashAll = Effect.fn("Memory.hash")(function* (
  site: MemorySite,
  files: Runs,
  { pageBytes, told = () => {} }: Blocks.Hashing
) {
  const { entries } = site.inventory
  const hashes = new Hashes(files)
  const blocks = new Map<number, Blocks.Blocks>()
  site.contents = { hashes, entries, pageBytes, blocks }
  let done = 0
  for (const index of Lacks.each(files)) {
    if (site.options.turn !== undefined) yield* site.options.turn("hash")
    const content = contentOf(site, entries[index])
    if (content !== undefined) {
      const hashed = hashedOf(entries[index], content, pageBytes)
      hashes.put(index, hashed.hash)
      if (hashed.blocks !== undefined) blocks.set(index, hashed.blocks)
    }
    told((done += content?.length ?? 0))
    yield* Effect.yieldNow
  }
  return hashes
})

const hashedOf = (entry: Entry, content: Uint8Array, pageBytes: number) => {
  if (!Blocks.hasBlocks(entry)) return { hash: hash(content) }
  const blocks = Blocks.ofContent(content, Blocks.bytesOf(content.length, pageBytes))
  return { hash: Blocks.hashOf(blocks), blocks }
}

/** What is carried of the content of a file that stands there; undefined also where it has more. */
const contentOf = ({ volume }: MemorySite, entry: Entry): Uint8Array | undefined => {
  const node = volume.find(pathOf(entry))
  if (node?._tag !== "File" || entry._tag !== "File") return undefined
  return carriedOf(node.content.bytes, entry)
}

/** Is it not any more what the survey has found right? */
const hasChanged = (site: MemorySite, index: number): boolean => {
  const { contents, inventory, volume } = site
  const entry = inventory.asCompared(index)
  const { entries = [], hashes, pageBytes = 0 } = contents ?? {}
  const before = entries[index] === entry ? hashes?.get(index) : undefined
  if (before === undefined) return inventory.isOther(index, foundOf(volume.find(pathOf(entry))))
  const content = contentOf(site, entry)
  return content === undefined || Buffer.compare(hashedOf(entry, content, pageBytes).hash, before) !== 0
}

const foundOf = (node: Node | undefined): Compare.Found | undefined => {
  if (node === undefined) return undefined
  const { entry } = node
  const metadata = entry === undefined || entry._tag === "HardLink" ? Metadata.unset : entry.metadata
  const found = { _tag: node._tag, metadata, size: node._tag === "File" ? node.content.size : 0 }
  if (node._tag === "Symlink") return { ...found, target: bytesOf(node.target) }
  return "device" in node ? { ...found, device: node.device } : found
}

const prepare = Effect.fn("Memory.prepare")(function* (
  site: MemorySite,
  entries: ReadonlyArray<Entry>,
  surveyed: Surveyed | undefined
) {
  if (surveyed === undefined || !site.inventory.isOf(entries)) site.begin(entries)
  if (surveyed !== undefined) site.takeSurvey(surveyed)
  if (surveyed?.policy.isDryRun === true) return foreseen(site)
  const failures: Array<Failure> = []
  const { inventory } = site
  for (const index of entries.keys()) {
    const entry = inventory.asCompared(index)
    const refusal = inventory.isToldFirst(index) ? inventory.refusal(index) : undefined
    const isRight = inventory.changeOf(index) === 0
    if (refusal === undefined && (isRight || !inventory.isMadeFirst(index))) continue
    const preparing = refusal === undefined ? prepareEntry(site, entry, index) : Effect.fail(refusal)
    const ready = yield* Effect.result<void, StoreError | DestinationEscape, never>(preparing)
    if (Result.isFailure(ready)) failures.push(failureOf(index, ready.failure))
  }
  yield* Effect.yieldNow
  yield* site.stands
  return failures
})

/** Entries of which a directory that is not empty keeps the place; here none is made to go. */
const foreseen = ({ inventory, volume }: MemorySite): ReadonlyArray<Failure> => {
  const isBlocked = (entry: Entry, index: number) => {
    const node = volume.find(pathOf(entry))
    const isFull = node?._tag === "Directory" && node.entries.size > 0
    return isFull && entry._tag !== "Directory" && Compare.isLacked(inventory.changeOf(index))
  }
  return inventory.indices(isBlocked).map((entry) => ({ entry, reason: notEmpty().reason }))
}

const prepareEntry = Effect.fnUntraced(function* (site: MemorySite, entry: Entry, index: number) {
  const { inventory, volume } = site
  yield* site.check("prepare", entry)
  const own = site.described(entry)
  switch (entry._tag) {
    case "Directory":
      yield* site.makeWay("prepare", entry)
      if (volume.find(pathOf(entry)) === undefined)
        yield* site.step("prepare", entry, () => volume.mkdir(pathOf(entry)))
      return volume.setMetadata(volume.find(pathOf(entry))!, own)
    case "File":
      // what gets the time of the source looks right from then on
      if (hasChanged(site, index)) return yield* at(entry, changedMeanwhile())
      return volume.setMetadata(volume.find(pathOf(entry))!, own)
    case "Symlink":
      yield* put(site, "prepare", entry, (temporary) => volume.symlink(temporary, display(entry.target), own))
      return inventory.arrive(index)
    case "HardLink":
      return
    default:
      yield* put(site, "prepare", entry, (temporary) => volume.special(temporary, own as Special))
      return inventory.arrive(index)
  }
})

const finish = (site: MemorySite) =>
  Effect.gen(function* () {
    const { inventory, volume } = site
    const failures: Array<Failure> = []
    yield* site.stands
    site.stage = "Finishing"
    for (const index of inventory.indices((_, index) => inventory.isUnchanged(index))) {
      if (!hasChanged(site, index)) {
        putRight(site, index)
        continue
      }
      inventory.lose(index)
      failures.push({ entry: index, reason: changedMeanwhile().reason })
    }
    for (const index of inventory.hardLinks()) {
      const entry = inventory.entries[index]
      if (entry._tag !== "HardLink" || isLinked(site, entry)) continue
      const linked = yield* Effect.result(
        Effect.flatMap(leaderOf(site, entry), (leader) =>
          put(site, "commit", entry, (temporary) => volume.link(pathOf(leader), temporary))
        )
      )
      if (Result.isFailure(linked)) failures.push({ entry: index, reason: linked.failure.reason })
    }
    yield* site.stands
    site.stage = "Finished"
    return failures
  })

/** Describes anew what somebody else has described otherwise. */
const putRight = (site: MemorySite, index: number): void => {
  const { inventory, options, volume } = site
  const entry = inventory.asCompared(index)
  const node = volume.find(pathOf(entry))
  const isOther = inventory.isMisdescribed(index, foundOf(node), options.isRoot ?? true)
  if (node !== undefined && isOther) volume.setMetadata(node, site.described(entry))
}

/** Deletes what the manifest does not have. */
const remove = Effect.fnUntraced(function* (site: MemorySite, deleting: Deleting) {
  const { inventory, policy, veto, volume } = site
  const { filter, isDry, spared, told } = deleting
  const limit = Veto.limitOf(veto, deleting.most)
  let count = 0
  let left = 0
  const vetoed: Array<string> = []
  // files of rules in the destination are left to the disk
  const mayGo = (path: string, isDirectory: boolean, isDoomed: boolean) =>
    filter === undefined || mayDelete(filter, keyOf(below(path)), isDirectory, isDoomed)
  const unlink = (path: string, isDoomed = false): boolean => {
    const node = volume.find(path)
    const isDirectory = node?._tag === "Directory"
    if (!mayGo(path, isDirectory, isDoomed)) return false
    const key = keyOf(below(path))
    if (Veto.names(veto, key, isDirectory)) {
      vetoed.push(key)
      return false
    }
    if (site.kept.has(display(below(path)))) return false
    if (policy.backup !== undefined && Backup.isIn(policy.backup, key)) return false
    const inside = isDirectory ? [...node.entries.keys()] : []
    const isEmpty = inside.map((name) => unlink(`${path}/${name}`, true)).every((isGone) => isGone)
    if (!isEmpty) return false
    if (count >= limit.most) {
      if (limit.isVetoed) vetoed.push(key)
      else left++
      return false
    }
    if (!isDry && Result.isFailure(Result.flatMap(site.keep(path, true), () => volume.unlink(path)))) return false
    count++
    told?.(below(path), isDirectory)
    return true
  }
  for (const [key, names] of Extraneous.staying(inventory.entries, spared)) {
    const path = pathOf({ _tag: "Directory", path: ofKey(key), metadata: Metadata.unset })
    const node = volume.find(path)
    if (node?._tag !== "Directory") continue
    for (const name of [...node.entries.keys()]) {
      const own = keyOf(bytesOf(name))
      if (!names.has(own) && !name.includes(".mrsync-")) unlink(`${path}/${name}`)
    }
    yield* Effect.yieldNow
  }
  const reason = `not deleted, because the owner refuses it: ${vetoed.join(", ")}`
  const failures: Array<Failure> = vetoed.length === 0 ? [] : [{ entry: 0, reason, isVetoed: true }]
  if (left > 0) failures.push({ entry: 0, reason: Veto.leftOf(left, limit) })
  return { count, vetoed: vetoed.length, failures } as Deleted
})

const isLinked = ({ inventory, volume }: MemorySite, link: Extract<Entry, { readonly _tag: "HardLink" }>): boolean => {
  const node = volume.find(pathOf(link))
  return node !== undefined && node === volume.find(pathOf(inventory.entries[link.leader]))
}

const leaderOf = ({ inventory }: MemorySite, link: Extract<Entry, { readonly _tag: "HardLink" }>) =>
  Effect.try({ try: () => inventory.leaderOf(link), catch: (cause) => cause as StoreError })

// ---- the tree, to look at ----

const treeOf = (volume: Volume): ReadonlyMap<string, Made> => {
  const tree = new Map<string, Made>()
  const top = volume.find(destination)
  if (top?._tag !== "Directory") return tree
  if (top.entry !== undefined) tree.set(".", { entry: top.entry, content: undefined })
  for (const [path, node] of volume.walk(top)) tree.set(path, made(path, node))
  return tree
}

const text = new TextEncoder()

// A node that was there before, or has no name of its own yet, was made for no entry.
const made = (name: string, node: Node): Made => {
  const path = text.encode(name)
  const metadata = Metadata.unset
  switch (node._tag) {
    case "File": {
      const { content } = node
      const entry = node.entry ?? { _tag: "File", path, metadata, size: content.size }
      return {
        entry,
        get content() {
          return content.bytes
        }
      }
    }
    case "Symlink":
      return {
        entry: node.entry ?? { _tag: "Symlink", path, metadata, target: text.encode(node.target) },
        content: undefined
      }
    case "Directory":
      return { entry: node.entry ?? { _tag: node._tag, path, metadata }, content: undefined }
    default:
      return {
        entry: node.entry ?? ({ _tag: node._tag, path, metadata, device: node.device } as Special),
        content: undefined
      }
  }
}

export { type Given, sourceLayer } from "../source/Memory.ts"
