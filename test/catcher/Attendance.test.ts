import { assert, describe, it } from "@effect/vitest"
import { Attendance } from "../../src/catcher/Attendance.ts"
import { Wakefulness } from "../../src/catcher/Wakefulness.ts"
import * as Delay from "../../src/protocol/group/Delay.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import * as PageSeal from "../../src/seal/PageSeal.ts"

/** A catcher that has heard another master's calls of the first 400 ms in time, on a link that takes 5 ms. */
const attended = (pages = PageSeal.open({ low: 1, high: 0 })) => {
  // it never stands still
  const attendance = new Attendance(0, new Wakefulness(() => 0))
  attendance.joins({
    ...{ session: 1n, slot: 0, incarnation: 1, master: "10.0.0.2:1", pageBytes: 1432, blockPages: Limits.blockPages },
    ...{ timeoutMillis: 10_000, place: { local: "10.0.0.1:1", key: 1, moves: 0 } },
    delay: Delay.heard(undefined, 0, 0),
    pages
  })
  return {
    attendance,
    /** Its own master polls it. */
    polled: (atMillis: number, isSignOfLife = true) => {
      const message = { _tag: "Poll", session: 1n, poll: 0, audience: [0] } as const
      attendance.onHeard({ _tag: "Message", message, pages: 0 }, isSignOfLife, atMillis)
    },
    /** The other master calls, which began at 0: how long ago its own master was heard, as the other one is told. */
    called: (sentMillis: number, atMillis: number) => {
      attendance.isLeftFor(
        {
          ...{ _tag: "Announce", session: 2n, pageBytes: 1432, blockPages: Limits.blockPages, timeoutMillis: 10_000 },
          ...{ uptimeMillis: sentMillis, spreadMillis: 0, joined: 0, wanted: 1 }
        },
        atMillis
      )
      return attendance.surelySilentMillis(atMillis)
    }
  }
}

describe("when its master was heard, as a catcher tells another one [J-4]", () => {
  it("is as long ago as a call that came late after it", () => {
    const { called, polled } = attended()
    polled(100)
    assert.deepStrictEqual([called(0, 105), called(200, 305)], [5, 205])
    // the link was clogged, and brings all at once; the master that polls is dead
    assert.isAbove(called(400, 5000), 4000)
    polled(5000)
    for (const sentMillis of [600, 2000, 4000, 4800]) assert.isAbove(called(sentMillis, 5000), 3000)
  })

  it("is no longer ago than any master lives in silence, whatever strangers announce", () => {
    const { called, polled } = attended()
    polled(100)
    called(0, 105)
    assert.isAtMost(called(0xffff_ffff, 110), 10_010)
  })

  it("counts from the announcement before the welcome, which may have come late itself", () => {
    const attendance = new Attendance(9000, new Wakefulness(() => 9000))
    const delay = Delay.heard(Delay.heard(undefined, 0, 5), 200, 9000)
    const place = { local: "10.0.0.1:1", key: 1, moves: 0 }
    attendance.joins({
      ...{ session: 1n, slot: 0, incarnation: 1, master: "10.0.0.2:1", pageBytes: 1432, blockPages: 128 },
      ...{ timeoutMillis: 10_000, place, delay, pages: PageSeal.open({ low: 1, high: 0 }) }
    })
    assert.isAbove(attendance.surelySilentMillis(9001), 7000)
  })

  it("is what it is when calls come in time again, and its master lives", () => {
    const { called, polled } = attended()
    polled(0)
    called(0, 5)
    polled(5000)
    called(200, 5000)
    polled(5100)
    assert.isBelow(called(5100, 5105), Limits.hearsayMillis)
    polled(5200)
    assert.strictEqual(called(5300, 5305), 105)
  })
})

it("what may be a recording is no sign of life [K-12]", () => {
  const { attendance, polled } = attended()
  polled(1000)
  polled(5000, false)
  assert.strictEqual(attendance.heardMillis, 1000)
})
