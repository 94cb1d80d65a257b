/** What catchers' owners have done around a session. [F-12] */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Hooks } from "../../src/catcher/Hooks.ts"
import { HookFailed } from "../../src/report/Errors.ts"
import { type Report, exitStatusOf } from "../../src/report/Report.ts"
import * as SimulatedTree from "../../src/simulate/Tree.ts"
import type { Volume } from "../../src/store/Volume.ts"
import * as Policy from "../../src/tree/Policy.ts"
import * as Simulation from "./Simulation.ts"

const tree = [
  Simulation.directory(""),
  Simulation.file("large", 300_000),
  ...Array.from({ length: 20 }, (_, i) => Simulation.file(`small ${i}`, 1000 + i, i)),
  Simulation.hardLink("twin", 1)
]
const old = [Simulation.directory(""), Simulation.file("to be deleted", 10)]

const failing = (hook: HookFailed["hook"], reason = "exit status 3: no such service") =>
  Effect.fail(new HookFailed({ hook, reason }))

/** A session of which the story is told: what hooks, catchers and master did, in order. */
const session = (
  hooks: ReadonlyArray<Hooks>,
  more: Partial<Simulation.Scenario> = {},
  policy: Partial<Policy.Policy> = {}
) => {
  const story: Array<string> = []
  const reports: Array<Report> = []
  const own: Array<Report> = []
  const telling = (catcher: number, { onComplete, onStart }: Hooks): Hooks => ({
    onStart: (report, mostMillis) =>
      Effect.andThen(
        Effect.sync(() => void story.push(`c${catcher + 1} starts`)),
        onStart?.(report, mostMillis) ?? Effect.void
      ),
    onComplete: (report, mostMillis) =>
      Effect.andThen(
        Effect.sync(() => {
          reports.push(report)
          story.push(`c${catcher + 1} ${report.catchers[0].state}`)
        }),
        onComplete?.(report, mostMillis) ?? Effect.void
      )
  })
  const changed = (name: string) => {
    if (story.at(-1) !== `${name} changes`) story.push(`${name} changes`)
  }
  return Effect.map(
    Simulation.run({
      seed: 1,
      catchers: hooks.length,
      tree,
      master: { policy: { ...Policy.defaults, deletes: true, ...policy } },
      before: (_, volume) => SimulatedTree.stand(volume, old),
      observer: {
        changed: ({ name }) => changed(name),
        catcherReports: (_, report) => void own.push(report),
        masterReports: () => void story.push("the master ends")
      },
      beside: (catcher) => ({ hooks: telling(catcher, hooks[catcher]) }),
      ...more
    }),
    (outcome) => ({ outcome, own, reports, story })
  )
}

const reportOf = ({ master }: Simulation.Outcome): Report => {
  if (master._tag === "Success") return master.value
  throw new Error(JSON.stringify(master))
}

const states = (outcome: Simulation.Outcome) => reportOf(outcome).catchers.map(({ state }) => state)

const slow = { onStart: () => Effect.sleep(25_000), onComplete: () => Effect.sleep(25_000) }

