/** A process that may open too few files to load the program once ended with a stack of Node's loader. */
import { assert, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"

const program = fileURLToPath(new URL("../../dist/bin.js", import.meta.url))

it("a limit of open files that is too low is told in a line, with what to do", () => {
  const ends = [20, 22, 24, 26, 28].map((files) => {
    const script = `ulimit -n ${files}; exec "$NODE" "$PROGRAM" send --wait 0.1 --interface lo "$PROGRAM"`
    const env = { ...process.env, NODE: process.execPath, PROGRAM: program }
    return spawnSync("bash", ["-c", script], { encoding: "utf8", timeout: 60_000, env })
  })
  // With fewer still, Node cannot read the program's first file.
  const loading = ends.filter(({ stderr }) => !stderr.includes("path: '") || !stderr.includes("dist/bin.js'"))
  for (const { stderr } of loading) assert.notMatch(stderr, /\n\s+at /)
  const told = loading.filter(({ stderr }) => stderr.includes("raise the limit"))
  assert.isAbove(told.length, 0)
  for (const { status, stderr } of told) {
    assert.strictEqual(status, 11)
    assert.match(stderr, /^mrsync: the program cannot be loaded: too many open files \(EMFILE\); raise the limit.*\n$/)
  }
})
