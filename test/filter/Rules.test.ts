/** The text of rules: what is wrong with one, what files may say, and how rules travel. */
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Given } from "../../src/filter/Options.ts"
import { rulesOf } from "../../src/filter/Options.ts"
import type { Sources } from "../../src/filter/Parse.ts"
import type { Fault, Rule } from "../../src/filter/Rule.ts"
import { cvsFile, ruleFile } from "../../src/filter/Rule.ts"
import { decode, encode, textOf } from "../../src/filter/Text.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import { data, whole } from "../tree/generators.ts"

const withFiles = (files: Readonly<Record<string, string>>, isNulSeparated = false): Sources => ({
  read: (file) => Result.succeed(files[file]),
  isNulSeparated,
  cvsWords: ""
})

const parsed = (options: ReadonlyArray<Given>, sources = withFiles({})) => rulesOf(options, false, sources)
const filter = (value: string): Given => ({ option: "filter", value })

/** The rules, each as the text that says the same. */
const texts = (options: ReadonlyArray<Given>, sources = withFiles({})): ReadonlyArray<string> =>
  Result.getOrThrow(parsed(options, sources)).map(textOf)

const faultOf = (options: ReadonlyArray<Given>, sources = withFiles({})): Fault => {
  const rules = parsed(options, sources)
  if (Result.isSuccess(rules)) throw new Error(`these are rules: ${JSON.stringify(rules.success)}`)
  return rules.failure
}

describe("the text of a rule", () => {
  it.each([
    ["- a b ", "- a b "],
    ["-_a", "- a"],
    ["exclude,s_a", "-s a"],
    ["include a", "+ a"],
    ["-!/sp a", "-!/sp a"],
    ["+rs a", "+sr a"],
    ["hide a", "-s a"],
    ["S a", "+s a"],
    ["protect,p a", "-rp a"],
    ["R a", "+r a"],
    [": /.f", ": /.f"],
    ["dir-merge,n- .f", ":-n .f"],
    [":C", ":C .cvsignore"],
    [":wsp .f", ":wsp .f"]
  ])("%s is %s", (text, same) => assert.deepStrictEqual(texts([filter(text)]), [same]))

  it.each([
    ["a", "expected a rule that begins with exclude (-)"],
    [" - a", "expected a rule that begins with"],
    ["excludes a", "expected a rule that begins with"],
    ["-", "expected a pattern after the rule's name and a space"],
    ["-a", 'there is no modifier "a" here: expected those of /!Csrpx'],
    ["hide,s a", 'there is no modifier "s" here: expected those of /!px'],
    [":! a", 'there is no modifier "!" here'],
    [":+- a", "expected one of the modifiers -, + and C"],
    ["-CC", "expected the modifier C once"],
    [":", "expected the name of a file"],
    ["! a", 'expected nothing after "!"'],
    ["- a\0b", "expected a rule without a NUL byte"],
    [`- ${"a".repeat(Limits.filterRuleBytes)}`, `expected at most ${Limits.filterRuleBytes} bytes`]
  ])("%s is none: %s", (text, expected) => {
    const fault = faultOf([filter("- b"), filter(text)])
    if (fault._tag !== "BadRule") throw new Error("it is a bad rule")
    assert.include(fault.expected, expected)
    assert.strictEqual(fault.rule, text.replace("\0", "\\x00"))
    assert.deepStrictEqual(fault.place, { name: "--filter" })
  })

  it("in a file is named with the file and its line, also in a file that another one names", () => {
    const sources = withFiles({ one: "# a comment\r\n\r\n; another\n. two\n", two: "- a\nbogus\n" })
    const fault = faultOf([filter(". one")], sources)
    assert.deepInclude(fault, { _tag: "BadRule", rule: "bogus", place: { name: "two", line: 2 } })
    assert.deepInclude(faultOf([filter(". three")], sources), { _tag: "Unread", file: "three" })
  })
})

