/** What the page shows, from events alone: bounded, the same for early and late, and harmless whatever the names. */
import { assert, describe, it } from "@effect/vitest"
import type { CatcherView, Event } from "../../src/report/Event.ts"
import type { Report } from "../../src/report/Report.ts"
import * as Watched from "../../src/report/Watched.ts"

const catcher = (id: string, bytes: number, more: Partial<CatcherView> = {}): CatcherView => ({
  ...{ id, address: "10.0.0.1:1", state: "Receiving", files: 0, bytes },
  ...more
})

const tick = (seconds: number, catchers: ReadonlyArray<CatcherView> = []): Event => ({
  _tag: "Tick",
  ...{ seconds, bytes: seconds * 10, total: 1000, files: 0, sentBytes: seconds * 12, phase: "Sending" },
  repairedPages: 0,
  pages: 100,
  catchers
})

const report: Report = {
  _tag: "Report",
  ...{ session: "a", sealed: false, seconds: 12, files: 1, directories: 0, links: 0, specials: 0, bytes: 1000 },
  pages: { needed: 100, sent: 110, repaired: 10, parity: 0 },
  catchers: [
    { id: "a", address: "x", state: "Complete", files: 1, bytes: 1000, missingPages: 1, failures: [] },
    {
      id: "b",
      address: "",
      state: "Absent",
      files: 0,
      bytes: 0,
      missingPages: 0,
      failures: [{ path: "", reason: "it did not join" }]
    }
  ],
  skipped: 0,
  failures: []
}

const first = Watched.initial({ role: "Send", where: "here" })
const framed = (...events: ReadonlyArray<Event>) => events.reduce(Watched.gathered, Watched.nothing)
const after = (...events: ReadonlyArray<Event>) =>
  events.reduce((state, event) => Watched.step(state, framed(event)), first)

describe("frames", () => {
  it("of events that replace each other have the last one", () => {
    const waiting = (joined: number): Event => ({ _tag: "Waiting", joined })
    assert.deepStrictEqual(framed(waiting(1), tick(1), waiting(2), tick(2)).events, [waiting(2), tick(2)])
  })

  it("of too many say how many are left out", () => {
    const frame = framed(...Array.from({ length: 1000 }, (_, i): Event => ({ _tag: "Note", message: `${i}` })))
    assert.isAtMost(frame.events.length, 200)
    assert.strictEqual(frame.events.length + frame.leftOut, 1000)
    assert.strictEqual(Watched.step(first, frame).log.at(-1)?.text, "800 lines left out here: too much happened")
  })

  it("always have the report, and of its failures some", () => {
    const failures = Array.from({ length: 9000 }, (_, i) => ({ path: `${i}`, reason: "no" }))
    const full = framed(...Array.from({ length: 300 }, (): Event => ({ _tag: "Note", message: "" })))
    const frame = Watched.gathered(full, { ...report, catchers: [{ ...report.catchers[0], failures }] })
    const last = frame.events.at(-1)
    assert.strictEqual(last?._tag, "Report")
    assert.strictEqual((last as Report).catchers[0].failures.length, 5000)
  })
})

describe("the state", () => {
  it("of a session is bounded", () => {
    let state = first
    for (let i = 1; i <= 5000; i++)
      state = Watched.step(state, framed(tick(i), { _tag: "Note", message: "x".repeat(10_000) }))
    assert.isAtMost(state.samples.length, 600)
    assert.strictEqual(state.log.length, 500)
    assert.strictEqual(state.logLeftOut, 4500)
    assert.isBelow(JSON.stringify(state).length, 2_000_000)
    // the curve reaches from the beginning to the end
    assert.strictEqual(state.samples[0].seconds, 1)
    assert.strictEqual(state.samples.at(-1)?.seconds, 5000)
  })

  it("has each catcher's rate of the last seconds", () => {
    const states = Array.from({ length: 40 }, (_, i) => tick(i / 4, [catcher("a", i * 25), catcher("b", 500)]))
    const [a, b] = after(...states).rows
    assert.approximately(a.rate, 100, 2)
    assert.strictEqual(b.rate, 0)
  })

  it("keeps why a catcher is lost, also in the ticks after it", () => {
    const lost: Event = { _tag: "Lost", id: "a", address: "x", reason: "silent for 10 s" }
    const { rows } = after(tick(1, [catcher("a", 1)]), lost, tick(2, [catcher("a", 1, { state: "Lost" })]))
    assert.deepInclude(rows[0], { state: "Lost", reason: "silent for 10 s" })
  })

  it("shows those that have joined before it begins", () => {
    const joined: Event = { _tag: "Joined", id: "a", address: "x", joined: 1 }
    const { log, rows } = after(joined, joined)
    assert.deepStrictEqual(
      rows.map(({ id }) => id),
      ["a"]
    )
    assert.notProperty(log[0], "seconds")
  })

  it("has hosts that could not be reached in a row of their own, until they join after all", () => {
    const unreachable: Event = { _tag: "Unreachable", id: "b", reason: "no route to host" }
    const one = after(unreachable, tick(1, [catcher("a", 1)]), tick(2, [catcher("a", 2)]))
    assert.deepStrictEqual(
      one.rows.map(({ id, reason, state }) => [id, state, reason]),
      [
        ["a", "Receiving", undefined],
        ["b", "Unreachable", "no route to host"]
      ]
    )
    const joined = after(unreachable, tick(1, [catcher("a", 1), catcher("b", 1)]))
    assert.deepStrictEqual(
      joined.rows.map(({ state }) => state),
      ["Receiving", "Receiving"]
    )
  })

  it("ends with the report's catchers, also those that never came, and with all bytes there", () => {
    const state = after(tick(10, [catcher("a", 100)]), { ...report, catchers: report.catchers.slice(0, 1) })
    assert.deepInclude(state.samples.at(-1), { seconds: 12, bytes: 1000 })
    assert.deepInclude(after(tick(1), report).rows[1], { id: "b", state: "Absent", reason: "it did not join" })
  })

  it.each(["__proto__", "constructor", "<img src=x onerror=alert(1)>", "\u202egnp.exe", "a\nb"])(
    "takes the name %j",
    (id) => {
      const lost: Event = { _tag: "Lost", id, address: "x", reason: "r" }
      const { log, rows } = after(tick(1, [catcher(id, 1)]), lost, tick(2, [catcher(id, 1, { state: "Lost" })]))
      assert.deepInclude(rows[0], { id, reason: "r" })
      assert.notMatch(log[0].text, /[\n\u202e]/)
    }
  )
})