describe("hooks [F-12]", () => {
  it.effect("come before anything is changed, and when the outcome is known", () =>
    Effect.gen(function* () {
      const { outcome, reports, story } = yield* session([{}])
      assert.deepStrictEqual(story, ["c1 starts", "c1 changes", "c1 Complete", "the master ends"])
      assert.deepStrictEqual(states(outcome), ["Complete"])
      const [{ catchers, session: id }] = reports
      assert.strictEqual(id, reportOf(outcome).session)
      assert.deepStrictEqual([catchers[0].files, catchers[0].changes?.deleted], [22, 1])
    })
  )
  it.effect("come in a session without a policy as well", () =>
    Effect.gen(function* () {
      const { outcome, story } = yield* session([{}], { master: {}, before: () => {} })
      assert.deepStrictEqual(story, ["c1 starts", "c1 changes", "c1 Complete", "the master ends"])
      assert.deepStrictEqual(states(outcome), ["Complete"])
    })
  )
  it.effect("a start that fails leaves everything as it was, and the master is told why", () =>
    Effect.gen(function* () {
      const { outcome, story } = yield* session([{ onStart: () => failing("on-start") }, {}])
      assert.deepStrictEqual(
        story.filter((told) => !told.startsWith("c2")),
        ["c1 starts", "the master ends"]
      )
      const [c1, c2] = reportOf(outcome).catchers
      const reason = "on-start failed: exit status 3: no such service"
      assert.deepStrictEqual([c1.state, c1.failures, c2.state], ["Partial", [{ path: "", reason }], "Complete"])
      assert.strictEqual(exitStatusOf(reportOf(outcome)), 23)
      assert.include(JSON.stringify(outcome.catchers[0]), '"_tag":"HookFailed"')
    })
  )
  it.effect("a start that fails without a policy does the same", () =>
    Effect.gen(function* () {
      const without = { master: {}, before: () => {} }
      const { outcome, story } = yield* session([{ onStart: () => failing("on-start") }], without)
      assert.deepStrictEqual(story, ["c1 starts", "the master ends"])
      assert.deepStrictEqual(states(outcome), ["Partial"])
    })
  )
  it.effect("an end that fails is a failure at the topmost directory, and the tree is there", () =>
    Effect.gen(function* () {
      const { outcome } = yield* session([{ onComplete: () => failing("on-complete") }, {}])
      const [c1, c2] = reportOf(outcome).catchers
      const reason = "on-complete failed: exit status 3: no such service"
      assert.deepStrictEqual([c1.state, c1.failures, c1.files], ["Partial", [{ path: ".", reason }], 22])
      assert.strictEqual(c2.state, "Complete")
      assert.deepStrictEqual(Simulation.differences(tree, outcome.memories[0]), [])
      assert.strictEqual(exitStatusOf(reportOf(outcome)), 23)
    })
  )
  it.effect("may take longer than the time-out, and no catcher is lost [Q-10]", () =>
    Effect.gen(function* () {
      const { outcome, story } = yield* session([slow], { timeoutMillis: 10_000 })
      assert.deepStrictEqual(states(outcome), ["Complete"])
      assert.deepStrictEqual(story, ["c1 starts", "c1 changes", "c1 Complete", "the master ends"])
      assert.isAbove(outcome.millis, 50_000)
    })
  )
  it.effect("of one catcher hold up no other [Y-3]", () =>
    Effect.gen(function* () {
      const { outcome, story } = yield* session([slow, {}, {}], { timeoutMillis: 10_000 })
      assert.deepStrictEqual(states(outcome), ["Complete", "Complete", "Complete"])
      // the others have the tree before the slow one begins
      assert.isBelow(story.indexOf("c2 Complete"), story.indexOf("c1 changes"))
      assert.isBelow(story.indexOf("c3 Complete"), story.indexOf("c1 changes"))
    })
  )
  it.effect("are interrupted when they take too long", () =>
    Effect.gen(function* () {
      const interrupted: Array<string> = []
      const forever = (name: string) => (_: Report, mostMillis: number) =>
        Effect.onInterrupt(Effect.never, () => Effect.sync(() => void interrupted.push(`${name} ${mostMillis}`)))
      const { outcome } = yield* session([{ onStart: forever("start") }, { onComplete: forever("end") }])
      assert.deepStrictEqual(interrupted.toSorted(), ["end 60000", "start 60000"])
      assert.deepStrictEqual(
        reportOf(outcome).catchers.map(({ failures }) => failures.map(({ reason }) => reason)),
        [["on-start failed: it was ended after 60 s"], ["on-complete failed: it was ended after 60 s"]]
      )
    })
  )
  it.effect("a session that breaks off has its end", () =>
    Effect.gen(function* () {
      const { outcome, own, story } = yield* session([{ onComplete: () => failing("on-complete") }], {
        bytesPerSecond: 100_000,
        timeoutMillis: 2000,
        meanwhile: (network) => Effect.andThen(Effect.sleep(1500), network.partition("c1"))
      })
      assert.deepStrictEqual(
        story.filter((told) => told.startsWith("c1")),
        ["c1 starts", "c1 Partial"]
      )
      assert.include(JSON.stringify(outcome.catchers[0]), '"_tag":"MasterTimeout"')
      const reasons = own[0].catchers[0].failures.map(({ reason }) => reason)
      assert.include(reasons, "on-complete failed: exit status 3: no such service")
    })
  )
  it.effect("the end goes on when the session breaks off meanwhile", () =>
    Effect.gen(function* () {
      let hasEnded = false
      const onComplete = () =>
        Effect.andThen(
          Effect.sleep(11_000),
          Effect.sync(() => void (hasEnded = true))
        )
      const { outcome } = yield* session([{ onComplete }], {
        timeoutMillis: 2000,
        meanwhile: (network) => Effect.andThen(Effect.sleep(3000), network.detach("master"))
      })
      assert.isTrue(hasEnded)
      // its tree is whole, whatever the master knows of that
      const [exit] = outcome.catchers
      if (exit._tag !== "Success") throw new Error(JSON.stringify(exit))
      assert.strictEqual(exit.value.catchers[0].state, "Complete")
    })
  )
  it.effect("a master that is not heard for a while during the end is told all the same [F-6]", () =>
    Effect.gen(function* () {
      const { outcome } = yield* session([{ onComplete: () => Effect.sleep(10_000) }], {
        meanwhile: (network) =>
          Effect.sleep(2000).pipe(
            Effect.andThen(network.partition("c1")),
            Effect.andThen(Effect.sleep(5000)),
            Effect.andThen(network.unpartition("c1"))
          )
      })
      assert.deepStrictEqual(states(outcome), ["Complete"])
    })
  )
  it.effect("what the first one does at the destination is seen", () =>
    Effect.gen(function* () {
      const volumes: Array<Volume> = []
      const onStart = () => Effect.sync(() => SimulatedTree.stand(volumes[0], tree))
      const before = (_: number, volume: Volume) => {
        volumes.push(volume)
        SimulatedTree.stand(volume, old)
      }
      const { outcome } = yield* session([{ onStart }], { before })
      assert.deepStrictEqual(reportOf(outcome).catchers[0].changes?.files, 0)
    })
  )
  it.effect("a dry run has none", () =>
    Effect.gen(function* () {
      const { outcome, story } = yield* session([{}], {}, { isDryRun: true })
      assert.deepStrictEqual(story, ["the master ends"])
      assert.deepStrictEqual(states(outcome), ["Complete"])
    })
  )
  it.effect("a catcher that is stopped ends the first, and has the last", () =>
    Effect.gen(function* () {
      const ended: Array<string> = []
      const onStart = () => Effect.onInterrupt(Effect.sleep(25_000), () => Effect.sync(() => void ended.push("start")))
      const stop = (_: unknown, hosts: ReadonlyArray<{ readonly stop: () => void }>) =>
        Effect.andThen(
          Effect.sleep(5000),
          Effect.sync(() => hosts[0].stop())
        )
      const first = yield* session([{ onStart }, {}], { meanwhile: stop })
      assert.deepStrictEqual(ended, ["start"])
      assert.notInclude(first.story.join(), "c1 Partial")
      const second = yield* session([{}, {}], { bytesPerSecond: 20_000, meanwhile: stop })
      assert.include(second.story.join(), "c1 starts,")
      assert.include(second.story.join(), "c1 Partial")
    })
  )
})
