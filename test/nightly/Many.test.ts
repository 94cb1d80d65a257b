/**
 * Many real catchers with every fault in one session: nobody but a catcher that was hit may be worse than Complete.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { closeSync, mkdirSync, openSync, writeSync } from "node:fs"
import { join } from "node:path"
import * as Lab from "../e2e/Lab.ts"
import * as Trees from "../e2e/Trees.ts"

const catcherOf = (report: any, id: string) => report.catchers.find((catcher: any) => catcher.id === id)
const names = (numbers: ReadonlyArray<number>) => numbers.map((i) => `c${i}`)

describe.skipIf(Lab.unavailable !== undefined)("many real hosts", () => {
  it.live("32 catchers at 2 % loss: stopped, killed, unplugged, full, and a file rewritten, in one session", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const count = 32
        const stopped = [1, 2]
        const killed = [3, 4]
        const [unplugged, full] = [5, 6]
        const lab = yield* Lab.make(count)
        lab.lab("loss", "2")
        const source = join(lab.folder, "source")
        mkdirSync(source)
        for (let i = 0; i < 3; i++) Trees.random(join(source, `large ${i}`), 1_500_000)
        for (let i = 0; i < 60; i++) Trees.random(join(source, `small ${i}`), 25_000)
        // 64 MiB with room for 3 MB of the 6
        lab.mount(full, "64m")
        Trees.random(join(lab.destination(full), "ballast"), 64 * 1024 * 1024 - 3_000_000)
        const serve = ["--serve", "--timeout", "4"]
        const catchers = [...(yield* lab.catchers(count, ...serve))]
        // slow enough that all faults, and the return of who was hit, fall into the first pass
        const master = lab.mrsync(
          "m",
          "send",
          "--json",
          "--catchers",
          "32",
          "--timeout",
          "4",
          "--bwlimit",
          "600kB",
          source
        )

        yield* master.sees((event) => event._tag === "Tick" && event.bytes > 100_000)
        const file = openSync(join(source, "large 1"), "r+")
        writeSync(file, "rewritten", 700_000)
        closeSync(file)
        for (const i of stopped) yield* catchers[i - 1].kill("SIGSTOP")
        lab.lab("link", "down", `c${unplugged}`)
        for (const i of killed) {
          yield* catchers[i - 1].kill("SIGKILL")
          yield* catchers[i - 1].ended
          catchers[i - 1] = lab.mrsync(`c${i}`, "catch", "--json", "--id", `c${i}`, ...serve, lab.destination(i))
        }
        yield* Effect.sleep(2000)
        for (const i of stopped) yield* catchers[i - 1].kill("SIGCONT")
        yield* Effect.sleep(3000)
        lab.lab("link", "up", `c${unplugged}`)

        const { events, report, status } = yield* master.ended
        // the faults did happen
        const lost = events.filter((event) => event._tag === "Lost").map((event) => event.id)
        assert.deepStrictEqual(lost.sort(), names([...killed, unplugged]))
        assert.strictEqual(status, 23)
        assert.deepStrictEqual(report.failures, [])
        // and hit nobody else
        assert.strictEqual(report.catchers.length, count)
        assert.deepStrictEqual(
          report.catchers.filter((catcher: any) => catcher.state !== "Complete").map((catcher: any) => catcher.id),
          names([full])
        )
        const { failures } = catcherOf(report, `c${full}`)
        assert.isAbove(failures.length, 0)
        for (const { reason } of failures) assert.include(reason, "ENOSPC")
        for (let i = 1; i <= count; i++) {
          yield* catchers[i - 1].sees((event) => event._tag === "Report")
          const there = lab.destination(i)
          assert.deepStrictEqual(Lab.litter(there), [])
          const but = i === full ? ["--existing", "--exclude", "ballast"] : []
          assert.strictEqual(Lab.rsyncSays(source, `${there}/`, ...but), "", `c${i}`)
        }
      })
    )
  )
})
