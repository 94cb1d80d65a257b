/** What of the metadata is carried: rsync is the judge of the tree that comes of it. [Y-10] */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as Policy from "../../../src/tree/Policy.ts"
import { directory, isRoot } from "../Sandbox.ts"
import { sync } from "./syncing.ts"

const hasRsync = spawnSync("rsync", ["--version"]).status === 0

const modes = [0o600, 0o644, 0o755, 0o4711, 0o440]

/** Files, directories, a link and a FIFO in a directory that is there on both sides, and some that are new. */
const source = (at: string) => {
  for (const top of ["old", "new"]) {
    fs.mkdirSync(`${at}/${top}`, { recursive: true })
    for (const mode of modes) {
      fs.writeFileSync(`${at}/${top}/f${mode}`, `content of ${mode}`)
      fs.mkdirSync(`${at}/${top}/d${mode}`)
    }
    fs.symlinkSync("nowhere", `${at}/${top}/link`)
    execFileSync("mkfifo", [`${at}/${top}/fifo`])
    fs.writeFileSync(`${at}/${top}/was a link`, "now a file")
  }
  execFileSync("find", [at, "-exec", "touch", "-h", "-d", "2020-02-03 04:05:06", "{}", "+"])
  for (const top of ["old", "new"])
    for (const mode of modes) for (const kind of ["f", "d"]) set(`${at}/${top}/${kind}${mode}`, mode)
}

const set = (path: string, mode: number) => {
  if (isRoot) fs.lchownSync(path, mode % 7, mode % 5)
  fs.chmodSync(path, mode)
}

/** An older version, in which each thing has another mode, another owner, another time, or other content. */
const destination = (at: string) => {
  fs.mkdirSync(`${at}/old`, { recursive: true })
  for (const [i, mode] of modes.entries()) {
    // that of another time has another content, too, or rsync alone would write it anew
    fs.writeFileSync(`${at}/old/f${mode}`, [`content of ${mode}`, "other", `CONTENT of ${mode}`][i % 3])
    fs.mkdirSync(`${at}/old/d${mode}`)
  }
  fs.symlinkSync("nowhere", `${at}/old/link`)
  execFileSync("mkfifo", [`${at}/old/fifo`])
  fs.symlinkSync("f384", `${at}/old/was a link`)
  execFileSync("find", [at, "-exec", "touch", "-h", "-d", "2020-02-03 04:05:06", "{}", "+"])
  fs.utimesSync(`${at}/old/f${modes[2]}`, 7, 7)
  fs.utimesSync(`${at}/old/d${modes[2]}`, 7, 7)
  fs.lutimesSync(`${at}/old/link`, 8, 8)
  for (const [i, mode] of modes.entries())
    for (const kind of ["f", "d"]) set(`${at}/old/${kind}${mode}`, modes[(i + 1) % modes.length] | 0o100)
  fs.chmodSync(`${at}/old/f${modes[2]}`, 0o640)
  fs.chmodSync(`${at}/old/d${modes[0]}`, 0o500)
  fs.chmodSync(`${at}/old/fifo`, 0o666)
  // its group goes to what is made in it
  if (isRoot) fs.chownSync(at, 0, 12)
  fs.chmodSync(at, 0o2755)
}

/** Everything that can be seen of a tree; times of today are all the same. */
const seen = (at: string): ReadonlyArray<string> =>
  execFileSync("find", [at, "-mindepth", "1", "-printf", "%P %y %m %U:%G %TY-%Tm-%Td %l\\n"], { encoding: "utf8" })
    .split("\n")
    // a link's mode is not set
    .map((line) => line.replace(/ l 777 /, " l "))
    .toSorted()

const options: ReadonlyArray<readonly [string, Partial<Policy.Policy>]> = [
  ["-a --no-perms", { leavesMode: true }],
  ["-aE --no-perms", { leavesMode: true, carriesExecutability: true }],
  ["-a --no-owner", { leavesOwner: true }],
  ["-a --no-group", { leavesGroup: true }],
  ["-rlD", { leavesMode: true, leavesOwner: true, leavesGroup: true, leavesTimes: true }],
  ["-aOJ", { leavesDirectoryTimes: true, leavesLinkTimes: true }]
]

describe.skipIf(!hasRsync)("what is carried", () => {
  it.effect.each(options)("as by rsync %s", ([args, wished]) =>
    Effect.gen(function* () {
      const top = yield* directory
      source(`${top}/source`)
      for (const one of ["theirs", "ours"]) destination(`${top}/${one}`)
      execFileSync("rsync", [...args.split(" "), `${top}/source/`, `${top}/theirs/`])
      assert.deepStrictEqual(yield* sync(`${top}/source`, `${top}/ours`, { ...Policy.defaults, ...wished }), [])
      assert.deepStrictEqual(seen(`${top}/ours`), seen(`${top}/theirs`))
      assert.strictEqual(
        spawnSync("diff", ["-r", "--no-dereference", "-x", "fifo", `${top}/ours`, `${top}/theirs`]).status,
        0
      )
    })
  )
})

describe.skipIf(!isRoot)("a mode that a file keeps", () => {
  const leaving: ReadonlyArray<readonly [string, Partial<Policy.Policy>]> = [
    ["comes to be the source's", {}],
    ["comes to be the catcher's", { leavesOwner: true, leavesGroup: true }]
  ]
  it.effect.each(leaving)("lets it run with no other's rights where the file %s", ([, wished]) =>
    Effect.gen(function* () {
      const top = yield* directory
      for (const tree of ["source", "ours"]) {
        fs.mkdirSync(`${top}/${tree}`)
        for (const name of ["same", "other"]) {
          const path = `${top}/${tree}/${name}`
          fs.writeFileSync(path, name === "same" ? name : tree)
          if (tree === "ours") fs.chownSync(path, 1000, 1000)
          fs.chmodSync(path, tree === "ours" ? 0o6755 : 0o644)
          fs.utimesSync(path, 7, 7)
        }
      }
      const policy = { ...Policy.defaults, leavesMode: true, ...wished }
      const modes = () =>
        ["same", "other"].map((name) => {
          const { mode, uid } = fs.statSync(`${top}/ours/${name}`)
          return `${uid} ${(mode & 0o7777).toString(8)}`
        })
      assert.deepStrictEqual(yield* sync(`${top}/source`, `${top}/ours`, policy), [])
      const isCarried = wished.leavesOwner !== true
      assert.deepStrictEqual(modes(), [isCarried ? "0 755" : "1000 6755", "0 755"])
      // one that stays its owner's keeps all of it
      fs.chmodSync(`${top}/ours/other`, 0o6755)
      fs.writeFileSync(`${top}/source/other`, "newer and longer")
      assert.deepStrictEqual(yield* sync(`${top}/source`, `${top}/ours`, policy), [])
      assert.strictEqual(modes()[1], "0 6755")
    })
  )
})
