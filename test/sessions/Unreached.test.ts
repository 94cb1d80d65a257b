/** Hosts that are on the master's list, and whose catchers come no more, or go: they are told, and nobody waits for them. */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type * as Master from "../../src/master/Master.ts"
import * as Engine from "../../src/simulate/Simulation.ts"
import * as Simulation from "./Simulation.ts"

/** After so many milliseconds this is heard of a host. */
const after = (millis: number, name: string, reason: string) =>
  Stream.fromEffect(Effect.as(Effect.sleep(millis), { name, reason }))

const session = (master: Partial<Master.Options>) =>
  Simulation.run({
    ...{ seed: 1, catchers: 2, timeoutMillis: 4000 },
    tree: [Simulation.file("a", 100_000)],
    master: { waitMillis: 20_000, ...master }
  })

const reportOf = ({ master }: Pick<Simulation.Outcome, "master">) =>
  Exit.isSuccess(master) ? master.value : assert.fail(Cause.pretty(master.cause))

const outcomes = (outcome: Pick<Simulation.Outcome, "master">) =>
  reportOf(outcome).catchers.map(({ failures, id, state }) => [id, state, failures.map(({ reason }) => reason).join()])

describe("a host that cannot be reached", () => {
  it.effect("is not waited for, and is in the report with the reason", () =>
    Effect.gen(function* () {
      const unreached = after(500, "c3", "no route to host")
      const outcome = yield* session({ hosts: ["c1", "c2", "c3"], unreached, atLeast: 1 })
      assert.sameDeepMembers(outcomes(outcome), [
        ["c1", "Complete", ""],
        ["c2", "Complete", ""],
        ["c3", "Unreachable", "no route to host"]
      ])
      assert.isBelow(outcome.millis, 15_000)
    })
  )

  it.effect("ends the waiting at once where more are asked for than can come", () =>
    Effect.gen(function* () {
      const unreached = Stream.merge(after(500, "c3", "refused"), after(600, "c4", "unknown"))
      const hosts = ["c1", "c2", "c3", "c4"]
      const outcome = yield* session({ hosts, unreached, atLeast: 3 })
      const error = Exit.isFailure(outcome.master)
        ? Option.getOrUndefined(Cause.findErrorOption(outcome.master.cause))
        : undefined
      assert.deepInclude(error, { _tag: "HostsUnreachable", hosts: 4, least: 3 })
      assert.strictEqual(
        error?.message,
        "2 of 4 hosts cannot be reached, and 3 are asked for (--at-least): nothing was sent: c3: refused, c4: unknown"
      )
    })
  )

  it.effect("counts for nothing where it is not on the list", () =>
    Effect.gen(function* () {
      const outcome = yield* session({ hosts: ["c1", "c2"], unreached: after(500, "x", "unknown") })
      assert.sameDeepMembers(outcomes(outcome), [
        ["c1", "Complete", ""],
        ["c2", "Complete", ""]
      ])
    })
  )
})

describe("a host whose catcher goes", () => {
  it.effect("is lost at once, with the reason", () =>
    Effect.gen(function* () {
      const outcome = yield* Engine.run({
        ...{ seed: 1, catchers: 2, timeoutMillis: 4000, tree: [Simulation.file("a", 1_000_000)] },
        master: {
          ...{ hosts: ["c1", "c2"], bytesPerSecond: 100_000, waitMillis: 20_000 },
          unreached: after(2500, "c2", "its connection ended")
        },
        meanwhile: ({ hosts }) => Effect.andThen(Effect.sleep(2490), hosts[1].crash)
      })
      assert.isDefined(outcome.master)
      assert.sameDeepMembers(outcomes({ master: outcome.master! }), [
        ["c1", "Complete", ""],
        ["c2", "Lost", "its connection ended"]
      ])
    })
  )
})
