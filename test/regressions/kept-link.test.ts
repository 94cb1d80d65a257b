/**
 * A hard link that was right at a catcher, of a file that the policy keeps, was made anew when somebody had replaced that file
 * meanwhile: what stood under the link's name was lost, and had to stay.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as Policy from "../../src/tree/Policy.ts"
import { directory, disk, file, hardLink, ways } from "../store/Sandbox.ts"

describe.each(ways)("$name", (way) => {
  it.effect("a link stays with the file that it had, whatever comes in the place of its leader [Y-2]", () =>
    Effect.gen(function* () {
      const at = yield* directory
      fs.writeFileSync(`${at}/a`, "old")
      fs.linkSync(`${at}/a`, `${at}/b`)
      const entries = [file("a", 5), hardLink("b", 0)]
      const policy = { ...Policy.defaults, keepsExisting: true }
      const store = yield* disk(at, way)
      const changes = yield* store.survey(entries, policy)
      assert.deepStrictEqual(yield* store.prepare(entries, { policy, changes }), [])
      fs.rmSync(`${at}/a`)
      fs.writeFileSync(`${at}/a`, "another")
      assert.deepStrictEqual(yield* store.finish, [])
      assert.strictEqual(fs.readFileSync(`${at}/b`, "utf8"), "old")
      assert.strictEqual(fs.readFileSync(`${at}/a`, "utf8"), "another")
    })
  )
})
