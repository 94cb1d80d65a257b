/**
 * POSIX ACLs as Linux keeps them in an attribute: a version, and for each entry a tag `u16`, permissions `u16` and an owner `u32`.
 * Where the master changes modes or owners on the way, their ACLs follow. Pure.
 */

import { mapped, type Owners } from "./Owners.ts"

const version = 2
const headBytes = 4
const entryBytes = 8

/** The tags. */
export const tag = { ownUser: 1, user: 2, ownGroup: 4, group: 8, mask: 16, other: 32 }

/** One entry. */
export interface AclEntry {
  readonly tag: number
  readonly permissions: number
  /** Of a user or a group that is named; otherwise 0xffffffff. */
  readonly id: number
}

/** The entries of an ACL, as far as they are whole. */
export const entriesOf = (acl: Uint8Array): ReadonlyArray<AclEntry> => {
  const view = new DataView(acl.buffer, acl.byteOffset, acl.byteLength)
  const count = Math.max(0, Math.floor((acl.length - headBytes) / entryBytes))
  return Array.from({ length: count }, (_, i) => {
    const at = headBytes + i * entryBytes
    return {
      tag: view.getUint16(at, true),
      permissions: view.getUint16(at + 2, true),
      id: view.getUint32(at + 4, true)
    }
  })
}

/** The ACL of such entries. */
export const aclOf = (entries: ReadonlyArray<AclEntry>): Uint8Array => {
  const out = new DataView(new ArrayBuffer(headBytes + entries.length * entryBytes))
  out.setUint32(0, version, true)
  entries.forEach(({ id, permissions, tag }, i) => {
    const at = headBytes + i * entryBytes
    out.setUint16(at, tag, true)
    out.setUint16(at + 2, permissions, true)
    out.setUint32(at + 4, id, true)
  })
  return new Uint8Array(out.buffer)
}

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
  const entries = entriesOf(acl)
  // with a mask the bits of the group are the mask's
  const classOfGroup = entries.some((entry) => entry.tag === tag.mask) ? tag.mask : tag.ownGroup
  const byMode = new Map([
    [tag.ownUser, 6],
    [classOfGroup, 3],
    [tag.other, 0]
  ])
  const change = ({ id, permissions, tag: own }: AclEntry): AclEntry => {
    const shift = byMode.get(own)
    return {
      tag: own,
      permissions: mode === undefined || shift === undefined ? permissions : (mode >> shift) & 7,
      id: own === tag.user ? mapped(users, id) : own === tag.group ? mapped(groups, id) : id
    }
  }
  const out = aclOf(entries.map(change))
  out.set(acl.subarray(0, headBytes))
  return out
}
