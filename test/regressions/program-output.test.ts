/** `mrsync --version | true` and `> /dev/full` once ended with a stack, and a report that could not be written with 0. */
import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"

const program = fileURLToPath(new URL("../../dist/bin.js", import.meta.url))

/** Runs `mrsync ARGUMENTS` with standard output led elsewhere; the status is the program's own. */
const mrsync = (args: string, elsewhere: string) => {
  const script = `"$NODE" "$PROGRAM" ${args} ${elsewhere}\nexit "\${PIPESTATUS[0]}"`
  const env = { ...process.env, NODE: process.execPath, PROGRAM: program, NO_COLOR: "1" }
  const { status, stderr } = spawnSync("bash", ["-c", script], { encoding: "utf8", timeout: 60_000, env })
  return { status, stderr }
}

const full = "mrsync: standard output could not be written: no space left on device (ENOSPC)\n"
const broken = "mrsync: standard output could not be written: broken pipe (EPIPE)\n"
const session = "simulate --catchers 1 --size 1MiB"
/** What reads waits for nothing, so that the program always finds it gone. */
const gone = "| exec 0<&-"

describe.skipIf(!existsSync("/dev/full"))("standard output that cannot be written", () => {
  it.each(["--version", "--help", `${session} --json`])("full: %s", (args) =>
    assert.deepStrictEqual(mrsync(args, "> /dev/full"), { status: 11, stderr: full })
  )

  it.each(["--version", session])("a reader that has gone is no failure: %s", (args) =>
    assert.deepStrictEqual(mrsync(args, gone), { status: 0, stderr: "" })
  )

  it("a reader of JSON that has gone is one", () =>
    assert.deepStrictEqual(mrsync(`${session} --json`, gone), { status: 11, stderr: broken }))

  it("another failure keeps its own status", () => {
    const { status, stderr } = mrsync("simulate --catchers 1 --size 1MiB --loss 50 --rate 1kbit --json", "> /dev/full")
    assert.notInclude([0, 11], status)
    assert.include(stderr, full)
    assert.notMatch(stderr, /\n\s+at /)
  })

  it("neither can standard error", () =>
    assert.deepStrictEqual(mrsync("--version", "> /dev/full 2> /dev/full"), { status: 11, stderr: "" }))
})
