/** A catcher's hooks as commands: each is a real process here. [F-12] */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Hooks from "../../src/ops/Hooks.ts"
import * as Progress from "../../src/report/Progress.ts"
import type { Report } from "../../src/report/Report.ts"

const report: Report = {
  ...{ _tag: "Report", session: "0123456789abcdef", sealed: false, fingerprint: undefined, seconds: 1, skipped: 0 },
  ...{ files: 1, directories: 1, links: 0, specials: 0, bytes: 5, failures: [] },
  pages: { needed: 1, sent: 1, repaired: 0, parity: 0 },
  catchers: [{ id: "a", address: "10.0.0.2:1", state: "Partial", files: 0, bytes: 0, missingPages: 0, failures: [] }]
}

/** Runs a command as a hook; what the log has of it. */
const run = (command: string, hook: "onStart" | "onComplete" = "onComplete") =>
  Effect.gen(function* () {
    const log: Array<string> = []
    const hooks = yield* Hooks.make({ onStart: command, onComplete: command, destination: "dest", id: "a" })
    const exit = yield* hooks[hook]!(report).pipe(
      Effect.provide(Progress.Progress.layerTo((event) => void (event._tag === "Note" && log.push(event.message)))),
      Effect.exit
    )
    return { exit, log }
  }).pipe(Effect.provide(NodeServices.layer))

const messageOf = (exit: Exit.Exit<void, Error>) =>
  Exit.isFailure(exit) ? Result.getOrThrow(Exit.findError(exit)).message : "it went well"

const directory = mkdtempSync(join(tmpdir(), "mrsync-hooks-"))
afterAll(() => rmSync(directory, { recursive: true }))

/** One that is dead and not reaped is dead. */
const isAlive = (pid: number) =>
  Result.match(
    Result.try(() => readFileSync(`/proc/${pid}/stat`, "latin1")),
    { onFailure: () => false, onSuccess: (stat) => stat[stat.lastIndexOf(")") + 2] !== "Z" }
  )
const pidIn = (file: string) => Number(readFileSync(file, "utf8"))
const appears = (file: string) =>
  Effect.gen(function* () {
    while (!existsSync(file) || readFileSync(file, "utf8") === "") yield* Effect.sleep(10)
  })

describe("a hook's command", () => {
  it.live("is told of the session, and nothing that is secret", () =>
    Effect.gen(function* () {
      process.env["MRSYNC_PHRASE"] = "secret words"
      const { exit, log } = yield* run(
        'echo "$MRSYNC_SESSION $MRSYNC_STATE $MRSYNC_ID $MRSYNC_DEST $MRSYNC_PHRASE."; cat "$MRSYNC_REPORT" >&2'
      ).pipe(Effect.ensuring(Effect.sync(() => delete process.env["MRSYNC_PHRASE"])))
      assert.strictEqual(messageOf(exit), "it went well")
      const said = log.map((line) => line.replace(/^on-complete: /, ""))
      assert.include(said, `0123456789abcdef Partial a ${join(process.cwd(), "dest")} .`)
      const json = said.find((line) => line.startsWith("{"))!
      assert.deepInclude(JSON.parse(json), { _tag: "Report", session: "0123456789abcdef", status: 23 })
      assert.strictEqual((yield* run('echo "$MRSYNC_STATE"', "onStart")).log.join(), "on-start: Started")
    })
  )
  it.live.skipIf(process.platform !== "linux")(
    "finds its report as often as it looks, for its user alone, where nothing of it is left when we are killed",
    () =>
      Effect.gen(function* () {
        const temporary = join(directory, "temporary")
        mkdirSync(temporary)
        const before = process.env["TMPDIR"]
        process.env["TMPDIR"] = temporary
        const { exit, log } = yield* run(
          'cat "$MRSYNC_REPORT" | head -c 5; cat < "$MRSYNC_REPORT" | wc -l; stat -Lc %a "$MRSYNC_REPORT"; echo "$MRSYNC_REPORT"; ls -A "$TMPDIR"'
        ).pipe(
          Effect.ensuring(
            Effect.sync(() => {
              if (before === undefined) delete process.env["TMPDIR"]
              else process.env["TMPDIR"] = before
            })
          )
        )
        assert.strictEqual(messageOf(exit), "it went well")
        const said = log.map((line) => line.replace(/^on-complete: /, ""))
        const [path] = said.splice(2, 1)
        assert.deepStrictEqual(said, [`{"_ta1`, "600"])
        // it is gone with the command
        assert.isFalse(existsSync(path))
      })
  )
  it.live("fails with its status and its last words", () =>
    Effect.gen(function* () {
      const { exit } = yield* run("echo one; echo no such service >&2; echo; exit 3", "onStart")
      assert.strictEqual(messageOf(exit), "on-start failed: exit status 3: no such service")
      assert.strictEqual(messageOf((yield* run("exit 4")).exit), "on-complete failed: exit status 4")
      assert.strictEqual(messageOf((yield* run("kill -9 $$")).exit), "on-complete failed: a signal ended it")
    })
  )
  it.live("says only so much", () =>
    Effect.gen(function* () {
      const { exit, log } = yield* run("seq 1 5000; head -c 3000000 /dev/zero | tr '\\0' x; echo; echo last; exit 1")
      assert.strictEqual(log.length, 101)
      assert.strictEqual(log[99], "on-complete: 100")
      assert.strictEqual(log[100], "on-complete: ... and more")
      assert.strictEqual(messageOf(exit), "on-complete failed: exit status 1: last")
    })
  )
  it.live("is not waited for where what it has started keeps its output open, and takes that with it", () =>
    Effect.gen(function* () {
      const file = join(directory, "started")
      const { exit } = yield* run(`sleep 300 & echo $! > ${file}; echo done`)
      assert.strictEqual(messageOf(exit), "it went well")
      assert.isFalse(isAlive(pidIn(file)))
    })
  )
  it.live(
    "is ended with all its processes when it is interrupted, also when it does not listen",
    () =>
      Effect.gen(function* () {
        const [file, deaf] = ["pid", "deaf"].map((name) => join(directory, name))
        const script = `sh -c 'trap "" TERM; echo $$ > ${deaf}; while :; do sleep 1; done' & sleep 300 & echo $! > ${file}; wait`
        const fiber = yield* Effect.forkChild(run(script))
        yield* Effect.andThen(appears(file), appears(deaf))
        assert.isTrue(isAlive(pidIn(file)) && isAlive(pidIn(deaf)))
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual([isAlive(pidIn(file)), isAlive(pidIn(deaf))], [false, false])
      }),
    15_000
  )
})
