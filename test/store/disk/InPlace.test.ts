/** Large files that are written where they stand. [F-11] */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { countOf } from "../../../src/protocol/Runs.ts"
import * as Limits from "../../../src/protocol/Limits.ts"
import * as Tree from "../../../src/simulate/Tree.ts"
import type { Store } from "../../../src/store/Store.ts"
import * as Compare from "../../../src/tree/Compare.ts"
import type { Entry } from "../../../src/tree/Entry.ts"
import * as Policy from "../../../src/tree/Policy.ts"
import {
  asNobody,
  canSwitchUser,
  directory,
  disk,
  file,
  hardLink,
  isRoot,
  modeOf,
  names,
  nanos,
  nanosOf,
  none,
  single,
  veto,
  ways
} from "../Sandbox.ts"
import { blockBytesOf, pageBytes, reusing } from "../reusing.ts"

const size = 1_100_000
const content = Tree.bytes(size, 1)
const block = blockBytesOf(size)
/** The first block is another, and it is longer. */
const older = Buffer.concat([Tree.bytes(block, 2), content.subarray(block), Buffer.from("more")])
const entry = file("f", size, { mode: 0o640 })
const inPlace = { ...Policy.defaults, isInPlace: true }

const prepare = Effect.fnUntraced(function* (store: Store["Service"], tree: ReadonlyArray<Entry>, policy = inPlace) {
  const changes = yield* store.survey(tree, policy)
  assert.deepStrictEqual(yield* store.prepare(tree, { policy, changes }), [])
  return changes
})

/** Times of its files go in ticks, as everywhere before Linux 6.13. */
const ramfs = Effect.acquireRelease(
  Effect.map(directory, (top) => {
    fs.mkdirSync(`${top}/mount`)
    execFileSync("mount", ["-t", "ramfs", "ramfs", `${top}/mount`], { stdio: "ignore" })
    return `${top}/mount`
  }),
  (mount) => Effect.sync(() => execFileSync("umount", ["-l", mount]))
)

const canMount = isRoot && Exit.isSuccess(Effect.runSyncExit(Effect.scoped(ramfs)))
if (!canMount) console.log("InPlace.test.ts: nothing can be mounted here: the test of coarse times is skipped")

const inode = (path: string) => fs.lstatSync(path).ino

/** What is held of the old version, and the first block, which is sent. */
const deliver = Effect.fnUntraced(function* (store: Store["Service"], then = () => {}) {
  const writer = yield* store.open(single([entry]), reusing(0, content))
  const held = countOf(writer.held ?? [])
  yield* writer.write(0, content.subarray(0, block))
  then()
  return { held, failures: yield* writer.commit(none) }
}, Effect.scoped)

