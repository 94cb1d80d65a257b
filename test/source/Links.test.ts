/** Symbolic links that are followed, or left out: rsync is the judge of -L, --copy-unsafe-links and --safe-links. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { type Choice, everything } from "../../src/source/Choice.ts"
import * as DiskSource from "../../src/source/Disk.ts"
import { Source } from "../../src/source/Source.ts"
import { isUnsafe } from "../../src/source/Unsafe.ts"
import { display, keyOf } from "../../src/tree/Names.ts"
import { directory } from "../store/Sandbox.ts"

const hasRsync = spawnSync("rsync", ["--version"]).status === 0

const targets = [
  ...["file", "nowhere", "sub", "sub/deep", "/nowhere", "TOP/outside", "TOP/outside/file", "../outside", "../nowhere"],
  ...[".", "sub/../file", "../source/file", "../../x", "./file", ".//../outside/file", "../sub/file"],
  ...["../../outside/file", "deep/../../file", "loop", "..//outside", "sub/", "../source/sub/../file"]
]

/** The tree `source`, with links at two levels, beside `outside`. */
const planted = Effect.map(directory, (top) => {
  for (const path of ["source/sub/deep", "outside/in"]) fs.mkdirSync(`${top}/${path}`, { recursive: true })
  for (const path of ["source/file", "source/sub/file", "source/sub/deep/file", "outside/file", "outside/in/file"])
    fs.writeFileSync(`${top}/${path}`, path)
  fs.symlinkSync("../../source/file", `${top}/outside/in/back`)
  fs.symlinkSync("loop", `${top}/source/loop`)
  for (const [at, target] of targets.entries()) {
    const text = target.replace("TOP", top)
    fs.symlinkSync(text, `${top}/source/link ${at}`)
    fs.symlinkSync(text, `${top}/source/sub/link ${at}`)
  }
  return top
})

const listed = (at: string): ReadonlyMap<string, string> => {
  const out = new Map<string, string>()
  const walk = (path: string, shown: string) => {
    for (const name of fs.readdirSync(path)) {
      const stats = fs.lstatSync(`${path}/${name}`)
      out.set(
        shown + name,
        stats.isSymbolicLink() ? fs.readlinkSync(`${path}/${name}`) : stats.isDirectory() ? "d" : "f"
      )
      if (stats.isDirectory()) walk(`${path}/${name}`, `${shown}${name}/`)
    }
  }
  walk(at, "")
  return out
}

describe.skipIf(!hasRsync)("links as rsync has them", () => {
  it.effect.each<readonly [string, Partial<Choice>, string]>([
    ["--copy-unsafe-links", { followsUnsafe: true }, "source/"],
    ["--copy-unsafe-links", { followsUnsafe: true }, "source"],
    ["--safe-links", { leavesOutUnsafe: true }, "source/"],
    ["--safe-links", { leavesOutUnsafe: true }, "source"],
    ["--no-links", { hasLinks: false }, "source/"],
    ["-L", { followsLinks: true }, "source/sub/deep"]
  ])("%s", ([option, choice, source]) =>
    Effect.gen(function* () {
      const top = yield* planted
      const theirs = spawnSync("rsync", ["-a", option, `${top}/${source}`, `${top}/copy/`], {
        encoding: "utf8",
        timeout: 20_000
      })
      const scanned = yield* Effect.flatMap(
        Layer.build(DiskSource.layer([`${top}/${source}`], { ...everything, ...choice })),
        (context) => Context.get(context, Source).scan
      )
      const ours = scanned.entries.flatMap((entry): ReadonlyArray<readonly [string, string]> => {
        if (entry.path.length === 0) return []
        const kind = entry._tag === "Symlink" ? keyOf(entry.target) : entry._tag === "Directory" ? "d" : "f"
        return [[display(entry.path), kind]]
      })
      assert.deepStrictEqual(new Map(ours.toSorted()), new Map([...listed(`${top}/copy`)].toSorted()))
      // what leads nowhere is a loss on both sides
      const isLossy = scanned.skipped.some(({ kind }) => kind === "Unreadable")
      assert.strictEqual(theirs.status, isLossy ? 23 : 0, theirs.stderr)
    })
  )

  it.each([
    ["", "a", true],
    ["a", "b", false],
    ["..", "a/b", false],
    ["..", "b", true],
    ["../..", "a/b", true],
    ["a/..", "d/b", true],
    ["x/../../y", "d/e/f", true]
  ])("%j at %s", (target, path, expected) => assert.strictEqual(isUnsafe(target, path), expected))
})
