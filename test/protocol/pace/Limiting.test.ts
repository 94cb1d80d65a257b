/** What sets the pace, from what the sender has waited for. */
import { assert, describe, it } from "@effect/vitest"
import { limiting, type Waits } from "../../../src/protocol/pace/Limiting.ts"
import * as Window from "../../../src/protocol/pace/Window.ts"

const none: Waits = { millis: { Rate: 0, Catchers: 0, Network: 0, Work: 0 }, bySlot: new Map() }
const now = { window: Window.make(1_000_000), nowMillis: 1000 }

const waits = (millis: Partial<Waits["millis"]>, bySlot: ReadonlyArray<readonly [number, number]> = []): Waits => ({
  millis: { ...none.millis, ...millis },
  bySlot: new Map(bySlot)
})

describe("the pace is set", () => {
  it.each(["Rate", "Catchers", "Network", "Work"] as const)("by %s, where most is waited for it", (kind) => {
    const { by, share } = limiting(none, waits({ [kind]: 600, ...(kind === "Rate" ? {} : { Rate: 100 }) }), 1000, now)
    assert.deepStrictEqual([by, share], [kind, 0.6])
  })

  it("by the master itself, where it hardly waits", () =>
    assert.deepStrictEqual(limiting(none, waits({ Network: 200 }), 1000, now), { by: "Master", share: 0.8, slots: [] }))

  it("by what was waited for since, not by what was before", () => {
    const before = waits({ Rate: 5000 }, [[1, 5000]])
    const after = waits({ Rate: 5000, Catchers: 900 }, [...before.bySlot, [2, 400], [3, 500]])
    assert.deepStrictEqual(limiting(before, after, 1000, now), { by: "Catchers", share: 0.9, slots: [3, 2] })
  })

  it("by nothing else than the master, where no time has passed", () =>
    assert.strictEqual(limiting(none, none, 0, now).by, "Master"))

  it("by the way to a catcher, where it takes clearly less than the others", () => {
    const made = Window.setAckers(Window.make(1_000_000), [0, 1, 2], 0)
    const slotsOf = (...rates: ReadonlyArray<number>) => {
      const ackers = made.ackers.map((acker, at) => ({
        ...acker,
        delivery: { ...acker.delivery, rates: [{ stretch: 0, bytesPerMilli: rates[at] }] }
      }))
      return limiting(none, waits({ Network: 900 }), 1000, { window: { ...made, ackers }, nowMillis: 1000 }).slots
    }
    assert.deepStrictEqual(slotsOf(100, 50, 100), [1])
    assert.deepStrictEqual(slotsOf(100, 90, 100), [])
    assert.deepStrictEqual(limiting(none, waits({ Network: 900 }), 1000, { window: made, nowMillis: 0 }).slots, [])
  })
})
