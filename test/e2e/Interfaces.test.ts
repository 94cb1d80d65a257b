/** Interfaces that are made anew, or get another address, while somebody waits or a session runs. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import * as Lab from "./Lab.ts"
import * as Trees from "./Trees.ts"

const tree = (lab: Lab.Lab, bytes: number) => {
  const source = join(lab.folder, "source")
  mkdirSync(source)
  Trees.random(join(source, "large"), bytes)
  return source
}
const isWhole = (lab: Lab.Lab, source: string, catcher: number) =>
  assert.strictEqual(Lab.rsyncSays(source, `${lab.destination(catcher)}/`), "", `c${catcher}`)

// they wait nearly all the time, each in a lab of its own
describe.skipIf(Lab.unavailable !== undefined)("interfaces of real hosts", { concurrent: true }, () => {
  const test = (name: string, count: number, body: (lab: Lab.Lab) => Effect.Effect<void>) =>
    it.live(name, () => Effect.scoped(Effect.flatMap(Lab.make(count), body)))

  test("made anew while a catcher serves, also with another address: it hears the next session", 1, (lab) =>
    Effect.gen(function* () {
      const source = tree(lab, 100_000)
      const [catcher] = yield* lab.catchers(1, "--serve")
      for (const address of ["10.77.0.2", "10.77.0.99"]) {
        lab.lab("anew", "c1", address)
        yield* catcher.says(`the interface is lan0 (${address}) now`)
        const master = yield* lab.mrsync("m", "send", "--json", source).ended
        assert.strictEqual(master.status, 0, master.err + master.out)
        isWhole(lab, source, 1)
      }
    })
  )

  test("made anew in a session, the master's, a catcher's, and one with another address: nobody is Lost", 2, (lab) =>
    Effect.gen(function* () {
      const source = tree(lab, 5_000_000)
      const catchers = yield* lab.catchers(2)
      const master = lab.mrsync("m", "send", "--json", "--catchers", "2", "--bwlimit", "1MB", source)
      yield* master.sees((event) => event._tag === "Tick" && event.bytes > 0)
      lab.lab("anew", "c1", "10.77.0.99")
      lab.lab("anew", "c2")
      yield* Effect.sleep(1500)
      lab.lab("anew", "m")
      const { err, events, report, status } = yield* master.ended
      assert.strictEqual(status, 0, err + JSON.stringify(report))
      assert.deepStrictEqual(
        events.filter((event) => event._tag === "Lost"),
        []
      )
      assert.include(report.catchers.find(({ id }: any) => id === "c1").address, "10.77.0.99:")
      for (const i of [1, 2]) {
        assert.strictEqual((yield* catchers[i - 1].ended).status, 0)
        isWhole(lab, source, i)
      }
    })
  )
})
