/**
 * npm run build && node scripts/small.mjs [--rounds N] TREE DIR [DIST...]
 *
 * What a tree of small files costs both sides' processors around the network: the scan and the reading of TREE, and the survey, the
 * directories, the commit of its bundles and the end in DIR. Microseconds an entry (reading, commit: a file), medians; in brackets the
 * least. Each round is a process of its own, as a session is, and by turns of each build; without DIST that is our own.
 */
import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { createRequire } from "node:module"
import { join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { setFlagsFromString } from "node:v8"
import * as Options from "./options.mjs"

const { positionals, values } = Options.parse({
  allowPositionals: true,
  options: { rounds: { type: "string", default: "7" }, once: { type: "boolean", default: false } }
})
const rounds = Options.whole("--rounds", values.rounds, 1, 100)
const [tree, directory, ...builds] = positionals.map((path) => resolve(path))
if (directory === undefined) Options.refuse("a tree to read and a directory to write to are expected")

/** Microseconds of the processor that each step takes, of every entry or file. */
const once = async (dist, at) => {
  // as the program does on Node 20
  if (process.versions.node.startsWith("20.")) setFlagsFromString("--interrupt-budget=600000")
  const { resolve } = createRequire(join(dist, "index.js"))
  const [Context, Effect, Layer] = await Promise.all(
    ["Context", "Effect", "Layer"].map((name) => import(resolve(`effect/${name}`)))
  )
  const load = (name) => import(join(dist, `${name}.js`))
  const [Disk, { Store }, DiskSource, { Source }, Plan, Policy] = await Promise.all(
    ["store/disk/Disk", "store/Store", "source/Disk", "source/Source", "tree/Plan", "tree/Policy"].map(load)
  )
  const micros = {}
  const timed = (step, effect) =>
    Effect.suspend(() => {
      const before = process.cpuUsage()
      return Effect.tap(effect, () =>
        Effect.sync(() => {
          const { system, user } = process.cpuUsage(before)
          micros[step] = (micros[step] ?? 0) + system + user
        })
      )
    })
  const told = (failures) => {
    if (failures.length > 0) throw new Error(failures[0].reason ?? failures[0].error.reason)
  }
  const session = Effect.gen(function* () {
    const source = Context.get(yield* Layer.build(DiskSource.layer([`${tree}/`])), Source)
    const store = Context.get(yield* Layer.build(Disk.layer(at)), Store)
    const policy = Policy.defaults
    const { entries } = yield* timed("scan", source.scan)
    const changes = yield* timed("survey", store.survey(entries, policy))
    told(yield* timed("prepare", store.prepare(entries, { policy, changes })))
    const bundles = Plan.plan(entries).filter(({ kind }) => kind === "Bundle")
    const content = new Uint8Array(Math.max(...bundles.map(({ size }) => size)))
    for (const bundle of bundles) {
      const { members, size } = bundle
      told(yield* timed("read", source.readMembers(members, content)))
      const deliver = Effect.gen(function* () {
        const writer = yield* store.open(bundle)
        yield* writer.write(0, content.subarray(0, size))
        told(
          yield* timed(
            "commit",
            writer.commit(() => false)
          )
        )
      })
      yield* Effect.scoped(deliver)
    }
    yield* timed("finish", store.finish)
    const files = bundles.reduce((sum, { members }) => sum + members.length, 0)
    const countOf = (step) => (step === "read" || step === "commit" ? files : entries.length)
    return Object.fromEntries(Object.entries(micros).map(([step, all]) => [step, all / countOf(step)]))
  })
  return Effect.runPromise(Effect.scoped(session))
}

const round = (dist) => {
  const at = mkdtempSync(join(directory, "mrsync-small-"))
  try {
    const args = [fileURLToPath(import.meta.url), "--once", tree, at, dist]
    return JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8" }))
  } finally {
    rmSync(at, { recursive: true })
  }
}

const all = () => {
  const dists = builds.length > 0 ? builds : [fileURLToPath(new URL("../dist", import.meta.url))]
  for (const dist of dists) Options.built(dist, "index.js")
  const taken = dists.map(() => [])
  for (let i = 0; i < rounds; i++) for (const [at, dist] of dists.entries()) taken[at].push(round(dist))
  for (const [at, dist] of dists.entries()) {
    const steps = Object.keys(taken[at][0]).map((step) => {
      const sorted = taken[at].map((one) => one[step]).sort((a, b) => a - b)
      return `${step} ${sorted[rounds >> 1].toFixed(1)} (${sorted[0].toFixed(1)})`
    })
    console.log(`${dist}: ${steps.join(", ")}`)
  }
}

if (values.once) console.log(JSON.stringify(await once(builds[0], directory)))
else all()
