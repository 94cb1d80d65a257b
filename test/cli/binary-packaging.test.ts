/** What is packed beside the program: the unit, its settings, the manual page and the container file. */
import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Flags from "../../src/cli/Flags.ts"
import * as Parse from "../../src/cli/Parse.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))
const program = join(root, "dist/bin.js")
const packed = (name: string) => readFileSync(join(root, "packaging", name), "utf8")
const unit = packed("mrsync-catch@.service")
const has = (command: string) => spawnSync(command, ["--version"]).status === 0
const said = (command: string, ...args: ReadonlyArray<string>) => {
  const { status, stderr, stdout } = spawnSync(command, args, { encoding: "utf8" })
  return { status, text: stdout + stderr }
}

const optionsIn = (text: string) => [...text.matchAll(/--([a-z-]+)/g)].map(([, name]) => name)

describe("the unit", () => {
  it("has options of catch, and the group that is one's own where nothing is said", () => {
    const start = /^ExecStart=\/usr\/bin\/mrsync catch (.*)$/m.exec(unit)![1]
    const known = Object.keys(Flags.catching)
    assert.deepStrictEqual(optionsIn(start), ["serve", "group"])
    assert.includeMembers(known, ["serve", "group", "protect", "noDelete", "onComplete"])
    const { group, port } = Parse.defaultGroup
    for (const text of [unit, packed("default.conf")]) assert.include(text, `GROUP=${group}:${port}\n`)
  })
  it.skipIf(!has("systemd-analyze"))("is right by systemd's own word, and exposed no more than 3.0", () => {
    const directory = mkdtempSync(join(tmpdir(), "mrsync-unit-"))
    const file = join(directory, "mrsync-catch@.service")
    // the program need not be installed here
    writeFileSync(file, unit.replace("/usr/bin/mrsync", process.execPath))
    assert.deepStrictEqual(said("systemd-analyze", "verify", "--man=no", file), { status: 0, text: "" })
    const { text } = said("systemd-analyze", "security", "--offline=true", file)
    assert.isAtMost(Number(/exposure level .*: (\d+\.\d) /.exec(text)?.[1]), 3)
    rmSync(directory, { recursive: true })
  })
})

describe("the manual page", () => {
  const { text } = said(process.execPath, program, "--man")

  it("has every option, with the words of --help", () => {
    for (const command of ["send", "catch", "keygen"]) {
      const help = said(process.execPath, program, command, "--help").text
      for (const name of optionsIn(help)) assert.include(text, `\\-\\-${name.replaceAll("-", "\\-")}`)
    }
    assert.include(text, "Let no master delete anything")
  })
  it.skipIf(!has("groff"))("is understood by groff, without a warning", () => {
    const { status, stderr, stdout } = spawnSync("groff", ["-man", "-ww", "-Tascii"], { input: text, encoding: "utf8" })
    assert.deepStrictEqual([status, stderr], [0, ""])
    assert.match(stdout, /send a tree of\s+files/)
  })
})

describe("the container file", () => {
  it("takes what build:binary makes, and starts a catcher that serves", () => {
    const file = packed("Containerfile")
    const lines = file.split("\n").filter((line) => line !== "" && !line.startsWith("#"))
    const words = lines.map((line) => line.split(" ")[0])
    assert.deepStrictEqual(words, ["FROM", "COPY", "VOLUME", "STOPSIGNAL", "ENTRYPOINT", "CMD"])
    assert.include(lines, "COPY dist/binary/mrsync /usr/bin/mrsync")
    assert.deepStrictEqual(JSON.parse(lines[4].slice("ENTRYPOINT ".length)), ["/usr/bin/mrsync", "catch", "--serve"])
    assert.include(file, "--network host")
  })
})
