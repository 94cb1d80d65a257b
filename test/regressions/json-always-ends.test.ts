/**
 * --json once ended without a word when the command line was wrong, an interface was not there or nobody came; and when a
 * master had waited in vain its last line was a report of no catchers.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import { bytesOf } from "../../src/tree/Names.ts"
import { mrsync } from "../cli/Rig.ts"
import { inTime } from "../phase/Rig.ts"
import * as Simulation from "../sessions/Simulation.ts"

const metadata = { mode: 0o644, mtimeSeconds: 0, mtimeNanos: 0, uid: 0, gid: 0 }
const tree = [Simulation.file("a", 100_000), Simulation.file("b", 10)]

describe("the last line of --json says how it ended", () => {
  it.effect.each([
    [1, "UsageError", ["send", "--json", "--frobnicate", "x"]],
    [1, "UsageError", ["send", "--json"]],
    [1, "UsageError", ["catch", "x", "--wait", "soon", "--json"]],
    [1, "UsageError", ["--json"]],
    [1, "UsageError", ["send", "--json", "-q", "-v", "x"]],
    [1, "UsageError", ["simulate", "--json", "--slow", "20"]],
    [10, "InterfaceError", ["send", "--json", "--interface", "nope0", "x"]],
    [10, "InterfaceError", ["catch", "--json", "--interface", "nope0", "x"]],
    [11, "SourceError", ["send", "--json", "--hosts", "@/nonexistent", "x"]],
    [30, "AnnounceTimeout", ["send", "--json", "--wait", "1", "x"]],
    [30, "AnnounceTimeout", ["send", "--json", "-q", "--wait", "1", "--catchers", "3", "x"]],
    [30, "MasterTimeout", ["catch", "--json", "--wait", "1", "x"]],
    [30, "MasterTimeout", ["catch", "--json", "--serve", "--wait", "1", "x"]]
  ] as const)("%d %s %j", ([status, error, args]) =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      const ended = yield* inTime(mrsync({ network, tree }, ...args))
      assert.strictEqual(ended.status, status)
      assert.deepInclude(ended.last, { _tag: "Error", status, error })
      assert.isAbove(ended.last.reason.length, 10)
      assert.notInclude(ended.last.reason, "\n")
      assert.match(ended.last.time, /^\d{4}-/)
      assert.deepStrictEqual(
        ended.events.filter(({ _tag }) => _tag === "Report" || _tag === "Error"),
        [ended.last],
        "no report of nobody, and one end"
      )
    })
  )

  it.effect("a session: the report of each side, with the status", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      const both = [
        mrsync({ network, tree: [...tree, { ...Simulation.file("c", 5), fault: "EACCES" }] }, "send", "--json", "x"),
        mrsync({ network, name: "a" }, "catch", "--json", "x")
      ]
      const [master, catcher] = yield* inTime(Effect.all(both, { concurrency: 2 }))
      for (const { last, status } of [master, catcher]) {
        assert.deepInclude(last, { _tag: "Report", status: 23 })
        assert.strictEqual(status, 23)
        assert.include(last.reason, "c")
        assert.strictEqual(last.catchers.length, 1)
      }
    })
  )

  it.effect("says a time to the millisecond, and no number where there is none", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      const fifo = { entry: { _tag: "Fifo", path: bytesOf("pipe"), metadata } } as const
      const ended = yield* inTime(
        Effect.all(
          [
            mrsync({ network, tree: [...tree, fifo] }, "send", "--json", "--at-most", "1.23456", "x"),
            mrsync({ network, name: "a" }, "catch", "--json", "--wait", "2.34567", "x")
          ],
          { concurrency: 2 }
        )
      )
      for (const { events, last, status } of ended) {
        assert.strictEqual(status, 0)
        assert.deepInclude(last, { files: 2, specials: 1, skipped: 0 })
        const waits = events.filter(({ _tag }) => _tag === "Waiting")
        assert.isAbove(waits.length, 0)
        for (const event of [...waits, ...events.filter(({ _tag }) => _tag === "Joined")])
          assert.notProperty(event, "wanted")
        for (const [key, value] of events.flatMap(Object.entries)) {
          if (/seconds$/i.test(key)) assert.match(String(value), /^\d+(\.\d{1,3})?$/)
        }
      }
      const numbered = yield* inTime(mrsync({ network, tree }, "send", "--json", "--catchers", "3", "--wait", "1", "x"))
      assert.strictEqual(numbered.events.find(({ _tag }) => _tag === "Waiting").wanted, 3)
    })
  )

  it.effect("interrupted while it waits, or in a session", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      const large = [Simulation.file("large", 8_000_000)]
      const alone = { network, tree, stopMillis: 500 }
      for (const args of [
        ["send", "--json", "--catchers", "2", "x"],
        ["catch", "--json", "x"],
        ["catch", "--json", "--serve", "x"]
      ]) {
        const { last, status } = yield* mrsync(alone, ...args)
        assert.strictEqual(status, 20)
        assert.deepInclude(last, { _tag: "Error", status: 20, reason: "interrupted" })
      }
      const both = [
        mrsync({ network, tree: large, stopMillis: 3000 }, "send", "--json", "--bwlimit", "1MB", "x"),
        mrsync({ network, name: "a" }, "catch", "--json", "x"),
        mrsync({ network, name: "b", stopMillis: 2900 }, "catch", "--json", "--serve", "x")
      ]
      for (const { events, last, status } of yield* Effect.all(both, { concurrency: 3 })) {
        assert.strictEqual(status, 20)
        assert.deepInclude(last, { _tag: "Report", status: 20 })
        assert.match(last.reason, /interrupted/)
        assert.strictEqual(events.filter(({ _tag }) => _tag === "Report" || _tag === "Error").length, 1)
      }
    }).pipe(inTime)
  )
})
