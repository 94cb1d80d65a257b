/** A disk that could not hold the tree was filled file by file, and said so a hundred times. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Report } from "../../src/report/Report.ts"
import { exitStatusOf } from "../../src/report/Report.ts"
import * as Simulation from "../../src/simulate/Simulation.ts"
import * as Tree from "../../src/simulate/Tree.ts"
import { destination } from "../../src/store/Memory.ts"
import type { Volume } from "../../src/store/Volume.ts"

const tree = [
  Tree.directory("d"),
  Tree.file("d/large", 600_000),
  ...Array.from({ length: 100 }, (_, i) => Tree.file(`d/small ${i}`, 1000, i))
]
const treeBytes = 700_000

const running = Effect.fnUntraced(function* (
  catchers: number,
  disk: (catcher: number) => Simulation.Disk,
  before?: (catcher: number, volume: Volume) => void
) {
  const outcome = yield* Simulation.run({
    ...{ seed: 2, catchers, tree, disk, network: { delayMillis: 1, loss: 0.02 } },
    ...(before === undefined ? {} : { before })
  })
  assert.isFalse(outcome.isStuck)
  if (outcome.master?._tag !== "Success") return yield* Effect.die(outcome.master)
  const own = yield* Effect.forEach(outcome.catchers, (exit) =>
    exit?._tag === "Success" ? Effect.succeed(exit.value) : Effect.die(exit)
  )
  return { outcome, report: outcome.master.value, own }
})

const full = (capacityBytes: number): Simulation.Disk => ({ capacityBytes, tellsRoom: true })
const reason = `no space left on device (ENOSPC): needs ${treeBytes}, has 650000 (bytes)`
const fate = ({ catchers }: Report, catcher: number) => {
  const { failures, files, state } = catchers[catcher]
  return { state, files, failures: failures.map((failure) => [failure.path, failure.reason]) }
}
const fateWithoutRoom = { state: "Partial", files: 0, failures: [["", reason]] }

describe("a disk without room for the tree [M-10]", () => {
  it.effect("says so once, before anything is there; the others go on", () =>
    Effect.gen(function* () {
      const { outcome, own, report } = yield* running(3, (i) => (i === 1 ? full(650_000) : {}))
      assert.deepStrictEqual(
        report.catchers.map(({ state }) => state),
        ["Complete", "Partial", "Complete"]
      )
      assert.deepStrictEqual([fate(report, 1), fate(own[1], 0)], [fateWithoutRoom, fateWithoutRoom])
      assert.deepStrictEqual([exitStatusOf(report), exitStatusOf(own[1]), exitStatusOf(own[0])], [23, 23, 0])
      const { memory, volume } = outcome.hosts[1]
      assert.deepStrictEqual([[...memory.tree.keys()], volume.usedBytes], [[], 0])
    })
  )

  it.effect("on every machine: no page of a file is sent", () =>
    Effect.gen(function* () {
      const { outcome, report } = yield* running(2, () => full(650_000))
      assert.deepStrictEqual([fate(report, 0), fate(report, 1)], [fateWithoutRoom, fateWithoutRoom])
      // the manifest alone
      assert.isBelow(report.pages.sent, 40)
      assert.isBelow(outcome.millis, 2000)
    })
  )

  it.effect("that gets it from what is replaced: complete", () =>
    Effect.gen(function* () {
      // the old files, and room for the large one beside its old self, and one of the small ones
      const { report } = yield* running(
        1,
        () => full(700_000 + 600_000 + 1000),
        (_, volume) => {
          volume.mkdir(destination)
          volume.mkdir(`${destination}/d`)
          for (const { content, entry } of tree) {
            if (content === undefined) continue
            const made = volume.create(`${destination}/${new TextDecoder().decode(entry.path)}`, content.length - 1)
            if (made._tag === "Failure") throw new Error(made.failure)
            volume.write(made.success, 0, Tree.bytes(content.length - 1, 99))
            volume.close(made.success)
          }
        }
      )
      assert.deepStrictEqual(fate(report, 0), { state: "Complete", files: 101, failures: [] })
    })
  )
})
