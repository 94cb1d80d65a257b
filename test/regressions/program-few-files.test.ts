/** A process that may open too few files to load the program once ended with a stack of Node's loader. */
import { assert, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"

const program = fileURLToPath(new URL("../../dist/bin.js", import.meta.url))

it("a limit of open files that is too low is told in a line, with what to do", () => {
  // where Node itself starts no file: with so few, and with more where other files are inherited
  const noNode = 99
  const ran = [18, 19, 20, 22, 24, 28].map((files) => {
    const script = `ulimit -n ${files}; "$NODE" "$EMPTY" 2> /dev/null || exit ${noNode}
      exec "$NODE" "$PROGRAM" send --wait 0.1 --interface lo --insecure "$PROGRAM"`
    const env = { ...process.env, NODE: process.execPath, EMPTY: "/dev/null", PROGRAM: program }
    return spawnSync("bash", ["-c", script], { encoding: "utf8", timeout: 60_000, env })
  })
  const ends = ran.filter(({ status }) => status !== noNode)
  for (const { stderr } of ends) assert.notMatch(stderr, /\n\s+at |a fault in mrsync/)
  const told = ends.filter(({ stderr }) => stderr.includes("too many open files"))
  assert.isAbove(told.length, 0)
  for (const { stderr } of told) assert.match(stderr, /ulimit -n/)
  // the first limit that does
  assert.include(ends.at(-1)?.stderr, "0 of 1 catcher joined")
})
