/**
 * A store and a source in memory, for tests and simulated sessions: the same rules as on a disk, a tree to look at
 * afterwards, and faults on demand. The store writes to a volume as the disk's does: what arrives has a temporary name
 * until it is whole, and a rename gives it its own.
 *
 * ```ts
 * const memory = Memory.make({ capacityBytes: 1024 })
 * const program = session.pipe(Effect.provide(Memory.layer(memory)))
 * // afterwards: memory.tree.get("dir/file")?.content
 * ```
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { constants } from "node:os"
import * as Limits from "../protocol/Limits.ts"
import * as Errno from "../system/Errno.ts"
import type { Carried, Entry } from "../tree/Manifest.ts"
import { display, refused } from "../tree/Manifest.ts"
import * as Room from "../tree/Room.ts"
import type { Failure } from "../wire/Message.ts"
import type { Existing, Slot } from "./Store.ts"
import { DestinationEscape, Store, StoreError } from "./Store.ts"
import { type File, type Node, type Refused, Volume } from "./Volume.ts"

/** An entry that was made; files and hard links have content. */
export interface Made {
  readonly entry: Entry
  readonly content: Uint8Array | undefined
}

export type Operation = "prepare" | "open" | "write" | "commit"

export interface Faults {
  /** Content that fits, in bytes; the rest meets ENOSPC. A file counts up to its last byte that is not zero. */
  readonly capacityBytes?: number
  /** Says beforehand that a tree does not fit. Without it what does not fit is found out by writing. */
  readonly tellsRoom?: boolean
  /** The system's code with which an operation fails, such as "EACCES". */
  readonly refuse?: (operation: Operation, path: string) => string | undefined
}

export interface Options extends Faults {
  /** The disk; without it a new one. What is there already stays, but for what an entry of the tree replaces. */
  readonly volume?: Volume
  /** What a file is expected to hold, by its path, so that many stores need not keep a copy each. */
  readonly known?: (path: string) => Uint8Array | undefined
  /** Goes before each change: a slow disk sleeps, and between two changes a machine may crash. */
  readonly turn?: (operation: Operation) => Effect.Effect<void>
}

export interface Memory {
  /** What stands in the destination, by path as `Manifest.display` writes it. */
  readonly tree: ReadonlyMap<string, Made>
  /** Slots that are open now. */
  readonly slots: () => number
  readonly volume: Volume
  /** Has a session begun to use the destination, or committed the tree there? */
  readonly stage: () => "Waiting" | "Open" | "Finished"
  readonly store: Store["Service"]
}

/** The destination on the volume; beside it is what a catcher must not touch. */
export const destination = "destination"

export const layer = (memory: Memory): Layer.Layer<Store> => Layer.succeed(Store, memory.store)

