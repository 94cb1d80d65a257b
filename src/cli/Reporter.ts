/**
 * The command line's Progress: events go straight to the screen, as a live picture, as lines, or as JSON. Unlike
 * `Progress.layer` it keeps no queue and so drops nothing: whoever reads the JSON counts on its last line, the report.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Progress from "../Progress.ts"
import { failureAt } from "../Manifest.ts"
import * as LastLine from "./LastLine.ts"
import { Screen } from "./Screen.ts"
import * as View from "./View.ts"

export interface Options {
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
      const publish = options.json ? json(screen, clock, options.verbosity, keep) : lines(screen, options)
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
  return (event: Progress.Event) => {
    if (event._tag === "Report") (keep ?? print)(event)
    else if (verbosity !== "Quiet") print(event)
  }
}

const lines = (screen: Screen["Service"], options: Options) => {
  let view = View.initial(options)
  const live = options.live && screen.drawable && options.verbosity !== "Quiet"
  return (event: Progress.Event) => {
    const [next, lines] = View.step(view, event)
    view = next
    if (event._tag === "Report") screen.erase()
    for (const line of lines) screen.print(line.to, line.text)
    if (live && event._tag !== "Report") screen.draw(View.picture(view, screen.size()))
  }
}
