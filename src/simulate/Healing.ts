/**
 * The liveness phase: at some time all faults of machines and of the network end, and no new ones begin. Every catcher that lives
 * then must become complete. What still excuses it is that it crashed before, its disk or its destination, or a session that
 * was over by then.
 */
import * as Effect from "effect/Effect"
import type { Dice } from "./Dice.ts"
import type { Host, World } from "./Simulation.ts"
import { shortMillis } from "./Timing.ts"

/** Why a catcher need not be complete, by name: the first reason is told. */
export class Excuses {
  /** Grows while the session runs. */
  readonly hit = new Map<string, string>()
  private readonly reasons = new Map<string, Set<string>>()
  private readonly awayMillis = new Map<string, number>()

  readonly excuse = (name: string, why: string): void => {
    const reasons = this.reasons.get(name) ?? new Set()
    this.reasons.set(name, reasons.add(why))
    if (!this.hit.has(name)) this.hit.set(name, why)
  }

  /** Out of reach for a while: that excuses when it is long, together with what befell it before. */
  readonly away = (name: string, why: string, lastsMillis: number): void => {
    const before = this.awayMillis.get(name) ?? 0
    this.awayMillis.set(name, before + lastsMillis)
    if (before + lastsMillis > shortMillis) this.excuse(name, why)
  }

  /** What has ended at that time excuses that catcher no longer. Was there something? */
  withdraw(name: string, endedMillis: number): boolean {
    const before = this.hit.get(name)
    const passes = (why: string) => passing.has(why) && !(why === unreached && endedMillis > trialMillis)
    const left = [...(this.reasons.get(name) ?? [])].filter((why) => !passes(why))
    this.reasons.set(name, new Set(left))
    if (left.length === 0) this.hit.delete(name)
    else this.hit.set(name, left[0])
    return before !== undefined && passes(before)
  }
}

/** Why a catcher is excused whose path takes no page at all. */
export const unreached = "no page reaches it"

/** Reasons that end when everything is healed. */
const passing: ReadonlySet<string> = new Set(["freeze", "partition", "clog", "one direction", unreached])

/**
 * A catcher that no page has reached for so long may have had its 24 rounds in vain, and is told so
 * however well its path is then. [N-4]
 */
const trialMillis = 5000

/** A session that ends so soon after the healing may have left out a catcher that was away. */
const soonMillis = 2000

export const healingOf = (dice: Dice): number | undefined => (dice.hits(0.3) ? dice.scaled(50, 15_000) : undefined)

const well = {
  ...{ loss: 0, burst: undefined, duplicate: 0, reorder: 0, corrupt: 0, jitterMillis: 0 },
  ...{ mtuBytes: undefined, narrow: undefined }
}

const healHost = Effect.fnUntraced(function* ({ network }: World, host: Host) {
  yield* network.unpartition(host.name)
  yield* network.unclog(host.name)
  yield* network.impairLink(host.name, "Group", well)
  yield* network.impairLink(host.name, "Answers", well)
  host.thaw()
})

/** Runs the faults until that time; then heals everything, and takes back what excused those that live. */
export const heal = Effect.fnUntraced(function* (
  world: World,
  healMillis: number,
  faults: Effect.Effect<void>,
  excuses: Excuses,
  tell: (line: string) => void
) {
  const { hosts, master, network } = world
  yield* Effect.all([Effect.timeoutOption(faults, healMillis), Effect.sleep(healMillis)], { concurrency: "unbounded" })
  yield* network.impair(well)
  for (const host of hosts) yield* healHost(world, host)
  master.thaw()
  const living = hosts.filter((host) => host.runs)
  yield* Effect.sleep(soonMillis)
  if (!master.runs) return
  for (const { name } of living) if (excuses.withdraw(name, healMillis)) tell(`${name} lives, and must become complete`)
})
