/** A measurer alone, whose datagrams and answers are made here. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { TrialPages } from "../../src/session/Exchange.ts"
import { Measurer } from "../../src/session/Measuring.ts"
import * as Monotonic from "../../src/session/Monotonic.ts"
import type { FromMaster, PollOk, Probe, ProbeOk } from "../../src/wire/Message.ts"
import { inTime } from "../phase/Rig.ts"

const trial = { slots: [3, 1], pageBytes: 1000, count: 100, bytesPerSecond: 1_024_000, isGlued: true }

interface Story {
  /** A catcher has received so many pages: its answer to a poll, if there is one. */
  readonly count?: (slot: number, poll: number, sent: number) => Partial<PollOk> | undefined
  /** A catcher's answer to a probe that asks it. */
  readonly longest?: (slot: number, probe: Probe) => Partial<ProbeOk> | undefined
  /** How long a send takes. */
  readonly millis?: number
}

/** Makes a measurer, and lets it do something. */
const measuring = <A, E>(
  { count = (_slot, _poll, sent) => ({ received: 7 + sent }), longest = () => ({}), millis = 0 }: Story,
  use: (measurer: ReturnType<Measurer["service"]>) => Effect.Effect<A, E>
) =>
  inTime(
    Effect.gen(function* () {
      const trials: Array<TrialPages> = []
      const polls: Array<ReadonlyArray<number>> = []
      const probes: Array<Probe> = []
      let sent = 0
      const sendNow = (message: FromMaster) =>
        Effect.sync(() => {
          if (message._tag !== "Poll") return
          const { audience, poll, session } = message
          polls.push(audience)
          for (const slot of audience) {
            const usual = { session, slot, incarnation: 1, poll, received: 0, dropped: 0, held: 0, worked: 0 }
            const own = count(slot, poll, sent)
            if (own !== undefined) measurer.onCount({ _tag: "PollOk", ...usual, ...own })
          }
        })
      const sendTrial = (trial: TrialPages) =>
        Effect.gen(function* () {
          if (millis > 0) yield* Effect.sleep(millis)
          trials.push(trial)
          sent += trial.pages
        })
      const sendProbe = (probe: Probe) =>
        Effect.sync(() => {
          probes.push(probe)
          for (const slot of probe.audience) {
            const { probing, session, train } = probe
            const usual = {
              session,
              slot,
              incarnation: 1,
              probing,
              train,
              single: 0,
              times: 2,
              glued: 0,
              pageBytes: probe.pageBytes
            }
            const own = longest(slot, probe)
            if (own !== undefined) measurer.onLongest({ _tag: "ProbeOk", ...usual, ...own })
          }
          return 24 + probe.pageBytes
        })
      const now = yield* Monotonic.millis
      const exchange = { session: 5n, sendNow, sendTrial, sendProbe }
      const measurer: Measurer = new Measurer({ exchange, now, nextProbing: () => 7 })
      const outcome = yield* use(measurer.service())
      return { outcome, trials, polls, probes, tookMillis: now() }
    })
  )

const measured = (story: Story, of = trial) =>
  Effect.map(
    measuring(story, ({ measure }) => measure(of)),
    ({ outcome, ...more }) => ({ ...outcome, ...more })
  )

describe("a trial [N-5]", () => {
  it.effect("sends so many pages of no file, each with a number of its own, and asks before and after", () =>
    Effect.gen(function* () {
      const { bySlot, bytesPerSecond, polls, trials } = yield* measured({})
      assert.deepStrictEqual(
        trials.flatMap(({ first, pages }) => Array.from({ length: pages }, (_, i) => first + i)),
        Array.from({ length: 100 }, (_, i) => i)
      )
      for (const { pageBytes } of trials) assert.strictEqual(pageBytes, 1000)
      assert.approximately(bytesPerSecond, trial.bytesPerSecond, 50_000)
      assert.deepStrictEqual(polls, [
        [1, 3],
        [1, 3]
      ])
      assert.deepStrictEqual(
        [...bySlot],
        [3, 1].map((slot) => [slot, { arrived: 100, asked: 2, answered: 2 }])
      )
    })
  )

  it.effect("where glued ones do not arrive, has each sent alone", () =>
    Effect.gen(function* () {
      const fast = { ...trial, bytesPerSecond: 10_240_000 }
      for (const isGlued of [true, false]) {
        const { trials } = yield* measured({}, { ...fast, isGlued })
        assert.isAbove(trials[0].pages, 1)
        assert.strictEqual(trials[0].isSingly, !isGlued)
      }
    })
  )

  it.effect("on a busy machine says the rate that came of it", () =>
    Effect.gen(function* () {
      const { bytesPerSecond } = yield* measured({ millis: 40 })
      assert.isBelow(bytesPerSecond, 60_000)
    })
  )

  it.effect("asks again the silent alone, and counts what they answered", () =>
    Effect.gen(function* () {
      const { bySlot, polls } = yield* measured({
        count: (slot, poll, sent) => (slot === 1 && poll < 3 ? undefined : { received: sent - (sent > 0 ? 10 : 0) })
      })
      assert.deepStrictEqual(bySlot.get(1), { arrived: 90, asked: 4, answered: 2 })
      assert.deepStrictEqual(polls, [[1, 3], [1], [1], [1, 3]])
    })
  )

  it.effect("gives up on a catcher that never answers, and on one that falls silent", () =>
    Effect.gen(function* () {
      const mute = yield* measured({ count: (slot, _, sent) => (slot === 1 ? undefined : { received: sent }) })
      assert.deepStrictEqual(mute.bySlot.get(1), { arrived: undefined, asked: 6, answered: 0 })
      const gone = yield* measured({ count: (slot, _, sent) => (slot === 1 && sent > 0 ? undefined : {}) })
      assert.deepStrictEqual(gone.bySlot.get(1), { arrived: undefined, asked: 7, answered: 1 })
    })
  )

  it.effect("believes no answer to a question of before or to come, and none of more than was sent", () =>
    Effect.gen(function* () {
      for (const lie of [0, 99]) {
        const { bySlot } = yield* measured({ count: (slot, poll) => ({ poll: slot === 1 ? lie : poll }) })
        assert.isUndefined(bySlot.get(1)?.arrived)
      }
      const { bySlot } = yield* measured({
        // the answer to the first question comes once more
        count: (slot, poll, sent) => (slot === 1 && sent > 0 ? { poll: 1, received: 50 } : { poll, received: 9 * sent })
      })
      assert.isUndefined(bySlot.get(1)?.arrived)
      assert.strictEqual(bySlot.get(3)?.arrived, 100)
    })
  )

  it.effect("a count goes on from nothing when its 32 bits are full", () =>
    Effect.gen(function* () {
      const { bySlot } = yield* measured({ count: (_slot, _poll, sent) => ({ received: (0xffff_fff0 + sent) >>> 0 }) })
      assert.strictEqual(bySlot.get(1)?.arrived, 100)
    })
  )
})

