/**
 * Metadata that a master wishes the tree to have, where it is not that of its sources: --chmod, --chown, --usermap, --groupmap. Pure.
 */

import * as Chmod from "./Chmod.ts"
import type { Metadata } from "./Metadata.ts"
import { mapped, type Owners } from "./Owners.ts"

/** How metadata at the source becomes that of the tree. */
export interface Wished {
  readonly modes: ReadonlyArray<Chmod.Change>
  readonly users: Owners
  readonly groups: Owners
}

/** It stays as it is. */
export const asIs: Wished = { modes: [], users: [], groups: [] }

/** The metadata of what has a status, as it is wished. A symbolic link's own mode is not to be set. */
export const ofStatus = (
  { groups, modes, users }: Wished,
  { gid, kind, mode, mtimeNanos, mtimeSeconds, uid }: Metadata & { readonly kind: string }
): Metadata => {
  const metadata = { mode, mtimeSeconds, mtimeNanos, uid, gid }
  if (modes.length + users.length + groups.length === 0) return metadata
  return {
    ...metadata,
    mode: kind === "Symlink" ? mode : Chmod.apply(modes, mode, kind === "Directory"),
    uid: mapped(users, uid),
    gid: mapped(groups, gid)
  }
}
