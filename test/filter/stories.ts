/**
 * Trees and lists of rules made from a seed, and what rsync and ours make of them. All text is bytes, one character a byte.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Context from "effect/Context"
import * as Result from "effect/Result"
import { execFile } from "node:child_process"
import * as fs from "node:fs"
import { enter, type Filter, fromAbove, make, mayDelete } from "../../src/filter/Filter.ts"
import type { Given } from "../../src/filter/Options.ts"
import { rulesOf } from "../../src/filter/Options.ts"
import { type Dice } from "../../src/simulate/Dice.ts"
import type { Fault, Rule } from "../../src/filter/Rule.ts"
import { type Choice, everything, reading, readRules } from "../../src/source/Choice.ts"
import * as DiskSource from "../../src/source/Disk.ts"
import { Source } from "../../src/source/Source.ts"
import { keyOf } from "../../src/tree/Names.ts"

const raw = (path: string) => Buffer.from(path, "latin1")

// ---- trees ----

const latin = "\xe9\xff"
const utf8 = Buffer.from("é").toString("latin1")
/** Names of files and directories; none has a character that rsync's output would show in another way. */
const names = [
  ...["a", "b", "ab", "abc.o", "core", "x y", "[z]", "s*r", "q?", "b\\s", ".dot", "CVS", ".git", "foo", "bar", "-dash"],
  ...["#hash", "a~", "a.b", "X1", "+p", "_u", latin, utf8, "foo.old", "z", "tags", ";semi", "!x", "]", "a-c"]
]
/** Many files have one of these, and many patterns are for them: rules that match nothing say nothing. */
const usual = ["a", "b", "ab", "foo", "bar", "x.o"]
const nameOf = (dice: Dice): string => (dice.hits(0.7) ? dice.pick(...usual) : dice.pick(...names))

/** Directories whose name has a wildcard are left out where rules are anchored in them: see docs/filters.md. */
const directoryNames = ["a", "b", "foo", "bar", "d e", "sub", ".git", "CVS", latin, "X1", "core"]

/** The files of rules that a directory may have, by how they are read. */
const ruleFiles = [".f", ".rsync-filter"]

export interface Tree {
  /** Holds the tree as "s", an empty directory "e", another tree "d", and files of rules. */
  readonly base: string
}

const write = (path: string, content: string) => fs.writeFileSync(raw(path), raw(content))

/** Is a name free, and no entry of another type in the other tree, which rsync would have to replace? */
const isFree = (path: string, isDirectory: boolean): boolean => {
  const there = (path: string) => fs.lstatSync(raw(path), { throwIfNoEntry: false })
  const other = there(path.replace("/d/", "/s/"))
  return there(path) === undefined && (other === undefined || other.isDirectory() === isDirectory)
}

/** Makes what is in a directory. */
const fill = (dice: Dice, directory: string, levels: number): void => {
  fs.mkdirSync(raw(directory), { recursive: true })
  for (let left = dice.whole(2, 6); left > 0; left--) {
    const path = `${directory}/${nameOf(dice)}`
    if (!isFree(path, false)) continue
    if (dice.hits(0.1)) fs.symlinkSync(dice.pick("a", "..", "nowhere"), raw(path))
    else write(path, "x".repeat(dice.whole(0, 3)))
  }
  for (let left = levels === 0 ? 0 : dice.whole(1, 3); left > 0; left--) {
    const path = `${directory}/${dice.pick("sub", "sub", "foo", "bar", ...directoryNames)}`
    if (isFree(path, true)) fill(dice, path, levels - 1)
  }
  for (const name of ruleFiles)
    if (dice.hits(0.4))
      write(
        `${directory}/${name}`,
        lines(dice, () => ruleInTree(dice))
      )
  if (dice.hits(0.4))
    write(
      `${directory}/.p`,
      lines(dice, () => pattern(dice))
    )
  if (dice.hits(0.4)) write(`${directory}/.w`, words(dice))
  if (dice.hits(0.4)) write(`${directory}/.cvsignore`, words(dice))
}

