/**
 * Nothing is written outside the destination, whatever the manifest says and whatever is planted in the destination.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as fs from "node:fs"
import * as Limits from "../../../src/protocol/Limits.ts"
import * as Confinement from "../../../src/store/disk/Confinement.ts"
import * as Errno from "../../../src/system/Errno.ts"
import * as Libc from "../../../src/system/Libc.ts"
import { bundle, bytes, deliver, dir, directory, disk, fifo, file, hardLink, names, none, single } from "../Sandbox.ts"
import { isLinux, modeOf, nanos, symlink, ways } from "../Sandbox.ts"

/** A destination, and a directory beside it with one file that nobody may touch. */
const scene = Effect.gen(function* () {
  const base = yield* directory
  const [inside, outside] = [`${base}/inside`, `${base}/outside`]
  fs.mkdirSync(inside)
  fs.mkdirSync(outside, { mode: 0o751 })
  fs.writeFileSync(`${outside}/kept`, "kept", { mode: 0o640 })
  fs.utimesSync(outside, 1000, 1000)
  const untouched = () => {
    assert.deepStrictEqual(names(outside), ["kept"])
    assert.strictEqual(fs.readFileSync(`${outside}/kept`, "utf8"), "kept")
    assert.strictEqual(modeOf(`${outside}/kept`), 0o640)
    assert.strictEqual(modeOf(outside), 0o751)
    assert.strictEqual(nanos(outside), 1_000_000_000_000n)
  }
  /** Puts a link to the outside in the place of a directory, which is kept under another name. */
  const plant = (path: string) => {
    fs.renameSync(`${inside}/${path}`, `${inside}/moved`)
    fs.symlinkSync(outside, `${inside}/${path}`)
  }
  return { inside, outside, untouched, plant }
})

const isEscape = (reason: string) => assert.match(reason, /^DestinationEscape: /)

