/**
 * What a master reads: the tree below its sources, as entries and as bytes.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Entry } from "../Manifest.ts"

/** A source could not be read. */
export class SourceError extends Schema.TaggedError<SourceError>()("SourceError", {
  code: Schema.String,
  path: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.path}: ${this.reason}`
  }
}

/** Of what changed or vanished, in words that both sides know. */
export const changedReason = "changed or vanished while it was sent; send it again when nobody writes to it"

/** A source file changed or vanished while it was read. */
export class SourceChanged extends Schema.TaggedError<SourceChanged>()("SourceChanged", {
  path: Schema.String
}) {
  get reason() {
    return changedReason
  }
  override get message() {
    return `${this.path}: ${this.reason}`
  }
}

/** What is in the tree but not in the manifest. */
export interface Skipped {
  /** On the master's disk. */
  readonly path: string
  /** In the tree, as an entry would have it. */
  readonly at?: Uint8Array
  /** Unreadable: counts as incomplete (23). Vanished: 24. Special: a socket or a device, a message only. */
  readonly kind: "Unreadable" | "Special" | "Vanished"
  /** An earlier source has an entry here: a message only, and nothing is missing. */
  readonly isDouble?: boolean
  readonly reason: string
}

export interface SourceFile {
  /** Fills `into` from an offset; SourceChanged when the file is shorter than it was. */
  readonly read: (offset: number, into: Uint8Array) => Effect.Effect<void, SourceError | SourceChanged>
  /** SourceChanged unless size, mtime and ctime are what they were when it was scanned. */
  readonly check: Effect.Effect<void, SourceError | SourceChanged>
}

export class Source extends Context.Service<
  Source,
  {
    /** Walks the sources (rsync's meaning of a trailing slash). Entries are in the order of the manifest: a directory before what is in it, a hard link after its leader. */
    readonly scan: Effect.Effect<
      { readonly entries: ReadonlyArray<Entry>; readonly skipped: ReadonlyArray<Skipped> },
      SourceError
    >
    /** Opens the file of an entry (its index in what `scan` gave). */
    readonly open: (entry: number) => Effect.Effect<SourceFile, SourceError | SourceChanged, Scope.Scope>
    /** Reads small files whole, back to back into `into`, in few system calls; answers which members failed, by position, and why. A failed one's bytes are zeros. */
    readonly readMembers: (
      entries: ReadonlyArray<number>,
      into: Uint8Array
    ) => Effect.Effect<ReadonlyArray<{ readonly member: number; readonly error: SourceError | SourceChanged }>>
  }
>()("mrsync/store/Source") {}
