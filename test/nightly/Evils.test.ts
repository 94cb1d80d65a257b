/**
 * Four catchers on real hosts, one of them behind each evil in turn: the other three have the tree as soon as without it, and
 * little is sent that nobody gains from. The rate is limited, so that time is bytes, not what else the machine does.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import * as Lab from "../e2e/Lab.ts"
import * as Trees from "../e2e/Trees.ts"

const files = 24

/** How much is sent, and how fast. */
interface Load {
  readonly fileBytes: number
  readonly rate: string
}
/** Two seconds. */
const short: Load = { fileBytes: 1_000_000, rate: "12MB" }
/** Eight seconds: the others wait once for a catcher that has gone, some 0.7 s whatever is sent. */
const middle: Load = { fileBytes: 4_000_000, rate: "12MB" }
/** Forty seconds: what is sent in nine of them has to be sent again to a catcher that hears nothing meanwhile. */
const long: Load = { fileBytes: 5_000_000, rate: "3MB" }

const makeTree = (lab: Lab.Lab, { fileBytes }: Load) => {
  const source = join(lab.folder, "source")
  mkdirSync(source)
  for (let i = 0; i < files; i++) Trees.random(join(source, `file ${i}`), fileBytes)
  return source
}

interface Evil {
  readonly name: string
  readonly load: Load
  readonly options?: ReadonlyArray<string>
  /** Before the catchers start. */
  readonly before?: (lab: Lab.Lab) => Effect.Effect<void>
  /** While pages are on the air. */
  readonly meanwhile?: (lab: Lab.Lab, catcher: Lab.Running) => Effect.Effect<void>
  /** How it ends for the one that is hit, and with which words. */
  readonly state: "Complete" | "Partial" | "Lost"
  readonly reason?: RegExp
}

const nft = (lab: Lab.Lab, host: string, rule: string) =>
  Effect.gen(function* () {
    for (const command of [
      "add table ip evil",
      "add chain ip evil i { type filter hook input priority 0 ; }",
      `add rule ip evil i ${rule}`
    ]) {
      const { err, status } = yield* lab.exec(host, "nft", ...command.split(" ")).ended
      assert.strictEqual(status, 0, err)
    }
  })

const evils: ReadonlyArray<Evil> = [
  {
    name: "a narrow path",
    load: short,
    before: (lab) => nft(lab, "c2", "udp dport 8888 meta length > 1400 drop"),
    state: "Complete"
  },
  {
    name: "a narrow path, and pages whose size is fixed",
    load: short,
    options: ["--page-size", "1432"],
    before: (lab) => nft(lab, "c2", "udp dport 8888 meta length > 1400 drop"),
    state: "Partial",
    reason: /polls arrive and pages of 1432 bytes do not.*--page-size 1332/
  },
  {
    name: "a full disk",
    load: short,
    before: (lab) => Effect.sync(() => lab.mount(2, "8m")),
    state: "Partial",
    reason: /needs .* has /
  },
  {
    name: "cut for good",
    load: middle,
    options: ["--timeout", "4"],
    meanwhile: (lab) => Effect.sync(() => lab.lab("link", "down", "c2")),
    state: "Lost",
    reason: /silent for 4 s/
  },
  {
    // the others wait once, up to a second, until it is known
    name: "nine of ten answers lost",
    load: middle,
    before: (lab) => nft(lab, "m", "ip saddr 10.77.0.3 numgen random mod 10 < 9 drop"),
    state: "Complete"
  },
  {
    name: "a clock of its own, stopped for 9 s",
    load: long,
    meanwhile: (_, catcher) =>
      Effect.andThen(catcher.kill("SIGSTOP"), Effect.andThen(Effect.sleep(9000), catcher.kill("SIGCONT"))),
    state: "Complete"
  }
]

/** A session of four; when the other three had all files, in seconds of the session. */
const run = Effect.fnUntraced(function* (lab: Lab.Lab, source: string, evil: Omit<Evil, "name" | "state">) {
  const { rate } = evil.load
  yield* evil.before?.(lab) ?? Effect.void
  const catchers = yield* lab.catchers(4)
  const options = ["--json", "--catchers", "4", "--bwlimit", rate, ...(evil.options ?? [])]
  const master = lab.mrsync("m", "send", ...options, `${source}/`)
  yield* master.says("Tick")
  if (evil.meanwhile !== undefined) yield* Effect.forkScoped(evil.meanwhile(lab, catchers[1]))
  const { events, report } = yield* master.ended
  const others = events.find(
    ({ _tag, catchers }) =>
      _tag === "Tick" && ["c1", "c3", "c4"].every((id) => catchers.find((one: any) => one.id === id)?.files === files)
  )
  return { report, seconds: (others ?? report).seconds as number }
})

describe.skipIf(Lab.unavailable !== undefined)("one of four behind an evil", () => {
  const quietSeconds = new Map<Load, number>()
  for (const load of [short, middle, long]) {
    it.live(`none, to compare with: ${files} files of ${load.fileBytes} bytes`, () =>
      Effect.gen(function* () {
        const lab = yield* Lab.make(4)
        const { report, seconds } = yield* run(lab, makeTree(lab, load), { load })
        assert.isBelow(report.pages.sent / report.pages.needed, 1.02)
        quietSeconds.set(load, seconds)
      }).pipe(Effect.scoped)
    )
  }

  for (const { name, reason, state, ...evil } of evils) {
    it.live(name, () =>
      Effect.gen(function* () {
        const lab = yield* Lab.make(4)
        const source = makeTree(lab, evil.load)
        const { report, seconds } = yield* run(lab, source, evil)
        const hit = report.catchers.find((one: any) => one.id === "c2")
        assert.strictEqual(hit.state, state, JSON.stringify(hit))
        if (reason !== undefined) assert.match(hit.failures[0].reason, reason)
        assert.isBelow(report.pages.sent / report.pages.needed, 1.3)
        assert.isBelow(seconds, 1.25 * quietSeconds.get(evil.load)!)
        for (const i of [1, 3, 4]) assert.strictEqual(Lab.rsyncSays(`${source}/`, `${lab.destination(i)}/`), "")
      }).pipe(Effect.scoped)
    )
  }
})
