/** Files with holes on real hosts: what is a hole costs nothing, and is a hole again. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { join } from "node:path"
import * as Blocks from "../../src/delta/Blocks.ts"
import * as Lab from "./Lab.ts"

const mebi = 1024 * 1024
const pageBytes = 1400

/** A file of a size with data from some offsets on. */
const sparse = (path: string, size: number, data: ReadonlyMap<number, number>): void => {
  const fd = fs.openSync(path, "w")
  fs.ftruncateSync(fd, size)
  for (const [at, length] of data) fs.writeSync(fd, Buffer.alloc(length, `${at} data`), 0, length, at)
  fs.closeSync(fd)
}

const usedBytes = (path: string): number => fs.statSync(path).blocks * 512

const write = (path: string, at: number, byte: number): void => {
  const fd = fs.openSync(path, "r+")
  fs.writeSync(fd, Uint8Array.of(byte), 0, 1, at)
  fs.closeSync(fd)
}

/** It has the time of another one. */
const timeOf = (path: string, of: string): void => void execFileSync("touch", ["-r", of, path])

describe.skipIf(Lab.unavailable !== undefined)("holes on real hosts", () => {
  it.live("1 TiB with 3 MiB of data: that is what it costs, in the room at both catchers, too [M-12]", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { lab, source } = yield* Lab.withSource(2)
        const file = join(source, "disk")
        const size = 1024 * 1024 * mebi
        const data = [0, size / 2 + 12_345, size - mebi]
        sparse(file, size, new Map(data.map((at) => [at, mebi])))
        const session = Effect.fnUntraced(function* (...options: ReadonlyArray<string>) {
          const catchers = yield* lab.catchers(2)
          const begun = Date.now()
          const args = ["--json", "--catchers", "2", "--page-size", String(pageBytes), ...options, `${source}/`]
          const master = yield* lab.mrsync("m", "send", ...args).ended
          const seconds = (Date.now() - begun) / 1000
          assert.strictEqual(master.status, 0, master.err)
          for (const catcher of catchers) assert.strictEqual((yield* catcher.ended).status, 0)
          assert.isBelow(seconds, 5)
          return master.report.pages
        })
        const pages = yield* session()
        assert.isAtLeast(pages.needed * pageBytes, 3 * mebi)
        assert.isAtMost(pages.sent * pageBytes, 10 * mebi)
        for (const at of [lab.destination(1), lab.destination(2)]) {
          const copy = fs.statSync(`${at}/disk`)
          assert.strictEqual(copy.size, size)
          assert.isAtMost(usedBytes(`${at}/disk`), usedBytes(file))
          for (const offset of data) {
            const part = execFileSync("cmp", ["-i", String(offset), "-n", String(mebi), file, `${at}/disk`])
            assert.strictEqual(part.toString(), "")
          }
        }
        assert.strictEqual((yield* session("-c")).needed, 0)
        // a byte where the source has a hole, which no hash of the runs alone would find
        write(`${lab.destination(2)}/disk`, size / 4, 7)
        timeOf(`${lab.destination(2)}/disk`, file)
        // and one in the data: the others are those of the older version
        write(file, size / 2 + 20_000, 7)
        // a block, and the list of what is sent
        const block = Blocks.bytesOf(3 * mebi, pageBytes) / pageBytes
        assert.isAtMost((yield* session("-c")).needed, block + 1)
        assert.strictEqual((yield* session("-c")).needed, 0)
        const read = Buffer.alloc(1, 9)
        const fd = fs.openSync(`${lab.destination(2)}/disk`, "r")
        fs.readSync(fd, read, 0, 1, size / 4)
        fs.closeSync(fd)
        assert.strictEqual(read[0], 0)
      })
    )
  )

  it.live("holes of all kinds: rsync --checksum finds nothing, and du says the same", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { lab, source } = yield* Lab.withSource(1)
        sparse(join(source, "nothing but a hole"), 5 * mebi + 77, new Map())
        sparse(join(source, "in front"), 3 * mebi, new Map([[2 * mebi, mebi]]))
        sparse(join(source, "behind"), 3 * mebi + 1, new Map([[0, mebi]]))
        sparse(join(source, "ends in the last byte"), 4 * mebi + 3, new Map([[4 * mebi + 2, 1]]))
        // more runs than a manifest tells
        const many = new Map(Array.from({ length: 2000 }, (_, i) => [i * 16_384 + (i % 4) * 4096, 100]))
        sparse(join(source, "many"), 2000 * 16_384, many)
        sparse(join(source, "small"), 100_000, new Map([[50_000, 10]]))
        execFileSync("cp", ["-a", "--sparse=never", `${source}/behind`, `${source}/none`])
        const at = lab.destination(1)
        const session = Effect.fnUntraced(function* () {
          yield* Lab.session(lab, yield* lab.catchers(1), "--delete", `${source}/`)
          assert.strictEqual(Lab.rsyncSays(`${source}/`, `${at}/`), "")
          assert.deepStrictEqual(Lab.litter(at), [])
        })
        yield* session()
        for (const name of fs.readdirSync(source)) {
          // a small one is written whole
          if (name === "small") continue
          // of the many the smallest gaps are data
          const most = usedBytes(join(source, name)) * (name === "many" ? 2 : 1)
          assert.isAtMost(usedBytes(join(at, name)), most, name)
        }
        // older versions: data where a hole is now, and another size
        execFileSync("cp", ["--sparse=never", `${source}/in front`, `${at}/in front`])
        write(`${at}/behind`, 2 * mebi, 1)
        sparse(`${at}/nothing but a hole`, 9 * mebi, new Map([[mebi, mebi]]))
        // all may be done within a second
        for (const name of ["in front", "behind", "nothing but a hole"]) fs.utimesSync(`${at}/${name}`, 1, 1)
        yield* session()
      })
    )
  )
})
