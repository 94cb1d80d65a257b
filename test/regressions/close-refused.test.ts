/**
 * A server says only when a file is closed that it has no room for what was written. That ended the catcher, left the
 * temporary file behind, and the file had its name by then.
 */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import nodeFs, * as fs from "node:fs"
import { syncBuiltinESMExports } from "node:module"
import { directory, disk, file, single } from "../store/Sandbox.ts"

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

const received = (top: string, commits: boolean) =>
  Effect.gen(function* () {
    const store = yield* disk(top)
    yield* store.prepare(tree)
    yield* refusing(top)
    return yield* Effect.scoped(
      Effect.gen(function* () {
        const writer = yield* store.open(single(tree))
        yield* writer.write(0, new Uint8Array(size).fill(7))
        return commits ? yield* writer.commit(() => false) : []
      })
    )
  }).pipe(Effect.scoped)

it.effect("it is a failure of that file, of which nothing stays", () =>
  Effect.gen(function* () {
    if (process.platform !== "linux") return
    const top = yield* directory
    const failures = yield* received(top, true)
    assert.deepStrictEqual(
      failures.map(({ entry, reason }) => [entry, reason]),
      [[0, "disk quota exceeded (EDQUOT)"]]
    )
    assert.deepStrictEqual(fs.readdirSync(top), [])
  }).pipe(Effect.scoped)
)
it.effect("one that is given up is gone", () =>
  Effect.gen(function* () {
    if (process.platform !== "linux") return
    const top = yield* directory
    assert.deepStrictEqual(yield* received(top, false), [])
    assert.deepStrictEqual(fs.readdirSync(top), [])
  }).pipe(Effect.scoped)
)
