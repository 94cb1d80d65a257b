/**
 * The command line's sinks of a session: events go straight to the screen, as a live picture, as lines, or as JSON. They keep
 * no queue: what a reader of standard output has not read yet waits in that stream, and beyond a bound lines are left out.
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type { Event, Tag } from "../report/Event.ts"
import * as Progress from "../report/Progress.ts"
import type { Report } from "../report/Report.ts"
import * as Monotonic from "../session/Monotonic.ts"
import * as Format from "./Format.ts"
import * as Journal from "./Journal.ts"
import type { Level } from "./Journal.ts"
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
}

/** A hub of its own; its first sink is the screen, or the JSON lines. */
export const layer = (options: Options): Layer.Layer<Progress.Progress, never, Screen> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const progress = yield* Progress.Progress
      const take = yield* options.json ? json(options.verbosity) : sight(options)
      const ignores: ReadonlyArray<Tag> = options.verbosity === "Verbose" ? [] : ["FileCompleted"]
      yield* progress.add({ name: "standard output", take, ignores })
    })
  ).pipe(Layer.provideMerge(Layer.fresh(Progress.Progress.layer)))

/** Lines are left out while standard output is not read; the next one that is printed says how many. */
const missing = (count: number): string => `${Format.plural(count, "line")} left out here: standard output was not read`

/** The report is kept: it is the last line, which says more. */
const json = Effect.fnUntraced(function* (verbosity: View.Verbosity) {
  const screen = yield* Screen
  const clock = yield* Clock.Clock
  const keep = yield* LastLine.Keeper
  const { encode } = yield* LastLine.lines
  let missed = 0
  const print = (event: Exclude<Event, Report>): void => {
    const level = Journal.levelOf(event._tag)
    const time = DateTime.makeUnsafe(clock.currentTimeMillisUnsafe())
    // a line that cannot be made is no reason to say nothing more
    const unmade = () => encode({ _tag: "Note", message: `a line of ${event._tag} could not be made`, time })
    screen.print(
      "json",
      Result.getOrElse(
        Result.try(() => encode({ ...event, time })),
        unmade
      ),
      level
    )
  }
  const tellMissed = () => {
    if (missed > 0) print({ _tag: "Note", message: missing(missed) })
    missed = 0
  }
  return (event: Event): void => {
    if (event._tag === "Report") {
      keep(event)
      return tellMissed()
    }
    if (verbosity === "Quiet") return
    if (screen.isBehind()) return void missed++
    tellMissed()
    print(event)
  }
})

/** How often it is looked at what only time changes. */
const beatMillis = 1000

const sight = Effect.fnUntraced(function* (options: Options) {
  const screen = yield* Screen
  const now = yield* Monotonic.millis
  let view = View.initial(options)
  let isOver = false
  let missed = 0
  const isQuiet = options.verbosity === "Quiet"
  const isLive = options.live && screen.drawable && !isQuiet
  const print = ({ text, to }: View.Line, level: Level) => {
    if (to === "err") return screen.print("err", text, level)
    // The summary is never left out.
    if (!isOver && screen.isBehind()) return void missed++
    if (missed > 0) screen.print("out", missing(missed))
    missed = 0
    screen.print("out", text, level)
  }
  const show = ([next, lines]: View.Step, level: Level = "Info") => {
    view = next
    for (const line of lines) print(line, level)
    if (isLive && !isOver) screen.draw(Picture.picture(view, screen.size()))
  }
  const beat = Effect.sync(() => {
    const later = View.at(view, now())
    if (!isOver && !isQuiet) show(isLive ? [later, []] : Picture.beat(later))
  })
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(beatMillis), beat)))
  yield* Effect.addFinalizer(() => Effect.sync(screen.erase))
  return (event: Event): void => {
    isOver = event._tag === "Report"
    if (isOver) screen.erase()
    show(View.step(View.at(view, now()), event), Journal.levelOf(event._tag))
  }
})
