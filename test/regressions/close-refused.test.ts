/**
 * A server says only when a file is closed that it has no room for what was written. That ended the catcher, left the
 * temporary file behind, and the file had its name by then.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import nodeFs, * as fs from "node:fs"
import { syncBuiltinESMExports } from "node:module"
import type { CarriedFile } from "../../src/tree/Plan.ts"
import * as Policy from "../../src/tree/Policy.ts"
import { bundle, directory, disk, file, single } from "../store/Sandbox.ts"

const size = 2_000_000
const tree = [file("large", size)]

/** Closes of files below a directory are refused: they are closed then all the same. */
const refusing = (top: string) => {
  const { closeSync } = fs
  const put = (close: typeof closeSync) => {
    nodeFs.closeSync = close
    syncBuiltinESMExports()
  }
  const refuse = (fd: number) => {
    const isOurs = fs.readlinkSync(`/proc/self/fd/${fd}`).startsWith(`${top}/`)
    closeSync(fd)
    if (isOurs) throw Object.assign(new Error("close"), { code: "EDQUOT", errno: -122, syscall: "close" })
  }
  return Effect.acquireRelease(
    Effect.sync(() => put(refuse)),
    () => Effect.sync(() => put(closeSync))
  )
}

interface How {
  readonly carried?: CarriedFile
  readonly policy?: Policy.Policy
  readonly commits?: boolean
}

const received = (top: string, { carried = single(tree), commits = true, policy = Policy.defaults }: How) =>
  Effect.gen(function* () {
    const store = yield* disk(top)
    const changes = yield* store.survey(tree, policy)
    assert.deepStrictEqual(yield* store.prepare(tree, { policy, changes }), [])
    yield* refusing(top)
    return yield* Effect.scoped(
      Effect.gen(function* () {
        const writer = yield* store.open(carried)
        yield* writer.write(0, new Uint8Array(size).fill(7))
        const failures = commits ? yield* writer.commit(() => false) : []
        return failures.map(({ entry, reason }) => [entry, reason])
      })
    )
  }).pipe(Effect.scoped)

const isLinux = process.platform === "linux"
const refused = "disk quota exceeded (EDQUOT)"

describe.skipIf(!isLinux)("a close that is refused", () => {
  it.effect("is a failure of that file, of which nothing stays", () =>
    Effect.gen(function* () {
      const top = yield* directory
      assert.deepStrictEqual(yield* received(top, {}), [[0, refused]])
      assert.deepStrictEqual(fs.readdirSync(top), [])
    }).pipe(Effect.scoped)
  )

  it.effect("of a small one that takes another's place: the other stays", () =>
    Effect.gen(function* () {
      const top = yield* directory
      fs.writeFileSync(`${top}/large`, "older")
      assert.deepStrictEqual(yield* received(top, { carried: bundle(tree) }), [[0, refused]])
      assert.deepStrictEqual(fs.readdirSync(top), ["large"])
      assert.strictEqual(fs.readFileSync(`${top}/large`, "utf8"), "older")
    }).pipe(Effect.scoped)
  )

  it.effect("of one that is written in place: it has not the source's time", () =>
    Effect.gen(function* () {
      const top = yield* directory
      fs.writeFileSync(`${top}/large`, "older")
      const { ino } = fs.statSync(`${top}/large`)
      assert.deepStrictEqual(yield* received(top, { policy: { ...Policy.defaults, isInPlace: true } }), [
        [0, `${refused}; it is of mixed content now`]
      ])
      const now = fs.statSync(`${top}/large`)
      assert.strictEqual(now.ino, ino)
      assert.strictEqual(now.mtimeMs, 0)
    }).pipe(Effect.scoped)
  )

  it.effect("of one that is given up: it is gone", () =>
    Effect.gen(function* () {
      const top = yield* directory
      assert.deepStrictEqual(yield* received(top, { commits: false }), [])
      assert.deepStrictEqual(fs.readdirSync(top), [])
    }).pipe(Effect.scoped)
  )
})