describe("the longest datagram that passes", () => {
  const between = { slots: [1, 3, 4], reachedBytes: 938, tooLongBytes: 1212 }
  const passing =
    (most: number) =>
    (_slot: number, { audience }: Probe) =>
      audience.length > 0 ? { single: most } : undefined

  it.effect("is found to the byte: all sizes between are tried, twice each, and slowly", () =>
    Effect.gen(function* () {
      const story = { longest: (slot: number, probe: Probe) => passing(slot === 3 ? 1000 : 0)(slot, probe) }
      const { outcome, probes, tookMillis } = yield* measuring(story, ({ longest }) => longest(between))
      assert.deepStrictEqual(outcome.get(3), { reachedBytes: 1000, tooLongBytes: 1001 })
      assert.deepStrictEqual(outcome.get(1), { reachedBytes: 938, tooLongBytes: 939 })
      const sizes = probes.map(({ pageBytes }) => pageBytes).filter((size) => size > 0)
      assert.strictEqual(sizes.length, 2 * (1212 - 939))
      assert.isAbove(tookMillis, 400)
      assert.isBelow(tookMillis, 2000)
    })
  )

  it.effect("of a long range in steps, and no more is told than was tried", () =>
    Effect.gen(function* () {
      const far = { slots: [1], reachedBytes: 4284, tooLongBytes: 8932 }
      const { outcome, probes } = yield* measuring({ longest: passing(5010) }, ({ longest }) => longest(far))
      assert.deepStrictEqual(outcome.get(1), { reachedBytes: 5010, tooLongBytes: 5021 })
      assert.isBelow(probes.length, 900)
    })
  )

  it.effect(
    "of answers is found where the longest does not come, in steps; those that come are not looked into [N-6]",
    () =>
      Effect.gen(function* () {
        // c1's come, c3's are lost beyond 500 bytes, c4 says nothing, and of c5's most are lost, of any length
        const heard: Readonly<Record<number, (pageBytes: number) => boolean>> = {
          ...{ 1: () => true, 3: (pageBytes) => pageBytes <= 500, 4: () => false },
          5: (pageBytes) => pageBytes % 20 === 0
        }
        const longest = (slot: number, { pageBytes }: Probe) => (heard[slot](pageBytes) ? { single: 1432 } : undefined)
        const { outcome, probes, tookMillis } = yield* measuring({ longest }, ({ longestAnswers }) =>
          longestAnswers([5, 4, 1, 3])
        )
        assert.deepStrictEqual([...outcome], [[3, { reachedBytes: 500, tooLongBytes: 504 }]])
        assert.deepStrictEqual(probes[0].pageBytes, 1176)
        for (const { audience, train } of probes) {
          assert.deepStrictEqual(
            audience,
            [...audience].sort((a, b) => a - b)
          )
          if (train > 1) assert.notInclude(audience, 1)
        }
        assert.isBelow(tookMillis, 5000)
        const { probes: few } = yield* measuring({ longest }, ({ longestAnswers }) => longestAnswers([1]))
        assert.strictEqual(few.length, 1)
      })
  )

  it.effect("a catcher that does not answer is left out, and an answer of another probing is none", () =>
    Effect.gen(function* () {
      const longest = (slot: number, probe: Probe) =>
        slot === 1 ? undefined : slot === 3 ? { probing: 6, single: 1000 } : passing(1000)(slot, probe)
      const { outcome } = yield* measuring({ longest }, (measurer) => measurer.longest(between))
      assert.deepStrictEqual([...outcome.keys()], [4])
    })
  )
})
