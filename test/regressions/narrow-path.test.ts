/**
 * A catcher that gets polls and no pages: a path that is narrower than a page, or one that lets no page through at all. It cost
 * everybody a hundred copies of each file, because its answers looked like loss.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Simulation from "../../src/simulate/Simulation.ts"
import * as Tree from "../../src/simulate/Tree.ts"
import type { Impairments } from "../../src/transport/simulated/Network.ts"
import * as Codec from "../../src/wire/Codec.ts"
import * as Header from "../../src/wire/Header.ts"

const many = Array.from({ length: 12 }, (_, i) => Tree.file(`f${i}`, 530_000, i))

interface Story {
  readonly tree?: ReadonlyArray<ReturnType<typeof Tree.file>>
  readonly catchers?: number
  readonly network?: Simulation.Scenario["network"]
  readonly master?: Simulation.Scenario["master"]
  /** What befalls the path to c2, and when. */
  readonly path?: Impairments
  readonly atMillis?: number
}

const run = Effect.fnUntraced(function* (story: Story) {
  const { atMillis = 0, catchers = 3, master, network, path, tree = many } = story
  const outcome = yield* Simulation.run({
    ...{ seed: 7, catchers, tree, network: { delayMillis: 1, bytesPerSecond: 12_500_000, ...network } },
    master: { pageBytes: 1432, ...master },
    meanwhile: (world) =>
      path === undefined
        ? Effect.void
        : Effect.andThen(Effect.sleep(atMillis), world.network.impairLink("c2", "Group", path))
  })
  if (outcome.master?._tag !== "Success") throw new Error(JSON.stringify(outcome.master))
  const report = outcome.master.value
  const said = outcome.catchers.map((exit) => (exit?._tag === "Success" ? exit.value.catchers[0] : undefined))
  const bytes = outcome.traffic.get("master")!.sent
  return { report, said, ratio: report.pages.sent / report.pages.needed, datagrams: bytes, millis: outcome.millis }
})

const states = (report: { readonly catchers: ReadonlyArray<{ readonly state: string }> }) =>
  report.catchers.map(({ state }) => state)
const complete = ["Complete", "Complete", "Complete"]

describe("a path that is narrower than a page", () => {
  for (const glued of [false, true]) {
    for (const mtuBytes of glued ? [1400] : [1400, 600]) {
      it.effect(`gets pages that fit: packets of ${mtuBytes} bytes${glued ? ", glued" : ""}`, () =>
        Effect.gen(function* () {
          const quiet = yield* run({ network: { glued } })
          const { millis, ratio, report } = yield* run({ network: { glued }, path: { mtuBytes } })
          assert.deepStrictEqual(states(report), complete)
          assert.isBelow(ratio, 1.02)
          assert.isBelow(millis, 1.25 * quiet.millis + 500)
        })
      )
    }
  }

  it.effect("and a filter that measures what is glued: each datagram is sent alone [N-1]", () =>
    Effect.gen(function* () {
      const network = { glued: true }
      const { ratio, report } = yield* run({ network, path: { mtuBytes: 1400, countsGlued: true } })
      assert.deepStrictEqual(states(report), complete)
      assert.isBelow(ratio, 1.05)
    })
  )

  it.effect("is told apart from loss [N-2]", () =>
    Effect.gen(function* () {
      for (const loss of [0.1, 0.3, 0.6]) {
        const { report } = yield* run({ path: { loss }, tree: many.slice(0, 2) })
        assert.deepStrictEqual(states(report), complete)
        // pages of 1432 bytes: the path was not taken for a narrow one
        assert.strictEqual(report.pages.needed, 2 * Math.ceil(530_000 / 1432))
      }
    })
  )

  it.effect("is found out in the middle of a session", () =>
    Effect.gen(function* () {
      const { ratio, report } = yield* run({ path: { mtuBytes: 1400 }, atMillis: 300 })
      assert.deepStrictEqual(states(report), complete)
      // the files on the air at that time are sent to it once more
      assert.isBelow(ratio, 1.8)
    })
  )

  it.effect("of a catcher that comes late: it gets all of it in smaller pages", () =>
    Effect.gen(function* () {
      const tree = many
      const outcome = yield* Simulation.run({
        ...{ seed: 7, catchers: 3, tree, network: { delayMillis: 1, bytesPerSecond: 12_500_000 } },
        master: { pageBytes: 1432, catchers: 2 },
        startMillis: (i) => (i === 1 ? 250 : 0),
        meanwhile: (world) => world.network.impairLink("c2", "Group", { mtuBytes: 1400 })
      })
      if (outcome.master?._tag !== "Success") throw new Error(JSON.stringify(outcome.master))
      assert.deepStrictEqual(states(outcome.master.value), complete)
    })
  )
})

