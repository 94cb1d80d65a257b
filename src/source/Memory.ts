/**
 * The source in memory: entries with their content, which may change while they are sent, as those on a disk do. An element
 * of the array is what has the path; the object in it is the file. A new object replaces the file, and what was opened stays
 * the old one; a changed object is a file that was rewritten in place.
 */

import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Errno from "../system/Errno.ts"
import { display, type Entry } from "../tree/Manifest.ts"
import type { Member } from "../tree/Members.ts"
import { type Retaken, type Skipped, Source, SourceChanged, SourceError, type SourceFile } from "./Source.ts"

/** What a memory source has: an entry, the content of a file, and how it fails. */
export interface Given {
  readonly entry: Entry
  readonly content?: Uint8Array
  /** "changed" (as one that is gone), "leased" (for now), or the system's code. */
  readonly fault?: string
  /** Called when it is taken anew in vain. */
  readonly sought?: () => void
}

/** A file that is rewritten in place, as those see it that have opened it. */
export const rewrite = (given: Given, change: Partial<Given>): void => void Object.assign(given, change)

type Failure = SourceError | SourceChanged

/** How often a lease is asked back. */
const leasePolls = 600
const leasePollMillis = 100

/** A source of these entries, in this order; every scan takes those that are in the array then. */
export const sourceLayer = (given: ReadonlyArray<Given>, skipped: ReadonlyArray<Skipped> = []): Layer.Layer<Source> =>
  Layer.sync(Source, () => {
    /** As they were scanned, or retaken. */
    let known: Array<Entry> = []
    const copies = new Map<number, Given>()

    const scan = Effect.sync(() => {
      known = given.map(({ entry }) => entry)
      copies.clear()
      return { entries: [...known], skipped }
    })

    /** What has the path now. */
    const present = (index: number): Result.Result<Given, Failure> => {
      const now = given[index]
      const path = display(known[index].path)
      if (now?.entry._tag !== "File" || now.fault === "changed") return Result.fail(new SourceChanged({ path }))
      if (now.fault === "leased") return Result.fail(new SourceChanged({ path, isLeased: true }))
      if (now.fault !== undefined) return Result.fail(new SourceError({ path, ...Errno.ofCode(now.fault) }))
      return Result.succeed(now)
    }

    /** What was scanned, if it is that still. */
    const find = (index: number): Result.Result<Given, Failure> => {
      const copy = copies.get(index)
      if (copy !== undefined) return Result.succeed(copy)
      return Result.flatMap(present(index), (now) =>
        stamp(now.entry) === stamp(known[index]) ? Result.succeed(now) : Result.fail(changedAt(known[index]))
      )
    }

    const open = Effect.fn("MemorySource.open")(function* (index: number) {
      const file = yield* Effect.fromResult(find(index))
      const opened = stamp(file.entry)
      const size = (file.content ?? empty).length
      const changed = changedAt(file.entry)
      return {
        read: (offset, into) =>
          Effect.suspend(() => {
            const { content = empty } = file
            if (offset + into.length > content.length) return Effect.fail(changed)
            into.set(content.subarray(offset, offset + into.length))
            return Effect.void
          }),
        isUntouched: Effect.sync(() => stamp(file.entry) === opened),
        hasGrown: Effect.sync(() => (file.content ?? empty).length > size),
        changed
      } as SourceFile
    })

    const readMembers = (members: ReadonlyArray<Member>, into: Uint8Array) =>
      Effect.sync(() => {
        const failures: Array<{ readonly member: number; readonly error: Failure }> = []
        for (const [member, { entry, offset, size }] of members.entries()) {
          const file = find(entry)
          const content = Result.isSuccess(file) ? (file.success.content ?? empty) : undefined
          if (content?.length === size) into.set(content, offset)
          else {
            into.fill(0, offset, offset + size)
            failures.push({ member, error: Result.isFailure(file) ? file.failure : changedAt(known[entry]) })
          }
        }
        return failures
      })

    /** What has the path once no lease holds it up. */
    const whenFree = Effect.fnUntraced(function* (index: number) {
      let file = present(index)
      for (let polls = 0; given[index]?.fault === "leased" && polls < leasePolls; polls++) {
        yield* Effect.sleep(leasePollMillis)
        file = present(index)
      }
      return file
    })

    const retake = Effect.fn("MemorySource.retake")(function* (wanted: ReadonlyArray<number>) {
      copies.clear()
      const retaken: Array<Retaken> = []
      const failures: Array<{ readonly entry: number; readonly error: Failure }> = []
      for (const index of wanted) {
        const file = yield* whenFree(index)
        if (Result.isFailure(file)) {
          given[index]?.sought?.()
          failures.push({ entry: index, error: file.failure })
        } else if (file.success.entry._tag === "File") {
          const { content = empty, entry } = file.success
          known[index] = entry
          copies.set(index, { entry, content: content.slice() })
          retaken.push({ entry: index, metadata: file.success.entry.metadata, size: content.length })
        }
      }
      return { retaken, failures }
    })

    const isCurrent = (index: number) =>
      Effect.sync(() => {
        const copy = copies.get(index)?.content ?? empty
        const now = given[index]?.content ?? empty
        return Buffer.compare(now.subarray(0, copy.length), copy) === 0
      })

    return Source.of({ scan, open, readMembers, retake, isCurrent })
  })

const empty = new Uint8Array(0)

/** By which a change shows. */
const stamp = (entry: Entry): string =>
  entry._tag === "File" ? `${entry.size} ${entry.metadata.mtimeSeconds} ${entry.metadata.mtimeNanos}` : ""

const changedAt = (entry: Entry) => new SourceChanged({ path: display(entry.path) })
