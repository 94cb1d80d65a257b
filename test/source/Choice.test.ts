/** What a source leaves out by choice, where rsync is no judge: errors, contents behind links, and what stays in order. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import { rulesOf } from "../../src/filter/Options.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import { type Choice, everything, reading } from "../../src/source/Choice.ts"
import * as DiskSource from "../../src/source/Disk.ts"
import { Source } from "../../src/source/Source.ts"
import { display } from "../../src/tree/Names.ts"
import { directory } from "../store/Sandbox.ts"

const source = (choice: Choice, ...sources: ReadonlyArray<string>) =>
  Effect.map(Layer.build(DiskSource.layer(sources, choice)), (context) => Context.get(context, Source))

const filtered = (...rules: ReadonlyArray<string>): Choice => {
  const given = rules.map((value) => ({ option: "filter" as const, value }))
  const sources = { read: reading("/"), isNulSeparated: false, cvsWords: "" }
  return { ...everything, rules: Result.getOrThrow(rulesOf(given, false, sources)) }
}

const paths = Effect.fnUntraced(function* (choice: Choice, ...sources: ReadonlyArray<string>) {
  const { entries, skipped } = yield* (yield* source(choice, ...sources)).scan
  return { entries: entries.map(({ path }) => display(path)), skipped }
})

describe("a directory that is excluded", () => {
  it.live("is not read, also where it cannot be", () =>
    Effect.gen(function* () {
      const base = yield* directory
      fs.mkdirSync(`${base}/closed`)
      // a file of rules that would end the scan
      fs.writeFileSync(`${base}/closed/.f`, "bogus")
      const { entries, skipped } = yield* paths(filtered(": .f", "- closed"), `${base}/`)
      assert.deepStrictEqual([entries, skipped], [["."], []])
    })
  )
})

describe("a file of rules in a directory", () => {
  it.live("with a bad rule ends the scan, and the place is said", () =>
    Effect.gen(function* () {
      const base = yield* directory
      fs.mkdirSync(`${base}/d`)
      fs.writeFileSync(`${base}/d/.f`, "- a\n\nbogus a\n")
      const bad = yield* source(filtered(": .f"), `${base}/`)
      const error = yield* Effect.flip(bad.scan)
      assert.strictEqual(error._tag, "FilterError")
      assert.match(error.message, /^filter rule "bogus a" \(.*\/d\/\.f, line 3\): expected a rule that begins with/)
      assert.include(error.message, `${base}/d/.f`)
    })
  )

  it.live("that is too large ends the scan, and one that is no file is none", () =>
    Effect.gen(function* () {
      const base = yield* directory
      fs.mkdirSync(`${base}/.f`)
      fs.mkdirSync(`${base}/d`)
      fs.symlinkSync("nowhere", `${base}/d/.f`)
      assert.deepStrictEqual((yield* paths(filtered(": .f"), `${base}/`)).entries, [".", ".f", "d", "d/.f"])
      fs.rmSync(`${base}/d/.f`)
      fs.writeFileSync(`${base}/d/.f`, "#".repeat(Limits.filterFileBytes))
      assert.deepStrictEqual((yield* paths(filtered(": .f"), `${base}/`)).entries, [".", ".f", "d", "d/.f"])
      fs.appendFileSync(`${base}/d/.f`, "#")
      const error = yield* Effect.flip((yield* source(filtered(": .f"), `${base}/`)).scan)
      assert.strictEqual(
        error.message,
        `${base}/d/.f: expected at most ${Limits.filterFileBytes} bytes of filter rules (EFBIG)`
      )
    })
  )

  it.live("is heard again in the next scan", () =>
    Effect.gen(function* () {
      const base = yield* directory
      fs.writeFileSync(`${base}/a`, "")
      const service = yield* source(filtered(": .f"), `${base}/`)
      assert.lengthOf((yield* service.scan).entries, 2)
      fs.writeFileSync(`${base}/.f`, "- a\n- .f")
      assert.lengthOf((yield* service.scan).entries, 1)
    })
  )
})

describe("links that are followed", () => {
  const followed = { ...everything, followsLinks: true }

  it.live("give the content, small or large, of that to which they lead", () =>
    Effect.gen(function* () {
      const base = yield* directory
      fs.mkdirSync(`${base}/s`)
      fs.writeFileSync(`${base}/small`, "small")
      fs.writeFileSync(`${base}/large`, "large".repeat(200_000))
      fs.symlinkSync("../small", `${base}/s/a`)
      fs.symlinkSync(`${base}/large`, `${base}/s/b`)
      const service = yield* source(followed, `${base}/s/`, `${base}/s/a`)
      const { entries, skipped } = yield* service.scan
      assert.deepStrictEqual(
        entries.map(({ _tag, path }) => [_tag, display(path)]),
        [
          ["Directory", "."],
          ["File", "a"],
          ["File", "b"]
        ]
      )
      assert.deepInclude(skipped, { path: `${base}/s/a`, kind: "Special", isDouble: true, reason: skipped[0].reason })
      const into = new Uint8Array(5)
      assert.deepStrictEqual(yield* service.readMembers([{ entry: 1, offset: 0, size: 5 }], into), [])
      assert.strictEqual(Buffer.from(into).toString(), "small")
      const file = yield* service.open(2)
      yield* file.read(999_995, into)
      assert.strictEqual(Buffer.from(into).toString(), "large")
      assert.isTrue(yield* file.isUntouched)
    }).pipe(Effect.scoped)
  )

  it.live("are lost when they lead nowhere, or around, unless they are excluded", () =>
    Effect.gen(function* () {
      const base = yield* directory
      fs.mkdirSync(`${base}/d/e`, { recursive: true })
      fs.symlinkSync("nothing", `${base}/a`)
      fs.symlinkSync("self", `${base}/self`)
      fs.symlinkSync("..", `${base}/d/e/z`)
      fs.symlinkSync("e", `${base}/d/twice`)
      const { entries, skipped } = yield* paths(followed, `${base}/`)
      assert.deepStrictEqual(entries, [".", "d", "d/e", "d/twice"])
      assert.deepStrictEqual(
        skipped.map(({ kind, path, reason }) => [path.slice(base.length + 1), kind, reason]),
        [
          ["a", "Unreadable", "a symbolic link: no such file or directory (ENOENT)"],
          ["d/e/z", "Unreadable", "a symbolic link to a directory that it is in (ELOOP)"],
          ["d/twice/z", "Unreadable", "a symbolic link to a directory that it is in (ELOOP)"],
          ["self", "Unreadable", "a symbolic link: too many symbolic links encountered (ELOOP)"]
        ]
      )
      const excluded = { ...filtered("- a", "- z/", "- self"), followsLinks: true }
      assert.deepStrictEqual((yield* paths(excluded, `${base}/`)).skipped, [])
    })
  )
})

describe("what is left out", () => {
  it.live("does not put hard links out of order", () =>
    Effect.gen(function* () {
      const base = yield* directory
      for (const name of ["empty", "full", "out"]) fs.mkdirSync(`${base}/${name}`)
      fs.writeFileSync(`${base}/out/a`, "")
      for (const name of ["full/b", "full/c"]) fs.linkSync(`${base}/out/a`, `${base}/${name}`)
      const choice = { ...filtered("- /out/*"), prunesEmpty: true }
      const service = yield* source(choice, `${base}/`)
      const { entries } = yield* service.scan
      assert.deepStrictEqual(
        entries.map((entry) => [display(entry.path), entry._tag === "HardLink" ? entry.leader : entry._tag]),
        [
          [".", "Directory"],
          ["full", "Directory"],
          ["full/b", "File"],
          ["full/c", 2]
        ]
      )
      const file = yield* service.open(2)
      assert.isTrue(yield* file.isUntouched)
    }).pipe(Effect.scoped)
  )

  it.live("is the top as well, unless a list names it as its beginning", () =>
    Effect.gen(function* () {
      const base = yield* directory
      fs.mkdirSync(`${base}/d`)
      fs.writeFileSync(`${base}/d/a`, "")
      const named = (...list: ReadonlyArray<string>) =>
        Effect.map(paths({ ...everything, names: { list, isRecursive: false } }, base), ({ entries }) => entries)
      assert.deepStrictEqual(yield* named("d/a"), ["d", "d/a"])
      assert.deepStrictEqual(yield* named("./d/a"), [".", "d", "d/a"])
      assert.deepStrictEqual(yield* named("."), [".", "d"])
      assert.deepStrictEqual(yield* named("d/./a"), ["a"])
    })
  )

  it.live("is spared where only names below it are listed [Y-6]", () =>
    Effect.gen(function* () {
      const base = yield* directory
      fs.mkdirSync(`${base}/d/e`, { recursive: true })
      fs.writeFileSync(`${base}/d/a`, "")
      fs.writeFileSync(`${base}/d/e/b`, "")
      const spared = Effect.fnUntraced(function* (...list: ReadonlyArray<string>) {
        const names = { list, isRecursive: true }
        return (yield* (yield* source({ ...everything, names }, base)).scan).spared.map(display)
      })
      assert.deepStrictEqual(yield* spared("./d/e"), [".", "d"])
      assert.deepStrictEqual(yield* spared("d/e", "d"), [])
      assert.deepStrictEqual(yield* spared("d", "d/a"), [])
    })
  )

  it.live("may be named in a list: then it is lost, and the others are sent", () =>
    Effect.gen(function* () {
      const base = yield* directory
      fs.writeFileSync(`${base}/a`, "")
      const names = { list: ["gone", "a/b", "../a", "a"], isRecursive: false }
      const { entries, skipped } = yield* paths({ ...everything, names }, base)
      assert.deepStrictEqual(entries, ["a"])
      assert.deepStrictEqual(
        skipped.map(({ at, kind, reason }) => [display(at!), kind, reason]),
        [
          ["gone", "Unreadable", "no such file or directory (ENOENT)"],
          ["a/b", "Unreadable", "not a directory (ENOTDIR)"]
        ]
      )
    })
  )
})
