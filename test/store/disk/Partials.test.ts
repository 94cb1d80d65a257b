/** What had arrived of a large file stays when its session ends early, is used by the next, and goes when the file is whole. */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as Blocks from "../../../src/delta/Blocks.ts"
import * as Signature from "../../../src/delta/Signature.ts"
import * as Limits from "../../../src/protocol/Limits.ts"
import * as Policy from "../../../src/tree/Policy.ts"
import * as Stale from "../../../src/store/disk/Stale.ts"
import { Libc } from "../../../src/system/Libc.ts"
import * as Compare from "../../../src/tree/Compare.ts"
import type { Store } from "../../../src/store/Store.ts"
import type { Entry } from "../../../src/tree/Entry.ts"
import { signatureOf as signedAs } from "../../delta/contents.ts"
import {
  asNobody,
  bundle,
  canSwitchUser,
  deliver,
  dir,
  directory,
  disk,
  file,
  names,
  nanos,
  nanosOf,
  single,
  veto,
  ways
} from "../Sandbox.ts"

const size = Limits.partialBytes + 3_000_000
const entries = [dir(""), file("large", size)]
const kept = ".large.mrsync-partial"

const random = (length: number, seed: number): Uint8Array => {
  let state = seed
  return Uint8Array.from({ length }, () => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) >>> 24)
}
const content = random(size, 1)
/** So much arrives before the session ends. */
const arrives = Limits.partialBytes + 1_000_000

const pageBytes = 1400
const signatureOf = (content: Uint8Array): Signature.Signature => ({
  ...signedAs(content, Blocks.bytesOf(content.length, pageBytes), pageBytes),
  entry: 1
})
const { blockBytes } = signatureOf(content)
/** Bytes of whole pages, each of which is a sub-block. [Y-19] */
const wholePages = (bytes: number): number => Math.floor(bytes / pageBytes) * pageBytes

const surveyed = (store: Store["Service"], tree: ReadonlyArray<Entry>) =>
  Effect.gen(function* () {
    const changes = yield* store.survey(tree, Policy.defaults)
    yield* store.prepare(tree, { policy: Policy.defaults, changes })
    return changes
  })

/** Opens the large file and writes to it. */
const begin = (store: Store["Service"], tree: ReadonlyArray<Entry>, bytes = arrives) =>
  Effect.tap(store.open(single(tree)), (writer) => writer.write(0, content.subarray(0, bytes)))

