/** What a roll-out comes to, and what `mrsync simulate` says of it. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Forecast from "../../src/simulate/Forecast.ts"
import { input, simulated } from "../cli/simulating.ts"

const options: Forecast.Options = { ...input, loss: 0.01, slowLoss: 0.2 }

describe("a forecast", () => {
  it.effect("without loss every page is sent once, at the rate of the link", () =>
    Effect.gen(function* () {
      const { catchers, dropped, pages, peakBufferBytes, ratio, seconds } = yield* Forecast.make({
        ...options,
        loss: 0
      })
      assert.strictEqual(pages.needed, Math.ceil(1_000_000 / 1432))
      // the manifest and the trailer, beside the content
      assert.isAtMost(pages.sent - pages.needed, 4)
      assert.approximately(ratio, 1, 0.01)
      assert.isAbove(seconds, 1_000_000 / 12_500_000)
      assert.isBelow(seconds, 0.2)
      assert.strictEqual(dropped, 0)
      assert.isAbove(peakBufferBytes, 1000)
      assert.deepStrictEqual(
        catchers.map((one) => one.state),
        ["Complete", "Complete", "Complete", "Complete"]
      )
    })
  )

  it.effect("100 catchers take no longer than one, and few pages more at 1 % loss", () =>
    Effect.gen(function* () {
      const large = { ...options, sizeBytes: 4_000_000, loss: 0 }
      const { seconds: alone } = yield* Forecast.make({ ...large, catchers: 1 })
      const { seconds: together } = yield* Forecast.make({ ...large, catchers: 100 })
      assert.isBelow(together, 1.02 * alone)
      const { ratio } = yield* Forecast.make({ ...large, catchers: 100, loss: 0.01 })
      assert.isBelow(ratio, 1.1)
    })
  )

  it.effect("a straggler holds up nobody but itself", () =>
    Effect.gen(function* () {
      const large = { ...options, catchers: 40, sizeBytes: 4_000_000, loss: 0.001 }
      const othersOf = ({ catchers }: Forecast.Forecast) =>
        Math.max(...catchers.slice(1).map((one) => one.seconds ?? 99))
      const even = yield* Forecast.make(large)
      // an answer to a barrier that the one loses costs the others 20 ms, and some seeds have several
      let sum = 0
      for (const seed of [1, 2, 3]) {
        const uneven = yield* Forecast.make({ ...large, slow: 1, seed })
        sum += othersOf(uneven)
        assert.isAbove(uneven.catchers[0].seconds ?? 0, othersOf(uneven))
        assert.strictEqual(uneven.report?.catchers.find(({ id }) => id === "c1")?.straggled, "loss")
        assert.isBelow(uneven.ratio, 1.35)
      }
      assert.isBelow(sum / 3, 1.2 * othersOf(even))
    })
  )

  it.effect("a link of its own that is as fast as the master's, or faster, loses nothing in its queue", () =>
    Effect.gen(function* () {
      for (const slowBytesPerSecond of [125_000_000, 250_000_000]) {
        const large = { ...options, catchers: 3, sizeBytes: 8_000_000, bytesPerSecond: 125_000_000, loss: 0 }
        const { queueDropped, ratio } = yield* Forecast.make({ ...large, slow: 1, slowLoss: 0, slowBytesPerSecond })
        assert.isAtMost(queueDropped, 1)
        assert.isBelow(ratio, 1.001)
      }
    })
  )

  it.effect.each([10_000_000, 1_000_000])(
    "a link of %s bits a second holds up nobody, and gets what it carries",
    (bits) =>
      Effect.gen(function* () {
        const large = { ...options, catchers: 20, sizeBytes: 2_000_000, loss: 0, bytesPerSecond: 125_000_000 }
        const slow = yield* Forecast.make({ ...large, slow: 1, slowLoss: 0, slowBytesPerSecond: bits / 8 })
        const own = slow.catchers[0].seconds ?? 99
        const others = Math.max(...slow.catchers.slice(1).map((one) => one.seconds ?? 99))
        assert.isBelow(own, (1.3 * 2_000_000 * 8) / bits)
        assert.isBelow(others, 2)
        assert.isBelow(slow.ratio, 2.3)
        assert.strictEqual(slow.report?.catchers.find(({ id }) => id === "c1")?.straggled, "slow link")
      })
  )

  it.effect("bad links ask for more, a catcher that crashed was started twice, and all are complete", () =>
    Effect.gen(function* () {
      const { catchers, ratio, rounds } = yield* Forecast.make({ ...options, slow: 1, crash: 1 })
      assert.isAbove(catchers[0].missingPages, 3 * catchers[1].missingPages)
      assert.deepStrictEqual(
        catchers.map((one) => [one.state, one.starts]),
        [
          ["Complete", 1],
          ["Complete", 1],
          ["Complete", 1],
          ["Complete", 2]
        ]
      )
      assert.isAbove(ratio, 1.01)
      assert.isAbove(rounds, 1)
      for (const one of catchers) assert.isAbove(one.seconds ?? 0, 0.08)
    })
  )
})

describe("mrsync simulate", () => {
  it.effect("prints what was counted, and a table", () =>
    Effect.gen(function* () {
      const { exit, out } = yield* simulated({})
      assert.strictEqual(exit._tag, "Success")
      const text = out.join("\n")
      for (const words of [
        /^simulating 4 catchers: 1\.00 MB at 12\.5 MB\/s/,
        /pages: 699 needed, \d+ sent \(ratio 1\./
      ]) {
        assert.match(text, words)
      }
      for (const words of [
        /there: at half of them after 0\.\d+ s, at the last after 0\.\d+ s/,
        /rounds: \d/,
        /virtual time: 0\.\d+ s/,
        /\d+ answers received/,
        /receive buffers: .* of 4\.19 MB/
      ]) {
        assert.match(text, words)
      }
      assert.match(
        text,
        /4 catchers: 4 complete\n {14,}there after +asked again +buffer +dropped +starts\n {2}c1 +complete/
      )
    })
  )

  it.effect("prints a summary of many, and all of them with -v", () =>
    Effect.gen(function* () {
      const many = yield* simulated({ catchers: 25, sizeBytes: 10_000 })
      assert.strictEqual(many.out.at(-1), "25 catchers: 25 complete")
      const all = yield* simulated({ catchers: 25, sizeBytes: 10_000, verbose: true })
      assert.match(all.out.at(-1)!, /^ {2}c25 +complete/)
    })
  )

  it.effect("prints one JSON object with every catcher", () =>
    Effect.gen(function* () {
      const { out } = yield* simulated({ json: true, delayMillis: 0.37 })
      assert.strictEqual(out.length, 1)
      const said = JSON.parse(out[0]) as Record<string, unknown>
      assert.strictEqual(said["_tag"], "Simulation")
      assert.strictEqual((said["catchers"] as ReadonlyArray<unknown>).length, 4)
      assert.include(said["options"] as object, { seed: 1, lossPercent: 1 })
      const seconds = [...out[0].matchAll(/"seconds":([^,}]*)/g)].map(([, number]) => number)
      assert.strictEqual(seconds.length, 5)
      for (const number of seconds) assert.match(number, /^\d+(\.\d{1,3})?$/)
    })
  )

  it.effect("refuses more slow and crashing catchers than there are", () =>
    Effect.gen(function* () {
      const { exit, out } = yield* simulated({ slow: 3, crash: 2 })
      assert.include(JSON.stringify(exit), "give more --catchers")
      assert.deepStrictEqual(out, [])
    })
  )

  it.effect("refuses what is said of bad links when there are none", () =>
    Effect.gen(function* () {
      for (const bad of [{ slowBytesPerSecond: 1_000_000 }, { slowLossPercent: 20 }]) {
        const { exit } = yield* simulated(bad)
        assert.include(JSON.stringify(exit), "give --slow K")
      }
    })
  )
})
