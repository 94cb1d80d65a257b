/** Which catchers were silent, as one looks after them from time to time. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Roster from "../../src/protocol/group/Roster.ts"
import * as Window from "../../src/protocol/pace/Window.ts"
import { SilenceWatch } from "../../src/session/Silence.ts"

const slot = 0

/** One catcher that is watched, under a clock that the test sets. */
const watched = () => {
  const clock = { millis: 0 }
  const window = Window.make(1 << 20)
  const silence = new SilenceWatch({
    exchange: { session: 1n, sendNow: () => Effect.void },
    timeoutMillis: 10_000,
    now: () => clock.millis,
    progress: { publish: () => {} },
    pace: {
      setUnheard: () => {},
      totals: () => ({ pages: 0, repaired: 0, parity: 0, bytes: 0 }),
      window: () => window
    },
    members: {
      cameBack: Latch.makeUnsafe(false),
      changed: Latch.makeUnsafe(false),
      isPresent: () => true,
      lose: () => Effect.void,
      present: () => [],
      roster: Roster.make()
    },
    mostAnswers: () => 10
  })
  silence.onJoined(slot)
  /** Looks after it at a time, and asks it where that is due. */
  const look = (millis: number) =>
    Effect.gen(function* () {
      clock.millis = millis
      const calls = yield* silence.quietOf([slot], () => 0)
      yield* silence.areYouThere(calls)
      return calls.get(slot)
    })
  return { silence, look, why: () => silence.standing().whyBehind(slot, false, 0) }
}

describe("a catcher that is watched", () => {
  it.effect("was not silent as long as nobody asked it", () =>
    Effect.gen(function* () {
      const { look, silence, why } = watched()
      // the second look comes a little late
      assert.strictEqual(yield* look(1249), 0)
      assert.strictEqual(yield* look(2501), 1)
      assert.isUndefined(why())
      silence.onMessage(slot, {
        _tag: "PollOk",
        session: 1n,
        slot,
        incarnation: 1,
        poll: 0,
        received: 0,
        dropped: 0,
        held: 0,
        worked: 0
      })
      assert.strictEqual(yield* look(3752), 1)
      assert.isUndefined(why())
    })
  )

  it.effect("was silent where it was asked, and did not answer", () =>
    Effect.gen(function* () {
      const { look, why } = watched()
      yield* look(2501)
      assert.isUndefined(why())
      yield* look(3752)
      assert.strictEqual(why(), "silence")
    })
  )
})
