/**
 * The text of filter rules, as rsync 3.2 to 3.5 read it: one rule of an option, or a file of them. Pure; files that rules name
 * are read by a function that the caller gives.
 */

import * as Result from "effect/Result"
import * as Limits from "../protocol/Limits.ts"
import { display, ofKey } from "../tree/Names.ts"
import * as Cvs from "./Cvs.ts"
import type { BadRule, Fault, Match, Place, Read, Rule, Sides, Style, Traits } from "./Rule.ts"
import { cvsFile, plain, ruleFile } from "./Rule.ts"

/** What the text of rules may refer to. */
export interface Sources {
  readonly read: Read
  /** Files have a NUL after each rule, and no lines. */
  readonly isNulSeparated: boolean
  /** What $HOME/.cvsignore and $CVSIGNORE exclude, after the usual names. */
  readonly cvsWords: string
}

/** A list that grows rule by rule. */
export interface Rules {
  readonly rules: ReadonlyArray<Rule>
  /** A rule "!" stood in it: what came before, also in front of it, no longer counts. */
  readonly isCleared: boolean
}

/** No rules. */
export const none: Rules = { rules: [], isCleared: false }

type Added = Result.Result<Rules, Fault>

/** Adds the one rule of an option. */
export const addRule = (to: Rules, text: string, style: Style, place: Place, sources: Sources): Added =>
  // An option without a rule says nothing.
  text === "" ? Result.succeed(to) : grown(to, (list) => add(list, text, style, { place, sources, depth: 0 }))

/** Adds a file of rules. */
export const addFile = (to: Rules, content: string, style: Style, name: string, sources: Sources): Added =>
  grown(to, (list) => addContent(list, content, style, { place: { name }, sources, depth: 0 }))

/** A list while text is read; what has been made of it does not change. */
interface Growing {
  rules: Array<Rule>
  isCleared: boolean
}

type Grown = Result.Result<void, Fault>

const grown = ({ isCleared, rules }: Rules, grow: (list: Growing) => Grown): Added => {
  const list: Growing = { rules: [...rules], isCleared }
  return Result.map(grow(list), () => list)
}

interface Context {
  readonly place: Place
  readonly sources: Sources
  /** Files that led here. */
  readonly depth: number
}