for (const way of ways) {
  describe(way.name, () => {
    it.effect(
      "what stands there: a link that is planted afterwards is not followed, and what it replaced fails alone",
      () =>
        Effect.gen(function* () {
          const { inside, plant, untouched } = yield* scene
          const store = yield* disk(inside, way)
          const entries = [dir("d"), file("d/kept", 4), dir("e"), file("e/kept", 4), file("kept", 4)]
          entries.push(file("other", 4, { mtimeSeconds: 5, mtimeNanos: 0 }))
          yield* store.prepare(entries)
          yield* deliver(store, bundle(entries), "keptkeptkeptkept")
          const looked = yield* store.existing(bundle(entries))
          if (looked._tag === "None") return assert.fail("it stands there")
          const { commit, read } = looked.value
          plant("d")
          // the same file, by a link
          fs.renameSync(`${inside}/kept`, `${inside}/real`)
          fs.symlinkSync("real", `${inside}/kept`)
          // the same bytes and time, but another file
          fs.writeFileSync(`${inside}/new`, "kept")
          fs.utimesSync(`${inside}/new`, 5, 5)
          fs.renameSync(`${inside}/new`, `${inside}/other`)
          for (const at of [0, 8, 12]) {
            assert.strictEqual(
              (yield* Effect.flip(read(at, new Uint8Array(4))))._tag,
              at === 0 ? "DestinationEscape" : "StoreError"
            )
          }
          yield* read(4, new Uint8Array(4))
          const failures = yield* commit(() => false)
          assert.deepStrictEqual(
            failures.map((failure) => failure.entry),
            [1, 4, 5]
          )
          isEscape(failures[0].reason)
          assert.include(failures[2].reason, "(ESTALE)")
          // neither is what a link leads to found in the first place
          for (const i of [1, 4]) assert.strictEqual((yield* store.existing(single(entries, i)))._tag, "None")
          untouched()
        })
    )

    for (const [what, path] of [
      ["..", "../outside/x"],
      [".. further in", "d/../../outside/x"],
      ["an absolute path", "/tmp/mrsync-escaped"],
      ["a NUL byte", "d/x\0y"],
      ["an empty component", "d//x"],
      ["a missing parent", "nowhere/x"]
    ] as const) {
      it.effect(`${what} in the manifest`, () =>
        Effect.gen(function* () {
          const { inside, untouched } = yield* scene
          const store = yield* disk(inside, way)
          for (const entry of [file(path, 1), dir(path), symlink(path, "x"), fifo(path), hardLink(path, 1)]) {
            const entries = [dir("d"), file("d/leader", 1), entry]
            const failures = yield* store.prepare(entries)
            assert.deepStrictEqual(
              failures.map((failure) => failure.entry),
              [2]
            )
            isEscape(failures[0].reason)
            assert.deepStrictEqual(yield* deliver(store, bundle(entries), entry._tag === "File" ? "lx" : "l"), [])
            if (entry._tag === "File") {
              assert.strictEqual((yield* Effect.flip(store.open(single(entries, 2))))._tag, "DestinationEscape")
            }
            yield* store.finish
          }
          assert.deepStrictEqual(names(inside), ["d", "d/leader"])
          assert.isFalse(fs.existsSync("/tmp/mrsync-escaped"))
          untouched()
        })
      )
    }

    it.effect("a path through a symbolic link of the manifest", () =>
      Effect.gen(function* () {
        const { inside, untouched } = yield* scene
        const store = yield* disk(inside, way)
        const entries = [symlink("l", "../outside"), file("l/x", 1), dir("l/d"), symlink("l/s", "x")]
        const failures = yield* store.prepare(entries)
        assert.deepStrictEqual(
          failures.map((failure) => failure.entry),
          [1, 2, 3]
        )
        for (const { reason } of failures) isEscape(reason)
        yield* deliver(store, bundle(entries), "x")
        yield* store.finish
        untouched()
      })
    )

    it.effect("one path twice, first as a link and then as a directory", () =>
      Effect.gen(function* () {
        const { inside, untouched } = yield* scene
        const store = yield* disk(inside, way)
        const entries = [symlink("l", "../outside"), dir("l"), file("l/x", 1)]
        const failures = yield* store.prepare(entries)
        assert.deepStrictEqual(
          failures.map((failure) => failure.entry),
          [1, 2]
        )
        yield* deliver(store, bundle(entries), "x")
        yield* store.finish
        untouched()
      })
    )

    const planted = [
      dir("d", { mode: 0o700 }),
      dir("d/sub"),
      symlink("d/s", "x"),
      fifo("d/p"),
      file("d/a", 2),
      file("d/sub/b", 2),
      hardLink("d/h", 4),
      file("fine", 2)
    ]

    it.effect("a link that was planted before the session", () =>
      Effect.gen(function* () {
        const { inside, outside, untouched } = yield* scene
        fs.symlinkSync(outside, `${inside}/d`)
        const store = yield* disk(inside, way)
        const failures = yield* store.prepare(planted)
        assert.deepStrictEqual(
          failures.map((failure) => failure.entry),
          [0, 1, 2, 3]
        )
        for (const { reason } of failures) isEscape(reason)
        const error = yield* Effect.flip(store.open(single(planted, 4)))
        assert.strictEqual(error._tag, "DestinationEscape")
        isEscape(error.message)
        const inBundle = yield* deliver(store, bundle(planted), "aabbff")
        assert.deepStrictEqual(
          inBundle.map((failure) => failure.entry),
          [4, 5]
        )
        for (const { reason } of inBundle) isEscape(reason)
        yield* store.finish
        untouched()
        assert.deepStrictEqual(names(inside), ["d", "fine"])
      })
    )

    it.effect("a link that was planted further down before the session", () =>
      Effect.gen(function* () {
        const { inside, outside, untouched } = yield* scene
        fs.mkdirSync(`${inside}/d`)
        fs.symlinkSync(outside, `${inside}/d/sub`)
        const store = yield* disk(inside, way)
        const failures = yield* store.prepare(planted)
        assert.deepStrictEqual(
          failures.map((failure) => failure.entry),
          [1]
        )
        isEscape(failures[0].reason)
        const inBundle = yield* deliver(store, bundle(planted), "aabbff")
        assert.deepStrictEqual(
          inBundle.map((failure) => failure.entry),
          [5]
        )
        isEscape(inBundle[0].reason)
        yield* store.finish
        untouched()
      })
    )

    it.effect("a link that is planted between prepare and open", () =>
      Effect.gen(function* () {
        const { inside, plant, untouched } = yield* scene
        const store = yield* disk(inside, way)
        assert.deepStrictEqual(yield* store.prepare(planted), [])
        plant("d")
        assert.strictEqual((yield* Effect.flip(store.open(single(planted, 4))))._tag, "DestinationEscape")
        const failures = yield* deliver(store, bundle(planted), "aabbff")
        assert.deepStrictEqual(
          failures.map((failure) => failure.entry),
          [4, 5]
        )
        for (const { reason } of failures) isEscape(reason)
        untouched()
      })
    )

    it.effect("a link that is planted between open and commit", () =>
      Effect.gen(function* () {
        const { inside, plant, untouched } = yield* scene
        const store = yield* disk(inside, way)
        assert.deepStrictEqual(yield* store.prepare(planted), [])
        yield* Effect.scoped(
          Effect.gen(function* () {
            const alone = yield* store.open(single(planted, 4))
            const bundled = yield* store.open(bundle(planted))
            yield* alone.write(0, bytes("aa"))
            yield* bundled.write(0, bytes("aabbff"))
            plant("d")
            for (const [writer, entries] of [[alone, [4]] as const, [bundled, [4, 5]] as const]) {
              const failures = yield* writer.commit(none)
              assert.sameOrderedMembers(
                failures.map((failure) => failure.entry),
                [...entries]
              )
              for (const { reason } of failures) isEscape(reason)
            }
          })
        )
        untouched()
        // The temporary file is gone even from where its directory went; a name alone cannot find it there.
        const left = names(`${inside}/moved`).filter((name) => name.includes(".mrsync-"))
        if (way.handles) assert.deepStrictEqual(left, [])
      })
    )

    it.effect("a link that is planted in the midst of a bundle's commit", () =>
      Effect.gen(function* () {
        const { inside, plant, untouched } = yield* scene
        const store = yield* disk(inside, way)
        const entries = [dir("d"), ...Array.from({ length: 200 }, (_, i) => file(`d/f${i}`, 1))]
        yield* store.prepare(entries)
        const writer = yield* store.open(bundle(entries))
        const commit = yield* Effect.forkChild(writer.commit(none))
        yield* Effect.yieldNow
        plant("d")
        const failures = yield* Fiber.join(commit)
        assert.isAbove(failures.length, 0)
        assert.strictEqual(names(`${inside}/moved`).length + failures.length, 200)
        for (const { reason } of failures) isEscape(reason)
        untouched()
      })
    )

    it.effect("a link that is planted before the end gets neither hard links nor a directory's metadata", () =>
      Effect.gen(function* () {
        const { inside, plant, untouched } = yield* scene
        const store = yield* disk(inside, way)
        yield* store.prepare(planted)
        assert.deepStrictEqual(yield* deliver(store, bundle(planted), "aabbff"), [])
        plant("d")
        const failures = yield* store.finish
        assert.deepStrictEqual(
          failures.map((failure) => failure.entry),
          [6, 1, 0]
        )
        for (const { reason } of failures) isEscape(reason)
        untouched()
      })
    )

    it.effect("a link in the place of a file is replaced, not followed", () =>
      Effect.gen(function* () {
        const { inside, outside, untouched } = yield* scene
        const entries = [file("a", 1), file("b", 1), fifo("p", { mode: 0o600 })]
        for (const name of ["a", "b", "p"]) fs.symlinkSync(`${outside}/kept`, `${inside}/${name}`)
        const store = yield* disk(inside, way)
        assert.deepStrictEqual(yield* store.prepare(entries), [])
        assert.deepStrictEqual(yield* deliver(store, single(entries, 0), "a"), [])
        assert.deepStrictEqual(yield* deliver(store, bundle(entries), "ab"), [])
        yield* store.finish
        for (const name of ["a", "b"]) assert.isTrue(fs.lstatSync(`${inside}/${name}`).isFile())
        assert.isTrue(fs.lstatSync(`${inside}/p`).isFIFO())
        untouched()
      })
    )

    it.effect("links in the place of a directory that lead to none outside are replaced", () =>
      Effect.gen(function* () {
        const { inside, outside, untouched } = yield* scene
        fs.mkdirSync(`${inside}/own`)
        fs.symlinkSync(`${outside}/kept`, `${inside}/a`)
        fs.symlinkSync("nowhere", `${inside}/b`)
        fs.symlinkSync("own", `${inside}/c`)
        const store = yield* disk(inside, way)
        assert.deepStrictEqual(yield* store.prepare([dir("a"), dir("b"), dir("c")]), [])
        assert.deepStrictEqual(names(inside), ["a", "b", "c", "own"])
        for (const name of ["a", "b", "c"]) assert.isTrue(fs.lstatSync(`${inside}/${name}`).isDirectory())
        untouched()
      })
    )

    it.effect("a temporary file that was exchanged is not committed", () =>
      Effect.gen(function* () {
        const { inside, outside, untouched } = yield* scene
        const store = yield* disk(inside, way)
        const entries = [file("f", 1)]
        yield* store.prepare(entries)
        const writer = yield* store.open(single(entries))
        const [temporary] = names(inside)
        fs.rmSync(`${inside}/${temporary}`)
        fs.symlinkSync(`${outside}/kept`, `${inside}/${temporary}`)
        const failures = yield* writer.commit(none)
        assert.match(failures[0].reason, /\(ESTALE\)/)
        assert.isFalse(fs.existsSync(`${inside}/f`))
        untouched()
      })
    )

    it.effect("a destination that is itself a link to a directory is what its user named", () =>
      Effect.gen(function* () {
        const base = yield* directory
        fs.mkdirSync(`${base}/real`)
        fs.symlinkSync("real", `${base}/link`)
        const store = yield* disk(`${base}/link`, way)
        const entries = [dir("d"), file("d/f", 1)]
        assert.deepStrictEqual(yield* store.prepare(entries), [])
        assert.deepStrictEqual(yield* deliver(store, single(entries), "x"), [])
        assert.deepStrictEqual(yield* store.finish, [])
        assert.deepStrictEqual(names(`${base}/real`), ["d", "d/f"])
      })
    )
  })
}

