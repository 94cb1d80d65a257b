/** One command for a fleet, over real servers of ssh: some hosts fail, each in its own way, and nothing is left of it anywhere. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Lab from "./Lab.ts"
import * as Servers from "./Servers.ts"
import * as Trees from "./Trees.ts"

const test = (name: string, count: number, body: (lab: Lab.Lab) => Effect.Effect<void>) =>
  it.live(name, () => Effect.scoped(Effect.flatMap(Lab.make(count), body)), 60_000)

const tree = (lab: Lab.Lab, bytes: number) => {
  const source = join(lab.folder, "source")
  mkdirSync(join(source, "deep/er"), { recursive: true })
  Trees.random(join(source, "large"), bytes)
  writeFileSync(join(source, "deep/er/small"), "small")
  return source
}

/** Waits until nothing of ours runs on these hosts any more. */
const quiet = (servers: Servers.Servers, hosts: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const left = () => hosts.flatMap((host) => servers.others(host).map((line) => `${host}: ${line}`))
    for (let tries = 0; tries < 50 && left().length > 0; tries++) yield* Effect.sleep(100)
    assert.deepStrictEqual(left(), [])
  })

const hostsOf = (count: number) => ["m", ...Array.from({ length: count }, (_, i) => `c${i + 1}`)]

describe.skipIf(Servers.unavailable !== undefined)("push over ssh", () => {
  test("twelve hosts: three fail in their own ways, nine have the tree, and no process is left", 12, (lab) =>
    Effect.gen(function* () {
      const source = tree(lab, 6_000_000)
      const servers = Servers.start(lab, 12, { 3: "NoPermission", 5: "NoProgram" })
      const options = ["--json", "--bwlimit", "2MB", "-e", servers.shell]
      const master = lab.mrsync("m", "push", ...options, "--delete", `${source}/`, "c[1-12]:srv/")
      yield* master.sees(({ _tag }) => _tag === "Started")
      servers.drop(7)
      const { err, events, report, status } = yield* master.ended
      assert.strictEqual(status, 23, err)
      const of = (id: string) => report.catchers.find((one: { id: string }) => one.id === id)
      for (const catcher of [1, 2, 4, 6, 8, 9, 10, 11, 12]) {
        assert.strictEqual(of(`c${catcher}`).state, "Complete")
        assert.strictEqual(Lab.rsyncSays(`${source}/`, `${servers.homeOf(catcher)}/srv/`), "")
      }
      const [denied, unknown, dropped] = [3, 5, 7].map((catcher) => of(`c${catcher}`))
      assert.deepStrictEqual([denied.state, unknown.state, dropped.state], ["Unreachable", "Unreachable", "Lost"])
      assert.match(denied.failures[0].reason, /^root@10\.77\.0\.4: Permission denied \(publickey\)/)
      assert.match(unknown.failures[0].reason, /^no program "mrsync" there: .*mrsync: .*not found; install it there/)
      assert.match(dropped.failures[0].reason, /its connection ended: .*(closed|reset)/i)
      const told = events.filter(({ _tag }) => _tag === "Unreachable").map(({ id }) => id)
      assert.sameMembers(told, ["c3", "c5"])
      assert.match(report.reason, /3 of 12 catchers incomplete: c7 \(lost\), c3 \(unreachable\), c5 \(unreachable\)/)
      yield* quiet(servers, hostsOf(12))
    })
  )

  test("a host whose login hangs is not waited for at the end; one that hears nothing says what mends it", 3, (lab) =>
    Effect.gen(function* () {
      const source = tree(lab, 100_000)
      const servers = Servers.start(lab, 3, { 2: "Hangs" })
      const wall = "add table inet filter; add chain inet filter input { type filter hook input priority 0; }"
      const nft = `nft '${wall}; add rule inet filter input udp dport 8889-8952 drop'`
      assert.strictEqual((yield* lab.exec("c3", "sh", "-c", nft).ended).status, 0)
      const began = performance.now()
      const options = ["--json", "--wait", "4", "--timeout", "40", "-e", servers.shell]
      const { err, report, status } = yield* lab.mrsync("m", "push", ...options, `${source}/`, "c[1-3]:srv/").ended
      assert.strictEqual(status, 23, err)
      assert.isBelow(performance.now() - began, 20_000)
      const states = new Map(report.catchers.map((one: { id: string; state: string }) => [one.id, one.state]))
      assert.deepStrictEqual(Object.fromEntries(states), { c1: "Complete", c2: "Absent", c3: "Unreachable" })
      const [{ reason }] = report.catchers.find(({ id }: { id: string }) => id === "c3").failures
      assert.match(reason, /^no master was heard within \d s on .*: multicast does not come from the master to this/)
      assert.match(reason, /As root, with nftables: nft insert rule inet filter input udp dport 8889-8952 accept$/)
      yield* quiet(servers, hostsOf(3))
    })
  )

  test("Ctrl-C, and the death of the master, end every catcher; --all sends nothing where one host fails", 3, (lab) =>
    Effect.gen(function* () {
      const source = tree(lab, 20_000_000)
      const servers = Servers.start(lab, 3, { 3: "NoPermission" })
      const push = (...args: ReadonlyArray<string>) =>
        lab.mrsync("m", "push", "--json", "--bwlimit", "1MB", "-e", servers.shell, `${source}/`, ...args)
      for (const [signal, ended] of [
        ["SIGINT", 20],
        ["SIGKILL", null]
      ] as const) {
        const master = push("c1,root@c2:srv")
        yield* master.sees(({ _tag }) => _tag === "Started")
        yield* master.kill(signal)
        assert.strictEqual((yield* master.ended).status, ended)
        yield* quiet(servers, hostsOf(3))
      }
      const none = yield* push("--all", "c[1-3]:other").ended
      assert.strictEqual(none.status, 23)
      assert.match(none.report.reason, /^1 of 3 hosts cannot be reached, and all are asked for .*c3: root@.*denied/)
      assert.deepStrictEqual(Lab.litter(servers.homeOf(1)), [])
      yield* quiet(servers, hostsOf(3))
    })
  )

  test("a program gives the passphrase that ssh asks for, where it may ask", 2, (lab) =>
    Effect.gen(function* () {
      const source = tree(lab, 1000)
      const servers = Servers.start(lab, 2)
      const [key, asked] = ["ssh/user", "asked"].map((name) => join(lab.folder, name))
      execFileSync("ssh-keygen", ["-q", "-p", "-P", "", "-N", "sesame", "-f", key])
      writeFileSync(asked, "#!/bin/sh\necho sesame\n", { mode: 0o755 })
      const push = (...options: ReadonlyArray<string>) => {
        const shell = [servers.shell, ...options].join(" ")
        const environment = [`SSH_ASKPASS=${asked}`, "SSH_ASKPASS_REQUIRE=force"]
        const command = [process.execPath, Lab.program, "push", "--json", "-e", shell, `${source}/`, "c[1-2]:srv"]
        return lab.exec("m", "env", ...environment, ...command).ended
      }
      assert.strictEqual((yield* push()).status, 23)
      const ended = yield* push("-o BatchMode=no")
      assert.strictEqual(ended.status, 0, ended.err)
      yield* quiet(servers, hostsOf(2))
    })
  )
})