describe("a list of rules", () => {
  it("has the order of its options, and -F twice is the files and their names", () => {
    const options: ReadonlyArray<Given> = [
      { option: "include", value: "a" },
      { option: "F", value: "" },
      { option: "exclude", value: "+ b" },
      { option: "exclude", value: "-_c" },
      { option: "F", value: "" },
      { option: "F", value: "" }
    ]
    assert.deepStrictEqual(texts(options), ["+ a", ": /.rsync-filter", "+ b", "- -_c", "- .rsync-filter"])
  })

  it("is cleared by a rule !, also in a file, and in a list of patterns", () => {
    const sources = withFiles({ m: "- b\n!\n- c\n", p: "d\n!\n+ e\n- f\ng\n" })
    assert.deepStrictEqual(texts([filter("- a"), filter(". m"), filter("- x")], sources), ["- c", "- x"])
    assert.deepStrictEqual(texts([filter("- a"), filter("clear")], sources), [])
    const file = { option: "exclude-from", value: "p" } as const
    assert.deepStrictEqual(texts([filter("- a"), file], sources), ["+ e", "- f", "- g"])
  })

  it("has the rules of a file with the traits of the rule that names it", () => {
    const sources = withFiles({ m: "- a\n+p b\n", p: "a\n# b\n- c\n!\n", w: "a #b\n- !" })
    assert.deepStrictEqual(texts([filter(".s/ m")], sources), ["-/s a", "+/sp b"])
    assert.deepStrictEqual(texts([filter(".- p")], sources), ["- a", "- - c", "- !"])
    assert.deepStrictEqual(texts([filter(".+w w")], sources), ["+ a", "+ #b", "+ -", "+ !"])
    assert.deepStrictEqual(texts([filter(".C w")], sources), [])
    assert.deepStrictEqual(texts([filter(":es /d/.f")], sources), ["- .f", ":s /d/.f"])
    assert.deepInclude(faultOf([filter(".s m2")], withFiles({ m2: "-r a" })), { _tag: "BadRule", rule: "-r a" })
  })

  it("may be separated by NUL bytes", () => {
    const sources = withFiles({ m: "- a\nb\0\0#c\0- d\0" }, true)
    assert.deepStrictEqual(texts([filter(". m")], sources), ["- a\nb", "- d"])
  })

  it("has what CVS ignores, in its place or at the end", () => {
    const sources = { ...withFiles({}), cvsWords: "x ! y\tz" }
    assert.deepStrictEqual(texts([filter("-C"), filter("- a")], sources), ["- y", "- z", "- a"])
    const usual = Result.getOrThrow(rulesOf([filter("- a")], true, withFiles({}))).map(textOf)
    assert.deepStrictEqual(usual.slice(0, 3), ["- a", ":C .cvsignore", "-p RCS"])
    assert.include(usual, "-p *.o")
  })

  it("is bounded: in rules, and in files that name each other", () => {
    const many = withFiles({ m: "- a\n".repeat(Limits.filterRules + 1), n: ". n\n" })
    assert.deepInclude(faultOf([filter(". m")], many), { expected: `expected at most ${Limits.filterRules} rules` })
    assert.include(JSON.stringify(faultOf([filter(". n")], many)), "files that name each other")
  })
})

// ---- rules as they travel ----

const text = Arbitrary.map(Arbitrary.array(whole(1, 255), { minLength: 1, maxLength: 30 }), (bytes) =>
  String.fromCharCode(...bytes)
)
const traits = {
  sides: Schema.Literals(["Default", "Both", "Sender", "Receiver"]),
  isAbsolute: Schema.Boolean,
  isPerishable: Schema.Boolean,
  isForAttributes: Schema.Boolean
}
const effect = Schema.Literals(["Exclude", "Include"])
const anyMatch = Schema.Struct({ _tag: Schema.tag("Match"), effect, isNegated: Schema.Boolean, ...traits })
const anyStyle = Schema.Union([
  Schema.Struct({
    ...traits,
    only: Schema.UndefinedOr(effect),
    hasOldPrefixes: Schema.Literal(false),
    isCvs: Schema.Literal(false),
    isWords: Schema.Boolean,
    isInherited: Schema.Boolean
  }),
  Schema.Struct(traits)
])
const anyRule = Arbitrary.map(
  Arbitrary.all({ text, about: Arbitrary.schema(Schema.Union([anyMatch, anyStyle])) }),
  ({ about, text }): Rule =>
    "_tag" in about
      ? { ...about, pattern: text }
      : { _tag: "DirectoryMerge", file: text, style: "only" in about ? about : { ...cvsFile, ...about } }
)

describe("rules travel", () => {
  it.prop("and are the same afterwards", { rules: Arbitrary.array(anyRule, { maxLength: 10 }) }, ({ rules }) => {
    assert.deepStrictEqual(decode(encode(rules)), Result.succeed(rules))
  })

  const starts = ["- ", "-! ", ": ", ":C ", ". a", "!", "-C", "+sr ", ":e a", "- a", ""]
  const bytes = Arbitrary.map(
    Arbitrary.array(
      Arbitrary.all({ at: whole(0, starts.length - 1), text, isBare: Arbitrary.schema(Schema.Boolean) }),
      { maxLength: 4 }
    ),
    (pieces) =>
      Buffer.from(pieces.map(({ at, isBare, text }) => `${starts[at]}${isBare ? "" : text}\0`).join(""), "latin1")
  )
  it.prop(
    "and any bytes are rules that come back as these bytes, or are refused",
    { bytes, noise: data(40) },
    ({ bytes, noise }) => {
      for (const any of [bytes, Buffer.from(noise)]) {
        const rules = decode(any)
        if (Result.isSuccess(rules)) assert.deepStrictEqual(Buffer.from(encode(rules.success)), any)
      }
    },
    { arbitrary: { runs: 500 } }
  )

  it.each([". a\0", "!\0", "-C\0", ":e a\0", "merge a\0", "- a", "-_a\0", "\0"])("but %j is none", (text) =>
    assert.isTrue(Result.isFailure(decode(Buffer.from(text))))
  )

  it("in bounded numbers and lengths", () => {
    assert.isTrue(Result.isFailure(decode(Buffer.alloc(Limits.filterFileBytes + 1))))
    assert.isTrue(Result.isSuccess(decode(Buffer.from("- a\0".repeat(Limits.filterRules)))))
    assert.isTrue(Result.isFailure(decode(Buffer.from("- a\0".repeat(Limits.filterRules + 1)))))
    assert.isTrue(Result.isSuccess(decode(encode([{ _tag: "DirectoryMerge", file: ".f", style: ruleFile }]))))
  })
})
