/** What `send` chooses of its sources: the same words for rsync and for us, and the same lists. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import type { Choice } from "../../src/source/Choice.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import { listed, rsync, selected } from "../filter/stories.ts"
import { directory, isRoot } from "../store/Sandbox.ts"
import { mrsync } from "./Rig.ts"

const hasRsync = spawnSync("rsync", ["--version"]).status === 0

/** base/s: files, directories, links and rules; base/e is empty. */
const planted = Effect.gen(function* () {
  const base = yield* directory
  const files = {
    ...{ a: 1, b: 10, big: 3000, "x y": 1, "-dash": 1, "#hash": 1, "b.o": 1, ".rsync-filter": 0, ".cvsignore": 0 },
    ...{ "sub/a": 1, "sub/b.o": 2, "sub/deep/a": 1, "sub/deep/c": 2000, ".git/a": 1, "only/b.o": 1 }
  }
  for (const path of ["e", "home", "s/none/at", "s/sub/deep", "s/.git", "s/only"]) {
    fs.mkdirSync(`${base}/${path}`, { recursive: true })
  }
  for (const [path, size] of Object.entries(files)) fs.writeFileSync(`${base}/s/${path}`, "x".repeat(size))
  fs.symlinkSync("a", `${base}/s/link`)
  fs.symlinkSync("sub/deep", `${base}/s/way`)
  fs.writeFileSync(`${base}/s/.rsync-filter`, "- big\n")
  fs.writeFileSync(`${base}/s/sub/.rsync-filter`, "+ /b.o\n- *\n")
  fs.writeFileSync(`${base}/s/.cvsignore`, "b x*y\n")
  fs.writeFileSync(`${base}/home/.cvsignore`, "")
  fs.writeFileSync(`${base}/rules`, "# none\nb*\r\n+ a\n- deep\n")
  fs.writeFileSync(`${base}/rules0`, "x y\0a\0")
  fs.writeFileSync(`${base}/list`, "# a list\nsub/deep/a\n\n/big\nsub\n.//only//\nsub/../b\n../a\nsub/deep/a\r\n")
  fs.writeFileSync(`${base}/inside`, "sub/./deep/a\nway/c\nlink\n")
  fs.writeFileSync(`${base}/top`, "./a\nsub/\n")
  fs.writeFileSync(`${base}/all`, ".\n")
  fs.writeFileSync(`${base}/nested`, "sub/deep/\n")
  fs.writeFileSync(`${base}/list0`, "a\0#hash\0sub/deep\0")
  return base
})

/** Calls `send` with these words; answers its choice, or what it says on standard error. */
const chosen = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
  const network = yield* Simulated.make({ seed: 1 })
  const all: Array<{ readonly choice: Choice | undefined; readonly sources: ReadonlyArray<string> }> = []
  const host = {
    network,
    chosen: (choice: Choice | undefined, sources: ReadonlyArray<string>) => all.push({ choice, sources })
  }
  const ended = yield* mrsync(host, "send", "--insecure", ...args)
  return { ...ended, ...all[0] }
})

