/** A dry run: what each catcher lacks, how much that is alone, once for all and one by one, and how long at a given rate. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Line from "../../src/report/Line.ts"
import * as SimulatedTree from "../../src/simulate/Tree.ts"
import * as Memory from "../../src/store/Memory.ts"
import { Volume } from "../../src/store/Volume.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import { inTime } from "../phase/Rig.ts"
import * as Simulation from "../sessions/Simulation.ts"
import { mrsync } from "./Rig.ts"

const large = Simulation.file("large", 1_000_000)
const small = Simulation.file("small", 500_000)
const tree = [Simulation.directory(""), large, small]

const dryRun = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
  const network = yield* Simulated.make({ seed: 1 })
  const standing = [
    [Simulation.directory(""), small],
    [Simulation.directory(""), large, Simulation.file("old", 1)],
    [Simulation.directory("")]
  ]
  const catchers = standing.map((given, i) => {
    const volume = new Volume()
    SimulatedTree.stand(volume, given)
    const memory = Memory.make({ volume })
    return mrsync({ network, name: `c${i + 1}`, memory }, "catch", "--insecure", "x")
  })
  const send = ["send", "--insecure", "--catchers", "3", "--dry-run", "--delete", "--size-only", ...args, "x"]
  const [master] = yield* inTime(
    Effect.all([mrsync({ network, tree }, ...send), ...catchers], { concurrency: "unbounded" })
  )
  assert.strictEqual(master.status, 0, master.err.join("\n"))
  return master
})

describe("send --dry-run", () => {
  it.effect("tells who lacks what, and how long at the rate", () =>
    Effect.gen(function* () {
      const { out } = yield* dryRun("--bwlimit", "100kB")
      const from = out.findIndex((line) => line.startsWith("dry run"))
      assert.deepStrictEqual(out.slice(from, from + 5), [
        "dry run, nothing was changed: once for all 2 files, 1.50 MB at most, 0:15 at 100 kB/s",
        "one by one, to 3 catchers: 3.00 MB at most, 0:30",
        "  c1 lacks 1 file, 1.00 MB, 0:10: 1 new, 0 changed",
        "  c2 lacks 1 file, 500 kB, 0:05: 1 new, 0 changed, 1 to be deleted",
        "  c3 lacks 2 files, 1.50 MB, 0:15: 2 new, 0 changed"
      ])
    })
  )

  it.effect("says how to learn the time where no rate is given", () =>
    Effect.gen(function* () {
      const { out } = yield* dryRun()
      const line = out.find((line) => line.startsWith("dry run"))
      assert.strictEqual(
        line,
        "dry run, nothing was changed: once for all 2 files, 1.50 MB at most (--bwlimit RATE tells how long)"
      )
      assert.isTrue(out.some((line) => line.startsWith("  c1 lacks 1 file, 1.00 MB: 1 new")))
    })
  )

  it.effect("has a line of JSON for each catcher, and the sums in the last", () =>
    Effect.gen(function* () {
      const { events, last, out } = yield* dryRun("--bwlimit", "100kB", "--json")
      const told = events.filter(({ _tag }) => _tag === "Foreseen")
      assert.deepStrictEqual(
        told.map(({ bytes, catcher, created, deleted, files, seconds }) => [
          catcher,
          files,
          bytes,
          created,
          deleted,
          seconds
        ]),
        [
          ["c1", 1, 1_000_000, 1, 0, 10],
          ["c2", 1, 500_000, 1, 1, 5],
          ["c3", 2, 1_500_000, 2, 0, 15]
        ]
      )
      assert.deepStrictEqual(last.selected, { files: 2, bytes: 1_500_000 })
      assert.deepStrictEqual(last.foreseen, {
        oneByOneBytes: 3_000_000,
        rate: 100_000,
        seconds: 15,
        oneByOneSeconds: 30
      })
      for (const line of out) assert.isTrue(Result.isSuccess(Line.decode(line)), line)
      const without = (yield* dryRun("--json")).last
      assert.deepStrictEqual(without.foreseen, { oneByOneBytes: 3_000_000 })
    })
  )
})
