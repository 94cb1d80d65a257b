/** One seed: what befalls the session, how it went, and what was wrong with it. */
import * as Effect from "effect/Effect"
import { Checks } from "./Checks.ts"
import * as Faults from "./Faults.ts"
import * as Simulation from "./Simulation.ts"

export interface Verdict {
  readonly seed: number
  /** What was wrong; empty: nothing. */
  readonly problems: ReadonlyArray<string>
  /** What befell the session. */
  readonly telling: ReadonlyArray<string>
  /** How it ended, in a line for each end. */
  readonly endings: ReadonlyArray<string>
  readonly millis: number
}

/** A catcher that starts so shortly before the end comes too late. */
const tooLateMillis = 2000

export const run = Effect.fn("Sweep.run")(function* (seed: number) {
  const story = Faults.story(seed)
  let now = () => 0
  let hosts: ReadonlyArray<Simulation.Host> = []
  let masterEndedAt = Infinity
  const checks = new Checks(
    {
      tree: story.scenario.tree,
      refused: story.refused,
      masterLives: story.masterLives,
      excuse: (host) =>
        story.hit.get(host.name) ??
        ((story.scenario.startMillis?.(hosts.indexOf(host)) ?? 0) > masterEndedAt - tooLateMillis
          ? "too late"
          : undefined)
    },
    () => now()
  )
  const outcome = yield* Simulation.run({
    ...story.scenario,
    observer: {
      changed: checks.changed,
      network: (event) => {
        checks.network(event)
        story.network(event)
      },
      catcherReports: checks.catcherReports,
      masterReports: (report) => {
        masterEndedAt = now()
        checks.masterReported(report, hosts)
      }
    },
    meanwhile: (world) => {
      now = world.now
      hosts = world.hosts
      return story.scenario.meanwhile?.(world) ?? Effect.void
    }
  })
  hosts = outcome.hosts
  checks.ended(outcome)
  const { catchers, counters, master, millis } = outcome
  const endings = [
    `master: ${master === undefined ? "killed" : JSON.stringify(master)}`,
    ...catchers.map(
      (exit, i) =>
        `c${i + 1}: ${exit === undefined ? "killed" : JSON.stringify(exit)} ${story.hit.get(`c${i + 1}`) ?? ""}`
    ),
    `network: ${JSON.stringify(counters)}`,
    `${millis.toFixed(1)} virtual ms`
  ]
  return { seed, problems: checks.problems, telling: story.telling, endings, millis } as Verdict
})
