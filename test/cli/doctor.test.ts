/** `mrsync doctor` on a machine in memory, and the time-outs that say what it finds. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import { inTime } from "../phase/Rig.ts"
import { type Host, mrsync, well } from "./Rig.ts"

const unplugged: Host["surroundings"] = { ...well, link: { ...well.link, hasCarrier: false } }
const walled: Host["surroundings"] = {
  ...well,
  ruleset: { nft: undefined, iptables: "*filter\n:INPUT DROP [0:0]\nCOMMIT\n", unread: undefined }
}

const run = (host: Partial<Host>, ...args: ReadonlyArray<string>) =>
  Effect.flatMap(Simulated.make({ seed: 1 }), (network) => inTime(mrsync({ network, ...host }, ...args)))

describe("mrsync doctor", () => {
  it.effect("says what it sees, and what would not stop a session: 0", () =>
    Effect.gen(function* () {
      const { out, status } = yield* run({}, "doctor")
      assert.strictEqual(status, 0)
      const text = out.join("\n")
      for (const words of ["eth0 (10.0.0.1)", "hears itself", "note     the firewall's rules could not be read"])
        assert.include(text, words)
      assert.strictEqual(out.at(-1), "Nothing on this machine would stop a session.")
    })
  )

  it.effect("what stops a session is named, with what mends it: 10", () =>
    Effect.gen(function* () {
      const { err, out, status } = yield* run({ surroundings: unplugged }, "doctor")
      assert.strictEqual(status, 10)
      assert.match(out.join("\n"), /STOPS {4}the interface eth0 has no carrier\n.*\n +-> Plug it in/)
      assert.include(err.join("\n"), "no session would work: the interface eth0 has no carrier")
    })
  )

  it.effect("--json: one line, with all that was seen", () =>
    Effect.gen(function* () {
      const { last, out, status } = yield* run({ surroundings: walled }, "doctor", "--json", "--interface", "eth0")
      assert.strictEqual(status, 10)
      assert.lengthOf(out, 1)
      assert.strictEqual(last._tag, "Diagnosis")
      assert.strictEqual(last.status, 10)
      assert.include(last.here, { interface: "eth0", why: "Asked", hearsItself: true })
      assert.strictEqual(last.here.groupIn.verdict, "Drops")
      assert.deepStrictEqual(
        last.findings.map(({ id }: { readonly id: string }) => id),
        ["firewall-group", "firewall-answers", "other-interfaces"]
      )
    })
  )

  it.effect("another master has the group: 12", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      const sending = mrsync({ network, name: "m" }, "send", "--insecure", "--wait", "5", "x")
      const [, { last }] = yield* inTime(
        Effect.all([sending, Effect.delay(mrsync({ network }, "doctor", "--json"), 1000)], { concurrency: 2 })
      )
      assert.strictEqual(last.status, 12)
      assert.match(last.reason, /another master \(10\.0\.0\.\d+:\d+\) uses the group/)
    })
  )

  it.effect("an interface that is not there: 10", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* run({}, "doctor", "--interface", "nope0")).status, 10)
    })
  )
})

describe("a time-out that heard nobody", () => {
  const rule =
    /On this machine the firewall's chain INPUT of table iptables filter drops UDP to (.*?): .*nft insert rule/

  it.effect("says what the doctor finds: at the master answers, at a catcher the group", () =>
    Effect.gen(function* () {
      const master = yield* run({ surroundings: walled }, "send", "--insecure", "--wait", "1", "x")
      const catcher = yield* run({ surroundings: walled }, "catch", "--insecure", "--wait", "1", "x")
      assert.deepStrictEqual([master.status, catcher.status], [30, 30])
      assert.strictEqual(rule.exec(master.err.join("\n"))?.[1], "this machine's own ports")
      assert.strictEqual(rule.exec(catcher.err.join("\n"))?.[1], "the group, port 8888")
    })
  )

  it.effect("and names the doctor where this machine shows no reason", () =>
    Effect.gen(function* () {
      const { err } = yield* run({}, "catch", "--insecure", "--wait", "1", "x")
      assert.match(err.join("\n"), /"mrsync doctor" looks for the reason$/)
    })
  )

  it.effect("is silent of that where somebody was heard", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      yield* network.impairLink("a", "Answers", { loss: 1 })
      const sides = [
        mrsync({ network, name: "m" }, "send", "--insecure", "--wait", "3", "x"),
        mrsync({ network, surroundings: walled }, "catch", "--insecure", "--wait", "2", "x")
      ]
      const [, catcher] = yield* inTime(Effect.all(sides, { concurrency: 2 }))
      assert.strictEqual(catcher.status, 30)
      assert.notInclude(catcher.err.join("\n"), "On this machine")
    })
  )
})
