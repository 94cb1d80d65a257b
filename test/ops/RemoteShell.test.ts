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
  ])("%s %j", (status, errors, hasAnswered, expected) =>
    assert.strictEqual(RemoteShell.reasonOf(shellOf("ssh"), "mrsync", { status, errors, hasAnswered }), expected)
  )
})
