/** Sessions in the open: both sides say so, both warn, and a side that is sealed says why it takes no part. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import { inTime } from "../phase/Rig.ts"
import * as Simulation from "../sessions/Simulation.ts"
import { mrsync } from "./Rig.ts"

const tree = [Simulation.file("f", 10_000)]

/** A master and a catcher with these options. */
const session = (send: ReadonlyArray<string>, catching: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const network = yield* Simulated.make({ seed: 1 })
    const [master, catcher] = yield* inTime(
      Effect.all(
        [
          mrsync({ network, tree }, "send", "--wait", "4", ...send, "x"),
          mrsync({ network, name: "c1" }, "catch", "--wait", "3", ...catching, "x")
        ],
        { concurrency: "unbounded" }
      )
    )
    return { master, catcher }
  })

const warnings = (err: ReadonlyArray<string>) => err.filter((line) => line.includes("--insecure: nothing is encrypted"))

describe("a session in the open", () => {
  it.effect("is one where both sides say so, and both warn once", () =>
    Effect.gen(function* () {
      const { catcher, master } = yield* session(["--insecure"], ["--insecure"])
      assert.deepStrictEqual([master.status, catcher.status], [0, 0])
      for (const { err } of [master, catcher]) assert.lengthOf(warnings(err), 1)
    })
  )

  it.effect("warns of nothing where it is sealed", () =>
    Effect.gen(function* () {
      const { catcher, master } = yield* session([], [])
      assert.deepStrictEqual([master.status, catcher.status], [0, 0])
      assert.deepStrictEqual([...warnings(master.err), ...warnings(catcher.err)], [])
    })
  )

  for (const { catching, name, send, words } of [
    {
      ...{ name: "master", send: ["--insecure"], catching: [] },
      words: ["has a key, and this session is in the open", "sends in the open, and this catcher has a key"]
    },
    {
      ...{ name: "catcher", send: [], catching: ["--insecure"] },
      words: ["has no key, and this session is sealed", "seals its session, and this catcher has no key"]
    }
  ]) {
    it.effect(`is none where the ${name} alone says so, and both sides say why`, () =>
      Effect.gen(function* () {
        const { catcher, master } = yield* session(send, catching)
        assert.deepStrictEqual([master.status, catcher.status], [30, 30])
        assert.include(master.err.at(-1), words[0])
        assert.include(catcher.err.at(-1), words[1])
      })
    )
  }
})
