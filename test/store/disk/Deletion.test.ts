/** Deletion on a disk: nothing outside the destination, nothing that is mounted, nothing of the tree's own. [Y-6] */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { execFileSync, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as Filter from "../../../src/filter/Filter.ts"
import * as Rules from "../../../src/filter/Text.ts"
import * as Compare from "../../../src/tree/Compare.ts"
import * as Policy from "../../../src/tree/Policy.ts"
import {
  bundle,
  deliver,
  dir,
  directory,
  disk,
  file,
  hardLink,
  isLinux,
  isRoot,
  names,
  symlink,
  ways
} from "../Sandbox.ts"

const all = { isDry: false, spared: [], most: Infinity }
/** A receiver's filter of one rule. */
const filtered = (rule: string): Filter.Filter =>
  Filter.make(Result.getOrThrow(Rules.decode(Buffer.from(`${rule}\0`))), {
    ...{ side: "Receiver", root: "" },
    sources: { read: () => Result.succeed(undefined), isNulSeparated: false, cvsWords: "" }
  })

const canMount = isRoot && spawnSync("unshare", ["--mount", "true"]).status === 0

describe.each(ways)("$name", (way) => {
  /** A destination with a directory d, into which a file came; what else stands there is put before. */
  const after = Effect.fnUntraced(function* (put: (at: string, beside: string) => void) {
    const beside = yield* directory
    const at = `${beside}/destination`
    const store = yield* disk(at, way)
    const entries = [dir("d"), file("d/f", 1)]
    yield* store.prepare(entries)
    yield* deliver(store, bundle(entries), "f")
    put(`${at}/d`, beside)
    return { at, beside, store }
  })

  it.effect("a link goes, and what it leads to stays", () =>
    Effect.gen(function* () {
      const { at, beside, store } = yield* after((at, beside) => {
        fs.mkdirSync(`${beside}/outside`)
        fs.writeFileSync(`${beside}/outside/precious`, "x")
        fs.symlinkSync(`${beside}/outside`, `${at}/link`)
        fs.mkdirSync(`${at}/old`)
        fs.symlinkSync("../../../outside", `${at}/old/link`)
      })
      assert.deepStrictEqual(yield* store.deleteOthers(all), { count: 3, vetoed: 0, failures: [] })
      assert.deepStrictEqual(names(at), ["d", "d/f"])
      assert.deepStrictEqual(fs.readdirSync(`${beside}/outside`), ["precious"])
    })
  )

  it.effect("a dry run makes nothing, not even the destination", () =>
    Effect.gen(function* () {
      const at = `${yield* directory}/nowhere yet`
      const store = yield* disk(at, way)
      const policy = { ...Policy.defaults, isDryRun: true, deletes: true }
      const changes = yield* store.survey([dir(""), dir("d"), file("d/f", 1)], policy)
      assert.isTrue(changes.every((change) => Compare.isLacked(change)))
      assert.deepStrictEqual(yield* store.deleteOthers({ ...all, isDry: true }), { count: 0, vetoed: 0, failures: [] })
      assert.isFalse(fs.existsSync(at))
    })
  )

  it.effect("nor does one that follows a session whose destination is gone", () =>
    Effect.gen(function* () {
      const { at, store } = yield* after(() => {})
      fs.rmSync(at, { recursive: true })
      yield* store.survey([dir(""), file("f", 1)], { ...Policy.defaults, isDryRun: true, deletes: true })
      assert.deepStrictEqual(yield* store.deleteOthers({ ...all, isDry: true }), { count: 0, vetoed: 0, failures: [] })
      assert.isFalse(fs.existsSync(at))
    })
  )

  it.effect("another name of a file that is still to be made anew goes", () =>
    Effect.gen(function* () {
      const at = `${yield* directory}/destination`
      fs.mkdirSync(at)
      fs.writeFileSync(`${at}/a`, "old")
      for (const name of ["b", "other"]) fs.linkSync(`${at}/a`, `${at}/${name}`)
      const store = yield* disk(at, way)
      const entries = [dir(""), file("a", 1), hardLink("b", 1), hardLink("missing", 1)]
      yield* store.prepare(entries)
      assert.deepStrictEqual(yield* store.deleteOthers(all), { count: 1, vetoed: 0, failures: [] })
      assert.deepStrictEqual(names(at), ["a", "b"])
    })
  )

  it.effect("temporary files of others stay, and directories that we may not write to go", () =>
    Effect.gen(function* () {
      const { at, store } = yield* after((at) => {
        fs.writeFileSync(`${at}/.g.mrsync-AbCd12`, "of another catcher")
        fs.mkdirSync(`${at}/shut/deep`, { recursive: true })
        fs.writeFileSync(`${at}/shut/deep/x`, "x")
        fs.chmodSync(`${at}/shut/deep`, 0o500)
        fs.chmodSync(`${at}/shut`, 0o500)
      })
      assert.deepStrictEqual(yield* store.deleteOthers(all), { count: 3, vetoed: 0, failures: [] })
      assert.deepStrictEqual(names(at), ["d", "d/.g.mrsync-AbCd12", "d/f"])
    })
  )

  it.effect("what only looks like a temporary file goes: other characters at the end, or a directory", () =>
    Effect.gen(function* () {
      const { at, store } = yield* after((at) => {
        for (const name of [".a.mrsync-abcd.r", ".a.mrsync-ab d-f", "a.mrsync-abcdef", ".a.mrsync-abcde"])
          fs.writeFileSync(`${at}/${name}`, "x")
        fs.mkdirSync(`${at}/.d.mrsync-abcdef`)
        fs.writeFileSync(`${at}/.d.mrsync-abcdef/x`, "x")
        fs.symlinkSync("f", `${at}/.l.mrsync-abcdef`)
      })
      assert.deepStrictEqual(yield* store.deleteOthers(all), { count: 6, vetoed: 0, failures: [] })
      assert.deepStrictEqual(names(at), ["d", "d/.l.mrsync-abcdef", "d/f"])
    })
  )

  it.effect("a directory in which something stays keeps its mode", () =>
    Effect.gen(function* () {
      const { at, store } = yield* after((at) => {
        fs.mkdirSync(`${at}/shut/deep`, { recursive: true })
        for (const name of ["a", "deep/b", "deep/a.keep"]) fs.writeFileSync(`${at}/shut/${name}`, "x")
        for (const name of ["shut/deep", "shut"]) fs.chmodSync(`${at}/${name}`, 0o2550)
      })
      assert.strictEqual((yield* store.deleteOthers({ ...all, filter: filtered("- *.keep") })).count, 2)
      assert.deepStrictEqual(names(at), ["d", "d/f", "d/shut", "d/shut/deep", "d/shut/deep/a.keep"])
      assert.deepStrictEqual(
        ["shut", "shut/deep"].map((name) => fs.statSync(`${at}/d/${name}`).mode & 0o7777),
        [0o2550, 0o2550]
      )
    })
  )

  it.effect("more than may go stay, and their directories, and that is a failure", () =>
    Effect.gen(function* () {
      const { at, store } = yield* after((at) => {
        fs.mkdirSync(`${at}/old`)
        for (const name of ["1", "2", "3"]) fs.writeFileSync(`${at}/old/${name}`, "x")
      })
      const { count, failures } = yield* store.deleteOthers({ isDry: false, spared: [], most: 2 })
      assert.deepStrictEqual([count, failures.length, names(at).length], [2, 1, 4])
      assert.match(failures[0].reason, /^2 more were not deleted/)
    })
  )

  it.effect("a directory makes way for a file only where the policy says so", () =>
    Effect.gen(function* () {
      const { at, store } = yield* after((at) => {
        fs.rmSync(`${at}/f`)
        fs.mkdirSync(`${at}/f/deep`, { recursive: true })
      })
      const entries = [dir("d"), file("d/f", 1)]
      for (const forces of [false, true]) {
        const policy = { ...Policy.defaults, forces }
        yield* store.prepare(entries, { policy, changes: yield* store.survey(entries, policy) })
        assert.strictEqual((yield* deliver(store, bundle(entries), "f")).length, forces ? 0 : 1)
      }
      assert.deepStrictEqual(names(at), ["d", "d/f"])
    })
  )

  it.effect("a directory in which rules keep something makes no way, and keeps all", () =>
    Effect.gen(function* () {
      const { at, store } = yield* after((at) => {
        fs.rmSync(`${at}/f`)
        fs.mkdirSync(`${at}/f/deep`, { recursive: true })
        for (const name of ["f/other", "f/deep/a.keep"]) fs.writeFileSync(`${at}/${name}`, "x")
      })
      const entries = [dir("d"), file("d/f", 1)]
      const policy = { ...Policy.defaults, forces: true }
      yield* store.prepare(entries, {
        policy,
        changes: yield* store.survey(entries, policy),
        filter: filtered("- *.keep")
      })
      const [failure] = yield* deliver(store, bundle(entries), "f")
      assert.match(failure.reason, /directory/)
      assert.deepStrictEqual(names(at), ["d", "d/f", "d/f/deep", "d/f/deep/a.keep", "d/f/other"])
    })
  )

  it.effect("a directory with more than may go makes no way, and what went counts", () =>
    Effect.gen(function* () {
      const { at, store } = yield* after((at) => {
        fs.rmSync(`${at}/f`)
        for (const name of ["f/1", "f/2", "f/deep"]) fs.mkdirSync(`${at}/${name}`, { recursive: true })
        fs.writeFileSync(`${at}/old`, "x")
      })
      const entries = [dir("d"), file("d/f", 1)]
      for (const mostDeleted of [2, 3]) {
        const policy = { ...Policy.defaults, forces: true, mostDeleted }
        yield* store.prepare(entries, { policy, changes: yield* store.survey(entries, policy) })
        assert.strictEqual((yield* deliver(store, bundle(entries), "f")).length, mostDeleted === 2 ? 1 : 0)
        assert.strictEqual(names(at).length, mostDeleted === 2 ? 6 : 3)
      }
      assert.strictEqual((yield* store.deleteOthers({ ...all, most: 3 })).count, 0)
      assert.include(names(at), "d/old")
    })
  )

  it.effect("where a file of rules of the destination cannot be used nothing goes, and that is a failure", () =>
    Effect.gen(function* () {
      const beside = yield* directory
      const store = yield* disk(`${beside}/destination`, way)
      yield* store.prepare([dir("")])
      fs.writeFileSync(`${beside}/destination/.rules`, "bogus\n")
      const { count, failures } = yield* store.deleteOthers({ ...all, filter: filtered(": .rules") })
      assert.deepStrictEqual([count, failures.length], [0, 1])
    })
  )

  it.effect("a link that was right and is gone is a failure [Y-5]", () =>
    Effect.gen(function* () {
      const { at, store } = yield* after((at) => fs.symlinkSync("f", `${at}/link`))
      const link = symlink("d/link", "f")
      const entries = [dir("d"), link]
      const changes = yield* store.survey(entries, Policy.defaults)
      assert.isFalse(Compare.isLacked(changes[1]))
      yield* store.prepare(entries, { policy: Policy.defaults, changes })
      fs.rmSync(`${at}/d/link`)
      assert.deepStrictEqual(
        (yield* store.finish).map(({ entry }) => entry),
        [1]
      )
    })
  )

  it.effect.skipIf(!canMount)("what is mounted stays", () =>
    Effect.gen(function* () {
      const { at, store } = yield* after((at) => fs.mkdirSync(`${at}/old/mounted`, { recursive: true }))
      yield* Effect.acquireRelease(
        Effect.sync(() => execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", `${at}/d/old/mounted`])),
        () => Effect.sync(() => execFileSync("umount", ["-l", `${at}/d/old/mounted`]))
      )
      fs.writeFileSync(`${at}/d/old/mounted/precious`, "x")
      const { count, failures } = yield* store.deleteOthers(all)
      assert.deepStrictEqual([count, failures.length], [0, 1])
      assert.match(failures[0].reason, /something is mounted there/)
      assert.include(names(at), "d/old/mounted/precious")
    })
  )

  // without /proc nothing but another file system tells
  if (way.handles) {
    it.effect.skipIf(!canMount)("what is mounted from the same file system stays", () =>
      Effect.gen(function* () {
        const { at, beside, store } = yield* after((at, beside) => {
          fs.mkdirSync(`${at}/old/mounted`, { recursive: true })
          fs.mkdirSync(`${beside}/outside`)
          fs.writeFileSync(`${beside}/outside/precious`, "x")
        })
        yield* Effect.acquireRelease(
          Effect.sync(() => execFileSync("mount", ["--bind", `${beside}/outside`, `${at}/d/old/mounted`])),
          () => Effect.sync(() => execFileSync("umount", ["-l", `${at}/d/old/mounted`]))
        )
        const { count, failures } = yield* store.deleteOthers(all)
        assert.deepStrictEqual([count, failures.length], [0, 1])
        assert.deepStrictEqual(fs.readdirSync(`${beside}/outside`), ["precious"])
      })
    )
  }

  it.effect("what another catcher of the destination deletes meanwhile is no failure", () =>
    Effect.gen(function* () {
      const { at, store } = yield* after((at) => {
        for (const name of ["1", "2", "3"]) {
          fs.mkdirSync(`${at}/old/${name}`, { recursive: true })
          fs.writeFileSync(`${at}/old/${name}/x`, "x")
        }
      })
      // as soon as the first is gone
      const told = () => fs.rmSync(`${at}/d/old`, { recursive: true, force: true })
      assert.deepStrictEqual((yield* store.deleteOthers({ ...all, told })).failures, [])
      assert.deepStrictEqual(names(at), ["d", "d/f"])
    })
  )
})

/** Runs beside an effect, and tells of the most names that it was told of between two turns of its own, and how often it ran. */
const beside = Effect.fnUntraced(function* <A, E>(told: () => number, effect: Effect.Effect<A, E>) {
  let [most, turns] = [0, 0]
  const watching = Effect.gen(function* () {
    for (let before = told(); ; before = told()) {
      yield* Effect.yieldNow
      most = Math.max(most, told() - before)
      turns++
    }
  })
  const value = yield* Effect.raceFirst(effect, watching)
  return { most, turns, value }
})

describe("a tree of many names", () => {
  const planted = Effect.fnUntraced(function* (count: number) {
    const base = yield* directory
    fs.mkdirSync(`${base}/old/many`, { recursive: true })
    for (let i = 0; i < count; i++) fs.writeFileSync(`${base}/old/many/${i}`, "")
    const store = yield* disk(base)
    const entries = [dir("")]
    const changes = yield* store.survey(entries, { ...Policy.defaults, deletes: true })
    yield* store.prepare(entries, { policy: { ...Policy.defaults, deletes: true }, changes })
    return { base, store }
  })

  it.effect("is deleted in turns, and foreseen in turns", () =>
    Effect.gen(function* () {
      const { base, store } = yield* planted(600)
      for (const isDry of [true, false]) {
        let count = 0
        const deleting = store.deleteOthers({ ...all, isDry, told: () => void count++ })
        const { most, turns, value } = yield* beside(() => count, deleting)
        assert.deepStrictEqual([value.count, value.failures], [602, []])
        assert.isAtMost(most, 32)
        assert.isAtLeast(turns, 600 / 64)
      }
      assert.deepStrictEqual(names(base), [])
    })
  )

  it.effect("that is interrupted is left as it is", () =>
    Effect.gen(function* () {
      const { base, store } = yield* planted(300)
      let count = 0
      const isBegun = Effect.repeat(Effect.yieldNow, { until: () => count > 100 })
      yield* Effect.raceFirst(store.deleteOthers({ ...all, told: () => void count++ }), isBegun)
      const left = fs.readdirSync(`${base}/old/many`).length
      assert.strictEqual(left, 300 - count)
      assert.isAbove(left, 100)
      yield* Effect.yieldNow
      assert.strictEqual(fs.readdirSync(`${base}/old/many`).length, left)
      // what is left goes another time
      assert.strictEqual((yield* store.deleteOthers(all)).count, left + 2)
    })
  )

  it.effect("makes way in turns, and all of it or nothing", () =>
    Effect.gen(function* () {
      const { base, store } = yield* planted(300)
      const entries = [dir(""), file("old", 1)]
      for (const mostDeleted of [300, 301]) {
        const policy = { ...Policy.defaults, forces: true, mostDeleted }
        yield* store.prepare(entries, { policy, changes: yield* store.survey(entries, policy) })
        const { turns, value } = yield* beside(() => 0, deliver(store, bundle(entries), "o"))
        assert.isAtLeast(turns, 300 / 64)
        assert.deepStrictEqual(
          value.map(({ reason }) => reason),
          mostDeleted === 301 ? [] : ["a directory is in its place: --max-delete 300 (ENOTEMPTY)"]
        )
        if (mostDeleted === 300) assert.strictEqual(fs.readdirSync(`${base}/old/many`).length, 300)
      }
      assert.strictEqual(fs.readFileSync(`${base}/old`, "utf8"), "o")
    })
  )

  it.effect.skipIf(!isLinux)("may be deeper than any path is long", () =>
    Effect.gen(function* () {
      const { base, store } = yield* planted(1)
      const script = `const name = "a".repeat(60)
        for (let i = 0; i < 100; i++) { fs.mkdirSync(name); process.chdir(name) }
        fs.writeFileSync("end", "")`
      execFileSync(process.execPath, ["-e", script], { cwd: `${base}/old` })
      assert.strictEqual((yield* store.deleteOthers({ ...all, isDry: true })).count, 104)
      assert.deepStrictEqual(yield* store.deleteOthers(all), { count: 104, vetoed: 0, failures: [] })
      assert.deepStrictEqual(names(base), [])
    })
  )
})
