/** `mrsync doctor` on a machine in memory, and the time-outs that say what it finds. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import { inTime } from "../phase/Rig.ts"
import { type Host, mrsync, well } from "./Rig.ts"

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
      assert.match(out.at(-1) ?? "", /^Nothing on this machine would stop a session\./)
    })
  )

  it.effect("what stops a session is named, with what mends it: 10", () =>
    Effect.gen(function* () {
      const { err, out, status } = yield* run({ surroundings: walled }, "doctor")
      assert.strictEqual(status, 10)
      assert.match(
        out.join("\n"),
        /STOPS {4}the firewall's chain INPUT of table iptables filter drops UDP to the group.*\n.*\n +-> As root/
      )
      assert.include(err.join("\n"), "no session would work: the firewall's chain INPUT")
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

describe("mrsync doctor with catchers", () => {
  const sides = Effect.fnUntraced(function* (names: ReadonlyArray<string>, ...args: ReadonlyArray<string>) {
    const network = yield* Simulated.make({ seed: 1, delayMillis: 1 })
    const catchers = names.map((name) => mrsync({ network, name }, "catch", "--wait", "20", "x"))
    const doctor = Effect.delay(mrsync({ network, name: "m" }, "doctor", ...args), 100)
    const [ended, ...caught] = yield* inTime(Effect.all([doctor, ...catchers], { concurrency: "unbounded" }))
    return { ...ended, caught }
  })

  it.effect("a row for each, and 0; they wait on, and tell why", () =>
    Effect.gen(function* () {
      const { caught, out, status } = yield* sides(["a", "b"], "--catchers", "2")
      assert.strictEqual(status, 0, out.join("\n"))
      assert.match(out.join("\n"), /a {2}10\.0\.0\.\d:\d+ +1484 B {2}0\.0 % {2}125 MB\/s\+ {4}\d+\/\d+/)
      assert.strictEqual(out.at(-1), "A session would work.")
      for (const { err, status } of caught) {
        assert.strictEqual(status, 30)
        assert.include(err.join("\n"), "(mrsync doctor has seen what it came for); waiting for another one")
      }
    })
  )

  it.effect("nobody comes: 30, with --json the last line says so", () =>
    Effect.gen(function* () {
      const { last, status } = yield* sides([], "--catchers", "2", "--wait", "1", "--json")
      assert.strictEqual(status, 30)
      assert.deepStrictEqual([last._tag, last.status, last.crowd.wanted, last.crowd.catchers], ["Diagnosis", 30, 2, []])
      assert.strictEqual(last.findings[0].id, "nobody")
      assert.strictEqual(last.crowd.unheardQueries, "it is in memory")
    })
  )

  it.effect("as many as come by the end of --wait", () =>
    Effect.gen(function* () {
      const { last } = yield* sides(["a", "b"], "--wait", "2", "--json")
      assert.strictEqual(last.status, 0)
      assert.deepStrictEqual(
        last.crowd.catchers.map(({ id }: { readonly id: string }) => id),
        ["a", "b"]
      )
    })
  )

  it.effect("one is missing of a list: 30, and the other is looked at", () =>
    Effect.gen(function* () {
      const { last } = yield* sides(["a"], "--hosts", "a,c", "--wait", "1", "--json")
      assert.strictEqual(last.status, 30)
      assert.include(last.reason, "c: it did not come")
      assert.lengthOf(last.crowd.catchers, 1)
    })
  )

  it.effect.each([
    [["--hosts", "a", "--catchers", "1"], "contradict each other"],
    [["--watch", "5"], "--watch needs catchers"]
  ] as const)("%j is refused", ([args, words]) =>
    Effect.gen(function* () {
      const { err, status } = yield* run({}, "doctor", ...args)
      assert.strictEqual(status, 1)
      assert.include(err.join("\n"), words)
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
        mrsync({ network, surroundings: walled }, "catch", "--json", "--insecure", "--wait", "2", "x")
      ]
      const [, catcher] = yield* inTime(Effect.all(sides, { concurrency: 2 }))
      assert.strictEqual(catcher.status, 30)
      assert.deepStrictEqual(catcher.last.causes, [])
      assert.notInclude(catcher.last.reason, "On this machine")
    })
  )
})
