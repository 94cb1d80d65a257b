/**
 * Virtual time: fibers of simulated processes, run one turn after the other on a clock that jumps to the next timer when
 * nobody has anything to do. An hour passes as fast as what happens in it, and always in the same order.
 *
 * A process is what can be frozen or killed as a whole: its fibers run on a scheduler of its own. A frozen one keeps its
 * turns until it is thawed, while time goes on for all others; a killed one never runs again, and none of its finalizers
 * does. TestClock can do neither, and costs several real turns for each timer. The trap: nothing here waits for the real
 * world, so what a process asks of a disk or a socket never comes.
 */

import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"
import { Heap } from "../transport/Heap.ts"

/** Turns that are done and still in the queue. */
const keptTurns = 1 << 16
/** Turns at one time: a program that takes more of them goes round and round. */
const maxTurnsAtOneTime = 50_000_000

interface Timer {
  readonly atMillis: number
  readonly order: number
  readonly process: Process
  /** undefined: it was cancelled. */
  task: (() => void) | undefined
}

/**
 * A clock, and the turns that wait for it. `run` makes one; most programs need no more of it than
 * `nowMillis`.
 */
export class VirtualTime {
  nowMillis = 0
  /** Turns taken since time moved last. */
  turnsAtNow = 0
  private processes: Array<Process> = []
  private tasks: Array<() => void> = []
  private at = 0
  private order = 0
  private readonly timers = new Heap<Timer>(
    (a, b) => a.atMillis < b.atMillis || (a.atMillis === b.atMillis && a.order < b.order)
  )

  /** A new process. */
  process(): Process {
    return new Process(this)
  }

  /** Queues a turn of a process. */
  post(process: Process, task: () => void): void {
    this.processes.push(process)
    this.tasks.push(task)
  }

  /** Queues a turn for later; gives what cancels it. */
  after(process: Process, millis: number, task: () => void): () => void {
    const timer: Timer = { atMillis: this.nowMillis + millis, order: this.order++, process, task }
    this.timers.push(timer)
    return () => void (timer.task = undefined)
  }

  /** Is there nothing to do before that time? */
  isAheadOf(millis: number): boolean {
    return this.at === this.tasks.length && this.timers.size > 0 && this.timers.first.atMillis > millis
  }

  /**
   * Takes so many turns at most, until it is done, or until there is nothing to do before a time; false when there is nothing left
   * to do, ever.
   */
  run(turns: number, isDone: () => boolean, untilMillis = Infinity): boolean {
    for (let turn = 0; turn < turns && !isDone(); turn++) {
      if (this.isAheadOf(untilMillis)) return true
      if (this.at === this.tasks.length && !this.nextTimer()) return false
      const process = this.processes[this.at]
      const task = this.tasks[this.at++]
      this.turnsAtNow++
      process.take(task)
      // what is done is dropped, also where a turn always brings another
      if (this.at === this.tasks.length || this.at >= keptTurns) {
        this.processes = this.processes.slice(this.at)
        this.tasks = this.tasks.slice(this.at)
        this.at = 0
      }
    }
    return true
  }

  private nextTimer(): boolean {
    while (this.timers.size > 0) {
      const { atMillis, process, task } = this.timers.pop()
      if (task === undefined || process.state === "Dead") continue
      if (atMillis > this.nowMillis) {
        this.nowMillis = atMillis
        this.turnsAtNow = 0
      }
      this.post(process, task)
      return true
    }
    return false
  }
}

/** Fibers that are frozen or killed together; made by `VirtualTime.process`. */
export class Process {
  state: "Running" | "Frozen" | "Dead" = "Running"
  private held: Array<() => void> = []
  private readonly time: VirtualTime
  readonly scheduler: Scheduler.Scheduler
  readonly clock: Clock.Clock

  constructor(time: VirtualTime) {
    this.time = time
    // one order for all turns: what Effect itself schedules has one priority
    const dispatcher: Scheduler.SchedulerDispatcher = { scheduleTask: (task) => time.post(this, task), flush: () => {} }
    this.scheduler = {
      executionMode: "async",
      shouldYield: (fiber) => fiber.currentOpCount >= fiber.cache.maxOpsBeforeYield,
      makeDispatcher: () => dispatcher
    }
    this.clock = clockOf(this, time)
  }

