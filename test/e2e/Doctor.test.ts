/** The doctor on real hosts whose network is ill: each illness that a lab can have. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import type { Step } from "../../src/report/Diagnosis.ts"
import * as Lab from "./Lab.ts"
import * as Trees from "./Trees.ts"

/** The findings of a doctor that has ended, each with the catchers that it is about. */
const findings = ({ report }: Lab.Ended): ReadonlyArray<string> =>
  report.findings.map(({ catchers = [], id }: { id: string; catchers?: ReadonlyArray<string> }) =>
    [id, ...catchers].join(" ")
  )
const isThere = (ended: Lab.Ended, finding: string) => assert.include(findings(ended), finding, ended.err + ended.out)

/** Runs a command on a host, the switch ("sw") among them. */
const run = Effect.fnUntraced(function* (lab: Lab.Lab, host: string, command: string) {
  const { err, status } = yield* lab.exec(host, ...command.split(" ")).ended
  assert.strictEqual(status, 0, `${command}: ${err}`)
})

/** A firewall that drops what comes in, or what goes out. */
const wall = Effect.fnUntraced(function* (lab: Lab.Lab, host: string, what: string, hook = "input") {
  yield* run(lab, host, "nft add table inet wall")
  yield* run(lab, host, `nft add chain inet wall ${hook} { type filter hook ${hook} priority 0 ; policy accept ; }`)
  yield* run(lab, host, `nft add rule inet wall ${hook} udp dport ${what} drop`)
})

const bridge = (lab: Lab.Lab, options: string) => run(lab, "sw", `ip link set bridge0 type bridge ${options}`)

