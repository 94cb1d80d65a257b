import { assert, describe, it } from "@effect/vitest"
import * as Limits from "../../../src/protocol/Limits.ts"
import * as Queueing from "../../../src/protocol/pace/Queueing.ts"

const trying: Queueing.Queueing = { ...Queueing.start, millis: Limits.queueingMillis / 2, trying: "less", share: 0.8 }

describe("the queue that the window allows [A-9]", () => {
  it("is halved when much is lost", () => {
    const next = Queueing.heard(Queueing.start, 0.8)
    assert.strictEqual(next.millis, Limits.queueingMillis / 2)
    assert.strictEqual(next.trying, "less")
  })

  it("is as before when less of it brings no more: the loss is random", () => {
    const next = Queueing.heard(trying, 0.82)
    assert.strictEqual(next.millis, Limits.queueingMillis)
    assert.strictEqual(next.cause, "random")
    assert.strictEqual(next.restStretches, 2 * Queueing.start.restStretches)
  })

  it("stays halved when half of the loss is gone", () => {
    const next = Queueing.heard(trying, 0.97)
    assert.strictEqual(next.millis, Limits.queueingMillis / 2)
    assert.strictEqual(next.trying, "nothing")
    assert.strictEqual(next.cause, "queue")
  })

  it("is halved once more when half of the loss is gone, and much is lost still", () => {
    assert.strictEqual(Queueing.heard(trying, 0.93).millis, Limits.queueingMillis / 4)
  })
})
