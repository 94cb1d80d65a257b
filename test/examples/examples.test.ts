import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as Stream from "effect/Stream"
import * as lines from "../../examples/lines.ts"
import * as pipeline from "../../examples/pipeline.ts"
import * as reducer from "../../examples/reducer.ts"
import * as transport from "../../examples/transport.ts"
import * as Tree from "../../src/simulate/Tree.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import { mrsync } from "../cli/Rig.ts"
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

  it.effect("lines: what a master printed is read, in pieces of any size", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      const both = [
        mrsync({ network, tree: [Tree.file("a", 700_000)] }, "send", "--json", "x"),
        mrsync({ network, name: "c1" }, "catch", "x")
      ]
      const [{ out, status }] = yield* inTime(Effect.all(both, { concurrency: 2 }))
      const bytes = Buffer.from(`${out.join("\n")}\n{"_tag":"Unknown"}\n`)
      const pieces = Array.from({ length: Math.ceil(bytes.length / 7) }, (_, i) => bytes.subarray(i * 7, i * 7 + 7))
      const summary = yield* lines.program(Stream.fromIterable(pieces))
      assert.deepStrictEqual(summary, { status: 0, complete: ["c1"] })
      assert.strictEqual(status, 0)
    })
  )

  it("all of them are run here, and each is short enough to be read", () => {
    const names = fs.readdirSync(folder).filter((name) => name.endsWith(".ts"))
    assert.deepStrictEqual(names.sort(), ["lines.ts", "pipeline.ts", "receiver.ts", "reducer.ts", "transport.ts"])
    for (const name of names) {
      const code = fs.readFileSync(new URL(name, folder), "utf8")
      assert.isBelow(code.trimEnd().split("\n").length, 60, name)
    }
  })
})
