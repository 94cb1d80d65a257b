/**
 * Eight names that differ in case alone came to five files on a destination that does not tell them apart, and all was
 * called complete. What cannot be told apart is a failure, and what came first stays whole.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as fs from "node:fs"
import { afterEach, vi } from "vitest"
import type { Entry } from "../../src/tree/Entry.ts"
import type { Failure } from "../../src/wire/Message.ts"
import * as Compare from "../../src/tree/Compare.ts"
import * as Policy from "../../src/tree/Policy.ts"
import { foldBelow } from "../store/folding.ts"
import {
  bundle,
  deliver,
  dir,
  directory,
  disk,
  fifo,
  file,
  hardLink,
  names,
  receive,
  single,
  symlink,
  veto
} from "../store/Sandbox.ts"

vi.mock("node:fs", async (original) => {
  const { folding } = await import("../store/folding.ts")
  return folding(await original())
})

// openat and renameat would go past the file system that is made up here
const way = { handles: true, koffi: false }

afterEach(() => foldBelow(undefined))

const received = Effect.fnUntraced(function* (entries: ReadonlyArray<Entry>, isFolding: boolean, isSingle = false) {
  const base = yield* directory
  if (isFolding) foldBelow(base)
  const store = yield* disk(base, way)
  const failures: Array<Failure> = []
  const files = entries.flatMap((entry, index) => (entry._tag === "File" ? [index] : []))
  // every file's content is the last digit of its index
  if (isSingle) {
    failures.push(...(yield* store.prepare(entries)))
    for (const index of files) failures.push(...(yield* deliver(store, single(entries, index), String(index % 10))))
    failures.push(...(yield* store.finish))
  } else failures.push(...(yield* receive(store, entries, files.map((index) => index % 10).join(""))))
  failures.sort((a, b) => a.entry - b.entry)
  return { base, store, failures, failed: failures.map(({ entry }) => entry) }
})

const eight = ["readme", "README", "Readme", "ReadMe", "a", "A", "b", "c"].map((name) => file(name, 1))

describe("a destination that does not tell case apart", () => {
  for (const isSingle of [false, true]) {
    it.effect(`files ${isSingle ? "alone" : "in a bundle"}: the first stays, the others fail, with its name`, () =>
      Effect.gen(function* () {
        const { base, failed, failures } = yield* received(eight, true, isSingle)
        assert.deepStrictEqual(failed, [1, 2, 3, 5])
        assert.strictEqual(failures[0].reason, "the destination cannot tell its name from readme (ENOTUNIQ)")
        assert.deepStrictEqual(names(base), ["a", "b", "c", "readme"])
        assert.strictEqual(fs.readFileSync(`${base}/readme`, "utf8"), "0")
        assert.strictEqual(fs.readFileSync(`${base}/a`, "utf8"), "4")
      })
    )
  }

  it.effect("a name of which nothing is left is none of the destination's own", () =>
    Effect.gen(function* () {
      const { base, failures } = yield* received([dir(""), file(" ", 1), file("...", 1)], false)
      assert.deepStrictEqual(failures, [])
      assert.deepStrictEqual(names(base), [" ", "..."])
    })
  )

  it.effect("directories: what is below the second does not get into the first", () =>
    Effect.gen(function* () {
      const entries = [dir("d"), file("d/x", 1), dir("D"), file("D/x", 1), file("D/y", 1), dir("D/e"), file("D/e/z", 1)]
      const { base, failed, failures } = yield* received(entries, true)
      assert.deepStrictEqual(failed, [2, 3, 4, 5, 6])
      assert.include(failures[2].reason, "cannot tell its directory D from another")
      assert.deepStrictEqual(names(base), ["d", "d/x"])
      assert.strictEqual(fs.readFileSync(`${base}/d/x`, "utf8"), "1")
    })
  )

  it.effect("links, FIFOs and hard links, and accents that are spelt in two ways", () =>
    Effect.gen(function* () {
      const entries = [
        ...[
          symlink("l", "x"),
          symlink("L", "y"),
          fifo("p"),
          fifo("P"),
          file("f", 1),
          hardLink("F", 4),
          hardLink("g", 4)
        ],
        ...[file("\u00e9", 1), file("e\u0301", 1)]
      ]
      const { base, failed } = yield* received(entries, true)
      assert.deepStrictEqual(failed, [1, 3, 5, 8])
      assert.strictEqual(fs.readlinkSync(`${base}/l`), "x")
      assert.strictEqual(fs.lstatSync(`${base}/g`).ino, fs.lstatSync(`${base}/f`).ino)
    })
  )

  it.effect("the same again, and nothing is recognised that is another's", () =>
    Effect.gen(function* () {
      const entries = ["a", "A"].map((name) => file(name, 1))
      const { store } = yield* received(entries, true)
      const again = [...(yield* store.prepare(entries)), ...(yield* deliver(store, bundle(entries), "01"))]
      assert.deepStrictEqual(
        again.map(({ entry }) => entry),
        [1]
      )
      assert.isTrue(Option.isNone(yield* store.existing(bundle(entries))))
    })
  )
})

const all = { isDry: false, spared: [], most: Infinity }

describe("a destination that does not tell case apart, and a policy", () => {
  /** A session of files that one bundle carries; its failures, and how the deletion went. */
  const synced = Effect.fnUntraced(function* (base: string, entries: ReadonlyArray<Entry>, content: string) {
    const store = yield* disk(base, way)
    const policy = { ...Policy.defaults, deletes: true }
    const changes = yield* store.survey(entries, policy)
    const foreseen = yield* store.deleteOthers({ ...all, isDry: true })
    const failures = [...(yield* store.prepare(entries, { policy, changes }))]
    const carried = bundle(entries)
    const skip = (member: number) => !Compare.isLacked(changes[carried.members[member].entry])
    failures.push(
      ...(yield* Effect.scoped(
        Effect.gen(function* () {
          const writer = yield* store.open(carried)
          yield* writer.write(0, Buffer.from(content))
          return yield* writer.commit(skip)
        })
      ))
    )
    const { count } = yield* store.deleteOthers(all)
    failures.push(...(yield* store.finish))
    return { failed: [...new Set(failures.map(({ entry }) => entry))].sort(), counts: [foreseen.count, count] }
  })

  it.effect("what came to the first of two directories is not deleted for the second [Y-6]", () =>
    Effect.gen(function* () {
      const base = yield* directory
      foldBelow(base)
      const entries = [dir(""), dir("d"), file("d/x", 1), dir("d/s"), file("d/s/x", 1), dir("D"), dir("D/s")]
      for (let session = 0; session < 2; session++) {
        assert.deepStrictEqual(yield* synced(base, entries, "12"), { failed: [5, 6], counts: [0, 0] })
        assert.deepStrictEqual(names(base), ["d", "d/s", "d/s/x", "d/x"])
      }
      fs.writeFileSync(`${base}/d/old`, "")
      assert.deepStrictEqual((yield* synced(base, entries, "12")).counts, [1, 1])
    })
  )

  it.effect.each(["", "/Own/"])("a directory of another name makes no way (protected: %s)", (pattern) =>
    Effect.gen(function* () {
      const base = yield* directory
      foldBelow(base)
      fs.mkdirSync(`${base}/Own`)
      fs.writeFileSync(`${base}/Own/precious`, "")
      const store = yield* disk(base, way, undefined, pattern === "" ? {} : { veto: veto([pattern]) })
      const own = pattern === "" ? [dir("Own")] : []
      const policy = { ...Policy.defaults, forces: true }
      for (const other of [file("own", 1), symlink("own", "x")]) {
        const entries = [dir(""), ...own, other]
        const failures = [
          ...(yield* store.prepare(entries, { policy, changes: yield* store.survey(entries, policy) })),
          ...(other._tag === "File" ? yield* deliver(store, bundle(entries), "f") : [])
        ]
        const { entry, isVetoed } = failures[0]
        assert.deepStrictEqual([entry, isVetoed], [entries.length - 1, pattern === "" ? undefined : true])
        assert.deepStrictEqual(names(base), ["Own", "Own/precious"])
      }
    })
  )

  it.effect.each(["", "/F~"])("a backup takes the place of no other (protected: %s)", (pattern) =>
    Effect.gen(function* () {
      const base = yield* directory
      foldBelow(base)
      fs.writeFileSync(`${base}/f`, "old")
      fs.writeFileSync(`${base}/F~`, "precious")
      const store = yield* disk(base, way, undefined, pattern === "" ? {} : { veto: veto([pattern]) })
      const backup = { suffix: Buffer.from("~"), directory: new Uint8Array(0) }
      const policy = { ...Policy.defaults, backup }
      const entries = [dir(""), file("f", 1), ...(pattern === "" ? [file("F~", 8)] : [])]
      yield* store.prepare(entries, { policy, changes: yield* store.survey(entries, policy) })
      const [failure] = yield* deliver(
        store,
        { ...bundle([entries[1]]), members: [{ entry: 1, offset: 0, size: 1 }] },
        "n"
      )
      assert.deepStrictEqual([failure.entry, failure.isVetoed], [1, pattern === "" ? undefined : true])
      assert.deepStrictEqual(names(base), ["F~", "f"])
      assert.deepStrictEqual(
        ["f", "F~"].map((name) => fs.readFileSync(`${base}/${name}`, "utf8")),
        ["old", "precious"]
      )
    })
  )

  it.effect("what looks right the second time, and is another's, is a failure again", () =>
    Effect.gen(function* () {
      const base = yield* directory
      foldBelow(base)
      const twins = [file("a", 1), file("A", 1), symlink("l", "x"), symlink("L", "x"), dir("d"), dir("D")]
      const entries = [dir(""), ...twins, hardLink("other", 2)]
      for (let session = 0; session < 2; session++) {
        assert.deepStrictEqual((yield* synced(base, entries, "12")).failed, [2, 4, 6, 7])
        assert.strictEqual(fs.readFileSync(`${base}/a`, "utf8"), "1")
      }
    })
  )
})

describe("a destination that does", () => {
  it.effect("has all of them, also the second time, and recognises them", () =>
    Effect.gen(function* () {
      const entries = [...eight, dir("d"), dir("D"), file("D/x", 1), file("d/x", 1), hardLink("X", 0), hardLink("x", 0)]
      const { failed, store } = yield* received(entries, false)
      assert.deepStrictEqual(failed, [])
      assert.deepStrictEqual(yield* receive(store, entries, "0123456789"), [])
      const some = bundle(entries.slice(1, 8))
      assert.deepStrictEqual(yield* store.prepare(entries.slice(1, 8)), [])
      assert.isTrue(Option.isSome(yield* store.existing(some)))
    })
  )
})
