import { assert, describe, it } from "@effect/vitest"
import * as Delay from "../../src/protocol/group/Delay.ts"

const day = 86_400_000

/** Announcements of a master that began at 1000; each comes after so many milliseconds on the way. */
const late = (ways: ReadonlyArray<number>) => {
  let delay: Delay.Delay | undefined
  return ways.map((wayMillis, i) => {
    delay = Delay.heard(delay, i * 200, 1000 + i * 200 + wayMillis)
    return Math.round(delay.lateMillis)
  })
}

describe("how late announcements come [J-4]", () => {
  it("is told against the one that came soonest", () => {
    assert.deepStrictEqual(late([20, 20, 10_020, 9820, 20]), [0, 0, 8980, 8780, 0])
  })

  it("the first may have come late itself", () => {
    assert.deepStrictEqual(late([500, 20, 1020]), [0, 0, 880])
  })

  it("shows how late the earlier ones were at least", () => {
    const first = Delay.heard(undefined, 0, 5000)
    const second = Delay.heard(first, 1000, 5001)
    assert.strictEqual(Delay.shownMillis(first, second), 999)
    assert.strictEqual(Delay.shownMillis(second, Delay.heard(second, 1000, 6001)), 0)
  })

  it("ends: a master that stood still for a while is heard in time again", () => {
    let delay = Delay.heard(undefined, 0, 0)
    for (let i = 1; i < 300; i++) delay = Delay.heard(delay, i * 200, 5000 + i * 200)
    assert.strictEqual(delay.lateMillis, 0)
  })

  it("clocks that part slowly are no delay", () => {
    let delay: Delay.Delay | undefined
    for (let atMillis = 0; atMillis < day; atMillis += 1000) delay = Delay.heard(delay, atMillis * 0.9999, atMillis)
    assert.isBelow(delay!.lateMillis, 1)
  })
})
