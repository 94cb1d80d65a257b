/** What users get: the single binary, where there is no Node. The package: Published and Installed. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import { mkdirSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Lab from "../e2e/Lab.ts"
import * as Trees from "../e2e/Trees.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))
const { optionalDependencies } = JSON.parse(readFileSync(join(root, "scripts/binary/package.json"), "utf8"))
const hasBinary = `node-${process.platform}-${process.arch}` in optionalDependencies && Lab.unavailable === undefined

describe.skipIf(!hasBinary)("the binary", () => {
  it.live(
    "sends and catches where there is no Node, by offload and with the native hash, and leaves nothing behind",
    () =>
      Effect.scoped(
        Effect.gen(function* () {
          execFileSync(process.execPath, [join(root, "scripts/binary.mjs")], { stdio: "ignore" })
          const binary = join(root, "dist/binary/mrsync")
          const lab = yield* Lab.make(1)
          const [source, temporary] = [join(lab.folder, "source"), join(lab.folder, "tmp")]
          for (const directory of [source, temporary, lab.destination(1)]) mkdirSync(directory)
          Trees.random(join(source, "large"), 20_000_000)
          for (let i = 0; i < 50; i++) Trees.random(join(source, `small ${i}`), 3000)
          // No Node in the path, and no packages beside: what offload and the hash need is inside.
          const bare = ["env", "-i", "PATH=/nowhere", `TMPDIR=${temporary}`, `HOME=${process.env["HOME"]}`, binary]
          const options = ["--transport", "offload", "--insecure"]
          const catcher = lab.exec("c1", ...bare, "catch", ...options, lab.destination(1))
          yield* catcher.says("waiting")
          const master = yield* lab.exec("m", ...bare, "send", ...options, `${source}/`).ended
          const caught = yield* catcher.ended
          assert.deepStrictEqual([master.status, caught.status], [0, 0], master.err + caught.err)
          assert.notInclude(master.err + caught.err, "slow")
          assert.strictEqual(Lab.rsyncSays(`${source}/`, `${lab.destination(1)}/`), "")
          assert.deepStrictEqual(readdirSync(temporary), [])
        })
      )
  )
})
