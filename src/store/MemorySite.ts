/**
 * Shared by the parts of the store in memory: the volume with the ways to change it, the faults on demand, and the
 * session's tree. Every change is a step: its turn goes before it, and it fails when the destination was replaced.
 */

import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Blocks from "../delta/Blocks.ts"
import * as Errno from "../system/Errno.ts"
import { none as noVeto, type Veto } from "../filter/Veto.ts"
import * as Carried from "../tree/Carried.ts"
import { type Entry, metadataOf } from "../tree/Entry.ts"
import * as Metadata from "../tree/Metadata.ts"
import type { Hashes } from "../tree/Hashes.ts"
import * as Backup from "../tree/Backup.ts"
import { bytesOf, display, keyOf, ofKey } from "../tree/Names.ts"
import * as Packed from "../tree/Packed.ts"
import { defaults, type Policy } from "../tree/Policy.ts"
import { Inventory } from "./Inventory.ts"
import { notEmpty } from "./Reasons.ts"
import { StoreError, type Surveyed } from "./Store.ts"
import { type Node, type Refused, Volume } from "./Volume.ts"

/** Steps of a store that may fail, or be slow. */
export type Operation = "survey" | "hash" | "prepare" | "open" | "reuse" | "write" | "commit"

/** Faults of a disk; none, where nothing is given. */
export interface Faults {
  /** Content that fits, in bytes; the rest meets ENOSPC. A file counts up to its last byte that is not zero. */
  readonly capacityBytes?: number
  /** Says beforehand that a tree does not fit. Without it a write finds that out. */
  readonly tellsRoom?: boolean
  /** The system's code with which an operation fails, such as "EACCES". */
  readonly refuse?: (operation: Operation, path: string) => string | undefined
}

/** The parts of a store in memory that a test may choose. */
export interface Options extends Faults {
  /** The disk; without it a new one. Its entries stay, but for those that an entry of the tree replaces. */
  readonly volume?: Volume
  /** The content that a file is expected to have, by its path, so that many stores need not keep a copy each. */
  readonly known?: (path: string) => Uint8Array | undefined
  /** May its user set owners, and make devices? (yes) */
  readonly isRoot?: boolean
  /** What no master may do. */
  readonly veto?: Veto
  /** Goes before each change, each look of a survey, each file that is hashed, and each read of an older version: a slow disk sleeps, and between two changes a machine may crash. */
  readonly turn?: (operation: Operation) => Effect.Effect<void>
}

/** How far a session is at its destination. From Finishing on it looks at nothing again that was right. */
export type Stage = "Waiting" | "Open" | "Finishing" | "Finished"

/** The destination on the volume; beside it is what a catcher must not touch. */
export const destination = "destination"

/** Where an entry stands on the volume. */
export const pathOf = (entry: Entry) =>
  entry.path.length === 0 ? destination : `${destination}/${display(entry.path)}`

/** Where what has arrived of a file is kept when its session ends early. [Y-15] */
export const placeOfPart = (path: string): string => path.replace(/([^/]*)$/, ".$1.mrsync-partial")

/** What lies below the destination under a path of the volume, as an entry would name it. */
export const below = (path: string): Uint8Array => bytesOf(path.slice(destination.length + 1))

/** What was hashed; of large files their blocks. */
interface Contents {
  readonly hashes: Hashes
  readonly entries: ReadonlyArray<Entry>
  readonly pageBytes: number
  readonly blocks: Map<number, Blocks.Blocks>
}

export class MemorySite {
  readonly options: Options
  readonly volume: Volume
  readonly veto: Veto
  inventory: Inventory
  policy = defaults
  /** What this session has put in place: it replaces no more than what it has brought itself. */
  private readonly placed = new Set<string>()
  /** Files that stood there and were recognised, by their paths. [O-4] */
  readonly recognised = new Set<string>()
  /** The backups that it has made, as they are below the destination. */
  readonly kept = new Set<string>()
  /** Files whose content was looked at, and the entries as they were then. */
  contents: Contents | undefined
  /** Where older versions of large files are that have another name, by entry. */
  readonly similar = new Map<number, string>()
  stage: Stage = "Waiting"
  /** Steps of the session so far. */
  worked = 0
  /** Files that are open to be written now. */
  writers = 0
  /** Fails unless the destination is the one that the session opened. */
  readonly stands: Effect.Effect<void, StoreError>
  /** The destination that a session has opened. */
  private top: Node | undefined

  constructor(options: Options) {
    this.options = options
    this.veto = options.veto ?? noVeto
    this.inventory = new Inventory([], this.veto)
    this.volume = options.volume ?? new Volume(options)
    this.stands = Effect.suspend(() =>
      this.top === undefined || this.volume.find(destination) === this.top ? Effect.void : Effect.fail(replaced())
    )
    this.admit()
  }

  /** The blocks of that entry's file, if this is still the content that was hashed. */
  blocksOf(index: number, content: Uint8Array): Blocks.Blocks | undefined {
    const { blocks, entries = [] } = this.contents ?? {}
    const hashed = entries[index] === this.inventory.entries[index] ? blocks?.get(index) : undefined
    return hashed?.size === content.length && Blocks.areContent(hashed, 0, content) ? hashed : undefined
  }

  private admit(): void {
    if (this.volume.find(destination) === undefined) this.volume.mkdir(destination)
  }

