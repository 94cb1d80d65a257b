/** The demo's comparison finds what it is there to find. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { compare } from "../../src/cli/Compare.ts"

const time = new Date(1_500_000_000_000)

const plant = (root: string) => {
  Fs.mkdirSync(join(root, "d/e"), { recursive: true })
  Fs.writeFileSync(join(root, "d/file"), "x".repeat(100_000))
  Fs.writeFileSync(join(root, "d/empty"), "")
  Fs.writeFileSync(Buffer.concat([Buffer.from(join(root, "d/e/")), Buffer.from([0xff, 0x0a])]), "bytes")
  Fs.linkSync(join(root, "d/file"), join(root, "d/twin"))
  Fs.symlinkSync("../nowhere", join(root, "d/link"))
  Fs.lutimesSync(join(root, "d/link"), time, time)
  Fs.utimesSync(Buffer.concat([Buffer.from(join(root, "d/e/")), Buffer.from([0xff, 0x0a])]), time, time)
  for (const name of ["d/file", "d/empty", "d/e", "d", ""]) Fs.utimesSync(join(root, name), time, time)
}

/** Two equal trees; what a function did to the copy, the comparison says. */
const differences = (change: (copy: string) => void, sinceMillis = Number.MAX_SAFE_INTEGER) =>
  Effect.acquireUseRelease(
    Effect.sync(() => Fs.mkdtempSync(join(tmpdir(), "mrsync-test-"))),
    (place) => {
      const [original, copy] = [join(place, "original"), join(place, "copy")]
      plant(original)
      plant(copy)
      change(copy)
      return compare(original, copy, sinceMillis)
    },
    (place) => Effect.sync(() => Fs.rmSync(place, { recursive: true }))
  )

const untouched = (path: string) => Fs.utimesSync(path, time, time)

describe("compare", () => {
  it.effect("equal trees", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* differences(() => {}), {
        entries: 8,
        bytes: 100_005,
        differences: [],
        changed: undefined
      })
    })
  )

  it.effect.each([
    ["one byte", "d/file: has other content"],
    ["size", "d/empty: 1 bytes, not 0"],
    ["mode", "d/empty: mode 600, not 644"],
    ["mtime", "d/empty: mtime 1500000001000000000, not 1500000000000000000 ns"],
    ["missing", "d/empty: is missing"],
    ["extra", "extra: should not be there"],
    ["target", "d/link: has another target"],
    ["type", "d/empty: is a directory, not a file"],
    ["hard link", "d/twin: is no hard link to what it should be"]
  ] as const)("%s", ([what, expected]) =>
    Effect.gen(function* () {
      const result = yield* differences((copy) => {
        const empty = join(copy, "d/empty")
        Fs.chmodSync(empty, 0o644)
        switch (what) {
          case "one byte": {
            const file = Fs.openSync(join(copy, "d/file"), "r+")
            Fs.writeSync(file, "y", 99_999)
            Fs.closeSync(file)
            untouched(join(copy, "d/file"))
            break
          }
          case "size":
            Fs.writeFileSync(empty, "x")
            untouched(empty)
            break
          case "mode":
            Fs.chmodSync(empty, 0o600)
            break
          case "mtime":
            Fs.utimesSync(empty, 1_500_000_001, 1_500_000_001)
            break
          case "missing":
            Fs.rmSync(empty)
            break
          case "extra":
            Fs.writeFileSync(join(copy, "extra"), "")
            break
          case "target":
            Fs.rmSync(join(copy, "d/link"))
            Fs.symlinkSync("elsewhere", join(copy, "d/link"))
            Fs.lutimesSync(join(copy, "d/link"), time, time)
            break
          case "type":
            Fs.rmSync(empty)
            Fs.mkdirSync(empty)
            break
          case "hard link":
            Fs.rmSync(join(copy, "d/twin"))
            Fs.copyFileSync(join(copy, "d/file"), join(copy, "d/twin"))
            untouched(join(copy, "d/twin"))
            break
        }
        untouched(join(copy, "d"))
        untouched(copy)
      })
      assert.deepStrictEqual(result.differences, [expected])
    })
  )

  it.effect("tells that the original was changed meanwhile", () =>
    Effect.gen(function* () {
      assert.isDefined((yield* differences(() => {}, 0)).changed)
    })
  )
})
