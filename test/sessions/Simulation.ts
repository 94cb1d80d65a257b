/** Sessions on the simulator's engine, as the tests look at them. */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Catcher from "../../src/catcher/Catcher.ts"
import type * as Master from "../../src/master/Master.ts"
import type { Report } from "../../src/report/Report.ts"
import * as Engine from "../../src/simulate/Simulation.ts"
import type * as Memory from "../../src/store/Memory.ts"
import type * as Simulated from "../../src/transport/simulated/Network.ts"

export { directory, file, hardLink, symlink } from "../../src/simulate/Tree.ts"

export type Scenario = Omit<Engine.Scenario, "network" | "disk" | "meanwhile"> &
  Simulated.Impairments &
  Pick<Simulated.Options, "bytesPerSecond"> & {
    readonly receiveBufferBytes?: number
    /** Faults of the store, by catcher. */
    readonly faults?: (catcher: number) => Engine.Disk
    /** What the catchers hold, to look at while the session runs. */
    readonly memories?: Array<Memory.Memory>
    /** Runs beside the session. */
    readonly meanwhile?: (network: Simulated.Network, hosts: ReadonlyArray<Engine.Host>) => Effect.Effect<void>
  }

export interface Outcome {
  readonly master: Exit.Exit<Report, Master.Error>
  readonly catchers: ReadonlyArray<Exit.Exit<Report, Catcher.Error>>
  readonly memories: ReadonlyArray<Memory.Memory>
  readonly counters: Simulated.Counters
  readonly millis: number
}

/** A session that does not end, or in which a program just disappeared, is a defect of the test. */
export const run = (scenario: Scenario): Effect.Effect<Outcome> =>
  Effect.map(Engine.run(engineOf(scenario)), (outcome) => {
    const { catchers, counters, hosts, isStuck, master, millis } = outcome
    if (isStuck || master === undefined) throw new Error(`the session is stuck after ${millis} virtual ms`)
    const exits = catchers.map((exit, i) => {
      if (exit === undefined) throw new Error(`c${i + 1} did not end`)
      return exit
    })
    return { master, catchers: exits, memories: hosts.map((host) => host.memory), counters, millis }
  })

const engineOf = ({ faults, meanwhile, memories, ...scenario }: Scenario): Engine.Scenario => ({
  ...scenario,
  network: scenario,
  ...(faults === undefined ? {} : { disk: faults }),
  meanwhile: ({ hosts, network }) => {
    memories?.push(...hosts.map((host) => host.memory))
    return meanwhile?.(network, hosts) ?? Effect.void
  }
})

/** What a catcher holds that differs from the tree; empty: nothing. */
export const differences = (tree: ReadonlyArray<Memory.Given>, memory: Memory.Memory): ReadonlyArray<string> => {
  const out: Array<string> = []
  const there = memory.tree
  for (const given of tree) {
    const path = Buffer.from(given.entry.path).toString()
    const made = there.get(path === "" ? "." : path)
    if (made === undefined) out.push(`${path} is missing`)
    else if (given.entry._tag === "File" && Buffer.compare(made.content!, given.content!) !== 0)
      out.push(`${path} differs`)
  }
  if (there.size !== tree.length) out.push(`${there.size} entries instead of ${tree.length}`)
  if (memory.writers() !== 0) out.push(`${memory.writers()} files are still open`)
  return out
}
