/**
 * A store and a source in memory, for tests and simulated sessions: the same rules as on a disk, a tree to look at
 * afterwards, and faults on demand.
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
import type { Carried, Entry } from "../Manifest.ts"
import { display, refused } from "../Manifest.ts"
import * as Limits from "../protocol/Limits.ts"
import type { Failure } from "../wire/Message.ts"
import * as Errno from "./Errno.ts"
import type { Skipped, SourceFile } from "./Source.ts"
import { Source, SourceChanged, SourceError } from "./Source.ts"
import type { Existing, Slot } from "./Store.ts"
import { DestinationEscape, Store, StoreError } from "./Store.ts"

/** An entry that was made; files and hard links have content. */
export interface Made {
  readonly entry: Entry
  readonly content: Uint8Array | undefined
}

export interface Faults {
  /** Content that fits, in bytes; the rest meets ENOSPC. A slot counts up to its last byte that is not zero. */
  readonly capacityBytes?: number
  /** The system's code with which an operation fails, such as "EACCES". */
  readonly refuse?: (operation: "prepare" | "open" | "write" | "commit", path: string) => string | undefined
}

export interface Memory {
  /** What was committed, by path as `Manifest.display` writes it. */
  readonly tree: ReadonlyMap<string, Made>
  /** Slots that are open now. */
  readonly slots: () => number
  readonly store: Store["Service"]
}

export const layer = (memory: Memory): Layer.Layer<Store> => Layer.succeed(Store, memory.store)

export const make = (faults: Faults = {}): Memory => {
  const capacityBytes = faults.capacityBytes ?? Infinity
  const tree = new Map<string, Made>()
  let usedBytes = 0
  let slots = 0
  let entries: ReadonlyArray<Entry> = []
  let refusals: ReadonlyMap<number, string> = new Map()
  let arrived = new Set<number>()

  const check = (operation: "prepare" | "open" | "write" | "commit", path: Uint8Array) => {
    const code = faults.refuse?.(operation, display(path))
    return code === undefined ? Result.void : Result.fail(refusal(code, display(path)))
  }

  const put = (entry: Entry, content: Uint8Array | undefined) => {
    const path = display(entry.path)
    const before = tree.get(path)
    // A hard link's content is its leader's.
    if (before?.entry._tag === "File") usedBytes -= before.content?.length ?? 0
    tree.set(path, { entry, content })
  }

  /** Something of another type in an entry's place, as on a disk. */
  const makeWay = (entry: Entry) => {
    const path = display(entry.path)
    if (entry._tag === "Directory" || tree.get(path)?.entry._tag !== "Directory") return Result.void
    for (const other of tree.keys()) {
      if (other.startsWith(`${path}/`)) {
        const words = "a directory that is not empty is in its place"
        return Result.fail(new StoreError({ path, ...Errno.refusal("ENOTEMPTY", words) }))
      }
    }
    return Result.void
  }

  const prepare = Effect.fn("Memory.prepare")(function* (manifest: ReadonlyArray<Entry>) {
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
      const ready = Result.andThen(check("prepare", entry.path), () => makeWay(entry))
      if (Result.isFailure(ready)) failures.push({ entry: index, reason: ready.failure.reason })
      else put(entry, undefined)
    }
    yield* Effect.yieldNow
    return failures
  })

  const openSlot = Effect.fnUntraced(function* (carried: Carried) {
    const content = new Uint8Array(carried.size)
    const name = carried.kind === "Single" ? entries[carried.firstEntry].path : new Uint8Array(0)
    let countedBytes = 0
    let committed = false
    yield* Effect.acquireRelease(
      Effect.sync(() => slots++),
      () =>
        Effect.sync(() => {
          slots--
          if (!committed) usedBytes -= countedBytes
        })
    )
    const inside = (offset: number, length: number) =>
      offset >= 0 && offset + length <= content.length
        ? Result.void
        : Result.fail(
            new StoreError({ path: display(name), ...Errno.refusal("EINVAL", "the range lies outside the file") })
          )

    const write = (offset: number, bytes: Uint8Array): Result.Result<void, StoreError> => {
      let length = bytes.length
      while (length > 0 && bytes[length - 1] === 0) length--
      const growth = Math.max(0, (length === 0 ? 0 : offset + length) - countedBytes)
      if (usedBytes + growth > capacityBytes) return Result.fail(refusal("ENOSPC", display(name)))
      usedBytes += growth
      countedBytes += growth
      content.set(bytes, offset)
      return Result.void
    }

    const slot: Slot = {
      write: (offset, bytes) =>
        Effect.suspend(() =>
          Effect.fromResult(
            Result.andThen(
              Result.andThen(inside(offset, bytes.length), () => check("write", name)),
              () => write(offset, bytes)
            )
          )
        ),
      read: (offset, into) =>
        Effect.suspend(() =>
          Effect.fromResult(
            Result.map(inside(offset, into.length), () => into.set(content.subarray(offset, offset + into.length)))
          )
        ),
      commit: (skip) =>
        Effect.sync(() => {
          committed = true
          usedBytes -= countedBytes
          const failures: Array<Failure> = []
          for (const [member, { entry: index, offset, size }] of carried.members.entries()) {
            const entry = entries[index]
            if (skip(member) || refusals.has(index)) continue
            const ready = Result.andThen(check("commit", entry.path), () => makeWay(entry))
            if (Result.isFailure(ready)) {
              failures.push({ entry: index, reason: ready.failure.reason })
              continue
            }
            if (usedBytes + size > capacityBytes) {
              failures.push({ entry: index, reason: refusal("ENOSPC", "").reason })
              continue
            }
            usedBytes += size
            put(entry, content.slice(offset, offset + size))
            arrived.add(index)
          }
          return failures
        })
    }
    return slot
  })

  const open = Effect.fn("Memory.open")(function* (carried: Carried) {
    if (carried.kind === "Manifest") return yield* refusal("EINVAL", "the manifest")
    if (carried.kind === "Single") {
      const { path } = entries[carried.firstEntry]
      const reason = refusals.get(carried.firstEntry)
      if (reason !== undefined) return yield* new DestinationEscape({ path: display(path), reason })
      yield* Effect.fromResult(Result.andThen(check("open", path), () => makeWay(entries[carried.firstEntry])))
    } else if (carried.size > Limits.bundleBytes) return yield* refusal("EFBIG", "a bundle")
    return yield* openSlot(carried)
  })

  const existing = (carried: Carried) =>
    Effect.sync(() => {
      const members = carried.members.map(({ entry, offset, size }) => {
        const standing = entries[entry] === undefined ? undefined : tree.get(display(entries[entry].path))
        const isOne = standing?.entry._tag === "File" && standing.content?.length === size && !refusals.has(entry)
        return isOne ? { entry, offset, content: standing.content } : undefined
      })
      const content = new Uint8Array(carried.size)
      for (const member of members) {
        if (member === undefined) return Option.none()
        content.set(member.content, member.offset)
      }
      const found: Existing = {
        read: (offset, into) => Effect.sync(() => into.set(content.subarray(offset, offset + into.length))),
        commit: Effect.sync(() => {
          const failures: Array<Failure> = []
          for (const { entry: index, size } of carried.members) {
            const entry = entries[index]
            const ready = check("commit", entry.path)
            if (Result.isFailure(ready)) failures.push({ entry: index, reason: ready.failure.reason })
            else {
              usedBytes += size
              put(entry, tree.get(display(entry.path))?.content)
              arrived.add(index)
            }
          }
          return failures
        })
      }
      return Option.some(found)
    })

  const finish = Effect.sync(() => {
    const failures: Array<Failure> = []
    for (const [index, entry] of entries.entries()) {
      if (entry._tag !== "HardLink" || refusals.has(index)) continue
      const leader = entries[entry.leader]
      const ready = arrived.has(entry.leader) ? makeWay(entry) : undefined
      if (ready === undefined) {
        const words = `the file it is a hard link to, ${display(leader.path)}, did not arrive`
        failures.push({ entry: index, ...Errno.refusal("ENOENT", words) })
      } else if (Result.isFailure(ready)) failures.push({ entry: index, reason: ready.failure.reason })
      else put(entry, tree.get(display(leader.path))?.content)
    }
    return failures
  })

  return { tree, slots: () => slots, store: Store.of({ prepare, open, existing, finish }) }
}

