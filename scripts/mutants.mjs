/**
 * node scripts/mutants.mjs [--seeds N] [NAME...]
 *
 * Takes one rule at a time out of a copy of the sources, and sweeps seeds over it: the first seed that fails is told. A rule
 * that can be taken out without any seed failing is one that the simulator does not watch over; the exit status is 1 then.
 */
import { execFileSync } from "node:child_process"
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Options from "./options.mjs"

const mutants = [
  {
    name: "hash",
    rule: "a file is complete only when its hashes agree [C-2]",
    file: "catcher/Assembly.ts",
    from: "verify(root: Uint8Array): Verdict {",
    to: "verify(_root: Uint8Array): Verdict {\n    if (_root.length > 0) return { blocks: [], trailer: false }\n    const root = _root"
  },
  {
    name: "same-answer",
    rule: "a question asked again gets the same answer, also of a file that is finished [C-3]",
    file: "catcher/Files.ts",
    from: "past: past.get(file) ?? FileState.initial",
    to: "past: FileState.initial"
  },
  {
    name: "effects-once",
    rule: "a question asked again does nothing twice: a committed file is not opened again [C-3]",
    file: "protocol/file/FileState.ts",
    from: 'if (state.past === "Committed") return [state, [complete]]',
    to: ""
  },
  {
    name: "incarnation",
    rule: "an answer counts only when its incarnation is the slot's [R-2]",
    file: "protocol/group/Roster.ts",
    from: "member.incarnation === incarnation && member.lost === undefined ? member : undefined",
    to: "incarnation >= 0 && member.lost === undefined ? member : undefined"
  },
  {
    name: "checksum",
    rule: "a message counts only when its checksum is right [W-7]",
    file: "wire/Codec.ts",
    from: "end < body || Header.u32(bytes, end) !== zlib.crc32(bytes.subarray(at, end))",
    to: "end < body"
  },
  {
    name: "rename-last",
    rule: "content has its final name only when it is complete [F-1]",
    file: "store/Volume.ts",
    from: "return `${path.slice(0, slash)}.${path.slice(slash)}.mrsync-${suffix}`",
    to: "return suffix === '' || slash < 0 ? suffix : path"
  }
]

const { positionals, values } = Options.parse({
  // twice as many as test/simulate/Sweep.test.ts sweeps
  options: { seeds: { type: "string", default: "120" } },
  allowPositionals: true
})
const names = mutants.map(({ name }) => name)
const unknown = positionals.find((name) => !names.includes(name))
if (unknown !== undefined) Options.refuse(`"${unknown}": one of ${names.join(", ")} is expected`)
const seeds = Options.whole("--seeds", values.seeds, 1)
const root = fileURLToPath(new URL("..", import.meta.url))

/** The library, built from a copy of the sources with one change. */
const build = ({ file, from, name, to }, place) => {
  const at = join(place, name)
  cpSync(join(root, "src"), join(at, "src"), { recursive: true })
  for (const config of ["package.json", "tsconfig.json", "tsconfig.build.json"])
    cpSync(join(root, config), join(at, config))
  symlinkSync(join(root, "node_modules"), join(at, "node_modules"))
  const source = readFileSync(join(at, "src", file), "utf8")
  if (source.split(from).length !== 2) throw new Error(`${name}: ${file} has changed, and its mutation with it`)
  writeFileSync(
    join(at, "src", file),
    source.replace(from, () => to)
  )
  execFileSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", "tsconfig.build.json"], {
    cwd: at
  })
  return import(join(at, "dist/simulate/Sweep.js"))
}

/** The first seed that fails. */
const find = async (Sweep) => {
  for (let seed = 1; seed <= seeds; seed++) {
    const problems = await Effect.runPromise(Sweep.run(seed)).then(
      (verdict) => verdict.problems,
      (error) => [String(error)]
    )
    if (problems.length > 0) return { seed, problem: problems[0] }
  }
}

const place = mkdtempSync(join(tmpdir(), "mrsync-mutants-"))
try {
  for (const mutant of mutants) {
    if (positionals.length > 0 && !positionals.includes(mutant.name)) continue
    const found = await find(await build(mutant, place))
    console.log(`${mutant.name}: without "${mutant.rule}"`)
    console.log(found === undefined ? `  no seed of ${seeds} fails` : `  seed ${found.seed} fails: ${found.problem}`)
    if (found === undefined) process.exitCode = 1
  }
} finally {
  rmSync(place, { recursive: true, force: true })
}
