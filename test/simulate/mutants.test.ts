/** `.ci/nightly` runs the mutants; that each one can be made, and names tests that there are, is seen at once. */
import { assert, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../../", import.meta.url))

interface Mutant {
  readonly name: string
  readonly file: string
  readonly from: string
  readonly to: string
  readonly tests?: ReadonlyArray<string>
}

const mutants: ReadonlyArray<Mutant> = JSON.parse(fs.readFileSync(`${root}scripts/mutants.json`, "utf8"))

describe("mutants", () => {
  it("have names of their own", () => {
    assert.isAbove(mutants.length, 15)
    assert.strictEqual(new Set(mutants.map(({ name }) => name)).size, mutants.length)
  })

  it.for(mutants)("$name changes one place", ({ file, from, tests = [], to }) => {
    const source = fs.readFileSync(`${root}src/${file}`, "utf8")
    assert.strictEqual(source.split(from).length, 2, `${file} has changed: correct scripts/mutants.json`)
    assert.notStrictEqual(from, to)
    for (const test of tests) assert.isTrue(fs.existsSync(root + test), test)
  })
})
