/** Events to lines and pictures: pure, so that what a person sees can be read here. */
import { assert, describe, it } from "@effect/vitest"
import * as Format from "../../src/cli/Format.ts"
import * as Picture from "../../src/cli/Picture.ts"
import * as Summary from "../../src/report/Summary.ts"
import * as View from "../../src/cli/View.ts"
import type * as Progress from "../../src/report/Progress.ts"
import type { CatcherReport, Report } from "../../src/report/Report.ts"

const where = "239.255.67.92:8888 (eth0, 10.0.0.9)"
const size = { columns: 80, rows: 24 }

const complete = (id: string): CatcherReport => ({
  id,
  address: "10.0.0.1:4000",
  state: "Complete",
  files: 3,
  bytes: 3_000_000,
  missingPages: 1,
  failures: []
})

const report: Report = {
  _tag: "Report",
  skipped: 0,
  session: "00000000000000aa",
  sealed: false,
  seconds: 1.5,
  files: 3,
  directories: 2,
  links: 1,
  specials: 0,
  bytes: 3_000_000,
  pages: { needed: 2000, sent: 2100, repaired: 80, parity: 20 },
  catchers: [complete("anna"), complete("berta")],
  failures: []
}

const view = (id: string, bytes: number, state: Progress.CatcherView["state"] = "Receiving"): Progress.CatcherView => ({
  id,
  address: "10.0.0.1:4000",
  state,
  files: 1,
  bytes
})

const tick = (seconds: number, bytes: number, catchers: ReadonlyArray<Progress.CatcherView> = []): Progress.Event => ({
  _tag: "Tick",
  seconds,
  bytes,
  total: 3_000_000,
  files: 1,
  sentBytes: bytes,
  phase: bytes < 3_000_000 ? "Sending" : "Finishing",
  repairedPages: 0,
  catchers
})

const waiting = (joined: number, wanted: number): Progress.Event => ({
  _tag: "Waiting",
  joined,
  wanted,
  absent: [],
  leftSeconds: 30
})

const started: Progress.Event = {
  _tag: "Started",
  session: "00000000000000aa",
  catchers: 2,
  files: 3,
  bytes: 3_000_000
}

const session: ReadonlyArray<Progress.Event> = [
  { _tag: "Scanned", files: 3, directories: 2, links: 1, specials: 0, bytes: 3_000_000 },
  waiting(0, 2),
  { _tag: "Joined", id: "anna", address: "10.0.0.1:4000", joined: 1, wanted: 2 },
  waiting(1, 2),
  { _tag: "Joined", id: "berta", address: "10.0.0.2:4000", joined: 2, wanted: 2 },
  started,
  tick(0.5, 1_000_000),
  { _tag: "Lost", id: "berta", address: "10.0.0.2:4000", reason: "silent for 10 s" },
  { _tag: "Failed", path: "a\u001b[2Jb", reason: "disk\nfull", catcher: "anna" },
  { _tag: "Note", message: "s: a socket, skipped" },
  tick(1, 3_000_000),
  report
]

const fold = (
  events: ReadonlyArray<Progress.Event>,
  role: View.Role = "Send",
  verbosity: View.Verbosity = "Normal"
): readonly [View.View, ReadonlyArray<string>] => {
  let state = View.initial({ role, verbosity, where })
  const lines: Array<string> = []
  for (const event of events) {
    const [next, said] = View.step(state, event)
    state = next
    lines.push(...said.map((line) => `${line.to} ${line.text}`))
  }
  return [state, lines]
}

