/**
 * The last line was made from the kind of end and not from what was seen: hosts that never came were passed over in
 * silence, those that were refused were not named, and a master that was heard was "not heard" when nothing came back.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as Errors from "../../src/report/Errors.ts"
import { type Event, Progress } from "../../src/report/Progress.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import { mrsync } from "../cli/Rig.ts"
import { answering, crowd, endpoint, inTime, sessionOn } from "../phase/Rig.ts"
import * as Simulation from "../sessions/Simulation.ts"

const tree = [Simulation.file("a", 100_000), Simulation.file("b", 10)]

const sides = Effect.fnUntraced(function* (
  send: ReadonlyArray<string>,
  catchers: ReadonlyArray<string>,
  before: (network: Simulated.Network) => Effect.Effect<void> = () => Effect.void,
  both: ReadonlyArray<string> = []
) {
  const network = yield* Simulated.make({ seed: 1 })
  yield* before(network)
  const catching = catchers.map((name) =>
    Effect.andThen(Effect.sleep(200), mrsync({ network, name }, "catch", "--wait", "6", ...both, "x"))
  )
  const [master, ...ended] = yield* inTime(
    Effect.all([mrsync({ network, tree }, "send", ...send, ...both, "x"), ...catching], { concurrency: "unbounded" })
  )
  return { master, catchers: ended }
})

describe("hosts that never come", () => {
  it.effect("are Absent in the report, 23", () =>
    Effect.gen(function* () {
      const { catchers, master } = yield* sides(
        ["--json", "--hosts", "c1,c2,c3", "--at-least", "1", "--at-most", "1"],
        ["c1"]
      )
      assert.deepStrictEqual([master.status, catchers[0].status], [23, 0])
      assert.deepStrictEqual(
        master.last.catchers.map(({ id, state }: any) => `${id} ${state}`),
        ["c1 Complete", "c2 Absent", "c3 Absent"]
      )
      assert.include(master.last.reason, "2 of 3 catchers incomplete: c2 (absent), c3 (absent)")
    })
  )

  it.effect("and in the text", () =>
    Effect.gen(function* () {
      const { master } = yield* sides(["--hosts", "c1,c2", "--at-least", "1", "--at-most", "1"], ["c1"])
      assert.strictEqual(master.status, 23)
      assert.include(master.out.join("\n"), "2 catchers: 1 complete, 1 absent\n  absent: c2")
    })
  )

  it.effect("where too few join: who was refused and why, who is absent, which interface, and the others", () =>
    Effect.gen(function* () {
      const { master } = yield* sides(["--json", "--wait", "2", "--hosts", "c1,c2,c3"], ["c1", "c4"])
      assert.strictEqual(master.status, 30)
      const { absent, joined, reason, refused, wanted } = master.last
      assert.deepStrictEqual([joined, wanted, absent], [1, 3, ["c2", "c3"]])
      assert.deepStrictEqual(
        refused.map(({ id }: any) => id),
        ["c4"]
      )
      assert.match(
        reason,
        /^1 of 3 catchers joined within 2 s on 239\.255\.67\.92:8888 \(eth0, 10\.0\.0\.1\); refused: c4 \(10\.0\.0\.\d:\d+\): its name is not on the master's list of hosts; absent: c2, c3: start/
      )
      assert.match(reason, /or go on without them with --at-least 1\./)
      assert.match(reason, /answer by UDP to 10\.0\.0\.\d:\d+: a firewall here must let that in/)
      assert.match(reason, /Other interfaces of this machine, for --interface: eth1 \(10\.1\.0\.1\)$/)
    })
  )

  it("of a machine that nothing leaves: that alone", () => {
    const unsent = "its firewall does not let it out (EPERM)"
    const { message } = new Errors.AnnounceTimeout({ joined: 0, wanted: 1, absent: [], waitedMillis: 1000, unsent })
    assert.strictEqual(message, `0 of 1 catcher joined within 1 s: nothing leaves this machine: ${unsent}`)
    const heard = [{ address: "10.0.0.1:1", announcements: 5, joins: 5, isOver: false }]
    assert.strictEqual(
      new Errors.MasterTimeout({ waitedMillis: 1000, heard, unsent }).message,
      `no session began within 1 s: nothing leaves this machine: ${unsent}`
    )
  })

  it("thousands are counted", () => {
    const absent = Array.from({ length: 4000 }, (_, i) => `host${i}`)
    const { message } = new Errors.AnnounceTimeout({ joined: 0, wanted: 4000, absent, waitedMillis: 1000 })
    assert.include(message, "absent: host0, host1, host2, host3, host4, 3995 more")
    assert.isBelow(message.length, 400)
  })
})

describe("a catcher that finds no session", () => {
  it.effect.each([[], ["--insecure"]])(
    "hears a master that does not hear it: who was heard, and that nothing came back",
    (open) =>
      Effect.gen(function* () {
        const deaf = (network: Simulated.Network) => network.impairLink("a", "Answers", { loss: 1 })
        const { catchers, master } = yield* sides(["--wait", "8"], ["a"], deaf, open)
        assert.deepStrictEqual([master.status, catchers[0].status], [30, 30])
        assert.match(
          catchers[0].err.join("\n"),
          /no session began within 6 s on 239\.255\.67\.92:8888 \(eth0, 10\.0\.0\.1\): the master 10\.0\.0\.\d:\d+ (was heard \(\d\d announcements\) and did not answer, though we asked \d\d times to join: |calls, and does not answer: that is a recording of it, or ).*firewall there that does not let in UDP from here to port \d+$/
        )
        assert.match(master.err.join("\n"), /0 of 1 catcher joined .*a firewall here must let that in/)
      })
  )

  it.effect("hears none: the interface, and the others", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      const { err } = yield* inTime(mrsync({ network }, "catch", "--wait", "1", "x"))
      assert.match(
        err.join("\n"),
        /no master was heard within 1 s on 239.*\(eth0, 10\.0\.0\.1\).*eth1 \(10\.1\.0\.1\)\. "mrsync doctor" looks for the reason$/
      )
    })
  )
})

const alive = answering((message) =>
  message._tag === "Poll" ? { _tag: "PollOk", poll: message.poll, received: 0, dropped: 0 } : undefined
)

describe("silence of all at one time, minutes after the beginning, is laid to the switch", () => {
  const noted = Effect.fnUntraced(function* (afterSeconds: number, silenced: number) {
    const network = yield* Simulated.make({ seed: 1 })
    const said: Array<Event> = []
    const telling = Progress.layerTo((event) => void said.push(event))
    const session = yield* Effect.provide(sessionOn(yield* endpoint(network.layerMaster), { wanted: 3 }), telling)
    yield* Effect.forkScoped(Effect.raceFirst(session.run, session.rollCall))
    let muted = 0
    yield* crowd(network, 3, (message, slots) =>
      alive(
        message,
        slots.filter(({ slot }) => slot >= muted)
      )
    )
    yield* TestClock.adjust(`${afterSeconds} seconds`)
    muted = silenced
    yield* TestClock.adjust("5 seconds")
    assert.strictEqual(said.filter((event) => event._tag === "Lost").length, silenced)
    return said.flatMap((event) => (event._tag === "Note" ? [event.message] : []))
  })

  it.effect("said once", () =>
    Effect.gen(function* () {
      const notes = yield* noted(70, 3)
      assert.strictEqual(notes.length, 1)
      assert.match(notes[0], /all catchers fell silent at about the same time.*IGMP querier/)
    })
  )
  it.effect("not in the first minute, nor when some are heard", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* noted(20, 3), [])
      assert.deepStrictEqual(yield* noted(70, 2), [])
    })
  )
  it("and said by a catcher whose master falls silent then", () => {
    const after = (sessionMillis: number) =>
      new Errors.MasterTimeout({ master: "10.0.0.1:1", waitedMillis: 10_000, sessionMillis }).message
    assert.include(after(90_000), "IGMP querier")
    assert.notInclude(after(5000), "IGMP")
  })
})