describe.each(ways)("$name", (way) => {
  const interrupted = Effect.fnUntraced(function* (
    tree: ReadonlyArray<Entry>,
    options: Parameters<typeof disk>[3] = {},
    bytes = arrives
  ) {
    const at = `${yield* directory}/tree`
    const store = yield* disk(at, way, "me", options)
    yield* surveyed(store, tree)
    yield* Effect.scoped(begin(store, tree, bytes))
    return { at, store }
  })

  it.effect("stays beside its name, is not deleted, and is the old version in the next session", () =>
    Effect.gen(function* () {
      const { at, store } = yield* interrupted(entries)
      assert.deepStrictEqual(names(at), [kept])
      const [, change] = yield* surveyed(store, entries)
      assert.strictEqual(change, Compare.change.Content | Compare.change.New | Compare.change.Partial)
      assert.isTrue(Compare.isOld(change))
      yield* store.deleteOthers({ isDry: false, spared: [], most: Infinity })
      assert.deepStrictEqual(names(at), [kept])
      const inode = fs.statSync(`${at}/${kept}`).ino
      yield* Effect.scoped(
        Effect.gen(function* () {
          const writer = yield* store.open(single(entries), { signature: signatureOf(content) })
          assert.deepStrictEqual(writer.held, [0, wholePages(arrives)])
          // it needs no room twice
          assert.deepStrictEqual(names(at).length, 1)
          assert.notInclude(names(at), kept)
          const from = writer.held![1]
          yield* writer.write(from, content.subarray(from))
          assert.deepStrictEqual(yield* writer.commit(() => false), [])
        })
      )
      assert.deepStrictEqual(names(at), ["large"])
      assert.strictEqual(fs.statSync(`${at}/large`).ino, inode)
      assert.strictEqual(Buffer.compare(fs.readFileSync(`${at}/large`), content), 0)
    })
  )

  it.effect("is trusted in nothing: what is not of the content comes, zeros as well", () =>
    Effect.gen(function* () {
      const { at, store } = yield* interrupted(entries)
      yield* surveyed(store, entries)
      const garbage = fs.openSync(`${at}/${kept}`, "r+")
      fs.writeSync(garbage, new Uint8Array(blockBytes).fill(1), 0, blockBytes, 3 * blockBytes)
      fs.closeSync(garbage)
      // the source has changed as well: but for one byte it has zeros there
      const changed = content.slice().fill(0, 3 * blockBytes, 4 * blockBytes)
      changed[3 * blockBytes] = 1
      yield* Effect.scoped(
        Effect.gen(function* () {
          const writer = yield* store.open(single(entries), { signature: signatureOf(changed) })
          const whole = wholePages(arrives)
          assert.deepStrictEqual(writer.held, [0, 3 * blockBytes, 4 * blockBytes, whole - 4 * blockBytes])
          yield* writer.write(3 * blockBytes + 1, changed.subarray(3 * blockBytes + 1, 4 * blockBytes))
          yield* writer.write(3 * blockBytes, changed.subarray(3 * blockBytes, 3 * blockBytes + 1))
          yield* writer.write(whole, changed.subarray(whole))
          yield* writer.commit(() => false)
        })
      )
      assert.strictEqual(Buffer.compare(fs.readFileSync(`${at}/large`), changed), 0)
    })
  )

  it.effect("of a file with holes: what is data where the source has none goes [M-12]", () =>
    Effect.gen(function* () {
      const bytes = size + 5_000_000
      const holed = [dir(""), { ...file("large", bytes), data: [1_000_000, size] }]
      const { at, store } = yield* interrupted(holed)
      assert.deepStrictEqual(names(at), [kept])
      const garbage = fs.openSync(`${at}/${kept}`, "r+")
      fs.writeSync(garbage, new Uint8Array(100_000).fill(1), 0, 100_000, 500_000)
      fs.writeSync(garbage, new Uint8Array(100).fill(1), 0, 100, bytes + 1000)
      fs.closeSync(garbage)
      const changes = yield* surveyed(store, holed)
      assert.isTrue(Compare.isOld(changes[1]))
      yield* Effect.scoped(
        Effect.gen(function* () {
          const writer = yield* store.open(single(holed), { signature: signatureOf(content) })
          // without koffi nobody says where data is, and it is not used
          const from = way.koffi ? wholePages(arrives) : 0
          assert.deepStrictEqual(writer.held, from === 0 ? [] : [0, from])
          yield* writer.write(from, content.subarray(from))
          assert.deepStrictEqual(yield* writer.commit(() => false), [])
        })
      )
      const expected = Buffer.alloc(bytes)
      expected.set(content, 1_000_000)
      assert.isTrue(fs.readFileSync(`${at}/large`).equals(expected))
      assert.isBelow(fs.statSync(`${at}/large`).blocks * 512, size + 64 * 1024)
      assert.deepStrictEqual(names(at), ["large"])
    })
  )

  it.effect("and an older version beside it are both used", () =>
    Effect.gen(function* () {
      const { at, store } = yield* interrupted(entries)
      fs.writeFileSync(`${at}/large`, Buffer.concat([new Uint8Array(blockBytes), content.subarray(blockBytes, -5)]))
      yield* surveyed(store, entries)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const writer = yield* store.open(single(entries), { signature: signatureOf(content) })
          const whole = wholePages(size - 5)
          assert.deepStrictEqual(writer.held, [0, whole])
          yield* writer.write(whole, content.subarray(whole))
          yield* writer.commit(() => false)
        })
      )
      assert.deepStrictEqual(names(at), ["large"])
      assert.strictEqual(Buffer.compare(fs.readFileSync(`${at}/large`), content), 0)
    })
  )

  it.effect("goes when the file came whole without it", () =>
    Effect.gen(function* () {
      const { at, store } = yield* interrupted(entries)
      yield* surveyed(store, entries)
      yield* deliver(store, single(entries), content)
      assert.deepStrictEqual(names(at), ["large"])
    })
  )

  it.effect("goes when the file has become a small one in the same session", () =>
    Effect.gen(function* () {
      const { at, store } = yield* interrupted(entries)
      assert.deepStrictEqual(names(at), [kept])
      const now = [dir(""), file("large", 3)]
      yield* store.revise(now)
      yield* deliver(store, bundle(now), "now")
      assert.deepStrictEqual(yield* store.finish, [])
      assert.deepStrictEqual(names(at), ["large"])
      assert.strictEqual(nanos(at) / 1000n, nanosOf(now[0].metadata) / 1000n)
    })
  )

  it.effect("of another file of the same name stays when the first one's has given way to it, and becomes small", () =>
    Effect.gen(function* () {
      const elsewhere = yield* directory
      const own = [dir(""), dir("a"), dir("b"), file("a/large", size), file("b/large", size)]
      const partials = { directory: Buffer.from(elsewhere) }
      const store = yield* disk(`${yield* directory}/tree`, way, "me", { partials })
      yield* surveyed(store, own)
      for (const [at, bytes] of [arrives, arrives + 1_000_000].entries()) {
        yield* Effect.scoped(
          Effect.flatMap(store.open(single(own, 3 + at)), (writer) => writer.write(0, content.subarray(0, bytes)))
        )
      }
      const part = fs.statSync(`${elsewhere}/large`).ino
      yield* store.revise(own.with(3, file("a/large", 3)))
      yield* store.finish
      assert.strictEqual(fs.statSync(`${elsewhere}/large`).ino, part)
    })
  )

  it.effect.skipIf(!canSwitchUser)("is used where it is read-only as well", () =>
    asNobody(
      Effect.gen(function* () {
        const { at, store } = yield* interrupted(entries)
        fs.chmodSync(`${at}/${kept}`, 0o444)
        yield* surveyed(store, entries)
        yield* Effect.scoped(
          Effect.gen(function* () {
            const writer = yield* store.open(single(entries), { signature: signatureOf(content) })
            assert.deepStrictEqual(writer.held, [0, wholePages(arrives)])
            yield* writer.write(writer.held![1], content.subarray(writer.held![1]))
            assert.deepStrictEqual(yield* writer.commit(() => false), [])
          })
        )
        assert.deepStrictEqual(names(at), ["large"])
        assert.strictEqual(Buffer.compare(fs.readFileSync(`${at}/large`), content), 0)
      })
    )
  )

  it.effect("gives way to what is more, and not to less", () =>
    Effect.gen(function* () {
      const { at, store } = yield* interrupted(entries)
      yield* Effect.scoped(begin(store, entries, Limits.partialBytes + 8192))
      assert.isAbove(fs.statSync(`${at}/${kept}`).blocks * 512, arrives - 1)
      yield* Effect.scoped(begin(store, entries, size))
      assert.isAbove(fs.statSync(`${at}/${kept}`).blocks * 512, size - 1)
      assert.deepStrictEqual(names(at), [kept])
    })
  )

  it.effect("what a killed process left of it is kept in the next session, and not by a dry run", () =>
    Effect.gen(function* () {
      const at = `${yield* directory}/tree`
      const dead = yield* disk(at, way, "me")
      yield* surveyed(dead, entries)
      const scope = yield* Scope.make()
      yield* Scope.provide(begin(dead, entries), scope)
      const [temporary] = names(at)
      const next = yield* disk(at, way, "me")
      yield* next.survey(entries, { ...Policy.defaults, isDryRun: true })
      assert.deepStrictEqual(names(at), [temporary])
      const [, change] = yield* surveyed(next, entries)
      assert.isTrue(Compare.isOld(change))
      assert.deepStrictEqual(names(at), [kept])
      yield* Scope.close(scope, Exit.void)
    })
  )

  it.effect("is not kept where that is not wanted, where less has arrived, or where the owner refuses it", () =>
    Effect.gen(function* () {
      const none = yield* interrupted(entries, { partials: "Nowhere" })
      assert.deepStrictEqual(names(none.at), [])
      const less = yield* interrupted(entries, {}, 1_000_000)
      assert.deepStrictEqual(names(less.at), [])
      const refused = yield* interrupted(entries, { veto: veto(["*-partial"]) })
      assert.deepStrictEqual(names(refused.at), [])
      // nor is a directory made for it
      for (const pattern of [".parts/large", "/.parts/"]) {
        const partials = { directory: Buffer.from(".parts") }
        const { at } = yield* interrupted(entries, { veto: veto([pattern]), partials })
        assert.deepStrictEqual(names(at), [])
      }
    })
  )

  it.effect("a file of the tree that has the name of an old part stays", () =>
    Effect.gen(function* () {
      const tree = [...entries, file(".other.mrsync-partial", 1)]
      const { at, store } = yield* interrupted(tree)
      yield* TestClock.setTime(Date.parse("2030-01-01"))
      fs.writeFileSync(`${at}/.other.mrsync-partial`, "x")
      fs.writeFileSync(`${at}/.gone.mrsync-partial`, "x")
      const old = new Date("2029-12-01")
      for (const name of names(at)) fs.utimesSync(`${at}/${name}`, old, old)
      yield* surveyed(store, tree)
      assert.deepStrictEqual(names(at), [".other.mrsync-partial"])
    })
  )

  it.effect.each([
    ["beside", "large", kept, "Beside"],
    ["beside, in a directory", "in/large", `in/${kept}`, "Beside"],
    ["in a directory for parts", "large", ".parts/large", { directory: Buffer.from(".parts") }],
    ["in one for parts, in a directory", "in/large", "in/.parts/large", { directory: Buffer.from(".parts") }]
  ] as const)("%s neither takes a name that the tree has, nor is taken for it", ([, large, own, partials]) =>
    Effect.gen(function* () {
      const parentsOf = (path: string) => [...path.matchAll(/\//g)].map(({ index }) => path.slice(0, index))
      const directories = new Set(["", ...parentsOf(large), ...parentsOf(own)])
      const tree = [...[...directories].map((path) => dir(path)), file(large, size), file(own, 1)]
      const { at, store } = yield* interrupted(tree, { partials })
      assert.isFalse(fs.existsSync(`${at}/${own}`))
      fs.writeFileSync(`${at}/${own}`, "x")
      const changes = yield* surveyed(store, tree)
      assert.strictEqual(changes[tree.length - 2] & Compare.change.Partial, 0)
      yield* deliver(store, single(tree), content)
      assert.strictEqual(fs.readFileSync(`${at}/${own}`, "utf8"), "x")
      assert.strictEqual(fs.statSync(`${at}/${large}`).size, size)
    })
  )

  it.effect("is no link, and has no other name", () =>
    Effect.gen(function* () {
      const { at, store } = yield* interrupted(entries)
      fs.linkSync(`${at}/${kept}`, `${at}/other`)
      assert.strictEqual((yield* surveyed(store, entries))[1] & Compare.change.Partial, 0)
      fs.rmSync(`${at}/${kept}`)
      fs.symlinkSync("other", `${at}/${kept}`)
      assert.strictEqual((yield* surveyed(store, entries))[1] & Compare.change.Partial, 0)
      yield* Effect.scoped(begin(store, entries))
      assert.isTrue(fs.lstatSync(`${at}/${kept}`).isSymbolicLink())
    })
  )

  it.effect(
    "goes when it was not used for long: in the directory of a file that comes, and in all by a catcher that serves",
    () =>
      Effect.gen(function* () {
        const { at, store } = yield* interrupted(entries)
        fs.mkdirSync(`${at}/a/b`, { recursive: true })
        const other = `${at}/a/b/.other.mrsync-partial`
        const young = `${at}/a/.young.mrsync-partial`
        const mine = `${at}/a/b/mine`
        for (const path of [other, young, mine]) fs.writeFileSync(path, "x")
        const nowMillis = Date.now()
        yield* TestClock.setTime(nowMillis)
        const old = (nowMillis - Limits.partialMillis) / 1000 - 60
        for (const path of [`${at}/${kept}`, other, mine]) fs.utimesSync(path, old, old)
        fs.utimesSync(young, old + 120, old + 120)
        fs.symlinkSync("b", `${at}/a/link`)
        assert.strictEqual((yield* surveyed(store, entries))[1] & Compare.change.Partial, 0)
        assert.isFalse(fs.existsSync(`${at}/${kept}`))
        assert.isTrue(fs.existsSync(other))
        assert.strictEqual(yield* Effect.provide(Stale.clear(Buffer.from(at)), Layer.succeed(Libc, Option.none())), 1)
        assert.deepStrictEqual(names(at), ["a", "a/.young.mrsync-partial", "a/b", "a/b/mine", "a/link"])
      })
  )

  it.effect("a catcher that serves looks for what is old at once, and each day", () =>
    Effect.gen(function* () {
      const at = yield* directory
      const make = Effect.fnUntraced(function* (name: string) {
        const old = ((yield* Clock.currentTimeMillis) - Limits.partialMillis) / 1000 - 60
        fs.writeFileSync(`${at}/${name}`, "x")
        fs.utimesSync(`${at}/${name}`, old, old)
      })
      const first = ".first.mrsync-partial"
      const second = ".second.mrsync-partial"
      yield* TestClock.setTime(Date.now())
      yield* make(first)
      const clearing = yield* Effect.forkChild(
        Effect.provide(Stale.clearing(Buffer.from(at)), Layer.succeed(Libc, Option.none()))
      )
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(names(at), [])
      yield* make(second)
      yield* TestClock.adjust(Limits.partialsCheckedMillis - 10)
      assert.deepStrictEqual(names(at), [second])
      yield* TestClock.adjust(20)
      assert.deepStrictEqual(names(at), [])
      yield* Fiber.interrupt(clearing)
    })
  )

  it.effect("a directory that the tree has itself is not made for it, and does not go with it", () =>
    Effect.gen(function* () {
      const partials = { directory: Buffer.from("in/.parts") }
      const own = [dir(""), dir("in"), dir("in/.parts"), file("large", size)]
      const { at, store } = yield* interrupted(own, { partials })
      assert.isTrue(fs.existsSync(`${at}/in/.parts/large`))
      yield* surveyed(store, own)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const writer = yield* store.open(single(own), { signature: { ...signatureOf(content), entry: 3 } })
          yield* writer.write(0, content)
          yield* writer.commit(() => false)
        })
      )
      assert.deepStrictEqual(names(at), ["in", "in/.parts", "large"])
      const none = yield* interrupted([dir(""), file("large", size), file("in", 1)], { partials })
      assert.deepStrictEqual(names(none.at), [])
    })
  )

  it.effect("one directory for all is there, on the file system of the destination, and not in it", () =>
    Effect.gen(function* () {
      const root = yield* directory
      const at = `${root}/tree`
      fs.mkdirSync(`${at}/in`, { recursive: true })
      fs.symlinkSync("tree/in", `${root}/link`)
      fs.writeFileSync(`${root}/file`, "")
      const one = "the directory for partial files"
      const wrong = [
        [`${root}/none`, `${one} does not exist: make it (ENOENT)`],
        [`${root}/file`, `${one} is no directory (ENOTDIR)`],
        ["/proc", `${one} is on another file system than the destination (EXDEV)`],
        ...[at, `${at}/in`, `${root}/link`].map((path) => [
          path,
          `${one} is in the destination: give it as a relative path, or one outside (EINVAL)`
        ])
      ]
      for (const [path, reason] of wrong) {
        const partials = { directory: Buffer.from(path) }
        const atOnce = yield* Effect.flip(disk(at, way, "me", { partials }))
        assert.strictEqual(atOnce.message, `${path}: ${reason}`)
        const later = yield* disk(at, way, "me", { partials, checked: "InSession" })
        assert.strictEqual((yield* Effect.flip(surveyed(later, entries))).message, `${path}: ${reason}`)
      }
      // a destination that is still to be made
      yield* disk(`${root}/new`, way, "me", { partials: { directory: Buffer.from(root) } })
    })
  )

  it.effect("what cannot be moved is not used, and the file comes all the same", (context) =>
    Effect.gen(function* () {
      const elsewhere = yield* directory
      const partials = { directory: Buffer.from(elsewhere) }
      const { at, store } = yield* interrupted(entries, { partials })
      const attributes = (change: string) => spawnSync("chattr", [change, `${elsewhere}/large`]).status === 0
      if (!attributes("+i")) return context.skip("chattr +i is refused here")
      yield* Effect.addFinalizer(() => Effect.sync(() => attributes("-i")))
      yield* surveyed(store, entries)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const writer = yield* store.open(single(entries), { signature: signatureOf(content) })
          assert.deepStrictEqual(writer.held, [])
          yield* writer.write(0, content)
          assert.deepStrictEqual(yield* writer.commit(() => false), [])
        })
      )
      assert.deepStrictEqual(names(at), ["large"])
      assert.deepStrictEqual(names(elsewhere), ["large"])
    })
  )

  it.effect("is in a directory of its own below each directory, or elsewhere", () =>
    Effect.gen(function* () {
      const elsewhere = yield* directory
      for (const partials of [".parts", elsewhere]) {
        const { at, store } = yield* interrupted(entries, { partials: { directory: Buffer.from(partials) } })
        const path = partials === elsewhere ? `${elsewhere}/large` : `${at}/.parts/large`
        assert.isTrue(fs.existsSync(path))
        assert.isTrue(Compare.isOld((yield* surveyed(store, entries))[1]))
        yield* store.deleteOthers({ isDry: false, spared: [], most: Infinity })
        assert.isTrue(fs.existsSync(path))
        yield* Effect.scoped(
          Effect.gen(function* () {
            const writer = yield* store.open(single(entries), { signature: signatureOf(content) })
            assert.strictEqual(writer.held?.length, 2)
            assert.isFalse(fs.existsSync(`${at}/.parts`))
            yield* writer.write(0, content)
            yield* writer.commit(() => false)
          })
        )
        assert.deepStrictEqual(names(at), ["large"])
      }
    })
  )
})
