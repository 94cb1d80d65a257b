/** Files that scripts make are what the scripts make now. */
import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const check = (script: string, at = root) =>
  spawnSync(process.execPath, [path.join(at, "scripts", script), "--check"], { encoding: "utf8" })

const made = [
  { script: "changelog.mjs", file: "CHANGELOG.md", parts: ["changes"] },
  { script: "rules.mjs", file: "docs/rules.md", parts: ["docs", "src", "test"] },
  { script: "events.mjs", file: "docs/events.md", parts: ["docs", "src"] },
  { script: "doctor.mjs", file: "docs/doctor.md", parts: ["docs", "src", "test"] }
]

describe.for(made)("$file", ({ file, parts, script }) => {
  it("is current", () => {
    const { status, stderr } = check(script)
    assert.strictEqual(status, 0, stderr)
  })

  it("a change of it by hand is found", () => {
    const at = fs.mkdtempSync(path.join(os.tmpdir(), "mrsync-made-"))
    for (const part of ["scripts", file, ...parts])
      fs.cpSync(path.join(root, part), path.join(at, part), { recursive: true })
    fs.symlinkSync(path.join(root, "node_modules"), path.join(at, "node_modules"))
    fs.appendFileSync(path.join(at, file), "by hand\n")
    const { status, stderr } = check(script, at)
    fs.rmSync(at, { recursive: true })
    assert.strictEqual(status, 1)
    assert.include(stderr, `run that`)
  })
})
