/**
 * What a manager of services is told of a catcher (systemd's sd_notify): that it listens, what it does in words, that it lives, and
 * that it reloads or stops.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Event } from "../report/Event.ts"

/** The manager that has started this process. */
export interface Manager {
  /** Throws where it cannot be told. */
  readonly tell: (text: string) => void
  /** It ends a service that says nothing for so long; undefined: never. */
  readonly watchdogMillis: number | undefined
}

/** Signs of life within the time of the watchdog: some may come late. */
const signs = 4

/** When nothing lasts any more, the end takes no longer than that: the master is told, and what is unfinished is removed. */
const endMillis = 30_000

/** Signs of life come no faster, whatever the watchdog asks for. */
const leastBeatMillis = 10

/** A service under a manager; without one nobody is told anything. */
export class Service {
  /** How often it has to say that it lives; undefined: never. */
  readonly beatMillis: number | undefined
  private readonly manager: Manager | undefined
  private isReady = false
  /** The manager waits for this, and its queue was full. */
  private owesReady = false
  private status = ""
  private isStopping = false
  /** Until then something may run to its end, also when the service is told to end. */
  private lastsUntilMillis = 0

  constructor(manager: Manager | undefined) {
    this.manager = manager
    this.beatMillis =
      manager?.watchdogMillis === undefined ? undefined : Math.max(leastBeatMillis, manager.watchdogMillis / signs)
  }

  /** Something has happened in a session, or between two. */
  take(event: Event): void {
    const status = statusOf(event)
    if (status !== undefined && status !== this.status) {
      this.status = status
      this.tell(`STATUS=${status}`)
    }
    // it listens
    if (event._tag === "Waiting" && !this.isReady) {
      this.isReady = true
      this.ready()
    } else if (this.owesReady) this.ready()
  }

  /** It lives. */
  beats(): void {
    if (this.beatMillis !== undefined) this.tell("WATCHDOG=1")
    if (this.owesReady) this.ready()
  }

  /** It is told to end. */
  readonly stopping: Effect.Effect<void> = Effect.map(Clock.currentTimeMillis, (nowMillis) => {
    this.isStopping = true
    this.tell("STOPPING=1")
    this.askForTime(nowMillis)
  })

  /** Runs what is not broken off when the service is told to end, and may take so long. */
  lasting<A, E, R>(mostMillis: number, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.gen({ self: this }, function* () {
      const nowMillis = yield* Clock.currentTimeMillis
      this.lastsUntilMillis = nowMillis + mostMillis
      if (this.isStopping) this.askForTime(nowMillis)
      return yield* Effect.ensuring(
        effect,
        Effect.sync(() => (this.lastsUntilMillis = 0))
      )
    })
  }

  /** A manager that kills after a time of its own waits for what lasts longer. */
  private askForTime(nowMillis: number): void {
    const leftMillis = this.lastsUntilMillis - nowMillis
    if (leftMillis > 0) this.tell(`EXTEND_TIMEOUT_USEC=${Math.ceil(leftMillis + endMillis) * 1000}`)
  }

  /** Tells when a reload begins, and when it is done. */
  reloading<A, E, R>(reload: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.gen({ self: this }, function* () {
      const nanos = yield* Clock.monotonicTimeNanos
      this.tell(`RELOADING=1\nMONOTONIC_USEC=${nanos / 1000n}`)
      return yield* Effect.ensuring(
        reload,
        Effect.sync(() => this.ready())
      )
    })
  }

  private ready(): void {
    this.owesReady = !this.tell("READY=1")
  }

  /** Was it told? A manager that does not hear is no reason to end. */
  private tell(text: string): boolean {
    return Result.isSuccess(Result.try(() => this.manager?.tell(text)))
  }
}

/** What is going on, in a few words; undefined: what was said holds. */
const statusOf = (event: Event): string | undefined => {
  switch (event._tag) {
    case "Waiting":
      return "waiting for a master"
    case "Started":
      return `session ${event.session}: it begins`
    case "Tick": {
      const percent = event.total === 0 ? 100 : Math.floor((event.bytes / event.total) * 100)
      return `${phases[event.phase]}: ${percent} %`
    }
    case "Report":
      return `session ${event.session} has ended: ${event.catchers[0]?.state ?? "without catchers"}`
    default:
      return undefined
  }
}

const phases: Readonly<Record<Extract<Event, { readonly _tag: "Tick" }>["phase"], string>> = {
  Comparing: "comparing what is here",
  Sending: "receiving",
  Repairing: "receiving",
  Finishing: "putting in place",
  Finished: "all is here"
}
