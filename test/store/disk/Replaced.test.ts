/** Large files that others take the place of: they are freed afterwards. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Limits from "../../../src/protocol/Limits.ts"
import * as Confinement from "../../../src/store/disk/Confinement.ts"
import { Replaced } from "../../../src/store/disk/Replaced.ts"

/** Descriptors of this process that are of a file which has this name, or has lost it. */
const openOf = (name: string) =>
  fs.readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return [name, `${name} (deleted)`].includes(fs.readlinkSync(`/proc/self/fd/${fd}`))
    } catch {
      return false
    }
  }).length

// a file system of which it is known how it frees
const memory = "/dev/shm"
const hasMemory = fs.existsSync(memory)
if (!hasMemory) console.log(`Replaced.test.ts: there is no ${memory} here: its tests are skipped`)

const directory = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(memory, "mrsync-replaced-"))),
  (directory) => Effect.sync(() => fs.rmSync(directory, { recursive: true }))
)

const stage = Effect.map(directory, (root) => {
  const tree = Confinement.make(Buffer.from(root), true, Option.none())
  const spot = { directory: tree.directory(""), name: Buffer.from("f") }
  const name = path.join(root, "f")
  const write = (bytes: number) => fs.writeFileSync(name, Buffer.alloc(bytes, 1))
  return { name, spot, write, remove: () => fs.unlinkSync(name) }
})

describe.skipIf(!hasMemory)("what is replaced", () => {
  it.effect("is held while its name is taken, if it is large, and freed then", () =>
    Effect.gen(function* () {
      const { name, remove, spot, write } = yield* stage
      for (const [bytes, held] of [
        [Limits.freedBytes, 1],
        [Limits.freedBytes - 4096, 0]
      ]) {
        const replaced = new Replaced()
        write(bytes)
        let during = 0
        replaced.taking(spot, () => {
          remove()
          during = openOf(name)
        })
        assert.strictEqual(during, held)
        yield* replaced.settled
        assert.strictEqual(openOf(name), 0)
      }
    })
  )
  it.effect(
    "is freed also where its name cannot be taken; what has another name, and what is no file, is left alone",
    () =>
      Effect.gen(function* () {
        const { name, spot, write } = yield* stage
        const replaced = new Replaced()
        const refused = () => {
          throw new Error("refused")
        }
        assert.throws(() => replaced.taking(spot, refused), "refused")
        write(Limits.freedBytes)
        assert.throws(() => replaced.taking(spot, refused), "refused")
        // it is closed in the thread pool
        yield* replaced.settled
        fs.linkSync(name, `${name}2`)
        replaced.taking(spot, () => assert.strictEqual(openOf(name), 0))
        yield* replaced.settled
        assert.strictEqual(openOf(name), 0)
      })
  )
  it.effect("is freed at once where many are waited for", () =>
    Effect.gen(function* () {
      const { name, remove, spot, write } = yield* stage
      const replaced = new Replaced()
      const held: Array<number> = []
      for (let i = 0; i <= Limits.freedAtOnce; i++) {
        write(Limits.freedBytes)
        const before = openOf(name)
        replaced.taking(spot, () => {
          remove()
          held.push(openOf(name) - before)
        })
      }
      assert.deepStrictEqual(held.at(-1), 0)
      yield* replaced.settled
      assert.strictEqual(openOf(name), 0)
    })
  )
})
