/** A joiner that answers polls and no question once held everybody at the open barrier for 12 time-outs. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mute } from "../../src/session/Silence.ts"
import type { Report } from "../../src/report/Report.ts"
import * as Simulation from "../../src/simulate/Simulation.ts"
import * as Tree from "../../src/simulate/Tree.ts"
import * as Rig from "../phase/Rig.ts"

const timeoutMillis = 2000

describe("a catcher that answers polls and no question [Q-2]", () => {
  it.effect("is waited for by the others for one time-out, and is lost after twelve", () =>
    Effect.gen(function* () {
      let report: Report | undefined
      const committed = new Map<string, number>()
      let now = () => 0
      const { catchers } = yield* Simulation.run({
        ...{ seed: 1, catchers: 2, tree: [Tree.file("f", 200_000), Tree.file("g", 900_000)], timeoutMillis },
        master: { catchers: 3 },
        meanwhile: (world) =>
          Effect.scoped(
            Effect.gen(function* () {
              now = world.now
              const answerPolls = Rig.answering((message) =>
                message._tag === "Poll"
                  ? { _tag: "PollOk", poll: message.poll, received: 0, dropped: 0, held: 0, worked: 0 }
                  : undefined
              )
              yield* Rig.crowd(world.network, 1, answerPolls, "mute")
              yield* Effect.never
            })
          ),
        observer: {
          masterReports: (its) => void (report = its),
          changed: (host) => void committed.set(host.name, now())
        },
        limitMillis: 60_000
      })
      assert.deepStrictEqual(
        catchers.map((exit) => (exit?._tag === "Success" ? exit.value.catchers[0].state : "failed")),
        ["Complete", "Complete"]
      )
      for (const [name, millis] of committed) assert.isBelow(millis, 2 * timeoutMillis, name)
      assert.strictEqual(committed.size, 2)
      const lost = report?.catchers.filter(({ state }) => state === "Lost")
      assert.deepStrictEqual(
        lost?.map(({ failures, id }) => [id, failures[0].reason]),
        [["mute1", mute]]
      )
    })
  )
})
