/** What a page is told, and what it costs when it is slow: by the test clock, without HTTP. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as Feed from "../../src/ops/Feed.ts"
import { Progress } from "../../src/report/Progress.ts"
import * as Watched from "../../src/report/Watched.ts"

const about = { role: "Send", where: "here" } as const
const frame = TestClock.adjust(250)

/** What a page reads, event by event. */
const watching = Effect.fnUntraced(function* (feed: Feed.Feed) {
  const stream = yield* feed.watch
  assert.isDefined(stream)
  const pull = yield* Stream.toPull(stream)
  const texts = Effect.map(pull, (chunks) => chunks.map((chunk) => new TextDecoder().decode(chunk)).join(""))
  return Effect.map(texts, (text) =>
    text
      .split("\n\n")
      .filter((event) => event !== "")
      .map((event) => {
        const [, name = "comment", data = "null"] = /^event: (\w+)\ndata: (.*)$/s.exec(event) ?? []
        return { name, data: JSON.parse(data) as unknown }
      })
  )
})

const note = (message: string) => ({ _tag: "Note", message }) as const

const withFeed = <A, E>(
  test: (feed: Feed.Feed, progress: Progress["Service"]) => Effect.Effect<A, E, import("effect/Scope").Scope>
) =>
  Effect.gen(function* () {
    return yield* test(yield* Feed.make(about), yield* Progress)
  }).pipe(Effect.scoped, Effect.provide(Progress.layer))

it.effect("the state and the frames after it give what the server has", () =>
  withFeed(
    Effect.fnUntraced(function* (feed, progress) {
      progress.publish(note("one"))
      const next = yield* watching(feed)
      const [first] = yield* next
      assert.strictEqual(first.name, "state")
      let state = first.data as Watched.Watched
      progress.publish(note("two"))
      progress.publish(note("three"))
      yield* frame
      for (const { data, name } of yield* next) {
        assert.strictEqual(name, "frame")
        state = Watched.step(state, data as Watched.Frame)
      }
      const [late] = yield* yield* watching(feed)
      assert.deepStrictEqual(late.data, JSON.parse(JSON.stringify(state)))
      assert.deepStrictEqual(
        state.log.map(({ text }) => text),
        ["note: one", "note: two", "note: three"]
      )
    })
  )
)

it.effect("frames are four a second, however often something happens", () =>
  withFeed(
    Effect.fnUntraced(function* (feed, progress) {
      const next = yield* watching(feed)
      yield* next
      for (let i = 0; i < 100; i++) {
        progress.publish({ _tag: "Waiting", joined: i })
        yield* TestClock.adjust(10)
      }
      const frames = yield* next
      assert.strictEqual(frames.length, 4)
      for (const { data } of frames) assert.strictEqual((data as Watched.Frame).events.length, 1)
    })
  )
)

it.effect("a page that is slow is sent the state anew, not all that it has missed", () =>
  withFeed(
    Effect.fnUntraced(function* (feed, progress) {
      const next = yield* watching(feed)
      yield* next
      for (let i = 0; i < 21; i++) {
        progress.publish(note(`${i}`))
        yield* frame
      }
      const events = yield* next
      assert.deepStrictEqual(
        events.map(({ name }) => name),
        ["state"]
      )
      assert.strictEqual((events[0].data as Watched.Watched).log.length, 21)
    })
  )
)

it.effect("where nothing happens a page is told now and then that it is still there", () =>
  withFeed(
    Effect.fnUntraced(function* (feed) {
      const next = yield* watching(feed)
      yield* next
      const told = yield* Effect.forkChild(next)
      yield* TestClock.adjust(15_000)
      assert.deepStrictEqual(yield* Fiber.join(told), [{ name: "comment", data: null }])
    })
  )
)

it.effect("the end does not wait for the next frame; it waits for pages to take what is left, but not for long", () =>
  withFeed(
    Effect.fnUntraced(function* (feed, progress) {
      const quick = yield* watching(feed)
      yield* quick
      const slow = yield* watching(feed)
      yield* slow
      progress.publish(note("the last"))
      const ending = yield* Effect.forkChild(feed.end)
      assert.deepStrictEqual(
        (yield* quick).map(({ name }) => name),
        ["frame"]
      )
      assert.deepStrictEqual(
        (yield* quick).map(({ name }) => name),
        ["over"]
      )
      assert.isTrue(Pull.isDoneCause(yield* Effect.flip(Effect.sandbox(quick))))
      yield* TestClock.adjust(999)
      assert.isUndefined(ending.pollUnsafe())
      yield* TestClock.adjust(1)
      yield* Fiber.join(ending)
    })
  )
)

it.effect("it is said when the first page begins to watch", () =>
  Effect.gen(function* () {
    let watched = 0
    const feed = yield* Feed.make({ ...about, onWatched: () => void watched++ })
    assert.strictEqual(watched, 0)
    yield* feed.watch
    assert.strictEqual(watched, 1)
  }).pipe(Effect.scoped, Effect.provide(Progress.layer))
)
