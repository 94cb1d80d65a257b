/**
 * A file shared the blocks of its older version; no holes could be made in it, so it was emptied. Its zeros were held as
 * what the older version had been hashed to, and it was complete.
 */
import { assert, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as fs from "node:fs"
import * as Disk from "../../src/store/disk/Disk.ts"
import { Store } from "../../src/store/Store.ts"
import type { Done } from "../../src/system/Descriptor.ts"
import { Libc } from "../../src/system/Libc.ts"
import * as Compare from "../../src/tree/Compare.ts"
import { carriedOf } from "../../src/tree/Holes.ts"
import * as Lacks from "../../src/tree/Lacks.ts"
import * as Policy from "../../src/tree/Policy.ts"
import { random } from "../delta/contents.ts"
import { blockBytesOf, pageBytes, reusing } from "../store/reusing.ts"
import { directory, file, single } from "../store/Sandbox.ts"

const mebibyte = 1024 * 1024
const size = 8 * mebibyte
const data = [0, 2 * mebibyte, 3 * mebibyte, 5 * mebibyte]
const content = random(size, 1).fill(0, 2 * mebibyte, 3 * mebibyte)
const carried = carriedOf(content, { size, data })!
const blockBytes = blockBytesOf(carried.length)
const tree = [{ ...file("large", size), data }]

/** On a file system where files share blocks. */
const clone = (from: number, to: number, done: Done) => {
  fs.writeFileSync(`/proc/self/fd/${to}`, fs.readFileSync(`/proc/self/fd/${from}`))
  done(null)
}

it.effect.each([true, false])("what is held of it is in it, where holes can be made: %s", (makesHoles) =>
  Effect.gen(function* () {
    const libc = yield* Libc
    if (Option.isNone(libc) || process.platform !== "linux") return
    const top = yield* directory
    const old = content.slice()
    old[blockBytes + 7] ^= 1
    fs.writeFileSync(`${top}/large`, old)
    fs.utimesSync(`${top}/large`, 1, 1)
    const refuse = (_fd: number, _offset: number, _bytes: number, done: Done) =>
      done(Object.assign(new Error("no space"), { code: "ENOSPC" }))
    const calls = { ...libc.value, clone, ...(makesHoles ? {} : { punch: refuse }) }
    const layer = Layer.provide(Disk.layer(top, {}), Layer.succeed(Libc, Option.some(calls)))
    const store = Context.get(yield* Layer.build(layer), Store)
    const changes = yield* store.survey(tree, Policy.defaults)
    yield* store.hash(
      Lacks.among(1, (entry) => Compare.isDoubted(changes[entry])),
      { pageBytes }
    )
    changes[0] = Compare.resolved(changes[0], false)
    yield* store.prepare(tree, { policy: Policy.defaults, changes })
    const { held = [], read } = yield* store.open(single(tree), reusing(0, carried))
    // all but the page of the other byte
    assert.deepStrictEqual(held, [
      ...[0, blockBytes],
      ...[blockBytes + pageBytes, carried.length - blockBytes - pageBytes]
    ])
    const into = new Uint8Array(carried.length)
    yield* read(0, into)
    for (let i = 0; i < held.length; i += 2) {
      const [from, end] = [held[i], held[i] + held[i + 1]]
      assert.strictEqual(Buffer.compare(into.subarray(from, end), carried.subarray(from, end)), 0)
    }
  }).pipe(Effect.scoped)
)
