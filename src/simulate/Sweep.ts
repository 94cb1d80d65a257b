/** One seed: what befalls the session, how it went, and what was wrong with it. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Report } from "../report/Report.ts"
import { Checks } from "./Checks.ts"
import * as Faults from "./Faults.ts"
import * as Simulation from "./Simulation.ts"

interface Verdict {
  readonly seed: number
  /** What was wrong; empty: nothing. */
  readonly problems: ReadonlyArray<string>
  /** What befell the session. */
  readonly telling: ReadonlyArray<string>
  /** How it ended, in a line for each end. */
  readonly endings: ReadonlyArray<string>
  readonly millis: number
}

/**
 * A catcher that starts so shortly before the end comes too late, be it the end of a master's wait in vain; so does one that nobody
 * waited for in a session this short.
 */
const tooLateMillis = 2000

/** A master finds out within a time-out that a catcher is gone, and may ask another one only then. */
const aloneTimeouts = 2.5

/** Did it wait to the end for catchers, and too few have joined? */
const waitedInVain = (exit: Simulation.Outcome["master"]): boolean =>
  exit?._tag === "Failure" &&
  Option.exists(Cause.findErrorOption(exit.cause), (error) => error._tag === "AnnounceTimeout")

/** The story of a seed, as far as nothing else is settled. */
export const run = (seed: number, settled?: Faults.Settled) => judge(Faults.story(seed, settled))

const expectationsOf = ({ masterLives, refused, scenario, source, wishes }: Faults.Story) => ({
  ...{ refused, wishes, masterLives, isSealed: scenario.isSealed === true },
  ...(source === undefined ? {} : { source })
})

/** How a session went under what befell it. */
export const judge = Effect.fn("Sweep.judge")(function* (story: Faults.Story) {
  const { catchers: count, master: its = {}, startMillis = () => 0 } = story.scenario
  const { atLeast = count, catchers: wanted = count } = its
  const isTooLate = (host: Simulation.Host) => {
    const atMillis = startMillis(hosts.indexOf(host))
    if (atMillis > 0 && atMillis > masterEndedAt - tooLateMillis) return true
    const { catchers = [], seconds = Infinity } = report ?? {}
    const isKnown = catchers.some(({ id }) => id === host.name)
    // so many were enough for it to begin
    const enough = atMillis > 0 ? Math.min(atLeast, wanted) : wanted
    return !isKnown && enough < count && catchers.length >= enough && seconds * 1000 < tooLateMillis
  }
  let now = () => 0
  let hosts: ReadonlyArray<Simulation.Host> = []
  let exitMillis = () => Infinity
  let masterEndedAt = Infinity
  let report: Report | undefined
  const checks = new Checks(
    {
      tree: story.scenario.tree,
      ...expectationsOf(story),
      isAnybodyThere: () => (story.liars ?? 0) > 0 || hosts.some((host) => host.runs),
      aloneMillis: aloneTimeouts * (story.scenario.timeoutMillis ?? Simulation.defaults.timeoutMillis),
      excuse: (host) => {
        const why = story.hit.get(host.name) ?? (host.volume.wasFull ? "its disk was full" : undefined)
        return why ?? (isTooLate(host) ? "too late" : undefined)
      }
    },
    () => now()
  )
  const outcome = yield* Simulation.run({
    ...story.scenario,
    before: checks.standing(story.scenario.before),
    observer: {
      changed: checks.changed,
      network: (event) => {
        checks.network(event)
        story.network(event)
      },
      catcherReports: checks.catcherReports,
      masterReports: (said) => {
        masterEndedAt = now()
        report = said
        checks.masterReported(said, hosts)
      }
    },
    meanwhile: (world) => {
      now = world.now
      hosts = world.hosts
      exitMillis = () => world.master.exitMillis
      return story.scenario.meanwhile?.(world) ?? Effect.void
    }
  })
  hosts = outcome.hosts
  if (waitedInVain(outcome.master)) masterEndedAt = exitMillis()
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
  return { seed: story.scenario.seed, problems: checks.problems, telling: story.telling, endings, millis } as Verdict
})
