/**
 * A whole session in memory: the real master and catchers on a simulated network under virtual time, from one seed.
 */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as TestClock from "effect/testing/TestClock"
import * as Catcher from "../../src/Catcher.ts"
import type { Entry } from "../../src/Manifest.ts"
import * as Master from "../../src/Master.ts"
import { Progress } from "../../src/Progress.ts"
import type { Report } from "../../src/Report.ts"
import * as Memory from "../../src/store/Memory.ts"
import { Store } from "../../src/store/Store.ts"
import * as Simulated from "../../src/transport/Simulated.ts"

export interface Scenario extends Simulated.Impairments {
  readonly seed: number
  readonly catchers: number
  readonly tree: ReadonlyArray<Memory.Given>
  readonly receiveBufferBytes?: number
  readonly master?: Partial<Master.Options>
  readonly timeoutMillis?: number
  readonly memories?: Array<Memory.Memory>
  /** Faults of the store, by catcher. */
  readonly faults?: (catcher: number) => Memory.Faults
  /** Milliseconds that the store of a catcher takes to prepare, to commit a file, and to finish. */
  readonly slowMillis?: (catcher: number) => number
  /** Runs beside the session. */
  readonly meanwhile?: (
    network: Simulated.Network,
    catchers: ReadonlyArray<Fiber.Fiber<unknown, unknown>>
  ) => Effect.Effect<void>
  /** Virtual milliseconds after which the session counts as stuck. */
  readonly limitMillis?: number
}

export interface Outcome {
  readonly master: Exit.Exit<Report, Master.Error>
  readonly catchers: ReadonlyArray<Exit.Exit<Report, Catcher.Error>>
  readonly memories: ReadonlyArray<Memory.Memory>
  readonly counters: Simulated.Counters
  readonly millis: number
}

const options: Master.Options = {
  catchers: 1,
  waitMillis: 30_000,
  partial: false,
  timeoutMillis: 10_000,
  pageBytes: 512
}

export const run = (scenario: Scenario): Effect.Effect<Outcome> =>
  Effect.scoped(
    Effect.gen(function* () {
      const network = yield* Simulated.make(scenario)
      const timeoutMillis = scenario.timeoutMillis ?? options.timeoutMillis
      const memories = Array.from({ length: scenario.catchers }, (_, i) => Memory.make(scenario.faults?.(i)))
      scenario.memories?.push(...memories)
      const catchers = yield* Effect.forEach(memories, (memory, i) =>
        Effect.forkScoped(
          Catcher.run({ id: `c${i + 1}`, waitMillis: 60_000, timeoutMillis }).pipe(
            Effect.provide(
              Layer.mergeAll(
                network.layerCatcher(`c${i + 1}`),
                Layer.succeed(Store, slowed(memory.store, scenario.slowMillis?.(i) ?? 0)),
                Progress.layerNone
              )
            )
          )
        )
      )
      const master = yield* Effect.forkScoped(
        Master.run({ ...options, catchers: scenario.catchers, timeoutMillis, ...scenario.master }).pipe(
          Effect.provide(Layer.mergeAll(network.layerMaster, Memory.sourceLayer(scenario.tree), Progress.layerNone))
        )
      )
      if (scenario.meanwhile !== undefined) yield* Effect.forkScoped(scenario.meanwhile(network, catchers))
      const millis = yield* advance([master, ...catchers], scenario.limitMillis ?? 600_000)
      return {
        master: yield* Fiber.await(master),
        catchers: yield* Effect.forEach(catchers, Fiber.await),
        memories,
        counters: yield* network.counters,
        millis
      }
    })
  ).pipe(Random.withSeed(String(scenario.seed)))

const slowed = (store: Store["Service"], millis: number): Store["Service"] => {
  const late = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.andThen(Effect.sleep(millis), effect)
  return millis === 0
    ? store
    : Store.of({
        prepare: (entries) => late(store.prepare(entries)),
        open: (carried) =>
          Effect.map(store.open(carried), (slot) => ({ ...slot, commit: (skip) => late(slot.commit(skip)) })),
        existing: store.existing,
        finish: late(store.finish)
      })
}

// Moves virtual time on until all have ended; a session that does not end is a defect.
const advance = Effect.fnUntraced(function* (
  fibers: ReadonlyArray<Fiber.Fiber<unknown, unknown>>,
  limitMillis: number
) {
  let millis = 0
  while (fibers.some((fiber) => fiber.pollUnsafe() === undefined)) {
    if (millis > limitMillis) return yield* Effect.die(new Error(`the session is stuck after ${millis} virtual ms`))
    yield* TestClock.adjust(1)
    millis++
  }
  return millis
})

/** What a catcher holds that differs from the tree; empty: nothing. */
export const differences = (tree: ReadonlyArray<Memory.Given>, memory: Memory.Memory): ReadonlyArray<string> => {
  const out: Array<string> = []
  for (const given of tree) {
    const path = Buffer.from(given.entry.path).toString()
    const made = memory.tree.get(path === "" ? "." : path)
    if (made === undefined) out.push(`${path} is missing`)
    else if (given.entry._tag === "File" && Buffer.compare(made.content!, given.content!) !== 0)
      out.push(`${path} differs`)
  }
  if (memory.tree.size !== tree.length) out.push(`${memory.tree.size} entries instead of ${tree.length}`)
  if (memory.slots() !== 0) out.push(`${memory.slots()} slots are still open`)
  return out
}

const text = new TextEncoder()
const metadata = { mode: 0o644, mtimeSeconds: 1_700_000_000, mtimeNanos: 123_456_789, uid: 0, gid: 0 }

/** A file of bytes that depend on the seed. */
export const file = (path: string, size: number, seed = 1): Memory.Given => {
  const content = new Uint8Array(size)
  let state = seed * 2654435761 + size
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    content[i] = state >>> 24
  }
  return { entry: { _tag: "File", path: text.encode(path), metadata, size }, content }
}
export const directory = (path: string): Memory.Given => ({
  entry: { _tag: "Directory", path: text.encode(path), metadata: { ...metadata, mode: 0o755 } }
})
export const symlink = (path: string, target: string): Memory.Given => ({
  entry: { _tag: "Symlink", path: text.encode(path), metadata, target: text.encode(target) }
})
export const hardLink = (path: string, leader: number): Memory.Given => ({
  entry: { _tag: "HardLink", path: text.encode(path), leader }
})
export type { Entry }
