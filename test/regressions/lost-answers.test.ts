/** A catcher of whose answers one in ten arrived was given up at its ninth silent poll. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Roster from "../../src/protocol/Roster.ts"
import * as Simulated from "../../src/transport/Simulated.ts"
import { answering, crowd, inTime, master } from "../phase/Rig.ts"

for (const every of [8, 10]) {
  it.effect(`one answer in ${every} keeps a catcher in the session [Q-9]`, () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      const { session } = yield* master(network, { timeoutMillis: 2000 })
      let polls = 0
      const pollOk = answering((message) => {
        if (message._tag !== "Poll" || ++polls % every !== 0) return undefined
        return { _tag: "PollOk", poll: message.poll, received: 0, dropped: 0 }
      })
      yield* crowd(network, 1, pollOk)
      yield* Effect.forkScoped(session.rollCall)
      yield* inTime(Effect.sleep(60_000), 61_000)
      assert.deepStrictEqual(
        Roster.participants(session.roster()).map(({ lost, name }) => [name, lost]),
        [["c1", undefined]]
      )
      assert.isAbove(polls, 30)
    }).pipe(Effect.scoped)
  )
}
