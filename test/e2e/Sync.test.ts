/** Old versions on real hosts: each catcher ends as the source is, is sent what it lacks, and keeps what is right untouched. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { join } from "node:path"
import { mostly } from "../seldom.ts"
import * as Lab from "./Lab.ts"
import * as Versions from "./Versions.ts"

const pageBytes = 1400
/** So large files travel alone, and so much goes into one bundle; as docs/protocol.md has them. */
const [smallBytes, bundleBytes] = [512 * 1024, 4 * 1024 * 1024]

const sum = (sizes: ReadonlyArray<number>) => sizes.reduce((all, size) => all + size, 0)

/** Pages of the files that anybody lacks, in one bundle and alone, and of the selection. */
const pagesOf = (lacked: ReadonlyArray<ReadonlyMap<string, number>>): number => {
  const sizes = [...new Map(lacked.flatMap((one) => [...one])).values()]
  const small = sizes.filter((size) => size <= smallBytes)
  assert.isAtMost(sum(small), bundleBytes)
  return 1 + sum([sum(small), ...sizes.filter((size) => size > smallBytes)].map((size) => Math.ceil(size / pageBytes)))
}

describe.skipIf(Lab.unavailable !== undefined)("old versions on real hosts", () => {
  for (const [count, loss] of mostly(
    [[4, 2]],
    [
      [4, 0],
      [16, 2]
    ]
  )) {
    it.live(
      `${count} catchers, ${loss} % loss, each with another: equal in the end, and nothing else was touched`,
      () =>
        Effect.scoped(
          Effect.gen(function* () {
            const lab = yield* Lab.make(count)
            if (loss > 0) lab.lab("loss", String(loss))
            const source = Versions.base(join(lab.folder, "source"))
            const hosts = Array.from({ length: count }, (_, i) => lab.destination(i + 1))
            hosts.forEach((at, i) => {
              execFileSync("cp", ["-a", source, at])
              // the last one lags behind in nothing
              if (i < count - 1) Versions.age(at, 1000 * count + i)
            })
            const stood = hosts.map((at) => ({
              marks: Versions.marks(at),
              differing: Versions.differing(source, at),
              lacked: Versions.lacked(source, at)
            }))
            const catchers = yield* lab.catchers(count)
            const options = ["--json", "--catchers", String(count), "--page-size", String(pageBytes), "--delete"]
            const master = yield* lab.mrsync("m", "send", ...options, `${source}/`).ended
            assert.strictEqual(master.status, 0, master.err)
            assert.strictEqual(master.report.pages.needed, pagesOf(stood.map(({ lacked }) => lacked)))
            for (const [i, at] of hosts.entries()) {
              const { status, err } = yield* catchers[i].ended
              assert.strictEqual(status, 0, err)
              assert.strictEqual(Lab.rsyncSays(`${source}/`, `${at}/`), "", at)
              assert.deepStrictEqual(Lab.litter(at), [])
              const after = Versions.marks(at)
              const touched = [...stood[i].marks].filter(
                ([path, mark]) => !stood[i].differing.has(path) && after.get(path) !== mark
              )
              assert.deepStrictEqual(touched, [], at)
            }
          })
        )
    )
  }

  it.live("contents: what differs in time alone needs no page; with -c what differs in content alone does [Y-12]", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const lab = yield* Lab.make(2)
        const source = Versions.base(join(lab.folder, "source"))
        const hosts = [lab.destination(1), lab.destination(2)]
        const changed = (at: string, i: number) => [
          join(at, `folder ${i}/file 30`),
          join(at, `folder ${i}/deep/er/large`)
        ]
        for (const [i, at] of hosts.entries()) {
          execFileSync("cp", ["-a", source, at])
          for (const path of changed(at, i)) fs.utimesSync(path, 1, 1)
        }
        const session = Effect.fnUntraced(function* (...options: ReadonlyArray<string>) {
          const catchers = yield* lab.catchers(2)
          const args = ["--json", "--catchers", "2", "--page-size", String(pageBytes), ...options, `${source}/`]
          const master = yield* lab.mrsync("m", "send", ...args).ended
          assert.strictEqual(master.status, 0, master.err)
          for (const catcher of catchers) assert.strictEqual((yield* catcher.ended).status, 0)
          for (const at of hosts) assert.strictEqual(Lab.rsyncSays(`${source}/`, `${at}/`), "", at)
          return master.report.pages.needed
        })
        const inodes = () =>
          hosts.flatMap((at) => [...Versions.marks(at)].map(([path, mark]) => [path, mark.split(" ")[0]]))
        const before = inodes()
        assert.strictEqual(yield* session(), 0)
        assert.deepStrictEqual(inodes(), before)
        for (const [i, at] of hosts.entries()) {
          for (const path of changed(at, i)) {
            const { atime, mtime, size } = fs.statSync(path)
            fs.writeFileSync(path, "x".repeat(size))
            fs.utimesSync(path, atime, mtime)
            // Node sets no nanoseconds
            execFileSync("touch", ["-r", path.replace(at, source), path])
          }
        }
        const stood = hosts.map((at) => ({ marks: Versions.marks(at), lacked: Versions.lacked(source, at, true) }))
        assert.strictEqual(yield* session("-c"), pagesOf(stood.map(({ lacked }) => lacked)))
        for (const [i, at] of hosts.entries()) {
          const after = Versions.marks(at)
          const touched = [...stood[i].marks].filter(([path, mark]) => after.get(path) !== mark).map(([path]) => path)
          assert.deepStrictEqual(touched.toSorted(), [...stood[i].lacked.keys()].toSorted(), at)
        }
      })
    )
  )

  it.live("nothing is lacked: no page but the manifest's, and nothing is touched", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const lab = yield* Lab.make(2)
        const source = Versions.base(join(lab.folder, "source"))
        for (let i = 1; i <= 2; i++) execFileSync("cp", ["-a", source, lab.destination(i)])
        const before = Versions.marks(lab.destination(1))
        const catchers = yield* lab.catchers(2)
        const master = yield* lab.mrsync("m", "send", "--json", "--catchers", "2", `${source}/`).ended
        assert.strictEqual(master.status, 0, master.err)
        assert.strictEqual(master.report.pages.needed, 0)
        for (const catcher of catchers) assert.strictEqual((yield* catcher.ended).status, 0)
        assert.deepStrictEqual(Versions.marks(lab.destination(1)), before)
      })
    )
  )
})
