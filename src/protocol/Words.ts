/**
 * Words that the protocol's decisions and its messages share: a module that needs one of them need not know what a datagram looks
 * like.
 */

/** The content of a carried file. */
export type Kind = "Manifest" | "Single" | "Bundle" | "Revision" | "Selection" | "Hashes" | "Signatures"

/** Files that are kept in memory, and say which files follow them in the plan, if any. */
export type ListKind = "Revision" | "Selection" | "Hashes" | "Signatures"

/** Is it such a file? */
export const isList = (kind: Kind): kind is ListKind =>
  kind === "Revision" || kind === "Selection" || kind === "Hashes" || kind === "Signatures"

/** Why a catcher was not taken in. */
export type Refusal = "NotListed" | "NameTaken" | "Full" | "Started" | "TooOften" | "Returning"

/** Why a catcher takes no part in a file. */
export interface SitOutReason {
  readonly reason: string
  /**
   * The reason may be none of this file's own: the tree as a whole cannot be here [F-8], or the catcher's owner lets no
   * master touch what the file carries [Y-9].
   */
  readonly about: "File" | "Tree" | "Veto"
}

/**
 * How many entries a catcher has to make, to be sent or make anew, to describe, to keep as they are, and how many names to
 * delete; and how many entries and names stay because its owner refuses it.
 */
export interface Changes {
  readonly created: number
  readonly updated: number
  readonly described: number
  readonly kept: number
  readonly deleted: number
  readonly vetoed: number
}

/** Nothing. */
export const nothingChanged: Changes = { created: 0, updated: 0, described: 0, kept: 0, deleted: 0, vetoed: 0 }

/** What was changed at a catcher until the end of a session, and the regular files that stand there, hard links included. */
export interface Done extends Changes {
  readonly files: number
  readonly bytes: number
}

/** A change at a catcher: of an entry of the manifest, with the bits of `Compare.change`, or a name that goes. */
export type Item =
  | { readonly _tag: "Change"; readonly entry: number; readonly change: number }
  | { readonly _tag: "Deletion"; readonly path: Uint8Array; readonly isDirectory: boolean }

/** A failure at a catcher: an entry of the manifest and the reason in words. */
export interface Failure {
  readonly entry: number
  readonly reason: string
  /** It is none: the catcher's owner refused it. [Y-9] */
  readonly isVetoed?: true
}

/** Pages that are missing, as pairs of first page and count, ascending: [first, count, first, count, ...]. */
export type Runs = ReadonlyArray<number>

/** A catcher's answer about a span: pages `first` to `first + count`. */
export interface SpanLack {
  readonly first: number
  readonly count: number
  /** How many pages each block lacks, where counts were asked for: then `runs` lists pages of the trailer alone. */
  readonly lacks: ReadonlyArray<number> | undefined
  readonly runs: Runs
  /** Some of them are of a block that was whole and wrong: it is sent no parity, and is told its pages' digests. [C-8] */
  readonly spoiled: boolean
}
