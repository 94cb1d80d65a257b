/** With --fsync nothing is said to be there that the disk has not taken. [F-9] */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as Compare from "../../../src/tree/Compare.ts"
import * as Policy from "../../../src/tree/Policy.ts"
import { bundle, deliver, dir, directory, disk, file, isLinux, isRoot, nanosOf, single, ways } from "../Sandbox.ts"

const mebibyte = 1024 * 1024
const run = (command: string, ...args: ReadonlyArray<string>) => execFileSync(command, args, { stdio: "pipe" })

/**
 * A disk that takes less than it says: a file system in a file, with no room below for what is written to it. Calls that write succeed, and
 * the write-back of their pages does not.
 */
const thinDisk = Effect.gen(function* () {
  const base = yield* directory
  const at = `${base}/disk`
  const mounted = (where: string, ...args: ReadonlyArray<string>) =>
    Effect.acquireRelease(
      Effect.sync(() => run("mount", ...args, where)),
      () => Effect.sync(() => void spawnSync("umount", ["--lazy", where]))
    )
  fs.mkdirSync(at)
  fs.mkdirSync(`${base}/below`)
  yield* mounted(`${base}/below`, "-t", "tmpfs", "-o", "size=1200k", "tmpfs")
  fs.writeFileSync(`${base}/below/image`, "")
  fs.truncateSync(`${base}/below/image`, 64 * mebibyte)
  run("mkfs.ext4", "-q", "-O", "^has_journal", "-E", "nodiscard", `${base}/below/image`)
  yield* mounted(at, "-o", "loop", `${base}/below/image`)
  return `${at}/tree`
})

/** Can this machine make such a disk? A container often may not. */
const canMount =
  isRoot &&
  isLinux &&
  spawnSync("sh", ["-c", "command -v mkfs.ext4 && losetup -f && unshare --mount true"]).status === 0
if (!canMount) console.log("Sync.test.ts: no disk that refuses write-back can be made here: its tests are skipped")

const big = [dir(""), file("big", 8 * mebibyte)]
const content = Buffer.alloc(8 * mebibyte, 7)
const small = [dir(""), dir("d"), ...[0, 1, 2, 3, 4, 5, 6, 7].map((one) => file(`d/${one}`, mebibyte / 2))]

describe.skipIf(!canMount).each(ways)("a disk that refuses write-back, $name", (way) => {
  it.live("is not found where nobody waits for it", () =>
    Effect.gen(function* () {
      const store = yield* disk(yield* thinDisk, way)
      yield* store.prepare(big)
      assert.deepStrictEqual([yield* deliver(store, single(big), content), yield* store.finish], [[], []])
    })
  )

  it.live("a file that it does not take is a failure, and does not replace the old one", () =>
    Effect.gen(function* () {
      const at = yield* thinDisk
      const store = yield* disk(at, way, undefined, { syncs: true })
      yield* store.prepare(big)
      fs.writeFileSync(`${at}/big`, "old")
      const failures = yield* deliver(store, single(big), content)
      assert.deepStrictEqual(
        failures.map(({ entry }) => entry),
        [1]
      )
      assert.match(failures[0].reason, /\((?:EIO|ENOSPC)\)/)
      assert.strictEqual(fs.readFileSync(`${at}/big`, "utf8"), "old")
      assert.deepStrictEqual(fs.readdirSync(at), ["big"])
    })
  )

  it.live("the files of a bundle that it does not take are failures, and no others", () =>
    Effect.gen(function* () {
      const at = yield* thinDisk
      const store = yield* disk(at, way)
      const policy = { ...Policy.defaults, syncs: true }
      yield* store.prepare(small, { policy, changes: yield* store.survey(small, policy) })
      const failures = yield* deliver(store, bundle(small), content.subarray(0, 4 * mebibyte))
      // The disk has room for two of the eight at most. What the others have in the end is not compared: a loop device takes a write
      // of which its full file took a part for a whole one, and nobody is told of the rest.
      assert.isAtLeast(failures.length, 4)
      const failed = new Set(failures.map(({ entry }) => `${entry - 2}`))
      const whole = ["0", "1", "2", "3", "4", "5", "6", "7"].filter((name) => !failed.has(name))
      assert.deepStrictEqual(fs.readdirSync(`${at}/d`).toSorted(), whole)
    })
  )

  it.live("what stood there before is not said to be there either", () =>
    Effect.gen(function* () {
      const at = yield* thinDisk
      fs.mkdirSync(at)
      fs.writeFileSync(`${at}/big`, content)
      const { metadata } = big[1]
      fs.utimesSync(`${at}/big`, Number(nanosOf(metadata)) / 1e9, metadata.mtimeSeconds)
      const store = yield* disk(at, way, undefined, { syncs: true })
      const changes = yield* store.survey(big, Policy.defaults)
      assert.isFalse(Compare.isLacked(changes[1]))
      yield* store.prepare(big, { policy: Policy.defaults, changes })
      assert.isAtLeast((yield* store.finish).length, 1)
    })
  )
})

describe.each(ways)("a disk that takes all, $name", (way) => {
  it.live("has the tree, and no temporary name is left", () =>
    Effect.gen(function* () {
      const at = `${yield* directory}/tree`
      const store = yield* disk(at, way, undefined, { syncs: true })
      const names = Array.from({ length: 70 }, (_, one) => `${one}`)
      const entries = [dir(""), dir("d"), ...names.map((name) => file(`d/${name}`, 1, { mode: 0o640 }))]
      yield* store.prepare(entries)
      assert.deepStrictEqual(yield* deliver(store, bundle(entries), "x".repeat(70)), [])
      assert.deepStrictEqual(yield* store.finish, [])
      assert.deepStrictEqual(fs.readdirSync(`${at}/d`).toSorted(), names.toSorted())
      const { mode, mtimeNs } = fs.statSync(`${at}/d/69`, { bigint: true })
      assert.deepStrictEqual([mode & 0o777n, mtimeNs / 1000n], [0o640n, nanosOf(entries[2].metadata) / 1000n])
      assert.strictEqual(fs.readFileSync(`${at}/d/69`, "utf8"), "x")
    })
  )
})