describe("lines", () => {
  it("of a session, few and safe to print", () =>
    assert.deepStrictEqual(fold(session)[1], [
      "out 3 files, 2 directories, 1 link, 3.00 MB to send",
      `out waiting on ${where} for 2 catchers`,
      "out joined: anna (10.0.0.1:4000), 1 of 2",
      "out joined: berta (10.0.0.2:4000), 2 of 2",
      "out session 00000000000000aa: sending 3.00 MB to 2 catchers",
      "err lost: berta (10.0.0.2:4000): silent for 10 s",
      "err failed: anna: a\\x1b[2Jb: disk\\x0afull",
      "err note: s: a socket, skipped",
      "out sent 3 files, 2 directories, 1 link: 3.00 MB in 1.5 s, 2.00 MB/s",
      "out pages: 2,000 needed, 2,100 sent (5.0 % more), 80 repaired, 20 parity",
      "out 2 catchers: 2 complete"
    ]))

  it("a catcher that comes when all that were awaited are there is none of them", () => {
    const late = { _tag: "Joined", id: "clara", address: "10.0.0.3:4000", joined: 3, wanted: 2 } as const
    assert.deepStrictEqual(fold([late])[1], ["out joined: clara (10.0.0.3:4000)"])
  })

  it("with -q only bad news", () =>
    assert.deepStrictEqual(fold(session, "Send", "Quiet")[1], [
      "err lost: berta (10.0.0.2:4000): silent for 10 s",
      "err failed: anna: a\\x1b[2Jb: disk\\x0afull"
    ]))

  it("with -v also how far", () => {
    const lines = fold(session, "Send", "Verbose")[1]
    assert.include(lines, "out 30 %: 1.00 MB in 0.50 s")
    assert.include(lines, "out 100 %: 3.00 MB in 1.0 s")
    // nothing is known of it before the survey
    const early = { ...tick(0.1, 0), total: 0 } as Progress.Event
    assert.deepStrictEqual(fold([early], "Send", "Verbose")[1], [])
  })

  it("of a kind that comes by the thousand: the first, then one that says so", () => {
    const failed = Array.from({ length: 5000 }, (_, i): Progress.Event => ({
      _tag: "Failed",
      path: `f${i}`,
      reason: "no"
    }))
    assert.strictEqual(fold(failed)[1].length, 21)
    assert.strictEqual(fold(failed)[1][20], "err ... and more (all of them with -v)")
    assert.strictEqual(fold(failed, "Send", "Verbose")[1].length, 5000)
  })

  it("of a report after nothing: none, the error says it", () =>
    assert.deepStrictEqual(fold([waiting(0, 1), report])[1].length, 1))

  it("of a catcher", () =>
    assert.deepStrictEqual(
      fold(
        [
          { _tag: "Waiting", leftSeconds: 30 },
          { _tag: "Joined", id: "", address: "10.0.0.9:8888", joined: 1 },
          started,
          { ...report, catchers: [complete("anna")] }
        ],
        "Catch"
      )[1],
      [
        `out waiting on ${where} for a master`,
        "out joined the session of 10.0.0.9:8888",
        "out session 00000000000000aa: receiving 3.00 MB",
        "out received 3 of 3 files: 3.00 MB in 1.5 s, 2.00 MB/s",
        "out pages: 2,000 needed, 1 asked for again"
      ]
    ))
})

