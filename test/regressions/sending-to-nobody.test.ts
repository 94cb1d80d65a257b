/** A file once went on to its last page when nobody was left that wanted it: all of its catchers gone, or their disks full. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layout from "../../src/protocol/file/Layout.ts"
import { exitStatusOf } from "../../src/report/Report.ts"
import * as Simulation from "../../src/simulate/Simulation.ts"
import * as Tree from "../../src/simulate/Tree.ts"
import * as Header from "../../src/wire/Header.ts"

const pageBytes = 512
const { spanPages } = Layout.make({ size: 1, pageBytes })
const spanBytes = spanPages * pageBytes
/** What the window and the lanes hold when the last catcher goes. */
const underWayPages = 1000

/** Runs a session; `since()` counts the pages that the master has sent since it was called first. */
const counting = Effect.fnUntraced(function* (
  scenario: Omit<Simulation.Scenario, "seed" | "observer" | "meanwhile">,
  meanwhile: (world: Simulation.World, mark: () => void, sent: () => number) => Effect.Effect<void>
) {
  let pages = 0
  let marked: { readonly pages: number; readonly millis: number } | undefined
  let now = () => 0
  const outcome = yield* Simulation.run({
    seed: 1,
    ...scenario,
    observer: {
      network: (event) => {
        if (event._tag !== "Sent" || event.isCatcher) return
        Header.split(event.bytes, (at) => {
          const type = Header.typeOf(event.bytes, at)
          if (type === Header.types.Page || type === Header.types.Parity) pages++
        })
      }
    },
    meanwhile: (world) => {
      now = world.now
      const mark = () => void (marked = { pages, millis: now() })
      return meanwhile(world, mark, () => pages)
    }
  })
  assert.isFalse(outcome.isStuck)
  assert.isDefined(outcome.master)
  if (outcome.master?._tag !== "Success") return yield* Effect.die(outcome.master)
  const report = outcome.master.value
  const after =
    marked === undefined ? undefined : { pages: pages - marked.pages, millis: outcome.millis - marked.millis }
  return { pages, after, report, outcome }
})

const until = (isTrue: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => (isTrue() ? Effect.void : Effect.andThen(Effect.sleep(1), until(isTrue))))

describe("nobody is left [P-7]", () => {
  for (const [how, limitMillis] of [
    ["stop", 1500],
    ["crash", 12_000]
  ] as const) {
    it.effect(`all catchers ${how} in the middle of a file: not a page more than was on its way, 23`, () =>
      Effect.gen(function* () {
        const { after, report } = yield* counting(
          {
            catchers: 3,
            tree: [Tree.file("a", 4 * spanBytes), Tree.file("b", 600_000), Tree.file("c", 5000)],
            master: { bytesPerSecond: 4_000_000 },
            network: { delayMillis: 1 }
          },
          (world, mark, sent) =>
            Effect.gen(function* () {
              yield* until(() => sent() > 2000)
              for (const host of world.hosts) yield* how === "stop" ? Effect.sync(() => host.stop()) : host.crash
              mark()
            })
        )
        assert.isBelow(after!.pages, underWayPages)
        assert.isBelow(after!.millis, limitMillis)
        assert.strictEqual(exitStatusOf(report), 23)
        assert.deepStrictEqual(
          report.catchers.map(({ state }) => state),
          ["Lost", "Lost", "Lost"]
        )
      })
    )
  }

  it.effect("the only catcher of a repair stops: the repair ends, and the file goes on to nobody else", () =>
    Effect.gen(function* () {
      const { after, report } = yield* counting(
        {
          catchers: 2,
          tree: [Tree.file("a", spanBytes - 64 * pageBytes)],
          master: { bytesPerSecond: 4_000_000, repair: "resend" },
          network: { delayMillis: 1 }
        },
        (world, mark, sent) =>
          Effect.gen(function* () {
            const { hosts, network } = world
            yield* network.impairLink("c2", "Group", { loss: 0.5 })
            // every page was sent once, and repairs are on the air
            yield* until(() => sent() > spanPages + 100)
            hosts[1].stop()
            mark()
          })
      )
      assert.isBelow(after!.pages, underWayPages)
      assert.deepStrictEqual(
        report.catchers.map(({ state }) => state),
        ["Complete", "Lost"]
      )
    })
  )
})

describe("nobody wants the file any more [P-7] [O-7]", () => {
  for (const spans of [0.9, 4]) {
    it.effect(`every disk is full in the middle of ${spans} spans: no page beyond`, () =>
      Effect.gen(function* () {
        const fitsPages = 1500
        const { pages, report } = yield* counting(
          {
            catchers: 2,
            tree: [Tree.file("a", Math.floor(spans * spanBytes))],
            master: { bytesPerSecond: 8_000_000 },
            network: { delayMillis: 1 },
            disk: () => ({ capacityBytes: fitsPages * pageBytes })
          },
          () => Effect.void
        )
        assert.isBelow(pages, fitsPages + underWayPages)
        assert.deepStrictEqual(
          report.catchers.map(({ failures, state }) => [state, failures.length]),
          [
            ["Partial", 1],
            ["Partial", 1]
          ]
        )
        assert.include(report.catchers[0].failures[0].reason, "ENOSPC")
      })
    )
  }

  it.effect("the word of a full disk is lost: no page beyond the span that asks about it", () =>
    Effect.gen(function* () {
      const { pages } = yield* counting(
        {
          catchers: 1,
          tree: [Tree.file("a", 4 * spanBytes)],
          master: { bytesPerSecond: 8_000_000 },
          network: { delayMillis: 1 },
          disk: () => ({ capacityBytes: 2000 * pageBytes })
        },
        ({ network }, _, sent) =>
          Effect.gen(function* () {
            yield* until(() => sent() > 1900)
            yield* network.impairLink("c1", "Answers", { loss: 1 })
            yield* until(() => sent() > 2200)
            yield* network.impairLink("c1", "Answers", { loss: 0 })
          })
      )
      assert.isBelow(pages, spanPages + 2 * underWayPages)
    })
  )

  it.effect("one disk is full and the other catcher is lost: the file ends, the next one is tried", () =>
    Effect.gen(function* () {
      const { after, report } = yield* counting(
        {
          catchers: 2,
          tree: [Tree.file("a", 3 * spanBytes), Tree.file("b", 5000)],
          master: { bytesPerSecond: 4_000_000 },
          network: { delayMillis: 1 },
          disk: (i) => (i === 0 ? { capacityBytes: 2000 * pageBytes } : {})
        },
        (world, mark, sent) =>
          Effect.gen(function* () {
            yield* until(() => sent() > 3000)
            world.hosts[1].stop()
            mark()
          })
      )
      assert.isBelow(after!.pages, underWayPages)
      assert.deepStrictEqual(
        report.catchers.map(({ files, state }) => [state, files]),
        [
          ["Partial", 1],
          ["Lost", 0]
        ]
      )
    })
  )
})
