/** A destination that is changed between the survey and the commit: never a wrong success. [Y-5] */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import { execFileSync } from "node:child_process"
import * as Lacks from "../../../src/tree/Lacks.ts"
import * as Compare from "../../../src/tree/Compare.ts"
import * as Policy from "../../../src/tree/Policy.ts"
import { bundle, deliver, dir, directory, disk, file, hardLink, isRoot, names, symlink, ways } from "../Sandbox.ts"

/** All of it stands there already, but for the file that is lacked. */
const entries = [
  dir(""),
  dir("d"),
  file("d/f", 1),
  dir("d/empty"),
  symlink("link", "d/f"),
  file("lacked", 1),
  hardLink("twin", 2)
]

/** What happens, and which entries it hits; of two lists the first is before the preparation. None: it is put right. */
const changes: ReadonlyArray<
  readonly [string, (at: string, outside: string) => void, ReadonlyArray<number>, ReadonlyArray<number>?]
> = [
  ["a file that was right is written", (at) => fs.writeFileSync(`${at}/d/f`, "longer"), [2, 6]],
  ["it is written in the same size", (at) => fs.writeFileSync(`${at}/d/f`, "x"), [2, 6]],
  ["it is gone", (at) => fs.rmSync(`${at}/d/f`), [2, 6]],
  ["it is a directory", (at) => (fs.rmSync(`${at}/d/f`), fs.mkdirSync(`${at}/d/f`)), [2, 6]],
  [
    "it is a link to outside",
    (at, outside) => (fs.rmSync(`${at}/d/f`), fs.symlinkSync(`${outside}/f`, `${at}/d/f`)),
    [2, 6]
  ],
  ["it is a FIFO", (at) => (fs.rmSync(`${at}/d/f`), execFileSync("mkfifo", [`${at}/d/f`])), [2, 6]],
  ["a link leads elsewhere", (at) => (fs.rmSync(`${at}/link`), fs.symlinkSync("elsewhere", `${at}/link`)), [4]],
  ["a link is a file", (at) => (fs.rmSync(`${at}/link`), fs.writeFileSync(`${at}/link`, "")), [4]],
  ["a hard link is a file of its own", (at) => (fs.rmSync(`${at}/twin`), fs.writeFileSync(`${at}/twin`, "")), []],
  ["a directory is gone", (at) => fs.rmdirSync(`${at}/d/empty`), [], [3]],
  ["a directory is a file", (at) => (fs.rmdirSync(`${at}/d/empty`), fs.writeFileSync(`${at}/d/empty`, "")), [], [3]],
  [
    "a directory is a link to outside",
    (at, outside) => (fs.rmSync(`${at}/d`, { recursive: true }), fs.symlinkSync(outside, `${at}/d`)),
    [1, 2, 3, 6]
  ],
  [
    "a directory appears where a file comes",
    (at) => (fs.rmSync(`${at}/lacked`), fs.mkdirSync(`${at}/lacked/x`, { recursive: true })),
    [5]
  ],
  [
    "a link to outside appears where a file comes",
    (at, outside) => (fs.rmSync(`${at}/lacked`), fs.symlinkSync(`${outside}/f`, `${at}/lacked`)),
    []
  ]
]

/** What somebody sets, and whether root alone can; undefined: of a file that is known by its content. */
const described: ReadonlyArray<readonly [string, (at: string) => void, boolean?]> = [
  ["the mode of a file that was right is changed", (at) => fs.chmodSync(`${at}/d/f`, 0o600), false],
  ["its owner is changed", (at) => fs.chownSync(`${at}/d/f`, 4242, 4243), true],
  ["the owner of a link is changed", (at) => fs.lchownSync(`${at}/link`, 4242, 4243), true],
  ["the time of a link is changed", (at) => fs.lutimesSync(`${at}/link`, 1, 1), false],
  ["the mode of a directory is changed", (at) => fs.chmodSync(`${at}/d/empty`, 0o700), false],
  ["the mode of a file that was hashed is changed", (at) => fs.chmodSync(`${at}/d/f`, 0o600)],
  ["the time of a file that was hashed is changed", (at) => fs.utimesSync(`${at}/d/f`, 1, 1)]
]

/** What is described of what stands there. */
const seen = (at: string) =>
  ["d/f", "link", "d/empty"].map((name) => {
    const { gid, mode, mtimeMs, uid } = fs.lstatSync(`${at}/${name}`)
    return { name, mode: mode & 0o7777, uid, gid, seconds: Math.floor(mtimeMs / 1000) }
  })

