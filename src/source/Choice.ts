/**
 * Which of what is found at the sources is sent: filter rules, sizes, file systems, a list of names. Without any, everything.
 */

import * as Result from "effect/Result"
import { type Filter, fromAbove, make } from "../filter/Filter.ts"
import type { Fault, Read, Rule } from "../filter/Rule.ts"
import { display, ofKey } from "../tree/Names.ts"
import { asIs, type Wished } from "../tree/Wished.ts"
import * as RuleFile from "./RuleFile.ts"
import { FilterError, SourceError } from "./Source.ts"

/** What is sent. */
export interface Choice {
  readonly rules: ReadonlyArray<Rule>
  /** Files of rules have a NUL after each rule. */
  readonly isNulSeparated: boolean
  /** What CVS's settings of this user exclude, for rules "-C" in directories' files. */
  readonly cvsWords: string
  /** Smaller files are left out. */
  readonly minBytes: number
  /** Larger files are left out. */
  readonly maxBytes: number
  /** Of other file systems: everything, the directories where they are mounted, or not even those. */
  readonly mounts: "Entered" | "Empty" | "LeftOut"
  /** A symbolic link is sent as that to which it leads. */
  readonly followsLinks: boolean
  /** The same of one that leads out of what is sent. */
  readonly followsUnsafe: boolean
  /** Symbolic links that lead out of what is sent are left out. */
  readonly leavesOutUnsafe: boolean
  /** Directories without anything but directories are left out. */
  readonly prunesEmpty: boolean
  /** Several names of a file are one file. */
  readonly linksNames: boolean
  /** Symbolic links are sent. */
  readonly hasLinks: boolean
  /** FIFOs and sockets are sent. */
  readonly hasSpecials: boolean
  /** Devices are sent. */
  readonly hasDevices: boolean
  /** What of extended attributes is sent. */
  readonly carriesAttributes: boolean
  readonly carriesAcls: boolean
  /** Files are what `--fake-super` has kept in their attributes. */
  readonly fakesSuper: boolean
  /** Metadata is sent as that. */
  readonly wished: Wished
  /**
   * The paths below each source that are sent, with the directories on the way, one character a byte; undefined: all. What is
   * in a directory comes with it after a slash at its end, or where the list is recursive.
   */
  readonly names?: { readonly list: ReadonlyArray<string>; readonly isRecursive: boolean }
}

/** Everything. */
export const everything: Choice = {
  rules: [],
  isNulSeparated: false,
  cvsWords: "",
  minBytes: 0,
  maxBytes: Infinity,
  mounts: "Entered",
  followsLinks: false,
  followsUnsafe: false,
  leavesOutUnsafe: false,
  prunesEmpty: false,
  linksNames: true,
  hasLinks: true,
  hasSpecials: true,
  hasDevices: true,
  carriesAttributes: false,
  carriesAcls: false,
  fakesSuper: false,
  wished: asIs
}

/** Filters above a tree; undefined where there are no rules. */
interface Tops {
  /** For what is named as a source or in a list: as with rsync, files of rules say nothing of it. */
  readonly named: Filter | undefined
  /** With the files of rules in the directories above. */
  readonly above: Filter | undefined
}

/** The filters of a tree. `first` is the directory that is sent first. */
export const filtersOf = (choice: Choice, root: string, first: string): Result.Result<Tops, Fault> => {
  const { cvsWords, isNulSeparated, rules } = choice
  if (rules.length === 0) return Result.succeed({ named: undefined, above: undefined })
  const sources = { read: reading(root), isNulSeparated, cvsWords }
  const named = make(rules, { side: "Sender", root, sources })
  return Result.map(fromAbove(named, first, readRules), (above) => ({ named, above }))
}

/** Reads the files that rules name; their paths are relative to a directory. */
export const reading =
  (directory: string): Read =>
  (file) =>
    file.startsWith("/") ? RuleFile.read(file, file) : RuleFile.read(`${directory}/${file}`, file)

/** The rules in a file of a directory, when it has one. */
export const readRules = (directory: string, name: string): ReturnType<Read> =>
  RuleFile.read(`${directory}/${name}`, `${directory}/${name}`)

/** A fault of rules as an error. */
export const errorOf = (fault: Fault): FilterError | SourceError => {
  if (fault._tag === "Unread") {
    return new SourceError({ path: display(ofKey(fault.file)), code: fault.code, reason: fault.reason })
  }
  const { expected, place, rule } = fault
  return new FilterError({
    place: place.name,
    ...(place.line === undefined ? {} : { line: place.line }),
    rule,
    expected
  })
}
