/**
 * A catcher that stood still while it joined asked to be taken in between a master's first and last goodbye: it was welcomed to
 * a session that was over, got nothing, and the report had it as partial with an empty list. Seed 206466 of the sweep.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Master from "../../src/master/Master.ts"
import type { Report } from "../../src/report/Report.ts"
import * as Simulation from "../../src/simulate/Simulation.ts"
import * as Tree from "../../src/simulate/Tree.ts"
import * as Codec from "../../src/wire/Codec.ts"

describe("a catcher whose join comes between the goodbyes [J-5]", () => {
  /** The second catcher, which is not waited for, stands still while it joins, and wakes at the first goodbye. */
  const waking = Effect.fnUntraced(function* (options: Partial<Master.Options>) {
    let world: Simulation.World | undefined
    let report: Report | undefined
    let joins = 0
    const said: Array<string> = []
    const { catchers, master } = yield* Simulation.run({
      ...{ seed: 1, catchers: 2, tree: [Tree.file("f", 3000)], network: { delayMillis: 2 } },
      master: options,
      meanwhile: (its) =>
        Effect.gen(function* () {
          world = its
          yield* Effect.sleep(1)
          its.hosts[1].freeze()
        }),
      observer: {
        masterReports: (its) => void (report = its),
        network: (event) => {
          const decoded = event._tag === "Sent" ? Codec.decode(event.bytes) : undefined
          if (decoded?._tag !== "Success") return
          const message = decoded.success
          const isGoodbye = message._tag === "Bye" || (message._tag === "Abort" && message.file === undefined)
          if (isGoodbye) world?.hosts[1].thaw()
          if (said.length > 0 && message._tag === "Join") joins++
          else if (isGoodbye || said.length > 0) said.push(message._tag)
        }
      }
    })
    assert.isAbove(joins, 0)
    assert.include(JSON.stringify(catchers[1]), "MasterTimeout")
    return { master: master?._tag, known: report?.catchers.map(({ id, state }) => [id, state]), said }
  })

  it.effect("is not welcomed, and is none of the session's", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* waking({ catchers: 1 }), {
        ...{ master: "Success", known: [["c1", "Complete"]] },
        said: ["Bye", "ByeOk"]
      })
    })
  )

  it.effect("is not welcomed by a master that has given up either", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* waking({ catchers: 3, waitMillis: 500 }), {
        // a session that never began has no report
        ...{ master: "Failure", known: undefined },
        said: ["Abort", "Abort", "Abort", "Abort"]
      })
    })
  )
})

it.effect("a catcher that is welcomed, and deaf until the session has ended, says that it took no part [J-14]", () =>
  Effect.gen(function* () {
    let welcomed: Simulation.World | undefined
    const { catchers } = yield* Simulation.run({
      ...{ seed: 1, catchers: 2, tree: [Tree.file("f", 3000)], network: { delayMillis: 2 } },
      master: { catchers: 1 },
      meanwhile: (world) => Effect.sync(() => void (welcomed = world)),
      observer: {
        network: (event) => {
          const decoded = event._tag === "Sent" ? Codec.decode(event.bytes) : undefined
          if (decoded?._tag !== "Success" || event._tag !== "Sent") return
          const { _tag } = decoded.success
          // its first answer comes after the end
          if (_tag === "Join" && event.name === "c2") welcomed?.hosts[1].freeze()
          if (_tag === "Bye") welcomed?.hosts[1].thaw()
        }
      }
    })
    const report = catchers[1]?._tag === "Success" ? catchers[1].value : undefined
    assert.deepStrictEqual(report?.catchers[0].state, "Partial")
    assert.match(report?.catchers[0].failures[0].reason ?? "", /ended before this catcher/)
  })
)
