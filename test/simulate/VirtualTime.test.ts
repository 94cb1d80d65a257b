/** Processes under virtual time: their turns have one order, and a process can be frozen or killed as a whole. */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as VirtualTime from "../../src/simulate/VirtualTime.ts"

describe("virtual time", () => {
  it.effect("jumps to the next timer, in the order of time and of asking", () =>
    Effect.gen(function* () {
      const told: Array<string> = []
      const tell = (word: string, millis: number) =>
        Effect.andThen(
          Effect.sleep(millis),
          Effect.map(Clock.currentTimeMillis, (now) => void told.push(`${word} ${now}`))
        )
      const hour = 3_600_000
      yield* VirtualTime.run(() =>
        Effect.all([tell("late", hour), tell("a", 5), tell("b", 5), tell("first", 0.5), tell("now", 0)], {
          concurrency: "unbounded"
        })
      )
      assert.deepStrictEqual(told, ["now 0", "first 0.5", "a 5", "b 5", `late ${hour}`])
    })
  )

  it.effect("a sleep that is interrupted wakes nobody, and moves no time", () =>
    Effect.gen(function* () {
      const now = yield* VirtualTime.run(() =>
        Effect.andThen(Effect.timeoutOption(Effect.sleep(10_000), 10), Clock.currentTimeMillis)
      )
      assert.strictEqual(now, 10)
    })
  )

  it.effect("dies when everybody waits for something that can never happen", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(VirtualTime.run(() => Effect.never))
      if (exit._tag !== "Failure") return assert.fail("it ended")
      assert.include(Cause.pretty(exit.cause), "nothing can happen any more")
    })
  )

  it.effect("dies when something goes round and round while time stands still", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(
        VirtualTime.run((time) =>
          Effect.suspend(() => {
            // most of the way that it would have to go
            time.turnsAtNow = 50_000_000 - 200_000
            return Effect.forever(Effect.yieldNow)
          })
        )
      )
      if (exit._tag !== "Failure") return assert.fail("it ended")
      assert.include(Cause.pretty(exit.cause), "goes round and round")
    })
  )

  const ticking = (told: Array<number>) =>
    Effect.forever(
      Effect.andThen(
        Effect.sleep(10),
        Effect.map(Clock.currentTimeMillis, (now) => void told.push(now))
      )
    )

  it.effect("a frozen process stands still while time goes on, and goes on when it is thawed", () =>
    Effect.gen(function* () {
      const told: Array<number> = []
      yield* VirtualTime.run((time) =>
        Effect.gen(function* () {
          const process = time.process()
          process.fork(ticking(told), () => {})
          yield* Effect.sleep(25)
          process.freeze()
          yield* Effect.sleep(100)
          process.thaw()
          yield* Effect.sleep(15)
        })
      )
      // the timer that was due at 30 fires at 125
      assert.deepStrictEqual(told, [10, 20, 125, 135])
    })
  )

  it.effect("a killed process never runs again, and neither do its finalizers", () =>
    Effect.gen(function* () {
      const told: Array<number> = []
      let cleaned = false
      yield* VirtualTime.run((time) =>
        Effect.gen(function* () {
          const process = time.process()
          const program = Effect.ensuring(
            ticking(told),
            Effect.sync(() => void (cleaned = true))
          )
          const forked = process.fork(program, () => {})
          yield* Effect.sleep(25)
          process.kill()
          process.post(() => forked.fiber?.interruptUnsafe())
          yield* Effect.sleep(100)
        })
      )
      assert.deepStrictEqual(told, [10, 20])
      assert.isFalse(cleaned)
    })
  )
})
