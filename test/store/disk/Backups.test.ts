/** What is replaced or deleted is kept: rsync is the judge of what is where afterwards. [Y-11] */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { execFileSync, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { policyOf } from "../../../src/cli/Send.ts"
import * as Limits from "../../../src/protocol/Limits.ts"
import { rulesOf } from "../../../src/filter/Options.ts"
import * as Policy from "../../../src/tree/Policy.ts"
import { directory, isRoot, names, ways } from "../Sandbox.ts"
import { sync } from "./syncing.ts"

const canMount = isRoot && spawnSync("unshare", ["--mount", "true"]).status === 0
const hasRsync = spawnSync("rsync", ["--version"]).status === 0

const date = (at: string, when: string) => execFileSync("find", [at, "-exec", "touch", "-h", "-d", when, "{}", "+"])

const source = (at: string, content: string) => {
  fs.mkdirSync(`${at}/d/sub`, { recursive: true })
  for (const name of ["same", "f", "d/f", "d/sub/f", "was a link", "was a fifo", "d/new"])
    fs.writeFileSync(`${at}/${name}`, name === "same" ? "same" : content)
  fs.symlinkSync(`to ${content}`, `${at}/d/link`)
  fs.symlinkSync("f", `${at}/was a file`)
  fs.mkdirSync(`${at}/was a file too`)
  fs.writeFileSync(`${at}/was a file too/f`, content)
  fs.writeFileSync(`${at}/led`, content)
  fs.linkSync(`${at}/led`, `${at}/d/led too`)
  date(at, "2020-02-03 04:05:06")
}

const destination = (at: string) => {
  fs.mkdirSync(`${at}/d/sub`, { recursive: true })
  for (const name of [
    "same",
    "f",
    "d/f",
    "d/sub/f",
    "was a file",
    "was a file too",
    "led",
    "d/led too",
    "d/extra",
    "d/x~"
  ])
    fs.writeFileSync(`${at}/${name}`, name === "same" ? "same" : `old ${name}`)
  fs.symlinkSync("old", `${at}/d/link`)
  fs.symlinkSync("old", `${at}/was a link`)
  fs.symlinkSync("old", `${at}/d/extra link`)
  execFileSync("mkfifo", [`${at}/was a fifo`, `${at}/extra fifo`])
  fs.mkdirSync(`${at}/extra/deep`, { recursive: true })
  for (const name of ["extra/a", "extra/deep/b"]) fs.writeFileSync(`${at}/${name}`, name)
  fs.mkdirSync(`${at}/empty/one`, { recursive: true })
  date(at, "2019-02-03 04:05:06")
  execFileSync("touch", ["-d", "2020-02-03 04:05:06", `${at}/same`])
  for (const [name, mode] of [
    ["d", 0o711],
    ["d/sub", 0o750],
    ["extra", 0o701],
    ["extra/deep", 0o710]
  ] as const) {
    fs.chmodSync(`${at}/${name}`, mode)
    if (isRoot) fs.chownSync(`${at}/${name}`, mode % 7, mode % 5)
  }
  if (isRoot) fs.chownSync(`${at}/d/f`, 3, 4)
}

/** All that can be seen, but times of directories. */
const seen = (at: string): ReadonlyArray<string> =>
  execFileSync("find", [at, "-mindepth", "1", "-printf", "%P %y %m %U:%G %TY %l %n\\n"], { encoding: "utf8" })
    .split("\n")
    .map((line) => {
      const path = line.replace(/ [a-z] \d+ .*/, "")
      const text = / f \d+ /.test(line) ? fs.readFileSync(`${at}/${path}`, "utf8") : ""
      return `${/ d \d+ /.test(line) ? line.replace(/ \d{4} .*/, "") : line} ${text}`
    })
    .toSorted()

const given = { backup: false, backupDir: undefined, suffix: undefined, delete: false, deleteExcluded: false }

type Given = Partial<Parameters<typeof policyOf>[0]>

const policyFor = (options: Given, excluded: ReadonlyArray<string> = []) => {
  const sources = { read: () => Result.succeed(undefined), isNulSeparated: false, cvsWords: "" }
  const rules = excluded.map((value) => ({ option: "exclude" as const, value }))
  const input = { ...given, windowSeconds: 0, ...options } as Parameters<typeof policyOf>[0]
  return Result.getOrThrow(policyOf(input, Result.getOrThrow(rulesOf(rules, false, sources))))
}

const stories: ReadonlyArray<readonly [rsync: string, options: Given, excluded?: ReadonlyArray<string>]> = [
  ["-ab --delete", { backup: true, delete: true }],
  ["-ab --suffix=.old --delete", { backup: true, suffix: ".old", delete: true }],
  ["-a --backup-dir=bak --delete --exclude=/bak/", { backupDir: "bak", delete: true }],
  ["-a --backup-dir=bak/today --suffix=.x", { backupDir: "bak/today", suffix: ".x" }]
]

describe.skipIf(!hasRsync)("backups", () => {
  it.effect.each(stories)("as rsync %s makes them, twice", ([args, options, excluded]) =>
    Effect.gen(function* () {
      const top = yield* directory
      for (const one of ["theirs", "ours"]) destination(`${top}/${one}`)
      const policy = policyFor(options, excluded)
      for (const content of ["first", "second, which is longer"]) {
        fs.rmSync(`${top}/source`, { recursive: true, force: true })
        source(`${top}/source`, content)
        execFileSync("rsync", ["-H", ...args.split(" "), `${top}/source/`, `${top}/theirs/`], { stdio: "pipe" })
        assert.deepStrictEqual(yield* sync(`${top}/source`, `${top}/ours`, policy), [])
        assert.deepStrictEqual(seen(`${top}/ours`), seen(`${top}/theirs`), content)
      }
    })
  )
})

describe.each(ways)("backups by $name", (way) => {
  const kept = Effect.map(directory, (top) => {
    fs.mkdirSync(`${top}/source`)
    fs.mkdirSync(`${top}/ours`)
    fs.writeFileSync(`${top}/source/f`, "new content")
    fs.writeFileSync(`${top}/ours/f`, "old")
    return top
  })
  const of = (top: string, options: Given) => sync(`${top}/source`, `${top}/ours`, policyFor(options), way)

  it.effect("the directory of the backups is not deleted, wherever it is", () =>
    Effect.gen(function* () {
      const top = yield* kept
      fs.writeFileSync(`${top}/ours/extra`, "extra")
      const options = { backupDir: "old/today", delete: true }
      for (let times = 1; times <= 2; times++) assert.deepStrictEqual(yield* of(top, options), [])
      assert.deepStrictEqual(names(`${top}/ours`), ["f", "old", "old/today", "old/today/extra", "old/today/f"])
    })
  )

  it.effect("nor is what is in it, where the source has that directory, too", () =>
    Effect.gen(function* () {
      const top = yield* kept
      fs.mkdirSync(`${top}/source/old`)
      fs.mkdirSync(`${top}/ours/old`)
      fs.writeFileSync(`${top}/ours/old/g`, "of an earlier session")
      assert.deepStrictEqual(yield* of(top, { backupDir: "old", delete: true }), [])
      assert.deepStrictEqual(names(`${top}/ours`), ["f", "old", "old/f", "old/g"])
    })
  )

  it.effect("a backup that cannot be made keeps the old file, and is a failure", () =>
    Effect.gen(function* () {
      const top = yield* kept
      fs.mkdirSync(`${top}/ours/f~/x`, { recursive: true })
      const [failure] = yield* of(top, { backup: true })
      assert.match(failure.reason, /a directory has the name of its backup/)
      assert.strictEqual(fs.readFileSync(`${top}/ours/f`, "utf8"), "old")
      assert.deepStrictEqual(names(`${top}/ours`), ["f", "f~", "f~/x"])
    })
  )

  it.effect.skipIf(!canMount)("nor does it leave anything where the place of the backup cannot be taken", () =>
    Effect.gen(function* () {
      const top = yield* kept
      for (const name of ["f~", "extra", "extra~"]) fs.writeFileSync(`${top}/ours/${name}`, name)
      for (const name of ["f~", "extra~"])
        yield* Effect.acquireRelease(
          Effect.sync(() => execFileSync("mount", ["--bind", `${top}/source/f`, `${top}/ours/${name}`])),
          () => Effect.sync(() => execFileSync("umount", ["-l", `${top}/ours/${name}`]))
        )
      const failures = yield* of(top, { backup: true, delete: true })
      assert.deepStrictEqual(
        failures.map(({ reason }) => reason),
        ["resource busy or locked (EBUSY)", "resource busy or locked (EBUSY)"]
      )
      assert.deepStrictEqual(names(`${top}/ours`), ["extra", "extra~", "f", "f~"])
      assert.strictEqual(fs.readFileSync(`${top}/ours/f`, "utf8"), "old")
    })
  )

  it.effect("what cannot be kept is not deleted", () =>
    Effect.gen(function* () {
      const top = yield* kept
      fs.mkdirSync(`${top}/outside`)
      fs.symlinkSync("../outside", `${top}/ours/old`)
      fs.writeFileSync(`${top}/ours/extra`, "extra")
      const failures = yield* of(top, { backupDir: "old", delete: true })
      assert.strictEqual(failures.length, 2)
      for (const { reason } of failures) assert.match(reason, /DestinationEscape: old is a symbolic link/)
      assert.deepStrictEqual(fs.readdirSync(`${top}/outside`), [])
      assert.deepStrictEqual(
        ["f", "extra"].map((name) => fs.readFileSync(`${top}/ours/${name}`, "utf8")),
        ["old", "extra"]
      )
    })
  )

  it.effect("a backup of this session is not deleted in it, and nothing is kept of older ones", () =>
    Effect.gen(function* () {
      const top = yield* kept
      fs.writeFileSync(`${top}/ours/g~`, "an older one")
      assert.deepStrictEqual(yield* of(top, { backup: true, deleteExcluded: true }), [])
      assert.deepStrictEqual(names(`${top}/ours`), ["f", "f~"])
    })
  )

  it.effect("a backup takes the name of no entry", () =>
    Effect.gen(function* () {
      const top = yield* kept
      fs.writeFileSync(`${top}/source/f~`, "the source has it")
      const [failure, ...others] = yield* of(top, { backup: true })
      assert.deepStrictEqual(others, [])
      assert.match(failure.reason, /its backup would have the name of an entry of the tree/)
      assert.strictEqual(fs.readFileSync(`${top}/ours/f`, "utf8"), "old")
      assert.strictEqual(fs.readFileSync(`${top}/ours/f~`, "utf8"), "the source has it")
    })
  )

  it.effect("a directory with something that would be kept in it makes no way beside, and does into a directory", () =>
    Effect.gen(function* () {
      const top = yield* kept
      fs.rmSync(`${top}/ours/f`)
      fs.mkdirSync(`${top}/ours/f/deep`, { recursive: true })
      fs.writeFileSync(`${top}/ours/f/deep/x`, "x")
      const [failure] = yield* of(top, { backup: true, force: true })
      assert.match(failure.reason, /something must stay/)
      assert.deepStrictEqual(names(`${top}/ours`), ["f", "f/deep", "f/deep/x"])
      assert.deepStrictEqual(yield* of(top, { backupDir: "old", force: true }), [])
      assert.deepStrictEqual(names(`${top}/ours`), ["f", "old", "old/f", "old/f/deep", "old/f/deep/x"])
      // and the backup of a file takes the place of an older one in which it would be a directory
      fs.rmSync(`${top}/ours/old/f`, { recursive: true })
      fs.writeFileSync(`${top}/ours/old/f`, "an older backup")
      fs.rmSync(`${top}/ours/f`)
      fs.mkdirSync(`${top}/ours/f`)
      fs.writeFileSync(`${top}/ours/f/y`, "y")
      assert.deepStrictEqual(yield* of(top, { backupDir: "old", force: true }), [])
      assert.deepStrictEqual(names(`${top}/ours`), ["f", "old", "old/f", "old/f/y"])
    })
  )

  it.effect("in more directories than are kept open", () =>
    Effect.gen(function* () {
      const top = yield* kept
      const paths = ["d/", "d/".repeat(Limits.openDirectories + 6)]
      for (const [tree, content] of [
        ["source", "new, and longer"],
        ["ours", "old"]
      ]) {
        fs.mkdirSync(`${top}/${tree}/${paths.at(-1)}`, { recursive: true })
        for (const path of paths) {
          fs.writeFileSync(`${top}/${tree}/${path}f`, content + path)
          fs.symlinkSync(content + path, `${top}/${tree}/${path}link`)
          if (tree === "ours") fs.writeFileSync(`${top}/${tree}/${path}extra`, content + path)
        }
      }
      assert.deepStrictEqual(yield* of(top, { backupDir: "kept", delete: true }), [])
      for (const path of paths) {
        const at = [`${top}/ours/${path}`, `${top}/ours/kept/${path}`] as const
        assert.deepStrictEqual(
          [...at.map((at) => fs.readFileSync(`${at}f`, "utf8")), ...at.map((at) => fs.readlinkSync(`${at}link`))],
          [`new, and longer${path}`, `old${path}`, `new, and longer${path}`, `old${path}`]
        )
        assert.deepStrictEqual(fs.readFileSync(`${at[1]}extra`, "utf8"), `old${path}`)
        const time = fs.lstatSync(`${top}/source/${path}link`).mtimeMs
        assert.closeTo(fs.lstatSync(`${at[0]}link`).mtimeMs, time, 1)
      }
    })
  )

  it.effect("the name is never missing, and what was there is the backup itself", () =>
    Effect.gen(function* () {
      const top = yield* kept
      const { ino } = fs.statSync(`${top}/ours/f`)
      assert.deepStrictEqual(yield* of(top, { backup: true }), [])
      assert.strictEqual(fs.statSync(`${top}/ours/f~`).ino, ino)
      assert.deepStrictEqual(names(`${top}/ours`), ["f", "f~"])
    })
  )
})

describe("options of backups", () => {
  it.each<readonly [Given, RegExp]>([
    [{ suffix: "x" }, /--suffix is of no use without --backup/],
    [{ backup: true, suffix: "" }, /--suffix cannot be empty/]
  ])("%j is refused", (options, reason) => {
    const input = { ...given, ...options } as Parameters<typeof policyOf>[0]
    assert.match(Result.match(policyOf(input, []), { onFailure: (error) => error.reason, onSuccess: () => "" }), reason)
  })

  it("beside what they are of, they are protected, and times of directories are left", () => {
    const { leavesDirectoryTimes, rules } = policyFor({ backup: true, suffix: ".[1]*", delete: true })
    assert.strictEqual(Buffer.from(rules).toString(), "-r *.\\[1]\\*\0")
    assert.isTrue(leavesDirectoryTimes)
    assert.strictEqual(policyFor({ backup: true, deleteExcluded: true }).rules.length, 0)
    assert.isFalse(policyFor({ backupDir: "x" }).leavesDirectoryTimes === true)
    assert.isUndefined(Policy.defaults.backup)
  })
})
