/** The package as the tools that judge packages see it: what it says of itself, and its types. */
import { assert, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { publint } from "publint"
import { formatMessage } from "publint/utils"

const root = fileURLToPath(new URL("../..", import.meta.url))
const attw = join(root, "node_modules/.bin/attw")
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))

it("publint has nothing to say of it, nor has attw of its types", async () => {
  const { messages } = await publint({ pkgDir: root })
  assert.deepStrictEqual(
    messages.map((message) => formatMessage(message, manifest)),
    []
  )
  // CommonJS gets it by import() alone.
  const types = spawnSync(attw, ["--pack", root, "--profile", "esm-only"], { encoding: "utf8" })
  assert.strictEqual(types.status, 0, types.stdout)
})
