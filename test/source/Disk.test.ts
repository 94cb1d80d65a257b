/**
 * What a master takes from its arguments, and how it notices that it changes under its hands.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"
import { execFileSync, spawn } from "node:child_process"
import * as fs from "node:fs"
import * as net from "node:net"
import * as os from "node:os"
import { createRequire } from "node:module"
import * as Limits from "../../src/protocol/Limits.ts"
import { everything } from "../../src/source/Choice.ts"
import * as DiskSource from "../../src/source/Disk.ts"
import * as SimulatedTree from "../../src/simulate/Tree.ts"
import { Source } from "../../src/source/Source.ts"
import * as Memory from "../../src/store/Memory.ts"
import type { Entry } from "../../src/tree/Entry.ts"
import { display } from "../../src/tree/Names.ts"
import { refused } from "../../src/tree/Validate.ts"
import { asNobody, bytes, canSwitchUser, dir, directory, file, isRoot, metadata, nanosOf } from "../store/Sandbox.ts"
import { nanos } from "../store/Sandbox.ts"

const serviceOf = (layer: ReturnType<typeof DiskSource.layer>) =>
  Effect.map(Layer.build(layer), (context) => Context.get(context, Source))

const source = (...sources: ReadonlyArray<string | Uint8Array>) => serviceOf(DiskSource.layer(sources))

/** Can a copy of a file share its blocks? Then it takes no room. */
const canShareBlocks = (path: string): boolean =>
  Result.isSuccess(Result.try(() => fs.copyFileSync(path, `${path}.copy`, fs.constants.COPYFILE_FICLONE_FORCE)))

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
    case "Socket":
      return `${path}=`
    case "CharacterDevice":
    case "BlockDevice":
      return `${path} ${entry._tag} ${entry.device}`
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

it.effect("what a catcher has not finished in a directory of the source is left out", () =>
  Effect.gen(function* () {
    const base = yield* tree
    const others = [
      ".a.mrsync-",
      ".a.mrsync-12345",
      "a.mrsync-123456",
      ".b.mrsync-partially",
      ".mrsync-filter",
      ".mrsync-partial"
    ]
    for (const name of [".a.mrsync-partial", ".a.mrsync-Ab3456", ...others])
      fs.writeFileSync(`${base}/tree/d/${name}`, "")
    // what is no file no catcher has left
    const noFiles = [".d.mrsync-partial", ".d.mrsync-Ab3456", ".l.mrsync-partial"]
    for (const name of noFiles.slice(0, 2)) fs.mkdirSync(`${base}/tree/d/${name}`)
    fs.symlinkSync("b", `${base}/tree/d/${noFiles[2]}`)
    const { entries, skipped } = yield* (yield* source(`${base}/tree/d/`)).scan
    const found = entries.map(({ path }) => display(path))
    assert.sameMembers(found, [".", "b", "e", ...others, ...noFiles])
    assert.sameDeepMembers(
      skipped.map(({ kind, path }) => [kind, path]),
      [".a.mrsync-partial", ".a.mrsync-Ab3456"].map((name) => ["Special", `${base}/tree/d/${name}`])
    )
    // one that is named itself is sent
    const named = yield* (yield* source(`${base}/tree/d/.a.mrsync-partial`)).scan
    assert.strictEqual(named.entries.length, 1)
  })
)

