/**
 * Extended attributes of entries: which of them are carried, what differs, and their bytes' bounds. Pure. [M-13] [Y-14]
 *
 * ACLs are two of them by name. They are carried by a wish of their own, as with rsync.
 */

import * as Limits from "../protocol/Limits.ts"
import type { Policy } from "./Policy.ts"

/** One attribute. */
export interface Attribute {
  /** One character a byte. */
  readonly name: string
  readonly value: Uint8Array
}

/** Those of one entry, by name ascending. Entries with equal ones may share them. */
export type Attributes = ReadonlyArray<Attribute>

/** The ACL of anything but a symbolic link, and that which what is made in a directory inherits. */
export const accessAcl = "system.posix_acl_access"
export const defaultAcl = "system.posix_acl_default"

/** Is it an ACL? */
export const isAcl = (name: string): boolean => name === accessAcl || name === defaultAcl

/** The same ACLs once more, as XFS shows them to root. They are its own: what is done to one is done to the ACL. */
const isMirrorOfAcl = (name: string): boolean => name === "trusted.SGI_ACL_FILE" || name === "trusted.SGI_ACL_DEFAULT"

/** By which programs run with rights of their own. */
export const capability = "security.capability"

/** What of the attributes is carried. */
export type Carrying = Pick<Policy, "carriesAttributes" | "carriesAcls">

/** Tells which names are carried: as rsync has it root takes all but the system's own, and others take the users'. */
export const carried =
  ({ carriesAcls, carriesAttributes }: Carrying, isRoot: boolean) =>
  (name: string): boolean => {
    if (isAcl(name)) return carriesAcls
    if (!carriesAttributes || name.startsWith("user.rsync.%") || isMirrorOfAcl(name)) return false
    return isRoot ? !name.startsWith("system.") : name.startsWith("user.")
  }

/** Are any carried? */
export const areCarried = ({ carriesAcls, carriesAttributes }: Carrying): boolean => carriesAcls || carriesAttributes

/** What is to be set, and what is to be removed. */
interface Apart {
  readonly set: Attributes
  readonly removed: ReadonlyArray<string>
}

/** What differs of the attributes that are carried. */
export const apart = (
  wanted: Attributes | undefined,
  own: Attributes | undefined,
  isCarried: (name: string) => boolean
): Apart => {
  if (wanted === own || (wanted === undefined && own === undefined)) return nothingApart
  const [to, from] = [wanted ?? [], own ?? []].map((all) => new Map(all.map(({ name, value }) => [name, value])))
  return {
    set: (wanted ?? []).filter(({ name, value }) => isCarried(name) && !isSame(value, from.get(name))),
    removed: [...from.keys()].filter((name) => isCarried(name) && !to.has(name))
  }
}

const nothingApart: Apart = { set: [], removed: [] }

const isSame = (a: Uint8Array, b: Uint8Array | undefined): boolean => b !== undefined && Buffer.compare(a, b) === 0

/** Bytes of a set: of its names and its values. */
export const bytesOf = (attributes: Attributes): number =>
  attributes.reduce((sum, { name, value }) => sum + name.length + value.length, 0)

/** What is wrong with a set; undefined: nothing. */
export const wrong = (attributes: Attributes): string | undefined => {
  if (bytesOf(attributes) > Limits.attributeBytes)
    return `extended attributes of more than ${Limits.attributeBytes} bytes`
  const isName = ({ name }: Attribute, at: number) =>
    name !== "" && !name.includes("\0") && (at === 0 || attributes[at - 1].name < name)
  return attributes.every(isName) ? undefined : "extended attributes whose names are none, or out of order"
}
