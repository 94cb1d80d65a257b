/**
 * [F-8] Is the destination of use at all? When it is not, everything is sat out at once, and that
 * is told once.
 */
import * as Effect from "effect/Effect"
import type { HookFailed } from "../report/Errors.ts"
import { Progress } from "../report/Progress.ts"
import { isVeto, reasonOf, Store, StoreError } from "../store/Store.ts"
import * as Names from "../tree/Names.ts"
import type { SitOutReason } from "../protocol/Words.ts"
import type { Attendance } from "./Attendance.ts"
import type * as CatchFile from "./FileFiber.ts"
import type { CatchFiles } from "./Files.ts"

export class Ruin {
  /** Those that end with it. */
  files: Pick<CatchFiles, "fail"> | undefined
  private readonly attendance: Attendance
  private readonly progress: Progress["Service"]
  private readonly store: Store["Service"]

  constructor(attendance: Attendance, progress: Progress["Service"], store: Store["Service"]) {
    this.attendance = attendance
    this.progress = progress
    this.store = store
  }

  static readonly make = Effect.fnUntraced(function* (attendance: Attendance) {
    return new Ruin(attendance, yield* Progress, yield* Store)
  })

  /** Work on the tree as a whole: when it fails, nothing of the tree can be here. */
  ruining<A>(effect: Effect.Effect<A, StoreError>): Effect.Effect<A, StoreError> {
    return Effect.tapError(effect, (error) => Effect.sync(() => this.spoil(error)))
  }

  /** [F-12] What must go well before anything of the tree is touched. */
  requiring(hook: Effect.Effect<void, HookFailed>): Effect.Effect<void, StoreError> {
    return Effect.mapError(hook, (error) => {
      this.spoil(error)
      return new StoreError({ code: "ECANCELED", path: "", reason: error.message })
    })
  }

  private spoil(error: StoreError | HookFailed): void {
    const { attendance, files, progress } = this
    if (attendance.ruin !== undefined) return
    // [M-10] a destination without room is of use, and the want of room has been told
    if (attendance.noRoom === undefined) {
      attendance.ruin = error
      progress.publish({ _tag: "Failed", path: Names.display(new Uint8Array(0)), reason: error.message })
    }
    files?.fail(error._tag === "StoreError" ? error.reason : error.message)
  }

  private stands(): Effect.Effect<void, StoreError> {
    return this.ruining(this.store.stands)
  }

  /** The cause of a file's failure. */
  causeOf(error: CatchFile.Refusal): Effect.Effect<SitOutReason> {
    return Effect.match(this.stands(), {
      onFailure: ({ reason }): SitOutReason => ({ reason, about: "Tree" }),
      onSuccess: () => ({ reason: reasonOf(error), about: this.aboutOf(error) })
    })
  }

  private aboutOf(error: CatchFile.Refusal): SitOutReason["about"] {
    if (error === this.attendance.ruin) return "Tree"
    return isVeto(error) ? "Veto" : "File"
  }

  /** Where single entries failed, the destination may be why. */
  committing(commit: CatchFile.Commit): CatchFile.Commit {
    return Effect.tap(commit, (failures) => (failures.length === 0 ? Effect.void : this.stands()))
  }
}