describe.each(ways)("$name", (way) => {
  const made = Effect.fnUntraced(function* (
    policy: Policy.Policy = inPlace,
    own = veto([]),
    place: typeof directory = directory
  ) {
    const top = yield* place
    fs.writeFileSync(`${top}/f`, older)
    fs.linkSync(`${top}/f`, `${top}/other name`)
    const store = yield* disk(top, way, undefined, { veto: own })
    yield* prepare(store, [entry], policy)
    return { top, store, before: inode(`${top}/f`) }
  })

  it.effect("what is right stays, what comes is written there, under all its names", () =>
    Effect.gen(function* () {
      const { before, store, top } = yield* made({ ...inPlace, syncs: true })
      const during: Array<ReadonlyArray<string>> = []
      assert.deepStrictEqual(yield* deliver(store, () => during.push(names(top))), {
        held: size - block,
        failures: []
      })
      assert.deepStrictEqual(during, [["f", "other name"]])
      for (const name of during[0]) {
        assert.strictEqual(inode(`${top}/${name}`), before)
        assert.isTrue(fs.readFileSync(`${top}/${name}`).equals(content))
      }
      assert.strictEqual(nanos(`${top}/f`) / 1000n, nanosOf(entry.metadata) / 1000n)
      assert.strictEqual(modeOf(`${top}/f`), 0o640)
      assert.deepStrictEqual(yield* store.finish, [])
    })
  )
  it.effect.skipIf(!canSwitchUser)("also by its owner where it is read-only, and its mode stays", () =>
    Effect.gen(function* () {
      const top = yield* directory
      fs.chmodSync(top, 0o777)
      fs.writeFileSync(`${top}/f`, older)
      const before = inode(`${top}/f`)
      const received = Effect.gen(function* () {
        const store = yield* disk(top, way)
        yield* prepare(store, [entry], { ...inPlace, leavesMode: true })
        return yield* deliver(store)
      })
      fs.chmodSync(`${top}/f`, 0o444)
      // another's stays as it is
      const refused = yield* Effect.flip(asNobody(received))
      assert.strictEqual(refused.message, "f: permission denied (EACCES)")
      fs.chownSync(`${top}/f`, 65_534, 65_534)
      assert.deepStrictEqual(yield* asNobody(received), { held: size - block, failures: [] })
      assert.strictEqual(inode(`${top}/f`), before)
      assert.isTrue(fs.readFileSync(`${top}/f`).equals(content))
      assert.strictEqual(modeOf(`${top}/f`), 0o444)
    })
  )

  it.effect("not where nobody asks for it, and not where the old one is kept as a backup [Y-11]", () =>
    Effect.gen(function* () {
      for (const policy of [
        Policy.defaults,
        { ...inPlace, backup: { suffix: Buffer.from("~"), directory: Buffer.from("") } }
      ]) {
        const { before, store, top } = yield* made(policy)
        assert.deepStrictEqual((yield* deliver(store)).failures, [])
        assert.notStrictEqual(inode(`${top}/f`), before)
        assert.isTrue(fs.readFileSync(`${top}/other name`).equals(older))
        if (policy.backup !== undefined) assert.strictEqual(inode(`${top}/f~`), before)
      }
    })
  )
  it.effect("one that was broken off is of mixed content, and the next session mends it", () =>
    Effect.gen(function* () {
      const { before, store, top } = yield* made()
      yield* Effect.scoped(
        Effect.flatMap(store.open(single([entry]), reusing(0, content)), (writer) =>
          writer.write(0, content.subarray(0, 100))
        )
      )
      assert.deepStrictEqual(names(top), ["f", "other name"])
      assert.isTrue(fs.readFileSync(`${top}/f`).subarray(0, 100).equals(content.subarray(0, 100)))
      assert.isTrue(Compare.isOld((yield* prepare(store, [entry]))[0]))
      assert.deepStrictEqual((yield* deliver(store)).failures, [])
      assert.strictEqual(inode(`${top}/f`), before)
      assert.isTrue(fs.readFileSync(`${top}/f`).equals(content))
    })
  )
  it.effect("what a session beside it has kept is used as well, and goes [Y-15]", () =>
    Effect.gen(function* () {
      const large = Tree.bytes(Limits.partialBytes + 2_000_000, 3)
      const tree = [file("f", large.length)]
      const top = yield* directory
      fs.writeFileSync(`${top}/f`, older)
      const store = yield* disk(top, way)
      yield* prepare(store, tree, Policy.defaults)
      const own = blockBytesOf(large.length)
      const arrived = Math.ceil((Limits.partialBytes + 1) / own) * own
      yield* Effect.scoped(
        Effect.flatMap(store.open(single(tree)), (writer) => writer.write(0, large.subarray(0, arrived)))
      )
      assert.deepStrictEqual(names(top), [".f.mrsync-partial", "f"])
      const before = inode(`${top}/f`)
      yield* prepare(store, tree)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const writer = yield* store.open(single(tree), reusing(0, large))
          assert.deepStrictEqual(writer.held, [0, arrived])
          yield* writer.write(arrived, large.subarray(arrived))
          assert.deepStrictEqual(yield* writer.commit(none), [])
        })
      )
      assert.deepStrictEqual(names(top), ["f"])
      assert.strictEqual(inode(`${top}/f`), before)
      assert.isTrue(fs.readFileSync(`${top}/f`).equals(large))
    })
  )
  it.effect("holes of the source are zeros [M-12]", () =>
    Effect.gen(function* () {
      const tree: ReadonlyArray<Entry> = [{ ...file("f", size), data: [5, 3, size - 2, 2] }]
      const { before, store, top } = yield* made()
      yield* prepare(store, tree)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const writer = yield* store.open(single(tree))
          yield* writer.write(0, Buffer.from("abcde"))
          assert.deepStrictEqual(yield* writer.commit(none), [])
        })
      )
      const expected = Buffer.alloc(size)
      expected.write("abc", 5)
      expected.write("de", size - 2)
      assert.isTrue(fs.readFileSync(`${top}/f`).equals(expected))
      assert.strictEqual(inode(`${top}/f`), before)
    })
  )
  it.effect("of one with holes what is right stays, and what is data where the source has none goes [M-12]", () =>
    Effect.gen(function* () {
      const bytes = 4_000_000
      const data = [4096, size, bytes - 8192, 8192]
      const carriedBytes = size + 8192
      const carried = Tree.bytes(carriedBytes, 1)
      const expected = Buffer.alloc(bytes)
      expected.set(carried.subarray(0, size), data[0])
      expected.set(carried.subarray(size), data[2])
      const tree: ReadonlyArray<Entry> = [{ ...file("f", bytes), data }]
      const old = Buffer.from(expected)
      old.fill(1, 0, 4096)
      old.fill(2, size + 4096, size + 2_000_000)
      old[5000] ^= 1
      const { store, top } = yield* made()
      fs.writeFileSync(`${top}/f`, Buffer.concat([old, Buffer.from("more")]))
      const before = inode(`${top}/f`)
      yield* prepare(store, tree)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const writer = yield* store.open(single(tree), reusing(0, carried))
          const own = pageBytes
          // without koffi nobody says where data is, and nothing of it stays
          assert.deepStrictEqual(writer.held, way.koffi ? [own, carriedBytes - own] : [])
          yield* writer.write(0, carried.subarray(0, way.koffi ? own : carriedBytes))
          assert.deepStrictEqual(yield* writer.commit(none), [])
        })
      )
      assert.isTrue(fs.readFileSync(`${top}/f`).equals(expected))
      assert.strictEqual(inode(`${top}/f`), before)
      assert.isBelow(fs.statSync(`${top}/f`).blocks * 512, carriedBytes + 64 * 1024)
    })
  )
  /** Commits, with the block that is sent; `meanwhile`: what others do while it is read once more, the first time, the second, ... */
  const committing = Effect.fnUntraced(function* (
    { store, top }: Effect.Success<ReturnType<typeof made>>,
    meanwhile: ReadonlyArray<(path: string) => void>,
    tree: ReadonlyArray<Entry> = [entry],
    sent: Uint8Array = content.subarray(0, block)
  ) {
    const looks = [...meanwhile]
    return yield* Effect.result(
      Effect.scoped(
        Effect.gen(function* () {
          const writer = yield* store.open(single(tree), tree[0] === entry ? reusing(0, content) : undefined)
          yield* writer.write(0, sent)
          const bytes = new Uint8Array(sent.length)
          const isRight = Effect.gen(function* () {
            yield* writer.read(0, bytes)
            looks.shift()?.(`${top}/f`)
            return sent.every((byte, at) => byte === bytes[at])
          })
          return yield* writer.commit(none, isRight)
        })
      )
    )
  })
  const other =
    (at: number, bytes: string | Uint8Array = "other") =>
    (path: string) => {
      const fd = fs.openSync(path, "r+")
      fs.writeSync(fd, Buffer.from(bytes), 0, bytes.length, at)
      fs.closeSync(fd)
    }
  const isRefused = (result: Result.Result<unknown, Error>) =>
    assert.match(Result.getOrThrow(Result.flip(result)).message, /changed at the destination/)

  it.effect("what another program writes there in the end is no success, and the next session sees it", () =>
    Effect.gen(function* () {
      for (const write of [
        // found by the look after it
        [other(100)],
        // it is never still
        [other(size - 5), other(size - 5), other(size - 5)],
        Array(3).fill((path: string) => fs.truncateSync(path, size - 1)),
        Array(3).fill((path: string) => fs.appendFileSync(path, "more"))
      ]) {
        for (const syncs of [false, true]) {
          const stage = yield* made({ ...inPlace, syncs })
          isRefused(yield* committing(stage, write))
          assert.strictEqual(fs.statSync(`${stage.top}/f`).mtimeMs, 0)
          assert.notStrictEqual((yield* stage.store.survey([entry], inPlace))[0], 0)
        }
      }
    })
  )
  it.effect("to be touched is no harm, nor is the same content from somebody beside us", () =>
    Effect.gen(function* () {
      for (const touch of [
        (path: string) => fs.linkSync(path, `${path} snapshot`),
        (path: string) => fs.chmodSync(path, 0o600),
        (path: string) => fs.utimesSync(path, 7, 7),
        other(0, content.subarray(0, block))
      ]) {
        const stage = yield* made()
        assert.deepStrictEqual(Result.getOrThrow(yield* committing(stage, [touch])), [])
        assert.isTrue(fs.readFileSync(`${stage.top}/f`).equals(content))
        assert.strictEqual(nanos(`${stage.top}/f`) / 1000n, nanosOf(entry.metadata) / 1000n)
      }
    })
  )
  it.effect("what takes its name, or its directory, while it is read once more is a failure", () =>
    Effect.gen(function* () {
      for (const [take, stays] of [
        [(path: string) => (fs.writeFileSync(`${path} new`, "mine"), fs.renameSync(`${path} new`, path)), "mine"],
        [(path: string) => fs.rmSync(path), undefined]
      ] as const) {
        const stage = yield* made()
        const failures = Result.getOrThrow(yield* committing(stage, [take]))
        assert.match(failures[0].reason, /it was replaced while it was received/)
        const path = `${stage.top}/f`
        assert.strictEqual(fs.existsSync(path) ? fs.readFileSync(path, "utf8") : undefined, stays)
      }
    })
  )
  it.effect("a hard link to it is made once it is whole", () =>
    Effect.gen(function* () {
      const stage = yield* made()
      const tree = [entry, hardLink("twin", 0)]
      yield* prepare(stage.store, tree)
      yield* deliver(stage.store)
      assert.deepStrictEqual(yield* stage.store.finish, [])
      assert.strictEqual(inode(`${stage.top}/twin`), stage.before)
    })
  )
  it.effect.runIf(canMount)("without times, a write within the tick of ours is found", () =>
    Effect.gen(function* () {
      for (let i = 0; i < 5; i++) {
        const stage = yield* made({ ...inPlace, leavesTimes: true }, veto([]), ramfs)
        isRefused(yield* TestClock.withLive(committing(stage, [other(100)])))
      }
    })
  )
  it.effect("what another catcher of the destination has completed keeps its time", () =>
    Effect.gen(function* () {
      const { store, top } = yield* made()
      yield* Effect.scoped(
        Effect.gen(function* () {
          const writer = yield* store.open(single([entry]), reusing(0, content))
          yield* writer.write(0, content.subarray(0, block))
          assert.deepStrictEqual((yield* deliver(store)).failures, [])
        })
      )
      if (way.koffi) assert.strictEqual(nanos(`${top}/f`), nanosOf(entry.metadata))
    })
  )
  it.effect("what is written to a hole is no success [M-12]", () =>
    Effect.gen(function* () {
      if (!way.koffi) return
      const tree: ReadonlyArray<Entry> = [{ ...file("f", size), data: [0, 5, size - 2, 2] }]
      const stage = yield* made()
      yield* prepare(stage.store, tree)
      isRefused(yield* committing(stage, [other(500_000)], tree, Buffer.from("abcdefg")))
    })
  )
  it.effect("what is cut off is no end of the content", () =>
    Effect.gen(function* () {
      const { store, top } = yield* made()
      yield* Effect.scoped(
        Effect.gen(function* () {
          const writer = yield* store.open(single([entry]), reusing(0, content))
          fs.truncateSync(`${top}/f`, 1000)
          isRefused(yield* Effect.result(writer.read(500_000, new Uint8Array(block))))
        })
      )
    })
  )
  it.effect("one that breaks off does not look like the source, nor newer", () =>
    Effect.gen(function* () {
      for (const [mtimeSeconds, seconds] of [
        [1_600_000_000, 0],
        [5, 5 - 86_400]
      ]) {
        const tree = [file("f", size, { mtimeSeconds, mtimeNanos: 0 })]
        const { store, top } = yield* made()
        yield* prepare(store, tree)
        const { mtimeMs } = fs.statSync(`${top}/f`)
        yield* Effect.scoped(store.open(single(tree), reusing(0, content)))
        // nothing was written
        assert.strictEqual(fs.statSync(`${top}/f`).mtimeMs, mtimeMs)
        yield* Effect.scoped(Effect.flatMap(store.open(single(tree)), (writer) => writer.write(0, content)))
        assert.strictEqual(fs.statSync(`${top}/f`).mtimeMs, seconds * 1000)
      }
    })
  )
  it.effect("no link is followed, and what takes its place meanwhile is left alone", () =>
    Effect.gen(function* () {
      const { store, top } = yield* made()
      fs.rmSync(`${top}/f`)
      fs.symlinkSync("other name", `${top}/f`)
      yield* prepare(store, [entry])
      yield* Effect.scoped(
        Effect.gen(function* () {
          const writer = yield* store.open(single([entry]))
          yield* writer.write(0, content)
          assert.deepStrictEqual(yield* writer.commit(none), [])
        })
      )
      assert.isTrue(fs.lstatSync(`${top}/f`).isFile())
      assert.isTrue(fs.readFileSync(`${top}/other name`).equals(older))
      const { failures } = yield* deliver(store, () => {
        fs.renameSync(`${top}/f`, `${top}/aside`)
        fs.writeFileSync(`${top}/f`, "mine")
      })
      assert.match(failures[0].reason, /it was replaced while it was received/)
      assert.strictEqual(fs.readFileSync(`${top}/f`, "utf8"), "mine")
    })
  )
  it.effect("what is protected is not touched [Y-9]", () =>
    Effect.gen(function* () {
      const { store, top } = yield* made(inPlace, veto(["/f"]))
      const error = yield* Effect.flip(deliver(store))
      assert.include(error.message, "protected by the owner")
      assert.isTrue(fs.readFileSync(`${top}/f`).equals(older))
      // nor under another name
      const linked = yield* made(inPlace, veto(["/d/*"]))
      fs.mkdirSync(`${linked.top}/d`)
      fs.linkSync(`${linked.top}/f`, `${linked.top}/d/third name`)
      assert.deepStrictEqual((yield* deliver(linked.store)).failures, [])
      assert.isTrue(fs.readFileSync(`${linked.top}/f`).equals(content))
      assert.isTrue(fs.readFileSync(`${linked.top}/d/third name`).equals(older))
    })
  )
  it.effect("two files of the tree that are one here become two", () =>
    Effect.gen(function* () {
      const { store, top } = yield* made()
      const tree = [entry, file("other name", older.length, { mtimeSeconds: 5, mtimeNanos: 0 })]
      fs.utimesSync(`${top}/f`, 5, 5)
      fs.chmodSync(`${top}/f`, 0o644)
      assert.strictEqual((yield* prepare(store, tree))[1], 0)
      assert.deepStrictEqual((yield* deliver(store)).failures, [])
      assert.isTrue(fs.readFileSync(`${top}/f`).equals(content))
      assert.isTrue(fs.readFileSync(`${top}/other name`).equals(older))
      assert.deepStrictEqual(yield* store.finish, [])
    })
  )
})
