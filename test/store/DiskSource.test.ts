/**
 * What a master takes from its arguments, and how it notices that it changes under its hands.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as net from "node:net"
import { display, type Entry, refused } from "../../src/Manifest.ts"
import * as DiskSource from "../../src/store/DiskSource.ts"
import * as Memory from "../../src/store/Memory.ts"
import { Source } from "../../src/store/Source.ts"
import { asNobody, bytes, canSwitchUser, dir, directory, file, isRoot, metadata, nanosOf } from "./Sandbox.ts"
import { nanos } from "./Sandbox.ts"

const source = (...sources: ReadonlyArray<string | Uint8Array>) =>
  Effect.map(Layer.build(DiskSource.layer(sources)), (context) => Context.get(context, Source))

/** An entry in a word: its path, with what it is where it is no file. */
const word = (entry: Entry): string => {
  const path = display(entry.path)
  switch (entry._tag) {
    case "Directory":
      return `${path}/`
    case "File":
      return path
    case "Symlink":
      return `${path} -> ${display(entry.target)}`
    case "HardLink":
      return `${path} = ${entry.leader}`
    case "Fifo":
      return `${path}|`
  }
}

const words = Effect.fnUntraced(function* (...sources: ReadonlyArray<string | Uint8Array>) {
  const { entries, skipped } = yield* (yield* source(...sources)).scan
  assert.strictEqual(refused(entries).size, 0)
  return { entries: entries.map(word), skipped }
})

/** tree/{a, d/{b, e/}, l -> d, to -> tree's d} */
const tree = Effect.gen(function* () {
  const base = yield* directory
  fs.mkdirSync(`${base}/tree/d/e`, { recursive: true })
  fs.writeFileSync(`${base}/tree/a`, "aaa")
  fs.writeFileSync(`${base}/tree/d/b`, "bb")
  fs.symlinkSync("d", `${base}/tree/l`)
  return base
})

describe("arguments, as rsync takes them", () => {
  const whole = ["tree/", "tree/a", "tree/d/", "tree/d/b", "tree/d/e/", "tree/l -> d"]
  const contents = ["./", "a", "d/", "d/b", "d/e/", "l -> d"]
  for (const [argument, expected] of [
    ["tree", whole],
    ["./tree", whole],
    ["tree/", contents],
    ["tree//", contents],
    ["tree/.", contents],
    ["tree/d/..", contents],
    ["tree/d", ["d/", "d/b", "d/e/"]],
    ["tree/a", ["a"]],
    ["tree/l", ["l -> d"]],
    ["tree/l/", ["./", "b", "e/"]],
    ["tree/l/.", ["./", "b", "e/"]],
    ["tree/d/e", ["e/"]],
    ["tree/d/e/", ["./"]]
  ] as const) {
    it.effect(argument, () =>
      Effect.gen(function* () {
        const base = yield* tree
        assert.deepStrictEqual(yield* words(`${base}/${argument}`), { entries: [...expected], skipped: [] })
      })
    )
  }

  it.effect(". and ..", () =>
    Effect.gen(function* () {
      const base = yield* tree
      const before = process.cwd()
      yield* Effect.acquireUseRelease(
        Effect.sync(() => process.chdir(`${base}/tree/d`)),
        () =>
          Effect.gen(function* () {
            assert.deepStrictEqual((yield* words(".")).entries, ["./", "b", "e/"])
            assert.deepStrictEqual((yield* words("..")).entries, contents)
            assert.deepStrictEqual((yield* words("b")).entries, ["b"])
            const file = yield* source("..")
            yield* file.scan
            const into = new Uint8Array(3)
            assert.deepStrictEqual(yield* file.readMembers([1], into), [])
            assert.strictEqual(Buffer.from(into).toString(), "aaa")
          }),
        () => Effect.sync(() => process.chdir(before))
      )
    })
  )

  it.effect("several are merged: directories join, of files the first counts", () =>
    Effect.gen(function* () {
      const base = yield* tree
      fs.mkdirSync(`${base}/other/d`, { recursive: true })
      fs.writeFileSync(`${base}/other/a`, "other")
      fs.writeFileSync(`${base}/other/d/c`, "c")
      fs.writeFileSync(`${base}/other/l`, "not a link")
      const { entries, skipped } = yield* words(`${base}/tree/`, `${base}/other/`)
      assert.deepStrictEqual(entries, [...contents, "d/c"])
      assert.deepStrictEqual(
        skipped.map(({ kind, path }) => [kind, path]),
        [
          ["Special", `${base}/other/a`],
          ["Special", `${base}/other/l`]
        ]
      )
    })
  )

  it.effect("a directory that clashes with a file is left out, and that is a loss", () =>
    Effect.gen(function* () {
      const base = yield* tree
      fs.mkdirSync(`${base}/other/a/x`, { recursive: true })
      fs.writeFileSync(`${base}/other/d`, "")
      const { entries, skipped } = yield* words(`${base}/tree/`, `${base}/other/`)
      assert.deepStrictEqual(entries, contents)
      assert.deepStrictEqual(
        skipped.map(({ kind, path }) => [kind, path]),
        [
          ["Unreadable", `${base}/other/a`],
          ["Unreadable", `${base}/other/d`]
        ]
      )
    })
  )

  it.effect("one that does not exist is named, and nothing is sent", () =>
    Effect.gen(function* () {
      const base = yield* tree
      const error = yield* Effect.flip(source(`${base}/tree`, `${base}/none`))
      assert.strictEqual(error.message, `${base}/none: no such file or directory (ENOENT)`)
      assert.strictEqual((yield* Effect.flip(source(`${base}/tree/a/`))).code, "ENOTDIR")
      assert.strictEqual((yield* Effect.flip(source(""))).message, `"": no such file or directory (ENOENT)`)
      const late = yield* source(`${base}/tree`)
      fs.rmSync(`${base}/tree`, { recursive: true })
      assert.strictEqual((yield* Effect.flip(late.scan)).code, "ENOENT")
    })
  )
})

