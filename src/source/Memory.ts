/**
 * The source in memory: entries with their content, which may change while they are sent, as those on a disk do. An index of
 * the array is a path, and the object there is the file. A new object replaces the file, and a file that was opened stays
 * the old one. A changed object is a file that was rewritten in place.
 */

import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Errno from "../system/Errno.ts"
import type { Entry } from "../tree/Entry.ts"
import { Carried } from "../tree/Holes.ts"
import { display } from "../tree/Names.ts"
import { isInside, type Member, partOf } from "../tree/Members.ts"
import { type Retaken, type Skipped, Source, SourceChanged, SourceError, type SourceFile } from "./Source.ts"

/** A path of a memory source: an entry, the content of a file, and how it fails. */
export interface Given {
  readonly entry: Entry
  readonly content?: Uint8Array
  /** "changed" (as one that is gone), "leased" (for now), or the system's code. */
  readonly fault?: string
  /** How long a read takes of the file once it is opened; none where it is not given. */
  readonly readMillis?: number
  /** Called when it is taken anew in vain. */
  readonly sought?: () => void
}

/** A file that is rewritten in place, as those see it that have opened it. */
export const rewrite = (given: Given, change: Partial<Given>): void => void Object.assign(given, change)

type Failure = SourceError | SourceChanged

/** How often a lease is asked back. */
const leasePolls = 600
const leasePollMillis = 100

/**
 * A source of these entries, in this order; every scan takes those that are in the array then. `spared`: paths that it has and
 * does not send.
 */
export const sourceLayer = (
  given: ReadonlyArray<Given>,
  skipped: ReadonlyArray<Skipped> = [],
  spared: ReadonlyArray<Uint8Array> = []
): Layer.Layer<Source> =>
  Layer.sync(Source, () => {
    const files = new Files(given)
    return Source.of({
      scan: Effect.sync(() => ({ entries: files.scan(), skipped, spared })),
      open: (index) => open(files, index),
      readMembers: (members, into) => Effect.sync(() => readMembers(files, members, into)),
      retake: (wanted) => retake(files, wanted),
      isCurrent: (index) => Effect.sync(() => files.isCurrent(index))
    })
  })

class Files {
  private readonly given: ReadonlyArray<Given>
  /** As they were scanned, or retaken. */
  private known: Array<Entry> = []
  private readonly copies = new Map<number, Given>()

  constructor(given: ReadonlyArray<Given>) {
    this.given = given
  }

  scan(): ReadonlyArray<Entry> {
    this.known = this.given.map(({ entry }) => entry)
    this.copies.clear()
    return [...this.known]
  }

  /** The file that has the path now. */
  present(index: number): Result.Result<Given, Failure> {
    const now = this.given[index]
    const path = display(this.known[index].path)
    if (now?.entry._tag !== "File" || now.fault === "changed") return Result.fail(new SourceChanged({ path }))
    if (now.fault === "leased") return Result.fail(new SourceChanged({ path, isLeased: true }))
    if (now.fault !== undefined) return Result.fail(new SourceError({ path, ...Errno.ofCode(now.fault) }))
    return Result.succeed(now)
  }

  /** The file that was scanned, if it is that still. */
  find(index: number): Result.Result<Given, Failure> {
    const copy = this.copies.get(index)
    if (copy !== undefined) return Result.succeed(copy)
    return Result.flatMap(this.present(index), (now) =>
      stamp(now.entry) === stamp(this.known[index]) ? Result.succeed(now) : Result.fail(this.changed(index))
    )
  }

  changed(index: number): SourceChanged {
    return changedAt(this.known[index])
  }

  isLeased(index: number): boolean {
    return this.given[index]?.fault === "leased"
  }

  dropCopies(): void {
    this.copies.clear()
  }

  /** Keeps a copy of a file as it is now. */
  copy(index: number, { content = empty, entry }: Given & { readonly entry: FileEntry }): Retaken {
    this.known[index] = entry
    this.copies.set(index, { entry, content: content.slice() })
    return { entry: index, metadata: entry.metadata, size: content.length, ...dataOf(entry) }
  }