describe("the picture", () => {
  it("before the session", () => {
    assert.deepStrictEqual(Picture.picture(fold([])[0], size), ["reading the tree"])
    assert.deepStrictEqual(Picture.picture(fold(session.slice(0, 3))[0], size), [
      `waiting on ${where}: 1 of 2 joined, 0:30 left`
    ])
    assert.deepStrictEqual(Picture.picture(fold([started])[0], size), ["sending the list of files"])
    const joined = fold([waiting(0, 1), { _tag: "Joined", id: "", address: "10.0.0.9:8888", joined: 1 }], "Catch")[0]
    assert.deepStrictEqual(Picture.picture(joined, size), ["joined: the master waits for more catchers"])
  })

  it("says what sets the pace, where that is known, and so does a line now and then", () => {
    const limit = { by: "Rate", share: 0.9, catchers: [], more: 0 } as const
    const state = fold([started, { ...tick(1, 1_000_000), limit } as Progress.Event])[0]
    assert.strictEqual(Picture.picture(state, size)[1], "  --bwlimit sets the pace (90 % of the time)")
    const [, lines] = Picture.beat(View.at(View.at(state, 0), 20_000))
    assert.include(lines[0]?.text, "; --bwlimit sets the pace (90 % of the time)")
  })

  it("has a bar with rate and time left, and a line for every catcher", () => {
    const catchers = [view("anna", 1_500_000), view("b\u001bt", 600_000, "Slow"), view("clara", 0, "Lost")]
    const [state] = fold([started, tick(1, 500_000, catchers), tick(2, 1_500_000, catchers)])
    assert.deepStrictEqual(Picture.picture(state, size), [
      " 50 % [===============               ] 1.50 MB of 3.00 MB  1.00 MB/s  0:02 left",
      "  anna     50 %  receiving  1 file, 1.50 MB",
      "  b\\x1bt   20 %  behind     1 file, 600 kB",
      "  clara     0 %  lost       1 file, 0 B"
    ])
  })

  it("leaves out what is least needed where there is no room: how long yet stays", () => {
    const repaired = (bytes: number, seconds: number) =>
      ({ ...tick(seconds, bytes), phase: "Repairing", repairedPages: 1234 }) as Progress.Event
    const [state] = fold([started, repaired(500_000, 1), repaired(1_500_000, 2)])
    const first = (columns: number) => Picture.picture(state, { columns, rows: 24 })[0]
    assert.strictEqual(
      first(120),
      " 50 % [===============               ] 1.50 MB of 3.00 MB  1.00 MB/s  0:02 left, repairing  1,234 pages repaired"
    )
    assert.strictEqual(first(80), " 50 % [=========          ] 1.50 MB of 3.00 MB  1.00 MB/s  0:02 left, repairing")
    assert.strictEqual(first(40), " 50 %  1.00 MB/s  0:02 left, repairing")
    assert.strictEqual(first(30), " 50 %  0:02 left, repairing")
  })

  it("while it waits: who is missing, for how long yet, and that Enter begins", () => {
    const absent = Array.from({ length: 20 }, (_, i) => `host${i + 1}`)
    const event = { _tag: "Waiting", joined: 2, wanted: 30, absent, leftSeconds: 95 } as const
    let state = View.at(View.initial({ role: "Send", verbosity: "Normal", where, hasKeys: true }), 1000)
    state = View.at(View.step(state, event)[0], 31_000)
    assert.deepStrictEqual(Picture.picture(state, { columns: 300, rows: 24 }), [
      `waiting on ${where}: 2 of 30 joined, 1:05 left`,
      `missing: ${absent.join(", ")} and 8 more`,
      "Enter begins with those that have joined"
    ])
    const [line, missing] = Picture.picture(state, { columns: 40, rows: 24 })
    assert.strictEqual(line, "waiting: 2 of 30 joined, 1:05 left")
    assert.match(missing, /^missing: host1, host2, .*…$/)
    const { wanted: _, ...asManyAsCome } = { ...event, absent: [] }
    const open = View.step(state, asManyAsCome)[0]
    assert.strictEqual(Picture.picture(open, size)[0], `waiting on ${where}: 2 joined, 1:35 left`)
  })

  it("says who is behind, and why", () => {
    const slow = { ...view("berta", 600_000, "Slow"), straggled: "loss" } as const
    const [state] = fold([started, tick(1, 600_000, [view("anna", 1_500_000), slow])])
    assert.strictEqual(Picture.picture(state, size)[2], "  berta   20 %  behind: loss  1 file, 600 kB")
  })

  it("on a tall terminal has more of the slowest", () => {
    const catchers = Array.from({ length: 300 }, (_, i) => view(`h${i}`, i * 1000))
    const [state] = fold([started, tick(1, 1, catchers)])
    assert.strictEqual(Picture.picture(state, { columns: 80, rows: 90 }).length, 60)
    assert.strictEqual(Picture.picture(state, { columns: 80, rows: 10 }).length, 6)
  })

  it("while it is found out what is lacked, and how much is hashed", () => {
    const first = (more: object) => {
      const [state] = fold([started, { ...tick(2, 0), phase: "Comparing", ...more } as Progress.Event])
      return Picture.picture(state, { columns: 100, rows: 24 })[0].replace(/\[ *\]/, "[]")
    }
    assert.strictEqual(first({}), "  0 % [] 0 B of 3.00 MB  comparing")
    assert.strictEqual(
      first({ hashed: { bytes: 1_000_000, total: 2_000_000 } }),
      "  0 % [] 0 B of 3.00 MB  comparing, 1.00 MB of 2.00 MB hashed"
    )
  })

  it("before anything is known of what is lacked there is no part of it", () => {
    const comparing = { ...tick(2, 0, [view("berta", 0)]), total: 0, phase: "Comparing" } as Progress.Event
    const [state] = fold([started, comparing])
    const lines = Picture.picture(state, { columns: 100, rows: 24 })
    assert.strictEqual(lines[0], "comparing")
    assert.notInclude(lines.join(), "%")
  })

  it("while catchers look through older versions, and how far each is: no time is guessed", () => {
    const looking = { bytes: 1_000_000, total: 4_000_000 }
    const one = { ...view("berta", 0), looking }
    const [state] = fold([started, { ...tick(9, 1000, [one]), looking } as Progress.Event])
    const lines = Picture.picture(state, { columns: 100, rows: 24 })
    assert.match(lines[0], /looking through older versions, 1.00 MB of 4.00 MB$/)
    assert.include(lines[1], "  berta    0 %  reading: 25 %  ")
  })

  it("while catchers copy what they had of large files, or read these once more", () => {
    const looking = { bytes: 1_000_000, total: 4_000_000 }
    const one = { ...view("berta", 1000), looking }
    const [state] = fold([started, { ...tick(9, 1000, [one]), phase: "Finishing", looking } as Progress.Event])
    const lines = Picture.picture(state, { columns: 100, rows: 24 })
    assert.match(lines[0], /finishing, 1.00 MB of 4.00 MB copied or read$/)
    assert.include(lines[1], "  reading: 25 %  ")
  })

  it("of a catcher that has all and waits with the others", () => {
    const [state] = fold([started, { ...tick(2, 3_000_000), phase: "Finished" } as Progress.Event], "Catch")
    assert.strictEqual(
      Picture.picture(state, { columns: 100, rows: 24 })[0].replace(/\[=*\]/, "[]"),
      "100 % [] 3.00 MB of 3.00 MB  complete  (others are waited for)"
    )
  })

  it("says when only repairs are left", () => {
    const [state] = fold([
      started,
      tick(1, 1_000_000),
      { ...tick(2, 3_000_000), repairedPages: 1234 } as Progress.Event
    ])
    assert.deepStrictEqual(Picture.picture(state, { columns: 120, rows: 24 }), [
      "100 % [==============================] 3.00 MB of 3.00 MB  2.00 MB/s  finishing  1,234 pages repaired"
    ])
  })

  it("with many catchers: counts, and the slowest few", () => {
    const catchers = Array.from({ length: 300 }, (_, i) =>
      view(`h${i}`, i * 1000, i === 0 ? "Lost" : i > 290 ? "Complete" : "Receiving")
    )
    const [state] = fold([started, tick(1, 1, catchers), tick(2, 300_000, catchers)])
    assert.deepStrictEqual(Picture.picture(state, size).slice(1), [
      "  300 catchers: 290 receiving, 9 complete, 1 lost; the slowest:",
      ...Array.from(
        { length: 14 },
        (_, i) => `  ${`h${i + 1}`.padEnd(3)}    0 %  receiving  1 file, ${i + 1}${i < 9 ? ".00" : ".0"} kB`
      )
    ])
  })

  it("never leaves the terminal, however small", () => {
    const catchers = Array.from({ length: 10 }, (_, i) => view(`name-${"x".repeat(100)}${i}`, i))
    const [state] = fold([started, tick(1, 1, catchers), tick(2, 2_000_000, catchers)])
    for (const columns of [1, 2, 20, 40, 60, 200]) {
      for (const rows of [1, 2, 5, 50]) {
        const lines = Picture.picture(state, { columns, rows })
        assert.isAtMost(lines.length, Math.max(1, rows - 1))
        for (const line of lines) assert.isAtMost(Format.width(line), Math.max(1, columns - 1))
      }
    }
  })

  it("forgets old ticks when it says how fast", () => {
    const events = Array.from({ length: 100 }, (_, i) => tick(i, i < 90 ? 0 : (i - 89) * 1000))
    const [state] = fold(events)
    assert.strictEqual(Picture.rateOf(state), 1000)
    assert.isAtMost(state.recent.length, 64)
  })
})

