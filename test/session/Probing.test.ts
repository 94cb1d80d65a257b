/** What a master makes of answers to probes; the sessions are in test/regressions/narrow-path.test.ts. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import * as Probing from "../../src/session/Probing.ts"
import * as Codec from "../../src/wire/Codec.ts"
import type { Probe, ProbeOk } from "../../src/wire/Message.ts"

type Answer = Pick<ProbeOk, "single" | "times" | "glued">

/** So many catchers on a master that probes; each answers every question alike. */
const probed = Effect.fnUntraced(function* (
  catchers: number,
  answer: (slot: number) => Answer,
  options: Partial<Probing.Options> = {}
) {
  let nowMillis = 0
  let bytes = 0
  const notes: Array<string> = []
  const members = Array.from({ length: catchers }, (_, slot) => ({
    ...{ slot, incarnation: slot, key: 0, moves: 0, name: `c${slot}`, address: "", receiveBufferBytes: 1e6 },
    lost: undefined,
    isNew: false,
    isMute: false
  }))
  const probing: Probing.Probing = Probing.make({
    ...{ session: 1n, pageBytes: 1432, isPageFixed: false, bytesPerSecond: undefined, glues: false },
    now: () => nowMillis,
    present: () => members,
    send: (probe: Probe, copies: number) =>
      Effect.sync(() => {
        const sentBytes = copies * Codec.encode(probe).length
        bytes += sentBytes
        const { audience, probing: number, session, train } = probe
        for (const slot of audience) {
          const said = { session, slot, incarnation: slot, probing: number, train, pageBytes: 0, ...answer(slot) }
          probing.onAnswer({ _tag: "ProbeOk", ...said })
        }
        return sentBytes
      }),
    changed: () => {},
    note: (message) => void notes.push(message),
    ...options
  })
  for (const { slot } of members) probing.onJoined(slot)
  const running = yield* Effect.forkChild(probing.run)
  const isKnown = () => members.every(({ slot }) => probing.paths.isKnown(slot))
  for (; nowMillis < 10_000 && !isKnown(); nowMillis++) yield* TestClock.adjust(1)
  yield* Fiber.interrupt(running)
  return { bytes, millis: nowMillis, notes, probing }
})

describe("Probing", () => {
  it.effect("knows nothing of a catcher that has a slot which was another's [R-5]", () =>
    Effect.gen(function* () {
      const { probing } = yield* probed(1, () => ({ single: 1332, times: 65_535, glued: 0 }), { isPageFixed: true })
      assert.isDefined(probing.paths.whyOut(0))
      probing.onJoined(0)
      assert.deepStrictEqual([probing.paths.whyOut(0), probing.paths.isKnown(0)], [undefined, false])
    })
  )

  it.effect("an answer that names a size which no probe had is no answer", () =>
    Effect.gen(function* () {
      const { probing } = yield* probed(1, () => ({ single: 1, times: 65_535, glued: 0 }))
      assert.strictEqual(probing.paths.pageBytes(), 1432)
    })
  )

  it.effect("many behind one narrow path are found out together [N-2]", () =>
    Effect.gen(function* () {
      const narrow = { single: 1332, times: 60, glued: 0 }
      const { millis, notes, probing } = yield* probed(300, () => narrow)
      assert.strictEqual(probing.paths.pageBytes(), 1332)
      assert.isBelow(millis, 300)
      assert.strictEqual(notes.length, 1)
    })
  )

  it.effect("the rate that the user allows holds for probes, too", () =>
    Effect.gen(function* () {
      const silent = { single: 0, times: 0, glued: 0 }
      const { bytes, millis } = yield* probed(1, () => silent, { bytesPerSecond: 100_000 })
      assert.isBelow(bytes, 100 * millis + 15_000)
    })
  )

  it.effect("with a fixed size a narrow one is out, and the pages stay [N-3]", () =>
    Effect.gen(function* () {
      const answers = (slot: number) => ({ single: slot === 1 ? 938 : 1432, times: 60, glued: 0 })
      const { probing } = yield* probed(3, answers, { isPageFixed: true })
      assert.strictEqual(probing.paths.pageBytes(), 1432)
      assert.deepStrictEqual(
        [0, 1, 2].map((slot) => probing.paths.whyOut(slot) !== undefined),
        [false, true, false]
      )
    })
  )
})
