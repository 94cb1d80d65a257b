import { assert, describe, it } from "@effect/vitest"
import * as PageSeal from "../../src/seal/PageSeal.ts"
import * as Answers from "../../src/session/Answers.ts"
import type { FromMaster, Message } from "../../src/wire/Message.ts"

const session = 9n
const membership = {
  session,
  slot: 3,
  incarnation: 7,
  master: "m",
  pageBytes: 700,
  blockPages: 64,
  timeoutMillis: 1000,
  pages: PageSeal.open({ low: 9, high: 0 })
}
const who = { session, slot: 3, incarnation: 7 }
const file = 5

describe("Answers", () => {
  it("a question about a file that asks us is an event of its reducer; others are not", () => {
    const audience = [1, 3]
    const root = new Uint8Array(32)
    const questions: ReadonlyArray<FromMaster> = [
      { _tag: "Eof", session, file, round: 1, first: 0, count: 1, root, counts: false, audience },
      { _tag: "Close", session, file, from: 0, audience },
      { _tag: "Abort", session, file, reason: "", audience }
    ]
    for (const question of questions) {
      assert.deepStrictEqual(Answers.eventOf(question, membership), { file, event: question as never })
      assert.isUndefined(Answers.eventOf({ ...question, audience: [1, 2] } as FromMaster, membership))
    }
    assert.isUndefined(Answers.eventOf({ _tag: "Bye", session }, membership))
    assert.isUndefined(Answers.eventOf({ _tag: "Abort", session, file: undefined, reason: "", audience }, membership))
  })

  it("an Open is laid out with its own size of page, which is no larger than announced, and the session's of block", () => {
    const open = {
      _tag: "Open",
      session,
      file,
      kind: "Bundle",
      size: 100_000,
      pageBytes: 512,
      members: 9,
      opening: 7
    } as const
    const root = new Uint8Array(32).fill(1)
    const asked = Answers.eventOf({ ...open, root, audience: [3] }, membership)
    const event = asked?.event
    assert.strictEqual(event?._tag === "Open" && event.root, root)
    assert.strictEqual(event?._tag === "Open" && event.opening, 7)
    const { blockPages, members, pageBytes, size } = event?._tag === "Open" ? event.layout : (membership as never)
    assert.deepStrictEqual([size, members, pageBytes, blockPages], [100_000, 9, 512, 64])
    const larger = { ...open, pageBytes: 701, root, audience: [3] } as const
    assert.isUndefined(Answers.eventOf(larger, membership))
    // nor are its blocks, where it has its own [Y-17]
    const single = { ...open, kind: "Single", members: 0, root: undefined, audience: [3] } as const
    const ofBlocks = (blockPages: number) =>
      Answers.eventOf({ ...single, signed: { blockPages, hash: root } }, membership)
    const signed = ofBlocks(60)?.event
    assert.deepStrictEqual(signed?._tag === "Open" && [signed.layout.blockPages, signed.layout.trailerBytes], [60, 0])
    assert.isUndefined(ofBlocks(65))
  })

  it("answers say who we are", () => {
    assert.deepStrictEqual(Answers.toQuestion({ _tag: "Complete" }, file, membership, 9), {
      ...{ _tag: "Complete", ...who, file, held: 9 }
    })
  })

  it("a poll is answered when it asks us", () => {
    const poll = (audience: ReadonlyArray<number>) => ({ _tag: "Poll", session, poll: 4, audience }) as const
    const counts = { received: 2 ** 32 - 1, dropped: 7, held: 2 ** 40, worked: 2 ** 32 + 1 }
    const answer = { _tag: "PollOk", ...who, poll: 4, received: 2 ** 32 - 1, dropped: 7, held: 2 ** 40, worked: 1 }
    assert.deepStrictEqual(
      Answers.toPoll(poll([3]), () => counts, membership),
      answer as Message
    )
    assert.isUndefined(Answers.toPoll(poll([2]), () => counts, membership))
  })
})
