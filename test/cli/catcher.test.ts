/** What a catcher tells of its session while it runs, and at its end. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Catcher from "../../src/catcher/Catcher.ts"
import { type Event, Progress } from "../../src/report/Progress.ts"
import * as Memory from "../../src/store/Memory.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import { inTime } from "../phase/Rig.ts"
import * as Simulation from "../sessions/Simulation.ts"
import { CatcherProtection } from "../../src/session/Exchange.ts"

type Of<Tag extends Event["_tag"]> = Extract<Event, { readonly _tag: Tag }>

const tree = [
  ...Array.from({ length: 6 }, (_, i) => Simulation.file(`large ${i}`, 700_000, i)),
  ...Array.from({ length: 40 }, (_, i) => Simulation.file(`small ${i}`, 20_000, i))
]

/** A catcher that notes all it says; it is given a while to find a master. */
const telling = (network: Simulated.Network, options?: Memory.Options) => {
  const said: Array<Event> = []
  const layers = Layer.mergeAll(
    network.layerCatcher("a"),
    Memory.layer(Memory.make(options)),
    Progress.layerTo((event) => void said.push(event))
  )
  const run = Effect.exit(
    Effect.provide(
      Catcher.run({ id: "a", waitMillis: 30_000, timeoutMillis: 10_000 }).pipe(
        Effect.provide(CatcherProtection.insecure)
      ),
      layers,
      { local: true }
    )
  )
  return { said, run }
}

const of = <Tag extends Event["_tag"]>(said: ReadonlyArray<Event>, tag: Tag) =>
  said.filter((event): event is Of<Tag> => event._tag === tag)

describe("a catcher that finds no master", () => {
  it.effect("has no session to report", () =>
    Effect.gen(function* () {
      const { run, said } = telling(yield* Simulated.make({ seed: 1 }))
      assert.include(JSON.stringify(yield* inTime(run)), "MasterTimeout")
      assert.deepStrictEqual(said, [{ _tag: "Waiting", leftSeconds: 30 }])
    })
  )
})

describe("a catcher in a session", () => {
  /** Beside another one that comes so many milliseconds later: the master waits for both. */
  const beside = Effect.fnUntraced(function* (laterMillis: number, options?: Memory.Options) {
    let said: ReadonlyArray<Event> = []
    const outcome = yield* Simulation.run({
      ...{ seed: 1, catchers: 1, tree, loss: 0.02, delayMillis: 2, startMillis: () => laterMillis },
      master: { catchers: 2, bytesPerSecond: 1_000_000 },
      meanwhile: (network) => {
        const catcher = telling(network, options)
        said = catcher.said
        return Effect.asVoid(catcher.run)
      }
    })
    return { said, outcome }
  })

  it.effect("counts its time from the first page on, not from its coming", () =>
    Effect.gen(function* () {
      const { outcome, said } = yield* beside(5000)
      const [report] = of(said, "Report")
      const master = outcome.master._tag === "Success" ? outcome.master.value.seconds : 0
      assert.approximately(report.seconds, master, 1)
      assert.isAtMost(Math.max(...of(said, "Tick").map((tick) => tick.seconds)), report.seconds)
    })
  )

  it.effect("says nothing of how far it is before it knows how far it has to go", () =>
    Effect.gen(function* () {
      const { said } = yield* beside(3000)
      const ticks = of(said, "Tick")
      assert.isAbove(ticks.length, 5)
      for (const { total } of ticks) assert.strictEqual(total, 5_000_000)
    })
  )

  const isForward = (said: ReadonlyArray<Event>) => {
    const bytes = of(said, "Tick").map((tick) => tick.bytes)
    assert.isAbove(bytes.length, 8)
    assert.deepStrictEqual(
      bytes,
      bytes.toSorted((a, b) => a - b)
    )
    return bytes
  }

  it.effect("goes forward only, also while what is whole waits for its commit", () =>
    Effect.gen(function* () {
      const turn = (operation: Memory.Operation) => Effect.sleep(operation === "commit" ? 400 : 0)
      const { said } = yield* beside(0, { turn })
      isForward(said)
      // all of it was here by then, and most of it had no name yet
      const tick = of(said, "Tick").find(({ seconds }) => seconds > 7)
      assert.strictEqual(tick?.bytes, 5_000_000)
      assert.isBelow(tick?.files ?? 0, 46)
    })
  )

  it.effect("goes forward only, also when a file is dropped that had come in part", () =>
    Effect.gen(function* () {
      const bytes = isForward((yield* beside(0, { capacityBytes: 2_000_000 })).said)
      assert.isBelow(bytes[bytes.length - 1], 5_000_000)
    })
  )
})
