/** `--web` and `--metrics`: the page to watch a session, and its figures, beside whatever command has a hub of events. */
import type { SecureRandom } from "effect/crypto/SecureRandom"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { ServerError } from "../report/Errors.ts"
import { Progress } from "../report/Progress.ts"
import type { Role } from "../report/Words.ts"
import { Machine } from "./Machine.ts"
import * as LastLine from "./LastLine.ts"
import type * as Parse from "./Parse.ts"
import { Screen } from "./Screen.ts"
import * as View from "./View.ts"

/** What was asked for; a port of 0 is any that is free. */
export interface Input {
  readonly web: Parse.Listening | undefined
  readonly metrics: Parse.Listening | undefined
}

interface About {
  readonly role: Role
  /** The group and interface, for people. */
  readonly where: string
  /** Is called when a page begins to watch. */
  readonly onWatched?: () => void
}

// Loaded when they are wanted: most sessions are not watched.
const livePage = Effect.promise(() => import("../ops/LivePage.ts"))
const figures = Effect.promise(() => import("../ops/Figures.ts"))

/**
 * Serves what was asked for until the scope closes. An address that cannot be had is an error, and comes before anything is sent;
 * what goes wrong with a page later does nothing to the session.
 */
export const layer = (
  { metrics, web }: Input,
  about: About
): Layer.Layer<never, ServerError, Machine | Progress | SecureRandom> =>
  Layer.mergeAll(
    web === undefined ? Layer.empty : watched(web, about),
    metrics === undefined ? Layer.empty : Layer.effectDiscard(Effect.andThen(scraped(metrics), gathering))
  )

const watched = (at: Parse.Listening, about: About) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { hostName, httpServer, page } = yield* Machine
      return Layer.provide((yield* livePage).layer({ ...about, page, hostName }), httpServer("--web", at))
    })
  )

const scraped = Effect.fnUntraced(function* (at: Parse.Listening) {
  const progress = yield* Progress
  progress.publish({ _tag: "Served", metrics: yield* served(at) })
})

const served = Effect.fnUntraced(function* (at: Parse.Listening) {
  const { hostName, httpServer } = yield* Machine
  const { serveFigures } = yield* livePage
  // the server stays as long as the scope of what asks for it
  const server = yield* Layer.build(httpServer("--metrics", at))
  return yield* Effect.provideContext(serveFigures({ hostName }), server)
})

const gathering = Effect.flatMap(figures, ({ gather }) => gather)

// ---- session after session ----

/** Serves the figures of all sessions, where that was asked for, until the scope closes. */
export const figuresOfAll = Effect.fnUntraced(function* (
  { metrics }: Pick<Input, "metrics">,
  { json }: { readonly json: boolean }
) {
  if (metrics === undefined) return
  const tell = yield* telling(json)
  tell({ _tag: "Served", metrics: yield* served(metrics) })
})

/** Counts one of these sessions. */
export const counted = ({ metrics }: Pick<Input, "metrics">): Layer.Layer<never, never, Progress> =>
  metrics === undefined ? Layer.empty : Layer.effectDiscard(gathering)

/** Tells where it is served, where nothing else tells of the hub's events. */
export const told = (json: boolean): Layer.Layer<never, never, Progress | Screen> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const progress = yield* Progress
      const tell = yield* telling(json)
      yield* progress.add({ name: "the screen", take: (event) => (event._tag === "Served" ? tell(event) : undefined) })
    })
  )

const telling = Effect.fnUntraced(function* (json: boolean) {
  const screen = yield* Screen
  if (!json) {
    return (event: View.Of<"Served">): void => {
      for (const { text, to } of View.served(event)) screen.print(to, text)
    }
  }
  const clock = yield* Clock.Clock
  const { encode } = yield* LastLine.lines
  return (event: View.Of<"Served">): void => {
    const time = DateTime.makeUnsafe(clock.currentTimeMillisUnsafe())
    screen.print("json", encode({ ...event, time }))
  }
})