describe("where nothing can be drawn", () => {
  const said = (view: View.View, seconds: number) => {
    const lines: Array<string> = []
    let state = View.at(view, 0)
    for (let at = 0; at <= seconds; at++) {
      const [next, more] = Picture.beat(View.at(state, at * 1000))
      state = next
      lines.push(...more.map(({ text }) => `${at}: ${text}`))
    }
    return lines
  }

  it("a line says how it stands every ten seconds, and rarer later", () => {
    const slow = { ...view("berta", 600_000, "Slow"), straggled: "loss" } as const
    const events = [started, tick(1, 300_000, [slow]), tick(2, 600_000, [slow])]
    const lines = said(fold(events)[0], 700)
    assert.strictEqual(lines[0], "10: 20 %: 600 kB of 3.00 MB, 300 kB/s, 0:08 left; 1 behind: berta (20 %, loss)")
    assert.deepStrictEqual(
      lines.map((line) => Number(line.split(":")[0])),
      [10, 20, 30, 40, 50, 110, 170, 230, 290, 350, 410, 470, 530, 590]
    )
  })

  it("while it waits it says who is missing; a catcher that waits for ever says it once", () => {
    const waits = { _tag: "Waiting", joined: 1, wanted: 2, absent: ["b"], leftSeconds: 60 } as const
    assert.strictEqual(said(fold([waits])[0], 10)[0], `10: waiting on ${where}: 1 of 2 joined, 0:50 left; missing: b`)
    const forever = { ...waits, joined: 0, wanted: 0, absent: [], leftSeconds: undefined }
    assert.deepStrictEqual(said(fold([forever], "Catch")[0], 100), [])
  })

  it("-v lists the files that are complete", () => {
    const completed = [
      { _tag: "FileCompleted", path: "a" },
      { _tag: "FileCompleted", path: "b\u001b" },
      { _tag: "Completed", id: "anna" }
    ] as const
    assert.deepStrictEqual(fold(completed, "Send", "Verbose")[1], ["out a", "out b\\x1b", "out complete: anna"])
    assert.deepStrictEqual(fold(completed)[1], [])
  })
})

