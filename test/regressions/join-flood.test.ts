/**
 * Joins with new names at 3,000 a second, by somebody who never answers, once filled a gathering master's slots, and cost its
 * living catchers their places and everybody minutes.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Roster from "../../src/protocol/group/Roster.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import type { Report } from "../../src/report/Report.ts"
import * as Simulation from "../../src/simulate/Simulation.ts"
import * as Tree from "../../src/simulate/Tree.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import * as Codec from "../../src/wire/Codec.ts"
import * as Rig from "../phase/Rig.ts"

const tree = [Tree.file("f", 200_000), Tree.file("g", 600_000)]

const join = (session: bigint, i: number) =>
  Codec.encode({
    _tag: "Join",
    session,
    incarnation: 1_000_000 + i,
    name: `n${i}`,
    key: i,
    moves: 0,
    receiveBufferBytes: 100_000
  })

/** A session of three catchers, of which one comes last; from the first announcement on a stranger joins under new names. */
const session = Effect.fnUntraced(function* (joinsPerSecond: number) {
  let id: bigint | undefined
  let polled = 0
  let report: Report | undefined
  const outcome = yield* Simulation.run({
    ...{ seed: 1, catchers: 3, tree, network: { delayMillis: 1 } },
    master: { catchers: 3 },
    startMillis: (catcher) => (catcher === 2 ? 1500 : 0),
    meanwhile: ({ network }) =>
      Effect.gen(function* () {
        if (joinsPerSecond === 0) return
        for (let i = 0; ; i++) {
          if (i % 30 === 0) yield* Effect.sleep(30_000 / joinsPerSecond)
          if (id !== undefined) network.forge("10.9.9.9:7", "master", join(id, i))
        }
      }),
    observer: {
      masterReports: (its) => void (report = its),
      network: (event) => {
        const message = event._tag === "Sent" ? Codec.decode(event.bytes) : undefined
        if (message?._tag !== "Success") return
        if (message.success._tag === "Announce") id = message.success.session
        if (message.success._tag === "Open") polled = Math.max(polled, message.success.audience.length)
      }
    }
  })
  return { millis: outcome.millis, states: report?.catchers.map(({ id, state }) => [id, state]), asked: polled }
})

describe("a flood of joins by somebody silent", () => {
  it.effect("costs the catchers nothing, and is not in the report [J-14]", () =>
    Effect.gen(function* () {
      const quiet = yield* session(0)
      const flooded = yield* session(3000)
      const complete = ["c1", "c2", "c3"].map((id) => [id, "Complete"])
      assert.sameDeepMembers([...flooded.states!], complete)
      assert.strictEqual(flooded.asked, 3)
      assert.isBelow(flooded.millis, 1.25 * quiet.millis)
    })
  )

  it.effect("from thousands of addresses leaves the slots to those who answer [R-5]", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      const { session } = yield* Rig.master(network, { wanted: 3, timeoutMillis: 10_000 })
      for (let i = 0; i < Limits.slots + 1000; i++) {
        network.forge(`10.9.${i >> 8}.${i & 255}:7`, "master", join(session.id, i))
      }
      yield* Rig.crowd(network, 3, () => [])
      const joined = Effect.gen(function* () {
        while (Roster.present(session.roster()).length < 3) yield* Effect.sleep(10)
      })
      yield* Rig.inTime(joined, 2000)
      assert.isTrue(Roster.present(session.roster()).every(({ name }) => name.startsWith("c")))
    })
  )

  it.effect("from one host gets a few slots, and those are free again soon [R-5]", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      const { session } = yield* Rig.master(network, { wanted: 3, timeoutMillis: 2000 })
      const flooding = Effect.gen(function* () {
        for (let i = 0; i < 9000; i++) {
          if (i % 30 === 0) yield* Effect.sleep(10)
          network.forge("10.9.9.9:7", "master", join(session.id, i))
        }
      })
      yield* Rig.inTime(flooding)
      const most = Limits.joinsOfHost + 2 * Limits.joinsOfHostPerSecond
      assert.isAtMost(session.roster().members.length, most)
      yield* Rig.inTime(Effect.sleep(1500))
      assert.deepStrictEqual(Roster.newcomers(session.roster()), [])
      assert.deepStrictEqual(Roster.participants(session.roster()), [])
      assert.isFalse(session.hasRetrying())
    })
  )
})
