/** The program itself, as a person calls it. What needs a running session is tested end to end elsewhere. */
import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const program = fileURLToPath(new URL("../../dist/bin.js", import.meta.url))
const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string }

const mrsync = (...args: ReadonlyArray<string>) => {
  const { status, stderr, stdout } = spawnSync(process.execPath, [program, ...args], {
    encoding: "utf8",
    timeout: 60_000,
    env: { ...process.env, NO_COLOR: "1" }
  })
  return { status, stderr, stdout }
}

describe("mrsync", () => {
  it("can be run as a file", () => {
    assert.strictEqual(statSync(program).mode & 0o111, 0o111)
    assert.match(readFileSync(program, "utf8"), /^#!\/usr\/bin\/env node\n/)
  })

  it.each([["--version"], ["-V"], ["send", "--version"], ["--json", "--version"].slice(1)])("%s %s", (...args) => {
    const result = mrsync(...args.filter((arg) => arg !== undefined))
    assert.deepStrictEqual(result, { status: 0, stdout: `mrsync ${manifest.version}\n`, stderr: "" })
  })

  // or little longer than node itself, where the machine has much else to do
  it("--version takes less than a quarter of a second", () => {
    const millisOf = (...args: ReadonlyArray<string>) => {
      const start = performance.now()
      spawnSync(process.execPath, args)
      return performance.now() - start
    }
    const times = Array.from({ length: 5 }, () => [millisOf("-e", "0"), millisOf(program, "--version")])
    const node = Math.min(...times.map(([node]) => node))
    assert.isBelow(Math.min(...times.map(([, version]) => version)), Math.max(250, 2.5 * node))
  })

  it.each([
    [[], ["send", "catch", "keygen", "demo", "Examples"]],
    [
      ["send"],
      [
        "SOURCE",
        "--group ADDR[:PORT]",
        "--interface NAME|ADDR",
        "--catchers N",
        "(1 to 4096; 1)",
        "--hosts LIST|@FILE",
        "--wait SECONDS",
        "--at-least N",
        "--at-most SECONDS",
        "--bwlimit RATE",
        "--repair",
        "--page-size BYTES",
        "(512 to 65467; 1432, or less",
        "--ttl N",
        "Routers that datagrams may pass",
        "--timeout SECONDS",
        "-v, --verbose",
        "-q, --quiet",
        "--json",
        "--no-progress",
        "mrsync send --catchers 12 photos music"
      ]
    ],
    [
      ["catch"],
      [
        "DEST",
        "--id NAME",
        "--serve",
        "--group ADDR",
        "--interface NAME",
        "--wait SECONDS",
        "--timeout",
        "-v",
        "-q",
        "--json",
        "status 30"
      ]
    ],
    [["demo"], ["DIR", "--loss PERCENT", "(0 to 50; 2)", "TMPDIR"]],
    [["simulate"], ["(1 to 4096; 10)", "(0 to 1GiB; 32MiB)", "(0 to 2000; 1)", "(0 to 50; 1)", "(0 to 4294967295; 1)"]]
  ] as const)("%s --help", (command, expected) => {
    const { status, stderr, stdout } = mrsync(...command, "--help")
    assert.strictEqual(status, 0)
    assert.strictEqual(stderr, "")
    for (const text of expected) assert.include(stdout.replace(/\s+/g, " "), text)
    assert.strictEqual(mrsync(...command, "-h").stdout, stdout)
  })
})

describe("a directory that was removed while one was in it", () => {
  it.each([
    ["send", "/etc/hostname"],
    ["push", "/etc/hostname", "a:/srv"],
    ["catch", "/tmp"]
  ])("%s says so, and that is no fault of ours", (...args) => {
    const directory = mkdtempSync(join(tmpdir(), "mrsync-gone-"))
    const { status, stderr } = spawnSync(
      "sh",
      ["-c", 'cd "$0" && rmdir "$0" && exec "$@"', directory, process.execPath, program, ...args],
      { encoding: "utf8", timeout: 60_000 }
    )
    assert.strictEqual(status, 11, stderr)
    assert.include(
      stderr,
      "mrsync: .: no such file or directory (ENOENT): this directory was removed: change to another"
    )
  })
})

describe("a mistake on the command line: 1, what was wrong, and what would be right", () => {
  it.each([
    [[], "expected a command: send, catch, push, doctor, keygen, demo or simulate"],
    [
      ["sned", "x"],
      'there is no command "sned": expected send, catch, push, doctor, keygen, demo or simulate; did you mean send?'
    ],
    [["send"], 'SOURCE is missing: say what to send, for example "mrsync send DIRECTORY"'],
    [["catch"], "DEST is missing"],
    [["catch", "a", "b"], 'too many arguments: "b"'],
    [["send", "--catcher", "2", "x"], "there is no option --catcher; did you mean --catchers?"],
    [["send", "-Q", "x"], "there is no option -Q: one dash"],
    [["send", "--id", "c", "x"], "there is no option --id: it is for a catcher"],
    [["send", "--serve", "x"], "there is no option --serve: it is for a catcher"],
    [["send", "--zz", "x"], "there is no option --zz"],
    [["send", "--delete=5", "x"], '--delete takes no value, and has "5"'],
    [["send", "--chown", "99999999999", "x"], "99999999999 is no number of a user or group"],
    [["send", "--usermap", "5-1:0", "x"], "expected FROM:TO"],
    [["send", "--max-size=10x", "x"], '--max-size "10x": expected a size in bytes, for example 500K'],
    [["send", "x", "--exclude"], "--exclude: a value is missing"],
    [["send", "--files-from", "/dev/null", "x", "y"], "--files-from lists paths below one SOURCE"],
    [["send", "--group", "10.0.0.1", "x"], '--group "10.0.0.1": that is no multicast address'],
    [["send", "--group", "239.1.2.3:0", "x"], "expected a port from 1 to 65535"],
    [["catch", "--group", "nowhere", "x"], '--group "nowhere": expected a multicast IPv4 address'],
    [["send", "--catchers", "0", "x"], '--catchers "0": expected a number of catchers from 1 to 4096'],
    [["send", "--catchers"], "--catchers: a value is missing"],
    [["send", "--catchers", "1", "--catchers", "2", "x"], "--catchers is given more than once"],
    [["send", "--catchers", "2", "--hosts", "a,b", "x"], "--hosts and --catchers contradict each other"],
    [["send", "--hosts", "a,a", "x"], '--hosts "a,a": "a" is named twice'],
    [
      ["send", "--partial-dir", "d", "x"],
      "there is no option --partial-dir: what has arrived of a file is kept at each catcher"
    ],
    [["send", "--catchers", "2", "--at-least", "3", "x"], "--at-least 3 is more than all, which are 2"],
    [["send", "--hosts", "a,b", "--at-least", "3", "x"], "--at-least 3 is more than all"],
    [["send", "--at-least", "0", "x"], '--at-least "0": expected a number of catchers from 1 to 4096'],
    [["send", "--at-most", "40", "--wait", "30", "x"], "--at-most 40 is longer than --wait 30"],
    [["send", "--wait", "0", "x"], '--wait "0": expected seconds, more than 0'],
    [["send", "--timeout", "soon", "x"], '--timeout "soon": expected seconds'],
    [["send", "--bwlimit", "60Mb", "x"], '--bwlimit "60Mb": "b" could be bits or bytes'],
    [["send", "--page-size", "1", "x"], '--page-size "1": expected a page size in bytes from 512'],
    [["send", "--interface", "lo", "--page-size", "65500", "x"], "--page-size"],
    [["send", "--repair", "foo", "x"], '--repair "foo": expected auto, resend or parity\n'],
    [["catch", "--transport", "foo", "x"], '--transport "foo": expected auto, offload or datagram\n'],
    [["send", "--ttl", "256", "x"], '--ttl "256": expected a time to live from 0 to 255'],
    [["send", "-q", "-v", "x"], "--verbose and --quiet contradict each other"],
    [["send", ""], 'SOURCE is empty: to send the directory you are in, say "."'],
    [
      ["push", "--at-least", "3", "x", "a,b:/srv"],
      '--at-least 3 is more than all, which are 2\nTry "mrsync push --help"'
    ],
    [["push", "--key", "k", "x", "a:/srv"], "there is no option --key: push makes a key for each session"],
    [["push", "--phrase=k", "x", "a:/srv"], "there is no option --phrase: push makes a key for each session"],
    [["push", "--catchers", "2", "x", "a:/srv"], "there is no option --catchers: push waits for the hosts of its list"],
    [["push", "--remote-program", "", "x", "a:/srv"], "--remote-program is empty: expected a program"],
    [["push", "a:/srv"], "SOURCE or HOSTS:DEST is missing"],
    [["catch", "--id", "a b", "x"], '--id "a b": expected a name without spaces'],
    [["demo", "--loss", "80"], '--loss "80": expected per cent'],
    [["demo", "/nonexistent"], 'DIR "/nonexistent" is no directory']
  ] as const)("%j", (args, expected) => {
    const { status, stderr, stdout } = mrsync(...args)
    assert.strictEqual(status, 1, stderr)
    assert.strictEqual(stdout, "")
    assert.include(stderr, expected)
    assert.match(stderr, /Try "mrsync.* --help"\.\n$/)
    assert.notMatch(stderr, /\n\s+at /)
  })

  it("rules from standard input are checked as well", () => {
    const { status, stderr } = spawnSync(process.execPath, [program, "send", "-0", "--exclude-from=-", "x"], {
      encoding: "utf8",
      input: "a\n\0+ \0/b\0" + "c".repeat(5000) + "\0"
    })
    assert.match(stderr, /^mrsync: filter rule "c+" \(standard input, line 4\): expected at most 4128 bytes\n$/)
    assert.strictEqual(status, 1)
  })

  it("a list of hosts from a file is checked as well", () => {
    const directory = mkdtempSync(join(tmpdir(), "mrsync-test-"))
    const file = join(directory, "hosts")
    writeFileSync(file, "# two of a name\na\na\n")
    const { status, stderr } = mrsync("send", "--hosts", `@${file}`, "x")
    rmSync(directory, { recursive: true })
    assert.strictEqual(status, 1)
    assert.include(stderr, '"a" is named twice')
  })

  it("a list that cannot be read is no usage but a file, like a source: 11", () =>
    assert.deepStrictEqual(mrsync("send", "--hosts", "@/nonexistent", "x"), {
      status: 11,
      stdout: "",
      stderr: "mrsync: @/nonexistent: no such file or directory (ENOENT)\n"
    }))

  it.each([
    [["host:/path"], true],
    [["/tmp", "/nonexistent/DEST"], true],
    [["/nonexistent/SOURCE"], false],
    [["/nonexistent/SOURCE", "/tmp"], false]
  ])("arguments as rsync takes them, %j: is it said where DEST is named? %s", (sources, isSaid) => {
    const { status, stderr } = mrsync("send", "--insecure", "--interface", "127.0.0.1", "--ttl", "0", ...sources)
    assert.strictEqual(status, 11)
    assert.match(stderr, /: no such file or directory \(ENOENT\)/)
    assert.strictEqual(stderr.includes("say DEST to mrsync catch on each machine"), isSaid)
  })

  it("control characters in it are not printed as such", () => {
    const { stderr } = mrsync("send", "--group", "\u001b[31mred", "x")
    assert.include(stderr, "\\x1b[31mred")
    assert.notInclude(stderr, "\u001b")
  })
})

describe("an interface that is not there", () => {
  it("10, and the list of those that are", () => {
    const { status, stderr } = mrsync("catch", "--interface", "nope0", "/tmp/nowhere")
    assert.strictEqual(status, 10)
    assert.match(stderr, /nope0.*--interface NAME with one of: .*lo \(127\.0\.0\.1\)/)
  })
})