describe("the summary", () => {
  it("names who is not complete and why, and not more than one can read", () => {
    const failures = Array.from({ length: 30 }, (_, i) => ({ path: `p${i}`, reason: "disk full" }))
    const lines = Summary.lines(
      {
        ...report,
        catchers: [
          complete("anna"),
          { ...complete("berta"), state: "Partial", files: 1, failures },
          { ...complete("clara"), state: "Lost", files: 0 }
        ],
        failures: [{ path: "secret", reason: "permission denied", kind: "Unreadable" }]
      },
      "Send",
      false
    )
    assert.deepStrictEqual(lines.slice(2, 4), [
      "3 catchers: 1 has all that could be sent, 1 partial, 1 lost",
      "  partial: berta (10.0.0.1:4000) has 1 of 3 files"
    ])
    assert.strictEqual(lines[4], "    p0: disk full")
    assert.strictEqual(lines[14], "    ... and 20 more (all of them with -v)")
    assert.deepStrictEqual(lines.slice(15), [
      "  lost: clara (10.0.0.1:4000) has 0 of 3 files",
      "not sent to anybody:",
      "  secret: permission denied"
    ])
  })

  it("tells what nobody was sent from what has arrived, and was changed meanwhile", () => {
    const aged = { path: "log", reason: "kept changing", kind: "Changed", arrived: true } as const
    assert.deepStrictEqual(Summary.lines({ ...report, failures: [aged] }, "Send", false).slice(2), [
      "2 catchers: 2 complete",
      "sent, and yet:",
      "  log: kept changing"
    ])
  })

  it("names who fell behind, and why", () => {
    const behind = { ...complete("berta"), missingPages: 1234, straggled: "loss" } as const
    const lines = Summary.lines({ ...report, catchers: [complete("anna"), behind] }, "Send", false)
    assert.deepStrictEqual(lines.slice(3), ["  behind the others: berta (loss, 1,234 pages asked for again)"])
  })

  it("of a session that ended early says how far it came", () => {
    const lines = Summary.lines(
      { ...report, pages: { needed: 2000, sent: 500, repaired: 0, parity: 0 } },
      "Send",
      false
    )
    assert.strictEqual(lines[0], "sent 25 % of 3 files, 2 directories, 1 link: 750 kB in 1.5 s, 500 kB/s")
    assert.strictEqual(lines[1], "pages: 2,000 needed, 500 sent, 0 repaired, 0 parity")
  })

  it("of what catchers had in part says what went out, and rsync's speedup", () => {
    const delta = { ...report, bytes: 40_000_000, selected: { files: 1, bytes: 40_000_000 }, sentBytes: 500_000 }
    const few = { ...delta, selected: { files: 2, bytes: 100_000 }, sentBytes: 120_000 }
    const saved = (one: Report) => Summary.lines(one, "Send", false).slice(0, 2)
    assert.deepStrictEqual(saved(delta), [
      "sent 3 files, 2 directories, 1 link: 40.0 MB in 1.5 s",
      "sent 500 kB of pages, 333 kB/s; total size is 40.0 MB, speedup is 80.00"
    ])
    assert.deepStrictEqual(saved(few), [
      "sent 2 files of 3 files, 2 directories, 1 link: 100 kB in 1.5 s",
      "sent 120 kB of pages, 80.0 kB/s; total size is 40.0 MB, speedup is 333.33"
    ])
    // a copy to those that have nothing, and a part of one
    const copy = { ...delta, sentBytes: 41_000_000 }
    assert.match(saved(copy)[1], /^pages: /)
    assert.match(saved({ ...delta, pages: { ...report.pages, sent: 100 } })[1], /^pages: /)
    assert.match(saved({ ...delta, catchers: [{ ...complete("anna"), state: "Lost" }] })[1], /^pages: /)
  })

  it("of a session that ended early says so too of what catchers lacked", () => {
    const selected = { files: 2, bytes: 1_000_000 }
    const pages = { needed: 700, sent: 70, repaired: 0, parity: 0 }
    assert.strictEqual(
      Summary.lines({ ...report, selected, pages }, "Send", false)[0],
      "sent 10 % of what was lacked (2 files of 3 files, 2 directories, 1 link): 100 kB in 1.5 s, 66.7 kB/s"
    )
  })

  it("does not let what went out pass for what is there", () => {
    const first = (...catchers: ReadonlyArray<CatcherReport>) =>
      Summary.lines({ ...report, catchers }, "Send", false)[0].split(":")[0]
    const partial = (files: number) => ({ ...complete("berta"), state: "Partial", files }) as const
    assert.strictEqual(first(complete("anna"), partial(0)), "sent 3 files, 2 directories, 1 link")
    assert.strictEqual(first(partial(1)), "sent 3 files, 2 directories, 1 link, which no catcher has whole")
    assert.strictEqual(first(partial(0)), "sent 3 files, 2 directories, 1 link, which no catcher has")
  })

  it("tells what came in this session from what stood there, and how much was deleted", () => {
    const changes = { created: 0, updated: 0, described: 0, kept: 0, deleted: 2, vetoed: 0, files: 0, bytes: 0 }
    const first = (role: "Send" | "Catch", one: CatcherReport) =>
      Summary.lines({ ...report, catchers: [one] }, role, false)[0]
    const had = { ...complete("anna"), changes }
    assert.strictEqual(first("Catch", had), "received nothing of 3 files: 0 B in 1.5 s, 0 B/s, 2 deleted")
    assert.strictEqual(
      first("Send", had),
      "sent 3 files, 2 directories, 1 link: 3.00 MB in 1.5 s, 2.00 MB/s, 2 deleted"
    )
    const lacking = { ...changes, deleted: 0, files: 2, bytes: 600_000 }
    assert.strictEqual(first("Catch", { ...had, changes: lacking }), "received 2 of 3 files: 600 kB in 1.5 s, 400 kB/s")
    // the third is a hard link to one of them, which nothing is sent for
    const all = { ...lacking, bytes: 3_000_000 }
    assert.strictEqual(first("Catch", { ...had, changes: all }), "received 3 of 3 files: 3.00 MB in 1.5 s, 2.00 MB/s")
    // one of the two has not arrived
    assert.strictEqual(
      first("Catch", { ...had, changes: lacking, state: "Partial", files: 2, bytes: 2_700_000 }),
      "received 1 of 3 files: 300 kB in 1.5 s, 200 kB/s"
    )
  })

  it("counts what is special", () => {
    const [line] = Summary.lines({ ...report, specials: 2 }, "Send", false)
    assert.match(line, /^sent 3 files, 2 directories, 1 link, 2 special files: /)
  })

  it("of nothing sent does not divide by it", () => {
    const lines = Summary.lines(
      { ...report, seconds: 0, bytes: 0, pages: { needed: 0, sent: 4, repaired: 0, parity: 0 }, catchers: [] },
      "Send",
      false
    )
    assert.deepStrictEqual(lines, [
      "sent 3 files, 2 directories, 1 link, which no catcher has: 0 B in 0.00 s",
      "pages: 0 needed, 4 sent, 0 repaired, 0 parity",
      "0 catchers: none"
    ])
  })
})

