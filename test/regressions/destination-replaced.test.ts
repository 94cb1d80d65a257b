/**
 * The destination was opened when a catcher began to wait. What was mounted there afterwards got nothing, all of it lay
 * below the mount, and both sides said 0; a destination that was removed and made anew took no file. It is opened when a
 * session begins, and must be the same until the tree is committed.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as fs from "node:fs"
import * as Faults from "../../src/simulate/Faults.ts"
import * as Simulation from "../../src/simulate/Simulation.ts"
import * as Sweep from "../../src/simulate/Sweep.ts"
import * as Tree from "../../src/simulate/Tree.ts"
import {
  bundle,
  bytes,
  deliver,
  dir,
  directory,
  disk,
  file,
  hardLink,
  names,
  none,
  single,
  ways
} from "../store/Sandbox.ts"

const entries = [dir("d"), file("d/f", 3), hardLink("h", 1)]

/** A destination in a directory of its own, and a store for it that waits for a session. */
const waiting = Effect.fnUntraced(function* (way: (typeof ways)[number]) {
  const base = yield* directory
  const destination = `${base}/destination`
  fs.mkdirSync(destination)
  const store = yield* disk(destination, way)
  const replace = () => {
    fs.renameSync(destination, `${base}/before`)
    fs.mkdirSync(destination)
  }
  return { base, destination, store, replace }
})

for (const way of ways) {
  describe(`a destination that is replaced [F-8], ${way.name}`, () => {
    it.effect(
      "while a catcher waits: the tree goes to what is there when a session begins, and again in the next",
      () =>
        Effect.gen(function* () {
          const { base, destination, replace, store } = yield* waiting(way)
          const receive = Effect.gen(function* () {
            assert.deepStrictEqual(yield* store.prepare(entries), [])
            assert.deepStrictEqual(yield* deliver(store, single(entries), "new"), [])
            assert.deepStrictEqual(yield* store.finish, [])
            assert.deepStrictEqual(names(destination), ["d", "d/f", "h"])
          })
          replace()
          yield* receive
          assert.deepStrictEqual(names(`${base}/before`), [])
          fs.rmSync(destination, { recursive: true })
          yield* receive
        })
    )

    it.effect("while a file arrives: neither it nor the tree is committed, and no temporary file stays", () =>
      Effect.gen(function* () {
        const { base, destination, replace, store } = yield* waiting(way)
        yield* store.prepare(entries)
        yield* Effect.scoped(
          Effect.gen(function* () {
            const slot = yield* store.open(single(entries))
            yield* slot.write(0, bytes("new"))
            replace()
            const error = yield* Effect.flip(slot.commit(none))
            const reason = "the destination was replaced while the session ran (ESTALE)"
            assert.strictEqual(error.message, `${destination}: ${reason}`)
          })
        )
        for (const refused of [store.finish, Effect.scoped(store.open(bundle(entries)))]) {
          assert.strictEqual((yield* Effect.flip(refused as typeof store.finish)).code, "ESTALE")
        }
        assert.deepStrictEqual(names(destination), [])
        // without open directories what was moved away is out of reach
        if (way.handles) assert.deepStrictEqual(names(`${base}/before`), ["d"])
      })
    )

    it.effect(
      "removed before a session: it is made, and looked at for room; what is no directory is no lack of room",
      () =>
        Effect.gen(function* () {
          const base = yield* directory
          const destination = `${base}/destination`
          const store = yield* disk(destination, way, undefined, { checked: "InSession" })
          const huge = [file("huge", 1e15)]
          assert.isTrue(Option.isSome(yield* store.shortage(huge)))
          fs.rmdirSync(destination)
          fs.writeFileSync(destination, "")
          assert.isTrue(Option.isNone(yield* store.shortage(huge)))
          const error = yield* Effect.flip(store.prepare(huge))
          assert.strictEqual(error.message, `${destination}: it exists and is not a directory (ENOTDIR)`)
        })
    )

    it.effect("after the last file, or when it was a link that leads elsewhere now: the tree is not committed", () =>
      Effect.gen(function* () {
        const base = yield* directory
        fs.mkdirSync(`${base}/a`)
        fs.mkdirSync(`${base}/b`)
        fs.symlinkSync("a", `${base}/destination`)
        const store = yield* disk(`${base}/destination`, way)
        yield* store.prepare(entries)
        yield* deliver(store, single(entries), "new")
        fs.unlinkSync(`${base}/destination`)
        assert.match((yield* Effect.flip(store.finish)).reason, /the destination was removed/)
        fs.symlinkSync("b", `${base}/destination`)
        assert.match((yield* Effect.flip(store.finish)).reason, /the destination was replaced/)
      })
    )
  })
}

