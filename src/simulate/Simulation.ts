/**
 * A whole session in memory: the real master and catchers, each a process of its own on a machine with a disk, on a
 * simulated network under virtual time, all from one seed.
 *
 * ```ts
 * import { SimulatedTree, Simulation } from "mrsync"
 *
 * const tree = [SimulatedTree.file("image", 32 << 20)]
 * const outcome = Simulation.run({ seed: 1, catchers: 300, tree, network: { loss: 0.01 } })
 * ```
 */

import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Catcher from "../catcher/Catcher.ts"
import * as Master from "../master/Master.ts"
import * as Limits from "../protocol/Limits.ts"
import { type Event, Progress } from "../report/Progress.ts"
import type { Report } from "../report/Report.ts"
import * as Memory from "../store/Memory.ts"
import { type Change, Volume } from "../store/Volume.ts"
import * as Simulated from "../transport/simulated/Network.ts"
import * as Tree from "./Tree.ts"
import * as VirtualTime from "./VirtualTime.ts"

/** What is wrong with a machine's disk. */
export type Disk = Omit<Memory.Options, "volume" | "known">

/** Sees what happens, as it happens. */
export interface Observer {
  /** Something was changed on the disk of a catcher's machine. */
  readonly changed?: (host: Host, change: Change) => void
  /** Datagrams were sent. */
  readonly network?: (event: Simulated.Event) => void
  /** The master has told how it ended. */
  readonly masterReports?: (report: Report) => void
  /** A catcher has. */
  readonly catcherReports?: (host: Host, report: Report) => void
}

/** What is simulated; where something is left out, nothing is wrong. */
export interface Scenario {
  /** All chance of it: the same seed, the same session. */
  readonly seed: number
  /** How many; they are named c1, c2, ... */
  readonly catchers: number
  /** What is sent: see SimulatedTree. */
  readonly tree: ReadonlyArray<Memory.Given>
  /** Losses, delays and rates; a perfect network where it is left out. */
  readonly network?: Omit<Simulated.Options, "seed" | "observe">
  /** Options of the master, over `defaults`. */
  readonly master?: Partial<Master.Options>
  /** Silence after which either side counts as lost. */
  readonly timeoutMillis?: number
  /** What is wrong with a catcher's disk, by its number from 0. */
  readonly disk?: (catcher: number) => Disk
  /** When a catcher is started (0). */
  readonly startMillis?: (catcher: number) => number
  /** What stands on a disk before the session. */
  readonly before?: (catcher: number, volume: Volume) => void
  /** Blocks that a catcher assembles in memory; the rest goes to its disk. */
  readonly assemblingBlocks?: number
  /** Runs beside the session, and is interrupted soon after that has ended. */
  readonly meanwhile?: (world: World) => Effect.Effect<void>
  readonly observer?: Observer
  /** Virtual milliseconds after which the session counts as stuck. */
  readonly limitMillis?: number
}

/** What `meanwhile` can lay hands on. */
export interface World {
  readonly network: Simulated.Network
  readonly hosts: ReadonlyArray<Host>
  readonly master: MasterHost
  /** The virtual clock. */
  readonly now: () => number
}

/** How a simulated session ended. */
export interface Outcome {
  /** undefined: it was killed. */
  readonly master: Exit.Exit<Report, Master.Error> | undefined
  /** How the last life of each catcher ended; undefined: it was killed, or ran still. */
  readonly catchers: ReadonlyArray<Exit.Exit<Report, Catcher.Error> | undefined>
  readonly hosts: ReadonlyArray<Host>
  /** Datagrams of the whole network. */
  readonly counters: Simulated.Counters
  /** Datagrams of each machine, by its name. */
  readonly traffic: ReadonlyMap<string, Simulated.Traffic>
  /** How long it took, virtual. */
  readonly millis: number
  /** It came to no end within `limitMillis`. */
  readonly isStuck: boolean
}

/**
 * What a simulated master is given where the scenario says nothing: small pages, so that small
 * trees have many.
 */
export const defaults: Master.Options = { ...Master.defaults, catchers: 1, pageBytes: Limits.minPageBytes }

/** How long a catcher waits for a master. */
const catcherWaitMillis = 60_000

/** A machine whose program can be killed, frozen and started again. */
class Machine<A, E> {
  readonly name: string
  /** How many programs have run on it. */
  life = 0
  /** How many of them were killed. */
  crashes = 0
  exit: Exit.Exit<A, E> | undefined
  private process: VirtualTime.Process | undefined
  private forked: VirtualTime.Forked<A, E> | undefined
  private readonly time: VirtualTime.VirtualTime
  private readonly network: Simulated.Network
  private readonly program: (life: number) => Effect.Effect<A, E>
  private readonly ended: () => void

  constructor(
    name: string,
    time: VirtualTime.VirtualTime,
    network: Simulated.Network,
    program: (life: number) => Effect.Effect<A, E>,
    ended: () => void
  ) {
    this.name = name
    this.time = time
    this.network = network
    this.program = program
    this.ended = ended
  }

  get runs(): boolean {
    return this.process !== undefined
  }

  /** Starts its program, as another process than any before. */
  start(): void {
    if (this.process !== undefined) return
    this.life++
    this.exit = undefined
    const process = this.time.process()
    this.process = process
    this.forked = process.fork(this.program(this.life), (exit) => {
      if (this.process !== process) return
      this.process = undefined
      this.exit = exit
      this.ended()
    })
  }

