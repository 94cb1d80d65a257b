/**
 * POSIX ACLs as Linux keeps them in an attribute: a version, and for each entry a tag `u16`, permissions `u16` and an owner `u32`.
 * Where the master changes modes or owners on the way, their ACLs follow. Pure.
 */

import { mapped, type Owners } from "./Owners.ts"

const headBytes = 4
const entryBytes = 8
const tag = { ownUser: 1, user: 2, ownGroup: 4, group: 8, mask: 16, other: 32 }

/** What becomes of an ACL. */
interface Change {
  readonly users: Owners
  readonly groups: Owners
  /** Of an access ACL: what stands in the mode stands in the ACL, too. */
  readonly mode: number | undefined
}

/** An ACL with other owners, or as another mode has it. One that cannot be read stays as it is. */
export const changed = (acl: Uint8Array, { groups, mode, users }: Change): Uint8Array => {
  if (acl.length < headBytes || (acl.length - headBytes) % entryBytes !== 0) return acl
  const out = Uint8Array.from(acl)
  const view = new DataView(out.buffer)
  const starts = Array.from({ length: (acl.length - headBytes) / entryBytes }, (_, i) => headBytes + i * entryBytes)
  // with a mask the bits of the group are the mask's
  const classOfGroup = starts.some((at) => view.getUint16(at, true) === tag.mask) ? tag.mask : tag.ownGroup
  for (const at of starts) {
    const own = view.getUint16(at, true)
    const id = view.getUint32(at + 4, true)
    if (own === tag.user) view.setUint32(at + 4, mapped(users, id), true)
    if (own === tag.group) view.setUint32(at + 4, mapped(groups, id), true)
    if (mode === undefined) continue
    if (own === tag.ownUser) view.setUint16(at + 2, (mode >> 6) & 7, true)
    if (own === classOfGroup) view.setUint16(at + 2, (mode >> 3) & 7, true)
    if (own === tag.other) view.setUint16(at + 2, mode & 7, true)
  }
  return out
}
