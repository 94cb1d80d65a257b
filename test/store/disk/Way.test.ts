/** A dry run foresees of which entries a directory would keep the place, as the real run finds it. [Y-7] */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as Policy from "../../../src/tree/Policy.ts"
import { bundle, deliver, dir, directory, disk, file, symlink, ways } from "../Sandbox.ts"

const entries = [dir(""), file("a", 1), symlink("b", "a"), file("empty", 1)]

describe.each(ways)("$name", (way) => {
  const failing = Effect.fnUntraced(function* (policy: Partial<Policy.Policy>, forbids = false) {
    const at = `${yield* directory}/destination`
    for (const name of ["a/x", "b/x", "empty"]) fs.mkdirSync(`${at}/${name}`, { recursive: true })
    const before = fs.readdirSync(at, { recursive: true })
    const store = yield* disk(at, way)
    const all = { ...Policy.defaults, ...policy, ...(forbids ? { mostDeleted: 1 } : {}) }
    const changes = yield* store.survey(entries, all)
    const failures = [...(yield* store.prepare(entries, { policy: all, changes }))]
    if (all.isDryRun) assert.deepStrictEqual(fs.readdirSync(at, { recursive: true }), before)
    else failures.push(...(yield* deliver(store, bundle(entries), "ne")))
    return failures.map(({ entry, reason }) => ({ entry, reason })).toSorted((a, b) => a.entry - b.entry)
  })

  it.effect.each([
    [{}, 2, false],
    [{ forces: true }, 0, false],
    [{ forces: true }, 1, true]
  ] as const)("%j", ([policy, count, forbids]) =>
    Effect.gen(function* () {
      const foreseen = yield* failing({ ...policy, isDryRun: true }, forbids)
      assert.lengthOf(foreseen, count)
      const real = yield* failing(policy, forbids)
      assert.deepStrictEqual(foreseen.map(({ entry }) => entry).length, real.map(({ entry }) => entry).length)
      for (const { reason } of foreseen) assert.include(real.map((one) => one.reason).join("; "), reason)
    })
  )
})