describe.each(ways)("$name", (way) => {
  const surveyedBy = Effect.fnUntraced(function* (policy: Policy.Policy) {
    const beside = yield* directory
    const at = `${beside}/destination`
    const store = yield* disk(at, way)
    yield* store.prepare(entries)
    yield* deliver(store, bundle(entries), "fl")
    assert.deepStrictEqual(yield* store.finish, [])
    fs.writeFileSync(`${at}/lacked`, "older")
    fs.mkdirSync(`${beside}/outside`)
    fs.writeFileSync(`${beside}/outside/f`, "precious")
    const surveyed = yield* store.survey(entries, policy)
    const pageBytes = 1408
    const doubted = Lacks.among(entries.length, (index) => Compare.isDoubted(surveyed[index]))
    const hashes = yield* store.hash(doubted, { pageBytes })
    const found = surveyed.map((change, index) =>
      Compare.isDoubted(change) ? Compare.resolved(change, hashes.get(index) !== undefined) : change
    )
    assert.deepStrictEqual(
      [...found].flatMap((change, index) => (change === 0 ? [] : [index])),
      [5]
    )
    return { at, beside, store, prepare: store.prepare(entries, { policy, changes: found }) }
  })
  const surveyed = surveyedBy(Policy.defaults)

  const carried = { ...bundle([entries[5]]), members: [{ entry: 5, offset: 0, size: 1 }] }

  it.effect.each(changes)("%s", ([, change, early, late = early]) =>
    Effect.gen(function* () {
      for (const isLate of [false, true]) {
        const hit = isLate ? late : early
        const { at, beside, prepare, store } = yield* surveyed
        if (!isLate) change(at, `${beside}/outside`)
        const failures = [...(yield* prepare)]
        if (isLate) change(at, `${beside}/outside`)
        failures.push(...(yield* deliver(store, carried, "n")), ...(yield* store.finish))
        const failed = new Set(failures.map(({ entry }) => entry))
        assert.deepStrictEqual([...failed].toSorted(), [...hit], isLate ? "after the preparation" : "before it")
        assert.deepStrictEqual(names(`${beside}/outside`), ["f"])
        assert.strictEqual(fs.readFileSync(`${beside}/outside/f`, "utf8"), "precious")
        if (hit.length === 0) {
          assert.strictEqual(fs.readFileSync(`${at}/lacked`, "utf8"), "n")
          assert.strictEqual(fs.statSync(`${at}/twin`).ino, fs.statSync(`${at}/d/f`).ino)
        }
      }
    })
  )

  it.effect("a file of another mode is written in the same size: it does not get the source's time", () =>
    Effect.gen(function* () {
      const { at, store } = yield* surveyed
      fs.chmodSync(`${at}/d/f`, 0o600)
      const found = yield* store.survey(entries, Policy.defaults)
      assert.deepStrictEqual([found[2], found[5] !== 0], [Compare.change.Mode, true])
      fs.writeFileSync(`${at}/d/f`, "x")
      const failures = [...(yield* store.prepare(entries, { policy: Policy.defaults, changes: found }))]
      failures.push(...(yield* deliver(store, carried, "n")), ...(yield* store.finish))
      assert.deepStrictEqual([...new Set(failures.map(({ entry }) => entry))].toSorted(), [2, 6])
      // and the next session finds it
      assert.isTrue(Compare.isDoubted((yield* store.survey(entries, Policy.defaults))[2]))
    })
  )

  it.effect.each(described)("%s: it is put right", ([, change, isOnlyRoots]) =>
    Effect.gen(function* () {
      if (isOnlyRoots === true && !isRoot) return
      const policy = { ...Policy.defaults, ...(isOnlyRoots === undefined ? { compare: "Content" as const } : {}) }
      for (const isLate of [false, true]) {
        const { at, prepare, store } = yield* surveyedBy(policy)
        const before = seen(at)
        if (!isLate) change(at)
        const failures = [...(yield* prepare)]
        if (isLate) change(at)
        assert.notDeepEqual(seen(at), before)
        failures.push(...(yield* deliver(store, carried, "n")), ...(yield* store.finish))
        assert.deepStrictEqual(failures, [])
        assert.deepStrictEqual(seen(at), before)
        const found = yield* store.survey(entries, Policy.defaults)
        assert.deepStrictEqual([...found], Array(entries.length).fill(0))
      }
    })
  )

  it.effect("what the policy does not carry stays as somebody has made it", () =>
    Effect.gen(function* () {
      const { at, prepare, store } = yield* surveyedBy({ ...Policy.defaults, leavesMode: true })
      yield* prepare
      fs.chmodSync(`${at}/d/f`, 0o600)
      yield* deliver(store, carried, "n")
      assert.deepStrictEqual(yield* store.finish, [])
      assert.strictEqual(fs.statSync(`${at}/d/f`).mode & 0o7777, 0o600)
    })
  )

  it.effect("the destination is replaced: all of it fails [F-8]", () =>
    Effect.gen(function* () {
      for (const isLate of [false, true]) {
        const { at, beside, prepare, store } = yield* surveyed
        const replace = () => {
          fs.renameSync(at, `${beside}/moved`)
          fs.cpSync(`${beside}/moved`, at, { recursive: true, preserveTimestamps: true })
        }
        if (!isLate) replace()
        const prepared = yield* Effect.result(prepare)
        if (isLate) replace()
        const ended = isLate ? yield* Effect.result(store.finish) : prepared
        assert.isTrue(Result.isFailure(ended))
      }
    })
  )
})