// they wait most of the time, each in a lab of its own
describe.skipIf(Lab.unavailable !== undefined)("the doctor on real hosts", { concurrent: true }, () => {
  const test = (name: string, count: number, body: (lab: Lab.Lab) => Effect.Effect<void>) =>
    it.live(name, () => Effect.scoped(Effect.flatMap(Lab.make(count), body)))

  test("paths: one is narrow, one is slow, one loses; each is named, and a session works afterwards", 4, (lab) =>
    Effect.gen(function* () {
      yield* run(lab, "sw", "ip link set port-c2 mtu 1400")
      lab.lab("narrow", "c3", "4mbit")
      lab.lab("loss", "8", "c4")
      // in the open, where a busy machine sends more
      const catchers = yield* lab.catchers(4, "--insecure")
      const ended = yield* lab.mrsync("m", "doctor", "--json", "--insecure", "--catchers", "4").ended
      for (const finding of ["narrow c2", "slow c3", "loss c4"]) isThere(ended, finding)
      assert.strictEqual(ended.status, 0, ended.err)
      assert.strictEqual(ended.report.crowd.queries.count, 0)
      const source = join(lab.folder, "source")
      mkdirSync(source)
      Trees.random(join(source, "small"), 100_000)
      const master = yield* lab.mrsync("m", "send", "--json", "--insecure", "--catchers", "4", source).ended
      assert.strictEqual(master.status, 0, master.err)
      for (const { ended } of catchers) assert.strictEqual((yield* ended).status, 0)
    })
  )

  test("a firewall that drops by length: to the byte, on both ways, and the rate is that of what passes", 2, (lab) =>
    Effect.gen(function* () {
      yield* wall(lab, "c2", "8888 meta length > 1000")
      yield* wall(lab, "c1", "32768-60999 meta length > 900", "output")
      const source = join(lab.folder, "source")
      mkdirSync(source)
      Trees.random(join(source, "small"), 100_000)
      const there = lab.mrsync("c2", "doctor", "--json")
      const catchers = yield* lab.catchers(2)
      const ended = yield* lab.mrsync("m", "doctor", "--json", "--catchers", "2").ended
      isThere(ended, "by-length c2")
      isThere(ended, "long-answers c1")
      yield* run(lab, "c1", "nft delete table inet wall")
      for (const finding of findings(ended)) assert.notMatch(finding, /^(narrow|slow|not-glued|loss)/)
      const [c1, c2] = ended.report.crowd.catchers
      assert.strictEqual(c1.answerPacketBytes, 900)
      assert.deepStrictEqual([c2.packetBytes, c2.tooLongPacketBytes], [1000, 1001])
      // how fast depends on what else this machine does
      for (const { arrived, sent } of c2.steps as ReadonlyArray<Step>) assert.isAbove(arrived ?? 0, sent / 2)
      isThere(yield* there.ended, "firewall-length")
      const master = yield* lab.mrsync("m", "send", "--json", "--catchers", "2", source).ended
      assert.strictEqual(master.status, 0, master.err)
      for (const { ended } of catchers) assert.strictEqual((yield* ended).status, 0)
    })
  )

  test(
    "this machine: walls, a wrong interface, no carrier, the buffer that plain sockets get; time-outs say the same",
    1,
    (lab) =>
      Effect.gen(function* () {
        const doctor = (host: string, ...args: ReadonlyArray<string>) =>
          lab.mrsync(host, "doctor", "--json", ...args).ended
        const source = join(lab.folder, "source")
        mkdirSync(source)
        // what comes back from the own socket is still let in: the answers alone are lost
        yield* wall(lab, "m", "32768-60999")
        yield* wall(lab, "c1", "8888")
        const [master, catcher, sent, caught] = yield* Effect.all(
          [
            doctor("m", "--catchers", "1", "--wait", "1"),
            doctor("c1"),
            lab.mrsync("m", "send", "--group", "239.255.67.93", "--wait", "1", source).ended,
            lab.mrsync("c1", "catch", "--wait", "1", join(lab.folder, "DEST")).ended
          ],
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual([master.status, catcher.status, sent.status, caught.status], [10, 10, 30, 30])
        isThere(master, "firewall-answers")
        isThere(master, "nobody")
        isThere(catcher, "firewall-group")
        assert.isFalse(catcher.report.here.hearsItself)
        const said = ({ report }: Lab.Ended, id: string) => report.findings.find((one: any) => one.id === id).seen
        assert.include(sent.err, said(master, "firewall-answers"))
        assert.include(caught.err, said(catcher, "firewall-group"))

        yield* run(lab, "m", "nft delete table inet wall")
        yield* run(lab, "m", "ip link add other0 type veth peer name other1")
        yield* run(lab, "m", "ip addr add 10.88.0.1/24 dev other0")
        for (const one of ["other0", "other1"]) yield* run(lab, "m", `ip link set ${one} up`)
        const [wrong, small] = yield* Effect.all(
          [
            doctor("m", "--interface", "other0", "--catchers", "1", "--wait", "1"),
            lab.exec("m", process.execPath, Lab.program, "doctor", "--json", "--transport", "datagram").ended
          ],
          { concurrency: 2 }
        )
        assert.strictEqual(wrong.status, 30)
        isThere(wrong, "nobody")
        assert.match(
          said(wrong, "other-interfaces"),
          /^the interface is other0 .* this machine has lan0 \(10\.77\.0\.1\)/
        )
        // no lab has a limit of its own: whether the buffer is small is the host's doing
        const { receiveBufferBytes } = small.report.here
        assert.strictEqual(findings(small).includes("small-buffer"), receiveBufferBytes < 1024 * 1024)
        assert.isBelow(receiveBufferBytes, master.report.here.receiveBufferBytes)

        lab.lab("link", "down", "c1")
        const unplugged = yield* doctor("c1")
        assert.strictEqual(unplugged.status, 10)
        assert.include(unplugged.err, "lan0 has no carrier: its cable is unplugged")
      })
  )

  test("a switch that snoops, and whose querier is silent, stops forwarding: --watch says when", 2, (lab) =>
    Effect.gen(function* () {
      yield* lab.catchers(2)
      const doctor = lab.mrsync("m", "doctor", "--json", "--catchers", "2", "--watch", "11")
      yield* doctor.says("joined")
      yield* Effect.sleep(4000)
      // it asks once, and forgets after three seconds
      yield* bridge(lab, "mcast_igmp_version 3 mcast_membership_interval 300 mcast_query_response_interval 100")
      yield* bridge(lab, "mcast_query_interval 100000 mcast_startup_query_interval 100000")
      yield* bridge(lab, "mcast_snooping 1")
      yield* bridge(lab, "mcast_querier 1")
      const ended = yield* doctor.ended
      isThere(ended, "stops-forwarding c1 c2")
      assert.strictEqual(ended.status, 23)
      assert.isAtLeast(ended.report.crowd.queries.count, 1)
      assert.isAbove(ended.report.crowd.catchers[0].clock.silentFromSecond, 1)
    })
  )
})
