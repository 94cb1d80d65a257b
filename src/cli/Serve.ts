/** `mrsync catch --serve`: session after session, until it is told to end; a manager of services is told how it is. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type * as Catcher from "../catcher/Catcher.ts"
import type { Hooks } from "../catcher/Hooks.ts"
import { Service } from "../ops/Service.ts"
import type { Event } from "../report/Event.ts"
import { Progress } from "../report/Progress.ts"
import * as Keyring from "./Keyring.ts"
import * as LastLine from "./LastLine.ts"
import { Reopening } from "./Log.ts"
import { Machine } from "./Machine.ts"
import { Screen } from "./Screen.ts"
import type { Failure } from "./Status.ts"
import * as Status from "./Status.ts"

/** Between a session that failed and the next try, so that a lasting fault does not spin. */
const pauseMillis = 1000

/** Signs of life where no manager asks for more: new keys are taken as often. */
const beatMillis = 1000

type Protection = Effect.Success<ReturnType<typeof Keyring.forCatcher>>

/** How sessions are served. */
export interface Serving<R> {
  readonly json: boolean
  /** A limit to the waiting was given: hearing no master within it is the end. */
  readonly isLimited: boolean
  readonly destination: string
  readonly given: Keyring.Given
  /** The keys at the beginning. */
  readonly protection: Protection
  /** One session with these keys. */
  readonly session: (protection: Protection) => Effect.Effect<void, Failure, R>
}

/** The service, as its sessions and its manager see it. */
class Stage {
  isReceiving = false
  readonly service: Service
  /** Open while new keys wait for a catcher that is in no session. */
  readonly isToRenew = Latch.makeUnsafe(false)
  private isRenewed = false

  constructor(service: Service) {
    this.service = service
  }

  /** Hears what sessions tell. */
  readonly layer: Layer.Layer<never, never, Progress> = Layer.effectDiscard(
    Effect.flatMap(Progress, (progress) =>
      progress.add({ name: "mrsync catch", take: (event) => this.take(event), ignores: ["FileCompleted"] })
    )
  )

  /** The catcher's sign of life. */
  get beat(): Catcher.Beat {
    return {
      everyMillis: Math.min(beatMillis, this.service.beatMillis ?? beatMillis),
      tell: (isAttending) => this.beats(isAttending)
    }
  }

  /** A session's last hook runs to its end, and the manager is told how long that may take. */
  attended({ onComplete, ...others }: Hooks): Hooks {
    if (onComplete === undefined) return others
    return {
      ...others,
      onComplete: (report, mostMillis) => this.service.lasting(mostMillis, onComplete(report, mostMillis))
    }
  }

  beats(isAttending: boolean): void {
    this.service.beats()
    if (this.isRenewed && !isAttending) this.isToRenew.openUnsafe()
  }

  /** There are new keys. */
  renew(): void {
    this.isRenewed = true
  }

  /** A session is begun with the keys that there are. */
  begins(): void {
    this.isRenewed = false
    this.isToRenew.closeUnsafe()
    this.service.beats()
  }

  private take(event: Event): void {
    if (event._tag === "Started" || event._tag === "Report") this.isReceiving = event._tag === "Started"
    this.service.take(event)
  }
}

/** The stage of a service, under the manager that has started this process. */
export const stage = Effect.gen(function* () {
  const { manager } = yield* Machine
  return new Stage(new Service(Option.getOrUndefined(yield* manager)))
})

/** Session after session. */
export const serve = Effect.fn("cli.serve")(function* <R>(stage: Stage, serving: Serving<R>) {
  const machine = yield* Machine
  const keys = yield* Ref.make(serving.protection)
  yield* Effect.addFinalizer(() => stage.service.stopping)
  // Told to end while it waits for a master, it has served; in the midst of a session that is interrupted.
  const stopped = machine.terminated.pipe(
    Effect.andThen(stage.service.stopping),
    Effect.andThen(Effect.suspend(() => (stage.isReceiving ? Effect.interrupt : Effect.void)))
  )
  const session = Effect.suspend(() => {
    stage.begins()
    return Effect.flatMap(Ref.get(keys), serving.session)
  })
  return yield* Effect.raceAllFirst([
    again(session, stage, serving),
    stopped,
    Stream.runForEach(machine.reloads, () => reload(stage, serving.given, keys)).pipe(Effect.andThen(Effect.never)),
    machine.clearing(serving.destination)
  ])
})

/** Takes the keys that there are now; a session that runs keeps its own. What is wrong with them ends nothing. */
const reload = (stage: Stage, given: Keyring.Given, keys: Ref.Ref<Protection>) =>
  stage.service.reloading(
    Effect.gen(function* () {
      yield* yield* Reopening
      const screen = yield* Screen
      const fresh = yield* Effect.result(Keyring.again(given))
      if (Result.isFailure(fresh)) {
        const reason = Status.describe(fresh.failure)
        return screen.print("err", `${reason}; the keys from before hold`, "Warning")
      }
      if (fresh.success !== undefined) {
        yield* Ref.set(keys, fresh.success)
        stage.renew()
      }
      screen.print("err", "mrsync: read anew: keys and log", "Notice")
    })
  )

const again = Effect.fnUntraced(function* <R>(
  session: Effect.Effect<void, Failure, R>,
  stage: Stage,
  { isLimited, json }: Pick<Serving<R>, "isLimited" | "json">
) {
  const isEnd = (error: Failure) => isLimited && error._tag === "MasterTimeout" && error.master === undefined
  const endsAll = (exit: Exit.Exit<unknown, Failure>) =>
    Exit.isFailure(exit) &&
    (Cause.hasInterruptsOnly(exit.cause) || Option.exists(Cause.findErrorOption(exit.cause), isEnd))
  const screen = yield* Screen
  const said = yield* Ref.make("")
  // The same fault again and again (a full disk, a master that refuses us) is told once.
  const tell = (error: Failure) =>
    Effect.flatMap(Ref.getAndSet(said, error.message), (last) =>
      last === error.message ? Effect.void : Effect.sync(() => screen.print("err", Status.describe(error), "Error"))
    )
  const once = session.pipe(
    LastLine.endingOne(json, endsAll),
    Effect.tap(() => Ref.set(said, "")),
    Effect.raceFirst(stage.isToRenew.await),
    Effect.catch((error) =>
      isEnd(error)
        ? Effect.fail(error)
        : Effect.andThen(tell(error), error._tag === "Incomplete" ? Effect.void : Effect.sleep(pauseMillis))
    ),
    Effect.catchDefect((defect) =>
      Effect.andThen(
        Effect.sync(() =>
          screen.print("err", `mrsync: a fault in mrsync itself: ${Cause.pretty(Cause.die(defect))}`, "Error")
        ),
        Effect.sleep(pauseMillis)
      )
    )
  )
  return yield* Effect.forever(once)
})
