/** `mrsync keygen`, as a person calls it. */
import { afterAll, assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const program = fileURLToPath(new URL("../../dist/bin.js", import.meta.url))
const top = mkdtempSync(join(tmpdir(), "mrsync-keygen-"))
afterAll(() => rmSync(top, { recursive: true }))

const run = (args: ReadonlyArray<string>, { command = "keygen", configuration = "", input = "" } = {}) => {
  const env = { ...process.env, NO_COLOR: "1", HOME: top, XDG_CONFIG_HOME: configuration }
  const { status, stderr, stdout } = spawnSync(process.execPath, [program, command, ...args], {
    ...{ encoding: "utf8", timeout: 20_000, killSignal: "SIGKILL", cwd: top, env, input }
  })
  return { status, stderr, stdout }
}
const fingerprint = /^fingerprint: ([a-z2-7]{4}(?:-[a-z2-7]{4}){4})$/m
const fingerprintOf = (text: string) => fingerprint.exec(text)?.[1]

describe("keygen", () => {
  const usual = join(top, ".config", "mrsync")
  const made = run([])
  const values = ["master.key", "catcher.key"].flatMap((name) =>
    [...readFileSync(join(usual, name), "utf8").matchAll(/^(?:identity|join): (.*)$/gm)].map(([, value]) => value)
  )

  it("makes a pair below ~/.config, and says what to do with it", () => {
    assert.deepStrictEqual([made.status, made.stderr], [0, ""])
    assert.isDefined(fingerprintOf(made.stdout))
    assert.include(made.stdout, `Copy ${usual}/catcher.key to each machine that is to receive, as ~/.config/mrsync/`)
    assert.include(made.stdout, `Keep ${usual}/master.key on the machine that sends, and`)
    for (const name of ["", "master.key", "catcher.key"]) {
      assert.strictEqual(statSync(join(usual, name)).mode & 0o077, 0, name)
    }
  })

  it("shows nothing that is secret", () => {
    assert.strictEqual(values.length, 3)
    for (const value of values) assert.notInclude(made.stdout, value.slice(0, 12))
  })

  it("overwrites nothing", () => {
    const before = readFileSync(join(usual, "master.key"), "utf8")
    const { status, stderr } = run([])
    assert.strictEqual(status, 11)
    assert.include(stderr, `mrsync: ${usual}/master.key: it is there already, and no key is overwritten`)
    assert.strictEqual(readFileSync(join(usual, "master.key"), "utf8"), before)
  })

  it("ends where no directory can be made, and says so", () => {
    const { status, stderr } = run(["/proc/mrsync/keys"])
    assert.deepStrictEqual([status, stderr], [11, "mrsync: /proc/mrsync/keys: no such file or directory (ENOENT)\n"])
  })

  it("makes others elsewhere: in DIR, or where XDG_CONFIG_HOME says", () => {
    const own = run(["here"])
    assert.strictEqual(own.status, 0)
    assert.include(own.stdout, "on the machine that sends (send --key here/master.key)")
    const xdg = run([], { configuration: join(top, "xdg") })
    assert.deepStrictEqual(readdirSync(join(top, "xdg", "mrsync")).sort(), ["catcher.key", "master.key"])
    const all = [made, own, xdg].map(({ stdout }) => fingerprintOf(stdout))
    assert.strictEqual(new Set(all).size, 3)
    // a path that is not absolute counts for nothing
    assert.strictEqual(run([], { configuration: "relative" }).status, 11)
    assert.isFalse(existsSync(join(top, "relative")))
  })

  it("--show says which key it is, and whose, from a file or standard input", () => {
    const whose = `fingerprint: ${fingerprintOf(made.stdout)}\n`
    const [master, catcher] = [join(usual, "master.key"), join(usual, "catcher.key")]
    const shown = (kind: string) => ({ status: 0, stdout: `kind: ${kind}\n${whose}`, stderr: "" })
    assert.deepStrictEqual(run(["--show", master]), shown("master.key, for the master alone"))
    const input = readFileSync(catcher, "utf8")
    assert.deepStrictEqual(run(["--show", catcher]), shown("catcher.key, for every catcher"))
    assert.deepStrictEqual(run(["--show", "-"], { input }), shown("catcher.key, for every catcher"))
  })

  it("reads a pipe of the shell, and does not wait for one that nobody writes into", () => {
    const catcher = join(usual, "catcher.key")
    const shell = (command: string) => {
      const { status, stderr, stdout } = spawnSync("bash", ["-c", command], { encoding: "utf8", timeout: 30_000 })
      return { status, stderr, stdout: stdout.split("\n")[0] }
    }
    const show = `'${process.execPath}' '${program}' keygen --show`
    const shown = { status: 0, stderr: "", stdout: "kind: catcher.key, for every catcher" }
    assert.deepStrictEqual(shell(`${show} <(sleep 0.3; cat '${catcher}')`), shown)
    assert.deepStrictEqual(shell(`cat '${catcher}' | ${show} /dev/stdin`), shown)
    assert.deepStrictEqual(shell(`${show} /dev/stdin < '${catcher}'`), shown)
    const pipe = join(top, "pipe")
    assert.deepStrictEqual(shell(`mkfifo -m 600 '${pipe}' && ${show} '${pipe}'`), {
      ...{ status: 5, stdout: "" },
      stderr: `mrsync: ${pipe}: it is a pipe, and no key came out of it within 2 s: write one into it, or name a file\n`
    })
  })

  it("a source that is not there is told before a phrase is made known", () => {
    const { status, stderr, stdout } = run([join(top, "nowhere")], {
      command: "send",
      configuration: join(top, "none")
    })
    assert.deepStrictEqual([status, stdout], [11, ""])
    assert.notInclude(stderr, "phrase")
  })

  it("is not needed for a demo, which makes keys of its own", () => {
    const { status, stdout } = run(["--json", usual], { command: "demo", configuration: join(top, "none") })
    const report = JSON.parse(stdout.trim().split("\n").at(-1)!)
    assert.deepStrictEqual([status, report.sealed], [0, true])
    assert.notStrictEqual(report.fingerprint, fingerprintOf(made.stdout))
  })

  it("--show refuses what is no key, or no secret", () => {
    const open = join(top, "open.key")
    writeFileSync(open, readFileSync(join(usual, "catcher.key")))
    chmodSync(open, 0o644)
    const said = (args: ReadonlyArray<string>, input = "") => {
      const { status, stderr, stdout } = run(args, { input })
      assert.strictEqual(stdout, "")
      return [status, stderr] as const
    }
    assert.deepStrictEqual(said(["--show", open]), [
      5,
      `mrsync: ${open}: others can read or change it (mode 0644): take that from them with "chmod 600 ${open}"\n`
    ])
    assert.deepStrictEqual(said(["--show", "none"]), [11, "mrsync: none: no such file or directory (ENOENT)\n"])
    const long = "#".repeat(1_000_000)
    const tooLong = "mrsync: standard input: this is no key file: it has more than 16384 bytes\n"
    assert.deepStrictEqual(said(["--show", "-"], long), [5, tooLong])
    const damaged = readFileSync(join(usual, "master.key"), "utf8").replace(/^join: ./m, "join: !")
    const [status, words] = said(["--show", "-"], damaged)
    assert.strictEqual(status, 5)
    assert.include(words, 'mrsync: standard input: line 5: the value of "join" is damaged')
    for (const value of values) assert.notInclude(words, value.slice(1, 12))
  })
})
