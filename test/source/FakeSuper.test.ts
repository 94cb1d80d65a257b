/** A source of files that stand for something else, as `--fake-super` keeps it; also where somebody has kept nonsense. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { type Choice, everything } from "../../src/source/Choice.ts"
import * as DiskSource from "../../src/source/Disk.ts"
import { Source } from "../../src/source/Source.ts"
import { Libc, load } from "../../src/system/Libc.ts"
import { metadataOf } from "../../src/tree/Entry.ts"
import * as Disk from "../../src/store/disk/Disk.ts"
import * as FakeSuper from "../../src/tree/FakeSuper.ts"
import { display } from "../../src/tree/Names.ts"
import { asNobody, canSwitchUser, directory, isLinux } from "../store/Sandbox.ts"

const keep = (path: string, value: string, name = FakeSuper.statName) =>
  Option.getOrThrow(load()).attributes!.set({ path: Buffer.from(path), follow: false }, name, Buffer.from(value))

const scan = Effect.fnUntraced(function* (base: string, choice: Partial<Choice> = {}) {
  const layer = DiskSource.layer([`${base}/`], { ...everything, fakesSuper: true, ...choice })
  const source = Context.get(yield* Layer.build(layer), Source)
  const { entries, skipped } = yield* source.scan
  const told = entries.slice(1).map((entry) => {
    const { gid = -1, mode = -1, uid = -1 } = metadataOf(entry) ?? {}
    return [display(entry.path), entry._tag, mode.toString(8), uid, gid]
  })
  return { source, entries, told, skipped }
})

describe.skipIf(!isLinux)("a source with --fake-super", () => {
  it.effect("is what its files stand for", () =>
    Effect.gen(function* () {
      const base = yield* directory
      for (const name of ["device", "file", "pipe"]) fs.writeFileSync(`${base}/${name}`, "")
      fs.writeFileSync(`${base}/link`, "a/target")
      fs.mkdirSync(`${base}/folder`)
      keep(`${base}/device`, "20640 1,259 0:6")
      keep(`${base}/file`, "104711 0,0 70000:7")
      keep(`${base}/folder`, "41777 0,0 5:6")
      keep(`${base}/link`, "120777 0,0 8:9")
      keep(`${base}/pipe`, "10600 0,0 1:1")
      keep(`${base}/file`, "held", "user.rsync.trusted.held")
      if (canSwitchUser) execFileSync("chown", ["-R", "65534", base])
      const scanning = scan(base, { carriesAttributes: true })
      const { entries, told } = yield* canSwitchUser ? asNobody(scanning) : scanning
      assert.deepStrictEqual(told, [
        ["device", "CharacterDevice", "640", 0, 6],
        ["file", "File", "4711", 70_000, 7],
        ["folder", "Directory", "1777", 5, 6],
        ["link", "Symlink", "777", 8, 9],
        ["pipe", "Fifo", "600", 1, 1]
      ])
      const [, device, file, , link] = entries
      assert.strictEqual(device._tag === "CharacterDevice" && device.device, (1 << 8) + 3 + (1 << 20))
      assert.strictEqual(link._tag === "Symlink" && Buffer.from(link.target).toString(), "a/target")
      assert.deepStrictEqual(
        metadataOf(file)?.attributes?.map(({ name }) => name),
        ["trusted.held"]
      )
      // and the same tree without it
      const plain = yield* scan(base, { fakesSuper: false })
      assert.deepStrictEqual(
        plain.told.map(([, tag]) => tag),
        ["File", "File", "Directory", "File", "File"]
      )
    })
  )

  it.effect("a file that is taken anew is what it stands for as well", () =>
    Effect.gen(function* () {
      const base = yield* directory
      fs.writeFileSync(`${base}/file`, "before")
      keep(`${base}/file`, "104711 0,0 70000:7")
      keep(`${base}/file`, "held", "user.rsync.trusted.held")
      if (canSwitchUser) execFileSync("chown", ["-R", "65534", base])
      const retaking = Effect.gen(function* () {
        const { source } = yield* scan(base, { carriesAttributes: true })
        fs.writeFileSync(`${base}/file`, "another content")
        return (yield* source.retake([1])).retaken
      })
      const [{ metadata, size }] = yield* canSwitchUser ? asNobody(retaking) : retaking
      const { attributes, gid, mode, uid } = metadata
      assert.deepStrictEqual([size, mode, uid, gid], [15, 0o4711, 70_000, 7])
      assert.deepStrictEqual(
        attributes?.map(({ name }) => name),
        ["trusted.held"]
      )
      // and one that stands for something else by then is no file any more
      const { source } = yield* scan(base)
      keep(`${base}/file`, "10644 0,0 0:0")
      const { failures, retaken } = yield* source.retake([1])
      assert.deepStrictEqual([retaken.length, failures.length], [0, 1])
    })
  )

  it.effect("nonsense is not believed, and a link without a target is left out", () =>
    Effect.gen(function* () {
      const base = yield* directory
      fs.mkdirSync(`${base}/a`)
      const files = { b: "file", c: "file", d: "", e: "a\0b", f: "x".repeat(4096) }
      for (const [name, content] of Object.entries(files)) fs.writeFileSync(`${base}/${name}`, content)
      keep(`${base}/a`, "100644 0,0 9:9")
      keep(`${base}/b`, "40755 0,0 9:9")
      keep(`${base}/c`, "nonsense")
      for (const name of ["d", "e", "f"]) keep(`${base}/${name}`, "120777 0,0 0:0")
      const { skipped, told } = yield* scan(base)
      const me = [process.geteuid?.(), process.getegid?.()]
      assert.deepStrictEqual(
        told.map(([path, tag, , ...owner]) => [path, tag, ...owner]),
        [
          ["a", "Directory", ...me],
          ["b", "File", ...me],
          ["c", "File", ...me]
        ]
      )
      assert.deepStrictEqual(
        skipped.map(({ path }) => path.slice(base.length + 1)),
        ["d", "e", "f"]
      )
      assert.match(skipped[0].reason, /stands for a symbolic link, and has no target in it/)
    })
  )

  it.effect("links that stand in files are followed by nobody", () =>
    Effect.gen(function* () {
      const base = yield* directory
      fs.writeFileSync(`${base}/link`, "/etc/passwd")
      keep(`${base}/link`, "120777 0,0 0:0")
      for (const choice of [{ followsLinks: true }, { followsUnsafe: true }])
        assert.deepStrictEqual((yield* scan(base, choice)).told, [["link", "Symlink", "777", 0, 0]])
      assert.deepStrictEqual((yield* scan(base, { leavesOutUnsafe: true })).told, [])
    })
  )

  it.effect("without the calls for attributes it is refused", () =>
    Effect.gen(function* () {
      const base = yield* directory
      const source = Layer.build(DiskSource.layer([base], { ...everything, fakesSuper: true }))
      const store = Layer.build(Disk.layer(base, { fakesSuper: true }))
      const without = Effect.provideService(Libc, Option.none())
      for (const error of [yield* Effect.flip(without(source)), yield* Effect.flip(without(store))])
        assert.include(error.message, "with the package koffi")
    })
  )
})