export const make = (options: Options = {}): Memory => {
  const { known, refuse, turn = () => Effect.void } = options
  const volume = options.volume ?? new Volume(options)
  let slots = 0
  let entries: ReadonlyArray<Entry> = []
  let refusals: ReadonlyMap<number, string> = new Map()
  let arrived = new Set<number>()
  /** The destination that a session has opened. */
  let top: Node | undefined
  let stage: ReturnType<Memory["stage"]> = "Waiting"

  const admit = () => {
    if (volume.find(destination) === undefined) volume.mkdir(destination)
  }
  admit()
  const replaced = Errno.refusal("ESTALE", "the destination was replaced while the session ran")
  const stands = Effect.suspend(() =>
    top === undefined || volume.find(destination) === top
      ? Effect.void
      : Effect.fail(new StoreError({ path: destination, ...replaced }))
  )

  const pathOf = (entry: Entry) => (entry.path.length === 0 ? destination : `${destination}/${display(entry.path)}`)

  /** What a step of an operation on an entry comes to; its turn goes before it. */
  const step = <A>(operation: Operation, path: string, change: () => Refused<A>): Effect.Effect<A, StoreError> =>
    Effect.andThen(
      Effect.andThen(turn(operation), stands),
      Effect.suspend(() => Effect.fromResult(Result.mapError(change(), (code) => refusal(code, path))))
    )

  const check = (operation: Operation, entry: Entry): Effect.Effect<void, StoreError> => {
    const path = display(entry.path)
    const code = refuse?.(operation, path)
    return code === undefined ? Effect.void : Effect.fail(refusal(code, path))
  }

  /** Something of another type in an entry's place, as on a disk. */
  const makeWay = (operation: Operation, entry: Entry): Effect.Effect<void, StoreError> =>
    Effect.suspend(() => {
      const node = volume.find(pathOf(entry))
      const isDirectory = node?._tag === "Directory"
      if (node === undefined || isDirectory === (entry._tag === "Directory")) return Effect.void
      // a rename replaces anything but a directory
      if (!isDirectory && entry._tag !== "Directory") return Effect.void
      const path = display(entry.path)
      return Effect.mapError(
        step(operation, path, () => volume.unlink(pathOf(entry))),
        (error) =>
          error.code === "ENOTEMPTY"
            ? new StoreError({
                path,
                ...Errno.refusal("ENOTEMPTY", "a directory that is not empty is in its place")
              })
            : error
      )
    })

  /** Made under a temporary name, and renamed. */
  const put = Effect.fnUntraced(function* (
    operation: Operation,
    entry: Entry,
    create: (temporary: string) => Refused<unknown>
  ) {
    const path = display(entry.path)
    yield* makeWay(operation, entry)
    const temporary = volume.temporaryName(pathOf(entry))
    yield* step(operation, path, () => create(temporary))
    yield* Effect.onError(
      step(operation, path, () => volume.rename(temporary, pathOf(entry))),
      () => Effect.sync(() => volume.unlink(temporary))
    )
  })

  const prepareEntry = Effect.fnUntraced(function* (entry: Entry) {
    yield* check("prepare", entry)
    const path = display(entry.path)
    switch (entry._tag) {
      case "Directory":
        yield* makeWay("prepare", entry)
        if (volume.find(pathOf(entry)) === undefined) yield* step("prepare", path, () => volume.mkdir(pathOf(entry)))
        return volume.setMetadata(volume.find(pathOf(entry))!, entry)
      case "Symlink":
        return yield* put("prepare", entry, (temporary) => volume.symlink(temporary, display(entry.target), entry))
      case "Fifo":
        return yield* put("prepare", entry, (temporary) => volume.fifo(temporary, entry))
    }
  })

  const revise = (revised: ReadonlyArray<Entry>) => Effect.sync(() => void (entries = revised))

  const standingOf = (entry: Entry): Room.Standing | undefined => {
    const node = volume.find(pathOf(entry))
    if (node === undefined) return undefined
    return node._tag === "File" ? { size: node.content.size, bytes: node.content.usedBytes } : { size: -1, bytes: 0 }
  }

  const shortage = (entries: ReadonlyArray<Entry>) =>
    Effect.sync(() => {
      if (options.tellsRoom !== true) return Option.none()
      const freeBytes = Math.max(0, volume.capacityBytes - volume.usedBytes)
      const space = { freeBytes, freeInodes: undefined, blockBytes: 1, keepsBytes: true }
      const found = Room.shortageOf(
        entries.map((entry) => ({ entry, standing: standingOf(entry) })),
        space
      )
      volume.wasFull ||= found !== undefined
      return Option.fromUndefinedOr(found)
    })

  const prepare = Effect.fn("Memory.prepare")(function* (manifest: ReadonlyArray<Entry>) {
    admit()
    top = volume.find(destination)
    stage = "Open"
    entries = manifest
    refusals = refused(manifest)
    arrived = new Set()
    const failures: Array<Failure> = []
    for (const [index, entry] of entries.entries()) {
      const refusal = refusals.get(index)
      if (refusal !== undefined) {
        failures.push({ entry: index, reason: `DestinationEscape: ${refusal}` })
        continue
      }
      if (entry._tag === "File" || entry._tag === "HardLink") continue
      const ready = yield* Effect.result(prepareEntry(entry))
      if (Result.isFailure(ready)) failures.push({ entry: index, reason: ready.failure.reason })
    }
    yield* Effect.yieldNow
    yield* stands
    return failures
  })

  // A file whose name was never given to it is removed when its scope closes.
  const create = Effect.fnUntraced(function* (operation: Operation, entry: Entry, size: number) {
    const path = display(entry.path)
    const temporary = volume.temporaryName(pathOf(entry))
    const file = yield* Effect.acquireRelease(
      step(operation, path, () => volume.create(temporary, size, known?.(path))),
      (file) =>
        Effect.sync(() => {
          volume.close(file)
          volume.unlink(temporary)
        })
    )
    return { file, temporary }
  })

  const rename = Effect.fnUntraced(function* (index: number, file: File, temporary: string) {
    const entry = entries[index]
    const path = display(entry.path)
    yield* check("commit", entry)
    yield* makeWay("commit", entry)
    volume.setMetadata(file, entry)
    yield* step("commit", path, () => volume.rename(temporary, pathOf(entry)))
    arrived.add(index)
  })

  /** The failures of single entries. */
  const each = Effect.fnUntraced(function* (
    carried: Carried,
    skip: (member: number) => boolean,
    commit: (member: Carried["members"][number]) => Effect.Effect<void, StoreError>
  ) {
    const failures: Array<Failure> = []
    yield* stands
    for (const [position, member] of carried.members.entries()) {
      if (skip(position) || refusals.has(member.entry)) continue
      const done = yield* Effect.result(commit(member))
      if (Result.isFailure(done)) failures.push({ entry: member.entry, reason: done.failure.reason })
    }
    return failures
  })

  const outside = (path: string) =>
    new StoreError({ path, ...Errno.refusal("EINVAL", "the range lies outside the file") })

  const openSingle = Effect.fnUntraced(function* (carried: Carried) {
    const entry = entries[carried.firstEntry]
    const path = display(entry.path)
    const reason = refusals.get(carried.firstEntry)
    if (reason !== undefined) return yield* new DestinationEscape({ path, reason })
    yield* check("open", entry)
    yield* makeWay("open", entry)
    const { file, temporary } = yield* create("open", entry, carried.size)
    const slot: Slot = {
      write: (offset, bytes) =>
        offset < 0 || offset + bytes.length > carried.size
          ? Effect.fail(outside(path))
          : Effect.andThen(
              check("write", entry),
              step("write", path, () => volume.write(file, offset, bytes))
            ),
      read: (offset, into) =>
        offset < 0 || offset + into.length > carried.size
          ? Effect.fail(outside(path))
          : Effect.sync(() => file.content.read(offset, into)),
      commit: (skip) => each(carried, skip, () => rename(carried.firstEntry, file, temporary))
    }
    return slot
  })

  // As on a disk, a bundle's content is in memory until it is committed.
  const openBundle = (carried: Carried) => {
    const content = new Uint8Array(carried.size)
    const inside = (offset: number, length: number) => offset >= 0 && offset + length <= content.length
    const slot: Slot = {
      write: (offset, bytes) =>
        inside(offset, bytes.length) ? Effect.sync(() => content.set(bytes, offset)) : Effect.fail(outside("")),
      read: (offset, into) =>
        inside(offset, into.length)
          ? Effect.sync(() => into.set(content.subarray(offset, offset + into.length)))
          : Effect.fail(outside("")),
      commit: (skip) =>
        each(carried, skip, ({ entry, offset, size }) =>
          Effect.scoped(
            Effect.gen(function* () {
              const path = display(entries[entry].path)
              const { file, temporary } = yield* create("commit", entries[entry], size)
              yield* step("commit", path, () => volume.write(file, 0, content.subarray(offset, offset + size)))
              yield* rename(entry, file, temporary)
            })
          )
        )
    }
    return slot
  }

  const open = Effect.fn("Memory.open")(function* (carried: Carried) {
    if (carried.kind === "Manifest") return yield* refusal("EINVAL", "the manifest")
    if (carried.kind === "Bundle" && carried.size > Limits.bundleBytes) return yield* refusal("EFBIG", "a bundle")
    yield* stands
    const slot = carried.kind === "Single" ? yield* openSingle(carried) : openBundle(carried)
    yield* Effect.acquireRelease(
      Effect.sync(() => slots++),
      () => Effect.sync(() => slots--)
    )
    return slot
  })

  const standing = (index: number, size: number): File | undefined => {
    const node = entries[index] === undefined || refusals.has(index) ? undefined : volume.find(pathOf(entries[index]))
    return node?._tag === "File" && node.content.size === size && node.names.size === 1 ? node : undefined
  }

  const existing = (carried: Carried) =>
    Effect.sync(() => {
      const files = carried.members.flatMap(({ entry, offset, size }) => {
        const file = standing(entry, size)
        return file === undefined ? [] : [{ file, index: entry, offset, end: offset + size }]
      })
      if (files.length < carried.members.length) return Option.none()
      const found: Existing = {
        read: (offset, into) =>
          Effect.sync(() => {
            for (const { end, file, offset: begin } of files) {
              const from = Math.max(offset, begin)
              const to = Math.min(offset + into.length, end)
              if (from < to) file.content.read(from - begin, into.subarray(from - offset, to - offset))
            }
          }),
        commit: each(
          carried,
          () => false,
          ({ entry: index }) =>
            Effect.gen(function* () {
              const entry = entries[index]
              yield* check("commit", entry)
              yield* step("commit", display(entry.path), () => Result.void)
              const node = volume.find(pathOf(entry))
              if (node !== undefined) volume.setMetadata(node, entry)
              arrived.add(index)
            })
        )
      }
      return Option.some(found)
    })

  const finish = Effect.gen(function* () {
    const failures: Array<Failure> = []
    yield* stands
    for (const [index, entry] of entries.entries()) {
      if (entry._tag !== "HardLink" || refusals.has(index)) continue
      const leader = entries[entry.leader]
      if (!arrived.has(entry.leader)) {
        const words = `the file it is a hard link to, ${display(leader.path)}, did not arrive`
        failures.push({ entry: index, ...Errno.refusal("ENOENT", words) })
        continue
      }
      const linked = yield* Effect.result(put("commit", entry, (temporary) => volume.link(pathOf(leader), temporary)))
      if (Result.isFailure(linked)) failures.push({ entry: index, reason: linked.failure.reason })
    }
    yield* stands
    stage = "Finished"
    return failures
  })

  const treeOf = () => {
    const tree = new Map<string, Made>()
    const top = volume.find(destination)
    if (top?._tag !== "Directory") return tree
    if (top.entry !== undefined) tree.set(".", { entry: top.entry, content: undefined })
    for (const [path, node] of volume.walk(top)) tree.set(path, made(path, node))
    return tree
  }

  return {
    get tree() {
      return treeOf()
    },
    slots: () => slots,
    volume,
    stage: () => stage,
    store: Store.of({ shortage, prepare, revise, open, existing, finish, stands })
  }
}

const text = new TextEncoder()
const noMetadata = { mode: 0o600, mtimeSeconds: 0, mtimeNanos: 0, uid: 0, gid: 0 }

// What was there before, or has no name of its own yet, was made for no entry.
const made = (name: string, node: Node): Made => {
  const path = text.encode(name)
  switch (node._tag) {
    case "File": {
      const { content } = node
      const entry = node.entry ?? { _tag: "File", path, metadata: noMetadata, size: content.size }
      return {
        entry,
        get content() {
          return content.bytes
        }
      }
    }
    case "Symlink":
      return {
        entry: node.entry ?? { _tag: "Symlink", path, metadata: noMetadata, target: text.encode(node.target) },
        content: undefined
      }
    default:
      return { entry: node.entry ?? { _tag: node._tag, path, metadata: noMetadata }, content: undefined }
  }
}

export { type Given, sourceLayer } from "../source/Memory.ts"

const words = (code: string) => Errno.fromCause(Errno.toCause(constants.errno[code as keyof typeof constants.errno]))

const refusal = (code: string, path: string) => new StoreError({ path, ...words(code) })