export const plant = (dice: Dice, base: string): Tree => {
  for (const tree of ["s", "d"]) {
    for (const path of ["a", "foo/a", "foo/b", "sub/foo/bar/a", "sub/a/b", `sub/${latin}`]) {
      fs.mkdirSync(raw(`${base}/${tree}/${path}`.replace(/[^/]*$/, "")), { recursive: true })
      write(`${base}/${tree}/${path}`, "")
    }
    fill(dice, `${base}/${tree}`, 3)
  }
  // above the tree
  for (const name of ruleFiles) {
    write(
      `${base}/${name}`,
      lines(dice, () => ruleInTree(dice))
    )
  }
  fs.mkdirSync(`${base}/e`)
  fs.mkdirSync(`${base}/home`)
  // Anchored words are anchored elsewhere by a rule -C in a directory's file: see docs/filters.md.
  write(`${base}/home/.cvsignore`, words(dice).replace(/(^|\s)\/+/g, "$1"))
  for (const at of [0, 1, 2]) {
    write(
      `${base}/m${at}`,
      lines(dice, () => rule(dice))
    )
    write(
      `${base}/p${at}`,
      lines(dice, () => dice.pick("", "", "", "+ ", "- ") + pattern(dice))
    )
  }
  return { base }
}

// ---- rules ----

const lines = (dice: Dice, line: () => string): string => {
  const all = Array.from({ length: dice.whole(1, 4) }, line)
  return all
    .map((one) => `${dice.pick("", "", "# comment\n", "; other\n", "\n")}${one}${dice.pick("\n", "\r\n")}`)
    .join("")
}

const words = (dice: Dice): string =>
  Array.from({ length: dice.whole(0, 4) }, () => pattern(dice).replaceAll(" ", "?")).join(dice.pick(" ", "\n", " \t\n"))

const part = (dice: Dice): string => {
  const name = nameOf(dice)
  const end = nameOf(dice).slice(-1)
  if (dice.hits(0.5)) return dice.pick(name, name, name, "*", `*${end}`, `${name[0]}*`, `?${name.slice(1)}`)
  const set = dice.pick(
    "[a-c]",
    "[!a-c]",
    "[^b]",
    "[[:alpha:]]",
    "[[:punct:]b]",
    "[]x]",
    "[a",
    "[\\]z]",
    "[a\\-c]",
    "[-a]",
    "[[:x:]]",
    "[b-]",
    "[\xe0-\xff]"
  )
  return dice.pick(
    name,
    name,
    name,
    "*",
    "?",
    "**",
    "***",
    `*${end}`,
    `${name[0]}*`,
    `?${name.slice(1)}`,
    set,
    `${set}*`,
    `${name[0]}**`,
    `**${end}`,
    `\\${name}`,
    `*\\${end}`,
    "a*b*",
    "*.*",
    ".*",
    ""
  )
}

