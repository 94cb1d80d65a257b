/** On a Node that is too old the program once failed at what that Node has not: after a session, with a stack. */
import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"

const program = fileURLToPath(new URL("../../dist/bin.js", import.meta.url))

/** Runs the program on this Node, which says that it is another one. */
const mrsync = (version: string, ...args: ReadonlyArray<string>) => {
  const says = `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "${version}" } })`
  const preload = `data:text/javascript,${encodeURIComponent(says)}`
  const { status, stderr, stdout } = spawnSync(process.execPath, ["--import", preload, program, ...args], {
    encoding: "utf8",
    timeout: 60_000
  })
  return { status, stderr, stdout }
}

describe("the version of Node", () => {
  it.each([
    ["18.20.4", ["send", "x"]],
    ["18.20.4", ["--version"]],
    ["8.0.0", []]
  ] as const)("%s is refused in a sentence: %j", (version, args) =>
    assert.deepStrictEqual(mrsync(version, ...args), {
      status: 1,
      stdout: "",
      stderr: `mrsync: Node ${version} is too old: mrsync needs Node 20 at least, and Node 22.19 or later is supported\n`
    })
  )

  it.each(["20.9.0", "100.0.0"])("%s is not", (version) =>
    assert.deepInclude(mrsync(version, "--version"), { status: 0, stderr: "" })
  )
})