describe("a catcher that no page reaches [N-4]", () => {
  const isTold = (reason: string | undefined, words: RegExp) => assert.match(reason ?? "", words)

  it.effect("because the size of the pages is fixed: it is told so, and costs nothing", () =>
    Effect.gen(function* () {
      const quiet = yield* run({})
      const { millis, ratio, report, said } = yield* run({ master: { isPageFixed: true }, path: { mtuBytes: 1400 } })
      assert.deepStrictEqual(states(report), ["Complete", "Partial", "Complete"])
      assert.isBelow(ratio, 1.01)
      assert.isBelow(millis, 1.25 * quiet.millis + 500)
      const words =
        /polls arrive and pages of 1432 bytes do not: packets of 1384 bytes pass, of 1404 bytes they do not; send with --page-size 1332/
      isTold(report.catchers[1].failures[0]?.reason, words)
      isTold(said[1]?.failures[0]?.reason, words)
      assert.strictEqual(said[1]?.state, "Partial")
    })
  )

  it.effect("leaves at once, and is asked nothing more", () =>
    Effect.gen(function* () {
      let incarnation: number | undefined
      let slot: number | undefined
      let hasLeft = false
      let asked = 0
      let sends = 0
      const { catchers, master } = yield* Simulation.run({
        ...{ seed: 7, catchers: 2, tree: many, network: { delayMillis: 1, bytesPerSecond: 12_500_000 } },
        master: { pageBytes: 1432, isPageFixed: true },
        meanwhile: (world) => world.network.impairLink("c2", "Group", { mtuBytes: 1400 }),
        observer: {
          network: (event) => {
            if (event._tag !== "Sent") return
            if (hasLeft && Header.typeOf(event.bytes, 0) === Header.types.Page) sends++
            const decoded = Codec.decode(event.bytes)
            if (decoded._tag === "Failure") return
            const said = decoded.success
            if (said._tag === "Join" && event.name === "c2") ({ incarnation } = said)
            if (said._tag === "Welcome")
              for (const guest of said.guests)
                if ("slot" in guest && guest.incarnation === incarnation) ({ slot } = guest)
            if (said._tag === "Aborted" && said.file === 0) hasLeft = true
            if (hasLeft && "audience" in said && said.audience.includes(slot ?? -1)) asked++
          }
        }
      })
      assert.deepStrictEqual([master?._tag, catchers[0]?._tag, catchers[1]?._tag], ["Success", "Success", "Success"])
      assert.isTrue(hasLeft)
      // the session goes on for long, and what was under way then is all
      assert.isAbove(sends, 100)
      assert.isBelow(asked, 4)
    })
  )

  it.effect("what passes and what does not is what was tried, and true of the path", () =>
    Effect.gen(function* () {
      // between two sizes that are tried, just at one, and just below one
      for (const mtuBytes of [700, 900, 1264, 1263, 1483]) {
        const { said } = yield* run({
          ...{ catchers: 2, tree: many.slice(0, 1), path: { mtuBytes } },
          master: { isPageFixed: true, pageBytes: mtuBytes === 1483 ? 4000 : 1432 }
        })
        const reason = said[1]?.failures[0]?.reason ?? ""
        const [, passes, not] = /packets of (\d+) bytes pass, of (\d+) bytes they do not/.exec(reason) ?? []
        assert.isAtMost(Number(passes), mtuBytes, reason)
        assert.isAbove(Number(not), mtuBytes, reason)
      }
    })
  )

  it.effect("because nothing but small datagrams pass: it is sent a few pages, in all files together", () =>
    Effect.gen(function* () {
      const quiet = yield* run({})
      const { millis, ratio, report, said } = yield* run({ path: { mtuBytes: 300 } })
      assert.deepStrictEqual(states(report), ["Complete", "Partial", "Complete"])
      assert.isBelow(ratio, 1.1)
      // it is tried for three seconds more, when the others have the tree
      assert.isBelow(millis, 1.25 * quiet.millis + 3500)
      isTold(said[1]?.failures[0]?.reason, /polls arrive and pages do not: it gained nothing in \d+ rounds/)
    })
  )

  it.effect("from the middle of the session on, alone", () =>
    Effect.gen(function* () {
      const only = { catchers: 2, tree: [Tree.file("large", 6_000_000)] }
      const { ratio, report } = yield* run({ ...only, path: { mtuBytes: 300 }, atMillis: 500 })
      assert.deepStrictEqual(states(report), ["Complete", "Partial"])
      assert.isBelow(ratio, 1.3)
    })
  )
})
