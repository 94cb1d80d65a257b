import { assert, describe, it } from "@effect/vitest"
import * as Limits from "../../src/protocol/Limits.ts"
import { AnswerLoss } from "../../src/session/AnswerLoss.ts"

/** Polls 1 to `polls` of slot 0, one each 10 ms; those that `isHeard` are answered 5 ms later. Judged at once after the last. */
const after = (polls: number, isHeard: (poll: number) => boolean, losses = new AnswerLoss()) => {
  for (let poll = 1; poll <= polls; poll++) {
    losses.onAsked([0], "polls", poll, poll * 10)
    if (isHeard(poll)) losses.onHeard(0, "polls", poll)
  }
  return losses
}

describe("lost answers [Q-14]", () => {
  it("most are lost when less than half of eight or more are answered", () => {
    const isMost = (polls: number, every: number) => after(polls, (poll) => poll % every === 0).isMost(0, polls * 10)
    assert.isTrue(isMost(9, 3))
    assert.isTrue(isMost(90, 3))
    assert.isFalse(isMost(6, 3), "fewer than eight show nothing")
    assert.isFalse(isMost(90, 2))
    assert.isFalse(isMost(90, 1))
    assert.isFalse(new AnswerLoss().isMost(7, 0), "of a catcher that was asked nothing")
  })

  it("an answer that is on its way is not lost yet, and after a second it is", () => {
    const losses = after(20, (poll) => poll === 1)
    assert.isFalse(losses.isMost(0, 200))
    assert.isTrue(losses.isMost(0, 200 + Limits.lostAnswerMillis))
  })

  it("late answers, and answers to all that was asked while the catcher stood still, are heard", () => {
    const losses = after(40, () => false)
    for (let poll = 1; poll <= 40; poll++) losses.onHeard(0, "polls", poll)
    assert.isFalse(losses.isMost(0, 10_000))
    const unnumbered = new AnswerLoss()
    for (let i = 0; i < 12; i++) unnumbered.onAsked([0], "polls", 0, i)
    for (let i = 0; i < 12; i++) unnumbered.onHeard(0, "polls", 0)
    assert.isFalse(unnumbered.isMost(0, 10_000))
  })

  it("what was long ago counts less", () => {
    const losses = after(60, (poll) => poll % 10 === 0)
    assert.isTrue(losses.isMost(0, 600))
    assert.isFalse(after(30, () => true, losses).isMost(0, 300))
  })

  it("polls and probes are numbered apart; a slot that is another catcher's begins anew", () => {
    const losses = new AnswerLoss()
    losses.onAsked([0], "polls", 9, 0)
    losses.onAsked([0], "probes", 1, 0)
    losses.onHeard(0, "probes", 1)
    after(12, () => false, losses)
    assert.isTrue(losses.isMost(0, 5000))
    losses.forget(0)
    assert.isFalse(losses.isMost(0, 5000))
  })
})
