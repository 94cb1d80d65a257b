/** The words of a session, as the terminal and the page say them. */
import { assert, describe, it } from "@effect/vitest"
import type { Limit, Tick } from "../../src/report/Event.ts"
import * as Words from "../../src/report/Words.ts"

const tick: Tick = {
  _tag: "Tick",
  ...{ seconds: 1, bytes: 500, total: 1000, files: 0, sentBytes: 5, phase: "Sending", repairedPages: 0 },
  catchers: []
}
const limit = (by: Limit["by"], more: Partial<Limit> = {}): Limit => ({
  by,
  share: 0.62,
  catchers: [],
  more: 0,
  ...more
})

describe("what sets the pace", () => {
  it.each([
    [limit("Rate"), "--bwlimit sets the pace (62 % of the time)"],
    [
      limit("Catchers", { catchers: ["a\u202eb", "c"], more: 3, why: "slow machine" }),
      "the others wait for a\\u202eb, c, 3 more: slow machine (62 % of the time)"
    ],
    [limit("Network"), "the network sets the pace: it carries no more (62 % of the time)"],
    [
      limit("Network", { catchers: ["c"], why: "slow link" }),
      "the way to c sets the pace: slow link (62 % of the time)"
    ],
    [limit("Work"), "nothing waits to be sent: files are read and opened (62 % of the time)"],
    [limit("Work", { catchers: ["c"], why: "silence" }), "an answer of c is waited for: silence (62 % of the time)"],
    [limit("Master"), "this machine and its link set the pace: it sends as fast as it can"]
  ] as const)("%j", (one, words) => assert.strictEqual(Words.pace({ ...tick, limit: one }), words))

  it("is the catchers' work where nothing is sent", () => {
    assert.strictEqual(
      Words.pace({ limit: limit("Network"), phase: "Comparing" }),
      "catchers compare what they have with the source"
    )
    assert.strictEqual(
      Words.pace({ limit: limit("Work"), phase: "Finishing" }),
      "catchers put what they have in its place"
    )
    assert.strictEqual(
      Words.pace({ limit: limit("Work", { catchers: ["c"] }), phase: "Finishing" }),
      "an answer of c is waited for (62 % of the time)"
    )
  })

  it("is the catchers' search where they look through older versions", () => {
    const looking = { bytes: 1, total: 2 }
    const words = Words.pace({ limit: limit("Work", { catchers: ["c"] }), looking, phase: "Sending" })
    assert.strictEqual(words, "catchers look through their older versions of large files")
  })

  it("is what catchers copy or read before the end", () => {
    const looking = { bytes: 1, total: 2 }
    const words = Words.pace({ limit: limit("Work", { catchers: ["c"] }), looking, phase: "Finishing" })
    assert.strictEqual(words, "catchers copy what they had of large files, or read these once more")
  })

  it("is not known before the first tick, and of a catcher", () => assert.strictEqual(Words.pace(tick), ""))
})

describe("a catcher", () => {
  it.each([
    [{ state: "Receiving", bytes: 500 }, "waits for pages"],
    [{ state: "Receiving", bytes: 1000 }, "waits for the end of the files"],
    [
      { state: "Receiving", bytes: 0, looking: { bytes: 1e6, total: 4e6 } },
      "looks through its older version: 1.00 MB of 4.00 MB"
    ],
    [{ state: "Slow", bytes: 1, straggled: "slow link" }, "slow link: is served after the others"],
    [{ state: "Complete", bytes: 1000 }, "has everything"]
  ] as const)("%j", (one, words) => assert.strictEqual(Words.waitsFor(one, tick), words))
})

it("a file on its way", () => {
  const file = { path: "a\nb", files: 1, bytes: 2000, state: "Streaming" } as const
  assert.deepStrictEqual(Words.underWay(file), { what: "a\\x0ab, 2.00 kB", stage: "is sent" })
  assert.strictEqual(Words.underWay({ ...file, files: 12 }).what, "a\\x0ab and 11 more, 2.00 kB")
  assert.strictEqual(Words.underWay({ ...file, path: "" }).what, "the list of files, 2.00 kB")
})

it("a name that is written from right to left turns no sentence round", () =>
  assert.strictEqual(
    Words.sentence({ _tag: "Joined", id: "שרת", address: "10.0.0.1:1", joined: 1 }, "Send"),
    "joined: \u2068שרת\u2069 (10.0.0.1:1)"
  ))
