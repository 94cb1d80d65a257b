/**
 * What `--fake-super` keeps in attributes of files that a plain user owns: the owner, the mode and the kind that root would have given them,
 * their ACLs, and attributes that only root may set. Names and values are rsync's, so that either program reads what the other has
 * kept (rsync 3.5.0, seen in what it makes). Pure.
 */

import { type AclEntry, aclOf, entriesOf, tag } from "./Acl.ts"
import * as Attributes from "./Attributes.ts"
import { modeMask } from "./Metadata.ts"
import * as Modes from "./Modes.ts"

/** Holds what a file stands for: a mode in octal, a device's two numbers, the owner and the group. */
export const statName = "user.rsync.%stat"

const prefix = "user.rsync."
const acls: ReadonlyArray<readonly [own: string, kept: string]> = [
  [Attributes.accessAcl, `${prefix}%aacl`],
  [Attributes.defaultAcl, `${prefix}%dacl`]
]

/** The highest number of a user; in an ACL, none. */
const nobody = 0xffff_ffff

/** What a file stands for. */
export interface Kept {
  readonly kind: Modes.Kind
  /** The twelve permission bits. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Of a device, its number as a status has it; otherwise 0. */
  readonly ownDevice: number
}

/** The attribute's value. */
export const format = ({ gid, kind, mode, ownDevice, uid }: Kept): Uint8Array => {
  const [major, minor] = Modes.numbersOf(ownDevice)
  return Buffer.from(`${Modes.modeOf(kind, mode).toString(8)} ${major},${minor} ${uid}:${gid}`)
}

/** Of such a value; undefined: it is none. */
export const parse = (value: Uint8Array): Kept | undefined => {
  const found = /^([0-7]{1,7}) (\d{1,10}),(\d{1,10}) (\d{1,10}):(\d{1,10})\0?$/.exec(
    Buffer.from(value).toString("latin1")
  )
  if (found === null) return undefined
  const full = Number.parseInt(found[1], 8)
  const [major, minor, uid, gid] = found.slice(2).map(Number)
  const kind = full > 0xffff ? undefined : Modes.kindOf(full)
  if (kind === undefined || uid > nobody || gid > nobody) return undefined
  return { kind, mode: full & modeMask, uid, gid, ownDevice: Modes.deviceOf(major & 0xfff, minor & 0xf_ffff) }
}

/** A status with what is kept in place of what the file system says. A directory is one for both, or it is as it stands. */
export const over = <S extends { readonly kind: string }>(status: S, kept: Kept | undefined): S =>
  kept === undefined || (status.kind === "Directory") !== (kept.kind === "Directory") ? status : { ...status, ...kept }

/** May anything be kept of what is of that kind? The system has no users' attributes of others. */
export const isKept = (kind: string): boolean => kind === "File" || kind === "Directory"

/** The mode on the disk: its owner may do everything, and nothing runs with anybody's rights. */
export const diskMode = (mode: number, kind: string): number => (mode & 0o777) | (kind === "Directory" ? 0o700 : 0o600)

/** The name under which an attribute is kept. */
export const keptName = (name: string): string => {
  const acl = acls.find(([own]) => own === name)
  if (acl !== undefined) return acl[1]
  return name.startsWith("user.") ? name : prefix + name
}

/** The name of what is kept under one; undefined: it is none that is carried. */
export const ownName = (kept: string): string | undefined => {
  const acl = acls.find(([, name]) => name === kept)
  if (acl !== undefined) return acl[0]
  const own = kept.startsWith(prefix) ? kept.slice(prefix.length) : kept
  // somebody may have made a name that nothing is kept under: two would be one
  return own !== "" && !own.startsWith("%") && keptName(own) === kept ? own : undefined
}

// ---- ACLs: rsync has four permissions of 4 bytes, and 8 bytes a name ----

/** Those of the file itself, in rsync's order. */
const own = [tag.ownUser, tag.ownGroup, tag.mask, tag.other]
/** Of these; and of each name. */
const ownBytes = 16
const nameBytes = 8
/** A permission that the mode tells, or that is none. */
const absent = 0x80
const isUser = 0x8000_0000

/** The value under which an ACL is kept. Of an access ACL the mode tells what it has in common with it. */
export const keptAcl = (name: string, acl: Uint8Array): Uint8Array => {
  const entries = entriesOf(acl)
  const named = entries.filter((entry) => entry.tag === tag.user || entry.tag === tag.group)
  const permissions = (of: number) => entries.find((entry) => entry.tag === of)?.permissions
  const isTold = (of: number) =>
    name === Attributes.accessAcl &&
    (of === tag.ownUser || of === tag.other || (of === tag.ownGroup && permissions(of) === permissions(tag.mask)))
  const out = new DataView(new ArrayBuffer(ownBytes + named.length * nameBytes))
  own.forEach((of, i) => out.setUint32(4 * i, isTold(of) ? absent : (permissions(of) ?? absent), true))
  named.forEach((entry, i) => {
    const at = ownBytes + i * nameBytes
    out.setUint32(at, entry.id, true)
    out.setUint32(at + 4, (entry.tag === tag.user ? isUser : 0) + entry.permissions, true)
  })
  return new Uint8Array(out.buffer)
}

/**
 * The ACL that is kept so of a file of that mode; undefined: it is none. What an access ACL has in common with the mode is the mode's, as the
 * system has it, also where something else is kept.
 */
export const ownAcl = (name: string, kept: Uint8Array, mode: number): Uint8Array | undefined => {
  if (kept.length < ownBytes || (kept.length - ownBytes) % nameBytes !== 0) return undefined
  const view = new DataView(kept.buffer, kept.byteOffset, kept.byteLength)
  const named = Array.from({ length: (kept.length - ownBytes) / nameBytes }, (_, i): AclEntry => {
    const at = ownBytes + i * nameBytes
    const access = view.getUint32(at + 4, true)
    return { tag: access >= isUser ? tag.user : tag.group, permissions: access & 7, id: view.getUint32(at, true) }
  })
  const byMode = [mode >> 6, mode >> 3, mode >> 3, mode]
  const isMasked = view.getUint32(4 * own.indexOf(tag.mask), true) !== absent || named.length > 0
  const owns = own.flatMap((of, i): ReadonlyArray<AclEntry> => {
    const told = view.getUint32(4 * i, true)
    const isModes = name === Attributes.accessAcl && (of !== tag.ownGroup || !isMasked)
    const permissions = told === absent || isModes ? byMode[i] : told
    return of === tag.mask && !isMasked ? [] : [{ tag: of, permissions: permissions & 7, id: nobody }]
  })
  return aclOf([...owns, ...named].sort((a, b) => a.tag - b.tag || a.id - b.id))
}
