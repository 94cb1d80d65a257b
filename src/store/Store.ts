/**
 * Where a catcher puts the tree: confined to its destination, a temporary file until a file is whole, then a rename.
 * Two layers, Disk and Memory, pass one conformance suite.
 */

import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Reusing } from "../delta/Reuse.ts"
import type { Filter } from "../filter/Filter.ts"
import * as Veto from "../filter/Veto.ts"
import type { Blocks, Hashing } from "../delta/Blocks.ts"
import type { Runs } from "../protocol/Words.ts"
import type { Entry } from "../tree/Entry.ts"
import type { Hashes } from "../tree/Hashes.ts"
import type { CarriedFile } from "../tree/Plan.ts"
import type { Policy } from "../tree/Policy.ts"
import type { Shortage } from "../tree/Room.ts"
import type { Failure } from "../wire/Message.ts"

/** The file system refused. `code` as the system names it (ENOSPC, EROFS, ENAMETOOLONG, ...). */
export class StoreError extends Schema.TaggedError<StoreError>()("StoreError", {
  code: Schema.String.annotateKey({ description: "the system's code: ENOSPC, EACCES" }),
  path: Schema.String.annotateKey({ description: "the path as it is shown" }),
  reason: Schema.String
}) {
  override get message() {
    return this.path === "" ? this.reason : `${this.path}: ${this.reason}`
  }
}

/** An entry would have been written outside the destination. */
export class DestinationEscape extends Schema.TaggedError<DestinationEscape>()("DestinationEscape", {
  path: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `DestinationEscape: ${this.path}: ${this.reason}`
  }
}

/** The reason as a report has it: the path stands beside it there. */
export const reasonOf = (error: StoreError | DestinationEscape): string =>
  error._tag === "StoreError" ? error.reason : `DestinationEscape: ${error.reason}`

/** Is it a veto of the destination's owner? [Y-9] */
export const isVeto = (error: StoreError | DestinationEscape): boolean =>
  error._tag === "StoreError" && error.code === Veto.code

/** Writes the content of one carried file while it arrives. */
export interface FileWriter {
  /**
   * Bytes of the content that the file had already when it was opened: offset and length of each run, in order. Absent: the
   * file is new. They are believed only when the hashes of their blocks agree.
   */
  readonly held?: Runs
  /** All of the content, where it is in memory until it is committed: what is put there need not be written. */
  readonly memory?: Uint8Array
  /** Hashes have shown that what is held is of the content: a block that is held whole is not hashed again. [Y-13] */
  readonly isProven?: boolean
  /**
   * What is held is all in the file once this is done, and answers bytes of it that are not right after all: offset and length of
   * each run. `told` is told how many bytes of how many are done. Absent: it was when the file was opened. [Y-18]
   */
  readonly settle?: (told: (done: number, total: number) => void) => Effect.Effect<Runs, StoreError>
  /** What its content is compared with, where its layout has no trailer. [Y-17] */
  readonly signature?: Blocks
  /**
   * Writes at an offset of the content. The bytes may be used again when the effect completes. Zeros where nothing was
   * written yet may become a hole.
   */
  readonly write: (offset: number, bytes: Uint8Array) => Effect.Effect<void, StoreError>
  /** Fills `into` with what the file holds from an offset on. */
  readonly read: (offset: number, into: Uint8Array) => Effect.Effect<void, StoreError>
  /**
   * Sets metadata and renames: afterwards the final name has the content. Call once. `skip(member)` is true for members of
   * a bundle that the master could not read. `isRight` reads the content once more, and answers whether it is what it was: asked
   * where others can write to the file [F-11]. The failures are those of single entries; a StoreError is one of the whole.
   */
  readonly commit: (
    skip: (member: number) => boolean,
    isRight?: Effect.Effect<boolean, StoreError>
  ) => Effect.Effect<ReadonlyArray<Failure>, StoreError>
}

/** The files that stand under a carried file's final names, of the sizes in the plan. Their hash decides whether they stay. */
export interface Existing {
  /** Reads as the plan lays the content; fails when a file is no longer as it was found. */
  readonly read: (offset: number, into: Uint8Array) => Effect.Effect<void, StoreError | DestinationEscape>
  /**
   * Sets metadata alone, but of members that are skipped: the content stays as it stands. The failures are those of single
   * entries. Call once.
   */
  readonly commit: (skip: (member: number) => boolean) => Effect.Effect<ReadonlyArray<Failure>, StoreError>
}

/** What a survey has found, and by which policy. */
export interface Surveyed {
  readonly policy: Policy
  readonly changes: Uint16Array
  /** What may go, for a receiver; undefined: everything. */
  readonly filter?: Filter
}

