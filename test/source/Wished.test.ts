/** Metadata that is changed on the way: rsync is the judge of --chmod and --chown. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { execFileSync, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { Dice } from "../../src/simulate/Dice.ts"
import { everything } from "../../src/source/Choice.ts"
import * as DiskSource from "../../src/source/Disk.ts"
import { Source } from "../../src/source/Source.ts"
import * as Chmod from "../../src/tree/Chmod.ts"
import { metadataOf } from "../../src/tree/Entry.ts"
import * as Owners from "../../src/tree/Owners.ts"
import { display } from "../../src/tree/Names.ts"
import { asIs, type Wished } from "../../src/tree/Wished.ts"
import { directory, isRoot } from "../store/Sandbox.ts"

const hasRsync = spawnSync("rsync", ["--version"]).status === 0

/** Files and directories of many modes and owners, a link and a FIFO. */
const planted = Effect.map(directory, (top) => {
  const source = `${top}/source`
  fs.mkdirSync(source)
  for (const mode of [0o600, 0o644, 0o755, 0o4711, 0o2654, 0o1777, 0o440, 0o707, 0o070]) {
    const name = mode.toString(8)
    fs.writeFileSync(`${source}/${name}`, name)
    fs.mkdirSync(`${source}/d${name}`)
    fs.chmodSync(`${source}/${name}`, mode)
    fs.chmodSync(`${source}/d${name}`, mode | 0o500)
    if (isRoot) for (const one of [name, `d${name}`]) fs.lchownSync(`${source}/${one}`, mode % 7, mode % 5)
  }
  fs.chmodSync(`${source}/4711`, 0o4711)
  fs.symlinkSync("600", `${source}/link`)
  execFileSync("mkfifo", [`${source}/fifo`])
  return { top, source }
})

const scan = (source: string, wished: Wished) =>
  Effect.scoped(
    Effect.map(
      Effect.flatMap(
        Layer.build(DiskSource.layer([`${source}/`], { ...everything, wished })),
        (context) => Context.get(context, Source).scan
      ),
      ({ entries }) =>
        new Map(
          entries.map((entry) => {
            const { gid = -1, mode = -1, uid = -1 } = metadataOf(entry) ?? {}
            return [display(entry.path), `${entry._tag === "Symlink" ? "" : mode.toString(8)} ${uid}:${gid}`]
          })
        )
    )
  )

/** What rsync makes of it. */
const copied = (top: string, option: string): ReadonlyMap<string, string> => {
  fs.rmSync(`${top}/copy`, { recursive: true, force: true })
  execFileSync("rsync", ["-a", option, `${top}/source/`, `${top}/copy`])
  return new Map(
    execFileSync("find", [`${top}/copy`, "-printf", "%P\\t%y %m %U:%G\\n"], { encoding: "utf8" })
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => {
        const [path, type, mode, owner] = line.split(/[\t ]/)
        return [path === "" ? "." : path, `${type === "l" ? "" : mode} ${owner}`]
      })
  )
}

// older ones do not copy the bits of a class
const copiesBits = hasRsync && spawnSync("rsync", ["--chmod=g=u", "--version"]).status === 0

const some = (dice: Dice, letters: string): string => [...letters].filter(() => dice.hits(0.4)).join("")

const itemOf = (dice: Dice): string => {
  const on = dice.pick("", "", "D", "F")
  if (dice.hits(0.2)) return `${on}${dice.pick("755", "0", "2775", "7777", "640", "1")}`
  const classes = dice.hits(0.3) ? "" : dice.pick("u", "g", "o", "ug", "go", "ugo", copiesBits ? "a" : "ugo")
  const what = copiesBits && dice.hits(0.2) ? dice.pick("u", "g", "o") : some(dice, "rwxXst")
  return `${on}${classes}${dice.pick("+", "-", "=")}${what}`
}

const umask = process.umask()

