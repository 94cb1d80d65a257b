/** What a pattern matches. test/filter/Judge.test.ts compares with rsync; here each way of matching has its name. */
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import { compile } from "../../src/filter/Pattern.ts"
import { whole } from "../tree/generators.ts"

const isMatch = (pattern: string, path: string): boolean =>
  compile(pattern).matches(path.replace(/\/$/, ""), path.endsWith("/"))

/** The paths that a pattern matches, of all. */
const matched = (pattern: string, ...paths: ReadonlyArray<string>) => paths.filter((path) => isMatch(pattern, path))

describe("a pattern", () => {
  it.each<[why: string, pattern: string, yes: ReadonlyArray<string>, no: ReadonlyArray<string>]>([
    ["a name is the last one of a path", "b", ["b", "a/b", "a/b/"], ["b/a", "ab", "bb"]],
    ["names with a slash are the last ones", "a/b", ["a/b", "x/a/b"], ["xa/b", "a/b/c", "b"]],
    ["a slash at the front anchors it", "/a/b", ["a/b"], ["x/a/b"]],
    ["a slash at the end is for directories", "a/", ["a/", "x/a/"], ["a", "x/a"]],
    ["a star takes any bytes but a slash", "a*z", ["az", "abcz", "x/a-z"], ["a/z", "az/x"]],
    ["no star leads from one name to the next", "/a*z", ["abz"], ["a/z"]],
    ["no set takes a slash", "/a[!b]z", ["acz"], ["a/z"]],
    ["nor does a range that has it", "/a[.-9]z", ["a0z"], ["a/z"]],
    ["a star with names takes as many as it has", "a/*", ["a/b", "x/a/b"], ["a/b/c", "b"]],
    ["two stars take slashes", "/a/**/z", ["a/b/z", "a/b/c/z"], ["a/z", "x/a/b/z"]],
    ["two stars may begin at any name", "a**z", ["a/z", "x/a/z", "x/abz"], ["xa/z"]],
    ["two stars in front may be nothing", "**/z", ["z", "a/z", "a/b/z"], ["az"]],
    ["three stars take the directory as well", "a/***", ["a/", "a/b", "x/a/b/"], ["a", "ab/"]],
    ["a question mark takes one byte but a slash", "a?c", ["abc", "x/a-c"], ["ac", "a/c", "abbc"]],
    ["a set takes one of its bytes", "[a-cx]1", ["a1", "c1", "x1"], ["d1", "1", "ab1"]],
    ["a negated set takes another one", "[!a-c]1", ["d1", "-1"], ["a1", "/1"]],
    ["a set may be negated in two ways", "[^a]", ["b"], ["a"]],
    ["a bracket first in a set is its own", "[]a]", ["]", "a"], ["[", "a]"]],
    ["a hyphen last in a set is its own", "[a-]", ["a", "-"], ["b"]],
    ["a set may have a class", "[[:digit:]x]", ["1", "x"], ["d", ":"]],
    ["each class is there", "[[:upper:]][[:punct:]][[:space:]]", ["A- ", "Z~\t"], ["a- ", "AA "]],
    ["a class that there is not matches nothing", "[[:none:]a]", [], ["a", ":"]],
    ["a set without its end matches nothing", "[ab", [], ["[ab", "a"]],
    ["a backslash takes a wildcard as it is", "\\*[a]", ["*a"], ["xa", "\\*a"]],
    ["without wildcards a backslash is one", "a\\b", ["a\\b"], ["ab"]],
    ["a backslash in a set takes a bracket as it is", "[\\]x]", ["]", "x"], ["\\"]],
    ["bytes that are no UTF-8", "\xff*", ["\xff", "a/\xff\xfe"], ["\xfe"]],
    ["a range of bytes", "[\xf0-\xff]", ["\xf0", "\xff"], ["\xef"]]
  ])("%s: %s", (_, pattern, yes, no) => {
    assert.deepStrictEqual(matched(pattern, ...yes, ...no), [...yes])
  })

  it("takes time that grows with both lengths, not with their power", () => {
    const names = [
      compile(`${"a*".repeat(200)}b`),
      compile(`${"a**".repeat(200)}b?`),
      compile(`**${"?*".repeat(300)}x/`)
    ]
    const path = "a".repeat(4000)
    for (const pattern of names) assert.isFalse(pattern.matches(path, true))
    assert.isTrue(names[0].matches(`${path}b`, false))
  }, 2000)

  const anyText = Arbitrary.map(Arbitrary.array(whole(0, 255), { maxLength: 20 }), (codes) =>
    // wildcards are frequent
    codes.map((code) => (code < 1 || code > 180 ? "[]*?\\/!^-:a"[code % 12] : String.fromCharCode(code))).join("")
  )
  it.prop(
    "of any bytes is matched without an exception, and literally where it has no wildcard",
    { pattern: anyText, path: anyText, isDirectory: Schema.Boolean },
    ({ isDirectory, path, pattern }) => {
      assert.isBoolean(compile(pattern).matches(path, isDirectory))
      if (/[*?[/]/.test(pattern) || pattern === "") return
      assert.isTrue(compile(pattern).matches(pattern, isDirectory))
      assert.isTrue(compile(pattern).matches(`dir/${pattern}`, isDirectory))
      assert.isFalse(compile(pattern).matches(`${pattern}+`, isDirectory))
    },
    { arbitrary: { runs: 500 } }
  )
})