describe("entries", () => {
  it.effect("are sorted by their bytes, and names are any bytes", () =>
    Effect.gen(function* () {
      const base = yield* directory
      const all = ["b", "a b", "\xff", "new\nline", "-x", "B", "\xc3\xa4", "x".repeat(255)]
      for (const name of all) fs.writeFileSync(Buffer.from(`${base}/${name}`, "latin1"), name)
      const service = yield* source(base + "/")
      const { entries } = yield* service.scan
      const paths = entries.slice(1).map(({ path }) => Buffer.from(path).toString("latin1"))
      assert.deepStrictEqual(paths, all.toSorted())
      for (let i = 1; i < entries.length; i++) {
        const entry = entries[i] as Entry & { _tag: "File" }
        const into = new Uint8Array(entry.size)
        assert.deepStrictEqual(yield* service.readMembers([i], into), [])
        const opened = yield* service.open(i)
        const again = new Uint8Array(entry.size)
        yield* opened.read(0, again)
        assert.deepStrictEqual(again, into)
      }
    })
  )

  it.effect("a source argument of any bytes", () =>
    Effect.gen(function* () {
      const base = yield* directory
      const name = Buffer.from(`${base}/\xff`, "latin1")
      fs.mkdirSync(name)
      const { entries } = yield* (yield* source(name)).scan
      assert.deepStrictEqual(Buffer.from(entries[0].path).toString("latin1"), "\xff")
    })
  )

  it.effect("metadata to the nanosecond, also before 1970", () =>
    Effect.gen(function* () {
      const base = yield* tree
      execFileSync("touch", ["-d", "1969-12-31T23:59:58.123456789Z", `${base}/tree/a`])
      execFileSync("touch", ["-h", "-d", "2033-05-18T03:33:20.000000001Z", `${base}/tree/l`])
      fs.chmodSync(`${base}/tree/a`, 0o4711)
      const { entries } = yield* (yield* source(`${base}/tree/`)).scan
      for (const entry of entries) {
        if (entry._tag === "HardLink") continue
        assert.strictEqual(nanosOf(entry.metadata), nanos(`${base}/tree/${Buffer.from(entry.path).toString()}`))
      }
      const a = entries[1] as Entry & { _tag: "File" }
      assert.deepStrictEqual(a.metadata, {
        ...metadata({ mode: 0o4711, mtimeSeconds: -2, mtimeNanos: 123_456_789 })
      })
    })
  )

  it.effect("hard links follow their leader, FIFOs are taken, sockets and devices are not", () =>
    Effect.gen(function* () {
      const base = yield* directory
      fs.mkdirSync(`${base}/d`)
      fs.writeFileSync(`${base}/z`, "z")
      fs.linkSync(`${base}/z`, `${base}/d/leader`)
      fs.linkSync(`${base}/z`, `${base}/e`)
      fs.symlinkSync("x", `${base}/l1`)
      fs.linkSync(`${base}/l1`, `${base}/l2`)
      execFileSync("mkfifo", [`${base}/p`])
      const server = yield* Effect.acquireRelease(
        Effect.callback<net.Server>((resume) => {
          const server = net.createServer().listen(`${base}/s`, () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => server.close())
      )
      assert.isTrue(server.listening)
      const { entries, skipped } = yield* words(`${base}/`)
      assert.deepStrictEqual(entries, ["./", "d/", "d/leader", "e = 2", "l1 -> x", "l2 -> x", "p|", "z = 2"])
      assert.deepStrictEqual(skipped, [{ path: `${base}/s`, kind: "Special", reason: "a socket is not sent" }])
      assert.strictEqual((yield* words("/dev/null")).skipped[0].kind, "Special")
    })
  )

  it.effect("a large directory is walked without holding up the others", () =>
    Effect.gen(function* () {
      const base = yield* directory
      for (let i = 0; i < 1200; i++) fs.writeFileSync(`${base}/${i}`, "")
      let turns = 0
      yield* Effect.forkChild(
        Effect.forever(
          Effect.andThen(
            Effect.sync(() => turns++),
            Effect.yieldNow
          )
        )
      )
      const service = yield* source(`${base}/`)
      const { entries } = yield* service.scan
      assert.strictEqual(entries.length, 1201)
      const scanned = turns
      assert.isAtLeast(scanned, 2)
      yield* service.readMembers(
        entries.flatMap((entry, index) => (entry._tag === "File" ? [index] : [])),
        new Uint8Array(0)
      )
      assert.isAtLeast(turns - scanned, 5)
    })
  )

  it.effect.runIf(canSwitchUser || !isRoot)("what may not be read is told", () =>
    Effect.gen(function* () {
      const base = yield* tree
      fs.chmodSync(base, 0o755)
      fs.chmodSync(`${base}/tree/a`, 0o000)
      fs.chmodSync(`${base}/tree/d`, 0o000)
      fs.mkdirSync(`${base}/tree/n`)
      fs.writeFileSync(`${base}/tree/n/f`, "")
      fs.chmodSync(`${base}/tree/n`, 0o444)
      yield* asNobody(
        Effect.gen(function* () {
          const service = yield* source(`${base}/tree`)
          const { entries, skipped } = yield* service.scan
          assert.deepStrictEqual(entries.map(word), ["tree/", "tree/a", "tree/d/", "tree/l -> d", "tree/n/"])
          assert.deepStrictEqual(
            skipped.map(({ kind, path, reason }) => [kind, path, reason]),
            [
              ["Unreadable", `${base}/tree/d`, "permission denied (EACCES)"],
              ["Unreadable", `${base}/tree/n/f`, "permission denied (EACCES)"]
            ]
          )
          const error = yield* Effect.flip(service.open(1))
          assert.strictEqual(error.message, `${base}/tree/a: permission denied (EACCES)`)
          const failures = yield* service.readMembers([1], new Uint8Array(3))
          assert.strictEqual(failures[0].error._tag, "SourceError")
        })
      )
    })
  )
})

const changes: ReadonlyArray<readonly [what: string, change: (path: string) => void]> = [
  ["grows", (path) => fs.appendFileSync(path, "more")],
  ["shrinks", (path) => fs.truncateSync(path, 1)],
  ["is written to", (path) => fs.writeFileSync(path, "bb")],
  ["is touched", (path) => fs.utimesSync(path, 1, 1)],
  ["gets another mode", (path) => fs.chmodSync(path, 0o600)],
  ["is replaced", (path) => (fs.writeFileSync(`${path}~`, "bb"), fs.renameSync(`${path}~`, path))],
  ["vanishes", (path) => fs.rmSync(path)],
  ["becomes a link", (path) => (fs.renameSync(path, `${path}~`), fs.symlinkSync(`${path}~`, path))],
  ["becomes a directory", (path) => (fs.rmSync(path), fs.mkdirSync(path))],
  ["becomes a FIFO", (path) => (fs.rmSync(path), execFileSync("mkfifo", [path]))],
  ["loses its directory", (path) => fs.rmSync(path.slice(0, -2), { recursive: true })]
]

/** The system stamps times by its own tick: a change within it would go unseen. */
const tick = Effect.callback<void>((resume) => void setTimeout(() => resume(Effect.void), 20))

describe("a file that changes", () => {
  const prepared = Effect.gen(function* () {
    const base = yield* tree
    yield* tick
    const service = yield* source(`${base}/tree`)
    yield* service.scan
    return { path: `${base}/tree/d/b`, service }
  })

  for (const [what, change] of changes) {
    it.effect(`${what} before it is opened`, () =>
      Effect.gen(function* () {
        const { path, service } = yield* prepared
        change(path)
        assert.strictEqual((yield* Effect.flip(service.open(3)))._tag, "SourceChanged")
        const into = new Uint8Array(5).fill(9)
        const failures = yield* service.readMembers([1, 3], into)
        assert.deepStrictEqual(
          failures.map(({ error, member }) => [member, error._tag]),
          [[1, "SourceChanged"]]
        )
        assert.deepStrictEqual(Array.from(into), [97, 97, 97, 0, 0])
      })
    )
  }

  for (const [what, change] of changes.slice(0, 5)) {
    it.effect(`${what} while it is open`, () =>
      Effect.gen(function* () {
        const { path, service } = yield* prepared
        const file = yield* service.open(3)
        yield* file.check
        const into = new Uint8Array(2)
        yield* file.read(0, into)
        assert.strictEqual(Buffer.from(into).toString(), "bb")
        change(path)
        const error = yield* Effect.flip(file.check)
        assert.strictEqual(
          error.message,
          `${path}: changed or vanished while it was sent; send it again when nobody writes to it`
        )
        if (what === "shrinks") assert.strictEqual((yield* Effect.flip(file.read(0, into)))._tag, "SourceChanged")
      })
    )
  }

  it.effect("what is no file of the scan is not opened", () =>
    Effect.gen(function* () {
      const { service } = yield* prepared
      for (const entry of [0, 99]) {
        assert.strictEqual((yield* Effect.flip(service.open(entry)))._tag, "SourceError")
        assert.strictEqual((yield* service.readMembers([entry], new Uint8Array(0))).length, 1)
      }
    })
  )

  it.effect("a file that is open is closed with its scope", () =>
    Effect.gen(function* () {
      const { service } = yield* prepared
      const before = fs.readdirSync("/dev/fd").length
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* service.open(3)
          assert.strictEqual(fs.readdirSync("/dev/fd").length, before + 1)
        })
      )
      assert.strictEqual(fs.readdirSync("/dev/fd").length, before)
    })
  )
})

