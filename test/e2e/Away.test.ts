/** Who was away for a while, shorter or longer than the time-out, is caught up as long as the session lives. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import * as Lab from "./Lab.ts"
import * as Trees from "./Trees.ts"

const tree = (lab: Lab.Lab) => {
  const source = join(lab.folder, "source")
  mkdirSync(source)
  for (let i = 0; i < 3; i++) Trees.random(join(source, `large ${i}`), 2_000_000)
  for (let i = 0; i < 100; i++) Trees.random(join(source, `small ${i}`), 20_000)
  return source
}
/** Eight seconds for that tree: who comes back finds the session running. */
const slowly = ["--bwlimit", "1MB"]
const lostIn = (events: ReadonlyArray<any>) =>
  events.flatMap((event) => (event._tag === "Lost" ? [event.id] : [])).sort()
/** Everybody ends Complete. */
const allComplete = Effect.fnUntraced(function* (master: Lab.Running, count: number) {
  const ended = yield* master.ended
  assert.strictEqual(ended.status, 0, ended.err + JSON.stringify(ended.report))
  assert.deepStrictEqual(
    ended.report.catchers.map(({ id, state }: any) => `${id} ${state}`).sort(),
    Array.from({ length: count }, (_, i) => `c${i + 1} Complete`)
  )
  return ended
})
const isWhole = (lab: Lab.Lab, source: string, catcher: number, ...options: ReadonlyArray<string>) =>
  assert.strictEqual(Lab.rsyncSays(source, `${lab.destination(catcher)}/`, ...options), "", `c${catcher}`)
const test = (name: string, count: number, body: (lab: Lab.Lab) => Effect.Effect<void>) =>
  it.live(name, () => Effect.scoped(Effect.flatMap(Lab.make(count), body)))

// they wait nearly all the time, each in a lab of its own
describe.skipIf(Lab.unavailable !== undefined)("away and back on real hosts", { concurrent: true }, () => {
  test("longer than the time-out, stopped or unplugged: Lost, joined again, complete", 3, (lab) =>
    Effect.gen(function* () {
      const source = tree(lab)
      // their own patience lasts longer: that they were given up they must be told
      const catchers = yield* lab.catchers(3, "--serve", "--timeout", "20")
      const master = lab.mrsync("m", "send", "--json", "--catchers", "3", "--timeout", "2", ...slowly, source)
      yield* master.sees((event) => event._tag === "Tick" && event.bytes > 0)
      yield* catchers[0].kill("SIGSTOP")
      lab.lab("link", "down", "c2")
      yield* Effect.sleep(4000)
      yield* catchers[0].kill("SIGCONT")
      yield* Effect.sleep(1000)
      lab.lab("link", "up", "c2")
      const { events } = yield* allComplete(master, 3)
      assert.deepStrictEqual(lostIn(events), ["c1", "c2"])
      for (const i of [1, 2, 3]) {
        yield* catchers[i - 1].sees((event) => event._tag === "Report" && event.catchers[0].state === "Complete")
        isWhole(lab, source, i)
      }
    })
  )

  test("shorter than the time-out, a catcher unplugged for 5 s, then the master for 3 s: nobody is Lost", 2, (lab) =>
    Effect.gen(function* () {
      const source = tree(lab)
      yield* lab.catchers(2)
      const master = lab.mrsync("m", "send", "--json", "--catchers", "2", "--bwlimit", "2MB", source)
      yield* master.sees((event) => event._tag === "Tick" && event.bytes > 0)
      for (const [host, millis] of [
        ["c1", 5000],
        ["m", 3000]
      ] as const) {
        lab.lab("link", "down", host)
        yield* Effect.sleep(millis)
        lab.lab("link", "up", host)
      }
      const { events } = yield* allComplete(master, 2)
      assert.deepStrictEqual(lostIn(events), [])
      for (const i of [1, 2]) isWhole(lab, source, i)
    })
  )

  test("killed while others are awaited, and started again under its name: complete", 2, (lab) =>
    Effect.gen(function* () {
      const source = tree(lab)
      const [first] = yield* lab.catchers(1)
      const master = lab.mrsync("m", "send", "--json", "--catchers", "2", "--timeout", "2", source)
      yield* master.sees((event) => event._tag === "Joined")
      yield* first.kill("SIGKILL")
      yield* first.ended
      yield* lab.catchers(2)
      yield* allComplete(master, 2)
      for (const i of [1, 2]) isWhole(lab, source, i)
    })
  )
})
