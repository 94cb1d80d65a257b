/** What the network of a story does: all links together, and the links of some catchers. */
import * as Effect from "effect/Effect"
import * as Limits from "../protocol/Limits.ts"
import type * as Simulated from "../transport/simulated/Network.ts"
import type { Dice } from "./Dice.ts"
import type { Excuses } from "./Healing.ts"
import type { Scenario, World } from "./Simulation.ts"
import { shortMillis, timeoutMillis } from "./Timing.ts"

/** `share` of the time is a burst. */
const burst = (dice: Dice, share: number): Simulated.Burst => {
  const lastsMillis = dice.scaled(2, 200)
  return { apartMillis: lastsMillis / share, lastsMillis, loss: dice.pick(0.5, 1) }
}

// Of what loses datagrams one thing may be bad, or nobody would be heard within the time-out.
export const networkOf = (dice: Dice): NonNullable<Scenario["network"]> => {
  const bad = dice.pick("loss", "burst", "lossAtSender", "burstAtSender", "nothing", "nothing")
  return {
    loss: bad === "loss" ? 0.2 : dice.pick(0, 0, 0.01, 0.05),
    ...(bad === "burst" ? { burst: burst(dice, 0.3) } : dice.hits(0.2) ? { burst: burst(dice, 0.03) } : {}),
    ...(bad === "lossAtSender" ? { lossAtSender: 0.1 } : dice.hits(0.2) ? { lossAtSender: 0.01 } : {}),
    ...(bad === "burstAtSender" ? { burstAtSender: burst(dice, 0.3) } : {}),
    ...(dice.hits(0.4) ? { duplicate: dice.pick(0.01, 0.1, 0.3), echoMillis: dice.pick(50, 3000, 3000) } : {}),
    ...(dice.hits(0.3) ? { reorder: dice.pick(0.01, 0.1, 0.3) } : {}),
    ...(dice.hits(0.25) ? { corrupt: dice.pick(0.0005, 0.002) } : {}),
    delayMillis: dice.pick(0, 0.2, 2, 20),
    ...(dice.hits(0.3) ? { jitterMillis: dice.pick(2, 10, 50) } : {}),
    glued: dice.hits(0.5),
    receiveBufferBytes: dice.pick(16_384, 131_072, 4_194_304),
    ...(dice.hits(0.3) ? { bytesPerSecond: dice.pick(500_000, 5_000_000, 125_000_000) } : {})
  }
}

/** The packet of the smallest page. */
export const leastPacketBytes = Limits.minPageBytes + Limits.headerBytes + Limits.udpHeaderBytes

/** Some are behind a path that takes no packets of the usual length, from the beginning or from some time on. */
export const shortPathsOf = (dice: Dice, catchers: number) => {
  const share = dice.hits(0.08) ? dice.pick(0.1, 0.5, 1) : 0
  return Array.from({ length: catchers }, (_, i) => ({
    name: `c${i + 1}`,
    isHit: dice.hits(share),
    mtuBytes: dice.pick(1400, 1280, 700, 300),
    atMillis: dice.pick(0, 0, dice.scaled(5, 1000))
  })).filter(({ isHit }) => isHit)
}

/** Some have links of a rate of their own, behind a queue that is long or short. */
export const narrowLinksOf = (dice: Dice, catchers: number) => {
  const share = dice.hits(0.25) ? dice.pick(0.1, 0.5, 1) : 0
  const links: Array<[name: string, narrow: NonNullable<Simulated.Impairments["narrow"]>]> = []
  for (let i = 1; i <= catchers; i++) {
    if (!dice.hits(share)) continue
    links.push([`c${i}`, { bytesPerSecond: dice.pick(100_000, 1_000_000), queueBytes: dice.pick(4096, 65_536) }])
  }
  return links
}

export interface Cut {
  readonly name: string
  readonly direction: Simulated.Direction
  readonly atMillis: number
  readonly lastsMillis: number
}

/** One direction of a link: a catcher that hears and is not heard, or the reverse. */
export const cutOf = (dice: Dice, catchers: number): Cut | undefined =>
  dice.hits(0.15)
    ? {
        name: `c${dice.whole(1, catchers)}`,
        direction: dice.pick<Simulated.Direction>("Group", "Answers"),
        atMillis: dice.scaled(3, 3000),
        lastsMillis: dice.hits(0.5) ? dice.whole(5, shortMillis) : dice.whole(shortMillis, 3 * timeoutMillis)
      }
    : undefined

export const cutLink = Effect.fnUntraced(function* (
  { hosts, network }: World,
  { atMillis, direction, lastsMillis, name }: Cut,
  excuses: Excuses
) {
  yield* Effect.sleep(atMillis)
  const host = hosts.find((host) => host.name === name)
  if (host?.exit?._tag !== "Success") excuses.away(name, "one direction", lastsMillis)
  yield* network.partition(name, [direction])
  yield* Effect.sleep(lastsMillis)
  yield* network.unpartition(name)
})