/** What a memory source has: an entry, the content of a file, and how it fails. */
export interface Given {
  readonly entry: Entry
  readonly content?: Uint8Array
  /** "changed", or the system's code. */
  readonly fault?: string
}

/** A source of these entries, in this order. */
export const sourceLayer = (given: ReadonlyArray<Given>, skipped: ReadonlyArray<Skipped> = []): Layer.Layer<Source> => {
  const find = (index: number): Result.Result<Uint8Array, SourceError | SourceChanged> => {
    const { content, entry, fault } = given[index]
    const path = display(entry.path)
    if (fault === "changed") return Result.fail(new SourceChanged({ path }))
    if (fault !== undefined) return Result.fail(new SourceError({ path, ...words(fault) }))
    return Result.succeed(content ?? new Uint8Array(0))
  }
  const open = Effect.fn("MemorySource.open")(function* (index: number) {
    const content = yield* Effect.fromResult(find(index))
    const changed = new SourceChanged({ path: display(given[index].entry.path) })
    const file: SourceFile = {
      read: (offset, into) =>
        Effect.suspend(() => {
          if (offset + into.length > content.length) return Effect.fail(changed)
          into.set(content.subarray(offset, offset + into.length))
          return Effect.void
        }),
      check: Effect.asVoid(Effect.fromResult(find(index)))
    }
    return file
  })
  const readMembers = (members: ReadonlyArray<number>, into: Uint8Array) =>
    Effect.sync(() => {
      const failures: Array<{ readonly member: number; readonly error: SourceError | SourceChanged }> = []
      let offset = 0
      for (const [member, index] of members.entries()) {
        const { entry } = given[index]
        const size = entry._tag === "File" ? entry.size : 0
        const content = find(index)
        if (Result.isSuccess(content)) into.set(content.success, offset)
        else {
          into.fill(0, offset, offset + size)
          failures.push({ member, error: content.failure })
        }
        offset += size
      }
      return failures
    })
  const scan = Effect.succeed({ entries: given.map(({ entry }) => entry), skipped })
  return Layer.succeed(Source, Source.of({ scan, open, readMembers }))
}

const words = (code: string) => Errno.fromCause(Errno.toCause(constants.errno[code as keyof typeof constants.errno]))

const refusal = (code: string, path: string) => new StoreError({ path, ...words(code) })
