/** Files with holes: their data is sent, and nothing else of them. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Tree from "../../src/simulate/Tree.ts"
import type { Given } from "../../src/store/Memory.ts"
import { carriedBytes } from "../../src/tree/Holes.ts"
import * as Policy from "../../src/tree/Policy.ts"
import * as Simulation from "./Simulation.ts"

const hole = (path: string, size: number): Given => {
  const { entry } = Tree.file(path, size)
  return { entry: { ...entry, data: [0, 4096] } as Given["entry"], content: new Uint8Array(size) }
}

const tree: ReadonlyArray<Given> = [
  Tree.directory("d"),
  Tree.withHoles(Tree.file("d/holes", 700_001), 3),
  Tree.file("d/none", 3000),
  hole("d/nothing else", 600_000),
  hole("d/nothing else and small", 6000)
]

const carried = tree.reduce((sum, { entry }) => sum + (entry._tag === "File" ? carriedBytes(entry) : 0), 0)

const session = (versions: ReadonlyArray<ReadonlyArray<Given>>, policy: Partial<Policy.Policy> = {}) =>
  Effect.map(
    Simulation.run({
      seed: 1,
      catchers: versions.length,
      tree,
      master: { policy: { ...Policy.defaults, ...policy } },
      before: (catcher, volume) => Tree.stand(volume, versions[catcher])
    }),
    ({ master, memories }) => {
      if (master._tag !== "Success") throw new Error(JSON.stringify(master))
      for (const { failures, state } of master.value.catchers)
        assert.deepStrictEqual([state, failures], ["Complete", []])
      for (const memory of memories) assert.deepStrictEqual(Simulation.differences(tree, memory), [])
      return master.value.pages.needed
    }
  )

/** The tree with a byte in the hole of a file. */
const spoiled = tree.map((given, index): Given => {
  if (index !== 1) return given
  const content = given.content?.slice() ?? new Uint8Array(0)
  content[content.findIndex((byte, at) => byte === 0 && content[at + 5000] === 0)] = 1
  return { ...given, content }
})

describe("holes", () => {
  it.effect("are not sent, and are zeros again [M-12]", () =>
    Effect.gen(function* () {
      const pageBytes = 512
      assert.isBelow(carried, 400_000)
      const needed = yield* session([[], []])
      assert.isAtMost(needed, Math.ceil(carried / pageBytes) + tree.length)
    })
  )

  it.effect("by content a byte in a hole differs, and zeros in their place do not [M-12]", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* session([tree, tree], { compare: "Content" }), 0)
      assert.isAbove(yield* session([tree, spoiled], { compare: "Content" }), 10)
      // without a policy that believes anything
      yield* session([spoiled, []], { compare: "Nothing" })
    })
  )
})
