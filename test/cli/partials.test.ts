/** Where a catcher keeps what has arrived of a large file. [Y-15] */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Parse from "../../src/cli/Parse.ts"
import type { Where } from "../../src/store/Store.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import { mrsync } from "./Rig.ts"
import { inTime } from "../phase/Rig.ts"

const catching = Effect.fnUntraced(function* (...words: ReadonlyArray<string>) {
  const network = yield* Simulated.make({ seed: 1 })
  const heard: Array<Where | undefined> = []
  const host = { network, kept: (partials: Where | undefined) => heard.push(partials) }
  const ended = yield* inTime(mrsync(host, "catch", "--insecure", "--wait", "1", ...words, "DEST"))
  return { ...ended, heard }
})

describe("--partial-dir, --no-partial", () => {
  it.effect.each<[ReadonlyArray<string>, Where]>([
    [[], "Beside"],
    [["--no-partial"], "Nowhere"],
    [["--partial-dir", "./a//b/"], { directory: Buffer.from("a/b") }],
    [["--partial-dir=/var/tmp/x/"], { directory: Buffer.from("/var/tmp/x") }]
  ])("%j", ([words, expected]) =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* catching(...words)).heard, [expected])
    })
  )

  it.effect("contradict each other", () =>
    Effect.gen(function* () {
      const { err, heard } = yield* catching("--partial-dir", "d", "--no-partial")
      assert.match(err.join("\n"), /contradict each other/)
      assert.deepStrictEqual(heard, [])
    })
  )

  it("a directory is below each one, or has its whole path", () => {
    for (const text of ["../d", ".", "", "/", "a\0b"])
      assert.isTrue(Result.isFailure(Parse.partialDirectory(text)), text)
  })
})