  /** As kill -9 or a power cut: nothing is said and nothing cleaned up, what is on the disk stays. */
  get crash(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.process === undefined) return Effect.void
      this.process.kill()
      this.process = undefined
      this.crashes++
      return Effect.andThen(
        this.network.detach(this.name),
        Effect.sync(() => this.ended())
      )
    })
  }

  /** As Ctrl-C: it cleans up and ends by itself. */
  stop(): void {
    const { forked } = this
    this.process?.post(() => forked?.fiber?.interruptUnsafe())
  }

  freeze(): void {
    this.process?.freeze()
  }

  thaw(): void {
    this.process?.thaw()
  }
}

/** The master's machine. */
export type MasterHost = Machine<Report, Master.Error>

/** A catcher's machine: its disk outlives the program. */
export class Host extends Machine<Report, Catcher.Error> {
  readonly volume = new Volume()
  disk: Disk = {}
  /** How often a program of its took the tree's manifest: one that was given up and joins anew does so again. */
  attempts = 0
  /** The store of its latest program. */
  memory: Memory.Memory = Memory.make({ volume: this.volume })
  /** How often another directory took its destination's place. */
  replacements = 0
  /** Start its program again when that fails, while the master runs (`--serve`, or a supervisor). */
  isPersistent = false
  /** Its first program is still to be started. */
  isToCome = false

  /** As a mount over it, or `mv` and `mkdir`: another directory takes the destination's place. */
  replaceDestination(): void {
    this.volume.exchange(Memory.destination)
    this.replacements++
  }
}

/** Runs a scenario to its end. */
export const run = (scenario: Scenario): Effect.Effect<Outcome> => VirtualTime.run((time) => direct(scenario, time))

/** How long a program that failed is left alone before it is started again. */
const restartMillis = 300

/** How long what runs beside a session may go on after it. */
const graceMillis = 5000

const direct = (scenario: Scenario, time: VirtualTime.VirtualTime) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { observer, seed, timeoutMillis = defaults.timeoutMillis } = scenario
      const network = yield* Simulated.make({ ...scenario.network, seed, observe: observer?.network })
      const known = Tree.contents(scenario.tree)
      const over = Deferred.makeUnsafe<void>()
      const look = () => {
        const isOver = !master.runs && hosts.every((host) => !host.runs && !host.isToCome)
        // nobody is started again for a session that is over
        if (isOver) Deferred.doneUnsafe(over, Effect.void)
      }

      const hosts = Array.from({ length: scenario.catchers }, (_, i): Host => {
        const name = `c${i + 1}`
        const host: Host = new Host(
          name,
          time,
          network,
          (life) =>
            Effect.suspend(() => {
              const { disk, volume } = host
              host.memory = Memory.make({ ...disk, volume, known: (path) => known.get(path) })
              return Catcher.run({
                id: name,
                waitMillis: catcherWaitMillis,
                timeoutMillis,
                ...(scenario.assemblingBlocks === undefined ? {} : { assemblingBlocks: scenario.assemblingBlocks })
              }).pipe(
                Effect.provide(
                  Layer.mergeAll(
                    network.layerCatcher(name),
                    Memory.layer(host.memory),
                    listening((event) => {
                      if (event._tag === "Started") host.attempts++
                      if (event._tag === "Report") observer?.catcherReports?.(host, event)
                    })
                  )
                ),
                Random.withSeed(`${seed} ${name} ${life}`)
              )
            }),
          () => {
            if (host.isPersistent && host.exit?._tag === "Failure" && master.runs) {
              time.after(director, restartMillis, () => (master.runs ? host.start() : undefined))
            }
            look()
          }
        )
        scenario.before?.(i, host.volume)
        host.disk = scenario.disk?.(i) ?? {}
        host.volume.capacityBytes = host.disk.capacityBytes ?? Infinity
        host.volume.observe = (change) => observer?.changed?.(host, change)
        return host
      })

      const master: MasterHost = new Machine(
        "master",
        time,
        network,
        (life) =>
          Master.run({ ...defaults, catchers: scenario.catchers, timeoutMillis, ...scenario.master }).pipe(
            Effect.provide(
              Layer.mergeAll(
                network.layerMaster,
                Memory.sourceLayer(scenario.tree),
                listening((event) => (event._tag === "Report" ? observer?.masterReports?.(event) : undefined))
              )
            ),
            // one that is started again has a session of its own
            Random.withSeed(life === 1 ? `${seed} master` : `${seed} master ${life}`)
          ),
        look
      )

      const director = time.process()
      hosts.forEach((host, i) => {
        const startMillis = scenario.startMillis?.(i) ?? 0
        host.isToCome = startMillis > 0
        const begin = () => {
          host.isToCome = false
          host.start()
        }
        if (host.isToCome) time.after(director, startMillis, begin)
        else begin()
      })
      master.start()
      const world: World = { network, hosts, master, now: () => time.nowMillis }
      const story = yield* Effect.forkScoped(scenario.meanwhile?.(world) ?? Effect.void)
      const inTime = yield* Effect.timeoutOption(Deferred.await(over), scenario.limitMillis ?? 600_000)
      const millis = time.nowMillis
      yield* Effect.timeoutOption(Fiber.await(story), graceMillis)
      yield* Fiber.interrupt(story)
      return {
        master: master.exit,
        catchers: hosts.map((host) => host.exit),
        hosts,
        counters: yield* network.counters,
        traffic: yield* network.traffic,
        millis,
        isStuck: inTime._tag === "None"
      } as Outcome
    })
  )

/** Files that are complete are not told here: nobody looks at them. */
const listening = (take: (event: Event) => void): Layer.Layer<Progress> => Progress.layerTo(take, ["FileCompleted"])
