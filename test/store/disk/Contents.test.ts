/** Files of which only the content tells whether they are right: hashed where they stand, and looked at again in the end. [Y-12] */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { hash } from "../../../src/content/Hash.ts"
import * as Blocks from "../../../src/delta/Blocks.ts"
import * as Compare from "../../../src/tree/Compare.ts"
import * as Lacks from "../../../src/tree/Lacks.ts"
import * as Policy from "../../../src/tree/Policy.ts"
import { directory, disk, file, ways } from "../Sandbox.ts"

const policy = { ...Policy.defaults, compare: "Content" } as const
const sizes = [5, 700, 1_300_000]
const entries = sizes.map((size, i) => file(`f${i}`, size))
const contentOf = (i: number) => "abc"[i].repeat(sizes[i])

/** The last one is large: its hash is of its blocks. */
const hashOf = (i: number): Uint8Array => {
  const content = Buffer.from(contentOf(i))
  return i < 2 ? hash(content) : Blocks.hashOf(Blocks.ofContent(content, Blocks.bytesOf(content.length, 1432)))
}

/**
 * A destination whose files were all hashed and found the same; `then` happens before the tree is committed, `first` before it is
 * prepared.
 */
const finished = Effect.fnUntraced(function* (
  way: (typeof ways)[number],
  then: (top: string) => void,
  mtimeSeconds = 1_600_000_000,
  first: (top: string) => void = () => {}
) {
  const top = yield* directory
  for (const [i] of sizes.entries()) {
    fs.writeFileSync(`${top}/f${i}`, contentOf(i))
    fs.chmodSync(`${top}/f${i}`, 0o644)
    fs.utimesSync(`${top}/f${i}`, mtimeSeconds, mtimeSeconds + 0.123_456_7)
  }
  fs.linkSync(`${top}/f0`, `${top}/extra name`)
  const store = yield* disk(top, way)
  const changes = yield* store.survey(entries, policy)
  const files = Lacks.among(sizes.length, (entry) => Compare.isDoubted(changes[entry]))
  const hashes = yield* store.hash(files, { pageBytes: 1432 })
  for (const [i] of sizes.entries()) {
    assert.deepStrictEqual(Buffer.from(hashes.get(i) ?? []), Buffer.from(hashOf(i)), `f${i}`)
    changes[i] = Compare.resolved(changes[i], true)
  }
  first(top)
  yield* store.prepare(entries, { policy, changes })
  then(top)
  return (yield* store.finish).map(({ entry, reason }) => [entry, reason.includes("was changed")])
})

/** Another content in a file that keeps its time. */
const rewrite = (path: string, content: string) => {
  const { atime, mtime } = fs.statSync(path)
  fs.writeFileSync(path, content)
  fs.utimesSync(path, atime, mtime)
}

describe.for(ways)("$name", (way) => {
  it.effect("what stays as it was is no failure, nor is another name that goes", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* finished(way, () => {}), [])
      assert.deepStrictEqual(yield* finished(way, (top) => fs.rmSync(`${top}/extra name`)), [])
      // with other times, which are put right
      assert.deepStrictEqual(yield* finished(way, () => {}, 77), [])
    })
  )

  it.effect("what is changed after it was hashed is a failure, also where the time tells nothing", () =>
    Effect.gen(function* () {
      for (const seconds of [1_600_000_000, 77]) {
        const failures = yield* finished(
          way,
          (top) => {
            rewrite(`${top}/f1`, "x".repeat(sizes[1]))
            rewrite(`${top}/f2`, `x${contentOf(2).slice(1)}`)
          },
          seconds
        )
        assert.deepStrictEqual(failures, [
          [1, true],
          [2, true]
        ])
      }
      assert.deepStrictEqual(yield* finished(way, (top) => fs.rmSync(`${top}/f0`)), [[0, true]])
    })
  )

  it.effect("what is touched after it was hashed gets the source's time only once it has been hashed again", () =>
    Effect.gen(function* () {
      const seconds = entries[0].metadata.mtimeSeconds
      const timeOf = (top: string, i: number) => Math.floor(fs.statSync(`${top}/f${i}`).mtimeMs / 1000)
      let times: ReadonlyArray<number> = []
      let place = ""
      const failures = yield* finished(
        way,
        (top) => {
          place = top
          times = [0, 1, 2].map((i) => timeOf(top, i))
        },
        77,
        (top) => {
          fs.chmodSync(`${top}/f1`, 0o600)
          rewrite(`${top}/f2`, `x${contentOf(2).slice(1)}`)
        }
      )
      assert.deepStrictEqual(failures, [[2, true]])
      assert.deepStrictEqual(times, [seconds, 77, 77])
      assert.deepStrictEqual(
        [0, 1, 2].map((i) => timeOf(place, i)),
        [seconds, seconds, 77]
      )
    })
  )

  it.effect("of what is gone, too short or no file there is no hash", () =>
    Effect.gen(function* () {
      const top = yield* directory
      for (const [i] of sizes.entries()) fs.writeFileSync(`${top}/f${i}`, contentOf(i))
      const store = yield* disk(top, way)
      yield* store.survey(entries, policy)
      fs.rmSync(`${top}/f0`)
      fs.symlinkSync("f1", `${top}/f0`)
      fs.truncateSync(`${top}/f2`, 600_000)
      const hashes = yield* store.hash([0, 3], { pageBytes: 1432 })
      assert.deepStrictEqual(
        [0, 1, 2].map((i) => hashes.get(i) !== undefined),
        [false, true, false]
      )
    })
  )
})
