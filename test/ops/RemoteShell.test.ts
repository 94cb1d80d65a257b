import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as RemoteShell from "../../src/ops/RemoteShell.ts"

const shellOf = (text: string) => Result.getOrThrow(RemoteShell.parse(text))
const start = { program: "mrsync", connectMillis: 1500, asks: false }
const plain = { host: "a", user: undefined, port: undefined }

describe("the command", () => {
  it.each<readonly [string, ReadonlyArray<string>]>([
    ["ssh", ["ssh"]],
    ["  ssh   -p 22 ", ["ssh", "-p", "22"]],
    [`ssh -o 'ProxyCommand nc "%h"' -i "a b"`, ["ssh", "-o", 'ProxyCommand nc "%h"', "-i", "a b"]],
    [`x 'it''s' "" a"b"c`, ["x", "it's", "", "abc"]]
  ])("is split as rsync splits it: %s", (text, words) => assert.deepStrictEqual(shellOf(text).words, words))

  it.each([
    ["", /expected a command/],
    ["''", /expected a command/],
    ["ssh 'x", /a quote is not closed/]
  ])("refuses %j", (text, expected) => {
    const parsed = RemoteShell.parse(text)
    assert.isTrue(Result.isFailure(parsed) && expected.test(parsed.failure))
  })

  it("of ssh asks nobody, unless it may, and lets the user's own options count first", () => {
    const host = { host: "2001:db8::7", user: "root", port: 2222 }
    assert.deepStrictEqual(RemoteShell.commandOf(shellOf("/usr/bin/ssh -o BatchMode=no"), host, start), [
      ...["/usr/bin/ssh", "-o", "BatchMode=no", "-o", "BatchMode=yes", "-o", "ConnectTimeout=2", "-T"],
      ...["-p", "2222", "-l", "root", "2001:db8::7", "mrsync", "catch", "--pushed"]
    ])
    const asking = RemoteShell.commandOf(shellOf("ssh"), plain, { ...start, asks: true, program: "sudo mrsync" })
    assert.deepStrictEqual(asking.slice(1), ["-o", "ConnectTimeout=2", "-T", "a", "sudo mrsync", "catch", "--pushed"])
  })

  it("of any other kind is told the host, and then the words of what runs there", () => {
    const shell = shellOf("ip netns exec")
    const program = "node '/opt/my programs/mrsync'"
    assert.deepStrictEqual(RemoteShell.commandOf(shell, plain, { ...start, program }), [
      ...["ip", "netns", "exec", "a", "node", "/opt/my programs/mrsync", "catch", "--pushed"]
    ])
    assert.match(RemoteShell.whyNot(shell, { ...plain, port: 22 }) ?? "", /ip is told no port/)
    assert.isUndefined(RemoteShell.whyNot(shellOf("ssh"), { ...plain, port: 22 }))
  })
})

describe("its end", () => {
  const of = (status: number | undefined, errors: string, hasAnswered = false, output?: string) =>
    RemoteShell.reasonOf(shellOf("ssh"), "mrsync", { status, errors, output, hasAnswered })

  it.each<readonly [number | undefined, string, boolean, string]>([
    [
      255,
      "Warning: x\nssh: connect to host a port 22: Connection refused\r\n",
      false,
      "ssh: connect to host a port 22: Connection refused"
    ],
    [
      255,
      "\nConnection to a closed by remote host.\r\n\n",
      true,
      "its connection ended: Connection to a closed by remote host"
    ],
    [
      127,
      "sh: 1: mrsync: not found\n",
      false,
      'no program "mrsync" there: sh: 1: mrsync: not found; install it there, or say where it is with --remote-program'
    ],
    [126, "Permission denied", false, '"mrsync" cannot be run there: Permission denied'],
    [3, "", false, "ssh ended with status 3, and said nothing"],
    [undefined, "", true, "ssh ended by a signal, and said nothing"]
  ])("%s %j", (status, errors, hasAnswered, expected) => assert.strictEqual(of(status, errors, hasAnswered), expected))

  it("is told in the words that say why, and not in those that come last", () => {
    const changed = [
      "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @",
      "Offending ED25519 key in /root/.ssh/known_hosts:3",
      "Host key for a has changed and you have requested strict checking.",
      "Host key verification failed.\n"
    ]
    assert.strictEqual(
      of(255, changed.join("\r\n")),
      "Host key for a has changed and you have requested strict checking"
    )
    assert.strictEqual(of(255, "Host key verification failed.\n"), "Host key verification failed")
    const behind = [
      "kex_exchange_identification: Connection closed by remote host",
      "Connection closed by UNKNOWN port 65535"
    ]
    for (const said of [
      "bob@jump: Permission denied (publickey)",
      "/bin/sh: 1: exec: nc: not found",
      "Host key verification failed"
    ])
      assert.strictEqual(of(255, ["*** Authorised use only ***", `${said}.`, ...behind].join("\n")), said)
    assert.strictEqual(of(255, behind.join("\n")), behind[1])
    assert.strictEqual(
      of(1, "cat: unrecognized option '--pushed'\nTry 'cat --help' for more information.\n"),
      "cat: unrecognized option '--pushed'"
    )
  })

  it("says that there is no program in the words of each shell", () => {
    const missing = (status: number, errors: string) =>
      assert.strictEqual(
        of(status, errors),
        `no program "mrsync" there: ${errors.split("\n")[0]}; install it there, or say where it is with --remote-program`
      )
    missing(1, "mrsync: Command not found.".slice(0, -1))
    missing(127, "fish: Unknown command: mrsync\nfish: \nmrsync catch --pushed\n^~~~~^\n")
    assert.match(
      of(127, "/usr/bin/env: 'node': No such file or directory"),
      /^"mrsync" finds no Node there: .*--install$/
    )
  })

  it("is told in what a closed account says on standard output", () => {
    const closed = "This account is currently not available"
    assert.strictEqual(of(1, "", false, `${closed}.`), closed)
    assert.strictEqual(of(1, "*** Authorised use only ***\n", false, closed), `*** Authorised use only ***; ${closed}`)
    // a greeting is no reason
    assert.strictEqual(of(255, "a: Permission denied", false, "Welcome"), "a: Permission denied")
  })

  it("says that a server dropped the connection, which no login did", () => {
    const dropped = (errors: string, status = 255, hasAnswered = false) =>
      RemoteShell.wasDropped(shellOf("ssh"), { status, errors, hasAnswered })
    const closed = "kex_exchange_identification: read: Connection reset by peer"
    assert.isTrue(dropped(`${closed}\nConnection reset by 10.0.0.1 port 22\n`))
    assert.isTrue(dropped(`${closed}\nConnection closed by UNKNOWN port 65535\n`))
    assert.isFalse(
      dropped(`bob@jump: Permission denied (publickey).\n${closed}\nConnection closed by UNKNOWN port 65535`)
    )
    assert.isFalse(dropped(closed, 1))
    assert.isFalse(dropped(closed, 255, true))
    assert.isFalse(dropped("ssh: connect to host a port 22: Connection refused"))
  })
})
