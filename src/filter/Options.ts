/**
 * The list of rules that a command line gives, in the order of its options: the first rule that matches decides. Pure.
 */

import * as Result from "effect/Result"
import { addFile, addRule, none, type Rules, type Sources } from "./Parse.ts"
import type { Fault, Rule } from "./Rule.ts"
import { patternsOf, ruleFile } from "./Rule.ts"

/** Options of rules, with rsync's names; all but -F have a value. */
export const optionNames = ["exclude", "include", "filter", "exclude-from", "include-from", "F"] as const

/** One of them, as it was given. The value is bytes, one character a byte. */
export interface Given {
  readonly option: (typeof optionNames)[number]
  readonly value: string
}

/** The rules of these options, and after them those of --cvs-exclude. */
export const rulesOf = (
  options: ReadonlyArray<Given>,
  excludesCvs: boolean,
  sources: Sources
): Result.Result<ReadonlyArray<Rule>, Fault> => {
  let files = 0
  const add = (to: Rules, { option, value }: Given): Result.Result<Rules, Fault> => {
    const place = { name: option === "F" ? "-F" : `--${option}` }
    const effect = option.startsWith("include") ? "Include" : "Exclude"
    switch (option) {
      case "exclude":
      case "include":
        return addRule(to, value, patternsOf(effect), place, sources)
      case "exclude-from":
      case "include-from":
        return Result.flatMap(sources.read(value), (content) =>
          content === undefined
            ? Result.fail<Fault>({ _tag: "Unread", file: value, code: "ENOENT", reason: "no such file (ENOENT)" })
            : addFile(to, content, patternsOf(effect), value === "-" ? "standard input" : value, sources)
        )
      case "filter":
        return addRule(to, value, ruleFile, place, sources)
      case "F":
        return addRule(to, usual[files++] ?? "", ruleFile, place, sources)
    }
  }
  const all = excludesCvs ? [...options, ...cvs] : options
  const rules = all.reduce(
    (so: Result.Result<Rules, Fault>, option) => Result.flatMap(so, (to) => add(to, option)),
    Result.succeed(none)
  )
  return Result.map(rules, ({ rules }) => rules)
}

/** What -F stands for the first time, and the second. */
const usual: ReadonlyArray<string> = [": /.rsync-filter", "- .rsync-filter"]

const cvs: ReadonlyArray<Given> = [
  { option: "filter", value: ":C" },
  { option: "filter", value: "-C" }
]