/** Names in the manifest's directories go that no entry has. [Y-6] */
export interface Deleting {
  /** What may go, for a receiver; undefined: everything. */
  readonly filter?: Filter
  /** Nothing goes: it is only counted. */
  readonly isDry: boolean
  /** Told of each name that goes, what is in a directory before the directory. */
  readonly told?: (path: Uint8Array, isDirectory: boolean) => void
  /** Paths that stay: the master could not read them. */
  readonly spared: ReadonlyArray<Uint8Array>
  /** How many may go. */
  readonly most: number
}

/** How that went: failures are those of directories in which something stays. */
export interface Deleted {
  readonly failures: ReadonlyArray<Failure>
  /** How many names are gone. */
  readonly count: number
  /** How many stay because the owner refuses it. [Y-9] */
  readonly vetoed: number
}

/** Where what had arrived of a large file is kept: beside its name, in a directory (in each one, if it is relative), or nowhere. */
export type Where = "Beside" | "Nowhere" | { readonly directory: Uint8Array }

/** When a store looks whether its destination can be used: before a session is waited for, or when one begins. */
export type Checked = "AtOnce" | "InSession"

/**
 * The service. Provide it with `Disk.layer`, or with a store in memory, of which the tree can be
 * looked at afterwards.
 *
 * ```ts
 * import { Disk, MemoryStore } from "mrsync"
 *
 * const disk = Disk.layer("/srv/photos")
 * const memory = MemoryStore.make({ capacityBytes: 1_000_000 })
 * const inMemory = MemoryStore.layer(memory)
 * // afterwards: memory.tree.get("2026/beach.jpg")?.content
 * ```
 */
export class Store extends Context.Service<
  Store,
  {
    /** Takes the entries as a revision of the manifest has them: some files have another size and other metadata. */
    readonly revise: (entries: ReadonlyArray<Entry>) => Effect.Effect<void>
    /** The room that a tree lacks, before anything of it is made. None where it may fit, or the system does not say. [M-10] */
    readonly shortage: (entries: ReadonlyArray<Entry>, policy?: Policy) => Effect.Effect<Option.Option<Shortage>>
    /**
     * Compares what stands there with the manifest, before anything is made: for each entry the bits of `Compare.change`.
     * `prepare` then makes only what is lacked, and describes what is lacked in mode, owner or time alone. `looked` is told how
     * many entries were looked at.
     */
    readonly survey: (
      entries: ReadonlyArray<Entry>,
      policy: Policy,
      looked?: (entries: number) => void
    ) => Effect.Effect<Uint16Array, StoreError>
    /**
     * Hashes files that stand there, which the survey has found in doubt; one that cannot be read, or changes meanwhile, has no hash.
     * What is found to be right so must be so in the end, and what is found of the blocks of a large file is used when that is opened.
     */
    readonly hash: (files: Runs, hashing: Hashing) => Effect.Effect<Hashes>
    /**
     * Takes the manifest: checks every path, makes directories, symbolic links, FIFOs, sockets and devices. Failures are those of entries.
     * `surveyed`: what the survey of the same entries has found. In a dry run nothing is made, and failures are those foreseen:
     * of entries of which a directory that is not empty has the place.
     */
    readonly prepare: (
      entries: ReadonlyArray<Entry>,
      surveyed?: Surveyed
    ) => Effect.Effect<ReadonlyArray<Failure>, StoreError>
    /**
     * Opens a carried file to be written. A bundle may be opened and written to before `prepare` has ended; a single file is
     * opened, and anything is committed, after it. `reusing`: of a single file of which an older version may be there: what
     * that has of it is held from the beginning. Closing the scope without `commit` leaves nothing behind.
     */
    readonly open: (
      carried: CarriedFile,
      reusing?: Reusing
    ) => Effect.Effect<FileWriter, StoreError | DestinationEscape, Scope.Scope>
    /**
     * The files of a carried file that a catcher has already, after `prepare`: regular files of its own, each of its entry's
     * size and reached through no symbolic link. None when one of them is not so.
     */
    readonly existing: (carried: CarriedFile) => Effect.Effect<Option.Option<Existing>>
    /** Deletes what directories of the manifest have and the manifest does not, when all files have arrived. [Y-6] */
    readonly deleteOthers: (deleting: Deleting) => Effect.Effect<Deleted, StoreError>
    /**
     * The last step: hard links whose leader arrived, then the metadata of directories, deepest first. A file that the survey
     * found right, and is not any more, is a failure.
     */
    readonly finish: Effect.Effect<ReadonlyArray<Failure>, StoreError>
    /** Entries that were looked at, made, described or deleted so far, each time: grows as long as the store gets on. */
    readonly worked: () => number
    /** Fails when the destination is no longer the one that `prepare` opened: then that is why other things fail. [F-8] */
    readonly stands: Effect.Effect<void, StoreError>
  }
>()("mrsync/store/Store") {}
