/**
 * What every store does, whatever it keeps the tree in.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as fs from "node:fs"
import { hash } from "../../src/content/Hash.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import * as Memory from "../../src/store/Memory.ts"
import type { StoreError } from "../../src/store/Store.ts"
import { Store } from "../../src/store/Store.ts"
import * as Compare from "../../src/tree/Compare.ts"
import type { Entry } from "../../src/tree/Entry.ts"
import { plan, select } from "../../src/tree/Plan.ts"
import * as Policy from "../../src/tree/Policy.ts"
import {
  bundle,
  bytes,
  deliver,
  dir,
  disk,
  file,
  hardLink,
  isLinux,
  names,
  none,
  single,
  symlink,
  ways
} from "./Sandbox.ts"
import { directory } from "./Sandbox.ts"

const hex = (hash: Uint8Array | undefined) => hash && Buffer.from(hash).toString("hex")

interface Subject {
  readonly store: Store["Service"]
  readonly paths: () => ReadonlyArray<string>
  readonly content: (path: string) => string
}

const contract = (name: string, subject: Effect.Effect<Subject, StoreError, Scope.Scope>) =>
  describe(name, () => {
    it.effect("a single file appears when it is committed, and not before", () =>
      Effect.gen(function* () {
        const { content, paths, store } = yield* subject
        const entries = [dir("d"), file("d/f", 10)]
        assert.deepStrictEqual(yield* store.prepare(entries), [])
        const writer = yield* store.open(single(entries))
        yield* writer.write(5, bytes("world"))
        yield* writer.write(0, bytes("hello"))
        const into = new Uint8Array(4)
        yield* writer.read(3, into)
        assert.strictEqual(Buffer.from(into).toString(), "lowo")
        assert.notInclude(paths(), "d/f")
        assert.deepStrictEqual(yield* writer.commit(none), [])
        assert.deepStrictEqual(paths(), ["d", "d/f"])
        assert.strictEqual(content("d/f"), "helloworld")
      })
    )

    it.effect("attributes that differ alone are found, and described without content [Y-14]", () =>
      Effect.gen(function* () {
        const { content, store } = yield* subject
        if (!isLinux || name === "Disk without koffi") return
        const policy = { ...Policy.defaults, carriesAttributes: true }
        const having = (text: string): ReadonlyArray<Entry> => {
          const plain = [dir("d"), file("d/f", 5)]
          const attributes = [{ name: "user.a", value: bytes(text) }]
          return plain.map((entry) => ({ ...entry, metadata: { ...entry.metadata, attributes } }))
        }
        const survey = (text: string, wished: Partial<Policy.Policy> = {}) =>
          Effect.map(store.survey(having(text), { ...policy, ...wished }), (changes) => [...changes])
        const first = having("one")
        const changes = yield* store.survey(first, policy)
        yield* store.prepare(first, { policy, changes })
        yield* deliver(store, bundle(first), "hello")
        assert.deepStrictEqual(yield* store.finish, [])
        assert.deepStrictEqual(yield* survey("one"), [0, 0])
        const { Attribute } = Compare.change
        assert.deepStrictEqual(yield* survey("other", { carriesAttributes: false }), [0, 0])
        const other = having("other")
        const differing = yield* store.survey(other, policy)
        assert.deepStrictEqual([...differing], [Attribute, Attribute])
        yield* store.prepare(other, { policy, changes: differing })
        assert.deepStrictEqual(yield* store.finish, [])
        assert.deepStrictEqual(yield* survey("other"), [0, 0])
        assert.strictEqual(content("d/f"), "hello")
      })
    )

    it.effect("of a file with holes its data is written, and what stands is read through them [M-12]", () =>
      Effect.gen(function* () {
        const { content, store } = yield* subject
        const zeros = (count: number) => "\0".repeat(count)
        const entries: ReadonlyArray<Entry> = [{ ...file("f", 20_000), data: [2, 5, 12_000, 5, 19_000, 2] }]
        const [carried] = plan(entries)
        const whole = `${zeros(2)}hello${zeros(11_993)}world${zeros(6995)}!!${zeros(998)}`
        yield* store.prepare(entries)
        yield* deliver(store, carried, "helloworld!!")
        assert.strictEqual(content("f"), whole)
        const read = Effect.map(
          store.existing(carried),
          Option.map(({ read }) => read)
        )
        const into = new Uint8Array(6)
        yield* Option.getOrThrow(yield* read)(3, into)
        assert.strictEqual(Buffer.from(into).toString(), "loworl")
        yield* store.survey(entries, { ...Policy.defaults, compare: "Content" })
        const hashed = Effect.map(store.hash([0, 1], { pageBytes: 1432 }), (hashes) => hex(hashes.get(0)))
        assert.strictEqual(yield* hashed, hex(hash(bytes("helloworld!!"))))
        // the same runs, and a byte between them
        const dense = [file("f", 20_000)]
        yield* store.prepare(dense)
        yield* deliver(store, single(dense), `${whole.slice(0, 9000)}x${whole.slice(9001)}`)
        yield* store.survey(entries, { ...Policy.defaults, compare: "Content" })
        assert.isUndefined(yield* hashed)
        assert.isTrue(Option.isNone(yield* read))
      })
    )

    it.effect("a tree that cannot be held is told beforehand, one that can is not [M-10]", () =>
      Effect.gen(function* () {
        const { paths, store } = yield* subject
        const small = [dir("d"), file("d/f", 10)]
        assert.isTrue(Option.isNone(yield* store.shortage(small)))
        const found = yield* store.shortage([...small, file("g", 2 ** 52)])
        assert.deepInclude(Option.getOrThrow(found), { of: "bytes" })
        assert.isAtLeast(Option.getOrThrow(found).needs, 2 ** 52)
        assert.deepStrictEqual(paths(), [])
      })
    )

    it.effect("a file that is there is replaced at the commit", () =>
      Effect.gen(function* () {
        const { content, paths, store } = yield* subject
        const entries = [file("f", 3)]
        yield* store.prepare(entries)
        yield* deliver(store, single(entries), "old")
        const writer = yield* store.open(single(entries))
        yield* writer.write(0, bytes("new"))
        assert.strictEqual(content("f"), "old")
        yield* writer.commit(none)
        assert.strictEqual(content("f"), "new")
        assert.deepStrictEqual(paths(), ["f"])
      })
    )

    it.effect("a survey tells what is lacked, and changes nothing; what is right is left alone [Y-2] [Y-5]", () =>
      Effect.gen(function* () {
        const { content, paths, store } = yield* subject
        const before = [dir("d"), file("d/a", 1), file("d/b", 1), file("d/c", 1), symlink("l", "d/a"), dir("gone")]
        yield* store.prepare(before)
        yield* deliver(store, bundle(before), "abc")
        yield* store.finish
        const after = [
          dir("d"),
          file("d/a", 1),
          file("d/b", 1, { mtimeSeconds: 5 }),
          file("d/c", 1, { mode: 0o600 }),
          symlink("l", "d/b"),
          file("new", 1)
        ]
        const changes = yield* store.survey(after, Policy.defaults)
        assert.deepStrictEqual([...changes].map(Compare.isLacked), [false, false, false, false, true, true])
        assert.deepStrictEqual([...changes].map(Compare.isDoubted), [false, false, true, false, false, false])
        changes[2] = Compare.resolved(changes[2], false)
        assert.strictEqual(changes[3], Compare.change.Mode)
        assert.include(paths(), "gone")
        yield* store.prepare(after, { policy: Policy.defaults, changes })
        const carried = bundle(after)
        yield* Effect.scoped(
          Effect.gen(function* () {
            const writer = yield* store.open(carried)
            yield* writer.write(0, bytes("ABCN"))
            yield* writer.commit((member) => !Compare.isLacked(changes[carried.members[member].entry]))
          })
        )
        assert.deepStrictEqual(yield* store.finish, [])
        assert.deepStrictEqual(["d/a", "d/b", "d/c", "new"].map(content), ["a", "B", "c", "N"])
        // nothing is lacked now
        assert.deepStrictEqual([...(yield* store.survey(after, Policy.defaults))], [0, 0, 0, 0, 0, 0])
      })
    )

    it.effect.each([
      ["~", "", ["d", "d/a", "d/a~", "d/old~", "l", "l~"]],
      [
        "",
        "kept/here",
        ["d", "d/a", "kept", "kept/here", "kept/here/d", "kept/here/d/a", "kept/here/d/old", "kept/here/l", "l"]
      ]
    ] as const)("what is replaced or deleted is kept, once [Y-11]: %j, %j", ([suffix, directory, expected]) =>
      Effect.gen(function* () {
        const { content, paths, store } = yield* subject
        const before = [dir(""), dir("d"), file("d/a", 1), file("d/old", 1), symlink("l", "x")]
        yield* store.prepare(before)
        yield* deliver(store, bundle(before), "ao")
        yield* store.finish
        const after = [dir(""), dir("d"), file("d/a", 2), symlink("l", "y")]
        const backup = { suffix: bytes(suffix), directory: bytes(directory) }
        const policy = { ...Policy.defaults, deletes: true, backup }
        const changes = yield* store.survey(after, policy)
        yield* store.prepare(after, { policy, changes })
        // once more, as a revision has it: it replaces what the session has brought
        for (const text of ["A1", "A2"]) yield* deliver(store, bundle(after), text)
        yield* store.deleteOthers({ isDry: false, spared: [], most: Infinity })
        assert.deepStrictEqual(yield* store.finish, [])
        assert.deepStrictEqual(
          paths()
            .filter((path) => path !== ".")
            .toSorted(),
          [...expected]
        )
        assert.strictEqual(content(`${directory === "" ? "" : `${directory}/`}d/a${suffix}`), "a")
        assert.strictEqual(content("d/a"), "A2")
      })
    )

    it.effect("what only the content can tell is hashed, and must stay so [Y-12]", () =>
      Effect.gen(function* () {
        const { content, store } = yield* subject
        const sizes = [1, 2000, 600_000, 3]
        const entriesAt = (mtimeSeconds: number) => sizes.map((size, i) => file(`f${i}`, size, { mtimeSeconds }))
        const before = entriesAt(5)
        yield* store.prepare(before)
        for (const carried of plan(before)) yield* deliver(store, carried, "x".repeat(carried.size))
        yield* store.finish
        const after = entriesAt(9)
        const changes = yield* store.survey(after, Policy.defaults)
        assert.deepStrictEqual([...changes].map(Compare.isDoubted), [true, true, true, true])
        const told: Array<number> = []
        const hashes = yield* store.hash([0, 4], { pageBytes: 1432, told: (count) => void told.push(count) })
        assert.strictEqual(told.at(-1), 602_004)
        for (const [i, size] of sizes.entries())
          assert.strictEqual(hex(hashes.get(i)), hex(hash(bytes("x".repeat(size)))), `f${i}`)
        for (const i of [0, 1, 2, 3]) changes[i] = Compare.resolved(changes[i], true)
        yield* store.prepare(after, { policy: Policy.defaults, changes })
        assert.deepStrictEqual(yield* store.finish, [])
        assert.strictEqual(content("f3"), "xxx")
        assert.deepStrictEqual([...(yield* store.survey(after, Policy.defaults))], [0, 0, 0, 0])
      })
    )

    it.effect("two files that are one there are not both described: the second comes anew [Y-2]", () =>
      Effect.gen(function* () {
        const { content, store } = yield* subject
        const before = [file("a", 1), hardLink("b", 0)]
        yield* store.prepare(before)
        yield* deliver(store, bundle(before), "x")
        yield* store.finish
        const after = [file("a", 1, { mode: 0o600 }), file("b", 1, { mode: 0o640 })]
        const changes = yield* store.survey(after, Policy.defaults)
        assert.deepStrictEqual([...changes].map(Compare.isLacked), [false, true])
        yield* store.prepare(after, { policy: Policy.defaults, changes })
        yield* deliver(store, select(after, [1, 1], 0)[0], "x")
        assert.deepStrictEqual(yield* store.finish, [])
        assert.deepStrictEqual([...(yield* store.survey(after, Policy.defaults))], [0, 0])
        assert.deepStrictEqual(["a", "b"].map(content), ["x", "x"])
      })
    )

    it.effect("a revision that comes before the preparation undoes nothing that the survey has found [Y-5]", () =>
      Effect.gen(function* () {
        const { content, store } = yield* subject
        const entriesAt = (mtimeSeconds: number) => ["a", "b"].map((path) => file(path, 1, { mtimeSeconds }))
        const before = entriesAt(5)
        yield* store.prepare(before)
        yield* deliver(store, bundle(before), "xy")
        yield* store.finish
        const after = entriesAt(9)
        const changes = yield* store.survey(after, Policy.defaults)
        yield* store.hash([0, 2], { pageBytes: 1432 })
        for (const i of [0, 1]) changes[i] = Compare.resolved(changes[i], true)
        const revised = [after[0], file("b", 2, { mtimeSeconds: 10 })]
        yield* store.revise(revised)
        yield* store.prepare(after, { policy: Policy.defaults, changes })
        yield* deliver(store, select(revised, [1, 1], 0)[0], "YY")
        assert.deepStrictEqual(yield* store.finish, [])
        assert.deepStrictEqual(["a", "b"].map(content), ["x", "YY"])
        assert.deepStrictEqual([...(yield* store.survey(revised, Policy.defaults))], [0, 0])
      })
    )

    it.effect("a file that was right, and is not in the end, is a failure [Y-5]", () =>
      Effect.gen(function* () {
        const { store } = yield* subject
        const entries = [file("a", 1), file("b", 1)]
        yield* store.prepare(entries)
        yield* deliver(store, bundle(entries), "ab")
        yield* store.finish
        const changes = yield* store.survey(entries, Policy.defaults)
        yield* store.prepare(entries, { policy: Policy.defaults, changes })
        const other = [file("b", 2)]
        yield* store.prepare(other)
        yield* deliver(store, bundle(other), "xx")
        yield* store.prepare(entries, { policy: Policy.defaults, changes })
        const failures = yield* store.finish
        assert.deepStrictEqual(
          failures.map(({ entry }) => entry),
          [1]
        )
      })
    )

    it.effect("what the manifest does not have is deleted, so much as may be, and what is spared stays [Y-6]", () =>
      Effect.gen(function* () {
        const { paths, store } = yield* subject
        const names = ["d/keep", "d/old", "d/e/f", "d/e/g", "d/lost", "other"]
        const before = [dir("d"), dir("d/e"), ...names.map((name) => file(name, 0))]
        yield* store.prepare(before)
        yield* deliver(store, bundle(before), "")
        yield* store.finish
        // the top is no directory of this manifest
        const after = [dir("d"), file("d/keep", 0)]
        const changes = yield* store.survey(after, Policy.defaults)
        yield* store.prepare(after, { policy: Policy.defaults, changes })
        const spared = [bytes("d/lost")]
        const told: Array<string> = []
        const tell = (path: Uint8Array) => void told.push(Buffer.from(path).toString())
        const dry = yield* store.deleteOthers({ isDry: true, spared, most: Infinity, told: tell })
        assert.deepStrictEqual([dry.count, told.toSorted()], [4, ["d/e", "d/e/f", "d/e/g", "d/old"]])
        assert.strictEqual((yield* store.deleteOthers({ isDry: false, spared, most: 1 })).count, 1)
        assert.strictEqual((yield* store.deleteOthers({ isDry: false, spared, most: Infinity })).count, 3)
        assert.deepStrictEqual(paths(), ["d", "d/keep", "d/lost", "other"])
        assert.strictEqual((yield* store.deleteOthers({ isDry: false, spared, most: Infinity })).count, 0)
      })
    )

    it.effect("a writer whose scope closes without a commit leaves nothing", () =>
      Effect.gen(function* () {
        const { paths, store } = yield* subject
        const entries = [file("f", 3), file("g", 3)]
        yield* store.prepare(entries)
        for (const carried of [single(entries), bundle(entries)]) {
          yield* Effect.scoped(
            Effect.gen(function* () {
              const writer = yield* store.open(carried)
              yield* writer.write(0, bytes("abc"))
            })
          )
        }
        assert.deepStrictEqual(paths(), [])
      })
    )

    it.effect("zeros are zeros, also over what was written before", () =>
      Effect.gen(function* () {
        const { content, store } = yield* subject
        const size = 300_000
        const entries = [file("f", size)]
        yield* store.prepare(entries)
        const writer = yield* store.open(single(entries))
        yield* writer.write(100_000, new Uint8Array(100_000).fill(7))
        yield* writer.write(0, new Uint8Array(100_000))
        yield* writer.write(120_000, new Uint8Array(50_000))
        yield* writer.commit(none)
        const expected = Buffer.alloc(size)
        expected.fill(7, 100_000, 120_000).fill(7, 170_000, 200_000)
        assert.isTrue(Buffer.from(content("f"), "latin1").equals(expected))
      })
    )

    it.effect("a write or a read past the end is refused", () =>
      Effect.gen(function* () {
        const { store } = yield* subject
        const entries = [file("f", 4)]
        yield* store.prepare(entries)
        for (const carried of [single(entries), bundle(entries)]) {
          const writer = yield* store.open(carried)
          assert.strictEqual((yield* Effect.flip(writer.write(2, bytes("abc")))).code, "EINVAL")
          assert.strictEqual((yield* Effect.flip(writer.read(2, new Uint8Array(3)))).code, "EINVAL")
        }
      })
    )

    it.effect("a bundle's members are written, but those that are skipped", () =>
      Effect.gen(function* () {
        const { content, paths, store } = yield* subject
        const entries = [file("a", 1), dir("d"), file("d/empty", 0), file("d/b", 2), file("z", 3)]
        yield* store.prepare(entries)
        const writer = yield* store.open(bundle(entries))
        yield* writer.write(0, bytes("abbzzz"))
        const into = new Uint8Array(3)
        yield* writer.read(2, into)
        assert.strictEqual(Buffer.from(into).toString(), "bzz")
        assert.deepStrictEqual(yield* writer.commit((member) => member === 3), [])
        assert.deepStrictEqual(paths(), ["a", "d", "d/b", "d/empty"])
        assert.strictEqual(content("d/b"), "bb")
        assert.strictEqual(content("d/empty"), "")
      })
    )

    it.effect("a bundle of many files", () =>
      Effect.gen(function* () {
        const { content, paths, store } = yield* subject
        const entries = Array.from({ length: 500 }, (_, i) => file(`f${i}`, 3))
        yield* store.prepare(entries)
        const [carried] = plan(entries)
        const text = entries.map((_, i) => String(i).padStart(3, "0")).join("")
        assert.deepStrictEqual(yield* deliver(store, carried, text), [])
        assert.strictEqual(paths().length, 500)
        assert.strictEqual(content("f499"), "499")
      })
    )

    it.effect("a bundle beyond its limit, and a manifest, are not opened", () =>
      Effect.gen(function* () {
        const { store } = yield* subject
        const entries = [file("f", Limits.bundleBytes + 1)]
        yield* store.prepare(entries)
        assert.strictEqual(codeOf(yield* Effect.flip(store.open(bundle(entries)))), "EFBIG")
        const manifest = { ...single(entries), kind: "Manifest" as const }
        assert.strictEqual(codeOf(yield* Effect.flip(store.open(manifest))), "EINVAL")
      })
    )

    it.effect("refused entries fail alone, as DestinationEscape, and are not made", () =>
      Effect.gen(function* () {
        const { paths, store } = yield* subject
        const entries = [dir("d"), file("../out", 1), symlink("/abs", "x"), file("d/in", 1), file("d/in", 1)]
        const failures = yield* store.prepare(entries)
        assert.deepStrictEqual(
          failures.map((failure) => failure.entry),
          [1, 2, 4]
        )
        for (const { reason } of failures) assert.match(reason, /^DestinationEscape: /)
        assert.strictEqual((yield* Effect.flip(store.open(single(entries, 1))))._tag, "DestinationEscape")
        assert.deepStrictEqual(yield* deliver(store, bundle(entries), "xyz"), [])
        assert.deepStrictEqual(paths(), ["d", "d/in"])
      })
    )

    it.effect("a directory with something in it is not removed for a file or a link", () =>
      Effect.gen(function* () {
        const { paths, store } = yield* subject
        const before = [dir("a"), dir("a/x"), dir("b"), dir("b/x"), dir("c"), dir("c/x")]
        yield* store.prepare(before)
        const entries = [file("a", 1), file("b", 1), symlink("c", "x"), file("ok", 1)]
        const failures = yield* store.prepare(entries)
        assert.deepStrictEqual(
          failures.map((failure) => failure.entry),
          [2]
        )
        assert.match(failures[0].reason, /not empty.*\(ENOTEMPTY\)/)
        assert.strictEqual(codeOf(yield* Effect.flip(store.open(single(entries, 0)))), "ENOTEMPTY")
        const inBundle = yield* deliver(store, bundle(entries), "abk")
        assert.deepStrictEqual(
          inBundle.map((failure) => failure.entry),
          [0, 1]
        )
        assert.deepStrictEqual(paths(), ["a", "a/x", "b", "b/x", "c", "c/x", "ok"])
      })
    )

    it.effect("an empty directory gives way to a file, and anything else to a directory", () =>
      Effect.gen(function* () {
        const { content, paths, store } = yield* subject
        const before = [dir("a"), dir("b"), file("c", 1), symlink("d", "nowhere")]
        yield* store.prepare(before)
        yield* deliver(store, bundle(before), "c")
        const entries = [file("a", 1), symlink("b", "x"), dir("c"), dir("c/x"), dir("d"), dir("d/x")]
        assert.deepStrictEqual(yield* store.prepare(entries), [])
        assert.deepStrictEqual(yield* deliver(store, single(entries), "a"), [])
        assert.deepStrictEqual(paths(), ["a", "b", "c", "c/x", "d", "d/x"])
        assert.strictEqual(content("a"), "a")
      })
    )

    it.effect("what stands there is read as the plan lays it, and committed without its content", () =>
      Effect.gen(function* () {
        const { content, paths, store } = yield* subject
        const before = [dir("d"), file("d/a", 3), file("d/b", 0), file("d/c", 4), file("d/z", 1)]
        yield* store.prepare(before)
        yield* deliver(store, bundle(before), "aaaccccz")
        const entries = [dir("d"), file("d/a", 3), file("d/b", 0), file("d/c", 4), hardLink("link", 1)]
        yield* store.prepare(entries)
        for (const carried of [single(entries, 1), bundle(entries)]) {
          const { commit, read } = yield* found(store.existing(carried))
          const into = new Uint8Array(carried.size)
          yield* read(0, into)
          assert.strictEqual(Buffer.from(into).toString(), "aaacccc".slice(0, carried.size))
          const rest = into.subarray(1)
          yield* read(1, rest)
          assert.strictEqual(Buffer.from(rest).toString(), "aacccc".slice(0, rest.length))
          assert.deepStrictEqual(yield* commit(() => false), [])
        }
        assert.deepStrictEqual(paths(), ["d", "d/a", "d/b", "d/c", "d/z"])
        assert.deepStrictEqual(yield* store.finish, [])
        assert.strictEqual(content("link"), "aaa")
        assert.strictEqual(content("d/c"), "cccc")
      })
    )

    it.effect("nothing is there that is absent, of another size or type, or refused [O-5]", () =>
      Effect.gen(function* () {
        const { store } = yield* subject
        const before = [file("a", 3), file("short", 2), symlink("link", "a"), dir("dir")]
        yield* store.prepare(before)
        yield* deliver(store, bundle(before), "aaass")
        const entries = ["a", "absent", "short", "link", "dir", "../a", "a"].map((path) => file(path, 3))
        yield* store.prepare(entries)
        for (let i = 1; i < entries.length; i++) {
          assert.strictEqual((yield* store.existing(single(entries, i)))._tag, "None", `entry ${i}`)
          const both = [entries[0], entries[i]]
          yield* store.prepare(both)
          assert.strictEqual((yield* store.existing(bundle(both)))._tag, "None", `with entry ${i}`)
          yield* store.prepare(entries)
        }
        assert.strictEqual((yield* store.existing(single(entries, 0)))._tag, "Some")
      })
    )

    it.effect("hard links come at the end; without their leader they fail alone", () =>
      Effect.gen(function* () {
        const { content, paths, store } = yield* subject
        const entries = [file("lost", 1), file("leader", 6), hardLink("link", 1), hardLink("orphan", 0)]
        assert.deepStrictEqual(yield* store.prepare(entries), [])
        yield* deliver(store, single(entries, 1), "leader")
        assert.notInclude(paths(), "link")
        const failures = yield* store.finish
        assert.deepStrictEqual(
          failures.map((failure) => failure.entry),
          [3]
        )
        assert.include(failures[0].reason, "lost, did not arrive")
        assert.deepStrictEqual(paths(), ["leader", "link"])
        assert.strictEqual(content("link"), "leader")
      })
    )
  })

const found = <A>(looked: Effect.Effect<Option.Option<A>>) => Effect.map(looked, Option.getOrThrow)

const codeOf = (error: { readonly _tag: string; readonly code?: string }) => error.code

contract(
  "Memory",
  Effect.gen(function* () {
    const memory = Memory.make({ capacityBytes: 1e9, tellsRoom: true })
    const store = Context.get(yield* Layer.build(Memory.layer(memory)), Store)
    return {
      store,
      paths: () => Array.from(memory.tree.keys()).toSorted(),
      content: (path) => Buffer.from(memory.tree.get(path)?.content ?? []).toString("latin1")
    }
  })
)

for (const way of ways) {
  contract(
    way.name,
    Effect.gen(function* () {
      const destination = yield* directory
      return {
        store: yield* disk(destination, way),
        paths: () => names(destination),
        content: (path) => fs.readFileSync(`${destination}/${path}`, "latin1")
      }
    })
  )
}

describe("Memory's faults", () => {
  it.effect("what does not fit meets ENOSPC, and what is given up makes room", () =>
    Effect.gen(function* () {
      const memory = Memory.make({ capacityBytes: 10 })
      const entries = [file("a", 8), file("b", 8)]
      yield* memory.store.prepare(entries)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const a = yield* memory.store.open(single(entries, 0))
          const b = yield* memory.store.open(single(entries, 1))
          yield* a.write(0, bytes("12345678"))
          assert.strictEqual((yield* Effect.flip(b.write(0, bytes("12345678")))).code, "ENOSPC")
          assert.strictEqual(memory.writers(), 2)
        })
      )
      assert.strictEqual(memory.writers(), 0)
      assert.deepStrictEqual(yield* deliver(memory.store, single(entries, 1), "12345678"), [])
      assert.deepStrictEqual(Array.from(memory.tree.keys()), ["b"])
    })
  )

  it.effect("operations fail on demand", () =>
    Effect.gen(function* () {
      const { store } = Memory.make({ refuse: (operation, path) => (path === operation ? "EROFS" : undefined) })
      const entries = [dir("prepare"), file("open", 1), file("write", 1), file("commit", 1)]
      assert.deepStrictEqual(yield* store.prepare(entries), [{ entry: 0, reason: "read-only file system (EROFS)" }])
      assert.strictEqual(codeOf(yield* Effect.flip(store.open(single(entries, 1)))), "EROFS")
      const writer = yield* store.open(single(entries, 2))
      assert.strictEqual((yield* Effect.flip(writer.write(0, bytes("x")))).code, "EROFS")
      assert.strictEqual((yield* deliver(store, single(entries, 3), "x")).length, 1)
    })
  )
})
