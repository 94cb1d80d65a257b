/**
 * Metadata that a master wishes the tree to have, where it is not that of its sources: --chmod, --chown, --usermap, --groupmap. Pure.
 */

import * as Acl from "./Acl.ts"
import { accessAcl, type Attribute, type Attributes, isAcl } from "./Attributes.ts"
import * as Chmod from "./Chmod.ts"
import type { Metadata } from "./Metadata.ts"
import { mapped, type Owners } from "./Owners.ts"

/** How metadata at the source becomes that of the tree. */
export interface Wished {
  readonly modes: ReadonlyArray<Chmod.Change>
  readonly users: Owners
  readonly groups: Owners
}

/** An ACL becomes that of the mode and the owners that are wished. */
const aclOf =
  (owners: Pick<Wished, "users" | "groups">, mode: number) =>
  (attribute: Attribute): Attribute => {
    if (!isAcl(attribute.name)) return attribute
    const change = { ...owners, mode: attribute.name === accessAcl ? mode : undefined }
    return { ...attribute, value: Acl.changed(attribute.value, change) }
  }

/** It stays as it is. */
export const asIs: Wished = { modes: [], users: [], groups: [] }

/** The metadata of what has a status, as it is wished. A symbolic link's own mode is not to be set. */
export const ofStatus = (
  { groups, modes, users }: Wished,
  { gid, kind, mode, mtimeNanos, mtimeSeconds, uid }: Metadata & { readonly kind: string },
  attributes?: Attributes
): Metadata => {
  const metadata = { mode, mtimeSeconds, mtimeNanos, uid, gid, ...(attributes === undefined ? {} : { attributes }) }
  if (modes.length + users.length + groups.length === 0) return metadata
  const wishedMode = kind === "Symlink" ? mode : Chmod.apply(modes, mode, kind === "Directory")
  return {
    ...metadata,
    mode: wishedMode,
    uid: mapped(users, uid),
    gid: mapped(groups, gid),
    ...(attributes === undefined ? {} : { attributes: attributes.map(aclOf({ users, groups }, wishedMode)) })
  }
}
