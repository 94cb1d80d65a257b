/** Old versions on real hosts: each catcher ends as the source is, is sent what it lacks, and keeps what is right untouched. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import { join } from "node:path"
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
  for (const [count, loss] of [
    [4, 0],
    [16, 2]
  ]) {
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
