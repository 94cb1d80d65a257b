/**
 * Filter rules as data: what rsync's `--filter` and its kin say of a tree's paths. Pure.
 *
 * The first rule of a list that matches a path decides: an Exclude leaves it out, and an Include does not. A path without a
 * rule is in. All text is bytes, one character a byte.
 */

import type * as Result from "effect/Result"

/** The two ends: the sender leaves paths out of the tree, the receiver keeps them from being deleted. */
export type Side = "Sender" | "Receiver"

/**
 * The ends that a rule is for. Default: none was named, so it is for both; but for the sender alone where excluded paths are
 * to be deleted as well.
 */
export type Sides = Side | "Both" | "Default"

/** What modifiers say of a rule, or of all rules in a file. */
export interface Traits {
  readonly sides: Sides
  /** It is matched against the path on the machine's disk, not from the root of the transfer. */
  readonly isAbsolute: boolean
  /** It does not keep a path in a directory that is itself deleted. */
  readonly isPerishable: boolean
  /** It is about names of extended attributes, which are not sent: it matches no path. */
  readonly isForAttributes: boolean
}

/** A rule about paths. */
export interface Match extends Traits {
  readonly _tag: "Match"
  readonly effect: "Exclude" | "Include"
  readonly pattern: string
  /** It matches the paths that its pattern does not. */
  readonly isNegated: boolean
}

/** How a file of rules is read. */
export interface Style extends Traits {
  /** Lines are patterns of such rules, and not rules; undefined: rules. */
  readonly only: Match["effect"] | undefined
  /** With `only`: may a line begin with "+ " or "- ", or be "!"? As in the file of --exclude-from. */
  readonly hasOldPrefixes: boolean
  /** As CVS reads .cvsignore: words to be excluded, and "!" clears the list. */
  readonly isCvs: boolean
  /** Rules are separated by white space, and there are no comments. */
  readonly isWords: boolean
  /** Rules of a directory's file are for the directories below, too. */
  readonly isInherited: boolean
}

/** In each directory, the rules that its file of that name has, where there is one. */
export interface DirectoryMerge {
  readonly _tag: "DirectoryMerge"
  /** A name; or a path, which says where above the tree the search for such files begins. */
  readonly file: string
  readonly style: Style
}

/** One rule of a list. */
export type Rule = Match | DirectoryMerge

/** Where a rule stands: an option or a file, and the line in it. */
export interface Place {
  readonly name: string
  readonly line?: number
}

/** What is wrong with a rule: which, where, and what would be right. */
export interface BadRule {
  readonly _tag: "BadRule"
  readonly place: Place
  readonly rule: string
  readonly expected: string
}

/** A file of rules that could not be read. */
interface Unread {
  readonly _tag: "Unread"
  readonly file: string
  readonly code: string
  readonly reason: string
}

/** Why there are no rules. */
export type Fault = BadRule | Unread

/** The content of a file of rules; undefined: there is none of that name. */
export type Read = (file: string) => Result.Result<string | undefined, Unread>

/** No modifiers. */
export const plain: Traits = { sides: "Default", isAbsolute: false, isPerishable: false, isForAttributes: false }

/** A file of rules, as `merge` reads it. */
export const ruleFile: Style = {
  ...plain,
  only: undefined,
  hasOldPrefixes: false,
  isCvs: false,
  isWords: false,
  isInherited: true
}

/** The file, or the one rule, of --exclude and --include. */
export const patternsOf = (only: Match["effect"]): Style => ({ ...ruleFile, only, hasOldPrefixes: true })

/** As .cvsignore is read. */
export const cvsFile: Style = { ...ruleFile, only: "Exclude", isCvs: true, isWords: true, isInherited: false }
