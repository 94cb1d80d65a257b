/**
 * The tree that a master reads below its sources, as entries and as bytes.
 */

import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Runs } from "../protocol/Words.ts"
import type { Entry } from "../tree/Entry.ts"
import type { Member } from "../tree/Members.ts"
import type { Metadata } from "../tree/Metadata.ts"

/** A source could not be read. */
export class SourceError extends Schema.TaggedError<SourceError>()("SourceError", {
  code: Schema.String.annotateKey({ description: "the system's code: ENOSPC, EACCES" }),
  path: Schema.String.annotateKey({ description: "the path as it is shown" }),
  reason: Schema.String
}) {
  override get message() {
    return `${this.path}: ${this.reason}`
  }
}

const changedWords = "changed or vanished while it was sent"

/** Of what changed or vanished and reaches nobody, in words that both sides know. */
export const changedReason = `${changedWords}; send it again when nobody writes to it`

/** A source file changed or vanished while it was read. */
export class SourceChanged extends Schema.TaggedError<SourceChanged>()("SourceChanged", {
  path: Schema.String,
  /** It did not change: another program holds a lease on it, and has been asked to give it back. */
  isLeased: Schema.optionalKey(Schema.Boolean)
}) {
  /** The change, in words. */
  get event() {
    return this.isLeased === true ? "another program holds a lease on it" : changedWords
  }
  /** The same where it reaches nobody, with what can be done. */
  get reason() {
    return this.isLeased === true ? this.event : changedReason
  }
  override get message() {
    return `${this.path}: ${this.reason}`
  }
}

/** A filter rule cannot be understood. */
export class FilterError extends Schema.TaggedError<FilterError>()("FilterError", {
  /** The option or the file. */
  place: Schema.String,
  line: Schema.optionalKey(Schema.Number),
  rule: Schema.String,
  expected: Schema.String
}) {
  override get message() {
    const line = this.line === undefined ? "" : `, line ${this.line}`
    return `filter rule "${this.rule}" (${this.place}${line}): ${this.expected}`
  }
}

/** Something in the tree that has no entry in the manifest. */
export interface Skipped {
  /** On the master's disk. */
  readonly path: string
  /** In the tree, as an entry would have it. */
  readonly at?: Uint8Array
  /** Unreadable: counts as incomplete (23). Vanished: 24. Special: of a type, or with a name, that is not sent: a message only. */
  readonly kind: "Unreadable" | "Special" | "Vanished"
  /** An earlier source has an entry here: a message only, and nothing is missing. */
  readonly isDouble?: boolean
  readonly reason: string
}

/** Entries that have something which is not carried. */
export interface Uncarried {
  readonly count: number
  /** The path of the first. One character a byte. */
  readonly first: string
  readonly capabilities: boolean
  readonly acls: boolean
  /** Capabilities are wished, and only root carries them. */
  readonly needsRoot: boolean
}

/** What a scan has found. */
export interface Scanned {
  readonly entries: ReadonlyArray<Entry>
  readonly skipped: ReadonlyArray<Skipped>
  /**
   * Paths of the tree that have no entry because of a choice or their type, and directories of which only the content has none:
   * at a catcher they are not deleted.
   */
  readonly spared: ReadonlyArray<Uint8Array>
  /** What has something that is not carried. */
  readonly uncarried?: Uncarried
}

/** A file of the manifest as it is now. */
export interface Retaken {
  readonly entry: number
  readonly metadata: Metadata
  readonly size: number
  /** Its runs of data, where it has holes. */
  readonly data?: Runs
}

/** A file that was opened; it is read until its scope closes. */
export interface SourceFile {
  /** Fills `into` from an offset of what is carried of it; SourceChanged when the file has become shorter. */
  readonly read: (offset: number, into: Uint8Array) => Effect.Effect<void, SourceError | SourceChanged>
  /** Are size and mtime what they were when it was opened? */
  readonly isUntouched: Effect.Effect<boolean, SourceError | SourceChanged>
  /** Is it longer than it was, with the same ends of what it was? Then the rest of that may be there still, too. */
  readonly hasGrown: Effect.Effect<boolean, SourceError | SourceChanged>
  /** The error that says of this file that its content is another now. */
  readonly changed: SourceChanged
}

/**
 * The service. Provide it with `DiskSource.layer`, or with entries in memory.
 *
 * ```ts
 * import { DiskSource, MemoryStore, SimulatedTree } from "mrsync"
 *
 * const disk = DiskSource.layer(["photos/", "/etc/motd"])
 * const inMemory = MemoryStore.sourceLayer([SimulatedTree.directory("photos"), SimulatedTree.file("photos/a", 4096)])
 * ```
 */
export class Source extends Context.Service<
  Source,
  {
    /** Walks the sources (rsync's meaning of a trailing slash). Entries are in the order of the manifest: a directory before what is in it, a hard link after its leader. */
    readonly scan: Effect.Effect<Scanned, SourceError | FilterError>
    /** Opens the file of an entry (its index in what `scan` gave). */
    readonly open: (entry: number) => Effect.Effect<SourceFile, SourceError | SourceChanged, Scope.Scope>
    /** Reads small files whole, each at its place in `into`, in few system calls; answers which members failed, by position, and why. A failed one's bytes are zeros. */
    readonly readMembers: (
      members: ReadonlyArray<Member>,
      into: Uint8Array
    ) => Effect.Effect<ReadonlyArray<{ readonly member: number; readonly error: SourceError | SourceChanged }>>
    /**
     * Looks again at files that were no longer what the scan found, and copies them as they are now: from then on `open` and
     * `readMembers` give the copies. It takes as many as it may hold copies of, those of an earlier call are gone; of a file
     * that is too large for a copy the new size and time count. An open that a lease of another program holds up is waited for.
     */
    readonly retake: (entries: ReadonlyArray<number>) => Effect.Effect<{
      readonly retaken: ReadonlyArray<Retaken>
      readonly failures: ReadonlyArray<{ readonly entry: number; readonly error: SourceError | SourceChanged }>
    }>
    /** Has a file that was retaken still the content of its copy, or the copy's and more? One that was replaced meanwhile counts as unchanged. */
    readonly isCurrent: (entry: number) => Effect.Effect<boolean>
  }
>()("mrsync/source/Source") {}