describe("a destination that is replaced, in a session", () => {
  it.effect("its catcher ends with the reason, no side calls it complete, and the others are", () =>
    Effect.gen(function* () {
      const { catchers, master } = yield* Simulation.run({
        ...{ seed: 1, catchers: 3, tree: [Tree.file("a", 300_000), Tree.file("b", 900_000)] },
        master: { bytesPerSecond: 500_000 },
        meanwhile: ({ hosts }) =>
          Effect.andThen(
            Effect.sleep(1500),
            Effect.sync(() => hosts[1].replaceDestination())
          )
      })
      assert.deepStrictEqual(
        catchers.map((exit) => exit?._tag),
        ["Success", "Failure", "Success"]
      )
      assert.include(JSON.stringify(catchers[1]), "the destination was replaced while the session ran (ESTALE)")
      assert.isTrue(master?._tag === "Success")
      if (master?._tag !== "Success") return
      const reports = [...master.value.catchers].sort((a, b) => a.id.localeCompare(b.id))
      assert.deepStrictEqual(
        reports.map(({ state }) => state),
        ["Complete", "Partial", "Complete"]
      )
      assert.include(JSON.stringify(reports[1].failures), "the destination was replaced")
    })
  )

  for (const [kind, bytes, count] of [
    ["large", 600_000, 12],
    ["small", 20_000, 500]
  ] as const) {
    it.effect(`many ${kind} files: the catcher finds it once, sits out all at once, and one failure is reported`, () =>
      Effect.gen(function* () {
        const tree = Array.from({ length: count }, (_, i) => Tree.file(`f${i}`, bytes))
        const own: Array<unknown> = []
        const { catchers, master, millis } = yield* Simulation.run({
          ...{ seed: 2, catchers: 1, tree },
          observer: { catcherReports: (_, report) => own.push(report.catchers[0].failures) },
          master: { bytesPerSecond: 500_000 },
          meanwhile: ({ hosts }) =>
            Effect.andThen(
              Effect.sleep(2500),
              Effect.sync(() => hosts[0].replaceDestination())
            )
        })
        const replaced = "the destination was replaced while the session ran (ESTALE)"
        assert.include(JSON.stringify(catchers[0]), replaced)
        assert.deepStrictEqual(own, [[{ path: "", reason: `destination: ${replaced}` }]])
        assert.isTrue(master?._tag === "Success")
        if (master?._tag !== "Success") return
        const [{ failures, state }] = master.value.catchers
        assert.deepStrictEqual({ failures, state }, { failures: [{ path: "", reason: replaced }], state: "Partial" })
        // the rest is sent to nobody
        assert.isBelow(master.value.pages.sent, master.value.pages.needed / 2)
        assert.isBelow(millis, 10_000)
      })
    )
  }

  it.effect("the sweep replaces destinations before and in sessions", () =>
    Effect.gen(function* () {
      for (const seed of [242]) {
        const story = Faults.story(seed, { isSealed: false })
        assert.isTrue(story.telling.some((line) => line.includes("destination is replaced")))
        assert.deepStrictEqual((yield* Sweep.judge(story)).problems, [])
      }
    })
  )
})
