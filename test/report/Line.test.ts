/** What --json prints is what the Schemas say, no more and no less. */
import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Catcher from "../../src/catcher/Catcher.ts"
import * as LastLine from "../../src/cli/LastLine.ts"
import { Screen } from "../../src/cli/Screen.ts"
import { DemoError, type Failure, UsageError } from "../../src/cli/Status.ts"
import * as Master from "../../src/master/Master.ts"
import * as Errors from "../../src/report/Errors.ts"
import { Event } from "../../src/report/Event.ts"
import * as Line from "../../src/report/Line.ts"
import { Progress } from "../../src/report/Progress.ts"
import * as Memory from "../../src/store/Memory.ts"
import { InterfaceError } from "../../src/system/Interfaces.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import { mrsync } from "../cli/Rig.ts"
import { recording } from "../cli/recording.ts"
import { inTime } from "../phase/Rig.ts"
import * as Simulation from "../sessions/Simulation.ts"
import { CatcherProtection, MasterProtection } from "../../src/session/Exchange.ts"

const strict = Schema.decodeUnknownResult(Schema.fromJsonString(Line.Line), { onExcessProperty: "error" })

/** Every line is decoded strictly, and is encoded to itself again. Answers their kinds. */
const kindsOf = (lines: ReadonlyArray<string>): ReadonlyArray<string> => {
  const kinds = lines.map((line) => {
    const decoded = strict(line)
    if (Result.isFailure(decoded)) return assert.fail(`${line}\n${decoded.failure.message}`)
    assert.strictEqual(Line.encode(decoded.success), line)
    return decoded.success._tag
  })
  return [...new Set(kinds)].sort()
}

const named = (name: string, size = 10) => {
  const { entry } = Simulation.file(name, size)
  return { ...Simulation.file(name, size), entry: { ...entry, path: Buffer.from(name, "latin1") } }
}

const tree = [
  Simulation.file("large", 3_000_000),
  named("n\xe4me"),
  { ...Simulation.file("unreadable", 5), fault: "EACCES" },
  { ...Simulation.file("unreadable too", 600_000), fault: "EACCES" },
  ...Array.from({ length: 20 }, (_, i) => Simulation.file(`small ${i}`, 100 * i))
]

const skipped = [{ path: "socket", kind: "Special", reason: "a socket, skipped" }] as const

/** A session with all that can go wrong: one catcher is refused, one goes away, one has a full disk. */
const session = Effect.gen(function* () {
  const network = yield* Simulated.make({ seed: 1, loss: 0.05 })
  const small = Memory.make({ capacityBytes: 1_000_000 })
  return yield* Effect.all(
    [
      mrsync({ network, tree, skipped }, "send", ...["-v", "--json", "--hosts", "a,b,c", "--bwlimit", "500kB", "x"]),
      mrsync({ network, name: "a" }, "catch", "-v", "--json", "x"),
      mrsync({ network, name: "b", stopMillis: 4000 }, "catch", "--json", "x"),
      mrsync({ network, name: "c", memory: small }, "catch", "-v", "--json", "x"),
      mrsync({ network, name: "d" }, "catch", "--json", "--wait", "5", "x")
    ],
    { concurrency: "unbounded" }
  )
}).pipe(inTime)