describe.runIf(isLinux)("open directories", () => {
  it.effect("are bounded, and closed with the store", () =>
    Effect.gen(function* () {
      const destination = yield* directory
      const descriptors = () => fs.readdirSync("/proc/self/fd").length
      const before = descriptors()
      yield* Effect.scoped(
        Effect.gen(function* () {
          const store = yield* disk(destination)
          const deep = Array.from({ length: 100 }, (_, i) => dir(Array.from({ length: i + 1 }, () => "d").join("/")))
          const wide = Array.from({ length: 200 }, (_, i) => [dir(`w${i}`), file(`w${i}/f`, 1)]).flat()
          const entries = [...deep, ...wide]
          assert.deepStrictEqual(yield* store.prepare(entries), [])
          assert.deepStrictEqual(yield* deliver(store, bundle(entries), "x".repeat(200)), [])
          assert.deepStrictEqual(yield* store.finish, [])
          assert.isAtMost(descriptors(), before + Limits.openDirectories + 1)
        })
      )
      assert.strictEqual(descriptors(), before)
    })
  )

  it.effect("stay open while they are held, also when they are forgotten", () =>
    Effect.gen(function* () {
      const destination = yield* directory
      fs.mkdirSync(`${destination}/held`)
      const tree = Confinement.make(Buffer.from(destination), true, Option.none())
      const held = tree.directory("held")
      tree.hold(held)
      for (let i = 0; i < 2 * Limits.openDirectories; i++) {
        fs.mkdirSync(`${destination}/d${i}`)
        tree.directory(`d${i}`)
      }
      fs.writeFileSync(Confinement.at(held, Buffer.from("f")), "x")
      assert.strictEqual(tree.directory("held"), held)
      fs.renameSync(`${destination}/held`, `${destination}/moved`)
      assert.throws(() => tree.directory("held"))
      fs.writeFileSync(Confinement.at(held, Buffer.from("g")), "x")
      assert.deepStrictEqual(names(`${destination}/moved`), ["f", "g"])
      tree.release(held)
      assert.throws(() => fs.writeFileSync(Confinement.at(held, Buffer.from("h")), "x"))
      tree.close()
    })
  )

  it.effect("at once: a directory is looked at once in the call, and again after it", () =>
    Effect.gen(function* () {
      const destination = yield* directory
      fs.mkdirSync(`${destination}/d`)
      const tree = Confinement.make(Buffer.from(destination), true, Option.none())
      tree.atOnce(() => {
        const found = tree.directory("d")
        fs.renameSync(`${destination}/d`, `${destination}/moved`)
        assert.strictEqual(tree.directory("d"), found)
      })
      assert.throws(() => tree.directory("d"))
      tree.close()
    })
  )

  for (const [name, libc] of [
    ["with koffi", Libc.load()],
    ["without koffi", Option.none()]
  ] as const) {
    it.effect.skipIf(name === "with koffi" && Option.isNone(libc))(
      `create and rename stay in the open directory, wherever its path leads by now, ${name}`,
      () =>
        Effect.gen(function* () {
          const destination = yield* directory
          const outside = yield* directory
          fs.mkdirSync(`${destination}/d`)
          const tree = Confinement.make(Buffer.from(destination), true, libc)
          const held = tree.directory("d")
          fs.renameSync(`${destination}/d`, `${destination}/moved`)
          fs.symlinkSync(outside, `${destination}/d`)
          const fd = tree.create(held, Buffer.from("a"))
          fs.writeSync(fd, "content")
          const stats = fs.fstatSync(fd)
          assert.strictEqual(stats.mode & 0o7777, 0o600)
          assert.match(fs.readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"), closeOnExec)
          fs.closeSync(fd)
          tree.rename(held, Buffer.from("a"), Buffer.from([0x62, 0xff]))
          assert.deepStrictEqual(names(outside), [])
          assert.strictEqual(fs.readFileSync(Buffer.from(`${destination}/moved/b\xff`, "latin1"), "utf8"), "content")
          tree.close()
        })
    )

    it.effect.skipIf(name === "with koffi" && Option.isNone(libc))(`create and rename say why not, ${name}`, () =>
      Effect.gen(function* () {
        const destination = yield* directory
        fs.writeFileSync(`${destination}/there`, "")
        fs.symlinkSync("nowhere", `${destination}/link`)
        fs.mkdirSync(`${destination}/d`)
        const tree = Confinement.make(Buffer.from(destination), true, libc)
        const { create, rename, root } = tree
        const code = (body: () => void) => {
          try {
            body()
          } catch (cause) {
            return Errno.codeOf(cause)
          }
          return "none"
        }
        assert.strictEqual(
          code(() => create(root, Buffer.from("there"))),
          "EEXIST"
        )
        assert.strictEqual(
          code(() => create(root, Buffer.from("link"))),
          "EEXIST"
        )
        assert.strictEqual(
          code(() => rename(root, Buffer.from("nothing"), Buffer.from("x"))),
          "ENOENT"
        )
        assert.strictEqual(
          code(() => rename(root, Buffer.from("there"), Buffer.from("d"))),
          "EISDIR"
        )
        assert.strictEqual(
          code(() => create(root, Buffer.alloc(256, 0x61))),
          "ENAMETOOLONG"
        )
        assert.deepStrictEqual(names(destination), ["d", "link", "there"])
        tree.close()
      })
    )
  }

  it.skipIf(Option.isNone(Libc.load()))("koffi's calls take names, not paths", () => {
    const { openat, renameat } = Option.getOrThrow(Libc.load())
    for (const name of ["a/b", "../a", "/a", "a\0b", "", ".", ".."]) {
      assert.throws(() => openat(0, Buffer.from(name), fs.constants.O_RDONLY, 0), /EINVAL/)
      assert.throws(() => renameat(0, Buffer.from(name), Buffer.from("a")), /EINVAL/)
      assert.throws(() => renameat(0, Buffer.from("a"), Buffer.from(name)), /EINVAL/)
    }
  })
})

/** How Linux lists the flags of a descriptor that no other program inherits: O_CLOEXEC, and O_RDWR at the end. */
const closeOnExec = /flags:\t0*2\d*2\n/