describe("holes", () => {
  it.effect("of a large file are known: what it takes here is less than its size [M-10]", () =>
    Effect.gen(function* () {
      const base = yield* directory
      fs.writeFileSync(`${base}/full`, new Uint8Array(1_000_000).fill(1))
      fs.writeFileSync(`${base}/sparse`, "begins")
      fs.truncateSync(`${base}/sparse`, 1e12)
      const { entries } = yield* (yield* source(`${base}/`)).scan
      const used = Object.fromEntries(
        entries.flatMap((entry) => (entry._tag === "File" ? [[display(entry.path), entry.usedBytes]] : []))
      )
      assert.isUndefined(used["full"])
      assert.isAtMost(used["sparse"] ?? Infinity, 65_536)
    })
  )

  it.effect("are not read: a file is its runs of data, as it was, also while it grows [M-12]", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const base = yield* directory
        const path = `${base}/sparse`
        const size = 1024 ** 4
        fs.writeFileSync(path, "begins")
        fs.truncateSync(path, size)
        const fd = fs.openSync(path, "r+")
        fs.writeSync(fd, "in the middle", size / 2)
        const disk = yield* source(path)
        const [entry] = (yield* disk.scan).entries
        assert.deepInclude(entry, { size, data: [0, 4096, size / 2, 4096] })
        const file = yield* disk.open(0)
        const content = new Uint8Array(8192)
        yield* file.read(0, content)
        const text = Buffer.from(content).toString().replaceAll("\0", "")
        assert.strictEqual(text, "beginsin the middle")
        fs.writeSync(fd, "appended", size)
        assert.isTrue(yield* file.hasGrown)
        const again = new Uint8Array(8192)
        yield* file.read(0, again)
        assert.deepStrictEqual(again, content)
        // taken anew it has holes still
        const { retaken } = yield* disk.retake([0])
        fs.closeSync(fd)
        assert.deepInclude(retaken[0], { size: size + 8, data: [0, 4096, size / 2, 4096, size, 8] })
      })
    )
  )
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
            assert.deepStrictEqual(yield* file.readMembers(together([1, 3]), into), [])
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
      assert.include((yield* Effect.flip(late.scan)).message, "(ENOENT)")
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
        assert.deepStrictEqual(yield* service.readMembers(together([i, entry.size]), into), [])
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

  it.effect("hard links follow their leader, whatever that is; FIFOs, sockets and devices are taken", () =>
    Effect.gen(function* () {
      const base = yield* directory
      fs.mkdirSync(`${base}/d`)
      fs.writeFileSync(`${base}/z`, "z")
      fs.linkSync(`${base}/z`, `${base}/d/leader`)
      fs.linkSync(`${base}/z`, `${base}/e`)
      fs.symlinkSync("x", `${base}/l1`)
      fs.linkSync(`${base}/l1`, `${base}/l2`)
      execFileSync("mkfifo", [`${base}/p`])
      fs.linkSync(`${base}/p`, `${base}/p2`)
      const server = yield* Effect.acquireRelease(
        Effect.callback<net.Server>((resume) => {
          const server = net.createServer().listen(`${base}/s`, () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => server.close())
      )
      assert.isTrue(server.listening)
      const { entries, skipped } = yield* words(`${base}/`)
      assert.deepStrictEqual(entries, [
        "./",
        "d/",
        "d/leader",
        "e = 2",
        "l1 -> x",
        "l2 = 4",
        "p|",
        "p2 = 6",
        "s=",
        "z = 2"
      ])
      assert.deepStrictEqual(skipped, [])
      assert.deepStrictEqual((yield* words("/dev/null")).entries, ["null CharacterDevice 259"])
      const { entries: chosen, spared } = yield* (yield* serviceOf(
        DiskSource.layer([`${base}/`, "/dev/null"], { ...everything, hasDevices: false, hasSpecials: false })
      )).scan
      assert.notInclude(chosen.map(word).join(), "p|")
      assert.deepStrictEqual(
        spared.map((path) => display(path)),
        ["p", "p2", "s", "null"]
      )
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
        together(...entries.flatMap((entry, index) => (entry._tag === "File" ? [[index, 0] as const] : []))),
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
          const failures = yield* service.readMembers(together([1, 3]), new Uint8Array(3))
          assert.strictEqual(failures[0].error._tag, "SourceError")
        })
      )
    })
  )
})

type Change = readonly [what: string, change: (path: string) => void]

const touched = (path: string) => fs.utimesSync(path, 1, 1)
const replacedBy = (path: string, content: string) => {
  fs.writeFileSync(`${path}~`, content)
  fs.renameSync(`${path}~`, path)
}

/** Of these the new content and time can be sent. */
const otherContent: ReadonlyArray<Change> = [
  ["grows", (path) => fs.appendFileSync(path, "more")],
  ["shrinks", (path) => fs.truncateSync(path, 1)],
  ["is written to", (path) => fs.writeFileSync(path, "BB")],
  ["is touched", touched],
  ["is replaced", (path) => replacedBy(path, "other")]
]
const noFile: ReadonlyArray<Change> = [
  ["vanishes", (path) => fs.rmSync(path)],
  ["becomes a link", (path) => (fs.renameSync(path, `${path}~`), fs.symlinkSync(`${path}~`, path))],
  ["becomes a directory", (path) => (fs.rmSync(path), fs.mkdirSync(path))],
  ["becomes a FIFO", (path) => (fs.rmSync(path), execFileSync("mkfifo", [path]))],
  ["loses its directory", (path) => fs.rmSync(path.slice(0, -2), { recursive: true })]
]
/** Neither content nor time is another one. */
const sameContent: ReadonlyArray<Change> = [
  ["gets another mode", (path) => fs.chmodSync(path, 0o600)],
  ["gets another name besides", (path) => fs.linkSync(path, `${path}~`)],
  [
    "gets another inode number",
    (path) => (execFileSync("cp", ["-p", path, `${path}~`]), fs.renameSync(`${path}~`, path))
  ]
]

