/**
 * Rules as they travel: each as text that the parser reads back to the same rule, and a NUL byte after it. Pure.
 */

import * as Result from "effect/Result"
import * as Limits from "../protocol/Limits.ts"
import { display } from "../tree/Names.ts"
import { addRule, none, type Sources } from "./Parse.ts"
import type { BadRule, Match, Rule, Sides, Style, Traits } from "./Rule.ts"
import { ruleFile } from "./Rule.ts"

/** The bytes of a list. */
export const encode = (rules: ReadonlyArray<Rule>): Uint8Array =>
  Buffer.from(rules.map((rule) => `${textOf(rule)}\0`).join(""), "latin1")

/** The list of some bytes, which may be anything: its length is bounded, and no other files are read. */
export const decode = (bytes: Uint8Array): Result.Result<ReadonlyArray<Rule>, BadRule> => {
  const bad = (rule: string, expected: string) =>
    Result.fail<BadRule>({
      _tag: "BadRule",
      place: { name: place },
      rule: display(Buffer.from(rule, "latin1")),
      expected
    })
  if (bytes.length > Limits.filterFileBytes) return bad("", `expected at most ${Limits.filterFileBytes} bytes`)
  const texts = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1").split("\0")
  if (texts.pop() !== "") return bad("", "expected a NUL byte after the last rule")
  if (texts.length > Limits.filterRules) return bad("", `expected at most ${Limits.filterRules} rules`)
  const rules: Array<Rule> = []
  for (const text of texts) {
    const added = addRule(none, text, ruleFile, { name: place }, alone)
    if (Result.isFailure(added)) return bad(text, added.failure._tag === "BadRule" ? added.failure.expected : form)
    // A rule stands for itself: it clears none and names no others.
    const [rule] = added.success.rules
    if (added.success.rules.length !== 1 || textOf(rule) !== text) return bad(text, form)
    rules.push(rule)
  }
  return Result.succeed(rules)
}

const place = "rules that were sent"
const form = "expected a rule in the form in which rules are sent"

/** There are no files on the way. */
const alone: Sources = {
  read: () => Result.succeed(""),
  isNulSeparated: false,
  cvsWords: ""
}

/** A rule as one that is read from a file of rules. */
export const textOf = (rule: Rule): string =>
  rule._tag === "Match"
    ? `${rule.effect === "Exclude" ? "-" : "+"}${rule.isNegated ? "!" : ""}${modifiersOf(rule)} ${rule.pattern}`
    : `:${readingOf(rule.style)}${modifiersOf(rule.style)} ${rule.file}`

const modifiersOf = ({ isAbsolute, isForAttributes, isPerishable, sides }: Traits): string =>
  `${isAbsolute ? "/" : ""}${letters[sides]}${isPerishable ? "p" : ""}${isForAttributes ? "x" : ""}`

const letters: Readonly<Record<Sides, string>> = { Default: "", Both: "sr", Sender: "s", Receiver: "r" }

const onlys: Readonly<Record<Match["effect"], string>> = { Exclude: "-", Include: "+" }

const readingOf = ({ isCvs, isInherited, isWords, only }: Style): string =>
  isCvs ? "C" : `${only === undefined ? "" : onlys[only]}${isInherited ? "" : "n"}${isWords ? "w" : ""}`
