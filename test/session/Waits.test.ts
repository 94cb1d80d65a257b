/** What the sender has waited for, and how long. */
import { assert, it } from "@effect/vitest"
import { Waiting } from "../../src/session/Waits.ts"

it("waits are added up by their kind and by the catchers that are waited for, also one that goes on", () => {
  let nowMillis = 0
  const waiting = new Waiting(() => nowMillis)
  const wait = (millis: number, ...given: Parameters<Waiting["begin"]>) => {
    waiting.begin(...given)
    nowMillis += millis
  }
  wait(10, "Rate")
  waiting.end()
  nowMillis += 1000
  wait(20, "Catchers", [3])
  waiting.end()
  wait(30, "Catchers", [3, 4])
  const { bySlot, millis } = waiting.read()
  assert.deepStrictEqual(millis, { Rate: 10, Catchers: 50, Network: 0, Work: 0 })
  assert.deepStrictEqual(
    [...bySlot],
    [
      [3, 50],
      [4, 30]
    ]
  )
  nowMillis += 5
  waiting.end()
  assert.strictEqual(waiting.read().millis.Catchers, 55)
  // what was read does not change afterwards
  assert.strictEqual(millis.Catchers, 50)
})
