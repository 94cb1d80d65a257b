/**
 * The files of a catcher: a fiber for each that is under way. A fiber begins with its file's first
 * question and ends when the file is committed, dropped or sat out; a question that comes later
 * begins another, from where that one ended, so that the same question gets the same answer for as
 * long as the session lives.
 */

import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import * as FileState from "../protocol/file/FileState.ts"
import * as Limits from "../protocol/Limits.ts"
import type { TransportError } from "../transport/Transport.ts"
import * as CatchFile from "./FileFiber.ts"

/** All files of a session at a catcher, by number. */
export interface CatchFiles {
  /** Takes pages in, unless nothing has opened the file. */
  readonly pages: (file: number, batch: FileState.PageBatch) => Effect.Effect<void>
  /** As `pages`. */
  readonly parity: (file: number, batch: FileState.ParityBatch) => Effect.Effect<void>
  /** As `pages`. */
  readonly digests: (file: number, digests: FileState.Digests) => Effect.Effect<void>
  /** A question of the master about a file, which may start its fiber. */
  readonly question: (file: number, event: FileState.Event) => Effect.Effect<void, TransportError>
  /** The store has failed for all that are under way. */
  readonly fail: (reason: string) => void
  /** Those of the files that have a fiber. */
  readonly states: () => Iterable<FileState.State>
  /**
   * Of a file without a fiber the state in which its last one ended; undefined: it never had one.
   */
  readonly stateOf: (file: number) => FileState.State | undefined
  /** Bytes of an open file's content that its store has taken, or has in memory. */
  readonly heldBytesOf: (file: number) => number
  /** Fails when a fiber does. */
  readonly join: Effect.Effect<void, TransportError>
}

/**
 * Makes them: a fiber for each file that is asked about, `Limits.keptFiles` at one time. They end
 * with the scope. `optionsOf` is asked for a file when its fiber starts.
 */
export const make = Effect.fnUntraced(function* (optionsOf: (file: number) => Omit<CatchFile.Options, "past">) {
  const fibers = yield* FiberMap.make<number, void, TransportError>()
  /** Asked about longest ago first. */
  const live = new Map<number, CatchFile.CatchFile>()
  const past = new Map<number, FileState.State>()

  const begin = Effect.fnUntraced(function* (file: number) {
    // the manifest stays open until all is committed
    const oldest = [...live].find(([file]) => file > 0)
    if (live.size > Limits.keptFiles) oldest?.[1].question({ _tag: "Abort" })
    const created = yield* CatchFile.make({ ...optionsOf(file), past: past.get(file) ?? FileState.initial })
    live.set(file, created)
    const end = Effect.sync(() => {
      live.delete(file)
      past.set(file, created.state())
    })
    yield* FiberMap.run(fibers, file, Effect.ensuring(created.run, end))
    return created
  })

  const files: CatchFiles = {
    pages: (file, batch) => live.get(file)?.pages(batch) ?? Effect.void,
    parity: (file, batch) => live.get(file)?.parity(batch) ?? Effect.void,
    digests: (file, digests) => live.get(file)?.digests(digests) ?? Effect.void,
    question: (file, event) =>
      Effect.gen(function* () {
        // of the manifest that was never opened nothing can be said but that it is open, or dropped
        const isKnown = live.has(file) || past.has(file) || event._tag === "Open" || event._tag === "Abort"
        // and of another file that nothing of it is here; no file that is open makes room
        // for that answer
        if (!isKnown) return file === 0 ? undefined : yield* optionsOf(file).answer({ _tag: "Aborted" })
        const target = live.get(file) ?? (yield* begin(file))
        live.delete(file)
        live.set(file, target)
        target.question(event)
      }),
    fail: (reason) => {
      for (const file of [...live.values()]) file.fail(reason)
    },
    *states() {
      for (const file of live.values()) yield file.state()
    },
    stateOf: (file) => live.get(file)?.state() ?? past.get(file),
    heldBytesOf: (file) => live.get(file)?.heldBytes() ?? 0,
    join: FiberMap.join(fibers)
  }
  return files
})
