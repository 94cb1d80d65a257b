/**
 * Filter rules at work: is a path excluded? Each directory of a tree has a filter, made from its parent's and from the files
 * of rules in it, because rules are inherited. Filters are immutable. Pure.
 *
 * The sender makes them with its own side's rules and skips what is excluded; a receiver makes them with its side's rules,
 * and asks `mayDelete`.
 */

import * as Result from "effect/Result"
import { display, ofKey } from "../tree/Names.ts"
import { addFile, baseName, none, type Sources } from "./Parse.ts"
import { compile, type Pattern } from "./Pattern.ts"
import type { DirectoryMerge, Fault, Match, Rule, Side, Sides } from "./Rule.ts"

/** The tree that rules are for, and the side on which they are. */
export interface Transfer {
  readonly side: Side
  /**
   * The root of the transfer on this machine's disk, without a slash at its end: the directory "dir" for the source "dir/", and
   * its parent for "dir".
   */
  readonly root: string
  /** Where rsync has --delete-excluded: a rule that names no side protects nothing. */
  readonly deletesExcluded?: boolean
  /** What rules of a directory's files refer to: paths are relative to the root. */
  readonly sources: Sources
}

/** The filter of one directory: it knows of each path in it whether it is excluded. */
export interface Filter {
  readonly transfer: Transfer
  /** The rules of the whole tree. */
  readonly rules: ReadonlyArray<Bound>
  /** The rules of directories' files, for each name of such files; in the order in which the files are read. */
  readonly lists: ReadonlyMap<string, List>
}

/** A rule with its pattern made ready, or the place of a directory's rules. */
type Bound = BoundMatch | { readonly _tag: "List"; readonly name: string }

interface BoundMatch {
  readonly _tag: "Match"
  readonly rule: Match
  readonly pattern: Pattern
  readonly anchor: Anchor
}

/** Of the path in the transfer, what an anchored pattern is matched against: bytes are taken from its front, or added. */
interface Anchor {
  readonly add: string
  readonly takeBytes: number
}

interface List {
  readonly merge: DirectoryMerge
  readonly rules: ReadonlyArray<Bound>
}

const unmoved: Anchor = { add: "", takeBytes: 0 }

/** Reads a file of a directory: the one for which the filter is made. */
export type ReadHere = (name: string) => ReturnType<Sources["read"]>

/** The filter above all directories, in which the sources themselves are. */
export const make = (rules: ReadonlyArray<Rule>, transfer: Transfer): Filter => {
  const lists = new Map<string, List>()
  return { transfer, rules: bind(rules, unmoved, transfer, lists), lists }
}

/** The filter in a directory of the transfer; the root's path is empty. */
export const enter = (filter: Filter, directory: string, read: ReadHere): Result.Result<Filter, Fault> => {
  const takeBytes = directory === "" ? 0 : directory.length + 1
  const path = resolved(`${filter.transfer.root}/${directory}`)
  return withFiles(filter, { path, anchor: { add: "", takeBytes }, read, isWanted: () => true })
}

/**
 * The filter after the directories above the tree: of the first directory that is sent, and its path on the disk. A rule that
 * gives a path for its files has them looked for from there on.
 */
export const fromAbove = (
  filter: Filter,
  first: string,
  read: (directory: string, name: string) => ReturnType<Sources["read"]>
): Result.Result<Filter, Fault> => {
  const { root } = filter.transfer
  return above(first).reduce<Result.Result<Filter, Fault>>(
    (so, directory) =>
      Result.flatMap(so, (filter) => {
        const add = root === directory ? "" : `${inside(root, directory)}/`
        const isWanted = ({ file }: DirectoryMerge) => isWithin(directory, startOf(file, root))
        return withFiles(filter, {
          path: directory,
          anchor: { add, takeBytes: 0 },
          read: (name) => read(directory, name),
          isWanted
        })
      }),
    Result.succeed(filter)
  )
}

/** Is a path excluded on this side? `path` is in the directory of the filter, and relative to the root of the transfer. */
export const isExcluded = (filter: Filter, path: string, isDirectory: boolean): boolean =>
  verdict(filter.rules, { filter, path, isDirectory, ignoresPerishable: false }) === "Exclude"

/**
 * May a receiver delete a path that the sender's tree does not have? For --delete: make a filter of the rules with the side
 * "Receiver" and the destination as the root, `enter` it for each directory on the way (the directories' files are the
 * destination's), and ask here for each name. Files in a destination are not to be trusted: `read` of the sources must lead
 * nowhere out of it, and a fault must not tell the text of a rule to others. A directory that may be deleted goes with all in it; there `isDoomed` is true,
 * perishable rules no longer count, and a path that must stay keeps the directories above it.
 */
export const mayDelete = (filter: Filter, path: string, isDirectory: boolean, isDoomed: boolean): boolean =>
  verdict(filter.rules, { filter, path, isDirectory, ignoresPerishable: isDoomed }) !== "Exclude"

// ---- which rule decides ----

interface Asked {
  readonly filter: Filter
  readonly path: string
  readonly isDirectory: boolean
  readonly ignoresPerishable: boolean
}