describe.skipIf(!hasRsync)("send chooses as rsync does", () => {
  it.live.each([
    "s/",
    "s",
    "--exclude=a s/",
    "--exclude a --include sub/a s/",
    "--include sub/a --exclude a s/",
    "--include=sub/a -f -_a -f +_deep/a s",
    "-f -_*.o -f-_a s/",
    "-xf -_a s/",
    "--exclude -dash --exclude=x?y s/",
    "--exclude-from=BASE/rules s/",
    "--exclude-from BASE/rules --exclude=a s/",
    "--include-from BASE/rules --exclude=* s/",
    "-0 --exclude-from=BASE/rules0 s/",
    "-x0 --exclude-from=BASE/rules0 s/",
    "--from0 --exclude-from=BASE/rules0 s/",
    "-f .-_BASE/rules -F s/",
    "-F s/",
    "-FF s",
    "-xFLF s/",
    "--exclude=b -F --include=big s/",
    "--include=big --exclude=b -F s/",
    "-C s/",
    "--cvs-exclude --include=b.o s/",
    "--include=core -f-C s/",
    "--max-size=1K s/",
    "--max-size=2KB s/",
    "--max-size 1999 --min-size=2 s/",
    "--min-size=1.5K s/",
    "--min-size=2K-1 s/",
    "-L s/",
    "--copy-links --exclude=way/c s",
    "-m s/",
    "-m s",
    "-m --exclude=b.o s/",
    "-m s/none",
    "--prune-empty-dirs --exclude=* s/",
    "--files-from=BASE/list s/",
    "--files-from BASE/list s",
    "-r --files-from BASE/list s/",
    "--recursive --files-from=BASE/list --exclude=deep/ s/",
    "--files-from=BASE/list --exclude=sub s/",
    "--files-from=BASE/list --exclude=* s/",
    "--files-from=BASE/inside s/",
    "--files-from=BASE/inside -L s/",
    "--files-from=BASE/top s/",
    "--files-from=BASE/top -F s/",
    "--files-from=BASE/top -F -r s/",
    "--files-from=BASE/nested s/",
    "--files-from=BASE/nested -F s/",
    "--files-from=BASE/all s/",
    "--files-from=BASE/all -r -C s/",
    "-0 --files-from=BASE/list0 s/",
    "-0r --files-from=BASE/list0 --exclude=c s/",
    "-m --files-from=BASE/list s/",
    "s/a s/sub",
    "--exclude=/a s/a s/sub",
    "--exclude=/a s/ s/sub s/only/"
  ])("%s", (line) =>
    Effect.gen(function* () {
      const base = yield* planted
      const words = line.replaceAll("BASE", base).split(" ")
      const sources = words.filter((word) => /^s(\/|$)/.test(word))
      const theirs = yield* rsync(base, "-n", "-a", "--out-format=%n", ...words, "e/")
      assert.deepStrictEqual([theirs.err, theirs.status], ["", 0])
      const args = words.map((word) => (sources.includes(word) ? `${base}/${word}` : word))
      const { choice, err } = yield* chosen(...args)
      assert.isDefined(choice, err.join("\n"))
      const ours = yield* selected(choice, ...sources.map((source) => `${base}/${source}`))
      assert.deepStrictEqual(ours, listed(theirs))
    })
  )

  it.live.skipIf(!isRoot)("at the borders of a file system", () =>
    Effect.gen(function* () {
      const base = yield* planted
      yield* Effect.acquireRelease(
        Effect.sync(() => execFileSync("mount", ["-t", "tmpfs", "none", `${base}/s/none/at`])),
        () => Effect.sync(() => execFileSync("umount", [`${base}/s/none/at`]))
      )
      fs.writeFileSync(`${base}/s/none/at/there`, "")
      for (const option of ["-v", "-x", "-xx"]) {
        const theirs = yield* rsync(base, "-n", "-a", "--out-format=%n", option, "s/none", "e/")
        const { choice } = yield* chosen(option, `${base}/s/none`)
        const ours = yield* selected(choice!, `${base}/s/none`)
        assert.deepStrictEqual(
          ours,
          listed(theirs).filter((path) => path.startsWith("none")),
          option
        )
      }
    })
  )
})

describe("what is wrong with a choice is said", () => {
  it.live.each([
    [["-f", "bogus a"], 1, 'filter rule "bogus a" (--filter): expected a rule that begins with exclude (-)'],
    [["--filter=-z a"], 1, 'there is no modifier "z" here: expected those of /!Csrpx'],
    [
      ["--exclude-from=BASE/bad", "--exclude=a"],
      1,
      'filter rule "x\\x00y" (BASE/bad, line 3): expected a rule without a NUL'
    ],
    [["-f", ". BASE/worse"], 1, 'filter rule "nonsense" (BASE/worse, line 1): expected a rule'],
    [["--exclude-from=BASE/nothing"], 11, "BASE/nothing: no such file or directory (ENOENT)"],
    [["-f", "merge BASE/nothing"], 11, "BASE/nothing: no such file of filter rules (ENOENT)"],
    [["--files-from=BASE/nothing"], 11, "BASE/nothing: no such file or directory (ENOENT)"],
    [["--files-from=BASE/bad", "y"], 1, "--files-from lists paths below one SOURCE, and there are more"],
    [["--exclude-from=-", "--files-from", "-"], 1, 'standard input can be read once, and "-" is given more than once']
  ] as const)("%j", ([words, status, reason]) =>
    Effect.gen(function* () {
      const base = yield* planted
      fs.writeFileSync(`${base}/bad`, "# x\n\nx\0y\n")
      fs.writeFileSync(`${base}/worse`, "nonsense\n")
      const ended = yield* chosen(`${base}/s/`, ...words.map((word) => word.replaceAll("BASE", base)))
      assert.include(ended.err.join("\n").replaceAll(base, "BASE"), reason)
      assert.strictEqual(ended.status, status)
    })
  )
})