describe("numbers and names", () => {
  it("are short", () => {
    assert.deepStrictEqual([0, 999, 1000, 12_345, 999_499, 999_500, 1.5e9, 3e15].map(Format.bytes), [
      "0 B",
      "999 B",
      "1.00 kB",
      "12.3 kB",
      "999 kB",
      "1.00 MB",
      "1.50 GB",
      "3.00 PB"
    ])
    assert.deepStrictEqual([0, 6.2, 754, 3723].map(Format.clock), ["0:00", "0:07", "12:34", "1:02:03"])
    assert.deepStrictEqual([1, 1000, 1_234_567].map(Format.count), ["1", "1,000", "1,234,567"])
    assert.strictEqual(Format.percent(999_999, 1_000_000), 99)
  })

  it("carry no control characters and no reversed text", () => {
    assert.strictEqual(Format.safe("a\r\n\t\u007f\u009bb"), "a\\x0d\\x0a\\x09\\x7f\\x9bb")
    assert.strictEqual(Format.safe("txt.\u202eexe"), "txt.\\u202eexe")
    assert.strictEqual(Format.safe("grün 文件 👩‍🚀"), "grün 文件 👩‍🚀")
  })

  it("are cut by cells, not by characters", () => {
    assert.strictEqual(Format.fit("文件文件", 5), "文件…")
    assert.strictEqual(Format.fit("abc", 3), "abc")
    assert.strictEqual(Format.fit("abcd", 3), "ab…")
  })
})