describe("a source in memory", () => {
  it.effect("gives what it was given, and fails on demand", () =>
    Effect.gen(function* () {
      const given = [
        { entry: dir("d") },
        { entry: file("d/a", 2), content: bytes("aa") },
        { entry: file("d/b", 2), content: bytes("bb"), fault: "changed" },
        { entry: file("d/c", 2), content: bytes("cc"), fault: "EACCES" },
        { entry: file("d/e", 2), content: bytes("ee") }
      ]
      const service = Context.get(yield* Layer.build(Memory.sourceLayer(given)), Source)
      const { entries } = yield* service.scan
      assert.strictEqual(entries.length, 5)
      const into = new Uint8Array(8).fill(1)
      const failures = yield* service.readMembers([1, 2, 3, 4], into)
      assert.deepStrictEqual(
        failures.map(({ error, member }) => [member, error._tag]),
        [
          [1, "SourceChanged"],
          [2, "SourceError"]
        ]
      )
      assert.strictEqual(Buffer.from(into).toString(), "aa\0\0\0\0ee")
      const opened = yield* service.open(1)
      yield* opened.check
      assert.strictEqual((yield* Effect.flip(opened.read(1, new Uint8Array(2))))._tag, "SourceChanged")
      assert.strictEqual((yield* Effect.flip(service.open(3))).message, "d/c: permission denied (EACCES)")
    })
  )
})
