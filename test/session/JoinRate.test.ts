import { assert, describe, it } from "@effect/vitest"
import * as Limits from "../../src/protocol/Limits.ts"
import { JoinRate } from "../../src/session/JoinRate.ts"

const taken = (rate: JoinRate, host: string, times: number, nowMillis: number) =>
  Array.from({ length: times }, () => rate.take(host, nowMillis)).filter((is) => is).length

describe("JoinRate", () => {
  it("a host joins so often at once, and so often a second; others are not held back by it [J-15]", () => {
    const rate = new JoinRate()
    assert.strictEqual(taken(rate, "a", 1000, 0), Limits.joinsOfHost)
    assert.strictEqual(taken(rate, "b", 10, 0), 10)
    assert.strictEqual(taken(rate, "a", 1000, 1000), Limits.joinsOfHostPerSecond)
    let later = 0
    for (let millis = 1000; millis < 3000; millis++) later += taken(rate, "a", 3, millis)
    assert.approximately(later, 2 * Limits.joinsOfHostPerSecond, 1)
    assert.strictEqual(taken(rate, "a", 1000, 1_000_000), Limits.joinsOfHost)
  })

  it("thousands of hosts take no memory without a bound", () => {
    const rate = new JoinRate()
    for (let i = 0; i < 3 * Limits.countedHosts; i++) assert.isTrue(rate.take(`host ${i}`, 0))
  })
})
