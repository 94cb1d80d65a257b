/** Exit statuses are rsync's, and decided in one place. */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as CliError from "effect/cli/CliError"
import * as Exit from "effect/Exit"
import * as Status from "../../src/cli/Status.ts"
import * as Errors from "../../src/report/Errors.ts"
import { exitStatusOf, type Report } from "../../src/report/Report.ts"
import { KeyError } from "../../src/seal/Keys.ts"
import { InterfaceError } from "../../src/system/Interfaces.ts"

const table: ReadonlyArray<readonly [number, Status.Failure]> = [
  [1, new Status.UsageError({ command: "send", reason: "r" })],
  [1, new CliError.ShowHelp({ commandPath: ["mrsync"], errors: [] })],
  [1, new CliError.MissingArgument({ argument: "SOURCE" })],
  [10, new Errors.TransportError({ operation: "bind", reason: "r" })],
  [10, new InterfaceError({ reason: "r", usable: [] })],
  [11, new Errors.StoreError({ code: "EACCES", path: "p", reason: "r" })],
  [11, new Errors.SourceError({ code: "ENOENT", path: "p", reason: "r" })],
  [11, new Status.DemoError({ kind: "File", reason: "r" })],
  [11, new KeyError({ code: "ENOENT", path: "p", reason: "r" })],
  [5, new KeyError({ path: "p", reason: "r" })],
  [12, new Errors.GroupBusy({ address: "10.0.0.1:1", waitedMillis: 1, sinceMillis: 0 })],
  [12, new Errors.JoinRefused({ master: "m", reason: "r" })],
  [12, new Errors.BadManifest({ reason: "r" })],
  [20, new Errors.SessionAborted({ master: "m", reason: "r" })],
  [23, new Status.Incomplete({ status: 23, reason: "r" })],
  [23, new Status.DemoError({ kind: "Different", reason: "r" })],
  [24, new Status.Incomplete({ status: 24, reason: "r" })],
  [24, new Status.DemoError({ kind: "Changed", reason: "r" })],
  [30, new Errors.AnnounceTimeout({ joined: 0, wanted: 1, absent: [], waitedMillis: 1 })],
  [30, new Errors.MasterTimeout({ waitedMillis: 1 })]
]

describe("exit status", () => {
  it.each(table.map(([status, error]) => [status, error._tag, error] as const))("%d: %s", (status, _, error) => {
    assert.strictEqual(Status.of(Exit.fail(error)), status)
  })

  it("0: complete, 20: interrupted, 13: a fault of ours", () => {
    assert.strictEqual(Status.of(Exit.void), 0)
    assert.strictEqual(Status.of(Exit.interrupt(1)), 20)
    assert.strictEqual(Status.message(Exit.interrupt(1)), "mrsync: interrupted")
    const fault = Exit.die(new Error("oops"))
    assert.strictEqual(Status.of(fault), 13)
    assert.match(Status.message(fault) ?? "", /a fault in mrsync itself.*\n.*oops/)
  })

  it("an error beside an interruption counts", () => {
    const error = new Errors.GroupBusy({ address: "a", waitedMillis: 1, sinceMillis: 0 })
    const exit = Exit.failCause(Cause.combine(Cause.interrupt(1), Cause.fail(error)))
    assert.strictEqual(Status.of(exit), 12)
  })

  it("a message is one for a terminal", () => {
    const error = new Errors.JoinRefused({ master: "10.0.0.1:1", reason: "go\u001b[2Jaway" })
    assert.strictEqual(
      Status.message(Exit.fail(error)),
      "mrsync: the master 10.0.0.1:1 refused this catcher: go\\x1b[2Jaway"
    )
  })
})

describe("a report's status", () => {
  const report = (
    states: ReadonlyArray<"Complete" | "Partial" | "Lost">,
    failures: ReadonlyArray<"Unreadable" | "Changed"> = []
  ): Report => ({
    _tag: "Report",
    session: "s",
    sealed: false,
    seconds: 1,
    files: 1,
    directories: 0,
    links: 0,
    specials: 0,
    bytes: 1,
    pages: { needed: 1, sent: 1, repaired: 0, parity: 0 },
    skipped: 0,
    catchers: states.map((state, i) => ({
      id: `c${i}`,
      address: "a",
      state,
      files: 1,
      bytes: 1,
      missingPages: 0,
      failures: []
    })),
    failures: failures.map((kind) => ({ path: "p", reason: "r", kind }))
  })

  it("follows from what is incomplete", () => {
    assert.strictEqual(exitStatusOf(report(["Complete"])), 0)
    assert.strictEqual(exitStatusOf(report(["Complete", "Partial"])), 23)
    assert.strictEqual(exitStatusOf(report(["Lost"])), 23)
    assert.strictEqual(exitStatusOf(report(["Complete"], ["Changed"])), 24)
    assert.strictEqual(exitStatusOf(report(["Complete"], ["Changed", "Unreadable"])), 23)
  })

  it("says what nobody was sent, what arrived and was changed, and an example", () => {
    const aged = { path: "log", reason: "kept changing", kind: "Changed", arrived: true } as const
    const long = { path: "p".repeat(4000), reason: "r", kind: "Unreadable" } as const
    const of = (failures: Report["failures"]) => ({ ...report(["Complete"]), failures })
    assert.strictEqual(
      Status.reportReason(of([aged]), "Send"),
      "1 file arrived, but not as it is, the first: log: kept changing"
    )
    const words = Status.reportReason(of([long, aged]), "Send")
    assert.match(words, /^1 entry could not be sent; 1 file arrived, but not as it is, the first: p+…: r$/)
    assert.isBelow(words.length, 250)
    assert.strictEqual(exitStatusOf(of([aged])), 24)
  })

  it("comes with a line that names the catchers, a few of them", () => {
    assert.strictEqual(
      Status.incompleteReason(report(["Complete", "Lost", "Partial"]).catchers, 2),
      "2 of 3 catchers incomplete: c1 (lost), c2 (partial); 2 entries could not be sent"
    )
    const many = report(Array.from({ length: 9 }, () => "Lost" as const)).catchers
    assert.match(Status.incompleteReason(many, 0), /^9 of 9 catchers incomplete: c0 \(lost\), .*c4 \(lost\), \.\.\.$/)
  })
})