const { resolve } = createRequire(import.meta.url)
const hasKoffi = Result.isSuccess(Result.try(() => resolve("koffi")))

/** Another process has a lease on the file, and gives it back so long after it was asked. */
const leased = (path: string, millis: number) =>
  Effect.acquireRelease(
    Effect.callback<ReturnType<typeof spawn>>((resume) => {
      const program = `
        const fcntl = require(${JSON.stringify(resolve("koffi"))}).load(null).func("int fcntl(int, int, ...)")
        const fd = require("fs").openSync(process.argv[1], "r+")
        const lease = (type) => fcntl(fd, 1024, "int", type)
        process.on("SIGIO", () => setTimeout(() => lease(2), ${millis}))
        console.log(lease(1))
        setTimeout(() => {}, 30000)`
      const child = spawn(process.execPath, ["-e", program, path], { stdio: ["ignore", "pipe", "inherit"] })
      child.stdout.once("data", (said) => {
        assert.strictEqual(String(said).trim(), "0", "no lease was given")
        resume(Effect.succeed(child))
      })
    }),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )

/** The system stamps times by its own tick: a change within it would go unseen. */
const tick = Effect.callback<void>((resume) => void setTimeout(() => resume(Effect.void), 20))

/** Members of a bundle, back to back. */
const together = (...files: ReadonlyArray<readonly [entry: number, size: number]>) => {
  let end = 0
  return files.map(([entry, size]) => ({ entry, size, offset: (end += size) - size }))
}

const textOf = (bytes: Uint8Array) => Buffer.from(bytes).toString()

