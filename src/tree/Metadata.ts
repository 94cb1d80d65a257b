/**
 * An entry's metadata: mode, owner and time. Pure: a file system gives the numbers, and others set them.
 */

import type { Attributes } from "./Attributes.ts"

/** An entry's mode, owner, time and attributes. */
export interface Metadata {
  /** The twelve permission bits. */
  readonly mode: number
  readonly mtimeSeconds: number
  /** 0..999,999,999, counted upwards from mtimeSeconds also before 1970. */
  readonly mtimeNanos: number
  readonly uid: number
  readonly gid: number
  /** Extended attributes, where it has any that are carried. */
  readonly attributes?: Attributes
}

/** The permission bits of a mode, with set-user-ID, set-group-ID and sticky. */
export const modeMask = 0o7777

/** Metadata of a file that was made for no entry: its owner alone may read it. */
export const unset: Metadata = { mode: 0o600, mtimeSeconds: 0, mtimeNanos: 0, uid: 0, gid: 0 }
