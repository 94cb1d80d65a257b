/** The completion scripts, as the shells run them: paths and interfaces are completed, and words with one dash are understood. */
import { assert, describe, it } from "@effect/vitest"
import { execFileSync, spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Library from "effect/cli/Completions"
import * as Result from "effect/Result"
import * as Arguments from "../../src/cli/Arguments.ts"
import { root } from "../../src/cli/Commands.ts"
import * as Completions from "../../src/cli/Completions.ts"

const described = Library.fromCommand(root)
const has = (shell: string) => spawnSync(shell, ["-c", "true"]).status === 0

describe.skipIf(!has("bash"))("bash completes", () => {
  const script = Completions.generate("bash", described)
  const completed = (words: ReadonlyArray<string>, typed = words[words.length - 1]) => {
    const folder = mkdtempSync(join(tmpdir(), "mrsync-completions-"))
    writeFileSync(join(folder, "my file"), "")
    mkdirSync(join(folder, "my folder"))
    const call = `COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _mrsync mrsync "$TYPED"; printf '%s\\n' "\${COMPREPLY[@]}"`
    const env = { ...process.env, TYPED: typed }
    const args = ["-c", `${script}\n${call}`, "bash", "mrsync", ...words]
    const out = execFileSync("bash", args, { cwd: folder, env, encoding: "utf8" })
    rmSync(folder, { recursive: true })
    return out.split("\n").filter((line) => line !== "")
  }
  const files = ["my file", "my folder"]

  it.each([
    [["s"], ["send", "simulate"]],
    [["help", "c"], ["catch"]],
    [
      ["send", "--at"],
      ["--at-least", "--at-most"]
    ],
    [["send", "m"], files],
    [["send", "-v", "a", "my\\ fi"], ["my file"]],
    [["send", "--wait", ""], []],
    [["send", "--repair", "p"], ["parity"]],
    [["catch", ""], ["my folder"]],
    [["demo", ""], ["my folder"]],
    [["keygen", ""], ["my folder"]],
    [["keygen", "--show", "m"], files],
    [["send", "--key", "m"], files],
    [["catch", "--phrase", ""], []],
    [
      ["send", "--hosts", "@my"],
      ["@my file", "@my folder"]
    ],
    [["send", "--hosts", "my"], []]
  ] as const)("%j", (words, expected) => assert.deepStrictEqual(completed(words).sort(), [...expected]))

  it("what it has broken at = and @", () => {
    assert.deepStrictEqual(completed(["send", "--hosts", "=", "@", "my"]).sort(), files)
    assert.deepStrictEqual(completed(["send", "--hosts", "@"], "").sort(), files)
    assert.deepStrictEqual(completed(["send", "--repair", "="], ""), ["auto", "resend", "parity"])
  })

  it.skipIf(process.platform !== "linux")("interfaces", () => {
    for (const option of ["--interface"])
      assert.deepStrictEqual(completed(["catch", option, ""]).sort(), readdirSync("/sys/class/net").sort())
  })
})

for (const shell of ["bash", "zsh", "fish"] as const) {
  it.skipIf(!has(shell))(`${shell} can read its script`, () => {
    const folder = mkdtempSync(join(tmpdir(), "mrsync-completions-"))
    const script = join(folder, shell)
    writeFileSync(script, Completions.generate(shell, described))
    const checked = spawnSync(shell, ["-n", script], { encoding: "utf8" })
    rmSync(folder, { recursive: true })
    assert.deepStrictEqual([checked.status, checked.stderr], [0, ""])
  })
}

describe("words with one dash", () => {
  const normal = (...words: ReadonlyArray<string>) =>
    Result.match(Arguments.normal(words, described), { onFailure: ({ reason }) => reason, onSuccess: (all) => all })

  it.each([
    [["help"], ["--help"]],
    [
      ["help", "send"],
      ["send", "--help"]
    ],
    [["sned", "--help"], ["sned"]],
    [
      ["send", "-avH", "-vq", "-h", "x"],
      ["send", "-v", "-v", "-q", "-h", "x"]
    ],
    [
      ["send", "-avnih", "--delete", "-a", "--archive", "--wait", "3", "-", "-5"],
      ["send", "-v", "-n", "-i", "--delete", "--wait", "3", "-", "-5"]
    ],
    [
      ["catch", "-vq", "x"],
      ["catch", "-v", "-q", "x"]
    ],
    [
      ["send", "--", "-catchers"],
      ["send", "--", "-catchers"]
    ],
    [
      ["send", "-f", "- *.o", "-xf-_a", "--exclude", "-b", "-f=+ c", "--include=d", "-f"],
      ["send", "-f=- *.o", "-x", "-f=-_a", "--exclude=-b", "-f=+ c", "--include=d", "-f"]
    ],
    [
      ["send", "-0", "-x0r", "-5", "x"],
      ["send", "--from0", "-x", "--from0", "-r", "-5", "x"]
    ]
  ])("%j", (words, expected) => assert.deepStrictEqual(normal(...words), expected))

  it("the order of filter rules is kept", () => {
    const words = [
      "send",
      "--exclude=a",
      "-F",
      "-f=b",
      "x",
      "--exclude=c",
      "--rsync-filter",
      "--include-from=d",
      "--id=-f"
    ]
    const names = ["exclude", "F", "filter", "exclude", "F", "include-from"] as const
    assert.deepStrictEqual(Arguments.rulesIn([...words, "--", "--exclude=e"]), [...names])
  })

  it.each([
    [["send", "-catchers", "2", "x"], "there is no option -catchers; did you mean --catchers?"],
    [["send", "-catchers=2", "x"], "there is no option -catchers; did you mean --catchers?"],
    [["-catchers", "2", "send", "x"], "there is no option -catchers; did you mean --catchers?"],
    [["catch", "-help"], "there is no option -help; did you mean --help?"],
    [["catch", "-vhost", "x"], "there is no option -vhost: one dash is for options of one letter, and -o is none"],
    [["send", "-vQ", "x"], "there is no option -vQ: one dash is for options of one letter, and -Q is none"],
    [
      ["send", "-avz", "x"],
      "-z: pages are not compressed: they go over the network once, however many machines receive them"
    ],
    [["send", "-w", "3", "x"], "-w: how long to wait for catchers is --wait SECONDS"]
  ] as const)("%j is a mistake", (words, expected) => assert.strictEqual(normal(...words), expected))
})
