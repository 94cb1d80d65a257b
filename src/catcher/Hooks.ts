/**
 * What a catcher's owner has done around a session [F-12]: something before anything of it is
 * changed here, and something once its outcome here is known.
 */

import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as Limits from "../protocol/Limits.ts"
import { HookFailed } from "../report/Errors.ts"
import { Progress } from "../report/Progress.ts"
import type { Report } from "../report/Report.ts"
import * as Names from "../tree/Names.ts"
import type { Attendance } from "./Attendance.ts"

/**
 * The hooks of a catcher. Each may take `Limits.hookTimeouts` time-outs of the master, which it is
 * told in milliseconds, and is interrupted then. A dry run has none.
 */
export interface Hooks {
  /**
   * Before anything at the destination is changed. When it fails, nothing of the session is done
   * here, and the master is told why. The report says which session it is.
   */
  readonly onStart?: (report: Report, mostMillis: number) => Effect.Effect<void, HookFailed, Progress>
  /**
   * Once for each session of which `onStart` went well: when the outcome here is known, and before
   * the master is told it, or when the session has broken off. When it fails, the report says so.
   */
  readonly onComplete?: (report: Report, mostMillis: number) => Effect.Effect<void, HookFailed, Progress>
}

interface Services {
  readonly progress: Progress["Service"]
  /** Where the last hook goes on while its session breaks off. */
  readonly scope: Scope.Scope
  readonly reportOf: (attendance: Attendance) => Report
}

/** The hooks of one session after the other. */
export class SessionHooks {
  private readonly hooks: Hooks
  private readonly services: Services
  /** Of the session that has begun here. */
  private begun: Attendance | undefined
  private concluding: Fiber.Fiber<void> | undefined

  constructor(hooks: Hooks, services: Services) {
    this.hooks = hooks
    this.services = services
  }

  /** A session begins here. One that is joined again has begun. [J-7] */
  begin(attendance: Attendance): Effect.Effect<void, HookFailed> {
    return Effect.gen({ self: this }, function* () {
      if (this.begun?.membership?.session !== attendance.membership?.session) {
        yield* this.conclude
        yield* this.run("on-start", this.hooks.onStart, attendance)
        this.concluding = undefined
      }
      this.begun = attendance
    })
  }

  /**
   * The outcome of the session that has begun is known. Once that is so, its hook runs to its end
   * whatever becomes of the session.
   */
  readonly conclude: Effect.Effect<void> = Effect.gen({ self: this }, function* () {
    const { begun, services } = this
    if (begun === undefined) return
    this.concluding ??= yield* Effect.forkIn(this.concluded(begun), services.scope)
    yield* Fiber.await(this.concluding)
  })

  private concluded(attendance: Attendance): Effect.Effect<void> {
    return Effect.catch(this.run("on-complete", this.hooks.onComplete, attendance), ({ message }) =>
      Effect.sync(() => {
        const entry = topmost(attendance)
        attendance.fail([{ entry, reason: message }])
        this.services.progress.publish({
          _tag: "Failed",
          ...Names.pathAt(attendance.pathOf(entry)),
          reason: message
        })
      })
    )
  }

  private run(
    name: HookFailed["hook"],
    hook: Hooks["onStart"],
    attendance: Attendance
  ): Effect.Effect<void, HookFailed> {
    return Effect.suspend(() => {
      if (hook === undefined) return Effect.void
      const { progress, reportOf } = this.services
      const timeoutMillis = attendance.membership?.timeoutMillis ?? Limits.defaultTimeoutMillis
      const millis = timeoutMillis * Limits.hookTimeouts
      const reason = `it was ended after ${millis / 1000} s`
      return hook(reportOf(attendance), millis).pipe(
        Effect.provideService(Progress, progress),
        Effect.timeoutOrElse({
          duration: millis,
          orElse: () => Effect.fail(new HookFailed({ hook: name, reason }))
        })
      )
    })
  }
}

/** Where a failure of the whole tree is told: at the first directory that has none of its own. */
const topmost = ({ entries = [], failures }: Attendance): number =>
  Math.max(
    0,
    entries.findIndex(({ _tag }, entry) => _tag === "Directory" && !failures.has(entry))
  )
