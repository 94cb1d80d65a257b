/**
 * Where a catcher puts the tree: confined to its destination, a temporary file until a file is whole, then a rename.
 * Two layers: Disk and Memory, one conformance suite.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Carried, Entry } from "../tree/Manifest.ts"
import type { Shortage } from "../tree/Room.ts"
import type { Failure } from "../wire/Message.ts"

/** The file system refused. `code` as the system names it (ENOSPC, EROFS, ENAMETOOLONG, ...). */
export class StoreError extends Schema.TaggedError<StoreError>()("StoreError", {
  code: Schema.String,
  path: Schema.String,
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

/** The bytes of one carried file while they arrive. */
export interface Slot {
  /** Writes at an offset of the content; the bytes may be reused when the effect completes. A range of zeros in a fresh slot may become a hole. */
  readonly write: (offset: number, bytes: Uint8Array) => Effect.Effect<void, StoreError>
  /** Reads what was written, into `into`. */
  readonly read: (offset: number, into: Uint8Array) => Effect.Effect<void, StoreError>
  /** Metadata, rename: afterwards the final name holds the content. `skip(member)`: members of a bundle that the master could not read. Failures are of single entries; a failure of the whole is a StoreError. Call once. */
  readonly commit: (skip: (member: number) => boolean) => Effect.Effect<ReadonlyArray<Failure>, StoreError>
}

/** What stands under a carried file's final names, in the sizes of the plan; whether it is the content its hash must say. */
export interface Existing {
  /** Reads as the plan lays the content; fails when something is no longer what it was. */
  readonly read: (offset: number, into: Uint8Array) => Effect.Effect<void, StoreError | DestinationEscape>
  /** Metadata alone: the content stays as it stands. Failures are of single entries. Call once. */
  readonly commit: Effect.Effect<ReadonlyArray<Failure>, StoreError>
}

/** When it is looked at whether a destination can be used: before anybody waits for a session, or when one begins. */
export type Checked = "AtOnce" | "InSession"

export class Store extends Context.Service<
  Store,
  {
    /** Takes the entries as a revision of the manifest has them: files with another size and other metadata. */
    readonly revise: (entries: ReadonlyArray<Entry>) => Effect.Effect<void>
    /** What a tree lacks room of, looked at before anything of it is made; none where it may fit, or nobody can say. [M-10] */
    readonly shortage: (entries: ReadonlyArray<Entry>) => Effect.Effect<Option.Option<Shortage>>
    /** Takes the manifest: checks every path, makes directories, symbolic links and FIFOs. Failures are of single entries. */
    readonly prepare: (entries: ReadonlyArray<Entry>) => Effect.Effect<ReadonlyArray<Failure>, StoreError>
    /**
     * Opens the place for a carried file. A bundle may be opened and written to before `prepare` has ended; a single file is
     * opened, and anything is committed, after it. Closing the scope without `commit` leaves nothing behind.
     */
    readonly open: (carried: Carried) => Effect.Effect<Slot, StoreError | DestinationEscape, Scope.Scope>
    /**
     * What a catcher holds of a carried file already, after `prepare`: regular files that are nobody else's, each of its entry's
     * size and reached through no symbolic link. None when one of them is not so.
     */
    readonly existing: (carried: Carried) => Effect.Effect<Option.Option<Existing>>
    /** The last step: hard links whose leader arrived, then modes and times of directories, deepest first. */
    readonly finish: Effect.Effect<ReadonlyArray<Failure>, StoreError>
    /** Fails when the destination is not what `prepare` opened any more: whatever fails then, fails for that reason. [F-8] */
    readonly stands: Effect.Effect<void, StoreError>
  }
>()("mrsync/store/Store") {}