const verdict = (rules: ReadonlyArray<Bound>, asked: Asked): Match["effect"] | undefined => {
  for (const bound of rules) {
    if (bound._tag === "List") {
      const found = verdict(asked.filter.lists.get(bound.name)?.rules ?? [], asked)
      if (found !== undefined) return found
    } else if (applies(bound, asked)) return bound.rule.effect
  }
  return undefined
}

const applies = ({ anchor, pattern, rule }: BoundMatch, { ignoresPerishable, isDirectory, path }: Asked): boolean => {
  if (ignoresPerishable && rule.isPerishable) return false
  const subject = pattern.isAnchored || rule.isAbsolute ? anchor.add + path.slice(anchor.takeBytes) : path
  return pattern.matches(subject, isDirectory) !== rule.isNegated
}

// ---- lists ----

/** Makes rules ready; files of directories that they name become lists. */
const bind = (
  rules: ReadonlyArray<Rule>,
  anchor: Anchor,
  transfer: Transfer,
  lists: Map<string, List>
): ReadonlyArray<Bound> =>
  rules.flatMap((rule): ReadonlyArray<Bound> => {
    if (rule._tag === "DirectoryMerge") {
      const name = baseName(rule.file)
      // As with rsync, the first rule that names a file counts.
      if (lists.has(name)) return []
      lists.set(name, { merge: rule, rules: [] })
      return isRead(rule, transfer) ? [{ _tag: "List", name }] : []
    }
    if (rule.isForAttributes || !isOf(rule.sides, transfer)) return []
    const absolute: Anchor = { add: `${transfer.root.slice(1)}/`.replace(/^\/$/, ""), takeBytes: 0 }
    return [{ _tag: "Match", rule, pattern: compile(rule.pattern), anchor: rule.isAbsolute ? absolute : anchor }]
  })

const isOf = (sides: Sides, transfer: Transfer): boolean =>
  sides === "Both" ||
  sides === transfer.side ||
  (sides === "Default" && (transfer.side === "Sender" || transfer.deletesExcluded !== true))

/** Rules that name no side may stand in one file with others that do. */
const isRead = ({ style }: DirectoryMerge, { side }: Transfer): boolean =>
  style.sides === "Both" || style.sides === "Default" || style.sides === side

/** A directory with files of rules. */
interface Here {
  /** On the disk. */
  readonly path: string
  /** Of its own rules. */
  readonly anchor: Anchor
  readonly read: ReadHere
  readonly isWanted: (merge: DirectoryMerge) => boolean
}

/** Takes in the files of rules that are in one directory. A file may name further ones: those are read as well. */
const withFiles = (filter: Filter, { anchor, isWanted, path, read }: Here): Result.Result<Filter, Fault> => {
  const { transfer } = filter
  if (filter.lists.size === 0) return Result.succeed(filter)
  const lists = new Map(filter.lists)
  for (const [name, { merge, rules }] of lists) {
    if (!isWanted(merge)) continue
    const inherited = merge.style.isInherited ? rules : []
    const content = isRead(merge, transfer) ? read(name) : Result.succeed(undefined)
    if (Result.isFailure(content)) return Result.fail(content.failure)
    if (content.success === undefined) {
      lists.set(name, { merge, rules: inherited })
      continue
    }
    const place = display(ofKey(`${path}/${name}`))
    const added = addFile(none, content.success, merge.style, place, transfer.sources)
    if (Result.isFailure(added)) return Result.fail(added.failure)
    const own = bind(added.success.rules, anchor, transfer, lists)
    lists.set(name, { merge, rules: added.success.isCleared ? own : [...own, ...inherited] })
  }
  return Result.succeed({ ...filter, lists })
}

// ---- the directories above a tree ----

/** The directories above one, from the top. */
const above = (directory: string): ReadonlyArray<string> => {
  const names = directory.split("/").slice(1, -1)
  return ["/", ...names.map((_, at) => `/${names.slice(0, at + 1).join("/")}`)].slice(
    0,
    directory === "/" ? 0 : undefined
  )
}

/** Where the search for a rule's files begins; undefined: in the tree. */
const startOf = (file: string, root: string): string | undefined => {
  // "./name" is in the tree.
  const path = file.replace(/^(?:\.\/+)+/, "")
  const end = path.lastIndexOf("/")
  if (end < 0) return undefined
  return resolved(path.startsWith("/") ? path.slice(0, end) : `${root}/${path.slice(0, end)}`)
}

/** An absolute path without ".", ".." and double slashes. */
export const resolved = (path: string): string => `/${namesOf(path).join("/")}`

/** The names in a path; ".." leads no higher than its beginning. */
export const namesOf = (path: string): ReadonlyArray<string> => {
  const names: Array<string> = []
  for (const name of path.split("/")) {
    if (name === "..") names.pop()
    else if (name !== "" && name !== ".") names.push(name)
  }
  return names
}

const isWithin = (directory: string, start: string | undefined): boolean =>
  start !== undefined && (start === "/" || directory === start || directory.startsWith(`${start}/`))

const inside = (path: string, directory: string): string => path.slice(directory === "/" ? 1 : directory.length + 1)
