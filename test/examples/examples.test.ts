import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as pipeline from "../../examples/pipeline.ts"
import * as reducer from "../../examples/reducer.ts"
import * as transport from "../../examples/transport.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import { inTime } from "../phase/Rig.ts"

const content = Uint8Array.from({ length: 700_000 }, (_, i) => (i * 31 + (i >> 9)) & 255)
const folder = new URL("../../examples/", import.meta.url)

describe("examples", () => {
  it.effect.each([0, 0.1])("pipeline: both catchers have the buffer, at a loss of %s", (loss) =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1, loss })
      const copies = yield* inTime(pipeline.program(content, network))
      assert.strictEqual(copies.length, 3)
      for (const copy of copies) assert.deepStrictEqual(copy, content)
    })
  )

  it.effect("transport: the file arrives, and both ends have counted it", () =>
    Effect.gen(function* () {
      const { arrived, catcher, master } = yield* inTime(transport.program(content))
      assert.deepStrictEqual(arrived, content)
      assert.isAbove(master.sentBytes, content.length)
      assert.isAbove(catcher.receivedBytes, content.length)
      assert.isAbove(catcher.sentBytes, 0)
      assert.isAtLeast(master.sentBytes, catcher.receivedBytes)
      assert.isAtMost(master.receivedBytes, catcher.sentBytes)
    })
  )

  it.effect("reducer: the property holds", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* reducer.program)._tag, "Passed")
    })
  )

  it("all of them are run here, and each is short enough to be read", () => {
    const names = fs.readdirSync(folder).filter((name) => name.endsWith(".ts"))
    assert.deepStrictEqual(names.sort(), ["pipeline.ts", "receiver.ts", "reducer.ts", "transport.ts"])
    for (const name of names) {
      const code = fs.readFileSync(new URL(name, folder), "utf8")
      assert.isBelow(code.trimEnd().split("\n").length, 60, name)
    }
  })
})
