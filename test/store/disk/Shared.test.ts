/** Where the file system lets two files share their blocks, a delta costs the disk what has changed. [Y-13] */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as Policy from "../../../src/tree/Policy.ts"
import { directory, dir, disk, file, isLinux, isRoot, single } from "../Sandbox.ts"
import { blockBytesOf, reusing } from "../reusing.ts"

const mebibyte = 1024 * 1024
const size = 16 * mebibyte
const systems = [
  { name: "btrfs", make: ["mkfs.btrfs", "-q", "-f"] },
  { name: "xfs", make: ["mkfs.xfs", "-q", "-f", "-m", "reflink=1"] }
] as const

const canMount = (program: string) =>
  isRoot &&
  isLinux &&
  spawnSync("sh", ["-c", `command -v ${program} && losetup -f && unshare --mount true`]).status === 0

/** A file system of that kind, until the scope closes. */
const mounted = Effect.fnUntraced(function* ([program, ...options]: (typeof systems)[number]["make"]) {
  const base = yield* directory
  const [image, at] = [`${base}/image`, `${base}/disk`]
  fs.mkdirSync(at)
  fs.writeFileSync(image, "")
  fs.truncateSync(image, 512 * mebibyte)
  execFileSync(program, [...options, image], { stdio: "pipe" })
  yield* Effect.acquireRelease(
    Effect.sync(() => execFileSync("mount", ["-o", "loop", image, at], { stdio: "pipe" })),
    () => Effect.sync(() => void spawnSync("umount", [at]))
  )
  return at
})

const usedBytes = (at: string) => {
  execFileSync("sync", ["-f", at])
  const { bfree, blocks, bsize } = fs.statfsSync(at)
  return (blocks - bfree) * bsize
}

const random = (length: number, seed: number): Buffer => {
  const bytes = Buffer.alloc(length)
  let state = seed
  for (let at = 0; at < length; at += 4)
    bytes.writeUInt32LE((state = (Math.imul(state, 1664525) + 1013904223) >>> 0), at)
  return bytes
}

const content = random(size, 1)
const blockBytes = blockBytesOf(size)
const page = 4096

/** Older versions, what the new one is then, and how many bytes the disk needs at most for it. */
const cases: ReadonlyArray<{
  readonly name: string
  readonly old: Buffer
  readonly data?: ReadonlyArray<number>
  readonly mostBytes: number
}> = [
  {
    name: "changed in places",
    old: Buffer.from(content).fill(7, 5 * mebibyte, 5 * mebibyte + 10),
    mostBytes: mebibyte
  },
  { name: "shorter", old: content.subarray(0, size - 3 * mebibyte), mostBytes: 4 * mebibyte },
  { name: "longer", old: Buffer.concat([content, random(mebibyte, 2)]), mostBytes: mebibyte },
  {
    name: "moved",
    old: Buffer.concat([random(page, 3), content.subarray(0, 10 * mebibyte), content.subarray(10 * mebibyte + 1)]),
    mostBytes: size + 4 * mebibyte
  },
  // what is data there has a hole here
  { name: "with holes now", old: random(size, 4), data: [mebibyte, 9 * mebibyte], mostBytes: 9 * mebibyte }
]

describe.each(systems)("on $name", ({ make, name }) => {
  if (!canMount(make[0])) console.log(`Shared.test.ts: no ${name} can be made here: its tests are skipped`)
  const test = it.live.skipIf(!canMount(make[0]))
  for (const { data, mostBytes, name, old } of cases)
    test(`an older version, ${name}`, () =>
      Effect.gen(function* () {
        const at = `${yield* mounted(make)}/tree`
        fs.mkdirSync(at)
        fs.writeFileSync(`${at}/large`, old, { mode: 0o644 })
        fs.utimesSync(`${at}/large`, 1, 1)
        const tree = [dir(""), data === undefined ? file("large", size) : { ...file("large", size), data }]
        // what is carried of it, and what it is
        const carried =
          data === undefined ? content : Buffer.concat(runsOf(data).map(([from, end]) => content.subarray(from, end)))
        const whole = Buffer.alloc(size)
        for (const [from, end] of data === undefined ? [[0, size]] : runsOf(data)) content.copy(whole, from, from, end)
        const before = usedBytes(at)
        const store = yield* disk(at)
        const changes = yield* store.survey(tree, Policy.defaults)
        yield* store.prepare(tree, { policy: Policy.defaults, changes })
        let used = 0
        yield* Effect.scoped(
          Effect.gen(function* () {
            const writer = yield* store.open(single(tree), reusing(1, carried))
            const { held = [] } = writer
            let end = 0
            for (let run = 0; run <= held.length; run += 2) {
              const from = held[run] ?? carried.length
              for (let at = end; at < from; at += blockBytes)
                yield* writer.write(at, carried.subarray(at, Math.min(from, at + blockBytes)))
              end = from + (held[run + 1] ?? 0)
            }
            // both are there
            used = usedBytes(at) - before
            assert.strictEqual(Buffer.compare(fs.readFileSync(`${at}/large`), old), 0)
            assert.deepStrictEqual(yield* writer.commit(() => false), [])
          })
        )
        assert.strictEqual(Buffer.compare(fs.readFileSync(`${at}/large`), whole), 0)
        assert.isAtMost(used, mostBytes)
      }).pipe(Effect.scoped))
})

function* pairs(runs: ReadonlyArray<number>) {
  for (let run = 0; run < runs.length; run += 2) yield [runs[run], runs[run] + runs[run + 1]] as const
}
const runsOf = (runs: ReadonlyArray<number>) => [...pairs(runs)]