/** A pattern; it is not empty, and a line of it is no comment. */
const pattern = (dice: Dice): string => {
  const parts = Array.from({ length: dice.pick(1, 1, 1, 1, 2, 3) }, () => part(dice))
  const text = `${dice.pick("", "", "/")}${parts.join("/")}${dice.pick("", "", "", "", "/", "/***")}`
  return text === "" || /^[#;!]|^[-+] |^\s/.test(text) ? "foo" : text
}

const absolute = (dice: Dice): string => dice.pick("s/a", "s/**", "s/sub/*", "/**/s/foo", "s*/a", "**/s/b*", "foo/a")

/** A rule about paths. */
const match = (dice: Dice): string => {
  const sides = dice.pick("", "", "", "s", "r", "sr")
  const modifiers = `${dice.hits(0.1) ? "!" : ""}${sides}${dice.hits(0.25) ? "p" : ""}${dice.hits(0.1) ? "x" : ""}`
  if (dice.hits(0.08)) return `${dice.pick("-", "+")}/${modifiers} ${absolute(dice)}`
  const own = modifiers.replace(/[sr]/g, "")
  const start = dice.pick(
    ...["- ", "- ", "- ", "- ", "+ ", "+ ", "-_", "exclude ", "include_", `-${modifiers} `, `+${modifiers} `],
    ...[`exclude,${modifiers} `, "H ", "S ", "P ", "R ", `hide,${own} `, `protect,${own}_`, `R${own} `]
  )
  return `${start}${pattern(dice)}`
}

/** Where each file of a directory is read in one way, as the first rule that names it says. */
const directoryMerge = (dice: Dice): string =>
  dice.pick(
    ": .f",
    ": .f",
    ": .f",
    ":n .f",
    ": /.f",
    ":e .f",
    "dir-merge .f",
    ":p .f",
    ":- .p",
    ":+ .p",
    ":-ns .p",
    ":s- .p",
    ":r- .p",
    ":w- .w",
    ":C",
    ":C .w",
    ":-/ .p",
    ": /.f",
    ": ../.f"
  )

/** A rule in a file of the tree. */
const ruleInTree = (dice: Dice): string =>
  dice.hits(0.2) ? "!" : dice.hits(0.1) ? dice.pick(":n- .p", ":C", ":w- .w", "-C") : match(dice)

const rule = (dice: Dice): string =>
  dice.hits(0.03) ? "!" : dice.hits(0.4) ? directoryMerge(dice) : dice.hits(0.03) ? "-C" : match(dice)

/** The options of one command line. Arguments are text, so bytes that are none stand in files only. */
export const options = (dice: Dice): ReadonlyArray<Given> => {
  const one = (): Given => {
    const at = dice.whole(0, 2)
    return dice.pick<Given>(
      { option: "exclude", value: pattern(dice) },
      { option: "include", value: pattern(dice) },
      { option: "exclude", value: dice.pick("+ ", "- ", "") + pattern(dice) },
      { option: "exclude-from", value: `p${at}` },
      { option: "include-from", value: `p${at}` },
      { option: "F", value: "" },
      { option: "filter", value: `.${dice.pick("", "", "s-", "-", "+", "C", "w-")} p${at}`.replace(/^\. p/, ". m") },
      { option: "filter", value: rule(dice) },
      { option: "filter", value: rule(dice) },
      { option: "filter", value: rule(dice) },
      { option: "filter", value: rule(dice) }
    )
  }
  return Array.from({ length: dice.whole(1, 6) }, one).map(({ option, value }) =>
    raw(value).toString("utf8").includes("\ufffd") ? { option, value: "- a" } : { option, value }
  )
}

export const shown = (given: ReadonlyArray<Given>): ReadonlyArray<string> =>
  given.map(({ option, value }) => (option === "F" ? "-F" : `--${option}=${raw(value).toString("utf8")}`))

// ---- both programs ----

export interface Ended {
  readonly status: number
  readonly out: string
  readonly err: string
}

/** Runs rsync in the base of a tree, with its settings of CVS. */
export const rsync = (base: string, ...args: ReadonlyArray<string>) =>
  Effect.callback<Ended>((resume) => {
    const env = { PATH: process.env["PATH"], HOME: `${base}/home`, LC_ALL: "C", CVSIGNORE: "X1" }
    execFile("rsync", ["-8", ...args], { cwd: base, env, encoding: "latin1" }, (error, out, err) =>
      resume(Effect.succeed({ status: error === null ? 0 : Number(error.code), out, err }))
    )
  })

/** The paths that rsync lists, but for the top, which it lists only when its time differs. */
export const listed = ({ out }: Ended): ReadonlyArray<string> =>
  out
    .split("\n")
    .filter((line) => line !== "" && line !== "./")
    .sort()

/** What CVS ignores there besides, as rsync reads it. */
export const cvsWordsOf = (base: string): string => `${fs.readFileSync(`${base}/home/.cvsignore`, "latin1")} X1`

export const choiceOf = (base: string, given: ReadonlyArray<Given>, excludesCvs: boolean): Choice => {
  const cvsWords = cvsWordsOf(base)
  const rules = rulesOf(given, excludesCvs, { read: reading(base), isNulSeparated: false, cvsWords })
  if (Result.isFailure(rules)) throw new Error(JSON.stringify(rules.failure))
  return { ...everything, rules: rules.success, cvsWords }
}

/** The paths that ours sends. */
export const selected = (choice: Choice, ...sources: ReadonlyArray<string>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const context = yield* Layer.build(DiskSource.layer(sources, choice))
      const { entries } = yield* Context.get(context, Source).scan
      return entries
        .map((entry) => `${keyOf(entry.path)}${entry._tag === "Directory" ? "/" : ""}`)
        .filter((path) => path !== "/")
        .sort()
    })
  )