const addContent = (to: Growing, content: string, style: Style, context: Context): Grown => {
  for (const [at, line] of linesOf(content, style, context.sources).entries()) {
    // Words have no comments.
    if (line === "" || (!style.isWords && /^[#;]/.test(line))) continue
    const place = style.isWords ? context.place : { name: context.place.name, line: at + 1 }
    const added = add(to, line, style, { ...context, place })
    if (Result.isFailure(added)) return added
  }
  return Result.void
}

const linesOf = (content: string, style: Style, { isNulSeparated }: Sources): ReadonlyArray<string> =>
  style.isWords ? content.split(/[\t-\r ]+/) : content.split(isNulSeparated ? "\0" : /\r\n|\r|\n/)

const add = (to: Growing, text: string, style: Style, context: Context): Grown => {
  const bad = badRule(text, context.place)
  if (text.includes("\0")) return bad("expected a rule without a NUL byte (with --from0 each rule ends with one)")
  if (text.length > Limits.filterRuleBytes) return bad(`expected at most ${Limits.filterRuleBytes} bytes`)
  const parsed = style.only === undefined ? parse(text, style) : parsePattern(text, style, style.only)
  if (typeof parsed === "string") return bad(parsed)
  if (parsed._tag === "Merge") return merge(to, parsed, text, context)
  if (parsed._tag === "Clear") {
    to.rules = []
    to.isCleared = true
    return Result.void
  }
  to.rules.push(...(parsed._tag === "Rules" ? parsed.rules : cvsRules(parsed, context)))
  return to.rules.length > Limits.filterRules ? bad(`expected at most ${Limits.filterRules} rules`) : Result.void
}

const badRule =
  (text: string, place: Place) =>
  (expected: string): Result.Result<never, BadRule> =>
    Result.fail({ _tag: "BadRule", place, rule: display(Buffer.from(text, "latin1")), expected })

const merge = (
  to: Growing,
  { file, style }: Parsed & { readonly _tag: "Merge" },
  text: string,
  context: Context
): Grown => {
  const { depth, place, sources } = context
  if (depth >= Limits.filterDepth) {
    return badRule(text, place)(`expected at most ${Limits.filterDepth} files that name each other`)
  }
  return Result.flatMap(sources.read(file), (content): Grown => {
    if (content === undefined) {
      return Result.fail({ _tag: "Unread", file, code: "ENOENT", reason: "no such file of filter rules (ENOENT)" })
    }
    const name = display(ofKey(file))
    return addContent(to, content, style, { place: { name }, sources, depth: depth + 1 })
  })
}

/** The usual names, in the place of a rule "-C". */
const cvsRules = ({ rule }: Parsed & { readonly _tag: "Cvs" }, { sources }: Context): ReadonlyArray<Rule> => {
  const perishable = { ...rule, isPerishable: true }
  const words = (text: string) => text.split(/[\t-\r ]+/).filter((word) => word !== "")
  let rules: ReadonlyArray<Rule> = words(Cvs.names).map((pattern) => ({ ...perishable, pattern }))
  for (const pattern of words(sources.cvsWords)) {
    rules = pattern === "!" ? [] : [...rules, { ...rule, pattern }]
  }
  return rules
}

// ---- one rule ----

type Parsed =
  | { readonly _tag: "Clear" }
  | { readonly _tag: "Merge"; readonly file: string; readonly style: Style }
  | { readonly _tag: "Rules"; readonly rules: ReadonlyArray<Rule> }
  /** All names that CVS ignores, each as this rule. */
  | { readonly _tag: "Cvs"; readonly rule: Match }

const clear: Parsed = { _tag: "Clear" }

const traitsOf = ({ isAbsolute, isForAttributes, isPerishable, sides }: Traits): Traits => ({
  sides,
  isAbsolute,
  isPerishable,
  isForAttributes
})

/** A line of a file that has patterns only. */
const parsePattern = (text: string, style: Style, only: Match["effect"]): Parsed => {
  if (text === "!" && (style.isCvs || style.hasOldPrefixes)) return clear
  const prefix = style.hasOldPrefixes ? /^([-+]) (?=[^])/.exec(text)?.[1] : undefined
  const effect = prefix === undefined ? only : prefix === "-" ? "Exclude" : "Include"
  const pattern = prefix === undefined ? text : text.slice(2)
  return { _tag: "Rules", rules: [{ ...traitsOf(style), _tag: "Match", effect, pattern, isNegated: false }] }
}

const words: Readonly<Record<string, string>> = {
  exclude: "-",
  include: "+",
  merge: ".",
  "dir-merge": ":",
  hide: "H",
  show: "S",
  protect: "P",
  risk: "R",
  clear: "!"
}

const wellKnown = `expected a rule that begins with ${Object.entries(words)
  .map(([word, letter]) => `${word} (${letter})`)
  .join(", ")}`

/** The rule, or what would be right. */
const parse = (text: string, style: Style): Parsed | string => {
  const word = /^([a-z-]{2,})(?=[, _]|$)/.exec(text)?.[1]
  const kind = word !== undefined && Object.hasOwn(words, word) ? words[word] : /^[-+.:HSPR!]/.exec(text)?.[0]
  if (kind === undefined) return wellKnown
  const rest = text.slice(kind === text[0] ? 1 : (word?.length ?? 1))
  // A comma may follow any name.
  if (kind === "!") return rest === "" || rest === "," ? clear : 'expected nothing after "!"'
  const { modifiers, value } = /^,?(?<modifiers>[^ _]*)(?:[ _](?<value>[^]*))?$/.exec(rest)!.groups!
  return kind === "." || kind === ":"
    ? parseMerge(kind, modifiers, value ?? "", style)
    : parseMatch(kind, modifiers, value ?? "", style)
}

const isNamed = (sides: Sides): boolean => sides !== "Default"

const sidesOf = (modifiers: string): Sides => {
  const [isSender, isReceiver] = [modifiers.includes("s"), modifiers.includes("r")]
  return isSender && isReceiver ? "Both" : isSender ? "Sender" : isReceiver ? "Receiver" : "Default"
}

const sidedTwice =
  "expected a rule that names no side (s, r, hide, show, protect or risk): the rule that reads this file has named one"

const letterSides: Readonly<Record<string, Sides>> = { H: "Sender", S: "Sender", P: "Receiver", R: "Receiver" }

const refused = (modifiers: string, allowed: string): string | undefined => {
  const wrong = [...modifiers].find((modifier) => !allowed.includes(modifier))
  if (wrong === undefined) return undefined
  const shown = display(Buffer.from(wrong, "latin1"))
  return `there is no modifier "${shown}" here: expected those of ${allowed}, then a space and the pattern`
}

const joined = (modifiers: string, sides: Sides, style: Style): Traits => ({
  sides: isNamed(sides) ? sides : style.sides,
  isAbsolute: modifiers.includes("/") || style.isAbsolute,
  isPerishable: modifiers.includes("p") || style.isPerishable,
  isForAttributes: modifiers.includes("x") || style.isForAttributes
})

const parseMatch = (kind: string, modifiers: string, pattern: string, style: Style): Parsed | string => {
  const isSided = Object.hasOwn(letterSides, kind)
  const wrong = refused(modifiers, isSided ? "/!px" : "/!Csrpx")
  if (wrong !== undefined) return wrong
  if (/C.*C/.test(modifiers)) return "expected the modifier C once"
  const sides = isSided ? letterSides[kind] : sidesOf(modifiers)
  if (isNamed(sides) && isNamed(style.sides)) return sidedTwice
  const rule: Match = {
    ...joined(modifiers, sides, style),
    _tag: "Match",
    effect: kind === "-" || kind === "H" || kind === "P" ? "Exclude" : "Include",
    pattern,
    isNegated: modifiers.includes("!")
  }
  if (modifiers.includes("C")) return { _tag: "Cvs", rule }
  return pattern === "" ? "expected a pattern after the rule's name and a space" : { _tag: "Rules", rules: [rule] }
}

const parseMerge = (kind: "." | ":", modifiers: string, value: string, style: Style): Parsed | string => {
  const wrong = refused(modifiers, "/-+Cenwsrpx")
  if (wrong !== undefined) return wrong
  if (/[-+C].*[-+C]/.test(modifiers)) return "expected one of the modifiers -, + and C"
  const sides = sidesOf(modifiers)
  if (isNamed(sides) && isNamed(style.sides)) return sidedTwice
  const isCvs = modifiers.includes("C")
  const file = value === "" && isCvs ? ".cvsignore" : value
  if (file === "") return "expected the name of a file after the rule's name and a space"
  const own = isCvs ? cvsFile : ruleFile
  const inner: Style = {
    ...own,
    ...joined(modifiers, sides, style),
    only: modifiers.includes("+") ? "Include" : modifiers.includes("-") ? "Exclude" : own.only,
    isWords: own.isWords || modifiers.includes("w"),
    isInherited: own.isInherited && !modifiers.includes("n")
  }
  if (kind === ".") return { _tag: "Merge", file, style: inner }
  const itself: Match = { ...plain, _tag: "Match", effect: "Exclude", pattern: baseName(file), isNegated: false }
  const rule: Rule = { _tag: "DirectoryMerge", file, style: inner }
  return { _tag: "Rules", rules: modifiers.includes("e") ? [itself, rule] : [rule] }
}

/** The name in a directory. */
export const baseName = (file: string): string => file.slice(file.lastIndexOf("/") + 1)
