import { assert, describe, it } from "@effect/vitest"
import { RateLimit } from "../../src/session/RateLimit.ts"

const bytesPerSecond = 1_000_000

/** Sends batches for a second, with timers that are late by so much; the bytes that went out. */
const inOneSecond = (batchBytes: number, lateMillis: number): number => {
  const limit = new RateLimit(bytesPerSecond)
  let [bytes, now] = [0, 5000]
  while (now < 6000) {
    bytes += batchBytes
    const millis = limit.sent(batchBytes, now)
    if (millis === 0) continue
    now += millis + lateMillis
    limit.slept(now)
  }
  return bytes
}

describe("a sender with a cap", () => {
  it.each([
    [1000, 0],
    [1000, 1.7],
    [1000, 15],
    [64_000, 1.7]
  ])("of batches of %d bytes sends as much as it may, with timers that are %d ms late", (batchBytes, lateMillis) => {
    const bytes = inOneSecond(batchBytes, lateMillis)
    // the last sleep goes on behind the second
    assert.closeTo(bytes, bytesPerSecond, 25_000 + batchBytes)
  })

  it("has no burst after it was waiting for something else, nor a long one after a sleep that took very long", () => {
    const limit = new RateLimit(bytesPerSecond)
    const burstAt = (now: number) => {
      let bytes = 0
      do bytes += 1000
      while (limit.sent(1000, now) === 0)
      return bytes
    }
    assert.strictEqual(burstAt(1000), 6000)
    limit.slept(1006)
    assert.strictEqual(burstAt(3000), 6000)
    limit.slept(5000)
    assert.strictEqual(burstAt(5000), 26_000)
  })
})
