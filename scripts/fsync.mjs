/**
 * npm run build && node scripts/fsync.mjs [--rounds N] DIR
 *
 * What --fsync costs a catcher's disk: 2,000 files of 2,000 bytes in one bundle, one file of 256 MiB, and the end of the tree, without a
 * network, in DIR, by turns without and with it. Medians.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Options from "./options.mjs"

const { positionals, values } = Options.parse({
  allowPositionals: true,
  options: { rounds: { type: "string", default: "5" } }
})
const rounds = Options.whole("--rounds", values.rounds, 1, 100)
const dist = fileURLToPath(new URL("../dist", import.meta.url))
const load = (name) => import(Options.built(dist, `store/${name}.js`))
const [Disk, { Store }] = await Promise.all([load("disk/Disk"), load("Store")])

const metadata = { mode: 0o644, mtimeSeconds: 1, mtimeNanos: 0, uid: process.getuid(), gid: process.getgid() }
const pathOf = (text) => new TextEncoder().encode(text)
const file = (text, size) => ({ _tag: "File", path: pathOf(text), size, metadata })
const directory = (text) => ({ _tag: "Directory", path: pathOf(text), metadata: { ...metadata, mode: 0o755 } })
const count = 2000
const bytes = 2000
const bigBytes = 256 * 1024 * 1024
const small = Array.from({ length: count }, (_, i) => file(`d${i % 20}/${i}`, bytes))
const directories = Array.from({ length: 20 }, (_, i) => directory(`d${i}`))
const entries = [directory(""), ...directories, ...small, file("big", bigBytes)]
const first = 1 + directories.length
const members = small.map((_, i) => ({ entry: first + i, offset: i * bytes, size: bytes }))
const bundle = { file: 1, kind: "Bundle", size: count * bytes, members }
const big = { file: 2, kind: "Single", size: bigBytes, members: [{ entry: first + count, offset: 0, size: bigBytes }] }

const deliver = (store, carried) =>
  Effect.scoped(
    Effect.gen(function* () {
      const writer = yield* store.open(carried)
      const piece = Buffer.alloc(Math.min(carried.size, 1024 * 1024), 7)
      for (let at = 0; at < carried.size; at += piece.length)
        yield* writer.write(at, piece.subarray(0, carried.size - at))
      return yield* writer.commit(() => false)
    })
  )

const round = (at, syncs) =>
  Effect.scoped(
    Effect.gen(function* () {
      const layer = Disk.layer(join(at, "tree"), { syncs })
      const store = Context.get(yield* Layer.build(layer), Store)
      yield* store.prepare(entries)
      const times = []
      for (const part of [deliver(store, bundle), deliver(store, big), store.finish]) {
        const start = performance.now()
        const failures = yield* part
        if (failures.length > 0) throw new Error(failures[0].reason)
        times.push(performance.now() - start)
      }
      return times
    })
  )

const taken = { without: [], with: [] }
for (let i = 0; i < 2 * rounds; i++) {
  const at = mkdtempSync(join(resolve(positionals[0] ?? "."), "mrsync-fsync-"))
  try {
    taken[i % 2 === 0 ? "without" : "with"].push(await Effect.runPromise(round(at, i % 2 === 1)))
  } finally {
    rmSync(at, { recursive: true })
  }
}
const median = (all) => all.toSorted((a, b) => a - b)[all.length >> 1].toFixed(0)
for (const [name, all] of Object.entries(taken)) {
  const [small, large, end] = [0, 1, 2].map((part) => median(all.map((times) => times[part])))
  console.log(`${name.padEnd(8)} ${count} files ${small} ms, 256 MiB ${large} ms, the end ${end} ms`)
}
