/** How what is replaced or deleted is kept: under its own name with a suffix, beside it or in a directory of the destination. Pure. [Y-11] */

import { keyOf } from "./Names.ts"

/** Where backups go. */
export interface Backup {
  /** At a name's end; not empty where backups are beside what they are of. */
  readonly suffix: Uint8Array
  /** A path below the destination; empty: beside. */
  readonly directory: Uint8Array
}

/** Does it lead to a place of its own, and never out of the destination? */
export const isSound = ({ directory, suffix }: Backup): boolean => {
  const [path, end] = [keyOf(directory), keyOf(suffix)]
  if (/[/\0]/.test(end) || path.includes("\0")) return false
  return path === "" ? end !== "" : path.split("/").every((name) => name !== "" && name !== "." && name !== "..")
}

/** The path of what is kept of a path; both are one character a byte. */
export const pathOf = ({ directory, suffix }: Backup, path: string): string =>
  `${directory.length === 0 ? "" : `${keyOf(directory)}/`}${path}${keyOf(suffix)}`

/** Is it the directory of the backups, or in it? Nothing there is deleted. */
export const isIn = ({ directory }: Backup, path: string): boolean =>
  directory.length > 0 && `${path}/`.startsWith(`${keyOf(directory)}/`)

/** Is it a backup itself, by its name? In a directory of their own none is looked for. */
export const isOne = ({ directory, suffix }: Backup, path: string): boolean =>
  directory.length === 0 && path.endsWith(keyOf(suffix))