  /** Starts a program in this process, in its next turn. */
  fork<A, E>(program: Effect.Effect<A, E>, ended: (exit: Exit.Exit<A, E>) => void): Forked<A, E> {
    const forked: Forked<A, E> = { fiber: undefined }
    const context = Context.make(Scheduler.Scheduler, this.scheduler).pipe(Context.add(Clock.Clock, this.clock))
    this.time.post(this, () => {
      forked.fiber = Effect.runForkWith(context)(program)
      forked.fiber.addObserver(ended)
    })
    return forked
  }

  /** Something to do in this process, in a turn of its own. */
  post(task: () => void): void {
    this.time.post(this, task)
  }

  take(task: () => void): void {
    if (this.state === "Running") task()
    else if (this.state === "Frozen") this.held.push(task)
  }

  /** Its turns wait until `thaw`. */
  freeze(): void {
    if (this.state === "Running") this.state = "Frozen"
  }

  /** Takes the turns that have waited, and goes on. */
  thaw(): void {
    if (this.state !== "Frozen") return
    this.state = "Running"
    for (const task of this.held) this.time.post(this, task)
    this.held = []
  }

  /** At once, and forever: nothing of it runs again, also not what would clean up. */
  kill(): void {
    this.state = "Dead"
    this.held = []
  }
}

/** A program that was started in a process. */
export interface Forked<A, E> {
  /** undefined before its first turn. */
  fiber: Fiber.Fiber<A, E> | undefined
}

const clockOf = (process: Process, time: VirtualTime): Clock.Clock => {
  const millis = () => time.nowMillis
  const nanos = () => BigInt(Math.round(time.nowMillis * 1e6))
  return {
    currentTimeMillisUnsafe: millis,
    currentTimeMillis: Effect.sync(millis),
    currentTimeNanosUnsafe: nanos,
    currentTimeNanos: Effect.sync(nanos),
    monotonicTimeNanosUnsafe: nanos,
    monotonicTimeNanos: Effect.sync(nanos),
    sleep: (duration) => {
      const sleepMillis = Duration.toMillis(duration)
      return sleepMillis > 0
        ? Effect.callback<void>((resume) => {
            if (sleepMillis === Number.POSITIVE_INFINITY) return
            const cancel = time.after(process, sleepMillis, () => resume(Effect.void))
            return Effect.sync(cancel)
          })
        : Effect.yieldNow
    }
  }
}

/** Turns between two of the real world's, so that it can interrupt. */
const turnsAtOnce = 2000

/** Where virtual time is held back, it is looked at so often. */
const paceMillis = 20

/**
 * Runs a program under virtual time, in a process of its own, until it ends. It dies when there is nothing left to wait for.
 * `speed`: virtual time is no more than so many times as fast as the Clock's; as fast as can be, where it is left out.
 */
export const run = <A, E>(program: (time: VirtualTime) => Effect.Effect<A, E>, speed = Infinity): Effect.Effect<A, E> =>
  Effect.flatMap(Clock.Clock, (clock) => {
    const time = new VirtualTime()
    const beganMillis = clock.currentTimeMillisUnsafe()
    const most = () => (speed === Infinity ? Infinity : (clock.currentTimeMillisUnsafe() - beganMillis) * speed)
    let exit: Exit.Exit<A, E> | undefined
    time.process().fork(program(time), (ended) => void (exit = ended))
    const drive: Effect.Effect<A, E> = Effect.suspend(() => {
      const untilMillis = most()
      const goesOn = time.run(turnsAtOnce, () => exit !== undefined, untilMillis)
      if (exit !== undefined) return exit
      if (time.turnsAtNow > maxTurnsAtOneTime)
        return Effect.die(
          new Error(`at ${time.nowMillis} virtual ms something goes round and round, and time stands still`)
        )
      const pause = time.isAheadOf(untilMillis) ? Effect.sleep(paceMillis) : Effect.yieldNow
      return goesOn
        ? Effect.andThen(pause, drive)
        : Effect.die(new Error(`after ${time.nowMillis} virtual ms everybody waits, and nothing can happen any more`))
    })
    return drive
  })
