/**
 * The hub of a session's events: the conductors tell it, and any number of sinks hear it. Telling never waits and never
 * fails, whatever the sinks do.
 */

import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Pull from "effect/Pull"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Limits from "../protocol/Limits.ts"
import { pathAt } from "../tree/Names.ts"
import type { Event, Tag } from "./Event.ts"

export type { CatcherView, Event } from "./Event.ts"

/** Seconds as they are told: to the millisecond. */
export const seconds = (millis: number): number => Math.round(millis) / 1000

/** A listener that takes each event at once. For one that has to wait, see `follow`. */
export interface Sink {
  /** Its name in the note that says that it failed. */
  readonly name: string
  /** Must return at once. A sink that throws hears nothing more, and the others are told so by a note. */
  readonly take: (event: Event) => void
  /** Events that it has no use for. A file's path is not made when every sink ignores `FileCompleted`. */
  readonly ignores?: ReadonlyArray<Tag>
}

/**
 * The service to which a session tells what happens.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { Catcher, Progress } from "mrsync"
 *
 * const told = Effect.gen(function* () {
 *   yield* Progress.follow({ name: "log" }, (event) => Effect.log(event._tag))
 *   return yield* Catcher.run({ ...Catcher.defaults, id: "c1" })
 * }).pipe(Effect.scoped, Effect.provide(Progress.Progress.layer))
 * ```
 */
export class Progress extends Context.Service<
  Progress,
  {
    /** Never waits, and never fails. */
    readonly publish: (event: Event) => void
    /**
     * Tells of files that are complete, at that catcher or (without `id`) at every one that is still there. Their paths are
     * made only when a sink takes them.
     */
    readonly publishFiles: (paths: () => Iterable<string>, id?: string) => void
    /** Adds a sink, until the scope closes. */
    readonly add: (sink: Sink) => Effect.Effect<void, never, Scope.Scope>
    /** Events from the moment of subscribing on. A reader that is too slow misses the oldest. */
    readonly events: Stream.Stream<Event>
  }
>()("mrsync/report/Progress") {
  /** The hub. Sinks are added to it with `add` and `follow`. */
  static readonly layer = Layer.sync(Progress, () => Progress.of(hub()))

  /** A hub with one sink. */
  static readonly layerTo = (take: Sink["take"], ignores: ReadonlyArray<Tag> = []): Layer.Layer<Progress> =>
    Layer.sync(Progress, () => Progress.of(hub({ name: "the first sink", take, ignores })))

  /** A hub with no sink. */
  static readonly layerNone = Layer.sync(Progress, () => Progress.of(hub()))
}

const hub = (...first: ReadonlyArray<Sink>): Progress["Service"] => {
  const sinks = new Set<Sink>(first)
  const publish = (event: Event): void => {
    for (const sink of sinks) {
      if (sink.ignores?.includes(event._tag)) continue
      const taken = Result.try(() => sink.take(event))
      if (Result.isSuccess(taken)) continue
      // Only the others hear of it, so that this comes to an end.
      sinks.delete(sink)
      publish(failed(sink.name, taken.failure))
    }
  }
  const add = (sink: Sink) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        // A sink of its own, though the same object may be added twice.
        const added = { ...sink }
        sinks.add(added)
        return added
      }),
      (added) => Effect.sync(() => sinks.delete(added))
    ).pipe(Effect.asVoid)
  return {
    publish,
    publishFiles: (paths, id) => {
      if ([...sinks].every(({ ignores }) => ignores?.includes("FileCompleted"))) return
      const at = id === undefined ? {} : { id }
      for (const path of paths()) publish({ _tag: "FileCompleted", ...at, ...pathAt(path) })
    },
    add,
    events: Stream.callback<Event>(
      (queue) => add({ name: "events", take: (event) => void Queue.offerUnsafe(queue, event) }),
      { bufferSize: Limits.progressEvents, strategy: "sliding" }
    )
  }
}

// What is thrown may be anything, also what cannot be made a text.
const wordsOf = (cause: unknown): string =>
  cause instanceof Error
    ? cause.message
    : Result.getOrElse(
        Result.try(() => String(cause)),
        () => "no words for it"
      )

const failed = (name: string, cause: unknown): Event => ({
  _tag: "Note",
  message: `the sink "${name}" failed, and hears nothing more: ${wordsOf(cause)}`
})

/**
 * Adds a sink that may wait, until the scope closes: a fiber takes the events one by one. A slow one misses the oldest,
 * as many as do not fit its queue. At the end it has `Limits.sinkMillis` for those that are left. One that fails hears
 * nothing more, and the others are told so by a note.
 */
export const follow = Effect.fnUntraced(function* <E, R>(
  { capacity = Limits.progressEvents, ignores = [], name }: Omit<Sink, "take"> & { readonly capacity?: number },
  take: (event: Event) => Effect.Effect<unknown, E, R>
): Effect.fn.Return<void, never, Progress | Scope.Scope | R> {
  const progress = yield* Progress
  const queue = yield* Queue.sliding<Event, Cause.Done>(capacity)
  const fiber = yield* Queue.take(queue).pipe(
    Effect.flatMap(take),
    Effect.forever,
    Pull.catchDone(() => Effect.void),
    Effect.catchCause((cause) =>
      Effect.andThen(
        Queue.shutdown(queue),
        Effect.sync(() => progress.publish(failed(name, Cause.squash(cause))))
      )
    ),
    Effect.forkScoped
  )
  // What is left is taken, but a slow sink does not hold up the end.
  yield* Effect.addFinalizer(() =>
    Effect.andThen(Queue.end(queue), Effect.timeoutOption(Effect.interruptible(Fiber.await(fiber)), Limits.sinkMillis))
  )
  yield* progress.add({ name, ignores, take: (event) => void Queue.offerUnsafe(queue, event) })
})