  /** A file was taken anew in vain. */
  miss(index: number): void {
    this.given[index]?.sought?.()
  }

  isCurrent(index: number): boolean {
    const copy = this.copies.get(index)?.content ?? empty
    const now = this.given[index]?.content ?? empty
    return Buffer.compare(now.subarray(0, copy.length), copy) === 0
  }
}

type FileEntry = Extract<Entry, { readonly _tag: "File" }>

const isFile = (given: Given): given is Given & { readonly entry: FileEntry } => given.entry._tag === "File"

const open = Effect.fn("MemorySource.open")(function* (files: Files, index: number) {
  const file = yield* Effect.fromResult(files.find(index))
  const opened = stamp(file.entry)
  const { content: before = empty } = file
  const size = before.length
  const carried = new Carried({ size, ...dataOf(file.entry) })
  const changed = changedAt(file.entry)
  return {
    read: Effect.fnUntraced(function* (offset, into) {
      if (file.readMillis !== undefined) yield* Effect.sleep(file.readMillis)
      const { content = empty } = file
      for (const { at, bytes } of carried.pieces(offset, into)) {
        if (!isInside(content.length, at, bytes.length)) return yield* Effect.fail(changed)
        bytes.set(content.subarray(at, at + bytes.length))
      }
      if (!isInside(carried.size, offset, into.length)) return yield* Effect.fail(changed)
    }),
    isUntouched: Effect.sync(() => stamp(file.entry) === opened),
    hasGrown: Effect.sync(() => {
      const { content = empty } = file
      return content.length > size && hasEnds(content.subarray(0, size), before)
    }),
    changed
  } as SourceFile
})

/** As on a disk, what lies between the ends is not compared. */
const endBytes = 1024

const hasEnds = (a: Uint8Array, b: Uint8Array): boolean =>
  Buffer.compare(a.subarray(0, endBytes), b.subarray(0, endBytes)) === 0 &&
  Buffer.compare(a.subarray(-endBytes), b.subarray(-endBytes)) === 0

const readMembers = (files: Files, members: ReadonlyArray<Member>, into: Uint8Array) => {
  const failures: Array<{ readonly member: number; readonly error: Failure }> = []
  for (const [position, member] of members.entries()) {
    const part = partOf(into, member)
    const file = files.find(member.entry)
    const content = Result.isSuccess(file) ? (file.success.content ?? empty) : undefined
    if (content?.length === member.size) part.set(content)
    else {
      part.fill(0)
      const error = Result.isFailure(file) ? file.failure : files.changed(member.entry)
      failures.push({ member: position, error })
    }
  }
  return failures
}

const retake = Effect.fn("MemorySource.retake")(function* (files: Files, wanted: ReadonlyArray<number>) {
  files.dropCopies()
  const retaken: Array<Retaken> = []
  const failures: Array<{ readonly entry: number; readonly error: Failure }> = []
  for (const index of wanted) {
    const file = yield* whenFree(files, index)
    if (Result.isFailure(file)) {
      files.miss(index)
      failures.push({ entry: index, error: file.failure })
    } else if (isFile(file.success)) retaken.push(files.copy(index, file.success))
  }
  return { retaken, failures }
})

/** The file that has the path once no lease holds it up. */
const whenFree = Effect.fnUntraced(function* (files: Files, index: number) {
  let file = files.present(index)
  for (let polls = 0; files.isLeased(index) && polls < leasePolls; polls++) {
    yield* Effect.sleep(leasePollMillis)
    file = files.present(index)
  }
  return file
})

const dataOf = (entry: Entry) => (entry._tag === "File" && entry.data !== undefined ? { data: entry.data } : {})

const empty = new Uint8Array(0)

/** By which a change shows. */
const stamp = (entry: Entry): string =>
  entry._tag === "File" ? `${entry.size} ${entry.metadata.mtimeSeconds} ${entry.metadata.mtimeNanos}` : ""

const changedAt = (entry: Entry) => new SourceChanged({ path: display(entry.path) })
