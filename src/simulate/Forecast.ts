/** What a roll-out comes to: one file to so many catchers over a network of this kind, simulated, and what was counted. */

import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Master from "../master/Master.ts"
import type { Repair } from "../protocol/file/Planner.ts"
import { type Event, seconds } from "../report/Progress.ts"
import type { Report } from "../report/Report.ts"
import type { Counted, Fate } from "../report/RollOut.ts"
import type { Change } from "../store/Volume.ts"
import * as Chance from "../transport/Chance.ts"
import * as Simulated from "../transport/simulated/Network.ts"
import * as Header from "../wire/Header.ts"
import * as Simulation from "./Simulation.ts"
import * as Tree from "./Tree.ts"

/** The roll-out that is planned. */
export interface Options {
  /** The same seed, the same forecast. */
  readonly seed: number
  /** How many, 1 to 4096. */
  readonly catchers: number
  /** Bytes of the one file that is sent. */
  readonly sizeBytes: number
  /** Content of a datagram, in bytes. */
  readonly pageBytes: number
  /** Share of datagrams lost, 0 to 1, for each catcher by itself and both ways. */
  readonly loss: number
  /** What the master's link carries. */
  readonly bytesPerSecond: number
  /** How long a datagram travels one way. */
  readonly delayMillis: number
  /** The first so many catchers have a bad link: it loses `slowLoss`, carries `slowBytesPerSecond`, or does both. */
  readonly slow: number
  readonly slowLoss: number
  readonly slowBytesPerSecond: number | undefined
  /** The last so many catchers crash at some time while the file is sent, and start again. */
  readonly crash: number
  /** How what is lost is made good. */
  readonly repair: Repair
  /** To be watched: it hears what the master tells, and no more than so many times as fast as it would be. */
  readonly watched?: { readonly speed: number; readonly tell: (event: Event) => void } | undefined
}

/** The outcome of the simulated roll-out. */
export interface Forecast extends Counted {
  /** How its program ended; undefined: it did not. */
  readonly master: Exit.Exit<Report, Master.Error> | undefined
  /** What the master reported. */
  readonly report: Report | undefined
}

/** What waits before a link of a rate of its own: a switch's memory for a port. */
const queueBytes = 64 * 1024
/** The file's name. */
const image = "image"
/** Blocks that one of hundreds of catchers holds in memory: 0.4 MB each instead of 47. More are of no use to a disk in memory. */
const assemblingBlocks = 2
/** How long a machine that crashed takes to start its catcher again. */
const rebootMillis = 500
/** A session that takes this much longer than its bytes at the given rate is stuck. */
const patienceMillis = 600_000
const patienceTimes = 50

/** Simulates the roll-out. A hundred catchers and 32 MiB take some seconds of real time. */
export const make = Effect.fn("Forecast.make")(function* (options: Options) {
  const { bytesPerSecond, catchers, delayMillis, loss, pageBytes, seed, sizeBytes, slow, watched } = options
  const { slowBytesPerSecond, slowLoss } = options
  const narrow = slowBytesPerSecond === undefined ? undefined : { bytesPerSecond: slowBytesPerSecond, queueBytes }
  const slowest = slow > 0 ? Math.min(bytesPerSecond, slowBytesPerSecond ?? Infinity) : bytesPerSecond
  const sendMillis = (sizeBytes / slowest) * 1000
  const rounds = new Set<string>()
  let now = () => 0
  let firstPageMillis: number | undefined
  const stoodMillis = new Map<string, number>()
  const network = (event: Simulated.Event) => {
    if (event._tag !== "Sent" || event.isCatcher) return
    const type = Header.typeOf(event.bytes, 0)
    if (type === Header.types.Page) firstPageMillis ??= now()
    if (type === Header.types.Eof) rounds.add(`${Header.fileOf(event.bytes, 0)} ${Header.indexOf(event.bytes, 0)}`)
  }
  const changed = ({ name }: Simulation.Host, { operation, path }: Change) => {
    if (operation === "rename" && path.endsWith(`/${image}`)) stoodMillis.set(name, now())
  }
  const chance = Chance.make(seed)
  const crashes = Array.from({ length: options.crash }, (_, i) => ({
    catcher: catchers - 1 - i,
    // a session begins some 50 ms after its catchers
    atMillis: 50 + chance.next() * (sendMillis + 20 * delayMillis)
  }))
  const outcome = yield* Simulation.run({
    seed,
    catchers,
    tree: [Tree.file(image, sizeBytes, seed)],
    network: { loss, delayMillis, bytesPerSecond, glued: true },
    master: { pageBytes, repair: options.repair },
    assemblingBlocks,
    observer: { network, changed, ...(watched === undefined ? {} : { masterTells: watched.tell }) },
    ...(watched === undefined ? {} : { speed: watched.speed }),
    limitMillis: patienceMillis + patienceTimes * sendMillis,
    meanwhile: ({ hosts, network, now: clock }) =>
      Effect.gen(function* () {
        now = clock
        for (const { name } of hosts.slice(0, slow)) {
          yield* network.impairLink(name, "Group", { loss: slowLoss, narrow })
          yield* network.impairLink(name, "Answers", { loss: slowLoss })
        }
        yield* Effect.forEach(
          crashes,
          ({ atMillis, catcher }) =>
            Effect.gen(function* () {
              yield* Effect.sleep(atMillis)
              yield* hosts[catcher].crash
              yield* Effect.sleep(rebootMillis)
              hosts[catcher].start()
            }),
          { concurrency: "unbounded", discard: true }
        )
      })
  })
  const secondsOf = (name: string) => {
    const stood = stoodMillis.get(name)
    return stood === undefined ? undefined : seconds(stood - (firstPageMillis ?? 0))
  }
  return forecast(outcome, rounds.size, secondsOf)
})

const forecast = (
  outcome: Simulation.Outcome,
  rounds: number,
  secondsOf: (name: string) => number | undefined
): Forecast => {
  const { counters, hosts, isStuck, master, traffic } = outcome
  const report = master?._tag === "Success" ? master.value : undefined
  const reported = new Map(report?.catchers.map((catcher) => [catcher.id, catcher]))
  const [peakBufferOf, { peakBufferBytes }] = [...traffic].reduce((most, one) =>
    one[1].peakBufferBytes > most[1].peakBufferBytes ? one : most
  )
  const pages = report?.pages ?? { needed: 0, sent: 0, repaired: 0, parity: 0 }
  const dropped = [...traffic.values()].reduce((sum, { dropped }) => sum + dropped, 0)
  return {
    master,
    report,
    isStuck,
    pages,
    ratio: pages.needed === 0 ? 1 : pages.sent / pages.needed,
    rounds,
    seconds: report?.seconds ?? seconds(outcome.millis),
    answers: traffic.get("master")?.received ?? 0,
    peakBufferBytes,
    peakBufferOf,
    dropped,
    queueDropped: counters.overflowed - dropped,
    catchers: hosts.map(({ life, name }): Fate => ({
      id: name,
      state: reported.get(name)?.state ?? "Lost",
      seconds: secondsOf(name),
      missingPages: reported.get(name)?.missingPages ?? 0,
      peakBufferBytes: traffic.get(name)?.peakBufferBytes ?? 0,
      dropped: traffic.get(name)?.dropped ?? 0,
      starts: life
    }))
  }
}
