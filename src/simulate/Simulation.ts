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
import * as Keys from "../seal/Keys.ts"
import { CatcherProtection, MasterProtection } from "../session/Exchange.ts"
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
  /** The master tells what happens, but for files that are complete. */
  readonly masterTells?: (event: Event) => void
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
  /** A catcher's hooks and signs of life, by its number from 0. */
  readonly beside?: (catcher: number) => Pick<Catcher.Options, "hooks" | "beat">
  /** Is the session under a seal? */
  readonly isSealed?: boolean
  /** Runs beside the session, and is interrupted soon after that has ended. */
  readonly meanwhile?: (world: World) => Effect.Effect<void>
  readonly observer?: Observer
  /** No more than so many times as fast as the Clock's time; as fast as can be, where it is left out. */
  readonly speed?: number
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
  /** When its program ended by itself. */
  exitMillis = Infinity
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
    this.exitMillis = Infinity
    const process = this.time.process()
    this.process = process
    this.forked = process.fork(this.program(this.life), (exit) => {
      if (this.process !== process) return
      this.process = undefined
      this.exit = exit
      this.exitMillis = this.time.nowMillis
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
  /** What is changed on its disk now is changed by somebody else. */
  isMeddledWith = false
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
export const run = (scenario: Scenario): Effect.Effect<Outcome> =>
  VirtualTime.run((time) => direct(scenario, time), scenario.speed)

/** How long a program that failed is left alone before it is started again. */
const restartMillis = 300

/** How long what runs beside a session may go on after it. */
const graceMillis = 5000

const direct = (scenario: Scenario, time: VirtualTime.VirtualTime): Effect.Effect<Outcome> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { limitMillis = 600_000, meanwhile, observer, seed } = scenario
      const network = yield* Simulated.make({ ...scenario.network, seed, observe: observer?.network })
      const cast = new Cast(scenario, time, network)
      const { hosts, master, over } = cast
      cast.start()
      const world: World = { network, hosts, master, now: () => time.nowMillis }
      const story = yield* Effect.forkScoped(meanwhile?.(world) ?? Effect.void)
      const inTime = yield* Effect.timeoutOption(Deferred.await(over), limitMillis)
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
      }
    })
  )

/** The machines of a scenario, with their programs. */
class Cast {
  readonly hosts: ReadonlyArray<Host>
  readonly master: MasterHost
  /** Done when no program runs and none is to come. */
  readonly over = Deferred.makeUnsafe<void>()
  private readonly scenario: Scenario
  private readonly time: VirtualTime.VirtualTime
  private readonly network: Simulated.Network
  private readonly known: ReturnType<typeof Tree.contents>
  private readonly timeoutMillis: number
  /** Starts programs later. */
  private readonly director: VirtualTime.Process

  constructor(scenario: Scenario, time: VirtualTime.VirtualTime, network: Simulated.Network) {
    this.scenario = scenario
    this.time = time
    this.network = network
    this.known = Tree.contents(scenario.tree)
    this.timeoutMillis = scenario.timeoutMillis ?? defaults.timeoutMillis
    this.hosts = Array.from({ length: scenario.catchers }, (_, i) => this.makeHost(i))
    const program = (life: number) => this.masterProgram(life)
    this.master = new Machine("master", time, network, program, () => this.onEnded())
    this.director = time.process()
  }

  /** Starts the programs, each at its time. */
  start(): void {
    this.hosts.forEach((host, i) => {
      const startMillis = this.scenario.startMillis?.(i) ?? 0
      host.isToCome = startMillis > 0
      const begin = () => {
        host.isToCome = false
        host.start()
      }
      if (host.isToCome) this.time.after(this.director, startMillis, begin)
      else begin()
    })
    this.master.start()
  }

  private makeHost(i: number): Host {
    const { before, disk, observer } = this.scenario
    const host: Host = new Host(
      `c${i + 1}`,
      this.time,
      this.network,
      (life) => Effect.suspend(() => this.catcherProgram(host, i, life)),
      () => this.onHostEnded(host)
    )
    before?.(i, host.volume)
    host.disk = disk?.(i) ?? {}
    host.volume.capacityBytes = host.disk.capacityBytes ?? Infinity
    host.volume.observe = (change) => observer?.changed?.(host, change)
    return host
  }

  private catcherProgram(host: Host, i: number, life: number) {
    const { assemblingBlocks, beside, isSealed, observer, seed } = this.scenario
    const { disk, name, volume } = host
    host.memory = Memory.make({ ...disk, volume, known: (path) => this.known.get(path) })
    const told = listening((event) => {
      if (event._tag === "Started") host.attempts++
      if (event._tag === "Report") observer?.catcherReports?.(host, event)
    })
    return Catcher.run({
      id: name,
      waitMillis: catcherWaitMillis,
      timeoutMillis: this.timeoutMillis,
      ...(assemblingBlocks === undefined ? {} : { assemblingBlocks }),
      ...beside?.(i)
    }).pipe(
      Effect.provide(Layer.mergeAll(this.network.layerCatcher(name), Memory.layer(host.memory), told)),
      Effect.provideService(CatcherProtection, isSealed === true ? { _tag: "Sealed", keys } : { _tag: "Insecure" }),
      Random.withSeed(`${seed} ${name} ${life}`)
    )
  }

  private masterProgram(life: number) {
    const { catchers, isSealed, master, observer, seed, tree } = this.scenario
    // the policy's own are what the source has found
    const source = Memory.sourceLayer(tree, [], master?.policy?.spared)
    const told = listening((event) => {
      observer?.masterTells?.(event)
      if (event._tag === "Report") observer?.masterReports?.(event)
    })
    return Master.run({ ...defaults, catchers, timeoutMillis: this.timeoutMillis, ...master }).pipe(
      Effect.provide(Layer.mergeAll(this.network.layerMaster, source, told)),
      Effect.provideService(MasterProtection, isSealed === true ? { _tag: "Sealed", keys } : { _tag: "Insecure" }),
      // one that is started again has a session of its own
      Random.withSeed(life === 1 ? `${seed} master` : `${seed} master ${life}`)
    )
  }

  private onHostEnded(host: Host): void {
    const { director, master } = this
    if (host.isPersistent && host.exit?._tag === "Failure" && master.runs) {
      this.time.after(director, restartMillis, () => (master.runs ? host.start() : undefined))
    }
    this.onEnded()
  }

  // nobody is started again for a session that is over
  private onEnded(): void {
    const isOver = !this.master.runs && this.hosts.every((host) => !host.runs && !host.isToCome)
    if (isOver) Deferred.doneUnsafe(this.over, Effect.void)
  }
}

/** Of all simulated sessions that are sealed. Nothing that happens depends on their bytes. */
export const keys = Keys.ofSecrets(new Uint8Array(Keys.secretBytes).fill(1), new Uint8Array(Keys.secretBytes).fill(2))

/** Files that are complete are not told here: nobody looks at them. */
const listening = (take: (event: Event) => void): Layer.Layer<Progress> => Progress.layerTo(take, ["FileCompleted"])
