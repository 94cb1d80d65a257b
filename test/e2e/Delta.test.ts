/** Large files of which real hosts have other versions: what has changed anywhere goes over the network, once. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { join } from "node:path"
import * as Lab from "./Lab.ts"

const pageBytes = 1400
const paging = ["--page-size", String(pageBytes)]
const size = 40_000_000
/** As docs/protocol.md has it: whole pages that hold the square root of the size, rounded down to a power of two. */
const blockBytes = Math.ceil(2 ** Math.floor(Math.log2(Math.sqrt(size))) / pageBytes) * pageBytes
const pagesOfBlock = blockBytes / pageBytes

const random = (length: number, seed: number): Buffer => {
  let state = seed
  const bytes = Buffer.alloc(length)
  for (let at = 0; at < length; at++) bytes[at] = (state = (Math.imul(state, 1103515245) + 12345) >>> 0) >>> 24
  return bytes
}

/** A hundred stretches of 4000 bytes, 1 % of all, are others; answers the pages that they lie in. [Y-19] */
const changeInPlace = (content: Buffer, seed: number): ReadonlyArray<number> =>
  Array.from({ length: 100 }, (_, i) => {
    const at = ((i * 7919 + seed * 104_729) * 43) % (size - 4000)
    random(4000, seed + i).copy(content, at)
    const [first, last] = [at, at + 3999].map((byte) => Math.floor(byte / pageBytes))
    return Array.from({ length: last - first + 1 }, (_, k) => first + k)
  }).flat()

const insert = (content: Buffer, count: number): Buffer => {
  const step = Math.floor(size / (count + 1))
  const parts = Array.from({ length: count + 1 }, (_, i) =>
    content.subarray(i * step, i < count ? (i + 1) * step : size)
  )
  return Buffer.concat(parts.flatMap((part) => [part, Buffer.of(1)]))
}

describe.skipIf(Lab.unavailable !== undefined)("deltas on real hosts [Y-13]", () => {
  for (const loss of Lab.losses(0, 2)) {
    it.live(`a file that differs by 1 % at each, elsewhere; ${loss} % loss`, () =>
      Effect.scoped(
        Effect.gen(function* () {
          const { lab, source } = yield* Lab.withSource(4)
          if (loss > 0) lab.lab("loss", String(loss))
          const content = random(size, 1)
          fs.writeFileSync(join(source, "image"), content)
          const pages = new Set<number>()
          for (const i of [1, 2, 3, 4]) {
            fs.mkdirSync(lab.destination(i), { recursive: true })
            const old = Buffer.from(content)
            for (const page of changeInPlace(old, i)) pages.add(page)
            fs.writeFileSync(join(lab.destination(i), "image"), old)
            fs.utimesSync(join(lab.destination(i), "image"), 1, 1)
          }
          const { report } = yield* Lab.session(lab, yield* lab.catchers(4), ...paging, `${source}/`)
          for (const at of [1, 2, 3, 4].map(lab.destination)) {
            assert.strictEqual(execFileSync("cmp", [join(source, "image"), join(at, "image")]).length, 0)
            assert.deepStrictEqual(Lab.litter(at), [])
          }
          // and the selection, which is one page
          assert.strictEqual(report.pages.needed, 1 + pages.size)
        })
      )
    )
  }

  it.live("bytes that were inserted cost their page, and -W the whole file", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { lab, source } = yield* Lab.withSource(1)
        const content = random(size, 1)
        fs.writeFileSync(join(source, "log"), content)
        const at = lab.destination(1)
        fs.mkdirSync(at, { recursive: true })
        const needed = Effect.fnUntraced(function* (...options: ReadonlyArray<string>) {
          fs.writeFileSync(join(at, "log"), insert(content, 50))
          const { report } = yield* Lab.session(lab, yield* lab.catchers(1), ...paging, ...options, `${source}/`)
          assert.strictEqual(Lab.rsyncSays(`${source}/`, `${at}/`), "")
          return report.pages.needed
        })
        assert.strictEqual(yield* needed(), 1 + 50)
        assert.strictEqual(yield* needed("-W"), 1 + Math.ceil(size / pageBytes))
      })
    )
  )

  it.live("a log that grows all the time costs what it grew [M-8]", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { lab, source } = yield* Lab.withSource(2)
        const content = random(size, 1)
        const log = join(source, "log")
        fs.writeFileSync(log, content)
        for (const i of [1, 2]) {
          fs.mkdirSync(lab.destination(i), { recursive: true })
          fs.writeFileSync(join(lab.destination(i), "log"), content.subarray(0, size - i * 100_000))
        }
        const catchers = yield* lab.catchers(2)
        const grow = () => fs.appendFileSync(log, random(10_000, fs.statSync(log).size))
        const growing = yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sync(grow), Effect.sleep(3))))
        const { report } = yield* Lab.session(lab, catchers, ...paging, `${source}/`)
        yield* Fiber.interrupt(growing)
        const now = fs.readFileSync(log)
        for (const at of [1, 2].map(lab.destination)) {
          const arrived = fs.readFileSync(join(at, "log"))
          // it grew after it was scanned
          assert.isAbove(arrived.length, size)
          assert.strictEqual(Buffer.compare(arrived, now.subarray(0, arrived.length)), 0)
          const grownPages = Math.ceil((arrived.length - size + 200_000) / pageBytes)
          // blocks at both ends of that are of both, and there are lists
          assert.isAtMost(report.pages.needed, grownPages + 2 * pagesOfBlock + 2)
        }
      })
    )
  )
})
