/** Options of rsync at `mrsync send`: each is taken, or refused with a word on what is done instead. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawnSync } from "node:child_process"
import * as Rsync from "../../src/cli/Rsync.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import { mrsync } from "./Rig.ts"

const help = spawnSync("rsync", ["--help"], { encoding: "utf8" })

/** The options that the real rsync lists: their words, and whether they take a value. */
const options = (help.stdout ?? "").split("\n").flatMap((line) => {
  const [names] = /^ *(-\S+(?:, -\S+)*)(?=  )/.exec(line) ?? []
  const all = names?.split(", ").map((name) => name.split("=")[0]) ?? []
  // it stands for many
  return all.filter((name) => name !== "--no-OPTION").map((name) => ({ name, isValued: names?.includes("=") === true }))
})

/** Values that options of ours take. */
const values: Readonly<Record<string, string>> = {
  "--chmod": "u+x",
  "--filter": "- x",
  "-f": "- x",
  "--usermap": "1:2",
  "--groupmap": "1:2",
  "--chown": "1:2",
  "--exclude-from": "/dev/null",
  "--include-from": "/dev/null",
  "--files-from": "/dev/null",
  "--bwlimit": "5000"
}

const said = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
  const network = yield* Simulated.make({ seed: 1 })
  let isChosen = false
  const ended = yield* mrsync({ network, chosen: () => void (isChosen = true) }, "send", "--insecure", ...args, "s/")
  return { ...ended, text: [...ended.err, ...ended.out].join("\n"), isChosen }
})

describe.skipIf(help.status !== 0)("every option that rsync --help lists", () => {
  it("is found", () => assert.isAbove(options.length, 150))

  it.effect.each(options)("$name", ({ isValued, name }) =>
    Effect.gen(function* () {
      const value = values[name] ?? "1"
      // options of no use without another
      const needed = ["--max-delete", "--ignore-errors"].includes(name)
        ? ["--delete"]
        : name === "--suffix"
          ? ["-b"]
          : []
      const args = !isValued ? [name] : name.startsWith("--") ? [`${name}=${value}`] : [name, value]
      const { isChosen, status, text } = yield* said(...needed, ...args)
      if (name === "--help" || name === "-h" || name === "--version" || name === "-V")
        return assert.strictEqual(status, 0)
      // the multicast group: no owners' groups are meant
      if (name === "--group" || name === "-g") return
      if (isChosen) return
      assert.strictEqual(status, 1, text)
      assert.match(text, /^mrsync: (?:there is no option )?-[-\w]+: \S.{15}/, text)
    })
  )

  it.effect.each(options.filter(({ isValued, name }) => !isValued && /^--(?!no-|help|version)/.test(name)))(
    "$name, negated where rsync knows that",
    ({ name }) =>
      Effect.gen(function* () {
        const negated = name.replace(/^--/, "--no-")
        const { isChosen, text } = yield* said(negated)
        if (isChosen || /^mrsync: there is no option --no-[-\w]+: \S.{15}/.test(text)) return
        // then rsync must not know it
        assert.include(spawnSync("rsync", [negated, "--version"], { encoding: "utf8" }).stderr, "unknown option", text)
      })
  )
})

describe("options of rsync", () => {
  it.effect.each([
    [["-avH", "--delete-after"], undefined],
    [["-avhP", "--info=progress2"], /^mrsync: there is no option --info: -v, -i and --json/],
    [["--rsh=ssh"], /^mrsync: there is no option --rsh: send uses no remote shell: mrsync push does/],
    [["-az"], /^mrsync: -z: pages are not compressed/],
    [["--no-z", "--no-whole-file", "--no-W"], undefined],
    [["-4", "--no-D", "--no-v", "-v", "-q", "--no-verbose"], undefined],
    [["-@-1", "--no-force"], undefined],
    [["-6"], /^mrsync: -6: IPv6/],
    [["--no-owner", "--chown=1"], /--no-owner contradicts --chown/]
  ] as ReadonlyArray<readonly [ReadonlyArray<string>, RegExp | undefined]>)("%j", ([args, reason]) =>
    Effect.gen(function* () {
      const { isChosen, text } = yield* said(...args)
      assert.strictEqual(isChosen, reason === undefined, text)
      if (reason !== undefined) assert.match(text, reason)
    })
  )

  it.each([
    ["-av", undefined],
    ["-vH", undefined],
    ["-r --files-from=x", undefined],
    ["-rlptgoD", undefined],
    [
      "-r",
      /^symbolic links, modes, times, groups, owners and special files are carried as well.*--no-links, --no-perms/
    ],
    ["-rt -f p", /^symbolic links, modes, groups, owners and special files/],
    ["-rlt --no-p --no-owner --no-g", /^special files are carried as well.*: --no-D leaves them out/],
    ["-rlt --no-p --no-owner --no-g --no-D", undefined]
  ])("%s: what is carried beyond that is said", (line, sentence) => {
    const beyond = Rsync.beyond(line.split(" "))
    if (sentence === undefined) assert.isUndefined(beyond)
    else assert.match(beyond ?? "", sentence)
  })

  it.effect("the sentence is said on standard error, and all is sent", () =>
    Effect.gen(function* () {
      const { err, isChosen } = yield* said("-rt")
      assert.isTrue(isChosen)
      assert.include(err.join("\n"), "modes, groups, owners and special files are carried as well")
    })
  )
})
