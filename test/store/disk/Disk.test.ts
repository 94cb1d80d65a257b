/**
 * What only a disk has: owners, modes and times, names that are any bytes, and the ways in which a system refuses.
 */
import { assert, describe, it, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { execFileSync, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as Signature from "../../../src/delta/Signature.ts"
import type { Store } from "../../../src/store/Store.ts"
import * as Descriptor from "../../../src/system/Descriptor.ts"
import * as Compare from "../../../src/tree/Compare.ts"
import type { Entry } from "../../../src/tree/Entry.ts"
import { plan } from "../../../src/tree/Plan.ts"
import * as Policy from "../../../src/tree/Policy.ts"
import {
  asNobody,
  bundle,
  bytes,
  canSwitchUser,
  deliver,
  device,
  dir,
  directory,
  disk,
  fifo,
  file,
  hardLink,
  isLinux,
  isRoot,
  modeOf,
  names,
  nanos,
  nanosOf,
  none,
  receive,
  single,
  socket,
  symlink,
  ways
} from "../Sandbox.ts"
import { Programs } from "../../../src/system/Programs.ts"

const indices = (failures: ReadonlyArray<{ readonly entry: number }>) => failures.map(({ entry }) => entry)

describe("the destination", () => {
  it.effect("is created if it is absent, when a session begins, but its parent is not", () =>
    Effect.gen(function* () {
      const base = yield* directory
      const stores = [yield* disk(`${base}/new`), yield* disk(Buffer.from(`${base}/\xff/`, "latin1"))]
      assert.deepStrictEqual(names(base), [])
      for (const store of stores) assert.deepStrictEqual(yield* store.prepare([]), [])
      assert.isTrue(fs.statSync(`${base}/new`).isDirectory())
      assert.deepStrictEqual(names(base), ["new", "\xff"])
      const error = yield* Effect.flip(disk(`${base}/a/b`))
      assert.strictEqual(error.message, `${base}/a/b: the directory it would be created in does not exist (ENOENT)`)
    })
  )

  it.effect("that could not be created is refused before a session comes", () =>
    Effect.gen(function* () {
      const base = yield* directory
      fs.writeFileSync(`${base}/f`, "")
      fs.mkdirSync(`${base}/closed`, { mode: 0o555 })
      assert.strictEqual((yield* Effect.flip(disk(`${base}/f/new`))).code, "ENOTDIR")
      assert.strictEqual((yield* Effect.flip(disk(`${base}/a/b`))).code, "ENOENT")
      // what access(2) says is of the real user
      if (!isRoot) assert.strictEqual((yield* Effect.flip(disk(`${base}/closed/new`))).code, "EACCES")
      assert.deepStrictEqual(names(base), ["closed", "f"])
    })
  )

  it.effect("is refused when it is no directory", () =>
    Effect.gen(function* () {
      const base = yield* directory
      fs.writeFileSync(`${base}/f`, "")
      fs.symlinkSync("nowhere", `${base}/l`)
      assert.strictEqual((yield* Effect.flip(disk(`${base}/f`))).reason, "it exists and is not a directory (ENOTDIR)")
      assert.include((yield* Effect.flip(disk(`${base}/l`))).reason, "leads nowhere (ENOENT)")
      assert.strictEqual((yield* Effect.flip(disk(`${base}/\0`))).code, "ERR_INVALID_ARG_VALUE")
    })
  )

  it.effect("of our own that may not be written to is opened up, and gets its mode back", () =>
    Effect.gen(function* () {
      const base = yield* directory
      fs.chmodSync(base, 0o555)
      if (canSwitchUser) fs.chownSync(base, 65_534, 65_534)
      const run = Effect.gen(function* () {
        const store = yield* disk(base)
        const entries = [dir("", { mode: 0o555 }), file("f", 1)]
        assert.deepStrictEqual(yield* receive(store, entries, "x"), [])
      })
      yield* canSwitchUser ? asNobody(run) : run
      assert.strictEqual(modeOf(base), 0o555)
      assert.strictEqual(fs.readFileSync(`${base}/f`, "utf8"), "x")
    })
  )
})

/** A small file system of its own. */
const tmpfs = (size: number | string) =>
  Effect.acquireRelease(
    Effect.flatMap(directory, (directory) =>
      Effect.sync(() => {
        fs.mkdirSync(`${directory}/mount`)
        execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", `${directory}/mount`])
        return `${directory}/mount`
      })
    ),
    (mount) => Effect.sync(() => execFileSync("umount", ["-l", mount]))
  )

const canMount =
  isRoot &&
  Effect.runSync(
    Effect.scoped(
      Effect.as(
        Effect.catchDefect(tmpfs(65_536), () => Effect.succeed("")),
        true
      )
    )
  ) &&
  spawnSync("unshare", ["--mount", "true"]).status === 0

describe.runIf(canMount)("a file system of its own (needs root)", () => {
  it.effect("that is full fails the write, or the members that do not fit, and keeps no temporary file", () =>
    Effect.gen(function* () {
      const mount = yield* tmpfs(1024 * 1024)
      const store = yield* disk(mount)
      const large = 700_000
      const entries = [file("alone", 3 * large), file("a", large), file("b", large), file("c", 10)]
      yield* store.prepare(entries)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const writer = yield* store.open(single(entries, 0))
          const error = yield* Effect.flip(writer.write(0, new Uint8Array(3 * large).fill(1)))
          assert.strictEqual(error.message, "alone: no space left on device (ENOSPC)")
        })
      )
      assert.deepStrictEqual(names(mount), [])
      const rest: ReadonlyArray<Entry> = entries.slice(1)
      yield* store.prepare(rest)
      const content = new Uint8Array(2 * large + 10).fill(1)
      assert.deepStrictEqual(yield* deliver(store, bundle(rest), content), [
        { entry: 1, reason: "no space left on device (ENOSPC)" }
      ])
      assert.deepStrictEqual(names(mount), ["a", "c"])
    })
  )

  it.effect("that is full keeps no part of a large file: others need the room", () =>
    Effect.gen(function* () {
      const mount = yield* tmpfs("32m")
      const store = yield* disk(mount)
      const size = 40 * 1024 * 1024
      const entries = [file("large", size)]
      yield* store.prepare(entries)
      const arrive = (bytes: number) =>
        Effect.scoped(
          Effect.flatMap(store.open(single(entries, 0)), (writer) =>
            Effect.exit(writer.write(0, new Uint8Array(bytes).fill(1)))
          )
        )
      yield* arrive(size)
      assert.deepStrictEqual(names(mount), [])
      fs.writeFileSync(`${mount}/other`, "x")
      execFileSync("mount", ["-o", "remount,size=64m", mount])
      yield* arrive(size - 1_000_000)
      const both = [".large.mrsync-partial", "other"]
      assert.deepStrictEqual(names(mount), both)
      // what an earlier session has kept stays
      execFileSync("mount", ["-o", "remount,size=50m", mount])
      const signature = Signature.make(0, { size, blockBytes: 16_384, subBytes: 16_384 })
      yield* Effect.scoped(store.open(single(entries, 0), { signature }))
      assert.deepStrictEqual(names(mount), both)
    })
  )

  it.effect(
    "is found to be full when a file is opened whose room is taken before, and the others have theirs [F-10]",
    () =>
      Effect.gen(function* () {
        const mount = yield* tmpfs(1024 * 1024)
        const size = 800_000
        const entries: ReadonlyArray<Entry> = [
          { ...file("holes", size), data: [0, 10] },
          file("b", size),
          file("c", 10)
        ]
        const policy = { ...Policy.defaults, preallocates: true }
        const store = yield* disk(mount)
        yield* store.prepare(entries, { policy, changes: yield* store.survey(entries, policy) })
        const open = (entry: number) =>
          Effect.scoped(
            Effect.gen(function* () {
              const carried =
                [...plan(entries)].find(({ members: [member] }) => member.entry === entry) ?? single(entries)
              const writer = yield* store.open(carried)
              yield* writer.write(0, new Uint8Array(10).fill(1))
              return yield* writer.commit(none)
            })
          )
        assert.deepStrictEqual(yield* open(0), [])
        assert.strictEqual((yield* Effect.flip(open(1))).message, "b: no space left on device (ENOSPC)")
        assert.deepStrictEqual(yield* open(2), [])
        assert.deepStrictEqual(names(mount), ["c", "holes"])
        // nothing of it is a hole
        assert.isAtLeast(fs.statSync(`${mount}/holes`).blocks * 512, size)
        assert.isTrue(
          fs.readFileSync(`${mount}/holes`).equals(Buffer.concat([Buffer.alloc(10, 1), Buffer.alloc(size - 10)]))
        )
      })
  )

  const lacks = (store: Store["Service"], ...entries: ReadonlyArray<Entry>) =>
    Effect.map(store.shortage(entries), (found) =>
      Option.isNone(found) ? undefined : [found.value.of, found.value.needs, found.value.has, found.value.isSure]
    )

  it.effect("says beforehand what it has no bytes for, and counts what is replaced and what was left [M-10]", () =>
    Effect.gen(function* () {
      const mount = yield* tmpfs(1024 * 1024)
      const store = yield* disk(mount, undefined, "owner")
      const pages = (count: number) => 4096 * count
      assert.isUndefined(yield* lacks(store, file("a", pages(256))))
      assert.deepStrictEqual(yield* lacks(store, dir("d"), file("d/a", pages(200)), file("d/b", pages(56) + 1)), [
        ...["bytes", pages(257), pages(256), true]
      ])
      assert.isUndefined(yield* lacks(store, { ...file("a", pages(2000)), usedBytes: pages(256) } as Entry))
      // nothing was made
      assert.deepStrictEqual(names(mount), [])
      fs.writeFileSync(`${mount}/a`, new Uint8Array(pages(200)))
      assert.isUndefined(yield* lacks(store, file("a", pages(200)), file("b", pages(56))))
      assert.deepStrictEqual(yield* lacks(store, file("a", pages(201))), ["bytes", pages(201), pages(56), true])
      const inPlace = { ...Policy.defaults, isInPlace: true }
      assert.isTrue(Option.isNone(yield* store.shortage([file("a", pages(201))], inPlace)))
      assert.isTrue(Option.isSome(yield* store.shortage([file("a", pages(257))], inPlace)))
      // what a killed process of the same owner left makes room when a file comes
      const killed = yield* disk(mount, undefined, "owner")
      yield* killed.prepare([file("c", pages(50))])
      const writer = yield* killed.open(single([file("c", pages(50))]))
      yield* writer.write(0, new Uint8Array(pages(50)).fill(1))
      assert.isUndefined(yield* lacks(store, file("e", pages(56))))
      const other = yield* disk(mount, undefined, "other")
      assert.deepStrictEqual(yield* lacks(other, file("e", pages(56))), ["bytes", pages(56), pages(6), true])
      // and so does what is kept of a large file [Y-15], but what is kept elsewhere
      fs.writeFileSync(`${mount}/.f.mrsync-partial`, new Uint8Array(pages(4)))
      assert.isUndefined(yield* lacks(other, file("e", pages(6))))
      assert.deepStrictEqual(yield* lacks(other, file("e", pages(7))), ["bytes", pages(7), pages(6), true])
      for (const name of ["in", "parts"]) fs.mkdirSync(`${mount}/${name}`)
      fs.renameSync(`${mount}/.f.mrsync-partial`, `${mount}/in/.f.mrsync-partial`)
      const partials = { directory: Buffer.from(`${mount}/parts`) }
      const elsewhere = yield* disk(`${mount}/in`, undefined, "other", { partials })
      assert.deepStrictEqual(yield* lacks(elsewhere, file("e", pages(6))), ["bytes", pages(6), pages(2), true])
    })
  )

  it.effect("says beforehand what it has no inodes for; one without limits lacks nothing [M-10]", () =>
    Effect.gen(function* () {
      const mount = yield* tmpfs("1m,nr_inodes=10")
      const store = yield* disk(mount)
      const free = Number(fs.statfsSync(mount).ffree)
      const many = Array.from({ length: free }, (_, i) => file(`f${i}`, 1))
      assert.isUndefined(yield* lacks(store, ...many))
      assert.deepStrictEqual(yield* lacks(store, ...many, dir("d")), ["inodes", free + 1, free, true])
      fs.writeFileSync(`${mount}/f0`, "old")
      assert.isUndefined(yield* lacks(store, ...many))
      const unlimited = yield* disk(yield* tmpfs("0,nr_inodes=0"))
      assert.isUndefined(yield* lacks(unlimited, file("a", 2 ** 50), ...many))
    })
  )

  it.effect("says what has no room on a file system that is mounted below it [M-10]", () =>
    Effect.gen(function* () {
      const outer = yield* tmpfs(1024 * 1024)
      fs.mkdirSync(`${outer}/in side`)
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=65536", "tmpfs", `${outer}/in side`])
      yield* Effect.addFinalizer(() => Effect.sync(() => execFileSync("umount", ["-l", `${outer}/in side`])))
      const store = yield* disk(outer)
      const tree = [dir("in side"), dir("in side/d"), file("in side/d/a", 65_536), file("b", 900_000)]
      assert.isUndefined(yield* lacks(store, ...tree))
      assert.deepStrictEqual(yield* lacks(store, ...tree, file("in side/c", 1)), ["bytes", 69_632, 65_536, true])
    })
  )

  it.effect("that is read-only is refused", () =>
    Effect.gen(function* () {
      const mount = yield* tmpfs(1024 * 1024)
      const store = yield* disk(mount)
      const entries = [file("f", 1), dir("d")]
      yield* store.prepare(entries)
      // The store holds the directory by its path only, so that the mount is not busy.
      execFileSync("mount", ["-o", "remount,ro", mount])
      assert.strictEqual((yield* Effect.flip(disk(mount))).message, `${mount}: read-only file system (EROFS)`)
      const error = yield* Effect.flip(store.open(single(entries)))
      assert.strictEqual(error.message, "f: read-only file system (EROFS)")
      assert.deepStrictEqual(yield* deliver(store, bundle(entries), "x"), [
        { entry: 0, reason: "read-only file system (EROFS)" }
      ])
      assert.deepStrictEqual(indices(yield* store.finish), [1])
    })
  )
})