// ---- deletion ----

/** Everything below a directory. */
const below = (directory: string): Array<string> =>
  fs.readdirSync(raw(directory), { encoding: "latin1", withFileTypes: true }).flatMap((one) => {
    const inner = one.isDirectory() ? below(`${directory}/${one.name}`).map((path) => `${one.name}/${path}`) : []
    return [one.name, ...inner]
  })

/** A copy of the tree "d", to be deleted in. */
export const copied = (base: string) =>
  Effect.acquireRelease(
    Effect.callback<string>((resume) => {
      const copy = fs.mkdtempSync(`${base}/copy-`)
      execFile("cp", ["-a", `${base}/d/.`, copy], () => resume(Effect.succeed(copy)))
    }),
    (copy) => Effect.sync(() => fs.rmSync(copy, { recursive: true, force: true }))
  )

/** What rsync leaves in it when it deletes, and does nothing else. */
export const kept = Effect.fnUntraced(function* (base: string, copy: string, ...args: ReadonlyArray<string>) {
  const only = ["--existing", "--ignore-existing"]
  const ended = yield* rsync(base, "-a", ...only, ...args, "s/", `${copy.slice(base.length + 1)}/`)
  return { ...ended, left: below(copy).sort() }
})

/** What is left in it after ours: paths go that were not sent and that no rule keeps. */
export const left = (
  base: string,
  root: string,
  rules: ReadonlyArray<Rule>,
  { deletesExcluded, sent }: { readonly sent: ReadonlyArray<string>; readonly deletesExcluded: boolean }
): ReadonlyArray<string> => {
  const transfer = { side: "Receiver", root, deletesExcluded } as const
  const sources = { read: reading(root), isNulSeparated: false, cvsWords: cvsWordsOf(base) }
  const all = new Set(sent)
  const gone = new Set<string>()
  const isDirectory = (path: string) => fs.lstatSync(raw(`${root}/${path}`)).isDirectory()
  const namesIn = (path: string) =>
    fs.readdirSync(raw(`${root}/${path}`), "latin1").map((name) => (path === "" ? name : `${path}/${name}`))
  const made = (filter: Result.Result<Filter, Fault>): Filter => {
    if (Result.isFailure(filter)) throw new Error(JSON.stringify(filter.failure))
    return filter.success
  }
  const inside = (filter: Filter, path: string) =>
    made(enter(filter, path, (name) => readRules(`${root}/${path}`, name)))
  const remove = (filter: Filter, path: string, isDoomed: boolean): void => {
    if (!mayDelete(filter, path, isDirectory(path), isDoomed)) return
    if (isDirectory(path)) {
      const inner = inside(filter, path)
      for (const name of namesIn(path)) remove(inner, name, true)
      if (namesIn(path).some((name) => !gone.has(name))) return
    }
    gone.add(path)
  }
  const visit = (filter: Filter, path: string): void => {
    const inner = inside(filter, path)
    for (const name of namesIn(path)) {
      if (all.has(`${name}/`) && isDirectory(name)) visit(inner, name)
      else if (!all.has(name) && !all.has(`${name}/`)) remove(inner, name, false)
    }
  }
  visit(made(fromAbove(make(rules, { ...transfer, sources }), root, readRules)), "")
  return below(root)
    .filter((path) => !gone.has(path))
    .sort()
}

// ---- texts ----

/** The text of a rule, or nearly. It names the file "m" only. */
export const rulesText = (dice: Dice): string => {
  const start = dice.pick(
    "-",
    "+",
    ".",
    ":",
    "H",
    "S",
    "P",
    "R",
    "!",
    "exclude",
    "include",
    "merge",
    "dir-merge",
    "hide",
    "show",
    "protect",
    "risk",
    "clear",
    "excludes",
    "x",
    " -",
    ""
  )
  const modifiers = Array.from({ length: dice.pick(0, 0, 0, 1, 1, 2, 3) }, () =>
    dice.pick("/", "!", "C", "s", "r", "p", "x", "e", "n", "w", "-", "+", "z", ",")
  ).join("")
  return `${start}${dice.pick("", ",")}${modifiers}${dice.pick(" m", "_m", " ", "", " m ", "m")}`
}
