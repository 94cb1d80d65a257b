/** The scripts, called wrongly: a line that says so and 2, which is neither a failed seed nor a stack. */
import { assert, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"

const scripts = fileURLToPath(new URL("../../scripts/", import.meta.url))

it.each([
  [["sim.mjs", "--seed", "x"], "sim.mjs: --seed x: a number from 0 to 4294967295 is expected\n"],
  [["sim.mjs", "--seeds", "0"], "sim.mjs: --seeds 0: a number from 1 to 4294967295 is expected\n"],
  [["sim.mjs", "--sead", "1"], "sim.mjs: Unknown option '--sead'"],
  [["sim.mjs", "--dist", "/nowhere"], 'sim.mjs: /nowhere/simulate/Sweep.js is missing: "npm run build" makes dist\n'],
  [["small.mjs", "tree", "to", "/nowhere"], 'small.mjs: /nowhere/index.js is missing: "npm run build" makes dist\n'],
  [["parity.mjs", "--page", "x"], "parity.mjs: --page x: a number from 1 to 65535 is expected\n"],
  [["parity.mjs", "--page"], "parity.mjs: Option '--page <value>' argument missing\n"],
  [["small.mjs", "tree"], "small.mjs: a tree to read and a directory to write to are expected\n"],
  [["mutants.mjs", "--seeds", "x"], "mutants.mjs: --seeds x: a number from 1 to 4294967295 is expected\n"],
  [["mutants.mjs", "nobody"], 'mutants.mjs: "nobody": one of hash, ']
] as const)("%j", ([script, ...args], expected) => {
  const { status, stderr, stdout } = spawnSync(process.execPath, [scripts + script, ...args], { encoding: "utf8" })
  assert.deepStrictEqual([status, stdout], [2, ""])
  assert.strictEqual(stderr.slice(0, expected.length), expected)
  assert.notMatch(stderr, /\n\s+at /)
})
