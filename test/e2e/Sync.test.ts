/** Old versions on real hosts: each catcher ends as the source is, is sent what it lacks, and keeps what is right untouched. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { join } from "node:path"
import * as Lab from "./Lab.ts"
import * as Trees from "./Trees.ts"

/** A tree with something to be changed in each way, and much that nobody changes. */
const base = (at: string): string => {
  fs.mkdirSync(join(at, "deep/er"), { recursive: true })
  for (let i = 0; i < 60; i++) fs.writeFileSync(join(at, `deep/file ${i}`), `content of ${i}\n`.repeat(i * 20))
  fs.writeFileSync(join(at, "deep/er/large"), Trees.bytes(700_000, 3))
  fs.writeFileSync(join(at, "empty"), "")
  fs.writeFileSync(join(at, "led"), "one file, two names\n")
  fs.linkSync(join(at, "led"), join(at, "deep/led too"))
  fs.writeFileSync(join(at, "also led"), "another file\n")
  fs.linkSync(join(at, "also led"), join(at, "deep/also led too"))
  fs.symlinkSync("deep/file 1", join(at, "link"))
  fs.symlinkSync("deep/file 2", join(at, "link 2"))
  execFileSync("mkfifo", [join(at, "fifo")])
  // long ago, so that what is made now has another time
  execFileSync("find", [at, "-exec", "touch", "-h", "-d", "2020-02-03 04:05:06.789", "{}", "+"])
  return at
}

const path = (at: string, i: number) => join(at, `deep/file ${i}`)

/** Kinds of change to what a catcher has; `k` chooses the files. */
const changes: ReadonlyArray<readonly [kind: string, change: (at: string, k: number) => void]> = [
  ["content", (at, k) => fs.writeFileSync(path(at, k), "x".repeat(fs.statSync(path(at, k)).size))],
  ["size", (at, k) => fs.appendFileSync(path(at, k), "more")],
  ["times only", (at, k) => fs.utimesSync(path(at, k), 1, 1)],
  ["mode", (at, k) => fs.chmodSync(path(at, k), 0o600)],
  ["owner", (at, k) => fs.chownSync(path(at, k), 1234, 4321)],
  [
    "another type",
    (at, k) => {
      fs.rmSync(path(at, k))
      fs.symlinkSync("nowhere", path(at, k))
    }
  ],
  ["renamed", (at, k) => fs.renameSync(path(at, k), path(at, k + 1000))],
  ["missing", (at, k) => fs.rmSync(path(at, k))],
  ["a directory is missing", (at) => fs.rmSync(join(at, "deep/er"), { recursive: true })],
  [
    "hard links regrouped",
    (at) => {
      fs.rmSync(join(at, "deep/led too"))
      fs.linkSync(join(at, "also led"), join(at, "deep/led too"))
    }
  ],
  [
    "a link leads elsewhere",
    (at) => {
      fs.rmSync(join(at, "link"))
      fs.symlinkSync("deep", join(at, "link"))
    }
  ],
  ["emptied", (at, k) => fs.writeFileSync(path(at, k), "")]
]

/** Inode and ctime of every entry. */
const marks = (at: string): ReadonlyMap<string, string> =>
  new Map(
    execFileSync("find", [at, "-printf", "%P\\t%i %C@ %y\\n"], { encoding: "utf8" })
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => line.split("\t") as [string, string])
  )

describe.skipIf(Lab.unavailable !== undefined)("old versions on four hosts", () => {
  it.live("twelve kinds of change, differently at each: equal in the end, and nothing else was touched", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const lab = yield* Lab.make(4)
        const source = base(join(lab.folder, "source"))
        const changed: Array<Set<string>> = []
        for (let i = 1; i <= 4; i++) {
          execFileSync("cp", ["-a", source, lab.destination(i)])
          const before = Trees.listing(lab.destination(i))
          // three kinds each, and all of them somewhere
          for (let n = 0; n < 6; n++) changes[(3 * (i - 1) + n) % 12][1](lab.destination(i), 5 * i + n)
          const after = Trees.listing(lab.destination(i))
          changed.push(new Set([...before.keys(), ...after.keys()].filter((one) => before.get(one) !== after.get(one))))
        }
        const before = changed.map((_, i) => marks(lab.destination(i + 1)))
        const catchers = yield* lab.catchers(4)
        const master = yield* lab.mrsync("m", "send", "--json", "--catchers", "4", "--delete", `${source}/`).ended
        assert.strictEqual(master.status, 0, master.err)
        for (let i = 0; i < 4; i++) {
          assert.strictEqual((yield* catchers[i].ended).status, 0)
          assert.strictEqual(Lab.rsyncSays(`${source}/`, `${lab.destination(i + 1)}/`), "", `c${i + 1}`)
          const after = marks(lab.destination(i + 1))
          const isUntouched = (one: string) => !changed[i].has(one) && before[i].get(one)?.endsWith("d") === false
          const touched = [...before[i].keys()].filter(
            (one) => isUntouched(one) && before[i].get(one) !== after.get(one)
          )
          assert.deepStrictEqual(touched, [], `c${i + 1}`)
        }
      })
    )
  )

  it.live("nothing is lacked: no page but the manifest's, and nothing is touched", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const lab = yield* Lab.make(2)
        const source = base(join(lab.folder, "source"))
        for (let i = 1; i <= 2; i++) execFileSync("cp", ["-a", source, lab.destination(i)])
        const before = marks(lab.destination(1))
        const catchers = yield* lab.catchers(2)
        const master = yield* lab.mrsync("m", "send", "--json", "--catchers", "2", `${source}/`).ended
        assert.strictEqual(master.status, 0, master.err)
        assert.strictEqual(master.report.pages.needed, 0)
        for (const catcher of catchers) assert.strictEqual((yield* catcher.ended).status, 0)
        assert.deepStrictEqual(marks(lab.destination(1)), before)
      })
    )
  )
})