describe("every line of --json", () => {
  it.effect("of a session, on both sides", () =>
    Effect.gen(function* () {
      const [master, a, b, c, d] = yield* session
      const both = ["FileCompleted", "Report", "Started", "Tick", "Waiting"]
      const masters = ["Completed", "Failed", "Joined", "Lost", "Note", "Refused", "Scanned"]
      assert.deepStrictEqual(kindsOf(master.out), [...both, ...masters].sort())
      assert.deepStrictEqual(kindsOf(a.out), both)
      assert.include(kindsOf(b.out), "Report")
      assert.include(kindsOf(c.out), "Failed")
      assert.deepStrictEqual(kindsOf(d.out), ["Error", "Refused", "Waiting"])
      const odd = master.events.find(({ path }) => path === "n\\xe4me")
      assert.deepInclude(odd, { _tag: "FileCompleted", pathBytes: "buRtZQ==" })
    })
  )

  it.effect("of a session: nothing that was told is left out", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1, loss: 0.02 })
      const told: Array<Event> = []
      const hub = Progress.layerTo((event) => void told.push(event))
      const times = { waitMillis: 5000, timeoutMillis: 2000 }
      const catcher = (id: string, capacityBytes: number) =>
        Catcher.run({ ...times, id }).pipe(
          Effect.provide(CatcherProtection.insecure),
          Effect.provide([network.layerCatcher(id), Memory.layer(Memory.make({ capacityBytes })), hub], { local: true })
        )
      const master = Master.run({
        ...Master.defaults,
        ...times,
        catchers: 2,
        hosts: ["a", "c"],
        bytesPerSecond: 2e6
      }).pipe(
        Effect.provide(MasterProtection.insecure),
        Effect.provide([network.layerMaster, Memory.sourceLayer(tree), hub], { local: true })
      )
      const programs = [master, catcher("a", 1e9), catcher("c", 1e6), Effect.exit(catcher("d", 1e9))]
      yield* inTime(Effect.all(programs, { concurrency: "unbounded" }))
      const kinds = new Set(told.map(({ _tag }) => _tag))
      for (const kind of ["Tick", "Failed", "FileCompleted", "Refused", "Joined"] as const) {
        assert.isTrue(kinds.has(kind), kind)
      }
      for (const event of told) {
        const encoded = Schema.encodeUnknownResult(Event, { onExcessProperty: "error" })(event)
        if (Result.isFailure(encoded)) assert.fail(`${JSON.stringify(event)}\n${encoded.failure.message}`)
      }
    })
  )

  it.effect("of a catcher that serves, of a simulation, and of a wrong command line", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      const serving = yield* inTime(mrsync({ network, terminatedMillis: 500 }, "catch", "--json", "--serve", "x"))
      assert.deepStrictEqual(kindsOf(serving.out), ["Ended", "Waiting"])
      const wrong = yield* mrsync({ network }, "send", "--json")
      assert.deepStrictEqual(kindsOf(wrong.out), ["Error"])
      const simulated = yield* inTime(
        mrsync({ network }, "simulate", "--json", "--catchers", "3", "--size", "100kB", "--slow", "1", "--crash", "1")
      )
      assert.deepStrictEqual(kindsOf(simulated.out), ["Simulation"])
    })
  )

  const at = { code: "EACCES", path: "a\\xff", reason: "no" }
  const failures: ReadonlyArray<Failure> = [
    new UsageError({ command: "send", reason: "no" }),
    new InterfaceError({ reason: "no", usable: ["eth0 (10.0.0.1)"] }),
    new Errors.TransportError({ operation: "send", reason: "no" }),
    new Errors.SourceError(at),
    new Errors.StoreError(at),
    new Errors.GroupBusy({ address: "10.0.0.1:8888", waitedMillis: 1000, sinceMillis: 12.5 }),
    new Errors.AnnounceTimeout({
      joined: 1,
      wanted: 3,
      absent: ["b"],
      refused: [{ id: "c", address: "10.0.0.3:1", reason: "no" }],
      lost: [{ id: "d", address: "10.0.0.4:1", reason: "no" }],
      otherMasters: [{ address: "10.0.0.5:1", sinceMillis: 1, forMillis: 2 }],
      waitedMillis: 1000,
      local: "10.0.0.1:1",
      unsent: "no",
      where: "here",
      others: ["eth1"]
    }),
    new Errors.MasterTimeout({
      waitedMillis: 1000,
      heard: [{ address: "10.0.0.1:1", announcements: 1, joins: 2, isOver: false }],
      before: "before",
      sessionMillis: 3
    }),
    new Errors.JoinRefused({ master: "10.0.0.1:1", reason: "no" }),
    new Errors.SessionAborted({ master: "10.0.0.1:1", reason: "no" }),
    new Errors.BadManifest({ reason: "no" }),
    new DemoError({ kind: "Different", reason: "no" })
  ]

  it.effect.each(failures)("that says how it ended: $_tag, with all that is known", (failure) =>
    Effect.gen(function* () {
      const { said, screen } = recording()
      yield* Effect.exit(LastLine.ending(true)(Effect.fail(failure))).pipe(Effect.provideService(Screen, screen))
      assert.deepStrictEqual(kindsOf(said.out), ["Error"])
      const line = JSON.parse(said.out[0])
      const { _tag, reason: _reason, ...known } = JSON.parse(JSON.stringify({ ...failure }))
      assert.deepInclude(line, { ...known, error: _tag })
      assert.strictEqual(line.pathBytes, "path" in failure ? "Yf8=" : undefined)
    })
  )

  it.effect("that says how it ended: interrupted, or by a fault", () =>
    Effect.gen(function* () {
      for (const end of [Effect.interrupt, Effect.die(new Error("oh"))]) {
        const { said, screen } = recording()
        yield* Effect.exit(LastLine.ending(true)(end)).pipe(Effect.provideService(Screen, screen))
        assert.deepStrictEqual(kindsOf(said.out), ["Error"])
      }
    })
  )
})

describe("the decoder", () => {
  it("passes over fields that it does not know, and says what is wrong", () => {
    const line = '{"_tag":"Completed","time":"2026-01-31T12:00:00.000Z","id":"c1","colour":"red"}'
    assert.deepStrictEqual(Result.getOrThrow(Line.decode(line)), {
      _tag: "Completed",
      time: DateTime.makeUnsafe("2026-01-31T12:00:00Z"),
      id: "c1"
    })
    for (const wrong of [line.replace("Completed", "Done"), line.replace('"id"', '"di"'), line.slice(1), "[]"]) {
      assert.isTrue(Result.isFailure(Line.decode(wrong)), wrong)
    }
  })
})
