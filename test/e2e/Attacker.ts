/** A host without a key, that has heard of a session (attacker.mjs), and sessions beside it. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as Lab from "./Lab.ts"

const attacker = new URL("./attacker.mjs", import.meta.url).pathname

export interface Attack {
  readonly acts?: ReadonlyArray<string>
  readonly perSecond?: number
  readonly count?: number
  readonly catchers?: ReadonlyArray<string>
  readonly record?: string
  readonly recording?: string
}

/** Starts it on a host; it hears the group already. */
export const start = (lab: Lab.Lab, host: string, attack: Attack): Effect.Effect<Lab.Running> => {
  const options = JSON.stringify({ master: "10.77.0.1", ...attack })
  const running = lab.exec(host, process.execPath, attacker, options)
  return Effect.as(running.says("listening"), running)
}

interface Stopped {
  /** Datagrams of the attacker. */
  readonly sent: number
  readonly seconds: number
  /** How many messages with digests it has heard: the master sends them for blocks that were spoiled. */
  readonly digests: number
}

/** Stops it. */
export const stop = (attacker: Lab.Running): Effect.Effect<Stopped> =>
  Effect.gen(function* () {
    yield* attacker.kill("SIGTERM")
    const { err, events, status } = yield* attacker.ended
    assert.strictEqual(status, 0, err)
    return events.at(-1)
  })

const printTypes = `require("node:dgram").createSocket("udp4").on("message", ([, , , type]) => console.log(JSON.stringify({ type })))
  .bind(Number(process.argv[1]), () => console.log("listening"))`

/** Listens where the master of a recording was, and tells the types of the datagrams that come there. */
export const listener = (lab: Lab.Lab, recording: string): Effect.Effect<Lab.Running> => {
  const lines = readFileSync(recording, "utf8").trimEnd().split("\n")
  const [, port] = lines.map((line) => JSON.parse(line)).find(([address]) => address === "10.77.0.1")
  const running = lab.exec("m", process.execPath, "-e", printTypes, String(port))
  return Effect.as(running.says("listening"), running)
}

/** The ports on which a process's host takes datagrams, as an attacker finds them by trying all. */
const portsOf = (pid: number | undefined): ReadonlyArray<number> =>
  readFileSync(`/proc/${pid}/net/udp`, "latin1")
    .trimEnd()
    .split("\n")
    .slice(1)
    .map((line) => Number.parseInt(/: [0-9A-F]{8}:([0-9A-F]{4})/.exec(line)?.[1] ?? "", 16))

interface Outcome extends Pick<Stopped, "sent" | "digests"> {
  readonly seconds: number
  /** As the report counts them. */
  readonly pages: { readonly sent: number; readonly repaired: number }
  /** How long the attacker took for its datagrams. */
  readonly sendingSeconds: number
  /** The most memory that master and catchers have had, in KiB. */
  readonly peakKib: ReadonlyArray<number>
}

const peakKib = (pid: number | undefined): number => {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? 0)
  } catch {
    return 0
  }
}

/** Sends to so many catchers, the next host attacking meanwhile; all complete. */
export const session = Effect.fnUntraced(function* (
  lab: Lab.Lab,
  name: string,
  count: number,
  source: string,
  sending: ReadonlyArray<string>,
  acts: ReadonlyArray<string> = [],
  perSecond = 0,
  most = 1e9
) {
  const destinations = Array.from({ length: count }, (_, i) => join(lab.folder, `${name}-c${i + 1}`))
  const catchers = destinations.map((destination, i) => {
    mkdirSync(destination)
    return lab.mrsync(`c${i + 1}`, "catch", "--json", "--id", `c${i + 1}`, destination)
  })
  for (const catcher of catchers) yield* catcher.says("Waiting")
  const ends = catchers.flatMap(({ process }, i) => portsOf(process.pid).map((port) => `10.77.0.${i + 2}:${port}`))
  const attacker = yield* start(lab, `c${count + 1}`, { acts, perSecond, count: most, catchers: ends })
  const master = lab.mrsync("m", "send", "--json", "--catchers", String(count), ...sending, source)
  const peaks = [0, ...catchers.map(() => 0)]
  const watching = setInterval(() => {
    for (const [i, { process }] of [master, ...catchers].entries()) peaks[i] = Math.max(peaks[i], peakKib(process.pid))
  }, 50)
  const { err, report, status } = yield* Effect.ensuring(
    master.ended,
    Effect.sync(() => clearInterval(watching))
  )
  assert.strictEqual(status, 0, err + JSON.stringify(report))
  for (const { state } of report.catchers) assert.strictEqual(state, "Complete")
  const { digests, seconds: sendingSeconds, sent } = yield* stop(attacker)
  for (const [i, catcher] of catchers.entries()) {
    const { err, status } = yield* catcher.ended
    assert.strictEqual(status, 0, err)
    assert.strictEqual(Lab.rsyncSays(source, `${destinations[i]}/`), "")
    assert.deepStrictEqual(Lab.litter(destinations[i]), [])
  }
  const outcome: Outcome = {
    seconds: report.seconds,
    pages: report.pages,
    sent,
    sendingSeconds,
    digests,
    peakKib: peaks
  }
  return outcome
})
