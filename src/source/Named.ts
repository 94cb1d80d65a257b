/**
 * One line of --files-from: a path below the source, as rsync reads it. Pure.
 */

import { namesOf } from "../filter/Filter.ts"

/** A path that is named, and what comes with it. All text is bytes, one character a byte. */
export interface Named {
  /** What stands before "/./": it is passed on the way, and is no part of the tree. */
  readonly from: string
  /** The names from there on. */
  readonly names: ReadonlyArray<string>
  /** The directory itself is named as the beginning. */
  readonly takesTop: boolean
  /** Levels below it that come with it. */
  readonly levels: number
}

/** Reads a line; ".." leads no higher than the source. */
export const parse = (line: string, isRecursive: boolean): Named => {
  const cut = line.indexOf("/./")
  const rest = cut < 0 ? line : line.slice(cut + 3)
  const names = namesOf(rest)
  const isDirectory = names.length === 0 || /(?:^|\/)\.?$/.test(rest)
  return {
    from: cut < 0 ? "" : namesOf(line.slice(0, cut)).join("/"),
    names,
    takesTop: cut < 0 && /^\.(?:\/|$)/.test(line),
    levels: isRecursive ? Infinity : isDirectory ? 1 : 0
  }
}

/** The lines of a list: no blank ones, and no comments. */
export const linesOf = (content: string, isNulSeparated: boolean): ReadonlyArray<string> =>
  content.split(isNulSeparated ? "\0" : /\r\n|\r|\n/).filter((line) => line !== "" && !/^[#;]/.test(line))
