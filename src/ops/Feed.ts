/**
 * What pages are told of a session: first the state so far, then frames of events, some times a second. A frame is made once for
 * all. A page that takes them too slowly is sent the state anew instead of what it has missed, so that nothing grows with it.
 */
import * as Effect from "effect/Effect"
import * as Sse from "effect/encoding/Sse"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Limits from "../protocol/Limits.ts"
import type { Event } from "../report/Event.ts"
import { Progress } from "../report/Progress.ts"
import * as Watched from "../report/Watched.ts"

/** Frames are this far apart, in milliseconds: as often as a master tells how far it is. */
const frameMillis = 250
/** Frames that are kept for pages which are behind: those of 5 s. */
const keptFrames = 20
/** A connection on which nothing is sent for so long is told that it stands. */
const heartbeatMillis = 15_000
/** Pages that watch at one time. */
export const mostWatchers = 32

/** The feed of one session. */
export interface Feed {
  /** For one page: server-sent events until the session is over. Undefined: there are as many as there may be. */
  readonly watch: Effect.Effect<Stream.Stream<Uint8Array> | undefined>
  /** Nothing more is to come: waits for the pages to take what is left, as long as for any slow sink. */
  readonly end: Effect.Effect<void>
}

const utf8 = new TextEncoder()
const encoded = (event: "state" | "frame" | "over", data: unknown): Uint8Array =>
  utf8.encode(Sse.encoder.write({ _tag: "Event", event, id: undefined, data: JSON.stringify(data) }))
const heartbeat = utf8.encode(": still here\n\n")

/** What is watched. */
export interface About extends Pick<Watched.Watched, "role" | "where"> {
  /** Is called when a page begins to watch. */
  readonly onWatched?: () => void
}

/** Follows the session of the hub, until the scope closes. */
export const make = Effect.fnUntraced(function* (about: About): Effect.fn.Return<Feed, never, Progress | Scope.Scope> {
  const feed = new Frames(Watched.initial(about), about.onWatched)
  const progress = yield* Progress
  yield* progress.add({ name: "the page", take: (event) => feed.take(event), ignores: ["FileCompleted"] })
  yield* Effect.forkScoped(
    Effect.forever(
      Effect.andThen(
        Effect.sleep(frameMillis),
        Effect.sync(() => feed.flush())
      )
    )
  )
  return { watch: feed.watch, end: feed.end }
})

class Frames {
  private state: Watched.Watched
  private readonly onWatched: About["onWatched"]
  private pending = Watched.nothing
  /** The last frames, as they are sent, and the number of the first of them. */
  private frames: Array<Uint8Array> = []
  private first = 0
  private watchers = 0
  private isOver = false
  private readonly changed = Latch.makeUnsafe(false)

  constructor(state: Watched.Watched, onWatched: About["onWatched"]) {
    this.state = state
    this.onWatched = onWatched
  }

  private get next(): number {
    return this.first + this.frames.length
  }

  take(event: Event): void {
    this.pending = Watched.gathered(this.pending, event)
  }

  /** What has gathered becomes a frame. */
  flush(): void {
    if (this.pending === Watched.nothing) return
    this.state = Watched.step(this.state, this.pending)
    if (this.watchers > 0) {
      this.frames.push(encoded("frame", this.pending))
      if (this.frames.length > keptFrames) {
        this.frames.shift()
        this.first++
      }
    } else {
      this.first = this.next + 1
      this.frames = []
    }
    this.pending = Watched.nothing
    this.changed.openUnsafe()
  }

  readonly watch: Feed["watch"] = Effect.sync(() => {
    if (this.watchers >= mostWatchers) return undefined
    this.watchers++
    this.onWatched?.()
    const left = Effect.sync(() => {
      this.watchers--
      this.changed.openUnsafe()
    })
    return Stream.ensuring(
      Stream.unfold<Position, Uint8Array, never, never>("New", (at) => this.news(at)),
      left
    )
  })

  /** What a page that is at this frame is sent next, and where it is then. */
  private news(at: Position): Effect.Effect<readonly [Uint8Array, Position] | undefined> {
    return Effect.suspend(() => {
      if (at === "Over") return Effect.undefined
      if (at === "New") this.flush()
      if (at === "New" || at < this.first) return Effect.succeed([encoded("state", this.state), this.next] as const)
      if (at < this.next) {
        const frames = this.frames.slice(at - this.first)
        return Effect.succeed([Buffer.concat(frames), this.next] as const)
      }
      if (this.isOver) return Effect.succeed([encoded("over", {}), "Over"] as const)
      this.changed.closeUnsafe()
      return Effect.flatMap(Effect.timeoutOption(this.changed.await, heartbeatMillis), (change) =>
        Option.isNone(change) ? Effect.succeed([heartbeat, at] as const) : this.news(at)
      )
    })
  }

  readonly end: Effect.Effect<void> = Effect.suspend(() => {
    this.flush()
    this.isOver = true
    this.changed.openUnsafe()
    const gone: Effect.Effect<void> = Effect.suspend(() => {
      if (this.watchers === 0) return Effect.void
      this.changed.closeUnsafe()
      return Effect.andThen(this.changed.await, gone)
    })
    return Effect.asVoid(Effect.timeoutOption(gone, Limits.sinkMillis))
  })
}

/** The number of the frame that a page is sent next. */
type Position = number | "New" | "Over"
