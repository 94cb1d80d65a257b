/** The owner of a destination has the last word on it, whatever comes, and by whichever way. [Y-9] */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as fs from "node:fs"
import type * as Veto from "../../src/filter/Veto.ts"
import * as Memory from "../../src/store/Memory.ts"
import { Store, type StoreError } from "../../src/store/Store.ts"
import { Volume } from "../../src/store/Volume.ts"
import * as Compare from "../../src/tree/Compare.ts"
import type { Entry } from "../../src/tree/Entry.ts"
import * as Policy from "../../src/tree/Policy.ts"
import type { Failure } from "../../src/wire/Message.ts"
import { bundle, deliver, dir, directory, disk, file, hardLink, names, single, symlink, ways } from "./Sandbox.ts"
import { modeOf, nanos, veto } from "./Sandbox.ts"

interface Subject {
  /** A store of the one destination. */
  readonly store: (veto?: Veto.Veto) => Effect.Effect<Store["Service"], StoreError, Scope.Scope>
  readonly paths: () => ReadonlyArray<string>
  readonly content: (path: string) => string
}

const vetoed = (failures: ReadonlyArray<Failure>) =>
  failures
    .filter(({ isVetoed }) => isVetoed === true)
    .map(({ entry }) => entry)
    .toSorted()

const wishes = { ...Policy.defaults, deletes: true, forces: true }

const surveyed = Effect.fnUntraced(function* (store: Store["Service"], entries: ReadonlyArray<Entry>) {
  const changes = yield* store.survey(entries, wishes)
  const failures = yield* store.prepare(entries, { policy: wishes, changes })
  return { changes: [...changes], failures }
})

const everything = { isDry: false, spared: [], most: Infinity }

const contract = (name: string, subject: Effect.Effect<Subject, never, Scope.Scope>) =>
  describe(name, () => {
    const before = [
      dir("keep"),
      file("keep/a", 1),
      file("local.conf", 1),
      dir("d"),
      file("d/same.conf", 1),
      dir("gone"),
      file("gone/my.conf", 1),
      file("gone/junk", 1)
    ]
    const after = [
      dir(""),
      dir("d"),
      symlink("d/other.conf", "x"),
      file("d/same.conf", 1),
      file("d/x", 1),
      dir("keep", { mode: 0o700 }),
      file("keep/a", 1, { mtimeSeconds: 5 }),
      file("keep/new", 1),
      file("local.conf", 1, { mtimeSeconds: 5 }),
      hardLink("twin", 6)
    ]
    const standing = Effect.fnUntraced(function* ({ store }: Subject) {
      const first = yield* store()
      yield* first.prepare(before)
      yield* deliver(first, bundle(before), "abcde")
      yield* first.finish
    })

    it.effect("a protected path is not made, written, described or deleted, and the survey tells of it [Y-9]", () =>
      Effect.gen(function* () {
        const it = yield* subject
        yield* standing(it)
        const store = yield* it.store(veto(["/keep/", "*.conf"]))
        const { changes, failures } = yield* surveyed(store, after)
        assert.deepStrictEqual(failures, [])
        const of = (word: number) => changes.flatMap((change, index) => (change === word ? [index] : []))
        assert.deepStrictEqual(of(Compare.change.Vetoed), [2, 5, 6, 7, 8, 9])
        assert.strictEqual(changes[3], 0)
        // a revision may bring them all the same
        assert.deepStrictEqual(vetoed(yield* deliver(store, bundle(after), "SXANL")), [3, 6, 7, 8])
        assert.strictEqual((yield* Effect.flip(Effect.scoped(store.open(single(after, 6)))))._tag, "StoreError")
        const deleted = yield* store.deleteOthers(everything)
        assert.deepStrictEqual([deleted.count, deleted.vetoed, vetoed(deleted.failures).length], [1, 1, 1])
        assert.include(deleted.failures[0].reason, "gone/my.conf")
        assert.deepStrictEqual(yield* store.finish, [])
        const stay = ["d", "d/same.conf", "d/x", "gone", "gone/my.conf", "keep", "keep/a", "local.conf"]
        assert.deepStrictEqual(it.paths(), stay)
        assert.deepStrictEqual(["keep/a", "local.conf", "d/same.conf", "d/x"].map(it.content), ["a", "b", "c", "X"])
      })
    )

    it.effect("without a survey the preparation tells of it [Y-9]", () =>
      Effect.gen(function* () {
        const it = yield* subject
        yield* standing(it)
        const store = yield* it.store(veto(["/keep/", "*.conf"]))
        const failures = yield* store.prepare(after)
        assert.deepStrictEqual([failures.length, vetoed(failures)], [7, [2, 3, 5, 6, 7, 8, 9]])
        assert.strictEqual(it.content("keep/a"), "a")
      })
    )

    it.effect("a rule '+ ' is an exception [Y-9]", () =>
      Effect.gen(function* () {
        const it = yield* subject
        const store = yield* it.store(veto(["+ /free/", "/*"]))
        const entries = [dir("free"), file("free/a", 1), dir("kept"), file("kept/a", 1)]
        const { changes } = yield* surveyed(store, entries)
        assert.deepStrictEqual(changes.map(Compare.isVetoed), [false, false, true, true])
      })
    )

    it.effect("the smaller limit of deletion holds, and it is told whose it was [Y-9]", () =>
      Effect.gen(function* () {
        const it = yield* subject
        yield* standing(it)
        const few = [file("local.conf", 1), dir("gone")]
        const dry = { ...everything, isDry: true }
        for (const [own, masters, count, isVetoed, words] of [
          [0, Infinity, 0, true, "--no-delete"],
          [1, 5, 1, true, "1 (catch --max-delete)"],
          [5, 1, 1, false, "--max-delete 1"]
        ] as const) {
          const store = yield* it.store(veto([], own))
          yield* surveyed(store, few)
          const { failures, ...deleted } = yield* store.deleteOthers({ ...dry, most: masters })
          assert.deepStrictEqual(deleted, { count, vetoed: isVetoed ? 2 - count : 0 })
          if (name === "Memory") continue
          assert.deepStrictEqual([failures.length, failures[0].isVetoed === true], [1, isVetoed])
          assert.include(failures[0].reason, words)
        }
      })
    )
  })

