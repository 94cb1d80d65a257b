/** An older version of a large file that is copied after the file is open, on a disk. [Y-18] */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as Compare from "../../../src/tree/Compare.ts"
import * as Lacks from "../../../src/tree/Lacks.ts"
import * as Policy from "../../../src/tree/Policy.ts"
import { random } from "../../delta/contents.ts"
import { blockBytesOf, pageBytes, reusing } from "../reusing.ts"
import { directory, disk, file, single, ways } from "../Sandbox.ts"

const size = 12_000_000
const content = random(size, 1)
const blockBytes = blockBytesOf(size)
/** The second block is other. */
const old = content.map((byte, at) => byte ^ (at === blockBytes + 7 ? 1 : 0))
const tree = [file("large", size)]

/** The file, open at a catcher that has hashed its older version. */
const opened = Effect.fnUntraced(function* (top: string, way: (typeof ways)[number]) {
  const at = `${top}/large`
  fs.writeFileSync(at, old)
  fs.utimesSync(at, 1, 1)
  const store = yield* disk(top, way)
  const changes = yield* store.survey(tree, Policy.defaults)
  yield* store.hash(
    Lacks.among(1, (entry) => Compare.isDoubted(changes[entry])),
    { pageBytes: 1432 }
  )
  changes[0] = Compare.resolved(changes[0], false)
  yield* store.prepare(tree, { policy: Policy.defaults, changes })
  const writer = yield* store.open(single(tree), { ...reusing(0, content), postpones: true })
  if (writer.settle === undefined) throw new Error("it copies nothing")
  return { at, settled: writer.settle(() => {}), writer }
})

/** What is open of what is below a directory. */
const openBelow = (top: string) =>
  fs.readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      const path = fs.readlinkSync(`/proc/self/fd/${fd}`)
      return path.startsWith(`${top}/`) ? [path.slice(top.length + 1)] : []
    } catch {
      return []
    }
  })

describe.for(ways)("$name", (way) => {
  it.effect("it is copied, and closed before the file is put in its place", () =>
    Effect.gen(function* () {
      const top = yield* directory
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { at, settled, writer } = yield* opened(top, way)
          assert.deepStrictEqual(writer.held, [0, blockBytes, blockBytes + pageBytes, size - blockBytes - pageBytes])
          yield* writer.write(blockBytes, content.subarray(blockBytes, 2 * blockBytes))
          assert.include(openBelow(top), "large")
          assert.deepStrictEqual(yield* settled, [])
          assert.notInclude(openBelow(top), "large")
          assert.deepStrictEqual(yield* writer.commit(() => false), [])
          assert.strictEqual(Buffer.compare(fs.readFileSync(at), content), 0)
        })
      )
      assert.deepStrictEqual(fs.readdirSync(top), ["large"])
    })
  )
  it.effect("what another program writes to it meanwhile is found, also where it keeps its time", () =>
    Effect.gen(function* () {
      const top = yield* directory
      const { at, settled, writer } = yield* opened(top, way)
      const fd = fs.openSync(at, "r+")
      for (const block of [100, 101, 300]) fs.writeSync(fd, "other", block * blockBytes + 3)
      fs.closeSync(fd)
      fs.utimesSync(at, 1, 1)
      // every page is held by then
      yield* writer.write(blockBytes, content.subarray(blockBytes, 2 * blockBytes))
      const lost = yield* settled
      assert.deepStrictEqual(lost, [100 * blockBytes, 2 * blockBytes, 300 * blockBytes, blockBytes])
      for (const from of [100 * blockBytes, 101 * blockBytes, 300 * blockBytes])
        yield* writer.write(from, content.subarray(from, from + blockBytes))
      assert.deepStrictEqual(yield* writer.commit(() => false), [])
      assert.strictEqual(Buffer.compare(fs.readFileSync(at), content), 0)
    }).pipe(Effect.scoped)
  )
  it.effect("one that is cut off, or gets another file's name, costs what is not there any more", () =>
    Effect.gen(function* () {
      for (const change of [
        (at: string) => fs.truncateSync(at, 5_000_000),
        (at: string) => fs.rmSync(at),
        (at: string) => fs.renameSync(at, `${at}.other`)
      ]) {
        const top = yield* directory
        yield* Effect.scoped(
          Effect.gen(function* () {
            const { at, settled, writer } = yield* opened(top, way)
            change(at)
            yield* writer.write(blockBytes, content.subarray(blockBytes, 2 * blockBytes))
            const lost = yield* settled
            for (let i = 0; i < lost.length; i += 2) {
              assert.isAtLeast(lost[i] + lost[i + 1], 5_000_000)
              yield* writer.write(lost[i], content.subarray(lost[i], lost[i] + lost[i + 1]))
            }
            assert.deepStrictEqual(yield* writer.commit(() => false), [])
            assert.strictEqual(Buffer.compare(fs.readFileSync(at), content), 0)
          })
        )
      }
    })
  )
  it.effect("given up on the way, nothing is left open, and nothing beside what it had", () =>
    Effect.gen(function* () {
      const top = yield* directory
      yield* Effect.scoped(opened(top, way))
      assert.deepStrictEqual(openBelow(top), [])
      assert.deepStrictEqual(fs.readdirSync(top), ["large"])
      assert.strictEqual(Buffer.compare(fs.readFileSync(`${top}/large`), old), 0)
    })
  )
})
