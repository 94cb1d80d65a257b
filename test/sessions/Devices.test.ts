/** Devices: root makes them, and who does not run as root is sent all the rest. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Dice from "../../src/simulate/Dice.ts"
import * as Tree from "../../src/simulate/Tree.ts"
import type { Given } from "../../src/store/Memory.ts"
import * as Policy from "../../src/tree/Policy.ts"
import * as Simulation from "./Simulation.ts"

const device = { _tag: "CharacterDevice", path: Buffer.from("d"), device: 0x0103 } as const

const tree: ReadonlyArray<Given> = [
  Tree.file("f", 3000),
  { entry: { ...device, metadata: { mode: 0o666, mtimeSeconds: 1, mtimeNanos: 0, uid: 0, gid: 0 } } },
  Tree.hardLink("d again", 1),
  Tree.fifo("p"),
  Tree.hardLink("p again", 3)
]

describe("devices", () => {
  it.effect("are left out by a catcher that does not run as root, with their further names; it is complete [Y-2]", () =>
    Effect.gen(function* () {
      const { master, memories } = yield* Simulation.run({
        seed: 3,
        catchers: 2,
        tree,
        master: { policy: Policy.defaults },
        faults: (catcher) => ({ isRoot: catcher === 0 })
      })
      if (master._tag !== "Success") throw new Error(JSON.stringify(master))
      const catchers = master.value.catchers.toSorted((a, b) => (a.id < b.id ? -1 : 1))
      assert.deepStrictEqual(
        catchers.map(({ changes, files, state }) => [state, files, changes?.kept]),
        [
          ["Complete", 1, 0],
          ["Complete", 1, 2]
        ]
      )
      assert.deepStrictEqual(Simulation.differences(tree, memories[0]), [])
      assert.deepStrictEqual([...memories[1].tree.keys()].toSorted(), ["f", "p", "p again"])
      const [one, again] = ["d", "d again"].map((name) => memories[0].volume.find(`destination/${name}`))
      assert.strictEqual(one, again)
    })
  )

  it("are in some of the simulated trees, once with a further name", () => {
    const trees = Array.from({ length: 60 }, (_, seed) => Tree.devices(new Dice.Dice(seed), 7).length)
    assert.sameMembers([...new Set(trees)], [0, 1, 2])
  })
})
