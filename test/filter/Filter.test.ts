/** Which rule decides: lists of directories, sides, and what a receiver may delete. The judge is in Judge.test.ts. */
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { enter, type Filter, fromAbove, isExcluded, make, mayDelete, type Transfer } from "../../src/filter/Filter.ts"
import { rulesOf } from "../../src/filter/Options.ts"
import type { Fault } from "../../src/filter/Rule.ts"

const sources = { read: () => Result.succeed("- merged\n"), isNulSeparated: false, cvsWords: "" }
const transfer: Transfer = { side: "Sender", root: "/home/me", sources }

/** The filter in a directory, of these rules and the files that stand at their paths. */
const filterIn = (
  directory: string,
  rules: ReadonlyArray<string>,
  files: Readonly<Record<string, string>> = {},
  as: Partial<Transfer> = {}
): Filter => {
  const given = rules.map((value) => ({ option: "filter" as const, value }))
  const got = (filter: Result.Result<Filter, Fault>) => Result.getOrThrowWith(filter, (fault) => fault)
  const read = (path: string) => (name: string) => Result.succeed(files[`${path}${name}`])
  const top = make(Result.getOrThrow(rulesOf(given, false, sources)), { ...transfer, ...as })
  let filter = got(fromAbove(top, "/home/me", (above, name) => read(`${above}/`.replace("//", "/"))(name)))
  const names = directory === "" ? [] : directory.split("/")
  filter = got(enter(filter, "", read("")))
  names.forEach((_, at) => {
    const path = names.slice(0, at + 1).join("/")
    filter = got(enter(filter, path, read(`${path}/`)))
  })
  return filter
}

/** The paths that are left out, of all. */
const out = (filter: Filter, ...paths: ReadonlyArray<string>) => paths.filter((path) => isExcluded(filter, path, false))

describe("the first rule decides", () => {
  it("that matches; without one a path is in", () => {
    assert.deepStrictEqual(out(filterIn("", ["+ a", "- a", "- b*"]), "a", "b", "c"), ["b"])
    assert.deepStrictEqual(out(filterIn("", ["-! a", "- a"]), "a", "b"), ["a", "b"])
  })

  it("of its side only, and none about attributes", () => {
    const rules = ["H a", "P b", "-sr c", "-x d", "- e"]
    const paths = ["a", "b", "c", "d", "e"]
    assert.deepStrictEqual(out(filterIn("", rules), ...paths), ["a", "c", "e"])
    assert.deepStrictEqual(out(filterIn("", rules, {}, { side: "Receiver" }), ...paths), ["b", "c", "e"])
    const deletesExcluded = filterIn("", rules, {}, { side: "Receiver", deletesExcluded: true })
    assert.deepStrictEqual(out(deletesExcluded, ...paths), ["b", "c"])
  })

  it("on the path on disk where it says so", () => {
    const rules = ["-/ /home/me/a", "-/ me/*/b", "- /home/me/c"]
    assert.deepStrictEqual(out(filterIn("", rules), "a", "d/b", "b", "c"), ["a", "d/b"])
  })
})

describe("the rules of a directory's file", () => {
  it("stand where the rule that names it stands, the newest first, and are inherited", () => {
    const files = { ".f": "- a\n- b\n", "d/.f": "+ a\n" }
    const rules = ["+ c", ": .f", "- c", "- d"]
    assert.deepStrictEqual(out(filterIn("", rules, files), "a", "b", "c", "d"), ["a", "b", "d"])
    assert.deepStrictEqual(out(filterIn("d", rules, files), "d/a", "d/b", "d/c"), ["d/b"])
    assert.deepStrictEqual(out(filterIn("d/e", rules, files), "d/e/a", "d/e/b"), ["d/e/b"])
  })

  it("are not inherited with n, and a rule ! forgets those that were", () => {
    const files = { ".f": "- a\n- b\n", "d/.f": "- x\n!\n- b\n" }
    assert.deepStrictEqual(out(filterIn("e", [":n .f"], files), "e/a"), [])
    assert.deepStrictEqual(out(filterIn("d", [": .f", "- c"], files), "d/a", "d/b", "d/x", "d/c"), ["d/b", "d/c"])
  })

  it("are anchored in it, whatever it is called", () => {
    const files = { "d[a]/.f": "- /x\n- e/y\n" }
    const inner = filterIn("d[a]/e", [": .f"], files)
    assert.deepStrictEqual(out(filterIn("d[a]", [": .f"], files), "d[a]/x", "d[a]/e/y"), ["d[a]/x", "d[a]/e/y"])
    assert.deepStrictEqual(out(inner, "d[a]/e/x", "d[a]/e/y"), ["d[a]/e/y"])
  })

  it("are of the first rule that names it, and of files that it names itself", () => {
    const files = { ".f": ": .g\n. m\n", ".g": "- a\n", "d/.g": "- b\n" }
    const rules = [": .f", "+ a", ":n .f"]
    assert.deepStrictEqual(out(filterIn("", rules, files), "a", "merged"), ["a", "merged"])
    assert.deepStrictEqual(out(filterIn("d", rules, files), "d/a", "d/b"), ["d/a", "d/b"])
    assert.deepStrictEqual(out(filterIn("", ["+ a", ": .f"], files), "a"), [])
  })

  it("come from above the tree as well, where the rule names a path", () => {
    const files = { "/.f": "- a\n", "/home/.f": "- /me/b\n+ a\n- /c\n" }
    assert.deepStrictEqual(out(filterIn("", [": /.f"], files), "a", "b", "c", "d/b"), ["b"])
    assert.deepStrictEqual(out(filterIn("d", [": ../.f"], files), "d/a", "b"), ["b"])
    for (const rule of [": .f", ": ./.f", ": /home/me/.f", ": /home/other/.f"]) {
      assert.deepStrictEqual(out(filterIn("", [rule], files), "a", "b"), [], rule)
    }
    // the directories above are below none of these
    assert.deepStrictEqual(out(filterIn("", [": /home/.f"], { "/.f": "- b" }), "b"), [])
  })
})

describe("a receiver may delete", () => {
  it("what no rule of its side excludes; perishable rules do not keep what is in a directory that goes", () => {
    const rules = ["-p a", "- b", "H c", ": .f"]
    const files = { "d/.f": "+ b\n- x\n" }
    const filter = filterIn("d", rules, files, { side: "Receiver" })
    const deleted = (isDoomed: boolean) =>
      ["d/a", "d/b", "d/c", "d/x"].filter((path) => mayDelete(filter, path, false, isDoomed))
    assert.deepStrictEqual(deleted(false), ["d/c"])
    assert.deepStrictEqual(deleted(true), ["d/a", "d/c"])
  })

  it("and rules of one side do not keep those of the other from being read in one file", () => {
    const files = { ".f": "- a\n-r b\n" }
    const filter = filterIn("", [": .f"], files, { side: "Receiver", deletesExcluded: true })
    assert.deepStrictEqual([mayDelete(filter, "a", false, false), mayDelete(filter, "b", false, false)], [true, false])
    const sender = filterIn("", [":s .f"], { ".f": "- a\n" }, { side: "Receiver" })
    assert.isTrue(mayDelete(sender, "a", false, false))
  })
})
