/** A measurer alone, whose datagrams and answers are made here. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Measurer } from "../../src/session/Measuring.ts"
import * as Monotonic from "../../src/session/Monotonic.ts"
import type { Probe, ProbeOk } from "../../src/wire/Message.ts"
import { inTime } from "../phase/Rig.ts"

const trial = { slots: [3, 1], pageBytes: 1000, count: 100, bytesPerSecond: 1_024_000, isGlued: true }

/** Runs the trial; `answer` says what a slot answers to a question, if anything, and `millis` how long a send takes. */
const measured = (answer: (slot: number, probe: Probe) => Partial<ProbeOk> | undefined, millis = 0) =>
  inTime(
    Effect.gen(function* () {
      const said: Array<{ readonly probe: Probe; readonly copies: number }> = []
      const send = (probe: Probe, copies: number) =>
        Effect.gen(function* () {
          if (millis > 0) yield* Effect.sleep(millis)
          said.push({ probe, copies })
          for (const slot of probe.audience) {
            const own = answer(slot, probe)
            const { probing, session, train } = probe
            const usual = { session, slot, incarnation: 1, probing, train, single: 1000, times: 90, glued: 0 }
            if (own !== undefined) measurer.onAnswer({ _tag: "ProbeOk", ...usual, ...own })
          }
          return copies * 1024
        })
      const now = yield* Monotonic.millis
      const measurer: Measurer = new Measurer({ session: 5n, now, send, nextProbing: () => 7 })
      const outcome = yield* measurer.service().measure(trial)
      return { ...outcome, said, tookMillis: now() }
    })
  )

const sent = (said: ReadonlyArray<{ readonly probe: Probe; readonly copies: number }>) =>
  said.filter(({ probe }) => probe.pageBytes > 0).reduce((sum, { copies }) => sum + copies, 0)

describe("a trial", () => {
  it.effect("sends so many datagrams of that size, at that rate, and asks in ascending order", () =>
    Effect.gen(function* () {
      const { bySlot, bytesPerSecond, said } = yield* measured(() => ({}))
      assert.strictEqual(sent(said), 100)
      assert.approximately(bytesPerSecond, trial.bytesPerSecond, 50_000)
      const questions = said.filter(({ probe }) => probe.pageBytes === 0)
      assert.deepStrictEqual(
        questions.map(({ probe }) => probe.audience),
        [[1, 3]]
      )
      assert.deepStrictEqual(
        [...bySlot],
        [3, 1].map((slot) => [slot, { arrived: 90, asked: 1, answered: 1 }])
      )
    })
  )

  it.effect("on a busy machine says the rate that came of it", () =>
    Effect.gen(function* () {
      const { bytesPerSecond } = yield* measured(() => ({}), 40)
      assert.isBelow(bytesPerSecond, 60_000)
    })
  )

  it.effect("asks again the silent alone, and counts what they answered", () =>
    Effect.gen(function* () {
      const { bySlot, said } = yield* measured((slot, { train }) => (slot === 1 && train < 3 ? undefined : {}))
      assert.deepStrictEqual(bySlot.get(1), { arrived: 90, asked: 3, answered: 1 })
      assert.deepStrictEqual(
        said.flatMap(({ probe }) => (probe.pageBytes === 0 ? [probe.audience] : [])),
        [[1, 3], [1], [1]]
      )
    })
  )

  it.effect("gives up on a catcher that never answers", () =>
    Effect.gen(function* () {
      const { bySlot } = yield* measured((slot) => (slot === 1 ? undefined : {}))
      assert.deepStrictEqual(bySlot.get(1), { arrived: undefined, asked: 6, answered: 0 })
    })
  )

  it.effect(
    "believes no answer of another probing, of a question to come, of another size, or of more than was sent",
    () =>
      Effect.gen(function* () {
        const lies: ReadonlyArray<Partial<ProbeOk>> = [{ probing: 6 }, { train: 9 }, { train: 0 }]
        for (const lie of lies)
          assert.isUndefined((yield* measured((slot) => (slot === 1 ? lie : {}))).bySlot.get(1)?.arrived)
        assert.strictEqual((yield* measured(() => ({ single: 500 }))).bySlot.get(1)?.arrived, 0)
        assert.strictEqual((yield* measured(() => ({ times: 65_535 }))).bySlot.get(1)?.arrived, 100)
      })
  )
})
