/** Destinations that are replaced before a session or in one: a mount on top, a new directory in their place. */
import * as Effect from "effect/Effect"
import type { Dice } from "./Dice.ts"
import type { World } from "./Simulation.ts"

export interface Replaced {
  readonly name: string
  /** Counted from the session's beginning there, or from the start of all. */
  readonly inSession: boolean
  readonly millis: number
}

export const replacedOf = (dice: Dice, catchers: number): Replaced | undefined =>
  dice.hits(0.1)
    ? { name: `c${dice.whole(1, catchers)}`, inSession: dice.hits(0.7), millis: dice.scaled(1, 1000) }
    : undefined

// Before a session begins it is no excuse: the tree goes to what is there then. A catcher that has
// the tree may be done with it, and one that was started again may have had it.
export const replaceDestination = Effect.fnUntraced(function* (
  { hosts }: World,
  { inSession, millis, name }: Replaced,
  excuse: (name: string, why: string) => void
) {
  const host = hosts.find((host) => host.name === name)!
  const stage = () => host.memory.stage()
  if (inSession) while (stage() === "Waiting" && host.life <= 1) yield* Effect.sleep(1)
  yield* Effect.sleep(millis)
  if (host.life > 1 || stage() === "Finished" || (!host.runs && host.life > 0)) return
  if (stage() !== "Waiting") excuse(name, "its destination was replaced")
  host.replaceDestination()
})