describe.skipIf(!hasRsync)("what rsync --chmod makes of a tree", () => {
  it.effect("lists of chance, and some of a person", () =>
    Effect.gen(function* () {
      const { source, top } = yield* planted
      const dice = new Dice(3)
      const lists = Array.from({ length: 6 }, () =>
        Array.from({ length: dice.whole(1, 4) }, () => itemOf(dice)).join(",")
      )
      for (const list of ["Dg+s,ug+w,Fo-w,+X", "D2775,F664", "a=rX,u+w", "-x", "=", "u+", ...lists]) {
        const wished = { ...asIs, modes: Result.getOrThrow(Chmod.parse(list, umask)) }
        assert.deepStrictEqual(yield* scan(source, wished), copied(top, `--chmod=${list}`), list)
      }
    })
  )

  it.each(["", "u+x,", ",u+x", "u+q", "DF+x", "8", "77777", "u755", "rwx", "g=ur", "u++x", "ugo", "d+x", "0x1"])(
    "both refuse %j",
    (list) => {
      assert.isTrue(Result.isFailure(Chmod.parse(list, umask)))
      assert.strictEqual(spawnSync("rsync", [`--chmod=${list}`, "/nowhere", "/nowhere"]).status, 1)
    }
  )

  it("an error names the item that is wrong, and what would be right", () =>
    assert.match(
      Result.getOrElse(Result.flip(Chmod.parse("Dg+s,ug+q", umask)), () => ""),
      /^"ug\+q" is wrong: expected items such as Dg\+s/
    ))
})

it.effect("a file that is taken anew has the metadata that is wished, too", () =>
  Effect.gen(function* () {
    const { source } = yield* planted
    const wished = { ...asIs, modes: Result.getOrThrow(Chmod.parse("F640", umask)), users: Owners.all(7) }
    const choice = { ...everything, wished }
    const context = yield* Layer.build(DiskSource.layer([`${source}/`], choice))
    const service = Context.get(context, Source)
    const { entries } = yield* service.scan
    const index = entries.findIndex(({ path }) => display(path) === "644")
    fs.writeFileSync(`${source}/644`, "longer than before")
    const { retaken } = yield* service.retake([index])
    assert.deepStrictEqual(
      retaken.map(({ metadata: { mode, uid }, size }) => [mode, uid, size]),
      [[0o640, 7, 18]]
    )
  })
)

describe.skipIf(!hasRsync || !isRoot)("what rsync makes of owners", () => {
  const numberOf: Owners.NumberOf = (name) =>
    /^\d+$/.test(name) ? Result.succeed(Number(name)) : Result.fail(`there is no ${name}`)
  const map = (text: string) => Result.getOrThrow(Owners.parse(text, numberOf))
  it.effect.each([
    ["--chown=7", { users: Owners.all(7) }],
    ["--chown=:8", { groups: Owners.all(8) }],
    ["--usermap=0-2:10,3:11,1:12,*:13", { users: map("0-2:10,3:11,1:12,*:13") }],
    ["--usermap=4:40,2:20", { users: map("4:40,2:20") }],
    ["--groupmap=*:9,1:8", { groups: map("*:9,1:8") }]
  ] as ReadonlyArray<readonly [string, Partial<Wished>]>)("%s", ([option, wished]) =>
    Effect.gen(function* () {
      const { source, top } = yield* planted
      assert.deepStrictEqual(yield* scan(source, { ...asIs, ...wished }), copied(top, option))
    })
  )

  it.each([
    ["1:2,3", /^"3" is wrong: expected FROM:TO/],
    ["1:nobody", /^there is no nobody/],
    ["a*:1", /^expected FROM:TO/],
    ["1-2-3:4", /there is no 1-2-3/],
    [":1", /^expected FROM:TO/],
    ["1:", /^expected FROM:TO/]
  ])("%j is refused with the reason", (text, reason) =>
    assert.match(
      Result.getOrElse(Result.flip(Owners.parse(text, numberOf)), () => ""),
      reason
    )
  )
})
