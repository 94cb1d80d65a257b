/** File systems that answer to fewer calls than a disk's own, or take no notice of some. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import type { Entry } from "../../../src/tree/Entry.ts"
import {
  deliver,
  dir,
  directory,
  disk,
  file,
  hardLink,
  isLinux,
  isRoot,
  modeOf,
  names,
  nanos,
  nanosOf,
  receive,
  single,
  symlink,
  ways
} from "../Sandbox.ts"

/** Mounted as the second directory, over the first. */
const systems: ReadonlyArray<{ name: string; needs: string; mount: (base: string) => ReadonlyArray<string> }> = [
  {
    name: "a file system of libfuse 2 (bindfs)",
    needs: "command -v bindfs && test -c /dev/fuse",
    mount: (base) => ["bindfs", `${base}/below`, `${base}/at`]
  },
  {
    name: "an overlay",
    needs: "grep -q overlay /proc/filesystems",
    mount: (base) => {
      const of = `lowerdir=${base}/below,upperdir=${base}/upper,workdir=${base}/work`
      return ["mount", "-t", "overlay", "overlay", "-o", of, `${base}/at`]
    }
  }
]

const isThere = (needs: string) => isRoot && isLinux && spawnSync("sh", ["-c", needs]).status === 0

const mounted = Effect.fnUntraced(function* (mount: (base: string) => ReadonlyArray<string>) {
  const scratch = yield* directory
  // what is below an overlay must not be one itself
  const base = `${scratch}/tmpfs`
  fs.mkdirSync(base)
  const mounting = ([program, ...args]: ReadonlyArray<string>, at: string) =>
    Effect.acquireRelease(
      Effect.sync(() => execFileSync(program, args, { stdio: "pipe" })),
      () => Effect.sync(() => void spawnSync("umount", ["-l", at]))
    )
  yield* mounting(["mount", "-t", "tmpfs", "tmpfs", base], base)
  for (const name of ["below", "upper", "work", "at"]) fs.mkdirSync(`${base}/${name}`)
  fs.mkdirSync(`${base}/below/d`)
  fs.writeFileSync(`${base}/below/d/small`, "older")
  yield* mounting(mount(base), `${base}/at`)
  return `${base}/at`
})

const large = 600_000
const times = { mtimeSeconds: 1_500_000_000, mtimeNanos: 987_654_321 }
const small: ReadonlyArray<Entry> = [
  dir("d", times),
  file("d/small", 5, times),
  file("d/run", 3, { ...times, mode: 0o4751 }),
  file("other", 0, { ...times, mode: 0o600 }),
  hardLink("twin", 1),
  symlink("link", "d/small", times)
]

for (const { mount, name, needs } of systems) {
  const ready = isThere(needs)
  if (!ready) console.log(`OtherSystems.test.ts: ${name}: skipped, it needs root and "${needs}"`)
  describe.skipIf(!ready)(name, () => {
    it.effect.each(ways)("has what a disk has: times, modes, names and content ($name)", (way) =>
      Effect.gen(function* () {
        const at = yield* mounted(mount)
        const store = yield* disk(at, way)
        assert.deepStrictEqual(yield* receive(store, small, "smallrun"), [])
        const alone = [file("large", large, times)]
        const other = yield* disk(at, way)
        yield* other.prepare(alone)
        assert.deepStrictEqual(yield* deliver(other, single(alone), new Uint8Array(large).fill(7)), [])
        assert.deepStrictEqual(yield* other.finish, [])
        assert.deepStrictEqual(names(at), ["d", "d/run", "d/small", "large", "link", "other", "twin"])
        assert.strictEqual(fs.readFileSync(`${at}/twin`, "utf8"), "small")
        assert.strictEqual(fs.readFileSync(`${at}/large`).filter((byte) => byte === 7).length, large)
        assert.deepStrictEqual(
          ["d", "d/small", "d/run", "other"].map((it) => modeOf(`${at}/${it}`)),
          [...[0o755, 0o644, 0o4751, 0o600]]
        )
        const wanted = Number(nanosOf({ ...times, mode: 0, uid: 0, gid: 0 }))
        // Node alone keeps microseconds
        const apart = way.koffi ? 0 : 1000
        for (const it of ["d", "d/small", "d/run", "other", "large", "link"])
          assert.closeTo(Number(nanos(`${at}/${it}`)), wanted, apart, it)
      })
    )
  })
}
