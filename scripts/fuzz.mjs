/**
 * node scripts/fuzz.mjs [--seconds N] [--seed N] [TARGET...]
 *
 * Feeds what reads datagrams, manifests, names and texts, and the reducers, with mutated and random bytes: N seconds all in
 * all, the same time each (test/fuzz/targets.ts says what must hold). An input that fails is kept in test/fuzz/kept, where a
 * test runs it again and again; the exit status is 1 then. The same seed makes the same inputs.
 */
import { createHash } from "node:crypto"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { build } from "rolldown"
import * as Options from "./options.mjs"

const { positionals, values } = Options.parse({
  options: { seconds: { type: "string", default: "60" }, seed: { type: "string" } },
  allowPositionals: true
})
const seconds = Options.whole("--seconds", values.seconds, 1)
// Another one each day, so that nights differ.
const seed = values.seed === undefined ? Math.floor(Date.now() / 86_400_000) : Options.whole("--seed", values.seed, 0)
const root = fileURLToPath(new URL("..", import.meta.url))

/** The targets are written in TypeScript, which Node 20 does not read. */
const load = async () => {
  const dir = mkdtempSync(join(tmpdir(), "mrsync-fuzz-"))
  try {
    const input = { Fuzz: join(root, "test/fuzz/Fuzz.ts"), targets: join(root, "test/fuzz/targets.ts") }
    const entry = (name) => `${name}.mjs`
    await build({
      ...{ input, platform: "node", logLevel: "warn" },
      output: { dir, entryFileNames: ({ name }) => entry(name), chunkFileNames: "[name]-[hash].mjs" }
    })
    const [Fuzz, { targets }] = await Promise.all([
      import(join(dir, entry("Fuzz"))),
      import(join(dir, entry("targets")))
    ])
    return { Fuzz, targets }
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

const { Fuzz, targets } = await load()
const names = targets.map(({ name }) => name)
const unknown = positionals.find((name) => !names.includes(name))
if (unknown !== undefined) Options.refuse(`"${unknown}": one of ${names.join(", ")} is expected`)
const chosen = positionals.length === 0 ? targets : targets.filter(({ name }) => positionals.includes(name))

for (const target of chosen) {
  const { failure, inputs, kinds } = Fuzz.run(target, { millis: (seconds * 1000) / chosen.length, seed })
  console.log(
    `${target.name}: ${inputs} inputs of ${kinds} kinds, seed ${seed}${failure === undefined ? "" : ", FAILED"}`
  )
  if (failure === undefined) continue
  process.exitCode = 1
  const kept = join(root, "test/fuzz/kept", target.name)
  mkdirSync(kept, { recursive: true })
  const file = join(kept, createHash("sha256").update(failure.input).digest("hex").slice(0, 16))
  writeFileSync(file, failure.input)
  console.log(`  ${failure.reason}`)
  console.log(`  kept: ${file} (${failure.input.length} bytes); replay: npx vitest run test/fuzz/fuzz.test.ts`)
}
