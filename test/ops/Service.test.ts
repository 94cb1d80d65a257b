/** What a manager of services is told. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { Service } from "../../src/ops/Service.ts"
import type { Event } from "../../src/report/Event.ts"
import { open, watchdogMillisOf } from "../../src/system/Notify.ts"

const tick = (bytes: number): Event => ({
  ...{ _tag: "Tick", seconds: 1, bytes, total: 1000, files: 0, sentBytes: 0, repairedPages: 0, catchers: [] },
  phase: "Sending"
})

const service = (watchdogMillis: number | undefined = 60_000) => {
  const told: Array<string> = []
  return { told, it: new Service({ tell: (text) => void told.push(text), watchdogMillis }) }
}

describe("a manager of services", () => {
  it("is told once that the catcher listens, and what it does when that is another thing", () => {
    const { it, told } = service()
    const waiting: Event = { _tag: "Waiting", leftSeconds: undefined }
    for (const event of [waiting, tick(100), tick(101), { _tag: "Note", message: "x" } as const, tick(500), waiting])
      it.take(event)
    assert.deepStrictEqual(told, [
      "STATUS=waiting for a master",
      "READY=1",
      "STATUS=receiving: 10 %",
      "STATUS=receiving: 50 %",
      "STATUS=waiting for a master"
    ])
  })
  it("hears signs of life where it has asked for them, several within its time", () => {
    const { it, told } = service()
    assert.strictEqual(it.beatMillis, 15_000)
    it.beats()
    assert.deepStrictEqual(told, ["WATCHDOG=1"])
    const unwatched = new Service({ tell: (text) => void told.push(text), watchdogMillis: undefined })
    unwatched.beats()
    assert.strictEqual(told.length, 1)
    new Service(undefined).beats()
  })
  it("is believed where its watchdog has a time, and hears no more than a process can say", () => {
    assert.deepStrictEqual(["60000000", "1"].map(watchdogMillisOf), [60_000, 0.001])
    for (const none of ["0", "", "-5", "1e9", "60s"]) assert.isUndefined(watchdogMillisOf(none), none)
    assert.strictEqual(service(0.001).it.beatMillis, 10)
  })
  it.effect(
    "is asked for as long as something lasts that is not broken off, whether it began before the end or after",
    () =>
      Effect.gen(function* () {
        const { it, told } = service()
        yield* it.lasting(360_000, Effect.void)
        yield* it.stopping
        // nothing lasts
        assert.deepStrictEqual(told.splice(0), ["STOPPING=1"])
        yield* Effect.forkChild(it.lasting(360_000, Effect.never), { startImmediately: true })
        assert.deepStrictEqual(told.splice(0), ["EXTEND_TIMEOUT_USEC=390000000"])
        yield* TestClock.adjust(100_000)
        yield* it.stopping
        assert.deepStrictEqual(told.splice(0), ["STOPPING=1", "EXTEND_TIMEOUT_USEC=290000000"])
        const other = service()
        yield* Effect.forkChild(other.it.lasting(360_000, Effect.never), { startImmediately: true })
        assert.deepStrictEqual(other.told, [])
        yield* other.it.stopping
        assert.deepStrictEqual(other.told, ["STOPPING=1", "EXTEND_TIMEOUT_USEC=390000000"])
      })
  )
  it("is told again that the catcher listens, where its queue was full", () => {
    const told: Array<string> = []
    let isFull = true
    const tell = (text: string) => {
      if (isFull) throw new Error("EAGAIN")
      told.push(text)
    }
    const it = new Service({ tell, watchdogMillis: 1000 })
    it.take({ _tag: "Waiting", leftSeconds: undefined })
    isFull = false
    it.beats()
    it.beats()
    assert.deepStrictEqual(told, ["WATCHDOG=1", "READY=1", "WATCHDOG=1"])
  })
  it.effect("that cannot be told ends nothing, and hears of a reload from its beginning to its end", () =>
    Effect.gen(function* () {
      const { it, told } = service()
      yield* Effect.exit(it.reloading(Effect.fail("x")))
      assert.deepStrictEqual(told, ["RELOADING=1\nMONOTONIC_USEC=0", "READY=1"])
      const deaf = new Service({
        tell: () => {
          throw new Error("gone")
        },
        watchdogMillis: 1000
      })
      deaf.beats()
      yield* deaf.stopping
    })
  )
  it("has no address that is neither a path nor an abstract name, or too long", () => {
    assert.strictEqual(open("vsock:2:1")._tag, "None")
    assert.strictEqual(open(`/${"a".repeat(107)}`)._tag, "None")
  })
})