describe("the program mkfifo, where there is no koffi", () => {
  it.effect("is not told our variables, of which one may be a phrase", () =>
    Effect.gen(function* () {
      const base = yield* directory
      const program = `#!${process.execPath}\nrequire("fs").writeFileSync("${base}/told", Object.keys(process.env).join())\n`
      fs.writeFileSync(`${base}/mkfifo`, program, { mode: 0o755 })
      vi.stubEnv("MRSYNC_PHRASE", "seven words")
      const store = yield* Effect.provideService(disk(`${base}/new`, ways[1]), Programs, base)
      yield* store.prepare([fifo("p")])
      vi.unstubAllEnvs()
      assert.strictEqual(fs.readFileSync(`${base}/told`, "utf8"), "PATH")
    })
  )
})

for (const way of ways) {
  describe(way.name, () => {
    it.effect("metadata of everything", () =>
      Effect.gen(function* () {
        const base = yield* directory
        const store = yield* disk(base, way)
        const entries = [
          dir("", { mode: 0o750, mtimeSeconds: 1 }),
          dir("d", { mode: 0o2755, mtimeSeconds: -2, mtimeNanos: 1 }),
          dir("d/locked", { mode: 0o555 }),
          dir("d/closed", { mode: 0o000 }),
          file("d/locked/f", 1, { mode: 0o4751, mtimeSeconds: -1_000_000_000, mtimeNanos: 999_999_999 }),
          file("d/closed/g", 1, { mode: 0o6755, mtimeNanos: 1 }),
          file("s", 1, { mode: 0o000 }),
          fifo("p", { mode: 0o1620 }),
          symlink("l", "s", { mtimeNanos: 999_999_999 }),
          file("big", 1, { mode: 0o1777 })
        ]
        assert.deepStrictEqual(yield* store.prepare(entries), [])
        assert.deepStrictEqual(yield* deliver(store, bundle(entries), "fgsb"), [])
        assert.deepStrictEqual(yield* deliver(store, single(entries, 9), "B"), [])
        assert.deepStrictEqual(yield* store.finish, [])
        for (const entry of entries) {
          const path = `${base}/${Buffer.from(entry.path).toString()}`.replace(/\/$/, "")
          if (entry._tag !== "Symlink") assert.strictEqual(modeOf(path), entry.metadata.mode, path)
          const [got, wanted] = [nanos(path), nanosOf(entry.metadata)]
          if (way.koffi) assert.strictEqual(got, wanted, path)
          else assert.isTrue(got <= wanted && wanted - got < 2000n, `${path}: ${got} for ${wanted}`)
          // So that anybody can look at what is in it.
          if (entry._tag === "Directory") fs.chmodSync(path, 0o700)
        }
      })
    )

    it.effect("what a killed process of the same owner left is removed where files arrive, and nothing else", () =>
      Effect.gen(function* () {
        const base = yield* directory
        const entries = [dir("d"), dir("e"), file("d/f", 3), file("d/g", 3), file("e/h", 3)]
        /** Names of temporary files that are left when a process ends without closing anything. */
        const killed = Effect.fnUntraced(function* (owner: string | undefined) {
          const store = yield* disk(base, way, owner)
          yield* store.prepare(entries)
          const before = names(base)
          yield* store.open(single(entries, 2))
          yield* store.open(single(entries, 4))
          return names(base).filter((name) => !before.includes(name))
        })
        const [ours, hours] = yield* killed("a")
        const others = [...(yield* killed("b")), ...(yield* killed(undefined))]
        assert.strictEqual(others.length, 4)
        assert.match(ours, /^d\/\.f\.mrsync-[A-Za-z0-9]{6}$/)
        const linked = `${ours.slice(0, -2)}!!`
        fs.symlinkSync("f", `${base}/${linked}`)
        const user = `${base}/d/notes${ours.slice(-14)}`
        fs.writeFileSync(user, "")
        const store = yield* disk(base, way, "a")
        yield* store.prepare(entries)
        yield* store.open(single(entries, 2))
        const now = names(base)
        assert.notInclude(now, ours)
        for (const name of [...others, linked, hours, user.slice(base.length + 1)]) assert.include(now, name)
        // of two files under way in one directory neither removes the other
        yield* store.open(single(entries, 3))
        assert.isTrue(now.every((name) => names(base).includes(name)))
        assert.strictEqual(names(base).length, now.length + 1)
      })
    )

    it.effect("what stands there keeps its content and its place, and gets the metadata", () =>
      Effect.gen(function* () {
        const base = yield* directory
        const store = yield* disk(base, way)
        const before = [file("a", 1, { mode: 0o600, mtimeNanos: 7 }), file("b", 1, { mode: 0o400 })]
        yield* store.prepare(before)
        yield* deliver(store, bundle(before), "ab")
        const inode = fs.statSync(`${base}/a`).ino
        const entries = [file("a", 1, { mode: 0o4755, mtimeSeconds: 77 }), file("b", 1, { mode: 0o444 })]
        yield* store.prepare(entries)
        for (const carried of [single(entries), bundle(entries)]) {
          const { commit } = Option.getOrThrow(yield* store.existing(carried))
          assert.deepStrictEqual(yield* commit(() => false), [])
        }
        const { commit } = Option.getOrThrow(yield* store.existing(bundle(entries)))
        const changes = () => ["a", "b"].map((name) => fs.statSync(`${base}/${name}`, { bigint: true }).ctimeNs)
        const changed = changes()
        assert.deepStrictEqual(yield* commit((member) => member === 1), [])
        assert.deepStrictEqual(
          changes().map((nanos, i) => nanos === changed[i]),
          [false, true]
        )
        assert.strictEqual(fs.statSync(`${base}/a`).ino, inode)
        assert.deepStrictEqual([modeOf(`${base}/a`), modeOf(`${base}/b`)], [0o4755, 0o444])
        assert.strictEqual(nanos(`${base}/a`) / 1_000_000_000n, 77n)
        assert.deepStrictEqual(names(base), ["a", "b"])
      })
    )

    it.effect("what stands there with a second name, as a FIFO, or as another user's file is not taken [O-5]", () =>
      Effect.gen(function* () {
        const base = yield* directory
        fs.writeFileSync(`${base}/linked`, "x")
        fs.linkSync(`${base}/linked`, `${base}/snapshot`)
        execFileSync("mkfifo", [`${base}/fifo`])
        fs.writeFileSync(`${base}/ours`, "x")
        fs.writeFileSync(`${base}/theirs`, "x")
        const entries = [file("linked", 1), file("fifo", 1), file("fifo", 0), file("theirs", 1), file("ours", 1)]
        const taken = Effect.gen(function* () {
          const store = yield* disk(base, way)
          const out: Array<boolean> = []
          for (const i of entries.keys()) {
            yield* store.prepare([entries[i]])
            out.push(Option.isSome(yield* store.existing(single([entries[i]]))))
          }
          return out
        })
        if (canSwitchUser) {
          for (const name of ["", "ours", "linked", "fifo"]) fs.chownSync(`${base}/${name}`, 65_534, 65_534)
          assert.deepStrictEqual(yield* asNobody(taken), [false, false, false, false, true])
        }
        assert.deepStrictEqual((yield* taken).slice(0, 3), [false, false, false])
      })
    )

    it.effect("directories that cannot be written to are opened up while the session runs", () =>
      Effect.gen(function* () {
        const base = yield* directory
        const run = Effect.gen(function* () {
          fs.mkdirSync(`${base}/d`)
          fs.mkdirSync(`${base}/d/e`)
          fs.chmodSync(`${base}/d/e`, 0o000)
          fs.chmodSync(`${base}/d`, 0o111)
          const store = yield* disk(base, way)
          const entries = [dir("d", { mode: 0o555 }), dir("d/e", { mode: 0o500 }), file("d/e/f", 1)]
          assert.deepStrictEqual(yield* receive(store, entries, "x"), [])
        })
        if (canSwitchUser) fs.chownSync(base, 65_534, 65_534)
        yield* canSwitchUser ? asNobody(run) : run
        assert.strictEqual(modeOf(`${base}/d`), 0o555)
        assert.strictEqual(modeOf(`${base}/d/e`), 0o500)
        assert.strictEqual(fs.readFileSync(`${base}/d/e/f`, "utf8"), "x")
      })
    )

    it.effect.runIf(isRoot)(
      "root recognises no file that it would take from another user, who may have it open [O-5]",
      () =>
        Effect.gen(function* () {
          const base = yield* directory
          const store = yield* disk(base, way)
          const entries = [file("f", 3, { uid: 1234 })]
          yield* store.prepare(entries)
          const out: Array<boolean> = []
          fs.writeFileSync(`${base}/f`, "abc")
          for (const uid of [0, 1234, 4321]) {
            fs.chownSync(`${base}/f`, uid, 0)
            out.push(Option.isSome(yield* store.existing(single(entries))))
          }
          assert.deepStrictEqual(out, [true, true, false])
        })
    )

    it.effect.runIf(isRoot)("owners, when we are root", () =>
      Effect.gen(function* () {
        const base = yield* directory
        const store = yield* disk(base, way)
        const owner = { uid: 1234, gid: 5678 }
        const entries = [
          dir("d", owner),
          file("d/f", 1, { ...owner, mode: 0o6755 }),
          file("d/g", 1, owner),
          symlink("d/l", "f", owner),
          fifo("d/p", owner)
        ]
        assert.deepStrictEqual(yield* store.prepare(entries), [])
        assert.deepStrictEqual(yield* deliver(store, single(entries, 1), "f"), [])
        assert.deepStrictEqual(yield* deliver(store, bundle(entries.slice(0, 3)), "fg"), [])
        assert.deepStrictEqual(yield* store.finish, [])
        for (const name of names(base)) {
          const { gid, uid } = fs.lstatSync(`${base}/${name}`)
          assert.deepStrictEqual({ uid, gid }, owner, name)
        }
        // Giving a file away takes these bits from it, so they must come afterwards.
        assert.strictEqual(modeOf(`${base}/d/f`), 0o6755)
      })
    )

    it.effect.runIf(canSwitchUser)("no owners, when we are not", () =>
      Effect.gen(function* () {
        const base = yield* directory
        fs.chownSync(base, 65_534, 65_534)
        const owner = { uid: 0, gid: 0 }
        const entries = [dir("d", owner), file("d/f", 1, owner), symlink("d/l", "f", owner), fifo("d/p", owner)]
        yield* asNobody(
          Effect.gen(function* () {
            const store = yield* disk(base, way)
            assert.deepStrictEqual(yield* receive(store, entries, "f"), [])
          })
        )
        for (const name of names(base)) assert.strictEqual(fs.lstatSync(`${base}/${name}`).uid, 65_534, name)
      })
    )

    it.effect.runIf(isRoot)("a mode that a new owner takes away is set again", () =>
      Effect.gen(function* () {
        const base = yield* directory
        const entry = file("f", 1, { mode: 0o4755, uid: 0, gid: 0 })
        fs.writeFileSync(`${base}/f`, "x")
        fs.chownSync(`${base}/f`, 65_534, 65_534)
        fs.chmodSync(`${base}/f`, 0o4755)
        const store = yield* disk(base, way)
        const policy = { ...Policy.defaults, compare: "Size" } as const
        const changes = yield* store.survey([entry], policy)
        assert.deepStrictEqual(yield* store.prepare([entry], { policy, changes }), [])
        assert.deepStrictEqual([fs.statSync(`${base}/f`).uid, fs.statSync(`${base}/f`).mode & 0o7777], [0, 0o4755])
      })
    )

    it.effect.runIf(canSwitchUser)("of a file of somebody else what is another is refused, and says so", () =>
      Effect.gen(function* () {
        const base = yield* directory
        fs.chownSync(base, 65_534, 65_534)
        for (const name of ["mode", "time", "none"]) fs.writeFileSync(`${base}/${name}`, "x", { mode: 0o644 })
        const entries = ["mode", "time", "none"].map((name) => file(name, 1))
        const { mtimeSeconds } = entries[0].metadata
        for (const name of ["mode", "none"]) fs.utimesSync(`${base}/${name}`, mtimeSeconds, mtimeSeconds + 0.123_456_7)
        fs.chmodSync(`${base}/mode`, 0o600)
        const policy = { ...Policy.defaults, compare: "Size" } as const
        const refusals = yield* asNobody(
          Effect.gen(function* () {
            const store = yield* disk(base, way)
            const changes = yield* store.survey(entries, policy)
            return yield* store.prepare(entries, { policy, changes })
          })
        )
        assert.deepStrictEqual(
          refusals.map(({ entry, reason }) => [entry, reason]),
          [
            [0, "its mode cannot be set: operation not permitted (EPERM)"],
            [1, "its time cannot be set: operation not permitted (EPERM)"]
          ]
        )
      })
    )

    it.effect.runIf(canSwitchUser)("a directory of somebody else fails its entries alone", () =>
      Effect.gen(function* () {
        const base = yield* directory
        fs.mkdirSync(`${base}/theirs`, { mode: 0o755 })
        fs.chownSync(base, 65_534, 65_534)
        const entries = [dir("theirs"), file("theirs/f", 1), symlink("theirs/l", "x"), dir("ours"), file("ours/f", 1)]
        yield* asNobody(
          Effect.gen(function* () {
            const store = yield* disk(base, way)
            assert.deepStrictEqual(yield* store.prepare(entries), [{ entry: 2, reason: "permission denied (EACCES)" }])
            assert.deepStrictEqual(yield* deliver(store, bundle(entries), "xy"), [
              { entry: 1, reason: "permission denied (EACCES)" }
            ])
            assert.strictEqual(
              (yield* Effect.flip(store.open(single(entries, 1)))).message,
              "theirs/f: permission denied (EACCES)"
            )
            assert.deepStrictEqual(yield* store.finish, [
              { entry: 0, reason: "its time cannot be set: operation not permitted (EPERM)" }
            ])
          })
        )
        assert.deepStrictEqual(names(base), ["ours", "ours/f", "theirs"])
      })
    )

    it.effect("awkward names", () =>
      Effect.gen(function* () {
        const base = yield* directory
        const store = yield* disk(base, way)
        const awkward = [
          "a b",
          "new\nline",
          "-rf",
          " ",
          "~",
          "*",
          "%s",
          "...",
          "\\",
          "\xff\xfe",
          "\xc3\x28",
          "x".repeat(255),
          "\xc3\xa4".repeat(127) + "y",
          ".f.mrsync-AAAAAA"
        ].map((name) => Buffer.from(name, "latin1"))
        const inDirectory = (name: Buffer) => Buffer.concat([Buffer.from("\xfe d/", "latin1"), name])
        const entries = [
          ...awkward.map((name) => file(name, 1)),
          dir(Buffer.from("\xfe d", "latin1")),
          ...awkward.map((name) => file(inDirectory(name), 1)),
          symlink(Buffer.from("l\xff", "latin1"), Buffer.from("to\xff", "latin1")),
          fifo(Buffer.from("p\xff", "latin1"))
        ]
        assert.deepStrictEqual(yield* store.prepare(entries), [])
        assert.deepStrictEqual(yield* deliver(store, bundle(entries), "x".repeat(2 * awkward.length)), [])
        for (let i = 0; i < awkward.length; i++) {
          assert.deepStrictEqual(yield* deliver(store, single(entries, i), "y"), [])
        }
        assert.deepStrictEqual(yield* store.finish, [])
        const expected = entries.map(({ path }) => Buffer.from(path).toString("latin1"))
        assert.deepStrictEqual(names(base), expected.toSorted())
        const target = fs.readlinkSync(Buffer.from(`${base}/l\xff`, "latin1"), { encoding: "buffer" })
        assert.strictEqual(target.toString("latin1"), "to\xff")
      })
    )

    it.effect("a name that is too long fails alone, and before its content comes", () =>
      Effect.gen(function* () {
        const base = yield* directory
        const store = yield* disk(base, way)
        const long = "x".repeat(256)
        const entries = [file(long, 1), dir(`d${long}`), symlink(`l${long}`, "x"), file("f", 1)]
        const failures = yield* store.prepare(entries)
        assert.deepStrictEqual(failures, [
          { entry: 1, reason: "name too long (ENAMETOOLONG)" },
          { entry: 2, reason: "name too long (ENAMETOOLONG)" }
        ])
        const error = yield* Effect.flip(store.open(single(entries, 0)))
        assert.include(error.message, "name too long (ENAMETOOLONG)")
        assert.deepStrictEqual(indices(yield* deliver(store, bundle(entries), "xy")), [0])
        assert.deepStrictEqual(names(base), ["f"])
      })
    )

    it.effect("a file's temporary name is rsync's, hidden and beside it", () =>
      Effect.gen(function* () {
        const base = yield* directory
        const store = yield* disk(base, way)
        const entries = [dir("d"), file("d/name", 1), file(`d/${"ä".repeat(127)}`, 1)]
        yield* store.prepare(entries)
        yield* store.open(single(entries, 1))
        yield* store.open(single(entries, 2))
        const temporaries = fs.readdirSync(`${base}/d`).toSorted()
        assert.match(temporaries[0], /^\.name\.mrsync-[A-Za-z0-9]{6}$/)
        assert.match(temporaries[1], /^\.ä{120}\.mrsync-[A-Za-z0-9]{6}$/)
        assert.strictEqual(modeOf(`${base}/d/${temporaries[0]}`), 0o600)
      })
    )

    it.effect("hard links share one file, and a second run keeps them", () =>
      Effect.gen(function* () {
        const base = yield* directory
        const entries = [dir("d"), file("leader", 2), hardLink("d/link", 1), hardLink("taken", 1), hardLink("busy", 1)]
        fs.writeFileSync(`${base}/taken`, "other")
        fs.mkdirSync(`${base}/busy/x`, { recursive: true })
        for (let run = 0; run < 2; run++) {
          const store = yield* disk(base, way)
          assert.deepStrictEqual(yield* store.prepare(entries), [])
          assert.deepStrictEqual(yield* deliver(store, run === 0 ? single(entries) : bundle(entries), "ab"), [])
          assert.deepStrictEqual(indices(yield* store.finish), [4])
          const { ino, nlink } = fs.statSync(`${base}/leader`)
          assert.strictEqual(nlink, 3)
          for (const name of ["d/link", "taken"]) assert.strictEqual(fs.statSync(`${base}/${name}`).ino, ino)
          // Links that are there already: a rename would do nothing, and leave its temporary name.
          assert.deepStrictEqual(indices(yield* store.finish), [4])
          assert.deepStrictEqual(names(base), ["busy", "busy/x", "d", "d/link", "leader", "taken"])
        }
        assert.strictEqual(nanos(`${base}/d`) / 1000n, nanosOf(Result.getOrThrow(metadataOf(entries[0]))) / 1000n)
      })
    )

    it.effect("links and FIFOs that are there already stay the same", () =>
      Effect.gen(function* () {
        const base = yield* directory
        const entries = [symlink("l", "target"), fifo("p")]
        const store = yield* disk(base, way)
        yield* store.prepare(entries)
        const inodes = () => ["l", "p"].map((name) => fs.lstatSync(`${base}/${name}`, { bigint: true }).ino)
        const before = inodes()
        assert.deepStrictEqual(yield* store.prepare(entries), [])
        assert.deepStrictEqual(inodes(), before)
        assert.deepStrictEqual(yield* store.prepare([symlink("l", "other"), symlink("p", "other")]), [])
        assert.strictEqual(fs.readlinkSync(`${base}/l`), "other")
        assert.strictEqual(fs.readlinkSync(`${base}/p`), "other")
        assert.deepStrictEqual(names(base), ["l", "p"])
      })
    )

    // without koffi there are none
    const isWay = way.koffi ? it.effect.skipIf(!isRoot) : () => {}
    isWay("sockets and devices, and further names of them, of links and FIFOs", () =>
      Effect.gen(function* () {
        const base = yield* directory
        const entries = [
          ...[socket("s", { mode: 0o660 }), device("c", 0x0103, { mode: 0o666, uid: 3 }), fifo("p"), symlink("l", "x")],
          ...[0, 1, 2, 3].map((leader) => hardLink(`${leader} again`, leader))
        ]
        fs.writeFileSync(`${base}/s`, "in the way")
        const store = yield* disk(base, way)
        assert.deepStrictEqual(yield* receive(store, entries, ""), [])
        const look = (name: string) => fs.lstatSync(`${base}/${name}`)
        assert.isTrue(look("s").isSocket() && look("c").isCharacterDevice())
        assert.deepStrictEqual([look("s").mode & 0o777, look("c").mode & 0o777, look("c").uid], [0o660, 0o666, 3])
        assert.strictEqual(look("c").rdev, 0x0103)
        for (const [i, name] of ["s", "c", "p", "l"].entries())
          assert.strictEqual(look(name).ino, look(`${i} again`).ino, name)
        const inode = look("c").ino
        assert.deepStrictEqual(yield* receive(store, entries, ""), [])
        assert.strictEqual(look("c").ino, inode)
        assert.deepStrictEqual(yield* receive(store, [device("c", 0x0105)], ""), [])
        assert.strictEqual(look("c").rdev, 0x0105)
      })
    )

    it.effect("FIFOs in place of something else", () =>
      Effect.gen(function* () {
        const base = yield* directory
        fs.writeFileSync(`${base}/f`, "")
        fs.mkdirSync(`${base}/empty`)
        fs.mkdirSync(`${base}/full/x`, { recursive: true })
        const store = yield* disk(base, way)
        const failures = yield* store.prepare([fifo("f"), fifo("empty"), fifo("full")])
        assert.deepStrictEqual(indices(failures), [2])
        assert.isTrue(fs.lstatSync(`${base}/f`).isFIFO() && fs.lstatSync(`${base}/empty`).isFIFO())
        assert.deepStrictEqual(names(base), ["empty", "f", "full", "full/x"])
      })
    )

    it.effect(
      "what is seen through a link in a directory's place counts for nothing, in the survey and at the end [Y-1] [Y-5]",
      () =>
        Effect.gen(function* () {
          const base = yield* directory
          const store = yield* disk(`${base}/out`, way)
          const entries = [dir("d"), dir("d/e"), file("d/e/f", 1), symlink("d/l", "there")]
          yield* receive(store, entries, "x")
          assert.deepStrictEqual([...(yield* store.survey(entries, Policy.defaults))], [0, 0, 0, 0])
          const around = Effect.fnUntraced(function* (changes: Uint16Array, between: () => void) {
            const early = yield* store.prepare(entries, { policy: Policy.defaults, changes })
            between()
            return indices([...early, ...(yield* store.finish)]).toSorted()
          })
          const plant = () => {
            fs.renameSync(`${base}/out/d`, `${base}/elsewhere`)
            fs.symlinkSync(`${base}/elsewhere`, `${base}/out/d`)
          }
          const asItWas = new Uint16Array(4)
          assert.deepStrictEqual(yield* around(asItWas, () => {}), [])
          assert.includeMembers([...(yield* around(asItWas, plant))], [0, 2, 3])
          const changes = yield* store.survey(entries, Policy.defaults)
          assert.deepStrictEqual([...changes].map(Compare.isLacked), [true, true, true, true])
          assert.includeMembers([...(yield* around(asItWas, () => {}))], [0, 2, 3])
        })
    )

    it.effect.runIf(isLinux)("zeros become holes", () =>
      Effect.gen(function* () {
        const base = yield* directory
        const size = 8 * 1024 * 1024
        const entries = [file("f", size)]
        const store = yield* disk(base, way)
        yield* store.prepare(entries)
        const content = new Uint8Array(size)
        content[size - 1] = 1
        yield* Effect.scoped(
          Effect.gen(function* () {
            const writer = yield* store.open(single(entries))
            for (let at = 0; at < size; at += 65_536) yield* writer.write(at, content.subarray(at, at + 65_536))
            yield* writer.commit(none)
          })
        )
        const { blocks } = fs.statSync(`${base}/f`)
        assert.isBelow(blocks * 512, size / 8)
        assert.isTrue(fs.readFileSync(`${base}/f`).equals(content))
      })
    )

    it.effect("a writer that is closed takes nothing more", () =>
      Effect.gen(function* () {
        const base = yield* directory
        const entries = [file("f", 4)]
        const store = yield* disk(base, way)
        yield* store.prepare(entries)
        const writer = yield* Effect.scoped(store.open(single(entries)))
        assert.strictEqual((yield* Effect.flip(writer.write(0, bytes("late")))).code, "EBADF")
      })
    )
  })
}

describe("Descriptor", () => {
  it.effect("once closed it touches nothing, whose number it may be now", () =>
    Effect.gen(function* () {
      const path = `${yield* directory}/f`
      const descriptor = Descriptor.make(fs.openSync(path, "wx+"))
      yield* descriptor.write(3, bytes("abc"))
      const into = new Uint8Array(10)
      assert.strictEqual(yield* descriptor.read(2, into), 4)
      assert.deepStrictEqual([...into.subarray(0, 4)], [0, ...bytes("abc")])
      yield* descriptor.close
      yield* descriptor.close
      assert.strictEqual((yield* Effect.flip(descriptor.read(0, into))).code, "EBADF")
      assert.strictEqual((yield* Effect.flip(descriptor.write(0, into))).code, "EBADF")
    })
  )
})

const metadataOf = (entry: Entry) => (entry._tag === "HardLink" ? Result.fail(entry) : Result.succeed(entry.metadata))
