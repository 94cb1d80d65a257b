/**
 * npm run sim -- [--seeds N] [--from N] | --seed N [--verbose] [--lies] [--sync] [--delta] [--endings FILE]
 *
 * Sessions with all faults mixed, one for each seed, and what must hold in every one of them (src/simulate). A seed that
 * fails says what was wrong and how to run it again; the exit status is 1 then.
 *
 * With `--lies` every session is under a seal, and one of its catchers lies. With `--sync` every session has a policy, and its
 * catchers have old versions; with `--delta` a large file is among them. `--endings` writes how each session ended, and three forecasts, to a file. A change that only moves code leaves that text as
 * it was.
 */
import { writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Options from "./options.mjs"

const { values } = Options.parse({
  options: {
    seeds: { type: "string", default: "1000" },
    from: { type: "string", default: "1" },
    seed: { type: "string" },
    verbose: { type: "boolean", default: false },
    lies: { type: "boolean", default: false },
    sync: { type: "boolean", default: false },
    delta: { type: "boolean", default: false },
    endings: { type: "string" },
    // where the built library is: scripts/mutants.mjs looks at changed copies
    dist: { type: "string", default: fileURLToPath(new URL("../dist", import.meta.url)) }
  }
})
const one = values.seed === undefined ? undefined : Options.whole("--seed", values.seed, 0)
const from = one ?? Options.whole("--from", values.from, 0)
const count = one === undefined ? Options.whole("--seeds", values.seeds, 1) : 1
const Sweep = await import(Options.built(values.dist, "simulate/Sweep.js"))

const settled = {
  ...(values.lies ? { isSealed: true, lies: true } : {}),
  ...(values.sync ? { isSync: true } : {}),
  ...(values.delta ? { isDelta: true } : {})
}
const wanted = ["lies", "sync", "delta"].map((name) => (values[name] ? ` --${name}` : "")).join("")
const started = performance.now()
const failed = []
const told = []
let slowest = { millis: 0, seed: 0 }
for (let seed = from; seed < from + count; seed++) {
  const began = performance.now()
  const { endings, problems, telling } = await Effect.runPromise(Sweep.run(seed, settled)).catch((error) => ({
    problems: [String(error?.stack ?? error)],
    telling: [],
    endings: []
  }))
  const millis = performance.now() - began
  if (millis > slowest.millis) slowest = { millis, seed }
  if (problems.length > 0) {
    failed.push(seed)
    console.log(`seed ${seed} failed:`)
    for (const problem of problems) console.log(`  ${problem}`)
    console.log(`  replay: npm run sim -- --seed ${seed} --verbose${wanted}`)
  }
  if (values.endings !== undefined) told.push(`seed ${seed}`, ...telling, ...endings, "")
  if (values.verbose) for (const line of [...telling, ...endings]) console.log(`  ${line}`)
}
const forecasts = [
  { seed: 1, catchers: 1, loss: 0, delayMillis: 1, slow: 0, crash: 0 },
  { seed: 2, catchers: 30, loss: 0.02, delayMillis: 1, slow: 3, crash: 2 },
  { seed: 3, catchers: 100, loss: 0.001, delayMillis: 10, slow: 0, crash: 0 }
]

const forecast = async (Forecast, options) => {
  const network = { bytesPerSecond: 125_000_000, slowLoss: 0.1, slowBytesPerSecond: 12_500_000 }
  const file = { sizeBytes: 4_000_000, pageBytes: 1432, repair: "auto" }
  return JSON.stringify(await Effect.runPromise(Forecast.make({ ...network, ...file, ...options })))
}

if (values.endings !== undefined) {
  const Forecast = await import(Options.built(values.dist, "simulate/Forecast.js"))
  for (const options of forecasts) told.push(JSON.stringify(options), await forecast(Forecast, options), "")
  writeFileSync(values.endings, told.join("\n"))
}
const seconds = (performance.now() - started) / 1000
console.log(
  `${count} ${count === 1 ? "seed" : "seeds"}, ${failed.length} failed, ${seconds.toFixed(1)} s (${((seconds * 1000) / count).toFixed(0)} ms each; seed ${slowest.seed} took ${slowest.millis.toFixed(0)} ms)`
)
process.exitCode = failed.length > 0 ? 1 : 0
