/** The hub: any number of sinks, and none of them can hold up or end the telling. */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Limits from "../../src/protocol/Limits.ts"
import * as Progress from "../../src/report/Progress.ts"
import { inTime } from "../phase/Rig.ts"

const note = (message: string | number): Progress.Event => ({ _tag: "Note", message: String(message) })

const words = (event: Progress.Event) => (event._tag === "Note" ? event.message : event._tag)

/** A sink that keeps what it hears. */
const keeping = (name = "kept") => {
  const heard: Array<string> = []
  return { heard, name, take: (event: Progress.Event) => void heard.push(words(event)) }
}

const hub = <A, E>(effect: Effect.Effect<A, E, Progress.Progress | Scope.Scope>) =>
  effect.pipe(Effect.scoped, Effect.provide(Progress.Progress.layer, { local: true }))

describe("the hub of events", () => {
  it.effect("every sink hears what was told while it was there", () =>
    Effect.gen(function* () {
      const progress = yield* Progress.Progress
      const [first, second] = [keeping(), keeping()]
      yield* progress.add(first)
      progress.publish(note(1))
      const scope = yield* Scope.make()
      yield* Scope.provide(progress.add(second), scope)
      progress.publish(note(2))
      yield* Scope.close(scope, Exit.void)
      progress.publish(note(3))
      assert.deepStrictEqual(first.heard, ["1", "2", "3"])
      assert.deepStrictEqual(second.heard, ["2"])
    }).pipe(hub)
  )

  it.effect("a sink that throws hears nothing more, and the others hear why", () =>
    Effect.gen(function* () {
      const progress = yield* Progress.Progress
      const kept = keeping()
      let calls = 0
      yield* progress.add({
        name: "bad",
        take: () => {
          calls++
          throw new Error("no paper")
        }
      })
      yield* progress.add(kept)
      progress.publish(note(1))
      progress.publish(note(2))
      assert.strictEqual(calls, 1)
      assert.deepStrictEqual(kept.heard.toSorted(), [
        "1",
        "2",
        'the sink "bad" failed, and hears nothing more: no paper'
      ])
    }).pipe(hub)
  )

  it.effect("paths of files are made only for a sink that takes them", () =>
    Effect.gen(function* () {
      const progress = yield* Progress.Progress
      const told: Array<Progress.Event> = []
      let made = 0
      const paths = () => {
        made++
        return ["a", "b\\xff"]
      }
      yield* progress.add({ name: "deaf", take: () => assert.fail(), ignores: ["FileCompleted"] })
      progress.publishFiles(paths)
      assert.strictEqual(made, 0)
      yield* progress.add({ name: "all", take: (event) => void told.push(event) })
      progress.publishFiles(paths)
      progress.publishFiles(() => ["c"], "c1")
      assert.strictEqual(made, 1)
      assert.deepStrictEqual(told, [
        { _tag: "FileCompleted", path: "a" },
        { _tag: "FileCompleted", path: "b\\xff", pathBytes: "Yv8=" },
        { _tag: "FileCompleted", id: "c1", path: "c" }
      ])
    }).pipe(hub)
  )

  it.effect("`events` is a stream from the moment of subscribing on", () =>
    Effect.gen(function* () {
      const progress = yield* Progress.Progress
      const reading = yield* Effect.forkScoped(Stream.runCollect(Stream.take(progress.events, 2)))
      yield* Effect.yieldNow
      for (const message of [1, 2, 3]) progress.publish(note(message))
      assert.deepStrictEqual((yield* Fiber.join(reading)).map(words), ["1", "2"])
    }).pipe(hub, inTime)
  )
})

describe("a sink that waits", () => {
  it.effect("takes all that was told, also what was left at the end", () =>
    Effect.gen(function* () {
      const heard: Array<string> = []
      yield* hub(
        Effect.gen(function* () {
          const progress = yield* Progress.Progress
          yield* Progress.follow({ name: "slow" }, (event) =>
            Effect.andThen(
              Effect.sleep(1),
              Effect.sync(() => heard.push(words(event)))
            )
          )
          for (let i = 0; i < 100; i++) progress.publish(note(i))
        })
      )
      assert.deepStrictEqual(
        heard,
        Array.from({ length: 100 }, (_, i) => String(i))
      )
    }).pipe(inTime)
  )

  it.effect("is slow: the telling goes on, the oldest are lost, and the end waits for it only so long", () =>
    Effect.gen(function* () {
      const heard: Array<string> = []
      const beganMillis = yield* Clock.currentTimeMillis
      yield* hub(
        Effect.gen(function* () {
          const progress = yield* Progress.Progress
          yield* Progress.follow({ name: "slow", capacity: 10 }, (event) =>
            Effect.andThen(
              Effect.sync(() => heard.push(words(event))),
              Effect.sleep(300)
            )
          )
          progress.publish(note(0))
          yield* Effect.sleep(10)
          for (let i = 1; i <= 1000; i++) progress.publish(note(i))
          assert.strictEqual(yield* Clock.currentTimeMillis, beganMillis + 10)
        })
      )
      assert.strictEqual((yield* Clock.currentTimeMillis) - beganMillis, 10 + Limits.sinkMillis)
      assert.deepStrictEqual(heard, ["0", "991", "992", "993"])
    }).pipe(inTime)
  )

  it.effect("fails: it hears nothing more, and the others hear why", () =>
    Effect.gen(function* () {
      const progress = yield* Progress.Progress
      const kept = keeping()
      let calls = 0
      yield* Progress.follow({ name: "bad" }, () => {
        calls++
        return Effect.fail(new Error("no paper"))
      })
      yield* progress.add(kept)
      progress.publish(note(1))
      yield* Effect.sleep(1)
      progress.publish(note(2))
      yield* Effect.sleep(1)
      assert.strictEqual(calls, 1)
      assert.deepStrictEqual(kept.heard, ["1", 'the sink "bad" failed, and hears nothing more: no paper', "2"])
    }).pipe(hub, inTime)
  )
})
