/**
 * node scripts/mutants.mjs [--seeds N] [NAME...]
 *
 * Takes one rule at a time out of a copy of the sources (scripts/mutants.json), and looks for what notices: the tests that the
 * mutant names, or else the first seed of the sweep that fails. A rule that can be taken out without that is one that nothing
 * watches over; the exit status is 1 then.
 */
import { execFileSync, spawnSync } from "node:child_process"
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Options from "./options.mjs"

const root = fileURLToPath(new URL("..", import.meta.url))
const mutants = JSON.parse(readFileSync(join(root, "scripts/mutants.json"), "utf8"))

const { positionals, values } = Options.parse({
  // more than test/simulate/Sweep.test.ts sweeps
  options: { seeds: { type: "string", default: "120" } },
  allowPositionals: true
})
const names = mutants.map(({ name }) => name)
const unknown = positionals.find((name) => !names.includes(name))
if (unknown !== undefined) Options.refuse(`"${unknown}": one of ${names.join(", ")} is expected`)
const seeds = Options.whole("--seeds", values.seeds, 1)

/** Each file of tests in a process of its own, also those that the program's tests are beside. */
const config = `import base from "./vitest.config.ts"
const [inside] = base.test.projects
const test = { ...inside.test, exclude: [], isolate: true }
export default { ...base, test: { ...base.test, projects: [{ ...inside, test }] } }
`

const configs = ["package.json", "tsconfig.json", "tsconfig.build.json", "vitest.config.ts"]

/** A copy of the sources with one change. */
const copy = ({ file, from, name, to }, place) => {
  const at = join(place, name)
  for (const part of ["src", "test", "assembly", ...configs])
    cpSync(join(root, part), join(at, part), { recursive: true })
  symlinkSync(join(root, "node_modules"), join(at, "node_modules"))
  writeFileSync(join(at, "mutant.config.ts"), config)
  const source = readFileSync(join(at, "src", file), "utf8")
  if (source.split(from).length !== 2) throw new Error(`${name}: ${file} has changed, and its mutation with it`)
  writeFileSync(
    join(at, "src", file),
    source.replace(from, () => to)
  )
  return at
}

/** The first test of a copy that fails. One that cannot be loaded is none: then the change is no program. */
const failing = (at, { named, tests }) => {
  const report = join(at, "report.json")
  const only = named === undefined ? [] : ["--testNamePattern", named]
  spawnSync(
    process.execPath,
    [
      ...["node_modules/vitest/vitest.mjs", "run", "--config", "mutant.config.ts"],
      "--reporter=json",
      `--outputFile=${report}`,
      ...only,
      ...tests
    ],
    { cwd: at }
  )
  const { testResults } = JSON.parse(readFileSync(report, "utf8"))
  const results = testResults.flatMap(({ assertionResults }) => assertionResults)
  return results.find(({ status }) => status === "failed")?.fullName
}

/** The library of a copy. */
const build = (at) => {
  execFileSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", "tsconfig.build.json"], {
    cwd: at
  })
  return import(join(at, "dist/simulate/Sweep.js"))
}

/** The first seed that fails. */
const sweep = async (Sweep) => {
  for (let seed = 1; seed <= seeds; seed++) {
    const problems = await Effect.runPromise(Sweep.run(seed)).then(
      (verdict) => verdict.problems,
      (error) => [String(error)]
    )
    if (problems.length > 0) return `seed ${seed}: ${problems[0]}`
  }
}

const place = mkdtempSync(join(tmpdir(), "mrsync-mutants-"))
try {
  for (const mutant of mutants) {
    if (positionals.length > 0 && !positionals.includes(mutant.name)) continue
    const at = copy(mutant, place)
    console.log(`${mutant.name}: without "${mutant.rule}"`)
    const told = mutant.tests === undefined ? await sweep(await build(at)) : failing(at, mutant)
    console.log(
      told === undefined ? `  NOTHING FAILS: ${mutant.tests?.join(", ") ?? `${seeds} seeds`}` : `  fails: ${told}`
    )
    if (told === undefined) process.exitCode = 1
    rmSync(at, { recursive: true, force: true })
  }
} finally {
  rmSync(place, { recursive: true, force: true })
}
