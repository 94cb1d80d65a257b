/**
 * What has arrived goes to the disk before it is said to be there: the content of a file before it takes its name, and all the rest when the
 * tree is committed. A write that the disk refuses is found by the call that waits for it, on the file that it was of. [F-9]
 *
 * Waiting is done by the thread pool: it may take seconds, and the session goes on meanwhile.
 */

import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import * as Limits from "../../protocol/Limits.ts"
import * as Errno from "../../system/Errno.ts"
import * as Descriptor from "../../system/Descriptor.ts"
import type { Failure } from "../../wire/Message.ts"
import { fail } from "./Attempt.ts"
import * as Confinement from "./Confinement.ts"
import type { Site } from "./Site.ts"

/** Waits until the disk has the content of an open file. */
export const content = (fd: number): Effect.Effect<void, NodeJS.ErrnoException> =>
  Descriptor.waited((done) => fs.fdatasync(fd, done))

/** The same of several at a time: one flush of the disk serves them all. Answers how it went with each. */
export const contents = (
  fds: ReadonlyArray<number>
): Effect.Effect<ReadonlyArray<Result.Result<void, NodeJS.ErrnoException>>> =>
  Effect.forEach(fds, (fd) => Effect.result(content(fd)), { concurrency: Limits.filesSyncedAtOnce })

/**
 * Waits until the disk has the whole tree, also what stood there and was never sent: an earlier program may have written it a moment ago.
 * Where the system can, it is told so of each file system at once; else of each file and each directory.
 */
export const tree = Effect.fn("Disk.sync")(function* (site: Site) {
  const failures: Array<Failure> = []
  const { entries } = site.inventory
  const syncfs = Option.getOrUndefined(site.libc)?.syncfs
  const sync = syncfs ?? fs.fsync
  for (const index of syncfs === undefined ? each(site) : eachFileSystem(site)) {
    const path = entries[index]?.path ?? new Uint8Array(0)
    const synced = yield* Effect.result(one(site, path, sync))
    site.destination.worked++
    if (Result.isFailure(synced) && !isElsewhere(synced.failure)) fail(failures, index, path, synced.failure)
  }
  return failures
})

/** Opens what has a path, and waits. */
const one = (
  { destination }: Site,
  path: Uint8Array,
  sync: (fd: number, done: Descriptor.Done) => void
): Effect.Effect<void, unknown> =>
  Effect.acquireUseRelease(
    Effect.try({
      try: () =>
        destination.persistently(() =>
          Descriptor.make(
            path.length === 0
              ? fs.openSync(destination.tree.directory("").self, fs.constants.O_RDONLY)
              : Confinement.openToLook(destination.spot(path))
          )
        ),
      catch: (cause) => cause
    }),
    ({ fd }) => Descriptor.waited((done) => sync(fd, done)),
    ({ close }) => close
  )

/** The entries that have something of their own on the disk, and are in their place. */
const each = function* ({ inventory }: Site): Generator<number> {
  for (const [index, { _tag }] of inventory.entries.entries())
    if ((_tag === "Directory" || _tag === "File") && inventory.refusal(index) === undefined) yield index
}

/** What is not there, or is something else, has failed before, or stays as it is by the policy. */
const isElsewhere = (cause: unknown): boolean => elsewhere.has(Errno.codeOf(cause) ?? "")
const elsewhere: ReadonlySet<string> = new Set(["ENOENT", "ENOTDIR", "ELOOP", "ENXIO"])

/** A directory for each of the file systems that the tree is on, the destination's first. */
const eachFileSystem = function* ({ destination, inventory }: Site): Generator<number> {
  const seen = new Set<number>()
  for (const [index, { _tag, path }] of inventory.entries.entries()) {
    if (index > 0 && _tag !== "Directory") continue
    const own = _tag === "Directory" ? path : new Uint8Array(0)
    const status = Result.getOrUndefined(Result.try(() => destination.tree.see(own)))
    if (status?.kind !== "Directory" || seen.has(status.device)) continue
    seen.add(status.device)
    yield index
  }
}
