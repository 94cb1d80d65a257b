/**
 * The command line's Progress: events go straight to the screen, as a live picture, as lines, or as JSON. Unlike
 * `Progress.layer` it keeps no queue and so drops nothing: whoever reads the JSON counts on its last line, the report.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Progress from "../report/Progress.ts"
import * as Monotonic from "../session/Monotonic.ts"
import { base64Of, failureAt } from "../tree/Names.ts"
import * as LastLine from "./LastLine.ts"
import * as Picture from "./Picture.ts"
import { Screen } from "./Screen.ts"
import * as View from "./View.ts"

interface Options {
  readonly role: View.Role
  /** The group and interface, for people. */
  readonly where: string
  readonly hasKeys?: boolean
  readonly verbosity: View.Verbosity
  readonly json: boolean
  readonly live: boolean
  /** Is told of every event, too. */
  readonly onEvent?: (event: Progress.Event) => void
}

export const layer = (options: Options): Layer.Layer<Progress.Progress, never, Screen> =>
  Layer.effect(
    Progress.Progress,
    Effect.gen(function* () {
      const screen = yield* Screen
      const clock = yield* Clock.Clock
      const keep = yield* LastLine.Keeper
      const seen = options.json ? undefined : sight(screen, options, yield* Monotonic.millis)
      const publish = seen?.publish ?? json(screen, clock, options.verbosity, keep)
      if (seen !== undefined)
        yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(beatMillis), seen.beat)))
      yield* Effect.addFinalizer(() => Effect.sync(screen.erase))
      const { onEvent } = options
      return {
        publish: (event) => {
          onEvent?.(event)
          publish(event)
        },
        events: Stream.empty
      }
    })
  )

const json = (
  screen: Screen["Service"],
  clock: Clock.Clock,
  verbosity: View.Verbosity,
  keep: ((last: LastLine.Last) => void) | undefined
) => {
  const print = (event: Progress.Event) => {
    const time = new Date(clock.currentTimeMillisUnsafe()).toISOString()
    const { _tag, ...rest } = event._tag === "Failed" ? { ...event, ...failureAt(event.path, event.reason) } : event
    screen.print("json", JSON.stringify({ _tag, time, ...rest }))
  }
  const printPath = (path: string) => {
    const time = new Date(clock.currentTimeMillisUnsafe()).toISOString()
    const pathBytes = base64Of(path)
    screen.print(
      "json",
      JSON.stringify({ _tag: "Completed", time, path, ...(pathBytes === undefined ? {} : { pathBytes }) })
    )
  }
  return (event: Progress.Event) => {
    if (event._tag === "Completed") {
      if (verbosity === "Verbose") for (const path of event.paths()) printPath(path)
    } else if (event._tag === "Report") (keep ?? print)(event)
    else if (verbosity !== "Quiet") print(event)
  }
}

/** How often it is looked at what only time changes. */
const beatMillis = 1000

const sight = (screen: Screen["Service"], options: Options, now: () => number) => {
  let view = View.initial(options)
  let isOver = false
  const isQuiet = options.verbosity === "Quiet"
  const isLive = options.live && screen.drawable && !isQuiet
  const show = ([next, lines]: View.Step) => {
    view = next
    for (const line of lines) screen.print(line.to, line.text)
    if (isLive && !isOver) screen.draw(Picture.picture(view, screen.size()))
  }
  return {
    publish: (event: Progress.Event) => {
      isOver = event._tag === "Report"
      if (isOver) screen.erase()
      show(View.step(View.at(view, now()), event))
    },
    beat: Effect.sync(() => {
      const later = View.at(view, now())
      if (!isOver && !isQuiet) show(isLive ? [later, []] : Picture.beat(later))
    })
  }
}