contract(
  "Memory",
  Effect.sync(() => {
    const volume = new Volume()
    let memory = Memory.make({ volume })
    return {
      store: (veto) => {
        memory = Memory.make({ volume, ...(veto === undefined ? {} : { veto }) })
        return Effect.map(Layer.build(Memory.layer(memory)), (context) => Context.get(context, Store))
      },
      paths: () =>
        Array.from(memory.tree.keys())
          .filter((path) => path !== ".")
          .toSorted(),
      content: (path) => Buffer.from(memory.tree.get(path)?.content ?? []).toString("latin1")
    }
  })
)

for (const way of ways) {
  const subject = Effect.map(directory, (destination) => ({
    destination,
    store: (veto?: Veto.Veto) => disk(destination, way, undefined, veto === undefined ? {} : { veto }),
    paths: () => names(destination),
    content: (path: string) => fs.readFileSync(`${destination}/${path}`, "latin1")
  }))

  contract(way.name, subject)

  describe(`${way.name}: what stands there`, () => {
    it.effect("a directory in which something is protected makes way for nothing [Y-9]", () =>
      Effect.gen(function* () {
        const { destination, store } = yield* subject
        for (const name of ["f", "l", "twin"]) {
          fs.mkdirSync(`${destination}/${name}/deep`, { recursive: true })
          fs.writeFileSync(`${destination}/${name}/deep/secret`, "x")
          fs.writeFileSync(`${destination}/${name}/a`, "x")
        }
        const all = names(destination)
        const own = yield* store(veto(["secret"]))
        const entries = [file("a", 1), file("f", 1), symlink("l", "x"), hardLink("twin", 0)]
        const { failures } = yield* surveyed(own, entries)
        const arrived = yield* deliver(own, bundle(entries), "af")
        const closed = yield* own.finish
        assert.deepStrictEqual([failures, arrived, closed].map(vetoed), [[2], [1], [3]])
        assert.deepStrictEqual(names(destination), ["a", ...all].toSorted())
      })
    )

    it.effect("a protected directory is none of a file's, and keeps its mode and its time [Y-9]", () =>
      Effect.gen(function* () {
        const { destination, store } = yield* subject
        fs.mkdirSync(`${destination}/log`, 0o750)
        fs.mkdirSync(`${destination}/kept`, 0o500)
        fs.utimesSync(`${destination}/kept`, 5, 5)
        const own = yield* store(veto(["log/", "/kept"]))
        const entries = [dir("kept"), file("kept/x", 1), file("log", 1)]
        const { failures } = yield* surveyed(own, entries)
        const arrived = yield* deliver(own, bundle(entries), "xl")
        assert.deepStrictEqual([failures, arrived, yield* own.finish].map(vetoed), [[], [1, 2], []])
        assert.deepStrictEqual([modeOf(`${destination}/kept`), nanos(`${destination}/kept`)], [0o500, 5_000_000_000n])
        assert.isTrue(fs.statSync(`${destination}/log`).isDirectory())
      })
    )
  })
}
