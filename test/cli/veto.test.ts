/** What `catch` lets no master do: its options become a veto. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as Veto from "../../src/filter/Veto.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import { dir, directory, file } from "../store/Sandbox.ts"
import { inTime } from "../phase/Rig.ts"
import { mrsync } from "./Rig.ts"

const catching = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
  const network = yield* Simulated.make({ seed: 1 })
  const vetoes: Array<Veto.Veto> = []
  const host = { network, vetoed: (veto: Veto.Veto) => vetoes.push(veto) }
  const ended = yield* inTime(mrsync(host, "catch", "--insecure", "--wait", "1", ...args, "DEST"))
  return { ...ended, veto: vetoes.at(-1) }
})

const entries = [dir("a"), file("a/x", 1), file("b", 1), file("-c", 1), file("d", 1)]

const protectedOf = (veto: Veto.Veto | undefined) => [...Veto.entriesOf(veto ?? Veto.none, entries)]

describe("catch", () => {
  it.effect("protects nothing, and deletes as many as may be, where nothing is said", () =>
    Effect.gen(function* () {
      const { veto } = yield* catching()
      assert.deepStrictEqual([protectedOf(veto), veto?.mostDeleted], [[], Infinity])
    })
  )

  it.effect.each([
    ["--protect a", [0, 1]],
    ["--exclude=/a", [0, 1]],
    ["--protect a/ --exclude -c", [0, 1, 3]],
    ["--protect +_a/*** --protect * --no-delete", [2, 3, 4]],
    ["--protect * --protect +_a", [0, 1, 2, 3, 4]],
    ["--protect-from BASE/rules --protect *", [0, 1, 3, 4]],
    ["--protect b --exclude-from=BASE/rules", [2, 4]]
  ] as const)("%s", ([words, expected]) =>
    Effect.gen(function* () {
      const base = yield* directory
      fs.writeFileSync(`${base}/rules`, "# local\nd\n+ b\n")
      const { veto } = yield* catching(...words.split(" ").map((word) => word.replace("_", " ").replace("BASE", base)))
      assert.deepStrictEqual(protectedOf(veto), [...expected])
      assert.strictEqual(veto?.mostDeleted, words.includes("--no-delete") ? 0 : Infinity)
    })
  )

  it.effect.each([
    [["--protect", ""], "--protect: a pattern is missing"],
    [["--delete"], "there is no option --delete: it is for the master"],
    [["--max-size=5"], "there is no option --max-size: it is for the master"],
    [["-av"], "there is no option -av: it is for the master"],
    [["-n"], "there is no option -n: it is for the master"]
  ] as const)("refuses %j", ([words, expected]) =>
    Effect.gen(function* () {
      const { err, status, veto } = yield* catching(...words)
      assert.deepStrictEqual([status, veto], [1, undefined])
      assert.include(err.join("\n"), expected)
    })
  )

  it.effect("limits deletion", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* catching("--max-delete", "7")).veto?.mostDeleted, 7)
      const both = yield* catching("--max-delete", "7", "--no-delete")
      assert.deepStrictEqual([both.status, both.veto], [1, undefined])
      assert.match(both.err.join("\n"), /--no-delete and --max-delete contradict each other/)
    })
  )

  it.effect("says which file of patterns is not there", () =>
    Effect.gen(function* () {
      const absent = yield* catching("--protect-from", "/nonexistent/rules")
      assert.deepStrictEqual([absent.status, absent.veto], [11, undefined])
      assert.match(absent.err.join("\n"), /\/nonexistent\/rules/)
    })
  )
})
