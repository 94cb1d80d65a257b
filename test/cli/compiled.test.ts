/** The program's script with the code that V8 made of it: which code is taken, and that the program starts without. */
import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Compiled from "../../src/cli/Compiled.ts"

const script = fileURLToPath(new URL("../../dist/bin/program.cjs", import.meta.url))

describe("the program's script", () => {
  it.each(["send", "catch"])("has code for %s, which V8 takes", (command) => {
    const run = `import { codeOf, read, run } from ${JSON.stringify(fileURLToPath(new URL("../../dist/bin/compiled.js", import.meta.url)))}
      console.log(run(read(${JSON.stringify(script)}, codeOf(${JSON.stringify(script)}, "${command}"))).script.cachedDataRejected)`
    const { stderr, stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", run], { encoding: "utf8" })
    assert.strictEqual(stdout, "false\n", stderr)
  })

  it("is ASCII, and so may be read as Latin-1", () => assert.isTrue(readFileSync(script).every((byte) => byte < 0x80)))

  it("runs without code, and with code that is cut off, of another script, or none at all", () => {
    const directory = mkdtempSync(join(tmpdir(), "mrsync-compiled-"))
    try {
      const file = join(directory, "script.cjs")
      writeFileSync(file, "exports.answer = () => 6 * 7\n")
      const answer = (name: string) => {
        const { exports } = Compiled.run(Compiled.read(file, join(directory, name)))
        return (exports as { readonly answer: () => number }).answer()
      }
      const code = Compiled.run(Compiled.read(file, "/none")).script.createCachedData()
      for (const [name, bytes] of [
        ["own", code],
        ["cut", code.subarray(0, code.length / 2)],
        ["another", readFileSync(Compiled.codeOf(script, "send"))],
        ["text", Buffer.from("no code")],
        ["empty", Buffer.alloc(0)]
      ] as const) {
        writeFileSync(join(directory, name), bytes)
        assert.strictEqual(answer(name), 42, name)
      }
      assert.strictEqual(answer("absent"), 42)
    } finally {
      rmSync(directory, { recursive: true })
    }
  })
})