describe("a file that changes", () => {
  const prepared = Effect.gen(function* () {
    const base = yield* tree
    yield* tick
    const service = yield* source(`${base}/tree`)
    yield* service.scan
    return { path: `${base}/tree/d/b`, service }
  })

  for (const [what, change] of [...otherContent, ...noFile]) {
    it.effect(`${what} before it is opened`, () =>
      Effect.gen(function* () {
        const { path, service } = yield* prepared
        change(path)
        assert.strictEqual((yield* Effect.flip(service.open(3)))._tag, "SourceChanged")
        const into = new Uint8Array(5).fill(9)
        const failures = yield* service.readMembers(together([1, 3], [3, 2]), into)
        assert.deepStrictEqual(
          failures.map(({ error, member }) => [member, error._tag]),
          [[1, "SourceChanged"]]
        )
        assert.deepStrictEqual(Array.from(into), [97, 97, 97, 0, 0])
      })
    )
  }

  it.effect("a file renamed over it while it is sent is another one, and one without a name is what it was", () =>
    Effect.gen(function* () {
      const { path, service } = yield* prepared
      const opened = yield* service.open(3)
      fs.renameSync(path, `${path}.away`)
      assert.isTrue(yield* opened.isUntouched)
      fs.writeFileSync(`${path}.new`, "new content")
      fs.renameSync(`${path}.new`, path)
      assert.strictEqual((yield* Effect.flip(opened.isUntouched))._tag, "SourceChanged")
      fs.renameSync(`${path}.away`, path)
      assert.isTrue(yield* opened.isUntouched)
    })
  )

  for (const [what, change] of sameContent) {
    it.effect(`${what}: that is no change`, () =>
      Effect.gen(function* () {
        const { path, service } = yield* prepared
        const opened = yield* service.open(3)
        change(path)
        assert.isTrue(yield* opened.isUntouched)
        const again = yield* service.open(3)
        assert.isTrue(yield* again.isUntouched)
        const into = new Uint8Array(2)
        assert.deepStrictEqual(yield* service.readMembers(together([3, 2]), into), [])
        assert.strictEqual(textOf(into), "bb")
      })
    )
  }

  for (const [what, change] of otherContent.slice(0, 4)) {
    it.effect(`${what} while it is open`, () =>
      Effect.gen(function* () {
        const { path, service } = yield* prepared
        const file = yield* service.open(3)
        assert.isTrue(yield* file.isUntouched)
        const into = new Uint8Array(2)
        yield* file.read(0, into)
        assert.strictEqual(textOf(into), "bb")
        change(path)
        assert.isFalse(yield* file.isUntouched)
        assert.strictEqual(yield* file.hasGrown, what === "grows")
        assert.strictEqual(
          file.changed.message,
          `${path}: changed or vanished while it was sent; send it again when nobody writes to it`
        )
        if (what === "shrinks") assert.strictEqual((yield* Effect.flip(file.read(0, into)))._tag, "SourceChanged")
      })
    )
  }

  it.effect("is replaced while it is open: what was opened is read, and is not what is there", () =>
    Effect.gen(function* () {
      const { path, service } = yield* prepared
      const file = yield* service.open(3)
      replacedBy(path, "other")
      assert.strictEqual((yield* Effect.flip(file.isUntouched))._tag, "SourceChanged")
      const into = new Uint8Array(2)
      yield* file.read(0, into)
      assert.strictEqual(textOf(into), "bb")
    })
  )

  for (const [what, change] of otherContent) {
    it.effect(`${what}, and is taken anew`, () =>
      Effect.gen(function* () {
        const { path, service } = yield* prepared
        change(path)
        const content = fs.readFileSync(path, "utf8")
        const { failures, retaken } = yield* service.retake([3])
        assert.deepStrictEqual(failures, [])
        assert.deepStrictEqual(
          retaken.map(({ entry, metadata, size }) => [entry, size, nanosOf(metadata)]),
          [[3, content.length, nanos(path)]]
        )
        // from now on it is what it was then
        fs.writeFileSync(path, "something else")
        const into = new Uint8Array(content.length)
        assert.deepStrictEqual(yield* service.readMembers(together([3, into.length]), into), [])
        assert.strictEqual(textOf(into), content)
        yield* (yield* service.open(3)).read(0, into)
        assert.strictEqual(textOf(into), content)
        assert.isFalse(yield* service.isCurrent(3))
      })
    )
  }

  for (const [what, change] of noFile) {
    it.effect(`${what}, and cannot be taken anew`, () =>
      Effect.gen(function* () {
        const { path, service } = yield* prepared
        change(path)
        const { failures, retaken } = yield* service.retake([1, 3])
        assert.deepStrictEqual(
          failures.map(({ entry, error }) => [entry, error._tag]),
          [[3, "SourceChanged"]]
        )
        assert.deepStrictEqual(
          retaken.map(({ entry }) => entry),
          [1]
        )
      })
    )
  }

  it.effect("large ones are copied, and leave neither a name nor a descriptor behind", () =>
    Effect.gen(function* () {
      const base = yield* directory
      const size = Limits.smallFileBytes + 4096
      const path = `${base}/large`
      fs.writeFileSync(path, Buffer.alloc(size, 1))
      const descriptors = () => fs.readdirSync("/dev/fd").length
      const before = descriptors()
      const copies = () => fs.readdirSync(os.tmpdir()).filter((name) => name.startsWith("mrsync-copy-"))
      yield* Effect.scoped(
        Effect.gen(function* () {
          const service = yield* source(path)
          yield* service.scan
          assert.strictEqual((yield* service.retake([0])).retaken.length, 1)
          // as through mmap: content without time
          const { atime, mtime } = fs.statSync(path)
          const fd = fs.openSync(path, "r+")
          fs.writeSync(fd, Buffer.alloc(10, 2), 0, 10, size - 100)
          fs.closeSync(fd)
          fs.utimesSync(path, atime, mtime)
          const opened = yield* service.open(0)
          const into = new Uint8Array(size)
          yield* opened.read(0, into)
          assert.isTrue(into.every((byte) => byte === 1))
          assert.isFalse(yield* service.isCurrent(0))
          assert.deepStrictEqual(copies(), [])
          // taken once more it is what it is now; what is appended does not make it another, nor does what replaces it
          assert.strictEqual((yield* service.retake([0])).retaken.length, 1)
          assert.isTrue(yield* service.isCurrent(0))
          fs.appendFileSync(path, "more")
          assert.isTrue(yield* service.isCurrent(0))
          replacedBy(path, "other")
          assert.isTrue(yield* service.isCurrent(0))
          // one copy and no more is open
          assert.isAtMost(descriptors(), before + 1)
        })
      )
      assert.strictEqual(descriptors(), before)
    })
  )

  // sessions compare whole seconds: a catcher with what was there first was taken for right for ever
  for (const [what, size] of [
    ["small", 10],
    ["large", Limits.smallFileBytes + 4096]
  ] as const) {
    it.effect(`a ${what} one that is written once more in the second of its copy is copied again`, () =>
      Effect.gen(function* () {
        const path = `${yield* directory}/f`
        const written = (byte: number, time: number) => {
          fs.writeFileSync(path, Buffer.alloc(size, byte))
          fs.utimesSync(path, time, time)
        }
        written(1, 999)
        const service = yield* source(path)
        yield* service.scan
        yield* TestClock.setTime(1000_300)
        written(2, 1000.2)
        const taking = yield* Effect.forkChild(service.retake([0]))
        const real = Effect.promise(() => new Promise((done) => setTimeout(done, 100)))
        yield* real
        written(3, 1000.6)
        while (taking.pollUnsafe() === undefined) {
          yield* TestClock.adjust(100)
          yield* real
        }
        const { retaken } = yield* Fiber.join(taking)
        assert.deepStrictEqual(
          retaken.map(({ metadata }) => nanosOf(metadata)),
          [nanos(path)]
        )
        const into = new Uint8Array(size)
        yield* (yield* service.open(0)).read(0, into)
        assert.isTrue(into.every((byte) => byte === 3))
        assert.isTrue(yield* service.isCurrent(0))
      })
    )
  }

  // a log that is never still
  for (const [what, change, isFine] of [
    ["appended to", (path: string) => fs.appendFileSync(path, "more"), true],
    [
      "written anew, and longer",
      (path: string, size: number) => fs.writeFileSync(path, SimulatedTree.bytes(size + 9, 5)),
      false
    ],
    ["replaced by another", (path: string) => replacedBy(path, "another one"), false]
  ] as const) {
    it.effect(`one that is too large for a copy, and is ${what} before it is opened`, () =>
      Effect.gen(function* () {
        const base = yield* directory
        const [path, size] = [`${base}/large`, Limits.smallFileBytes + 4096]
        const content = SimulatedTree.bytes(size, 3)
        fs.writeFileSync(path, content)
        // then there is a copy
        if (canShareBlocks(path)) return
        const service = yield* serviceOf(DiskSource.layer([path], everything, 1000))
        yield* service.scan
        fs.appendFileSync(path, "before")
        assert.strictEqual((yield* Effect.flip(service.open(0)))._tag, "SourceChanged")
        assert.strictEqual((yield* service.retake([0])).retaken[0].size, size + 6)
        change(path, size + 6)
        const opened = yield* Effect.result(service.open(0))
        assert.strictEqual(Result.isSuccess(opened), isFine)
        if (Result.isFailure(opened)) return
        assert.isFalse(yield* opened.success.isUntouched)
        assert.isTrue(yield* opened.success.hasGrown)
        const into = new Uint8Array(size + 6)
        yield* opened.success.read(0, into)
        assert.isTrue(Buffer.concat([content, Buffer.from("before")]).equals(into))
        // it is another one as soon as its end is
        const fd = fs.openSync(path, "r+")
        fs.writeSync(fd, Buffer.from("BEFORE"), 0, 6, size)
        fs.closeSync(fd)
        assert.isFalse(yield* opened.success.hasGrown)
      })
    )
  }

  it.effect("as many as may be copied at one time are taken, and the others later", () =>
    Effect.gen(function* () {
      const base = yield* directory
      const size = Limits.smallFileBytes + 1
      const count = Limits.copiedLargeFiles + 2
      for (let i = 0; i < count; i++) fs.writeFileSync(`${base}/${i}`, Buffer.alloc(size))
      const service = yield* source(`${base}/`)
      const { entries } = yield* service.scan
      const wanted = entries.flatMap((entry, index) => (entry._tag === "File" ? [index] : []))
      const first = yield* service.retake(wanted)
      assert.strictEqual(first.retaken.length, Limits.copiedLargeFiles)
      const rest = wanted.filter((entry) => !first.retaken.some((one) => one.entry === entry))
      assert.strictEqual((yield* service.retake(rest)).retaken.length, 2)
    })
  )

  it.effect("copies of large files take no more room at one time than they may, and the others are taken later", () =>
    Effect.gen(function* () {
      const base = yield* directory
      const size = Limits.smallFileBytes + 1
      for (let i = 0; i < 5; i++) fs.writeFileSync(`${base}/${i}`, Buffer.alloc(size, i))
      if (canShareBlocks(`${base}/0`)) return
      fs.writeFileSync(`${base}/larger`, Buffer.alloc(3 * size))
      const service = yield* serviceOf(DiskSource.layer([`${base}/`], everything, 2 * size + 1))
      const { entries } = yield* service.scan
      let wanted = entries.flatMap((entry, index) => (entry._tag === "File" ? [index] : []))
      const batches: Array<ReadonlyArray<string>> = []
      while (wanted.length > 0) {
        const { failures, retaken } = yield* service.retake(wanted)
        assert.deepStrictEqual(failures, [])
        const taken = retaken.map(({ entry }) => entry)
        batches.push(taken.map((entry) => textOf(entries[entry].path)))
        wanted = wanted.filter((entry) => !taken.includes(entry))
      }
      // what is too large for any copy is not put off
      assert.deepStrictEqual(batches, [["0", "1", "larger"], ["2", "3"], ["4"]])
    })
  )

  it.live.runIf(hasKoffi)("an open that a lease holds up is waited for", () =>
    Effect.gen(function* () {
      const { path, service } = yield* prepared
      yield* leased(path, 700)
      // the first open asks for it back, and waits for nothing
      assert.include((yield* Effect.flip(service.open(3))).message, "holds a lease")
      const failures = yield* service.readMembers(together([1, 3], [3, 2]), new Uint8Array(5))
      assert.deepStrictEqual(
        failures.map(({ error, member }) => [member, error.message]),
        [[1, `${path}: another program holds a lease on it`]]
      )
      const { failures: left, retaken } = yield* service.retake([3])
      assert.deepStrictEqual(left, [])
      assert.deepStrictEqual(
        retaken.map(({ size }) => size),
        [2]
      )
    })
  )

  it.effect.runIf(fs.existsSync("/sys/class/net/lo/mtu"))("the kernel's own files are as rsync has them", () =>
    Effect.gen(function* () {
      const empty = yield* source("/proc/version")
      const { entries } = yield* empty.scan
      assert.deepStrictEqual(
        entries.map((entry) => entry._tag === "File" && entry.size),
        [0]
      )
      yield* tick
      assert.deepStrictEqual(yield* empty.readMembers(together([0, 0]), new Uint8Array(0)), [])
      assert.isTrue(yield* (yield* empty.open(0)).isUntouched)
      const short = yield* source("/sys/class/net/lo/mtu")
      yield* short.scan
      const failures = yield* short.readMembers(together([0, 4096]), new Uint8Array(4096))
      assert.strictEqual(failures[0].error.message, "/sys/class/net/lo/mtu: no data available (ENODATA)")
      const opened = yield* short.open(0)
      assert.strictEqual((yield* Effect.flip(opened.read(0, new Uint8Array(4096))))._tag, "SourceError")
    })
  )

  it.effect("what is no file of the scan is not opened", () =>
    Effect.gen(function* () {
      const { service } = yield* prepared
      for (const entry of [0, 99]) {
        assert.strictEqual((yield* Effect.flip(service.open(entry)))._tag, "SourceError")
        assert.strictEqual((yield* service.readMembers(together([entry, 0]), new Uint8Array(0))).length, 1)
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
      const failures = yield* service.readMembers(together([1, 2], [2, 2], [3, 2], [4, 2]), into)
      assert.deepStrictEqual(
        failures.map(({ error, member }) => [member, error._tag]),
        [
          [1, "SourceChanged"],
          [2, "SourceError"]
        ]
      )
      assert.strictEqual(Buffer.from(into).toString(), "aa\0\0\0\0ee")
      const opened = yield* service.open(1)
      assert.isTrue(yield* opened.isUntouched)
      assert.strictEqual((yield* Effect.flip(opened.read(1, new Uint8Array(2))))._tag, "SourceChanged")
      assert.strictEqual((yield* Effect.flip(service.open(3))).message, "d/c: permission denied (EACCES)")
    })
  )
})