  /** A session begins with these entries. */
  begin(entries: ReadonlyArray<Entry>): void {
    this.admit()
    this.top = this.volume.find(destination)
    this.stage = "Open"
    this.contents = undefined
    this.similar.clear()
    this.inventory = new Inventory(entries, this.veto)
    this.policy = defaults
    this.placed.clear()
    this.recognised.clear()
    this.kept.clear()
  }

  /** Takes what a survey has found of these entries. */
  takeSurvey(surveyed: Surveyed): void {
    this.inventory.takeSurvey(surveyed)
    this.policy = surveyed.policy
  }

  /** An entry as it comes to stand here: of its metadata what is not carried is as what stands there has it. [Y-10] */
  described(entry: Entry): Entry {
    return described(this.policy, entry, this.volume.find(pathOf(entry))?.entry)
  }

  /** Keeps what a path of the volume leads to, before something else comes there; `isGoing`: nothing does. [Y-11] */
  keep(path: string, isGoing = false): Refused {
    const { backup } = this.policy
    const node = this.volume.find(path)
    if (backup === undefined || node === undefined || node._tag === "Directory" || this.placed.has(path))
      return Result.void
    const key = keyOf(below(path))
    if (isGoing && Backup.isOne(backup, key)) return Result.void
    const kept = display(ofKey(Backup.pathOf(backup, key)))
    if (this.inventory.entries.some((entry) => display(entry.path) === kept)) return Result.fail("EEXIST")
    const names = kept.split("/")
    for (let count = 1; count < names.length; count++) {
      const above = `${destination}/${names.slice(0, count).join("/")}`
      const made = this.volume.find(above) === undefined ? this.volume.mkdir(above) : Result.void
      if (Result.isFailure(made)) return made
    }
    this.kept.add(kept)
    const temporary = this.volume.temporaryName(`${destination}/${kept}`)
    return Result.flatMap(this.volume.link(path, temporary), () =>
      this.volume.rename(temporary, `${destination}/${kept}`)
    )
  }

  /** Renames what was made for an entry over what stands there, which is kept. */
  replace(temporary: string, entry: Entry): Refused {
    const path = pathOf(entry)
    return Result.flatMap(this.keep(path), () => {
      this.placed.add(path)
      return this.volume.rename(temporary, path)
    })
  }

  /** Fails where a fault is wanted. */
  check(operation: Operation, entry: Entry): Effect.Effect<void, StoreError> {
    const path = display(entry.path)
    const code = this.options.refuse?.(operation, path)
    return code === undefined ? Effect.void : Effect.fail(refusedAt(path)(code))
  }

  /** One change for an operation on an entry. */
  step<A>(operation: Operation, entry: Entry, change: () => Refused<A>): Effect.Effect<A, StoreError> {
    const { turn = () => Effect.void } = this.options
    return Effect.andThen(
      Effect.andThen(turn(operation), this.stands),
      Effect.suspend(() => {
        this.worked++
        return Effect.fromResult(Result.mapError(change(), refusedAt(display(entry.path))))
      })
    )
  }

  /** Removes something of another type in an entry's place, as on a disk. A rename replaces anything but a directory. */
  makeWay(operation: Operation, entry: Entry): Effect.Effect<void, StoreError> {
    return Effect.suspend(() => {
      const node = this.volume.find(pathOf(entry))
      const isDirectory = node?._tag === "Directory"
      if (node === undefined || isDirectory === (entry._tag === "Directory")) return Effect.void
      if (!isDirectory && entry._tag !== "Directory") return Effect.void
      return Effect.mapError(
        this.step(operation, entry, () => this.volume.unlink(pathOf(entry))),
        (error) => (error.code === "ENOTEMPTY" ? at(entry, notEmpty()) : error)
      )
    })
  }
}

/** An entry with the metadata that it gets here. There is no umask, and no clock. */
const described = (policy: Policy, entry: Entry, before: Entry | undefined): Entry => {
  if (entry._tag === "HardLink") return entry
  const { _tag: tag, metadata } = entry
  const own = metadataOf(before)
  const { gid, mtimeNanos, mtimeSeconds, uid } = own ?? Metadata.unset
  return {
    ...Packed.plain(entry),
    metadata: {
      ...metadata,
      mode: Carried.modeOf(policy, { tag, mode: metadata.mode, own: own?.mode }, 0),
      ...(policy.leavesOwner ? { uid } : {}),
      ...(policy.leavesGroup ? { gid } : {}),
      ...(Carried.hasTime(policy, tag) ? {} : { mtimeNanos, mtimeSeconds })
    }
  }
}

/** Makes an entry under a temporary name, and renames it. */
export const put = Effect.fnUntraced(function* (
  site: MemorySite,
  operation: Operation,
  entry: Entry,
  create: (temporary: string) => Refused<unknown>
) {
  const { volume } = site
  yield* site.makeWay(operation, entry)
  const temporary = volume.temporaryName(pathOf(entry))
  yield* site.step(operation, entry, () => create(temporary))
  yield* Effect.onError(
    site.step(operation, entry, () => site.replace(temporary, entry)),
    () => Effect.sync(() => volume.unlink(temporary))
  )
})

/** A refusal with the entry's path. */
export const at = ({ path }: Entry, { code, reason }: StoreError): StoreError =>
  new StoreError({ path: display(path), code, reason })

const refusedAt = (path: string) => (code: string) => new StoreError({ path, ...Errno.ofCode(code) })

const replaced = () =>
  new StoreError({
    path: destination,
    ...Errno.refusal("ESTALE", "the destination was replaced while the session ran")
  })
